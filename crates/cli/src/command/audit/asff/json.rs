//! The JSON of AWS Security Finding Format: the fields that Portcullis fills in.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::details::GroupDetails;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AsffFinding<'a> {
    pub(super) schema_version: &'static str,
    pub(super) id: String,
    pub(super) product_arn: String,
    pub(super) product_name: &'static str,
    pub(super) company_name: &'static str,
    pub(super) region: String,
    pub(super) generator_id: String,
    pub(super) aws_account_id: String,
    pub(super) types: [&'static str; 1],
    pub(super) created_at: String,
    pub(super) updated_at: String,
    pub(super) severity: AsffSeverity,
    /// Updated by later imports, unlike the fields of the same names in the finding itself.
    pub(super) finding_provider_fields: ProviderFields,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) remediation: AsffRemediation,
    pub(super) product_fields: BTreeMap<&'static str, String>,
    pub(super) resources: [AsffResource<'a>; 1],
    pub(super) compliance: AsffCompliance<'a>,
    pub(super) workflow: Workflow,
    pub(super) record_state: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AsffSeverity {
    pub(super) label: &'static str,
    pub(super) original: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ProviderFields {
    pub(super) severity: AsffSeverity,
    pub(super) types: [&'static str; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AsffRemediation {
    recommendation: AsffRecommendation,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AsffRecommendation {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AsffCompliance<'a> {
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) related_requirements: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Workflow {
    status: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AsffResource<'a> {
    #[serde(rename = "Type")]
    pub(super) kind: &'static str,
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<&'static str>,
    pub(super) region: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<&'a str, &'a str>,
    pub(super) details: ResourceDetails<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct ResourceDetails<'a> {
    #[serde(rename = "AwsEc2SecurityGroup")]
    pub(super) group: GroupDetails<'a>,
}

/// The workflow status of a new finding. Security Hub keeps the status of known findings.
pub(super) const NEW_WORKFLOW: Workflow = Workflow { status: "NEW" };

pub(super) const fn asff_remediation(text: String) -> AsffRemediation {
    AsffRemediation {
        recommendation: AsffRecommendation { text },
    }
}

/// The name of a partition in the format; `None` for partitions that the format does not have.
///
/// Source: AWS Security Hub API Reference, "Resource", valid values of `Partition`. It spells the
/// isolated partitions differently from their ARNs.
pub(super) fn asff_partition(name: &str) -> Option<&'static str> {
    match name {
        "aws" => Some("aws"),
        "aws-cn" => Some("aws-cn"),
        "aws-us-gov" => Some("aws-us-gov"),
        "aws-iso" => Some("aws-us-iso"),
        "aws-iso-b" => Some("aws-us-iso-b"),
        _ => None,
    }
}
