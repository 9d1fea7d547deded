//! `portcullis plan`: what the Lambda would do for a recorded event, given the groups as a file shows them.

mod events;
mod human;
mod wire;

use jiff::Timestamp;
use portcullis_remediation::intake::{Change, Intake, IntakeError, Origin, Target, intake_value};
use portcullis_remediation::{Alert, GroupRef, Report, alert};
use portcullis_rules::plan::{Attachments, Order};
use portcullis_rules::{Finding, Policy, SecurityGroup, Source};
use serde_json::Value;

use super::{groups, tell_expired, tell_problems, tell_unresolved};
use crate::args::{Format, PlanArgs};
use crate::describe::{Described, Problem};
use crate::error::CliError;
use crate::exit::Exit;
use crate::input::Input;
use crate::output::{Done, Label, Talk, clean, json};
use crate::planning::{Question, decide};

/// What the Lambda would do for all events of a file.
#[derive(Debug, Default)]
struct Plans {
    planned: Vec<Planned>,
    ignored: Vec<Ignored>,
    errors: Vec<Failed>,
}

/// What it would do to one group because of one event.
#[derive(Debug)]
struct Planned {
    report: Report,
    /// Which would come first.
    order: Order,
    /// What it would send; nothing when there is no news.
    message: Option<Alert>,
}

/// An event for which it would do nothing.
#[derive(Debug)]
struct Ignored {
    origin: Option<Origin>,
    reason: String,
}

/// Something that could not be planned.
#[derive(Debug)]
struct Failed {
    origin: Option<Origin>,
    group_id: Option<String>,
    message: String,
    help: Option<&'static str>,
}

/// Runs the command.
///
/// # Errors
/// When an input cannot be read, the policy does not hold, the event is not JSON, or the groups file tells of no groups.
pub fn run(args: &PlanArgs, now: Timestamp) -> Result<Done, CliError> {
    one_from_stdin(args)?;
    let policy = args.policy.load()?.policy;
    let records = events::records(&args.event)?;
    let described = groups(&args.input)?;
    let account = args.account.as_deref();
    let planner = Planner { policy: &policy, described: &described, account, now: args.now, clock: now };
    let plans = planner.plan_all(&records);
    let mut talk: Vec<_> = plans.errors.iter().map(Failed::talk).collect();
    talk.extend(tell_problems(&args.input, &described.problems));
    talk.extend(tell_expired(&policy, plans.planned.iter().flat_map(|planned| &planned.report.expired_exceptions)));
    talk.extend(tell_policy(&policy));
    let data = match args.format {
        Format::Json => json(&wire::PlansV1::new(&policy, &plans, &described.problems))?,
        Format::Human => {
            talk.extend(tell_unresolved(plans.unresolved()));
            human::render(&plans)
        }
    };
    let exit = plans.exit(&described.problems);
    Ok(Done { data, talk, exit })
}

/// At most one input can be the standard input.
fn one_from_stdin(args: &PlanArgs) -> Result<(), CliError> {
    let (event, input) = (args.event == Input::Stdin, args.input == Input::Stdin);
    match (event, input, args.policy.is_stdin()) {
        (true, true, _) => Err(CliError::TwoFromStdin("the event", "the groups")),
        (true, _, true) => Err(CliError::TwoFromStdin("the policy", "the event")),
        (_, true, true) => Err(CliError::TwoFromStdin("the policy", "the groups")),
        _ => Ok(()),
    }
}

/// What a reader of the plans must know of the policy.
fn tell_policy(policy: &Policy) -> Vec<Talk> {
    let mut talk = Vec::new();
    if policy.monitor {
        let message = format!("the mode of the policy `{}` is monitor: it tells this and changes nothing", policy.name);
        talk.push(Talk::new(Label::Note, clean(&message)));
    }
    if policy.guardrails.needs_attachments() {
        let message =
            "guardrails ask what a group is attached to, which a file does not tell: nothing is spared by them";
        talk.push(Talk::new(Label::Note, message));
    }
    talk
}

impl Plans {
    fn exit(&self, problems: &[Problem]) -> Exit {
        let enforced = |planned: &Planned| planned.report.findings.iter().any(Finding::enforces);
        if !self.errors.is_empty() || !problems.is_empty() {
            Exit::BadInput
        } else if self.planned.iter().any(enforced) {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }

    fn unresolved(&self) -> std::collections::BTreeSet<&String> {
        self.planned.iter().flat_map(|planned| &planned.report.unresolved_prefix_lists).collect()
    }
}

impl Failed {
    fn talk(&self) -> Talk {
        let talk = Talk::new(Label::Error, clean(&self.message));
        match self.help {
            Some(help) => talk.with_help(help),
            None => talk,
        }
    }
}

/// All that a plan depends on beside the event.
#[derive(Debug)]
struct Planner<'a> {
    policy: &'a Policy,
    described: &'a Described,
    account: Option<&'a str>,
    /// The time that was asked for; else that of the event counts.
    now: Option<Timestamp>,
    /// The time, for events without one.
    clock: Timestamp,
}

impl Planner<'_> {
    fn plan_all(&self, records: &[Value]) -> Plans {
        let mut plans = Plans::default();
        if records.is_empty() {
            plans.ignored.push(Ignored { origin: None, reason: "the log file holds no records".to_owned() });
        }
        for record in records {
            match intake_value(record) {
                Ok(Intake::Change(change)) => self.plan_change(&change, &mut plans),
                Ok(Intake::Ignored { origin, reason }) => {
                    plans.ignored.push(Ignored { origin: Some(*origin), reason: reason.to_string() });
                }
                Err(error) => plans.errors.push(not_understood(&error)),
            }
        }
        plans
    }

    fn plan_change(&self, change: &Change, plans: &mut Plans) {
        match &change.target {
            Target::Groups(named) => {
                for named in named {
                    match self.find(named) {
                        Ok(group) => plans.planned.push(self.plan_group(change, named, group)),
                        Err(message) => plans.errors.push(not_found(change, named, message)),
                    }
                }
            }
            Target::PrefixList(list) => {
                let users: Vec<_> = self.described.groups.iter().filter(|group| uses(group, list)).collect();
                if users.is_empty() {
                    let reason = format!("no group of the input has an ingress rule from {list}");
                    plans.ignored.push(Ignored { origin: Some(change.origin.clone()), reason });
                }
                for group in users {
                    let named = GroupRef::Id(group.id.clone());
                    plans.planned.push(self.plan_group(change, &named, group));
                }
            }
        }
    }

    /// The group that an event names.
    fn find(&self, named: &GroupRef) -> Result<&SecurityGroup, String> {
        let groups = &self.described.groups;
        let (mut found, shown) = match named {
            GroupRef::Id(id) => (groups.iter().filter(|group| group.id == *id).collect::<Vec<_>>(), id),
            GroupRef::Name(name) => (groups.iter().filter(|group| group.name.as_ref() == Some(name)).collect(), name),
        };
        match (found.pop(), found.len()) {
            (Some(group), 0) => Ok(group),
            (None, _) => Err(format!("the event is about `{shown}`, which is not among the groups of the input")),
            (Some(last), _) => {
                let ids: Vec<_> = found.iter().chain([&last]).map(|group| format!("`{}`", group.id)).collect();
                Err(format!("the event names the group `{shown}`, which is the name of {}", ids.join(" and ")))
            }
        }
    }

    /// As the Lambda decides: judged, then planned.
    fn plan_group(&self, change: &Change, named: &GroupRef, group: &SecurityGroup) -> Planned {
        let now = self.now.or(change.origin.time).unwrap_or(self.clock);
        let decision = decide(&Question {
            policy: self.policy,
            group,
            lists: &self.described.prefix_lists,
            context: &change.origin.context(Some(now)),
            foreign: self.account.zip(group.owner_id.as_deref()).is_some_and(|(ours, owner)| ours != owner),
            attachments: Attachments::default(),
        });
        let order = decision.plan.order;
        let report = Report::planned(self.policy, change, named, group, decision.judgement, decision.plan);
        let message = report.is_news().then(|| alert::compose(&report));
        Planned { report, order, message }
    }
}

fn uses(group: &SecurityGroup, list: &str) -> bool {
    group.rules.iter().any(|rule| matches!(&rule.source, Source::PrefixList(id) if id == list))
}

fn not_found(change: &Change, named: &GroupRef, message: String) -> Failed {
    let group_id = match named {
        GroupRef::Id(id) => Some(id.clone()),
        GroupRef::Name(_) => None,
    };
    Failed {
        origin: Some(change.origin.clone()),
        group_id,
        message,
        help: Some("give the output of `aws ec2 describe-security-groups` of the event's account and region"),
    }
}

/// An event that should name a group and cannot be understood.
fn not_understood(error: &IntakeError) -> Failed {
    let origin = match error {
        IntakeError::NoGroup { event_name, event_id } | IntakeError::NoPrefixList { event_name, event_id } => {
            Some(Origin {
                event_name: event_name.clone(),
                event_id: Some(event_id.clone()).filter(|id| !id.contains(' ')),
                ..Origin::default()
            })
        }
        IntakeError::NotJson(_) | IntakeError::NotARecord(_) => None,
    };
    Failed { origin, group_id: None, message: error.to_string(), help: None }
}
