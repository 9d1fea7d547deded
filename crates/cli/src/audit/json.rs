//! The document of `audit --format json`, version 1.
//!
//! Keys are never absent: unknown values are null. Only an audit of the live account has `regions`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use portcullis_remediation::ServiceError;
use portcullis_remediation::report::json::FindingV1;
use portcullis_rules::group::Traffic;
use serde::Serialize;

use super::RegionSummary;
use super::allowed::AllowedTraffic;
use super::grouping::{GroupBy, Section};
use super::opening::GroupFinding;
use super::owner::group_owner;
use super::view::{AuditView, KnownCounts};
use crate::describe::{GroupArn, Problem};

/// The document.
#[derive(Debug, Serialize)]
pub struct AuditV1<'a> {
    version: u32,
    /// The name of the policy.
    policy: &'a str,
    groups: usize,
    rules: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<RegionV1<'a>>,
    findings: Vec<LocatedFindingV1<'a>>,
    /// What is open to the world and forbidden by no policy rule, whatever the filter.
    open_and_allowed: Vec<AllowedTrafficV1>,
    filter: Option<FilterV1<'a>>,
    known: Option<KnownV1<'a>>,
    grouped: Option<GroupedV1>,
    unresolved_prefix_lists: &'a BTreeSet<String>,
    /// Whether everything was evaluated; false if there are `errors`.
    complete: bool,
    errors: Vec<Cow<'a, Problem>>,
}

/// Traffic that is open to the world and allowed.
#[derive(Debug, Serialize)]
struct AllowedTrafficV1 {
    protocol: String,
    ports: Option<String>,
    rules: usize,
    groups: usize,
}

/// The filter, if there is one.
#[derive(Debug, Serialize)]
struct FilterV1<'a> {
    severity: Option<String>,
    rules: &'a BTreeSet<String>,
    enforced: bool,
    hidden: usize,
}

/// The comparison with an earlier audit.
#[derive(Debug, Serialize)]
struct KnownV1<'a> {
    file: &'a str,
    hidden: usize,
    gone: Option<usize>,
}

/// Counts of the findings by the value that they are grouped by.
#[derive(Debug, Serialize)]
struct GroupedV1 {
    by: GroupBy,
    sections: Vec<SectionV1>,
}

#[derive(Debug, Serialize)]
struct SectionV1 {
    name: Option<String>,
    severity: Option<String>,
    openings: usize,
    findings: usize,
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

/// A finding with its location and owner.
#[derive(Debug, Serialize)]
struct LocatedFindingV1<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    #[serde(flatten)]
    finding: FindingV1<'a>,
    /// The description of the security group rule.
    description: Option<&'a str>,
    /// The owner of the group.
    owner: Option<String>,
}

impl<'a> AuditV1<'a> {
    /// The document of an audit, with the findings that are shown.
    pub fn new(view: &'a AuditView<'a>) -> Self {
        let audit = view.audit;
        let findings = view.findings.iter();
        Self {
            version: 1,
            policy: &audit.policy,
            groups: audit.groups,
            rules: audit.rules,
            regions: audit.regions.iter().map(RegionV1::new).collect(),
            findings: findings
                .map(|found| LocatedFindingV1::new(*found, audit.arns.get(&found.group.id)))
                .collect(),
            open_and_allowed: audit
                .open_and_allowed
                .entries()
                .map(AllowedTrafficV1::new)
                .collect(),
            filter: FilterV1::new(view),
            known: view.known.as_ref().map(KnownV1::new),
            grouped: view.group_by.map(|by| GroupedV1 {
                by,
                sections: view.sections().iter().map(SectionV1::new).collect(),
            }),
            unresolved_prefix_lists: &audit.unresolved_prefix_lists,
            complete: !audit.is_incomplete(),
            errors: audit.all_problems().collect(),
        }
    }
}

impl AllowedTrafficV1 {
    fn new(allowed: AllowedTraffic) -> Self {
        let (protocol, ports) = protocol_and_ports(allowed.traffic);
        Self {
            protocol,
            ports,
            rules: allowed.rules,
            groups: allowed.groups,
        }
    }
}

/// The protocol and the ports of traffic, as in findings.
pub(crate) fn protocol_and_ports(traffic: Traffic) -> (String, Option<String>) {
    match traffic {
        Traffic::Tcp(ports) => ("tcp".to_owned(), Some(ports.to_string())),
        Traffic::Udp(ports) => ("udp".to_owned(), Some(ports.to_string())),
        Traffic::Icmp => ("icmp".to_owned(), None),
        Traffic::Icmpv6 => ("icmpv6".to_owned(), None),
        Traffic::Other(number) => (number.to_string(), None),
        Traffic::All => ("all".to_owned(), None),
    }
}

impl<'a> FilterV1<'a> {
    fn new(view: &'a AuditView<'_>) -> Option<Self> {
        let filter = &view.filter;
        (!filter.shows_all()).then(|| Self {
            severity: filter.severity.map(|severity| severity.to_string()),
            rules: &filter.policy_rules,
            enforced: filter.enforced,
            hidden: view.filtered_out,
        })
    }
}

impl<'a> KnownV1<'a> {
    fn new(known: &'a KnownCounts) -> Self {
        Self {
            file: &known.file,
            hidden: known.hidden,
            gone: known.gone,
        }
    }
}

impl SectionV1 {
    fn new(section: &Section<'_>) -> Self {
        Self {
            name: section.name.clone(),
            severity: section.severity().map(|severity| severity.to_string()),
            openings: section.openings.len(),
            findings: section.findings,
        }
    }
}

impl<'a> LocatedFindingV1<'a> {
    fn new(found: GroupFinding<'a>, arn: Option<&'a GroupArn>) -> Self {
        let GroupFinding { group, finding } = found;
        let arn_account = arn.map(|arn| arn.account.as_str());
        Self {
            account: arn_account.or(group.owner_id.as_deref()),
            region: arn.map(|arn| arn.region.as_str()),
            finding: FindingV1::new(group, finding),
            description: finding.ingress.description.as_deref(),
            owner: group_owner(group),
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
