//! The text message: one line of at most 140 characters.

use super::sanitize::sanitize_ascii;
use super::subject::compose_line;
use super::summary::{AlertSummary, Headline};
use crate::alert::phrases::principal_name;

/// SNS splits a text message after 140 bytes (Amazon SNS Developer Guide, "Publishing to a mobile
/// phone").
pub(super) const MAX_SMS: usize = 140;

/// The subject, then whether to act, and who opened it if there is space for it.
pub(super) fn compose_sms(summary: &AlertSummary<'_>) -> String {
    let action = action_words(summary.headline);
    let line = compose_line(summary, MAX_SMS.saturating_sub(action.len()));
    let text = format!("{line}{action}");
    let who = format!(" By {}", sanitize_ascii(principal_name(summary.report), 60));
    if text.len().saturating_add(who.len()) <= MAX_SMS {
        format!("{text}{who}")
    } else {
        sanitize_ascii(&text, MAX_SMS)
    }
}

const fn action_words(headline: Headline) -> &'static str {
    match headline {
        Headline::NotVerified => ". CHECK NOW.",
        Headline::NotClosed => ". CLOSE IT NOW.",
        Headline::Refused | Headline::WouldClose => ". Decide now.",
        Headline::Closed
        | Headline::AlreadyGone
        | Headline::Reported
        | Headline::GroupDeleted
        | Headline::Clean => ".",
    }
}
