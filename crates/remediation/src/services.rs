//! The ports: what the use case needs of the world outside.
//!
//! Reading and changing are two traits, so that a composition for monitor mode is never handed anything that changes.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup};

use crate::alert::Alert;

/// How an event or a request names a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupRef {
    /// `sg-...`.
    Id(String),
    /// A name, which EC2 takes for groups of the default VPC only.
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

/// Whether the group may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What the policy forbids is removed.
    Enforce,
    /// Nothing is changed; what would be done is told.
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

/// What went wrong outside, as far as it decides what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Too many requests, after the client's own retries.
    Throttled,
    /// The role may not make this call.
    Denied,
    /// The security group does not exist (any more).
    GroupNotFound,
    /// The rule to revoke does not exist (any more): look again.
    RuleNotFound,
    /// No answer in time, or a broken connection: the call may have happened.
    NoAnswer,
    /// Anything else. Never taken for success.
    Other,
}

impl ErrorKind {
    /// Stable kebab-case code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::GroupNotFound => "group-not-found",
            Self::RuleNotFound => "rule-not-found",
            Self::NoAnswer => "no-answer",
            Self::Other => "failed",
        }
    }
}

/// A call to the outside that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed ({}): {message}", kind.code())]
pub struct ServiceError {
    /// The API operation: `DescribeSecurityGroups`.
    pub operation: &'static str,
    /// What it means for us.
    pub kind: ErrorKind,
    /// What the service said, with its error code and request id when there are any.
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

/// A group as it is now, with the entries of the prefix lists its rules name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The group.
    pub group: SecurityGroup,
    /// The lists; one that does not exist (any more) is not among them.
    pub prefix_lists: PrefixLists,
}

/// Reads security groups.
#[async_trait]
pub trait GroupReader: Send + Sync {
    /// The group as it is now.
    ///
    /// # Errors
    /// [`ErrorKind::GroupNotFound`] when there is none. An error is never an empty group.
    async fn read_group(&self, group: &GroupRef) -> Result<Snapshot, ServiceError>;

    /// The ids of the groups with an ingress rule from this prefix list, ascending.
    ///
    /// # Errors
    /// When they cannot be listed.
    async fn groups_using_prefix_list(
        &self,
        prefix_list: &str,
    ) -> Result<Vec<String>, ServiceError>;

    /// What the group is attached to. Asked only when a guardrail of the policy needs to know.
    ///
    /// # Errors
    /// When it cannot be found out.
    async fn read_attachments(&self, group: &SecurityGroup) -> Result<Attachments, ServiceError>;
}

/// Some of the groups of a region as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupPage {
    /// The groups. Their rules have neither ids nor tags: the answer that lists groups does not know them.
    pub groups: Vec<SecurityGroup>,
    /// The entries of the prefix lists that the rules name, and perhaps of others; one that does not exist (any more) is
    /// not among them.
    pub prefix_lists: PrefixLists,
    /// Groups with a rule that cannot be understood: they are there and were not read. Without their rules.
    pub unreadable_groups: Vec<(SecurityGroup, ServiceError)>,
    /// Where the next page begins; `None` after the last one.
    pub next_token: Option<String>,
}

/// Lists the groups of a region, page by page. Changes nothing.
#[async_trait]
pub trait GroupLister: Send + Sync {
    /// The page that this token names; the first one without.
    ///
    /// # Errors
    /// When it cannot be read. An error is never an empty page.
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

/// The page that this token names, on a way that has `seen` the tokens of the pages before. One that leads back is an
/// error: there is no end to it.
///
/// # Errors
/// As [`GroupLister::page`].
pub async fn next_page_checked(
    lister: &dyn GroupLister,
    token: Option<&str>,
    seen: &mut BTreeSet<String>,
) -> Result<GroupPage, ServiceError> {
    seen.extend(token.map(str::to_owned));
    let page = lister.list_page(token).await?;
    if page
        .next_token
        .as_ref()
        .is_some_and(|next| seen.contains(next))
    {
        return Err(ServiceError::new(
            "DescribeSecurityGroups",
            ErrorKind::Other,
            "the page token came twice",
        ));
    }
    Ok(page)
}

/// What became of each box that was to go, in the order they were given.
pub type RevokeResults = Vec<Result<(), ServiceError>>;

/// Removes ingress rules. A composition for monitor mode has none of these.
#[async_trait]
pub trait RevokeIngress: Send + Sync {
    /// Removes these boxes by their content: protocol, ports and source as they were judged.
    ///
    /// A box that is not there (any more) is [`ErrorKind::RuleNotFound`]. One failing box does not keep the others
    /// from going. An answer of success is no proof: read the group again.
    async fn revoke_rules(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults;
}

/// What became of each box that was to be added, in the order they were given.
pub type AuthorizeResults = Vec<Result<(), ServiceError>>;

/// Adds ingress rules in the place of removed ones. A composition for monitor mode has none of these.
#[async_trait]
pub trait AuthorizeIngress: Send + Sync {
    /// Adds these boxes with their descriptions and tags. A box that is there already is a success. One failing box does
    /// not keep the others from coming.
    async fn authorize_rules(&self, group_id: &str, rules: &[IngressRule]) -> AuthorizeResults;
}

/// Both hands that change a group.
pub trait IngressEditor: RevokeIngress + AuthorizeIngress {}

impl<T: RevokeIngress + AuthorizeIngress> IngressEditor for T {}

/// Tells people.
#[async_trait]
pub trait AlertPublisher: Send + Sync {
    /// Sends the alert.
    ///
    /// # Errors
    /// When it was not accepted for delivery.
    async fn publish(&self, alert: &Alert) -> Result<(), ServiceError>;
}

/// Time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_are_object_safe() {
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
    fn an_error_says_what_failed_and_why() {
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
}
