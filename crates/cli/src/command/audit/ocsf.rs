//! Findings in the Open Cybersecurity Schema Framework, for data lakes and SIEMs.
//!
//! The class is Compliance Finding: a configuration that violates a requirement, like the findings
//! of Security Hub's own controls, and not detected activity. Audits keep no state, so the activity
//! is always Create, at the time of the audit. The schema does not limit the length of texts, so
//! none is truncated.

mod json;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_rules::{Context, Finding, SecurityGroup, Severity};

use super::details::{GroupDetails, non_blank_text};
use super::export::{
    ExportedFinding, FINDING_TYPE, export_findings, finding_description, finding_recommendation,
    finding_title,
};
use crate::audit::Audit;
use crate::describe::GroupArn;
use crate::error::CliError;
use json::{
    Compliance, Enumerated, FindingInfo, Metadata, OcsfFinding, Product, Remediation, Resource, Tag,
};

/// The version of the schema, which is that of Security Hub (AWS Security Hub User Guide, "Security
/// Hub and the Open Cybersecurity Schema Framework").
const SCHEMA_VERSION: &str = "1.6.0";

/// The name of the product and of its vendor.
const PRODUCT_NAME: &str = "Portcullis";

/// Background on security group rules.
const REFERENCE_URL: &str =
    "https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html";

/// Findings follow from the configuration itself, without heuristics.
const CONFIDENCE_HIGH: Enumerated = Enumerated(3, "High");

/// The role of the evaluated resource.
const ROLE_TARGET: Enumerated = Enumerated(1, "Target");

/// The result of the check, also for exempt findings: an exception suppresses the finding, but the
/// requirement is still not met.
const COMPLIANCE_FAIL: Enumerated = Enumerated(3, "Fail");

/// The findings of an audit in the format.
///
/// # Errors
/// When the account or the region of a group with findings is unknown.
pub(super) fn export_ocsf<'a>(
    audit: &'a Audit,
    context: &Context,
    now: Timestamp,
) -> Result<Vec<OcsfFinding<'a>>, CliError> {
    export_findings(audit, context, |exported| {
        ocsf_finding(audit, exported, now)
    })
}

fn ocsf_finding<'a>(
    audit: &'a Audit,
    exported: ExportedFinding<'a>,
    now: Timestamp,
) -> OcsfFinding<'a> {
    let ExportedFinding {
        id,
        group,
        arn,
        finding,
    } = exported;
    let (severity, status) = (ocsf_severity(finding), finding_status(finding));
    OcsfFinding {
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
        status_detail: finding
            .exempted_by
            .as_ref()
            .map(|exception| format!("exempted by the exception {exception}")),
        confidence_id: CONFIDENCE_HIGH.0,
        confidence: CONFIDENCE_HIGH.1,
        message: finding_title(group, finding),
        metadata: product_metadata(),
        cloud: json::aws_cloud(&arn.account, &arn.region),
        finding_info: finding_info(audit, group, id, finding, now),
        compliance: compliance_result(audit, finding),
        resources: [ocsf_resource(group, &arn, finding)],
        remediation: Remediation {
            desc: finding_recommendation(group, finding),
            references: [REFERENCE_URL],
        },
        unmapped: unmapped_fields(finding),
    }
}

fn ocsf_severity(finding: &Finding) -> Enumerated {
    match finding.policy_rule.severity {
        Severity::Low => Enumerated(2, "Low"),
        Severity::Medium => Enumerated(3, "Medium"),
        Severity::High => Enumerated(4, "High"),
        Severity::Critical => Enumerated(5, "Critical"),
    }
}

fn finding_status(finding: &Finding) -> Enumerated {
    if finding.exempted_by.is_some() {
        Enumerated(3, "Suppressed")
    } else {
        Enumerated(1, "New")
    }
}

fn product_metadata() -> Metadata {
    Metadata {
        version: SCHEMA_VERSION,
        profiles: ["cloud", "datetime"],
        product: Product {
            uid: "portcullis",
            name: PRODUCT_NAME,
            vendor_name: PRODUCT_NAME,
            version: env!("CARGO_PKG_VERSION"),
        },
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
        title: finding_title(group, finding),
        desc: finding_description(audit, finding),
        types: [FINDING_TYPE],
        analytic: json::rule_analytic(&finding.policy_rule.id),
        created_time: time,
        created_time_dt: text.clone(),
        modified_time: time,
        modified_time_dt: text.clone(),
        last_seen_time: time,
        last_seen_time_dt: text,
    }
}

/// The policy is the standard, the policy rule is the control, and its references are the
/// requirements.
fn compliance_result<'a>(audit: &Audit, finding: &'a Finding) -> Compliance<'a> {
    Compliance {
        standards: [format!("portcullis/{}", audit.policy)],
        control: &finding.policy_rule.id,
        desc: &finding.policy_rule.forbids,
        requirements: &finding.policy_rule.references,
        status_id: COMPLIANCE_FAIL.0,
        status: COMPLIANCE_FAIL.1,
    }
}

fn ocsf_resource<'a>(
    group: &'a SecurityGroup,
    arn: &GroupArn,
    finding: &'a Finding,
) -> Resource<'a> {
    Resource {
        uid: arn.text.clone(),
        uid_alt: &group.id,
        name: non_blank_text(group.name.as_ref()),
        kind: "AWS::EC2::SecurityGroup",
        role_id: ROLE_TARGET.0,
        role: ROLE_TARGET.1,
        cloud_partition: arn.partition.clone(),
        region: arn.region.clone(),
        owner: json::account_owner(&arn.account),
        tags: group
            .tags
            .iter()
            .map(|(name, value)| Tag { name, value })
            .collect(),
        data: GroupDetails::new(group, arn, finding),
    }
}

/// The values that the schema has no attribute for.
fn unmapped_fields(finding: &Finding) -> BTreeMap<&'static str, String> {
    let fields = [
        ("action", Some(finding.policy_rule.action.to_string())),
        ("offending_ports", Some(finding.offending.to_string())),
        ("security_group_rule_id", finding.ingress.id.clone()),
        ("exempt", finding.exempted_by.clone()),
    ];
    fields
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .filter(|(_, value)| !value.trim().is_empty())
        .collect()
}
