//! Messages about exceptions that should be removed from a policy.

use std::collections::BTreeSet;

use portcullis_rules::{Exception, Policy};

use crate::output::{Message, MessageLevel};
use crate::text::sanitize_text;

/// The warnings about expired exceptions that would exempt something.
pub(super) fn expired_exception_warnings<'a>(
    policy: &Policy,
    expired: impl IntoIterator<Item = &'a String>,
) -> Vec<Message> {
    let expired: BTreeSet<_> = expired.into_iter().collect();
    policy
        .exceptions
        .iter()
        .filter(|exception| expired.contains(&exception.id))
        .map(|exception| expired_exception_warning(exception))
        .collect()
}

fn expired_exception_warning(exception: &Exception) -> Message {
    let id = &exception.id;
    let when = match exception.expires {
        Some(time) => format!(" at {time}"),
        None => String::new(),
    };
    let text = format!("the exception `{id}` expired{when}: what it exempted is forbidden again");
    let owner = sanitize_text(&exception.owner);
    let help = format!("remove it, or ask `{owner}` to extend it");
    Message::new(MessageLevel::Warning, text).with_help(help)
}

/// The warning about exceptions that exempt nothing in the groups of an input.
pub(super) fn stale_exceptions_warning(stale: &[&Exception], input: &str) -> Option<Message> {
    if stale.is_empty() {
        return None;
    }
    let ids: Vec<_> = stale
        .iter()
        .map(|exception| format!("`{}`", exception.id))
        .collect();
    let ids = ids.join(", ");
    let text = format!("exceptions that exempt nothing in {input}: {ids}");
    let help = "remove them, unless they are for groups of another account or region";
    Some(Message::new(MessageLevel::Warning, text).with_help(help))
}
