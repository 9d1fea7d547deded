//! The input of a decision.

use crate::group::{IngressRule, SecurityGroup};
use crate::policy::Policy;
use crate::scope::Context;
use crate::source::PrefixLists;

/// Everything that a decision about one security group depends on.
///
/// [`PlanInput::new`] sets what every caller has. The remaining fields have defaults and can be set
/// with the struct update syntax.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The group before the plan.
    pub group: &'a SecurityGroup,
    /// The entries of prefix lists.
    pub lists: &'a PrefixLists,
    /// Time, account, region, principals, and the rules that the event opened.
    pub context: &'a Context,
    /// What the group is attached to. Only guardrails depend on it, see
    /// [`Guardrails::needs_attachments`](crate::Guardrails::needs_attachments).
    pub attachments: Attachments,
    /// The assumed rules quota of the group. It decides only the order of a plan.
    pub quota: Quota,
    /// The rules that were removed from the group for the same event already. They count towards
    /// [`Guardrails::max_removals`](crate::Guardrails::max_removals).
    pub already_removed: &'a [IngressRule],
}

impl<'a> PlanInput<'a> {
    /// An input without attachments and earlier removals, and with the default quota.
    pub fn new(
        policy: &'a Policy,
        group: &'a SecurityGroup,
        lists: &'a PrefixLists,
        context: &'a Context,
    ) -> Self {
        Self {
            policy,
            group,
            lists,
            context,
            attachments: Attachments::default(),
            quota: Quota::default(),
            already_removed: &[],
        }
    }

    /// Whether the group is known to belong to another account (a shared VPC), so that it can be
    /// described but not changed.
    pub fn is_foreign_group(&self) -> bool {
        let owner = self.group.owner_id.as_ref();
        let account = self.context.account.as_ref();
        owner
            .zip(account)
            .is_some_and(|(owner, account)| owner != account)
    }

    /// Whether the event opened this rule.
    pub(super) fn is_opened(&self, rule: &IngressRule) -> bool {
        self.context.opened.contains(rule)
    }
}

/// What a group is attached to, as far as guardrails depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attachments {
    /// Whether an AWS service manages the group.
    pub service_managed: bool,
    /// Whether the group is attached to a load balancer.
    pub load_balancer: bool,
}

/// The rules quota: the maximum number of ingress rules of a group for each address family.
///
/// The default is 60 for each family. Source: Amazon VPC quotas, "Inbound or outbound rules per
/// security group".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Rules for IPv4.
    pub v4: usize,
    /// Rules for IPv6.
    pub v6: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self { v4: 60, v6: 60 }
    }
}
