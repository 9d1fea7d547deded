//! Findings in the Open Cybersecurity Schema Framework, for data lakes and SIEMs.
//!
//! The class is Compliance Finding: a configuration that breaks a rule, as the findings of Security Hub's own controls,
//! and not activity that somebody detected. An audit remembers nothing, so each finding is created, at the time of
//! the audit. The schema sets no limits to texts, so none is cut.

mod wire;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_rules::{Context, Finding, SecurityGroup, Severity};

use super::details::{GroupDetails, told};
use super::export::{Exported, TYPE, description, export, recommendation, title};
use crate::audit::Audit;
use crate::describe::GroupArn;
use crate::error::CliError;
use wire::{Compliance, Enumerated, FindingInfo, Metadata, Ocsf, Product, Remediation, Resource, Tag};

/// The version of the schema: that of Security Hub (AWS Security Hub User Guide, "Security Hub and the Open
/// Cybersecurity Schema Framework").
const VERSION: &str = "1.6.0";

/// The name and maker of the product that found it.
const PRODUCT: &str = "Portcullis";

/// What a reader needs to know about the rules of groups.
const REFERENCE: &str = "https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html";

/// The confidence of a rule that reads the configuration itself and guesses nothing.
const CERTAIN: Enumerated = Enumerated(3, "High");

/// The role of the resource that was judged.
const TARGET: Enumerated = Enumerated(1, "Target");

/// The result of the check. Exempt or not: the exception is about the finding, the requirement is not met.
const FAIL: Enumerated = Enumerated(3, "Fail");

/// The findings of an audit, each (group, content of an ingress rule, rule of the policy) once.
///
/// # Errors
/// When the account or the region of a group with findings is not known.
pub(super) fn findings<'a>(audit: &'a Audit, context: &Context, now: Timestamp) -> Result<Vec<Ocsf<'a>>, CliError> {
    export(audit, context, |exported| ocsf(audit, exported, now))
}

fn ocsf<'a>(audit: &'a Audit, exported: Exported<'a>, now: Timestamp) -> Ocsf<'a> {
    let Exported { id, group, arn, finding } = exported;
    let (severity, status) = (severity(finding), status(finding));
    Ocsf {
        category_uid: 2,
        category_name: "Findings",
        class_uid: 2003,
        class_name: "Compliance Finding",
        activity_id: 1,
        activity_name: "Create",
        type_uid: 200_301,
        type_name: "Compliance Finding: Create",
        time: now.as_millisecond(),
        time_dt: now.to_string(),
        timezone_offset: 0,
        severity_id: severity.0,
        severity: severity.1,
        status_id: status.0,
        status: status.1,
        status_detail: finding.exempt.as_ref().map(|exception| format!("the exception {exception} allows it")),
        confidence_id: CERTAIN.0,
        confidence: CERTAIN.1,
        message: title(group, finding),
        metadata: metadata(),
        cloud: wire::cloud(&arn.account, &arn.region),
        finding_info: finding_info(audit, group, id, finding, now),
        compliance: compliance(audit, finding),
        resources: [resource(group, &arn, finding)],
        remediation: Remediation { desc: recommendation(group, finding), references: [REFERENCE] },
        unmapped: unmapped(finding),
    }
}

fn severity(finding: &Finding) -> Enumerated {
    match finding.rule.severity {
        Severity::Low => Enumerated(2, "Low"),
        Severity::Medium => Enumerated(3, "Medium"),
        Severity::High => Enumerated(4, "High"),
        Severity::Critical => Enumerated(5, "Critical"),
    }
}

fn status(finding: &Finding) -> Enumerated {
    if finding.exempt.is_some() { Enumerated(3, "Suppressed") } else { Enumerated(1, "New") }
}

fn metadata() -> Metadata {
    Metadata {
        version: VERSION,
        profiles: ["cloud", "datetime"],
        product: Product { uid: "portcullis", name: PRODUCT, vendor_name: PRODUCT, version: env!("CARGO_PKG_VERSION") },
    }
}

fn finding_info<'a>(
    audit: &Audit,
    group: &SecurityGroup,
    id: String,
    finding: &'a Finding,
    now: Timestamp,
) -> FindingInfo<'a> {
    let (time, text) = (now.as_millisecond(), now.to_string());
    FindingInfo {
        uid: id,
        title: title(group, finding),
        desc: description(audit, finding),
        types: [TYPE],
        analytic: wire::analytic(&finding.rule.id),
        created_time: time,
        created_time_dt: text.clone(),
        modified_time: time,
        modified_time_dt: text.clone(),
        last_seen_time: time,
        last_seen_time_dt: text,
    }
}

/// The policy is the standard that was evaluated, its rule the control, and what the rule answers are the requirements.
fn compliance<'a>(audit: &Audit, finding: &'a Finding) -> Compliance<'a> {
    Compliance {
        standards: [format!("portcullis/{}", audit.policy)],
        control: &finding.rule.id,
        desc: &finding.rule.forbids,
        requirements: &finding.rule.references,
        status_id: FAIL.0,
        status: FAIL.1,
    }
}

fn resource<'a>(group: &'a SecurityGroup, arn: &GroupArn, finding: &Finding) -> Resource<'a> {
    Resource {
        uid: arn.text.clone(),
        uid_alt: &group.id,
        name: told(group.name.as_ref()),
        kind: "AWS::EC2::SecurityGroup",
        role_id: TARGET.0,
        role: TARGET.1,
        cloud_partition: arn.partition.clone(),
        region: arn.region.clone(),
        owner: wire::owner(&arn.account),
        tags: group.tags.iter().map(|(name, value)| Tag { name, value }).collect(),
        data: GroupDetails::new(group, arn, finding),
    }
}

/// What the schema has no place for.
fn unmapped(finding: &Finding) -> BTreeMap<&'static str, String> {
    let fields = [
        ("action", Some(finding.rule.action.to_string())),
        ("offending_ports", Some(finding.offending.to_string())),
        ("security_group_rule_id", finding.ingress.id.clone()),
        ("exempt", finding.exempt.clone()),
    ];
    let told = fields.into_iter().filter_map(|(key, value)| Some((key, value?)));
    told.filter(|(_, value)| !value.trim().is_empty()).collect()
}
