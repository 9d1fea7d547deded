//! `portcullis plan`: what the Lambda would do for a recorded event, given the groups as a file shows them.

mod events;
mod files;
mod history;
mod human;
mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_remediation::intake::{Change, IntakeError, Origin, Target};
use portcullis_remediation::{Alert, GroupRef, Report, alert};
use portcullis_rules::plan::Attachments;
use portcullis_rules::{Finding, Policy, Quota, SecurityGroup, Situation, Source, decide};

use events::{Events, History};
use history::Missing;

use super::{TOLD, groups, tell_expired, tell_problems, tell_unresolved};
use crate::args::{Format, PlanArgs};
use crate::describe::{Described, Problem};
use crate::error::CliError;
use crate::exit::Exit;
use crate::input::Input;
use crate::output::{Done, Label, Talk, clean, count, json};

/// What the Lambda would do for all events of a file.
#[derive(Debug, Default)]
struct Plans {
    planned: Vec<Planned>,
    ignored: Vec<Ignored>,
    errors: Vec<Failed>,
    /// The groups of a history that are not among those of the input, and how many events are about each.
    missing: BTreeMap<Missing, usize>,
    /// What was read, when it is more than one event.
    history: Option<History>,
}

/// What it would do to one group because of one event.
#[derive(Debug)]
struct Planned {
    report: Report,
    /// What it would send; nothing when there is no news.
    message: Option<Alert>,
}

/// An event for which it would do nothing.
#[derive(Debug)]
struct Ignored {
    origin: Option<Origin>,
    reason: String,
    /// A change of a prefix list that no group uses.
    is_unused: bool,
}

/// Something that could not be planned.
#[derive(Debug)]
struct Failed {
    origin: Option<Origin>,
    group_id: Option<String>,
    /// The file it is in, when there are several.
    path: Option<String>,
    message: String,
    help: Option<&'static str>,
    exit: Exit,
}

/// Runs the command.
///
/// # Errors
/// When an input cannot be read, the policy does not hold, the event is not JSON, or the groups file tells of no groups.
pub fn run(args: &PlanArgs, now: Timestamp) -> Result<Done, CliError> {
    one_from_stdin(args)?;
    let policy = args.policy.load()?.policy;
    let events = events::read(args)?;
    let described = groups(&args.input)?;
    let account = args.account.as_deref();
    let planner = Planner { policy: &policy, described: &described, account, now: args.now, clock: now };
    let plans = planner.plan_all(events);
    let mut talk = tell_errors(&plans);
    talk.extend(plans.tell_missing());
    talk.extend(tell_problems(&args.input.to_string(), &described.problems));
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

/// What to do when a group is not there.
const OUTPUT_OF: &str = "give the output of `aws ec2 describe-security-groups` of the event's account and region";

/// What to say about what could not be planned; of many things, about the first.
fn tell_errors(plans: &Plans) -> Vec<Talk> {
    let mut talk: Vec<_> = plans.errors.iter().take(TOLD).map(Failed::talk).collect();
    let more = plans.errors.len().saturating_sub(TOLD);
    if more > 0 {
        let message = format!("and {}", count(more, "more error"));
        talk.push(Talk::new(Label::Error, message).with_help("`--format json` lists them all"));
    }
    talk
}

/// At most one input can be the standard input.
fn one_from_stdin(args: &PlanArgs) -> Result<(), CliError> {
    let (event, input) = (args.events.contains(&Input::Stdin), args.input == Input::Stdin);
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
        let failed = self.errors.iter().map(|error| error.exit).max();
        if let Some(exit) = failed {
            exit
        } else if !problems.is_empty() || self.is_elsewhere() {
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
    fn new(message: String) -> Self {
        Self { origin: None, group_id: None, path: None, message, help: None, exit: Exit::BadInput }
    }

    fn talk(&self) -> Talk {
        let path = self.path.as_ref().filter(|path| !self.message.contains(path.as_str()));
        let path = path.map_or_else(String::new, |path| format!("{path}: "));
        let talk = Talk::new(Label::Error, clean(&format!("{path}{}", self.message)));
        match self.help {
            Some(help) => talk.with_help(help),
            None => talk,
        }
    }
}

/// Why an event has no one group.
#[derive(Debug)]
enum NotOne {
    Missing(String),
    Several(String),
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
    fn plan_all(&self, events: Events) -> Plans {
        let Events { changes, ignored, errors, history } = events;
        let mut plans = Plans { ignored, errors, history, ..Plans::default() };
        for change in &changes {
            self.plan_change(change, &mut plans);
        }
        plans
    }

    fn plan_change(&self, change: &Change, plans: &mut Plans) {
        match &change.target {
            Target::Groups(named) => {
                for named in named {
                    match self.find(named) {
                        Ok(group) => plans.planned.push(self.plan_group(change, named, group)),
                        Err(NotOne::Missing(_)) if plans.history.is_some() => plans.miss(change, named),
                        Err(NotOne::Missing(message) | NotOne::Several(message)) => {
                            plans.errors.push(not_found(change, named, message));
                        }
                    }
                }
            }
            Target::PrefixList(list) => {
                let users: Vec<_> = self.described.groups.iter().filter(|group| uses(group, list)).collect();
                if users.is_empty() {
                    let reason = format!("no group of the input has an ingress rule from {list}");
                    plans.ignored.push(Ignored { origin: Some(change.origin.clone()), reason, is_unused: true });
                }
                for group in users {
                    let named = GroupRef::Id(group.id.clone());
                    plans.planned.push(self.plan_group(change, &named, group));
                }
            }
        }
    }

    /// The group that an event names.
    fn find(&self, named: &GroupRef) -> Result<&SecurityGroup, NotOne> {
        let groups = &self.described.groups;
        let (mut found, shown) = match named {
            GroupRef::Id(id) => (groups.iter().filter(|group| group.id == *id).collect::<Vec<_>>(), id),
            GroupRef::Name(name) => (groups.iter().filter(|group| group.name.as_ref() == Some(name)).collect(), name),
        };
        match (found.pop(), found.len()) {
            (Some(group), 0) => Ok(group),
            (None, _) => {
                let message = format!("the event is about `{shown}`, which is not among the groups of the input");
                Err(NotOne::Missing(message))
            }
            (Some(last), _) => {
                let ids: Vec<_> = found.iter().chain([&last]).map(|group| format!("`{}`", group.id)).collect();
                let ids = ids.join(" and ");
                Err(NotOne::Several(format!("the event names the group `{shown}`, which is the name of {ids}")))
            }
        }
    }

    /// As the Lambda decides: judged, then planned.
    fn plan_group(&self, change: &Change, named: &GroupRef, group: &SecurityGroup) -> Planned {
        let now = self.now.or(change.origin.time).unwrap_or(self.clock);
        let decision = decide(&Situation {
            policy: self.policy,
            group,
            lists: &self.described.prefix_lists,
            context: &change.origin.context(Some(now)),
            foreign: self.account.zip(group.owner_id.as_deref()).is_some_and(|(ours, owner)| ours != owner),
            attachments: Attachments::default(),
            quota: Quota::default(),
        });
        let report = Report::planned(self.policy, change, named, group, decision.judgement, decision.plan);
        let message = report.is_news().then(|| alert::compose(&report));
        Planned { report, message }
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
    Failed { origin: Some(change.origin.clone()), group_id, help: Some(OUTPUT_OF), ..Failed::new(message) }
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
    Failed { origin, ..Failed::new(error.to_string()) }
}
