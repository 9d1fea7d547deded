//! `portcullis plan`: shows what the Lambda would do for recorded events, with the groups of an
//! input.

mod events;
mod files;
mod history;
mod human;
mod json;
mod planner;
mod plans;

use jiff::Timestamp;
use portcullis_rules::Policy;

use super::exceptions::expired_exception_warnings;
use super::groups::{MAX_LISTED_ERRORS, problem_messages, read_groups, unresolved_lists_warning};
use crate::args::{Format, PlanArgs};
use crate::error::CliError;
use crate::input::Input;
use crate::output::{CommandOutput, Message, MessageLevel, to_pretty_json};
use crate::text::{format_count, sanitize_text};
use planner::{DESCRIBE_GROUPS_HELP, Planner};
use plans::{PlanFailure, Plans};

/// Runs the command.
///
/// # Errors
/// When an input cannot be read, the policy is invalid, the event is not JSON, or the input does
/// not contain security groups.
pub fn run_plan(args: &PlanArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    ensure_single_stdin(args)?;
    let policy = args.policy.load()?.policy;
    let events = events::read_events(args)?;
    let described = read_groups(&args.input)?;
    let planner = Planner {
        policy: &policy,
        described: &described,
        account: args.account.as_deref(),
        now: args.now,
        fallback_time: now,
    };
    let plans = planner.plan_all(events);
    let problems = &described.problems;
    let mut messages = plan_error_messages(&plans);
    messages.extend(missing_groups_message(&plans));
    messages.extend(problem_messages(&args.input.to_string(), problems));
    messages.extend(expired_exception_messages(&policy, &plans));
    messages.extend(policy_notes(&policy));
    let data = match args.format {
        Format::Json => to_pretty_json(&json::PlansV1::new(&policy, &plans, problems))?,
        Format::Human => {
            messages.extend(unresolved_lists_warning(plans.unresolved_prefix_lists()));
            human::render_plans(&plans)
        }
    };
    Ok(CommandOutput {
        data,
        messages,
        exit: plans.exit_status(problems),
    })
}

/// At most one input can be standard input.
fn ensure_single_stdin(args: &PlanArgs) -> Result<(), CliError> {
    let event_is_stdin = args.events.contains(&Input::Stdin);
    let input_is_stdin = args.input == Input::Stdin;
    match (event_is_stdin, input_is_stdin, args.policy.is_stdin()) {
        (true, true, _) => Err(CliError::TwoFromStdin("the event", "the groups")),
        (true, _, true) => Err(CliError::TwoFromStdin("the policy", "the event")),
        (_, true, true) => Err(CliError::TwoFromStdin("the policy", "the groups")),
        _ => Ok(()),
    }
}

/// The messages about what could not be planned; of many failures, about the first.
fn plan_error_messages(plans: &Plans) -> Vec<Message> {
    let mut messages: Vec<_> = plans
        .errors
        .iter()
        .take(MAX_LISTED_ERRORS)
        .map(failure_message)
        .collect();
    let unlisted = plans.errors.len().saturating_sub(MAX_LISTED_ERRORS);
    if unlisted > 0 {
        let text = format!("and {}", format_count(unlisted, "more error"));
        let help = "`--format json` lists all of them";
        messages.push(Message::new(MessageLevel::Error, text).with_help(help));
    }
    messages
}

fn failure_message(failure: &PlanFailure) -> Message {
    let text = match &failure.path {
        Some(path) if !failure.message.contains(path.as_str()) => {
            format!("{path}: {}", failure.message)
        }
        Some(_) | None => failure.message.clone(),
    };
    Message {
        help: failure.help.map(str::to_owned),
        ..Message::new(MessageLevel::Error, sanitize_text(&text))
    }
}

/// The message about groups of a history that are not in the input.
fn missing_groups_message(plans: &Plans) -> Option<Message> {
    if plans.missing_groups.is_empty() {
        return None;
    }
    let groups = format_count(plans.missing_groups.len(), "group");
    if plans.all_groups_missing() {
        let error =
            format!("none of the groups in the events can be found in the input ({groups})");
        return Some(Message::new(MessageLevel::Error, error).with_help(DESCRIBE_GROUPS_HELP));
    }
    let text = format!("{groups} in the events cannot be found in the input");
    let help = "they were deleted, or belong to another account or region; nothing was planned \
                for them";
    Some(Message::new(MessageLevel::Warning, text).with_help(help))
}

fn expired_exception_messages(policy: &Policy, plans: &Plans) -> Vec<Message> {
    let expired = plans
        .planned
        .iter()
        .flat_map(|planned| &planned.report.expired_exceptions);
    expired_exception_warnings(policy, expired)
}

/// How the policy limits what the plans show.
fn policy_notes(policy: &Policy) -> Vec<Message> {
    let mut messages = Vec::new();
    if policy.monitor {
        let name = sanitize_text(&policy.name);
        let text = format!(
            "the policy `{name}` is in monitor mode: Portcullis would send the alert and change \
             nothing"
        );
        messages.push(Message::new(MessageLevel::Note, text));
    }
    if policy.guardrails.needs_attachments() {
        let text = "guardrails about attachments were not applied: the input does not contain \
                    what a group is attached to";
        messages.push(Message::new(MessageLevel::Note, text));
    }
    messages
}
