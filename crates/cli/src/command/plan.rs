//! `portcullis plan`: what the Lambda would do for a recorded event, given the groups as a file shows them.

mod events;
mod files;
mod history;
mod human;
mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_remediation::event::{DecodeError, GroupChange, Origin, Target};
use portcullis_remediation::{Alert, GroupRef, GroupReport, alert};
use portcullis_rules::plan::Attachments;
use portcullis_rules::{
    Decision, Finding, PlanInput, Policy, Quota, SecurityGroup, Source, decide,
};

use events::{Events, History};
use history::MissingGroup;

use super::{
    MAX_LISTED_ERRORS, expired_exception_warnings, problem_messages, read_groups,
    unresolved_lists_warning,
};
use crate::args::{Format, PlanArgs};
use crate::describe::{DescribedGroups, Problem};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::{
    CommandOutput, Message, MessageLevel, format_count, sanitize_text, to_pretty_json,
};

/// What the Lambda would do for all events of a file.
#[derive(Debug, Default)]
struct Plans {
    planned: Vec<PlannedGroup>,
    ignored: Vec<IgnoredEvent>,
    errors: Vec<PlanFailure>,
    /// The groups of a history that are not among those of the input, and how many events are about each.
    missing_groups: BTreeMap<MissingGroup, usize>,
    /// What was read, when it is more than one event.
    history: Option<History>,
}

/// What it would do to one group because of one event.
#[derive(Debug)]
struct PlannedGroup {
    decision: Decision,
    report: GroupReport,
    /// What it would send; nothing when there is no news.
    message: Option<Alert>,
}

/// An event for which it would do nothing.
#[derive(Debug)]
struct IgnoredEvent {
    origin: Option<Origin>,
    reason: String,
    /// A change of a prefix list that no group uses.
    is_unused_prefix_list: bool,
}

/// Something that could not be planned.
#[derive(Debug)]
struct PlanFailure {
    origin: Option<Origin>,
    group_id: Option<String>,
    /// The file it is in, when there are several.
    path: Option<String>,
    message: String,
    help: Option<&'static str>,
    exit: ExitStatus,
}

/// Runs the command.
///
/// # Errors
/// When an input cannot be read, the policy does not hold, the event is not JSON, or the groups file tells of no groups.
pub fn run_plan(args: &PlanArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    ensure_single_stdin(args)?;
    let policy = args.policy.load()?.policy;
    let events = events::read_events(args)?;
    let described = read_groups(&args.input)?;
    let account = args.account.as_deref();
    let planner = Planner {
        policy: &policy,
        described: &described,
        account,
        now: args.now,
        fallback_time: now,
    };
    let plans = planner.plan_all(events);
    let mut talk = plan_error_messages(&plans);
    talk.extend(plans.missing_groups_message());
    talk.extend(problem_messages(
        &args.input.to_string(),
        &described.problems,
    ));
    talk.extend(expired_exception_warnings(
        &policy,
        plans
            .planned
            .iter()
            .flat_map(|planned| &planned.report.expired_exceptions),
    ));
    talk.extend(policy_notes(&policy));
    let data = match args.format {
        Format::Json => to_pretty_json(&wire::PlansV1::new(&policy, &plans, &described.problems))?,
        Format::Human => {
            talk.extend(unresolved_lists_warning(plans.unresolved_prefix_lists()));
            human::render_plans(&plans)
        }
    };
    let exit = plans.exit_status(&described.problems);
    Ok(CommandOutput {
        data,
        messages: talk,
        exit,
    })
}

/// What to do when a group is not there.
const DESCRIBE_GROUPS_HELP: &str =
    "give the output of `aws ec2 describe-security-groups` of the event's account and region";

/// What to say about what could not be planned; of many things, about the first.
fn plan_error_messages(plans: &Plans) -> Vec<Message> {
    let mut talk: Vec<_> = plans
        .errors
        .iter()
        .take(MAX_LISTED_ERRORS)
        .map(PlanFailure::to_message)
        .collect();
    let more = plans.errors.len().saturating_sub(MAX_LISTED_ERRORS);
    if more > 0 {
        let message = format!("and {}", format_count(more, "more error"));
        talk.push(
            Message::new(MessageLevel::Error, message).with_help("`--format json` lists them all"),
        );
    }
    talk
}

/// At most one input can be the standard input.
fn ensure_single_stdin(args: &PlanArgs) -> Result<(), CliError> {
    let (event, input) = (
        args.events.contains(&Input::Stdin),
        args.input == Input::Stdin,
    );
    match (event, input, args.policy.is_stdin()) {
        (true, true, _) => Err(CliError::TwoFromStdin("the event", "the groups")),
        (true, _, true) => Err(CliError::TwoFromStdin("the policy", "the event")),
        (_, true, true) => Err(CliError::TwoFromStdin("the policy", "the groups")),
        _ => Ok(()),
    }
}

/// What a reader of the plans must know of the policy.
fn policy_notes(policy: &Policy) -> Vec<Message> {
    let mut talk = Vec::new();
    if policy.monitor {
        let message = format!(
            "the mode of the policy `{}` is monitor: it tells this and changes nothing",
            policy.name
        );
        talk.push(Message::new(MessageLevel::Note, sanitize_text(&message)));
    }
    if policy.guardrails.needs_attachments() {
        let message = "guardrails ask what a group is attached to, which a file does not tell: nothing is spared by them";
        talk.push(Message::new(MessageLevel::Note, message));
    }
    talk
}

impl Plans {
    fn exit_status(&self, problems: &[Problem]) -> ExitStatus {
        let enforced =
            |planned: &PlannedGroup| planned.report.findings().any(Finding::enforces);
        let failed = self.errors.iter().map(|error| error.exit).max();
        if let Some(exit) = failed {
            exit
        } else if !problems.is_empty() || self.all_groups_missing() {
            ExitStatus::BadInput
        } else if self.planned.iter().any(enforced) {
            ExitStatus::Findings
        } else {
            ExitStatus::Clean
        }
    }

    fn unresolved_prefix_lists(&self) -> std::collections::BTreeSet<&String> {
        self.planned
            .iter()
            .flat_map(|planned| &planned.report.unresolved_prefix_lists)
            .collect()
    }
}

impl PlanFailure {
    fn new(message: String) -> Self {
        Self {
            origin: None,
            group_id: None,
            path: None,
            message,
            help: None,
            exit: ExitStatus::BadInput,
        }
    }

    fn to_message(&self) -> Message {
        let path = self
            .path
            .as_ref()
            .filter(|path| !self.message.contains(path.as_str()));
        let path = path.map_or_else(String::new, |path| format!("{path}: "));
        let talk = Message::new(
            MessageLevel::Error,
            sanitize_text(&format!("{path}{}", self.message)),
        );
        match self.help {
            Some(help) => talk.with_help(help),
            None => talk,
        }
    }
}

/// Why an event has no one group.
#[derive(Debug)]
enum GroupLookupError {
    NotFound(String),
    Ambiguous(String),
}

/// All that a plan depends on beside the event.
#[derive(Debug)]
struct Planner<'a> {
    policy: &'a Policy,
    described: &'a DescribedGroups,
    account: Option<&'a str>,
    /// The time that was asked for; else that of the event counts.
    now: Option<Timestamp>,
    /// The time, for events without one.
    fallback_time: Timestamp,
}

impl Planner<'_> {
    fn plan_all(&self, events: Events) -> Plans {
        let Events {
            changes,
            ignored,
            errors,
            history,
        } = events;
        let mut plans = Plans {
            ignored,
            errors,
            history,
            ..Plans::default()
        };
        for change in &changes {
            self.plan_change(change, &mut plans);
        }
        plans
    }

    fn plan_change(&self, change: &GroupChange, plans: &mut Plans) {
        match &change.target {
            Target::Groups(named) => {
                for named in named {
                    match self.find_group(named) {
                        Ok(group) => plans.planned.push(self.plan_group(change, named, group)),
                        Err(GroupLookupError::NotFound(_)) if plans.history.is_some() => {
                            plans.record_missing_group(change, named)
                        }
                        Err(
                            GroupLookupError::NotFound(message)
                            | GroupLookupError::Ambiguous(message),
                        ) => {
                            plans.errors.push(group_not_found(change, named, message));
                        }
                    }
                }
            }
            Target::PrefixList(list) => {
                let users: Vec<_> = self
                    .described
                    .groups
                    .iter()
                    .filter(|group| references_prefix_list(group, list))
                    .collect();
                if users.is_empty() {
                    let reason = format!("no group of the input has an ingress rule from {list}");
                    plans.ignored.push(IgnoredEvent {
                        origin: Some(change.origin.clone()),
                        reason,
                        is_unused_prefix_list: true,
                    });
                }
                for group in users {
                    let named = GroupRef::Id(group.id.clone());
                    plans.planned.push(self.plan_group(change, &named, group));
                }
            }
        }
    }

    /// The group that an event names.
    fn find_group(&self, named: &GroupRef) -> Result<&SecurityGroup, GroupLookupError> {
        let groups = &self.described.groups;
        let (mut found, shown) = match named {
            GroupRef::Id(id) => (
                groups
                    .iter()
                    .filter(|group| group.id == *id)
                    .collect::<Vec<_>>(),
                id,
            ),
            GroupRef::Name(name) => (
                groups
                    .iter()
                    .filter(|group| group.name.as_ref() == Some(name))
                    .collect(),
                name,
            ),
        };
        match (found.pop(), found.len()) {
            (Some(group), 0) => Ok(group),
            (None, _) => {
                let message = format!(
                    "the event is about `{shown}`, which is not among the groups of the input"
                );
                Err(GroupLookupError::NotFound(message))
            }
            (Some(last), _) => {
                let ids: Vec<_> = found
                    .iter()
                    .chain([&last])
                    .map(|group| format!("`{}`", group.id))
                    .collect();
                let ids = ids.join(" and ");
                Err(GroupLookupError::Ambiguous(format!(
                    "the event names the group `{shown}`, which is the name of {ids}"
                )))
            }
        }
    }

    /// As the Lambda decides: judged, then planned.
    fn plan_group(
        &self,
        change: &GroupChange,
        named: &GroupRef,
        group: &SecurityGroup,
    ) -> PlannedGroup {
        let now = self
            .now
            .or(change.origin.time)
            .unwrap_or(self.fallback_time);
        let decision = decide(&PlanInput {
            policy: self.policy,
            group,
            lists: &self.described.prefix_lists,
            context: &change.origin.evaluation_context(Some(now)),
            foreign: self
                .account
                .zip(group.owner_id.as_deref())
                .is_some_and(|(ours, owner)| ours != owner),
            attachments: Attachments::default(),
            quota: Quota::default(),
        });
        let report = GroupReport::planned(self.policy, change, named, group, &decision);
        let message = report.needs_alert().then(|| alert::compose_alert(&report));
        PlannedGroup {
            decision,
            report,
            message,
        }
    }
}

fn references_prefix_list(group: &SecurityGroup, list: &str) -> bool {
    group
        .rules
        .iter()
        .any(|rule| matches!(&rule.source, Source::PrefixList(id) if id == list))
}

fn group_not_found(change: &GroupChange, named: &GroupRef, message: String) -> PlanFailure {
    let group_id = match named {
        GroupRef::Id(id) => Some(id.clone()),
        GroupRef::Name(_) => None,
    };
    PlanFailure {
        origin: Some(change.origin.clone()),
        group_id,
        help: Some(DESCRIBE_GROUPS_HELP),
        ..PlanFailure::new(message)
    }
}

/// An event that should name a group and cannot be understood.
fn undecodable_event(error: &DecodeError) -> PlanFailure {
    let origin = match error {
        DecodeError::MissingGroup {
            event_name,
            event_id,
        }
        | DecodeError::MissingPrefixList {
            event_name,
            event_id,
        } => Some(Origin {
            event_name: event_name.clone(),
            event_id: Some(event_id.clone()).filter(|id| !id.contains(' ')),
            ..Origin::default()
        }),
        DecodeError::NotJson(_) | DecodeError::NotCloudTrailRecord(_) => None,
    };
    PlanFailure {
        origin,
        ..PlanFailure::new(error.to_string())
    }
}
