//! Reasons for refusals and skipped additions: stable codes and messages.

/// Why a rule is not added to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// EC2 rejected the rule because of the rules quota of the group, even after the removals. The
    /// planner does not use this reason, because the quota is not known.
    RulesQuota,
    /// The group did not allow all addresses of the trusted source before, so adding it would widen
    /// access.
    TrustedSourceOutside,
    /// An enforced policy rule forbids the access for the trusted source, too.
    TrustedSourceForbidden,
    /// The entries of the trusted prefix list are not known, for example because it was deleted.
    TrustedListUnresolved,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::RulesQuota,
        Self::TrustedSourceOutside,
        Self::TrustedSourceForbidden,
        Self::TrustedListUnresolved,
    ];

    /// The stable kebab-case code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::RulesQuota => "rules-quota",
            Self::TrustedSourceOutside => "trusted-source-outside",
            Self::TrustedSourceForbidden => "trusted-source-forbidden",
            Self::TrustedListUnresolved => "trusted-list-unresolved",
        }
    }

    /// One or two sentences for reports.
    pub const fn message(self) -> &'static str {
        match self {
            Self::RulesQuota => {
                "EC2 rejected it because of the rules quota of the group, even after the removals."
            }
            Self::TrustedSourceOutside => {
                "The trusted source had no access before, so adding it would widen access."
            }
            Self::TrustedSourceForbidden => {
                "The policy trusts this source, but one of its enforced rules forbids this access."
            }
            Self::TrustedListUnresolved => {
                "The entries of the trusted prefix list are unknown, so it might widen access."
            }
        }
    }
}

/// Why a change that the policy requires is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// The group belongs to another account (a shared VPC), so it can be described but not changed.
    ForeignGroup,
    /// A guardrail protects the group.
    ProtectedGroup,
    /// A guardrail allows only notifications about rules that this principal opened.
    NotifyOnlyPrincipal,
    /// A guardrail allows only notifications about groups that AWS services manage.
    ServiceManaged,
    /// A guardrail allows only notifications about groups that are attached to load balancers.
    LoadBalancer,
    /// More rules that the event did not open would be removed than the guardrail allows.
    TooManyRemovals,
    /// The plan failed verification. This is a bug in Portcullis.
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

    /// The stable kebab-case code.
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

    /// One or two sentences for reports: the reason and what to do.
    pub const fn message(self) -> &'static str {
        match self {
            Self::ForeignGroup => {
                "The group belongs to another account. Install Portcullis there to close it."
            }
            Self::ProtectedGroup => {
                "The policy protects this group. Close it manually, or change the guardrail."
            }
            Self::NotifyOnlyPrincipal => {
                "The policy only notifies about changes by this principal. Fix them at the source."
            }
            Self::ServiceManaged => {
                "An AWS service manages this group and might undo a change. Fix it in that service."
            }
            Self::LoadBalancer => {
                "The policy only notifies about groups that are attached to a load balancer."
            }
            Self::TooManyRemovals => {
                "More rules that the event did not open would be removed than the policy allows, \
                 so they were not changed. Review all of them."
            }
            Self::FailedVerification => {
                "The plan failed verification, so nothing was changed. \
                 Report this as a bug in Portcullis."
            }
        }
    }
}
