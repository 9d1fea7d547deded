//! A decoded event: which call was made, by whom, and which security groups it affects.

use jiff::Timestamp;
use portcullis_rules::{Context, IngressRule, OpenedRules};

use super::actor::Actor;
use crate::services::GroupRef;

/// A decoded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodedEvent {
    /// A call that may have widened access: evaluate these groups.
    Change(Box<GroupChange>),
    /// A call that cannot have widened access.
    Ignored {
        /// The origin of the event, for the log line.
        origin: Box<Origin>,
        /// Why it is ignored.
        reason: IgnoreReason,
    },
}

/// Why an event is ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreReason {
    /// The call failed, so it changed nothing.
    #[error("the call failed with {0}, so it changed nothing")]
    CallFailed(String),
    /// The change of a prefix list only removed entries or changed its name or size.
    #[error("{0} added no entry to {1}, so it cannot open a security group")]
    NoEntryAdded(String, String),
    /// Another call.
    #[error("{0} cannot open a security group to incoming traffic")]
    UnrelatedCall(String),
}

/// A successful call that may have widened access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// Who made the call, when and from where.
    pub origin: Origin,
    /// The groups to evaluate.
    pub target: Target,
    /// The ingress rules that were added or changed according to the event, on a best-effort basis.
    /// They are never evaluated. If a group does not contain them, it may have been read too early.
    pub claimed_rules: Vec<IngressRule>,
}

impl GroupChange {
    /// The change as a function of this account handles it. The event of a shared prefix list comes
    /// from the account that owns the list, and the groups that the function finds are in its own.
    #[must_use]
    pub fn in_account_of(mut self, own_account: Option<String>) -> Self {
        if matches!(self.target, Target::PrefixList(_)) && own_account.is_some() {
            self.origin.account = own_account;
        }
        self
    }

    /// The context for evaluating the policy, with the rules that the event opened. `now` is the
    /// time that decides which exceptions have expired.
    ///
    /// A change by Portcullis itself opens nothing: it adds parts of rules that other principals
    /// opened, and these are unknown.
    pub fn evaluation_context(&self, now: Option<Timestamp>) -> Context {
        let mut context = self.origin.evaluation_context(now);
        if !self.origin.actor.is_portcullis {
            context.opened = self.claimed_rules.iter().collect();
        }
        context
    }
}

/// What a change affects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Security groups, each once.
    Groups(Vec<GroupRef>),
    /// A managed prefix list: every group that uses it.
    PrefixList(PrefixListChange),
}

/// A change of a managed prefix list that may have added entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixListChange {
    /// `pl-...`.
    pub id: String,
    /// The version before the change, if it is known. EC2 applies the change later, which results
    /// in a new version.
    pub previous_version: Option<i64>,
}

/// The origin of an event. Everything except the name of the call can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// CloudTrail's id of the event, the same in every copy that is delivered.
    pub event_id: Option<String>,
    /// The API call: `AuthorizeSecurityGroupIngress`.
    pub event_name: String,
    /// When the call was made.
    pub time: Option<Timestamp>,
    /// The account that the group is in.
    pub account: Option<String>,
    /// The region that the group is in.
    pub region: Option<String>,
    /// Who made the call.
    pub actor: Actor,
    /// The source IP address, or the AWS service that made the call.
    pub source_ip: Option<String>,
    /// The caller's user agent.
    pub user_agent: Option<String>,
}

impl Origin {
    /// The name of the call of a sweep, which is no call of CloudTrail.
    pub(crate) const SWEEP: &'static str = "Sweep";

    /// Whether a sweep found the group, and not an event.
    pub fn is_sweep(&self) -> bool {
        self.event_name == Self::SWEEP
    }

    /// The context for evaluating the policy. `now` is the time that decides which exceptions have
    /// expired.
    pub fn evaluation_context(&self, now: Option<Timestamp>) -> Context {
        Context {
            now,
            account: self.account.clone(),
            region: self.region.clone(),
            principals: self.actor.principals(),
            opened: OpenedRules::None,
        }
    }
}
