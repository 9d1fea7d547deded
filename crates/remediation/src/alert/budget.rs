//! How long each part of an alert may be.
//!
//! The SNS message has the e-mail twice, the chat notification once and the report twice: 216 KiB.
//! SNS takes 256 KiB, message attributes included (Amazon SNS API Reference, `Publish`).

use crate::report::json::escaped_len;

/// Maximum size of the e-mail in bytes, as a string inside JSON.
pub(super) const EMAIL_BUDGET: usize = 32 * 1024;
/// Maximum size of the chat notification in bytes, as a string inside JSON.
pub(super) const CHAT_BUDGET: usize = 8 * 1024;
/// Maximum size of the report in bytes, as a string inside JSON.
pub(super) const REPORT_BUDGET: usize = 72 * 1024;

/// The first text that fits the budget, composed with shorter and shorter lists. The last length
/// must give a small text whatever the report contains.
pub(super) fn fit_to_budget(
    budget: usize,
    list_lengths: &[usize],
    compose: impl Fn(usize) -> String,
) -> String {
    let mut text = String::new();
    for &max_entries in list_lengths {
        text = compose(max_entries);
        if escaped_len(&text) <= budget {
            break;
        }
    }
    text
}
