//! The security group of a finding, in the form in which EC2 describes it.

use portcullis_remediation::report::IpPermission;
use portcullis_rules::{Finding, SecurityGroup};
use serde::Serialize;

use crate::describe::GroupArn;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupDetails<'a> {
    group_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    owner_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_id: Option<&'a str>,
    /// Only the rule of the finding: a group may have a thousand rules, and Security Hub limits a
    /// finding to 240 KB.
    ip_permissions: [IpPermission<'a>; 1],
}

impl<'a> GroupDetails<'a> {
    /// The group with the security group rule of the finding.
    pub(super) fn new(group: &'a SecurityGroup, arn: &GroupArn, finding: &'a Finding) -> Self {
        Self {
            group_id: &group.id,
            group_name: non_blank_text(group.name.as_ref()),
            owner_id: arn.account.clone(),
            vpc_id: non_blank_text(group.vpc_id.as_ref()),
            ip_permissions: [IpPermission::with_display_ports(&finding.ingress)],
        }
    }
}

/// The text unless it is blank, which readers of the formats reject.
pub(super) fn non_blank_text(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str)
        .filter(|text| !text.trim().is_empty())
}
