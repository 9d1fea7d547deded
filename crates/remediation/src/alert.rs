//! What people see: the report of one group put into words, for each kind of subscriber.
//!
//! Everything here is made of two kinds of text: ours, and text from outside, which only ever arrives through
//! [`clean`]. All of it is bounded, because SNS takes 256 KiB and no more.

mod attributes;
mod digest;
mod email;
mod link;
mod phrases;
mod plain_text;
mod replacements;
pub mod sanitize;
mod slack;
mod subject;
mod summary;

use serde_json::json;

use crate::report::{GroupReport, json};
pub use digest::compose_digest;
use summary::AlertSummary;

/// How many bytes each wording may take as a string inside JSON. The message holds the e-mail twice, the chat
/// notification once and the report twice: 216 KiB, and SNS takes 256 KiB with the attributes.
const EMAIL_BUDGET: usize = 32 * 1024;
const CHAT_BUDGET: usize = 8 * 1024;
const REPORT_BUDGET: usize = 72 * 1024;

/// One message, worded for each kind of subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// At most 99 printable ASCII characters, outcome first.
    pub subject: String,
    /// The text for people: e-mail, and whoever has no wording of their own.
    pub email: String,
    /// The custom notification of Amazon Q Developer in chat applications, as JSON.
    pub chat: String,
    /// The full report, as JSON.
    pub report: String,
    /// Message attributes for filter policies, name and value, ascending.
    pub attributes: Vec<(String, String)>,
}

impl Alert {
    /// The body of an SNS publish with `MessageStructure` `json`: one text for each protocol. All values are strings,
    /// because SNS ignores a key whose value is not.
    pub fn sns_message(&self) -> String {
        let (text, chat, report) = (&self.email, &self.chat, &self.report);
        json!({"default": text, "email": text, "https": chat, "lambda": report, "sqs": report})
            .to_string()
    }
}

/// Puts a report into words.
pub fn compose_alert(report: &GroupReport) -> Alert {
    let story = AlertSummary::from_report(report);
    Alert {
        subject: subject::compose_subject(&story),
        email: fit_to_budget(EMAIL_BUDGET, &[30, 20, 10, 5, 1, 0], |most| {
            email::compose_email(&story, most)
        }),
        chat: fit_to_budget(CHAT_BUDGET, &[10, 5, 1, 0], |most| {
            slack::compose_chat(&story, most)
        }),
        report: json::to_json_within(report, REPORT_BUDGET),
        attributes: attributes::compose_attributes(report),
    }
}

/// The first text that fits, of those with ever shorter lists; the last one is small whatever the report holds.
fn fit_to_budget(budget: usize, lists: &[usize], compose: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for &most in lists {
        text = compose(most);
        if json::escaped_len(&text) <= budget {
            break;
        }
    }
    text
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
