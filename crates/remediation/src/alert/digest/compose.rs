//! Composes the digest of a sweep.

use super::email::compose_sweep_email;
use super::slack::compose_sweep_chat;
use super::wording::sweep_headline;
use crate::alert::attributes::compose_sweep_attributes;
use crate::alert::budget::{CHAT_BUDGET, EMAIL_BUDGET, REPORT_BUDGET, fit_to_budget};
use crate::alert::options::AlertLinks;
use crate::alert::sanitize::sanitize_ascii;
use crate::alert::subject::MAX_SUBJECT;
use crate::report::SweepReport;
use crate::report::json::{SweepV1, serialize_json};
use crate::services::Alert;

/// How many groups the e-mail and the report list: the first length whose text fits.
const LIST_LENGTHS: [usize; 6] = [50, 20, 10, 5, 1, 0];

/// Composes the digest about the report of a sweep.
pub fn compose_digest(sweep: &SweepReport, links: &AlertLinks) -> Alert {
    Alert {
        subject: sweep_subject(sweep),
        sms: sweep_subject(sweep),
        email: fit_to_budget(EMAIL_BUDGET, &LIST_LENGTHS, |max_entries| {
            compose_sweep_email(sweep, links, max_entries)
        }),
        chat: fit_to_budget(CHAT_BUDGET, &[10, 5, 1, 0], |max_entries| {
            compose_sweep_chat(sweep, links, max_entries)
        }),
        report: fit_to_budget(REPORT_BUDGET, &LIST_LENGTHS, |max_entries| {
            serialize_json(&SweepV1::with_max_entries(sweep, max_entries))
        }),
        attributes: compose_sweep_attributes(sweep),
    }
}

/// `SWEEP FOUND: 12 groups with findings, highest severity high, eu-west-1, 111122223333`.
fn sweep_subject(sweep: &SweepReport) -> String {
    let mut parts = vec![sweep_headline(sweep)];
    for part in [&sweep.region, &sweep.account].into_iter().flatten() {
        parts.push(sanitize_ascii(part, 20));
    }
    sanitize_ascii(&parts.join(", "), MAX_SUBJECT)
}
