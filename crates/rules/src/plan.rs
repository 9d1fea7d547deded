//! Planning: from findings to what is removed, what is put in its place, and why something is not done.

mod builder;
mod quota;

use crate::evaluate::{Evaluation, Finding};
use crate::group::{IngressRule, SecurityGroup};
use crate::policy::{Action, Policy};
use crate::scope::{Context, matches_any_glob};
use crate::source::PrefixLists;
pub use quota::Quota;

/// What is to be done to one security group. It leaves no choice to whoever carries it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The group.
    pub group_id: String,
    /// The boxes that go, in the order of the group.
    pub removals: Vec<Removal>,
    /// The boxes that take their place. They never widen what the group admits.
    pub additions: Vec<Addition>,
    /// Which comes first.
    pub order: ApplyOrder,
    /// What the policy demands and the plan does not do.
    pub refusals: Vec<Refusal>,
    /// What could not be kept or opened again.
    pub skipped_additions: Vec<SkippedAddition>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty()
    }

    /// The group as it will be.
    pub fn apply_to(&self, group: &SecurityGroup) -> SecurityGroup {
        let mut gone: Vec<&IngressRule> = self
            .removals
            .iter()
            .map(|removal| &removal.ingress)
            .collect();
        let mut after = group.clone();
        after.rules.retain(|rule| {
            let place = gone.iter().position(|removed| *removed == rule);
            place.map(|place| gone.swap_remove(place)).is_none()
        });
        after.rules.extend(
            self.additions
                .iter()
                .map(|addition| addition.ingress.clone()),
        );
        after
    }
}

/// One box that goes: the exact permission that was judged, which is also all that restores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The box.
    pub ingress: IngressRule,
    /// The ids of the enforcing rules that it breaks.
    pub policy_rules: Vec<String>,
    /// The strongest of their actions.
    pub action: Action,
}

/// One box that is added in the place of one that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// The box, with the description and tags of the one that goes.
    pub ingress: IngressRule,
    /// What it is for.
    pub purpose: Purpose,
    /// The box in whose place it comes.
    pub replaces: IngressRule,
}

/// What an added box is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It keeps what is not forbidden.
    Keep,
    /// It opens what is forbidden to a trusted source.
    Trust,
}

/// Which of additions and removals comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApplyOrder {
    /// Additions first, so that what stays allowed is never cut.
    #[default]
    AddFirst,
    /// Removals first, because the rules quota has no room for both, or because EC2 would take an addition for a twin of
    /// what goes.
    RemoveFirst,
}

/// Something that could not be kept or opened again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedAddition {
    /// The box that is not added.
    pub ingress: IngressRule,
    /// Why.
    pub reason: SkipReason,
}

/// Why a box is not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// The rules quota of the group has no room for it, even after the removals.
    RulesQuota,
    /// The trusted source is not inside the source that goes: adding it would widen what the group admits.
    TrustedSourceOutside,
    /// An enforcing rule forbids it to the trusted source, too.
    TrustedSourceForbidden,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [
        Self::RulesQuota,
        Self::TrustedSourceOutside,
        Self::TrustedSourceForbidden,
    ];

    /// Stable kebab-case code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::RulesQuota => "rules-quota",
            Self::TrustedSourceOutside => "trusted-source-outside",
            Self::TrustedSourceForbidden => "trusted-source-forbidden",
        }
    }

    /// A sentence for people.
    pub const fn message(self) -> &'static str {
        match self {
            Self::RulesQuota => {
                "The rules quota of the group has no room for it, even after the removal."
            }
            Self::TrustedSourceOutside => {
                "The trusted source had no access before: adding it would open more than was open."
            }
            Self::TrustedSourceForbidden => {
                "The policy trusts the source and forbids it this access all the same."
            }
        }
    }
}

/// Something the policy demands and the plan does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The box that stays.
    pub ingress: IngressRule,
    /// Why.
    pub reason: RefusalReason,
}

/// Why something the policy demands is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// The group belongs to another account (a shared VPC): it can be described from here and not changed.
    ForeignGroup,
    /// A guardrail protects the group.
    ProtectedGroup,
    /// A guardrail spares what this principal does.
    NotifyOnlyPrincipal,
    /// A guardrail spares groups that AWS services made.
    ServiceManaged,
    /// A guardrail spares groups in front of load balancers.
    LoadBalancer,
    /// More boxes would go than the guardrail allows for one event.
    TooManyRemovals,
    /// The checker of plans objected: this is a defect of Portcullis.
    FailedVerification,
}

impl RefusalReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::ForeignGroup,
        Self::ProtectedGroup,
        Self::NotifyOnlyPrincipal,
        Self::ServiceManaged,
        Self::LoadBalancer,
        Self::TooManyRemovals,
        Self::FailedVerification,
    ];

    /// Stable kebab-case code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ForeignGroup => "foreign-group",
            Self::ProtectedGroup => "protected-group",
            Self::NotifyOnlyPrincipal => "notify-only-principal",
            Self::ServiceManaged => "service-managed",
            Self::LoadBalancer => "load-balancer",
            Self::TooManyRemovals => "too-many-removals",
            Self::FailedVerification => "plan-not-verified",
        }
    }

    /// A sentence for people.
    pub const fn message(self) -> &'static str {
        match self {
            Self::ForeignGroup => {
                "The group belongs to another account, which alone may change it: install Portcullis there."
            }
            Self::ProtectedGroup => {
                "The policy protects this group: close it by hand, or lift the guardrail."
            }
            Self::NotifyOnlyPrincipal => {
                "The policy spares changes by this principal: mend them where they are made."
            }
            Self::ServiceManaged => {
                "An AWS service made this group and would fight a change: mend it in the service."
            }
            Self::LoadBalancer => {
                "The group is in front of a load balancer, and the policy only wants that told."
            }
            Self::TooManyRemovals => {
                "More rules would go than the policy allows at once, so none was touched: look at all of them."
            }
            Self::FailedVerification => {
                "The plan did not pass its own check, so nothing was touched: please report this as a defect."
            }
        }
    }
}

/// What the group is attached to, as far as a guardrail needs to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attachments {
    /// An AWS service made the group.
    pub service_managed: bool,
    /// A load balancer has it.
    pub load_balancer: bool,
}

/// All that planning needs.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The group as it is.
    pub group: &'a SecurityGroup,
    /// The entries of prefix lists.
    pub lists: &'a PrefixLists,
    /// Time and place.
    pub context: &'a Context,
    /// Whether the group is known to belong to another account than the one we act in.
    pub foreign: bool,
    /// What the group is attached to.
    pub attachments: Attachments,
    /// How many rules the group may have.
    pub quota: Quota,
}

/// Plans the remediation of a group that was judged.
pub fn build_plan(situation: &PlanInput<'_>, judgement: &Evaluation) -> Plan {
    let mut plan = Plan {
        group_id: situation.group.id.clone(),
        ..Plan::default()
    };
    if let Some(reason) = refusal_reason(situation) {
        plan.refusals = refuse_enforced_findings(judgement, reason);
        return plan;
    }
    let draft = builder::draft_plan(situation, judgement);
    if situation
        .policy
        .guardrails
        .max_removals
        .is_some_and(|most| draft.removals.len() > most)
    {
        plan.refusals = refuse_enforced_findings(judgement, RefusalReason::TooManyRemovals);
        return plan;
    }
    plan.removals = draft.removals;
    plan.additions = draft.additions;
    plan.skipped_additions = draft.skipped_additions;
    plan.order = quota::choose_order(&plan, situation);
    plan
}

/// Why nothing may be done to the group, if so.
fn refusal_reason(situation: &PlanInput<'_>) -> Option<RefusalReason> {
    let PlanInput {
        policy,
        group,
        context,
        attachments,
        ..
    } = situation;
    let guardrails = &policy.guardrails;
    let spared = |who: &String| {
        !guardrails.notify_only_principals.is_empty()
            && matches_any_glob(&guardrails.notify_only_principals, Some(who))
    };
    if situation.foreign {
        Some(RefusalReason::ForeignGroup)
    } else if guardrails
        .protected
        .iter()
        .any(|scope| scope.matches(group, context))
    {
        Some(RefusalReason::ProtectedGroup)
    } else if context.principals.iter().any(spared) {
        Some(RefusalReason::NotifyOnlyPrincipal)
    } else if guardrails.notify_only_service_managed && attachments.service_managed {
        Some(RefusalReason::ServiceManaged)
    } else if guardrails.notify_only_load_balancers && attachments.load_balancer {
        Some(RefusalReason::LoadBalancer)
    } else {
        None
    }
}

/// A refusal for each box that an enforcing rule forbids.
pub fn refuse_enforced_findings(judgement: &Evaluation, reason: RefusalReason) -> Vec<Refusal> {
    let mut seen = std::collections::BTreeSet::new();
    let enforced = judgement
        .findings
        .iter()
        .filter(|finding: &&Finding| finding.enforces());
    let boxes = enforced.filter(|finding| seen.insert(finding.index));
    boxes
        .map(|finding| Refusal {
            ingress: finding.ingress.clone(),
            reason,
        })
        .collect()
}

#[cfg(test)]
mod tests;
