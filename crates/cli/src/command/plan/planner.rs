//! Planning for events with the groups of an input.

use jiff::Timestamp;
use portcullis_remediation::event::{GroupChange, Origin, Target};
use portcullis_remediation::{Alert, GroupRef, GroupReport, Mode, alert};
use portcullis_rules::{Context, Decision, PlanInput, Policy, SecurityGroup, Source, decide};

use super::events::Events;
use super::plans::{IgnoredEvent, PlanFailure, PlannedGroup, Plans};
use crate::audit::unresolved::{deciding_lists, unresolved_trusted_lists};
use crate::describe::DescribedGroups;
use crate::text::quote_for_shell;

/// What to do when no group of the events is in the input.
pub(super) const DESCRIBE_GROUPS_HELP: &str =
    "use the output of `aws ec2 describe-security-groups` for the account and region of the events";

/// Everything that a plan depends on besides the event.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    pub(super) policy: &'a Policy,
    /// The mode whose alerts are composed.
    pub(super) mode: Mode,
    pub(super) described: &'a DescribedGroups,
    /// The account that Portcullis runs in, if given; if absent, the account of the event.
    pub(super) account: Option<&'a str>,
    /// The time given with `--now`; if absent, the time of the event is used.
    pub(super) now: Option<Timestamp>,
    /// The time for events without one.
    pub(super) fallback_time: Timestamp,
}

/// Why there is not exactly one group for a reference in an event.
#[derive(Debug)]
pub(super) enum GroupLookupError {
    NotFound,
    Unreadable,
    Ambiguous {
        /// The groups of the name: `` `sg-1` (vpc-1) ``.
        groups: Vec<String>,
    },
}

impl Planner<'_> {
    /// Plans for all events.
    pub(super) fn plan_all(&self, events: Events) -> Plans {
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
            problems: self.described.problems.clone(),
            ..Plans::new(self.mode)
        };
        for change in &changes {
            self.plan_change(change, &mut plans);
        }
        plans
    }

    fn plan_change(&self, change: &GroupChange, plans: &mut Plans) {
        match &change.target {
            Target::Groups(group_refs) => {
                for group_ref in group_refs {
                    self.plan_group_ref(change, group_ref, plans);
                }
            }
            Target::PrefixList(list) => self.plan_prefix_list(change, &list.id, plans),
        }
    }

    fn plan_group_ref(&self, change: &GroupChange, group_ref: &GroupRef, plans: &mut Plans) {
        match find_group(self.described, group_ref) {
            Ok(group) => self.add_plan(change, group_ref, group, plans),
            Err(GroupLookupError::NotFound) if plans.history.is_some() => {
                plans.record_missing_group(change, group_ref);
            }
            Err(error) => plans
                .errors
                .push(group_lookup_failure(change, group_ref, &error)),
        }
    }

    fn add_plan(
        &self,
        change: &GroupChange,
        group_ref: &GroupRef,
        group: &SecurityGroup,
        plans: &mut Plans,
    ) {
        let context = self.evaluation_context(change);
        let lists = &self.described.prefix_lists;
        let planned = self.plan_group(change, group_ref, group, &context);
        let mut problems = deciding_lists(self.policy, group, lists, &context);
        let plan = &planned.decision.plan;
        problems.extend(unresolved_trusted_lists(plan, &context));
        for problem in problems {
            if !plans.problems.contains(&problem) {
                plans.problems.push(problem);
            }
        }
        plans.planned.push(planned);
    }

    /// Plans for all groups that use a prefix list.
    fn plan_prefix_list(&self, change: &GroupChange, list: &str, plans: &mut Plans) {
        let mut is_used = false;
        for group in &self.described.groups {
            if references_prefix_list(group, list) {
                is_used = true;
                let group_ref = GroupRef::Id(group.id.clone());
                self.add_plan(change, &group_ref, group, plans);
            }
        }
        if !is_used {
            plans.ignored.push(IgnoredEvent {
                origin: Some(change.origin.clone()),
                reason: format!("no group of the input has an ingress rule from {list}"),
                is_unused_prefix_list: true,
            });
        }
    }

    fn evaluation_context(&self, change: &GroupChange) -> Context {
        let event_time = change.origin.time.unwrap_or(self.fallback_time);
        let now = self.now.unwrap_or(event_time);
        let mut context = change.evaluation_context(Some(now));
        let is_about_list = matches!(change.target, Target::PrefixList(_));
        // The owner of a list can share it, so its event does not tell the account of the groups.
        if is_about_list || self.account.is_some() {
            context.account = self.account.map(str::to_owned);
        }
        context
    }

    /// Evaluates and plans in the same way as the Lambda function.
    fn plan_group(
        &self,
        change: &GroupChange,
        group_ref: &GroupRef,
        group: &SecurityGroup,
        context: &Context,
    ) -> PlannedGroup {
        let lists = &self.described.prefix_lists;
        let decision = decide(&PlanInput::new(self.policy, group, lists, context));
        let report = GroupReport::planned(self.policy, change, group_ref, group, &decision);
        let alert = self.compose_alert(change, &report, &decision);
        PlannedGroup {
            decision,
            report,
            alert,
        }
    }

    /// The alert that the mode would send; `None` if there is nothing to report.
    fn compose_alert(
        &self,
        change: &GroupChange,
        report: &GroupReport,
        decision: &Decision,
    ) -> Option<Alert> {
        if !report.needs_alert() {
            return None;
        }
        if self.mode == Mode::Monitor {
            return Some(alert::compose_alert(report));
        }
        let GroupReport {
            group, group_ref, ..
        } = report;
        let preview =
            GroupReport::preview_enforced(self.policy, change, group_ref, group, decision);
        Some(alert::compose_alert(&preview))
    }
}

/// The group of the input that an event refers to.
pub(super) fn find_group<'a>(
    described: &'a DescribedGroups,
    group_ref: &GroupRef,
) -> Result<&'a SecurityGroup, GroupLookupError> {
    let groups = described.groups.iter();
    let found: Vec<_> = groups
        .filter(|group| matches_ref(group, group_ref))
        .collect();
    match (found.as_slice(), group_ref) {
        ([group], _) => Ok(group),
        ([], GroupRef::Id(id)) if described.is_unreadable(id) => Err(GroupLookupError::Unreadable),
        ([], _) => Err(GroupLookupError::NotFound),
        (several, _) => Err(GroupLookupError::Ambiguous {
            groups: several.iter().map(|group| name_with_vpc(group)).collect(),
        }),
    }
}

fn matches_ref(group: &SecurityGroup, group_ref: &GroupRef) -> bool {
    match group_ref {
        GroupRef::Id(id) => group.id == *id,
        GroupRef::Name(name) => group.name.as_ref() == Some(name),
    }
}

/// Whether the group has an ingress rule from this prefix list.
pub(super) fn references_prefix_list(group: &SecurityGroup, list: &str) -> bool {
    group
        .rules
        .iter()
        .any(|rule| matches!(&rule.source, Source::PrefixList(id) if id == list))
}

fn name_with_vpc(group: &SecurityGroup) -> String {
    let id = &group.id;
    match &group.vpc_id {
        Some(vpc) => format!("`{id}` ({vpc})"),
        None => format!("`{id}`"),
    }
}

/// The failure of an event whose group cannot be found.
pub(super) fn group_lookup_failure(
    change: &GroupChange,
    group_ref: &GroupRef,
    error: &GroupLookupError,
) -> PlanFailure {
    let (GroupRef::Id(shown) | GroupRef::Name(shown)) = group_ref;
    let (code, message) = match error {
        GroupLookupError::NotFound => (
            "group-not-found",
            format!("the event is about `{shown}`, which is not in the input"),
        ),
        GroupLookupError::Unreadable => (
            "group-unreadable",
            format!("the event is about `{shown}`, which could not be read"),
        ),
        GroupLookupError::Ambiguous { groups } => (
            "group-ambiguous",
            format!(
                "the event refers to the group by its name `{shown}`, but {} have that name",
                groups.join(" and ")
            ),
        ),
    };
    let group_id = match group_ref {
        GroupRef::Id(id) => Some(id.clone()),
        GroupRef::Name(_) => None,
    };
    PlanFailure {
        origin: Some(change.origin.clone()),
        group_id,
        help: lookup_help(&change.origin, group_ref, error),
        ..PlanFailure::new(code, message)
    }
}

/// The command that writes an input with the group of an event.
fn lookup_help(origin: &Origin, group_ref: &GroupRef, error: &GroupLookupError) -> Option<String> {
    let region = match &origin.region {
        Some(region) => format!(" --region {}", quote_for_shell(region)),
        None => String::new(),
    };
    let filter = match group_ref {
        GroupRef::Id(id) => format!("--group-ids {}", quote_for_shell(id)),
        GroupRef::Name(name) => {
            format!("--filters Name=group-name,Values={}", quote_for_shell(name))
        }
    };
    match error {
        GroupLookupError::Unreadable => None,
        GroupLookupError::NotFound => Some(format!(
            "if it still exists, add it with `aws ec2 describe-security-groups{region} {filter} \
             --output json > group.json` and `--input group.json`"
        )),
        GroupLookupError::Ambiguous { .. } => Some(format!(
            "a name refers to the group in the default VPC, so keep only that one: \
             `vpc=$(aws ec2 describe-vpcs{region} --filters Name=is-default,Values=true --query \
             'Vpcs[].VpcId' --output text); aws ec2 describe-security-groups{region} {filter} \
             Name=vpc-id,Values=$vpc --output json > group.json`, and use `--input group.json`"
        )),
    }
}
