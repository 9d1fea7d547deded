//! The security group of a finding, in the form in which EC2 describes it.

use std::collections::BTreeMap;

use portcullis_rules::{Finding, IngressRule, SecurityGroup, Source};
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
    ip_permissions: [IpPermission; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpPermission {
    ip_protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_port: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_port: Option<i32>,
    #[serde(flatten)]
    sources: BTreeMap<&'static str, [SourceFields; 1]>,
}

/// The fields of a source: `{"CidrIp": "0.0.0.0/0"}`.
type SourceFields = BTreeMap<&'static str, String>;

impl<'a> GroupDetails<'a> {
    /// The group with the security group rule of the finding.
    pub(super) fn new(group: &'a SecurityGroup, arn: &GroupArn, finding: &Finding) -> Self {
        Self {
            group_id: &group.id,
            group_name: non_blank_text(group.name.as_ref()),
            owner_id: arn.account.clone(),
            vpc_id: non_blank_text(group.vpc_id.as_ref()),
            ip_permissions: [ip_permission(&finding.ingress)],
        }
    }
}

/// The text unless it is blank, which readers of the formats reject.
pub(super) fn non_blank_text(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str)
        .filter(|text| !text.trim().is_empty())
}

fn ip_permission(rule: &IngressRule) -> IpPermission {
    let (from_port, to_port) = rule.display_ports();
    let (list, fields) = source_fields(&rule.source);
    IpPermission {
        ip_protocol: rule.protocol().as_ec2(),
        from_port,
        to_port,
        sources: BTreeMap::from([(list, [fields])]),
    }
}

/// The list of a permission that a source belongs to, and its fields.
fn source_fields(source: &Source) -> (&'static str, SourceFields) {
    match source {
        Source::Cidr(cidr) if cidr.addr().is_ipv4() => (
            "IpRanges",
            SourceFields::from([("CidrIp", cidr.to_string())]),
        ),
        Source::Cidr(cidr) => (
            "Ipv6Ranges",
            SourceFields::from([("CidrIpv6", cidr.to_string())]),
        ),
        Source::PrefixList(id) => (
            "PrefixListIds",
            SourceFields::from([("PrefixListId", id.clone())]),
        ),
        Source::Group(group) => {
            let mut fields = SourceFields::from([("GroupId", group.group_id.clone())]);
            if let Some(owner) = &group.owner_id {
                fields.insert("UserId", owner.clone());
            }
            ("UserIdGroupPairs", fields)
        }
    }
}
