//! Reading the security groups of inputs, and messages about what is missing from them.

use std::collections::BTreeSet;

use portcullis_rules::Policy;

use crate::describe::{DescribedGroups, GroupsDecoder, Problem};
use crate::error::CliError;
use crate::input::Input;
use crate::output::{Message, MessageLevel};
use crate::policy::depends_on_region;
use crate::text::{format_count, sanitize_text};

/// How many errors are printed one by one.
pub(super) const MAX_LISTED_ERRORS: usize = 10;

/// The security groups of the inputs.
///
/// # Errors
/// When standard input is given twice, an input cannot be read or is of another kind, or none of
/// them contains security groups.
pub(super) fn read_groups(inputs: &[Input]) -> Result<DescribedGroups, CliError> {
    let from_stdin = inputs.iter().filter(|input| **input == Input::Stdin);
    if from_stdin.count() > 1 {
        return Err(CliError::TwoFromStdin("one input", "another"));
    }
    let mut decoder = GroupsDecoder::for_inputs(inputs.len());
    for input in inputs {
        let name = input.to_string();
        let added = decoder.add_input(&name, &input.read_bytes()?);
        added.map_err(|source| CliError::InvalidGroups { name, source })?;
    }
    decoder.finish().map_err(|source| CliError::InvalidGroups {
        name: name_inputs(inputs),
        source,
    })
}

/// The inputs in a message: `` `a.json` and `b.json` ``.
pub(super) fn name_inputs(inputs: &[Input]) -> String {
    let names: Vec<_> = inputs.iter().map(Input::to_string).collect();
    names.join(" and ")
}

/// The messages about what could not be evaluated: the first problems, and what to do.
pub(super) fn problem_messages(inputs: &str, problems: &[Problem]) -> Vec<Message> {
    if problems.is_empty() {
        return Vec::new();
    }
    let mut messages = Vec::new();
    let mut explained = BTreeSet::new();
    for problem in problems.iter().take(MAX_LISTED_ERRORS) {
        let message = problem_message(problem);
        // Many problems have the same help.
        messages.push(match &problem.help {
            Some(help) if explained.insert(help) => message.with_help(sanitize_text(help)),
            Some(_) | None => message,
        });
    }
    let count = format_count(problems.len(), "error");
    let summary = format!("{inputs} could not be evaluated completely: {count}");
    let help = "nothing can be concluded from the absence of a finding; everything that could be \
                read was evaluated";
    messages.push(Message::new(MessageLevel::Error, summary).with_help(help));
    messages
}

fn problem_message(problem: &Problem) -> Message {
    let place = problem.path.as_ref().or(problem.region.as_ref());
    let place = match (place, &problem.group_id) {
        (Some(place), Some(id)) => format!("{place} ({id}): "),
        (Some(place), None) => format!("{place}: "),
        (None, Some(id)) => format!("{id}: "),
        (None, None) => String::new(),
    };
    let text = format!("{place}{}", problem.message);
    Message::new(MessageLevel::Error, sanitize_text(&text))
}

/// The warning about prefix lists whose entries are unknown.
pub(super) fn unresolved_lists_warning<'a>(
    lists: impl IntoIterator<Item = &'a String>,
) -> Option<Message> {
    let ids: Vec<_> = lists.into_iter().map(|list| sanitize_text(list)).collect();
    let first = ids.first()?;
    let quoted: Vec<_> = ids.iter().map(|id| format!("`{id}`")).collect();
    let text = format!(
        "prefix lists without entries, evaluated as private: {}",
        quoted.join(", ")
    );
    let help = format!(
        "for each, run `aws ec2 get-managed-prefix-list-entries --prefix-list-id {first} --output \
         json > {first}.json` and add `--input {first}.json`"
    );
    Some(Message::new(MessageLevel::Warning, text).with_help(help))
}

/// What was assumed about the inputs.
pub(super) fn assumption_notes(described: &DescribedGroups) -> Vec<Message> {
    described
        .notes
        .iter()
        .map(|note| Message::new(MessageLevel::Note, sanitize_text(note)))
        .collect()
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
