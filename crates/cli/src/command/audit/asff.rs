//! Findings in AWS Security Finding Format, for `aws securityhub batch-import-findings`.
//!
//! Audits keep no state, so all times are the time of the audit. `RecordState` belongs to the
//! provider of a finding: an exempt finding is archived, and becomes active again when its
//! exception expires. `Workflow` belongs to the people who handle the finding, so Security Hub uses
//! it in the first import only.

mod json;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_rules::{Context, Finding, SecurityGroup, Severity};

use super::details::GroupDetails;
use super::export::{
    ExportedFinding, FINDING_TYPE, export_findings, finding_description, finding_recommendation,
    finding_title, truncate_text,
};
use crate::audit::Audit;
use crate::describe::GroupArn;
use crate::error::CliError;
use json::{
    AsffCompliance, AsffFinding, AsffResource, AsffSeverity, ProviderFields, ResourceDetails,
};

/// The limits of the format in characters. They are applied to bytes, which are never fewer.
///
/// Source: AWS Security Hub API Reference, `AwsSecurityFinding`.
mod limit {
    pub(super) const GENERATOR_ID: usize = 512;
    pub(super) const TITLE: usize = 256;
    pub(super) const DESCRIPTION: usize = 1024;
    pub(super) const RECOMMENDATION: usize = 512;
    pub(super) const PRODUCT_FIELD: usize = 2048;
    pub(super) const REQUIREMENTS: usize = 32;
    pub(super) const TAGS: usize = 50;
}

/// The findings of an audit in the format.
///
/// # Errors
/// When the account or the region of a group with findings is unknown.
pub(super) fn export_asff<'a>(
    audit: &'a Audit,
    context: &Context,
    now: Timestamp,
) -> Result<Vec<AsffFinding<'a>>, CliError> {
    export_findings(audit, context, |exported| {
        asff_finding(audit, exported, now)
    })
}

fn asff_finding<'a>(
    audit: &'a Audit,
    exported: ExportedFinding<'a>,
    now: Timestamp,
) -> AsffFinding<'a> {
    let ExportedFinding {
        id,
        group,
        arn,
        finding,
    } = exported;
    let is_exempt = finding.exempted_by.is_some();
    let generator_id = format!("portcullis/{}", finding.policy_rule.id);
    let recommendation = finding_recommendation(group, finding);
    AsffFinding {
        schema_version: "2018-10-08",
        id,
        product_arn: product_arn(&arn),
        product_name: "Portcullis",
        company_name: "Portcullis",
        region: arn.region.clone(),
        generator_id: truncate_text(&generator_id, limit::GENERATOR_ID),
        aws_account_id: arn.account.clone(),
        types: [FINDING_TYPE],
        created_at: now.to_string(),
        updated_at: now.to_string(),
        severity: asff_severity(finding),
        finding_provider_fields: ProviderFields {
            severity: asff_severity(finding),
            types: [FINDING_TYPE],
        },
        title: truncate_text(&finding_title(group, finding), limit::TITLE),
        description: truncate_text(&finding_description(audit, finding), limit::DESCRIPTION),
        remediation: json::asff_remediation(truncate_text(&recommendation, limit::RECOMMENDATION)),
        product_fields: product_fields(audit, finding),
        resources: [asff_resource(group, &arn, finding)],
        compliance: asff_compliance(finding),
        workflow: json::NEW_WORKFLOW,
        record_state: if is_exempt { "ARCHIVED" } else { "ACTIVE" },
    }
}

/// The ARN of the default product of the account, which is for findings of its own tools.
fn product_arn(arn: &GroupArn) -> String {
    let GroupArn {
        partition,
        region,
        account,
        ..
    } = arn;
    format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default")
}

fn asff_compliance(finding: &Finding) -> AsffCompliance<'_> {
    AsffCompliance {
        status: if finding.exempted_by.is_some() {
            "WARNING"
        } else {
            "FAILED"
        },
        related_requirements: finding
            .policy_rule
            .references
            .iter()
            .take(limit::REQUIREMENTS)
            .map(String::as_str)
            .collect(),
    }
}

fn asff_severity(finding: &Finding) -> AsffSeverity {
    let label = match finding.policy_rule.severity {
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    };
    AsffSeverity {
        label,
        original: finding.policy_rule.severity.to_string(),
    }
}

/// The values that the format has no field for.
fn product_fields(audit: &Audit, finding: &Finding) -> BTreeMap<&'static str, String> {
    let fields = [
        ("portcullis/policy", Some(audit.policy.clone())),
        ("portcullis/rule", Some(finding.policy_rule.id.clone())),
        (
            "portcullis/action",
            Some(finding.policy_rule.action.to_string()),
        ),
        (
            "portcullis/offending_ports",
            Some(finding.offending.to_string()),
        ),
        (
            "portcullis/security_group_rule_id",
            finding.ingress.id.clone(),
        ),
        ("portcullis/exempt", finding.exempted_by.clone()),
    ];
    fields
        .into_iter()
        .filter_map(|(key, value)| Some((key, truncate_text(&value?, limit::PRODUCT_FIELD))))
        .filter(|(_, value)| !value.trim().is_empty())
        .collect()
}

fn asff_resource<'a>(
    group: &'a SecurityGroup,
    arn: &GroupArn,
    finding: &'a Finding,
) -> AsffResource<'a> {
    AsffResource {
        kind: "AwsEc2SecurityGroup",
        id: arn.text.clone(),
        partition: json::asff_partition(&arn.partition),
        region: arn.region.clone(),
        tags: group
            .tags
            .iter()
            .take(limit::TAGS)
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        details: ResourceDetails {
            group: GroupDetails::new(group, arn, finding),
        },
    }
}
