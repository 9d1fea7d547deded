//! The services that the use cases call, as traits, and the values that these calls exchange.
//!
//! Reading and changing security groups are separate traits, so that a function in monitor mode is
//! built without anything that can change a group.

mod message;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup};

pub use message::Alert;

/// How an event or a request refers to a security group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupRef {
    /// `sg-...`.
    Id(String),
    /// A name. EC2 accepts names for groups of the default VPC only.
    Name(String),
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.pad(id),
            Self::Name(name) => write!(f, "the group named `{name}` of the default VPC"),
        }
    }
}

/// Whether security groups may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What the policy forbids is removed.
    Enforce,
    /// Nothing is changed; the report contains what enforce mode would do.
    Monitor,
}

impl Mode {
    /// `enforce` or `monitor`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Monitor => "monitor",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a call failed: the kinds that are handled differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Too many requests, after the client's own retries.
    Throttled,
    /// The role is not allowed to make this call.
    Denied,
    /// The security group does not exist.
    GroupNotFound,
    /// The rule to revoke does not exist: read the group again.
    RuleNotFound,
    /// The group has reached its rules quota, so the rule cannot be added.
    RulesQuota,
    /// No answer in time, or a broken connection: the call may have taken effect.
    NoAnswer,
    /// Anything else. Never treated as success.
    Other,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Throttled,
        Self::Denied,
        Self::GroupNotFound,
        Self::RuleNotFound,
        Self::RulesQuota,
        Self::NoAnswer,
        Self::Other,
    ];

    /// Stable kebab-case code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::GroupNotFound => "group-not-found",
            Self::RuleNotFound => "rule-not-found",
            Self::RulesQuota => "rules-quota",
            Self::NoAnswer => "no-answer",
            Self::Other => "failed",
        }
    }

    /// What the error means, as a sentence.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Throttled => "AWS throttled the request.",
            Self::Denied => {
                "AWS denied the request: the function's role lacks the permission, or a service \
                 control policy or permissions boundary denies it."
            }
            Self::GroupNotFound => "AWS reports that the security group no longer exists.",
            Self::RuleNotFound => "AWS did not find the rule: someone changed it at the same time.",
            Self::RulesQuota => "The security group has reached its rules quota.",
            Self::NoAnswer => "AWS did not respond in time.",
            Self::Other => "The call failed.",
        }
    }
}

/// A call to a service that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed ({}): {message}", kind.code())]
pub struct ServiceError {
    /// The API operation: `DescribeSecurityGroups`.
    pub operation: &'static str,
    /// Why it failed.
    pub kind: ErrorKind,
    /// The service's own message, with its error code and request id when it has any.
    pub message: String,
}

impl ServiceError {
    /// An error of this operation.
    pub fn new(operation: &'static str, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            operation,
            kind,
            message: message.into(),
        }
    }
}

/// A security group as it is now, with the entries of the prefix lists that its rules reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The group.
    pub group: SecurityGroup,
    /// The prefix lists. A list that does not exist is not among them.
    pub prefix_lists: PrefixLists,
}

/// Which version of a managed prefix list is in effect. EC2 applies changes after the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixListState {
    /// The version whose entries are in effect.
    pub version: i64,
    /// `modify-complete`, `modify-in-progress`, `modify-failed` and so on.
    pub state: String,
}

impl PrefixListState {
    /// Whether EC2 has applied a change that was made to the version `previous`, or has given up.
    pub fn is_settled_after(&self, previous: Option<i64>) -> bool {
        let is_newer = previous.is_none_or(|previous| self.version > previous);
        self.state.ends_with("-failed") || (self.state.ends_with("-complete") && is_newer)
    }
}

/// What a group is attached to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupAttachments {
    /// What guardrails depend on.
    pub guarded: Attachments,
    /// The network interfaces that use the group.
    pub interfaces: InterfaceCounts,
}

/// How many network interfaces use a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InterfaceCounts {
    /// All of them.
    pub total: usize,
    /// Those with a public IPv4 address or with an IPv6 address. Whether a route leads to the
    /// internet is not known.
    pub public: usize,
}

/// Reads security groups.
#[async_trait]
pub trait GroupReader: Send + Sync {
    /// Starts a new event. The entries of each prefix list are read once for each event.
    fn start_event(&self) {}

    /// The group as it is now.
    ///
    /// # Errors
    /// [`ErrorKind::GroupNotFound`] if it does not exist. A failed read is never an empty group.
    async fn read_group(&self, group: &GroupRef) -> Result<Snapshot, ServiceError>;

    /// The ids of the groups with an ingress rule from this prefix list, ascending.
    ///
    /// # Errors
    /// When they cannot be listed.
    async fn groups_using_prefix_list(
        &self,
        prefix_list: &str,
    ) -> Result<Vec<String>, ServiceError>;

    /// Which version of a prefix list is in effect. `None` if the list does not exist.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn read_prefix_list_state(
        &self,
        prefix_list: &str,
    ) -> Result<Option<PrefixListState>, ServiceError>;

    /// The entries, names and `MaxEntries` of these prefix lists, which a plan may depend on. A
    /// list that does not exist is left out.
    ///
    /// # Errors
    /// When the entries cannot be read. Names and `MaxEntries` decide only the order of a plan, so
    /// they may be missing.
    async fn read_prefix_lists(&self, ids: &BTreeSet<&str>) -> Result<PrefixLists, ServiceError>;

    /// What the group is attached to. Guardrails may depend on it, and people want to know.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn read_attachments(
        &self,
        group: &SecurityGroup,
    ) -> Result<GroupAttachments, ServiceError>;
}

/// Some of the security groups of a region as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupPage {
    /// The groups. Their rules have neither ids nor tags, because `DescribeSecurityGroups` does not
    /// return them.
    pub groups: Vec<SecurityGroup>,
    /// The entries of the prefix lists that the rules reference, and possibly of other lists. A
    /// list that does not exist is not among them.
    pub prefix_lists: PrefixLists,
    /// Groups with a rule that could not be parsed, without their rules, and why.
    pub unreadable_groups: Vec<(SecurityGroup, ServiceError)>,
    /// The token of the next page; `None` after the last page.
    pub next_token: Option<String>,
}

/// Lists the security groups of a region, page by page. Changes nothing.
#[async_trait]
pub trait GroupLister: Send + Sync {
    /// The page with this token; the first page without one.
    ///
    /// # Errors
    /// When it cannot be read. A failed read is never an empty page.
    async fn list_page(&self, token: Option<&str>) -> Result<GroupPage, ServiceError>;

    /// The same groups in the same order, with the ids, descriptions and tags of their rules.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn with_rule_ids(
        &self,
        groups: Vec<SecurityGroup>,
    ) -> Result<Vec<SecurityGroup>, ServiceError>;
}

/// Reads the page with this token and remembers the token in `seen`. A repeated token is an
/// error, because the listing would never end.
///
/// # Errors
/// As [`GroupLister::list_page`].
pub async fn next_page_checked(
    lister: &dyn GroupLister,
    token: Option<&str>,
    seen: &mut BTreeSet<String>,
) -> Result<GroupPage, ServiceError> {
    seen.extend(token.map(str::to_owned));
    let page = lister.list_page(token).await?;
    let next = page.next_token.as_ref();
    if next.is_some_and(|next| seen.contains(next)) {
        return Err(ServiceError::new(
            "DescribeSecurityGroups",
            ErrorKind::Other,
            "the same page token was returned twice",
        ));
    }
    Ok(page)
}

/// The result for each rule to remove, in the order they were given.
pub type RevokeResults = Vec<Result<(), ServiceError>>;

/// Removes ingress rules.
#[async_trait]
pub trait RevokeIngress: Send + Sync {
    /// Removes these rules by their content: protocol, ports and source as they were evaluated.
    ///
    /// A rule that does not exist is [`ErrorKind::RuleNotFound`]. An error for one rule does not
    /// affect the others. Success does not prove the removal: read the group again.
    async fn revoke_rules(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults;
}

/// What a successful call to add a rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorized {
    /// The rule was added.
    Added,
    /// The rule already existed and keeps its description and tags. This is also the answer to a
    /// retried call if the answer to the first one was lost.
    AlreadyExists,
}

/// The result for each rule to add, in the order they were given.
pub type AuthorizeResults = Vec<Result<Authorized, ServiceError>>;

/// Adds ingress rules.
#[async_trait]
pub trait AuthorizeIngress: Send + Sync {
    /// Adds these rules with their descriptions and tags. A rule that already exists is a success.
    /// If the rules quota has no room for all of them, earlier rules have precedence. An error for
    /// one rule does not affect the others.
    async fn authorize_rules(&self, group_id: &str, rules: &[IngressRule]) -> AuthorizeResults;
}

/// Changes the ingress rules of security groups. In monitor mode none is built.
pub trait IngressEditor: RevokeIngress + AuthorizeIngress {}

impl<T: RevokeIngress + AuthorizeIngress> IngressEditor for T {}

/// Publishes alerts.
#[async_trait]
pub trait AlertPublisher: Send + Sync {
    /// Publishes an alert.
    ///
    /// # Errors
    /// When it was not accepted for delivery.
    async fn publish(&self, alert: &Alert) -> Result<(), ServiceError>;
}

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_traits_are_object_safe() {
        fn _is(
            _: &dyn GroupReader,
            _: &dyn IngressEditor,
            _: &dyn GroupLister,
            _: &dyn AlertPublisher,
            _: &dyn Clock,
        ) {
        }
    }

    #[test]
    fn a_prefix_list_is_settled_when_its_change_is_applied_or_has_failed() {
        let is_settled = |state: &str, version, previous| {
            let state = PrefixListState {
                version,
                state: state.to_owned(),
            };
            state.is_settled_after(previous)
        };
        assert!(is_settled("modify-complete", 4, Some(3)));
        assert!(is_settled("restore-complete", 4, None));
        assert!(is_settled("modify-failed", 3, Some(3)));
        assert!(!is_settled("create-complete", 3, Some(3)));
        assert!(!is_settled("modify-in-progress", 3, Some(3)));
        assert!(!is_settled("restore-in-progress", 4, Some(3)));
    }

    #[test]
    fn an_error_says_which_operation_failed_and_why() {
        let error = ServiceError::new(
            "DescribeSecurityGroups",
            ErrorKind::Denied,
            "UnauthorizedOperation",
        );
        assert_eq!(
            error.to_string(),
            "DescribeSecurityGroups failed (denied): UnauthorizedOperation"
        );
    }

    #[test]
    fn each_error_kind_has_its_own_code() {
        let codes: BTreeSet<_> = ErrorKind::ALL.map(ErrorKind::code).into();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }
}
