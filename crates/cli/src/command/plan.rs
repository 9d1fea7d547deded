//! `portcullis plan`: shows what the Lambda would do for recorded events, with the groups of an
//! input.

mod changed;
mod events;
mod files;
mod history;
mod human;
mod json;
mod planner;
mod plans;
mod unwrap;
mod values;

pub(super) use changed::{ChangedGroups, find_changed_groups};
use jiff::Timestamp;
pub(super) use plans::{PlannedGroup, Plans};
use portcullis_remediation::Mode;
use portcullis_rules::Policy;

use super::exceptions::expired_exception_warnings;
use super::groups::{
    MAX_LISTED_ERRORS, assumption_notes, name_inputs, problem_messages, read_groups,
    unresolved_lists_warning,
};
use crate::args::{Format, PlanArgs};
use crate::describe::DescribedGroups;
use crate::error::CliError;
use crate::input::Input;
use crate::output::{CommandOutput, Message, MessageLevel, to_pretty_json};
use crate::text::{format_count, sanitize_text};
use planner::{DESCRIBE_GROUPS_HELP, Planner};
use plans::PlanFailure;

/// Runs the command.
///
/// # Errors
/// When an input cannot be read, the policy is invalid, the event is not JSON, or the input does
/// not contain security groups.
pub fn run_plan(args: &PlanArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    ensure_single_stdin(args)?;
    let policy = args.policy.load()?.policy;
    let events = events::read_events(&args.events, &args.input)?;
    let described = read_groups(&args.input)?;
    let mode = args.mode.unwrap_or_else(|| policy_mode(&policy));
    let planner = Planner {
        policy: &policy,
        mode,
        described: &described,
        account: args.account.as_deref(),
        now: args.now,
        fallback_time: now,
    };
    let plans = planner.plan_all(events);
    let mut messages = plan_messages(&plans);
    messages.extend(assumption_notes(&described));
    messages.extend(problem_messages(&name_inputs(&args.input), &plans.problems));
    messages.extend(expired_exception_messages(&policy, &plans));
    messages.extend(policy_notes(&policy, mode));
    let data = match args.format {
        Format::Json => to_pretty_json(&json::PlansV1::new(&policy, &plans))?,
        Format::Human => {
            messages.extend(unresolved_lists_warning(plans.unresolved_prefix_lists()));
            human::render_plans(&plans)
        }
    };
    Ok(CommandOutput {
        data,
        messages,
        exit: plans.exit_status(),
    })
}

/// The mode in which a policy is deployed unless the deployment says otherwise.
const fn policy_mode(policy: &Policy) -> Mode {
    if policy.monitor {
        Mode::Monitor
    } else {
        Mode::Enforce
    }
}

/// At most one input can be standard input.
fn ensure_single_stdin(args: &PlanArgs) -> Result<(), CliError> {
    let event_is_stdin = args.events.contains(&Input::Stdin);
    let input_is_stdin = args.input.contains(&Input::Stdin);
    match (event_is_stdin, input_is_stdin, args.policy.is_stdin()) {
        (true, true, _) => Err(CliError::TwoFromStdin("the event", "the groups")),
        (true, _, true) => Err(CliError::TwoFromStdin("the policy", "the event")),
        (_, true, true) => Err(CliError::TwoFromStdin("the policy", "the groups")),
        _ => Ok(()),
    }
}

/// What the plans for recorded events depend on, apart from the policy.
#[derive(Debug)]
pub(super) struct RecordedEvents<'a> {
    /// Files and folders of events.
    pub(super) paths: &'a [Input],
    /// The files of the groups, which are left out of folders.
    pub(super) inputs: &'a [Input],
    /// The groups.
    pub(super) described: &'a DescribedGroups,
    /// The account that Portcullis runs in, if given.
    pub(super) account: Option<&'a str>,
    /// The time given with `--now`; if absent, the time of each event is used.
    pub(super) now: Option<Timestamp>,
    /// The time for events without one.
    pub(super) fallback_time: Timestamp,
}

impl RecordedEvents<'_> {
    /// The plans under each of these policies, in the same order.
    ///
    /// # Errors
    /// When a path cannot be read, or the only file is not JSON or has no events by its nature.
    pub(super) fn plan_under<const N: usize>(
        &self,
        policies: [&Policy; N],
    ) -> Result<[Plans; N], CliError> {
        let events = events::read_events(self.paths, self.inputs)?;
        Ok(policies.map(|policy| {
            let planner = Planner {
                policy,
                mode: policy_mode(policy),
                described: self.described,
                account: self.account,
                now: self.now,
                fallback_time: self.fallback_time,
            };
            planner.plan_all(events.clone())
        }))
    }
}

/// The messages about events that could not be read, and groups that are not in the input.
pub(super) fn plan_messages(plans: &Plans) -> Vec<Message> {
    let mut messages = plan_error_messages(&plans.errors);
    messages.extend(missing_groups_message(plans));
    messages
}

/// The messages about events that could not be read.
pub(super) fn changed_groups_errors(changed: &ChangedGroups) -> Vec<Message> {
    plan_error_messages(&changed.failures)
}

/// The messages about what could not be planned; of many failures, about the first.
fn plan_error_messages(errors: &[PlanFailure]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut last_help = None;
    for failure in errors.iter().take(MAX_LISTED_ERRORS) {
        let mut message = failure_message(failure);
        // The same help is printed once.
        if message.help == last_help {
            message.help = None;
        } else {
            last_help.clone_from(&message.help);
        }
        messages.push(message);
    }
    let unlisted = errors.len().saturating_sub(MAX_LISTED_ERRORS);
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
        help: failure.help.clone(),
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

/// How the mode and the policy limit what the plans show.
fn policy_notes(policy: &Policy, mode: Mode) -> Vec<Message> {
    let mut messages = Vec::new();
    if let Some(text) = mode_note(policy, mode) {
        messages.push(Message::new(MessageLevel::Note, text));
    }
    if policy.guardrails.needs_attachments() {
        let text = "guardrails about attachments were not applied: the input does not contain \
                    what a group is attached to";
        messages.push(Message::new(MessageLevel::Note, text));
    }
    messages
}

/// In monitor mode, and where the deployment overrides the policy, what that means.
fn mode_note(policy: &Policy, mode: Mode) -> Option<String> {
    let name = sanitize_text(&policy.name);
    match (policy_mode(policy), mode) {
        (Mode::Enforce, Mode::Enforce) => None,
        (Mode::Monitor, Mode::Enforce) => Some(format!(
            "the policy `{name}` says monitor, `--mode` says enforce: Portcullis would enforce it"
        )),
        (Mode::Monitor, Mode::Monitor) => Some(format!(
            "the policy `{name}` is in monitor mode: Portcullis would send the alert and change \
             nothing"
        )),
        (Mode::Enforce, Mode::Monitor) => {
            Some("in monitor mode, Portcullis would send the alert and change nothing".to_owned())
        }
    }
}
