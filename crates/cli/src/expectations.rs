//! A user's own expectations of a policy: this group, this event, and what must come of it.
//!
//! [`decode`](fn@decode) reads a file of them, [`verdict`] holds one case against a policy. The format is explained in `docs/policy.md`.

mod decode;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{PrefixLists, SecurityGroup};

pub use decode::decode_test_file;
pub use verdict::{ActualLine, Difference, TestResult, run_test_case};

use crate::policy::PolicyName;

/// A file of expectations.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// The policy, as seen from the folder of the file.
    pub policy: PolicyName,
    /// The time by which exceptions end.
    pub now: Option<Timestamp>,
    /// The cases, in the order of the file.
    pub cases: Vec<TestCase>,
}

/// One group, and what must come of it.
#[derive(Debug, Clone)]
pub struct TestCase {
    /// What the case is about.
    pub name: String,
    /// The group as it is.
    pub group: SecurityGroup,
    /// What the group is attached to.
    pub attachments: Attachments,
    /// The entries of prefix lists.
    pub prefix_lists: PrefixLists,
    /// The event.
    pub event: TestEvent,
    /// What must come of it.
    pub expected: ExpectedOutcome,
}

/// What is known of the event.
#[derive(Debug, Clone, Default)]
pub struct TestEvent {
    /// Who made the change.
    pub principals: Vec<String>,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// When; else the time of the file counts.
    pub time: Option<Timestamp>,
}

/// Ids by ingress rule, each in one line.
pub type IdsByRule = BTreeMap<String, BTreeSet<String>>;

/// What must come of a case. `None` is not looked at.
#[derive(Debug, Clone, Default)]
pub struct ExpectedOutcome {
    /// The rules of the policy that each ingress rule breaks, exempt ones left out.
    pub findings: Option<IdsByRule>,
    /// The exceptions that free each ingress rule of a finding.
    pub exempt: Option<IdsByRule>,
    /// The ingress rules that go.
    pub removals: Option<Vec<String>>,
    /// The ingress rules that come.
    pub additions: Option<Vec<String>>,
    /// All ingress rules of the group in the end.
    pub after: Option<Vec<String>>,
    /// The codes of what is refused.
    pub refusals: BTreeSet<String>,
    /// The codes of what cannot be added.
    pub skipped_additions: BTreeSet<String>,
}
