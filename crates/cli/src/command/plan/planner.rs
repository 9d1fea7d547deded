//! Planning for events with the groups of an input.

use jiff::Timestamp;
use portcullis_remediation::event::{GroupChange, Target};
use portcullis_remediation::{GroupRef, GroupReport, alert};
use portcullis_rules::{PlanInput, Policy, SecurityGroup, Source, decide};

use super::events::Events;
use super::plans::{IgnoredEvent, PlanFailure, PlannedGroup, Plans};
use crate::describe::DescribedGroups;

/// What to do when a group of an event is not in the input.
pub(super) const DESCRIBE_GROUPS_HELP: &str =
    "use the output of `aws ec2 describe-security-groups` for the account and region of the event";

/// Everything that a plan depends on besides the event.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    pub(super) policy: &'a Policy,
    pub(super) described: &'a DescribedGroups,
    /// The account that Portcullis runs in, if given.
    pub(super) account: Option<&'a str>,
    /// The time given with `--now`; if absent, the time of the event is used.
    pub(super) now: Option<Timestamp>,
    /// The time for events without one.
    pub(super) fallback_time: Timestamp,
}

/// Why there is not exactly one group for a reference in an event.
#[derive(Debug)]
enum GroupLookupError {
    NotFound(String),
    Ambiguous(String),
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
            ..Plans::default()
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
        match self.find_group(group_ref) {
            Ok(group) => plans
                .planned
                .push(self.plan_group(change, group_ref, group)),
            Err(GroupLookupError::NotFound(_)) if plans.history.is_some() => {
                plans.record_missing_group(change, group_ref);
            }
            Err(GroupLookupError::NotFound(message) | GroupLookupError::Ambiguous(message)) => {
                plans
                    .errors
                    .push(group_lookup_failure(change, group_ref, message));
            }
        }
    }

    /// Plans for all groups that use a prefix list.
    fn plan_prefix_list(&self, change: &GroupChange, list: &str, plans: &mut Plans) {
        let mut is_used = false;
        for group in &self.described.groups {
            if references_prefix_list(group, list) {
                is_used = true;
                let group_ref = GroupRef::Id(group.id.clone());
                plans
                    .planned
                    .push(self.plan_group(change, &group_ref, group));
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

    fn find_group(&self, group_ref: &GroupRef) -> Result<&SecurityGroup, GroupLookupError> {
        let groups = self.described.groups.iter();
        let found: Vec<_> = groups
            .filter(|group| matches_ref(group, group_ref))
            .collect();
        let (GroupRef::Id(shown) | GroupRef::Name(shown)) = group_ref;
        match found.as_slice() {
            [group] => Ok(group),
            [] => Err(GroupLookupError::NotFound(format!(
                "the event is about `{shown}`, which is not in the input"
            ))),
            several => {
                let ids: Vec<_> = several
                    .iter()
                    .map(|group| format!("`{}`", group.id))
                    .collect();
                let ids = ids.join(" and ");
                Err(GroupLookupError::Ambiguous(format!(
                    "the event refers to the group by its name `{shown}`, but {ids} have that name"
                )))
            }
        }
    }

    /// Evaluates and plans in the same way as the Lambda.
    fn plan_group(
        &self,
        change: &GroupChange,
        group_ref: &GroupRef,
        group: &SecurityGroup,
    ) -> PlannedGroup {
        let event_time = change.origin.time.unwrap_or(self.fallback_time);
        let now = self.now.unwrap_or(event_time);
        let context = change.origin.evaluation_context(Some(now));
        let lists = &self.described.prefix_lists;
        let decision = decide(&PlanInput {
            foreign: self.is_foreign(group),
            ..PlanInput::new(self.policy, group, lists, &context)
        });
        let report = GroupReport::planned(self.policy, change, group_ref, group, &decision);
        let alert = report.needs_alert().then(|| alert::compose_alert(&report));
        PlannedGroup {
            decision,
            report,
            alert,
        }
    }

    /// Whether the group belongs to another account than the one that Portcullis runs in.
    fn is_foreign(&self, group: &SecurityGroup) -> bool {
        match (self.account, group.owner_id.as_deref()) {
            (Some(account), Some(owner)) => account != owner,
            _ => false,
        }
    }
}

fn matches_ref(group: &SecurityGroup, group_ref: &GroupRef) -> bool {
    match group_ref {
        GroupRef::Id(id) => group.id == *id,
        GroupRef::Name(name) => group.name.as_ref() == Some(name),
    }
}

fn references_prefix_list(group: &SecurityGroup, list: &str) -> bool {
    group
        .rules
        .iter()
        .any(|rule| matches!(&rule.source, Source::PrefixList(id) if id == list))
}

fn group_lookup_failure(
    change: &GroupChange,
    group_ref: &GroupRef,
    message: String,
) -> PlanFailure {
    let group_id = match group_ref {
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
