//! The document of `audit --format json`, version 1.
//!
//! Keys are never absent: unknown values are null. An audit of the live account has more keys than
//! one of an input: its regions, and the account and region of each finding.

use std::borrow::Cow;
use std::collections::BTreeSet;

use portcullis_remediation::ServiceError;
use portcullis_remediation::report::json::FindingV1;
use serde::Serialize;

use super::{Audit, RegionSummary};
use crate::describe::{GroupArn, Problem};

/// The document.
#[derive(Debug, Serialize)]
pub struct AuditV1<'a> {
    version: u32,
    groups: usize,
    rules: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<RegionV1<'a>>,
    findings: Vec<LocatedFindingV1<'a>>,
    unresolved_prefix_lists: &'a BTreeSet<String>,
    /// Whether everything was evaluated; false if there are `errors`.
    complete: bool,
    errors: Vec<Cow<'a, Problem>>,
}

/// A region of the live account.
#[derive(Debug, Serialize)]
struct RegionV1<'a> {
    region: &'a str,
    groups: usize,
    rules: usize,
    /// Whether all of its groups were evaluated.
    complete: bool,
    errors: Vec<RegionErrorV1<'a>>,
}

/// A failed call.
#[derive(Debug, Serialize)]
struct RegionErrorV1<'a> {
    operation: &'a str,
    code: &'a str,
    message: &'a str,
}

/// A finding; in an audit of the live account, with its location.
#[derive(Debug, Serialize)]
struct LocatedFindingV1<'a> {
    #[serde(flatten)]
    location: Option<AccountRegionV1<'a>>,
    #[serde(flatten)]
    finding: FindingV1<'a>,
}

#[derive(Debug, Serialize)]
struct AccountRegionV1<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
}

impl<'a> AuditV1<'a> {
    /// The document of an audit.
    pub fn new(audit: &'a Audit) -> Self {
        let is_live = !audit.regions.is_empty();
        let findings = audit.iter_findings();
        Self {
            version: 1,
            groups: audit.groups,
            rules: audit.rules,
            regions: audit.regions.iter().map(RegionV1::new).collect(),
            findings: findings
                .map(|(group, finding)| LocatedFindingV1 {
                    location: is_live.then(|| AccountRegionV1::new(audit.arns.get(&group.id))),
                    finding: FindingV1::new(group, finding),
                })
                .collect(),
            unresolved_prefix_lists: &audit.unresolved_prefix_lists,
            complete: !audit.is_incomplete(),
            errors: audit.all_problems().collect(),
        }
    }
}

impl<'a> AccountRegionV1<'a> {
    fn new(arn: Option<&'a GroupArn>) -> Self {
        Self {
            account: arn.map(|arn| arn.account.as_str()),
            region: arn.map(|arn| arn.region.as_str()),
        }
    }
}

impl<'a> RegionV1<'a> {
    fn new(region: &'a RegionSummary) -> Self {
        Self {
            region: &region.name,
            groups: region.groups,
            rules: region.rules,
            complete: region.is_complete(),
            errors: region.errors().map(RegionErrorV1::new).collect(),
        }
    }
}

impl<'a> RegionErrorV1<'a> {
    fn new(error: &'a ServiceError) -> Self {
        Self {
            operation: error.operation,
            code: error.kind.code(),
            message: &error.message,
        }
    }
}
