//! Reading the security groups of an input, and messages about what is missing from them.

use portcullis_rules::Policy;

use crate::describe::{DescribedGroups, Problem, decode_described_groups};
use crate::error::CliError;
use crate::input::Input;
use crate::output::{Message, MessageLevel};
use crate::policy::depends_on_region;
use crate::text::{format_count, sanitize_text};

/// How many errors are printed one by one.
pub(super) const MAX_LISTED_ERRORS: usize = 10;

/// The security groups of an input.
pub(super) fn read_groups(input: &Input) -> Result<DescribedGroups, CliError> {
    let name = input.to_string();
    decode_described_groups(&input.read_bytes()?)
        .map_err(|source| CliError::InvalidGroups { name, source })
}

/// The messages about values that could not be read.
pub(super) fn problem_messages(input: &str, problems: &[Problem]) -> Vec<Message> {
    if problems.is_empty() {
        return Vec::new();
    }
    let mut messages: Vec<_> = problems
        .iter()
        .take(MAX_LISTED_ERRORS)
        .map(problem_message)
        .collect();
    let count = format_count(problems.len(), "value");
    let summary = format!("{count} of {input} could not be read");
    let help = "the rules or groups they belong to were skipped; everything else was evaluated";
    messages.push(Message::new(MessageLevel::Error, summary).with_help(help));
    messages
}

fn problem_message(problem: &Problem) -> Message {
    let group = match &problem.group_id {
        Some(id) => format!(" ({id})"),
        None => String::new(),
    };
    let text = format!("{}{group}: {}", problem.path, problem.message);
    Message::new(MessageLevel::Error, sanitize_text(&text))
}

/// The warning about prefix lists whose entries are unknown.
pub(super) fn unresolved_lists_warning<'a>(
    lists: impl IntoIterator<Item = &'a String>,
) -> Option<Message> {
    let ids: Vec<_> = lists
        .into_iter()
        .map(|list| format!("`{}`", sanitize_text(list)))
        .collect();
    if ids.is_empty() {
        return None;
    }
    let ids = ids.join(", ");
    let text = format!("prefix lists without entries, evaluated as private: {ids}");
    let help = "add their entries to the input under the key `PrefixLists`; \
                see `portcullis audit --help`";
    Some(Message::new(MessageLevel::Warning, text).with_help(help))
}

/// The warning about a policy that is scoped by region when the region is unknown.
pub(super) fn unknown_region_warning(policy: &Policy, is_known: bool) -> Option<Message> {
    if is_known || !depends_on_region(policy) {
        return None;
    }
    let text = "the policy is scoped by region, but the region of the groups is unknown";
    let help = "set it with `--region`; without it, everything scoped by region is ignored";
    Some(Message::new(MessageLevel::Warning, text).with_help(help))
}
