//! The content of a test file as values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup};

use crate::presets::PolicyReference;

/// A test file.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// The policy to test. A path is relative to the folder of the test file.
    pub policy: PolicyReference,
    /// The time of cases whose event has none.
    pub now: Option<Timestamp>,
    /// The test cases, in the order of the file.
    pub cases: Vec<TestCase>,
}

/// A security group, an event and the expected outcome.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// The name of the case, unique in its file.
    pub name: String,
    /// The group before the event is handled.
    pub group: SecurityGroup,
    /// What the group is attached to.
    pub attachments: Attachments,
    /// The entries of prefix lists.
    pub prefix_lists: PrefixLists,
    /// The event.
    pub event: TestEvent,
    /// The expected outcome.
    pub expected: ExpectedOutcome,
}

/// What is known about the event.
#[derive(Debug, Clone, Default)]
pub struct TestEvent {
    /// The ARNs of the principals that made the change.
    pub principals: Vec<String>,
    /// The account of the group.
    pub account: Option<String>,
    /// The region of the group.
    pub region: Option<String>,
    /// The time of the event. Default: the time of the test file.
    pub time: Option<Timestamp>,
    /// The security group rules that the event opened. Default: all rules of the group.
    pub opened: Option<Vec<IngressRule>>,
}

/// IDs, keyed by security group rule in one-line notation.
pub type IdsByRule = BTreeMap<String, BTreeSet<String>>;

/// The expected outcome of a case. What is `None` is not compared.
#[derive(Debug, Clone, Default)]
pub struct ExpectedOutcome {
    /// The policy rules that each security group rule violates, without exempt findings.
    pub findings: Option<IdsByRule>,
    /// The exceptions that exempt each security group rule.
    pub exempt: Option<IdsByRule>,
    /// The security group rules that are removed.
    pub removals: Option<Vec<String>>,
    /// The security group rules that are added.
    pub additions: Option<Vec<String>>,
    /// All security group rules of the group afterwards.
    pub after: Option<Vec<String>>,
    /// The codes of all refusals.
    pub refusals: BTreeSet<String>,
    /// The codes of all skipped additions.
    pub skipped_additions: BTreeSet<String>,
}
