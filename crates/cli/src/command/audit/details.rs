//! The group of a finding as EC2 describes it, for formats that have room for that.

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
    /// The one that the finding is about: a group may have a thousand, and a finding 240 KB.
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
    source: BTreeMap<&'static str, [BTreeMap<&'static str, String>; 1]>,
}

impl<'a> GroupDetails<'a> {
    /// The group with the ingress rule that the finding is about.
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

/// A text that says something: readers of the formats refuse a blank one.
pub(super) fn non_blank_text(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str)
        .filter(|text| !text.trim().is_empty())
}

fn ip_permission(rule: &IngressRule) -> IpPermission {
    let (from_port, to_port) = rule.display_ports();
    let (list, source) = match &rule.source {
        Source::Cidr(cidr) if cidr.addr().is_ipv4() => {
            ("IpRanges", vec![("CidrIp", cidr.to_string())])
        }
        Source::Cidr(cidr) => ("Ipv6Ranges", vec![("CidrIpv6", cidr.to_string())]),
        Source::PrefixList(id) => ("PrefixListIds", vec![("PrefixListId", id.clone())]),
        Source::Group(group) => {
            let owner = group.owner_id.clone().map(|owner| ("UserId", owner));
            (
                "UserIdGroupPairs",
                std::iter::once(("GroupId", group.group_id.clone()))
                    .chain(owner)
                    .collect(),
            )
        }
    };
    IpPermission {
        ip_protocol: rule.protocol().as_ec2(),
        from_port,
        to_port,
        source: BTreeMap::from([(list, [source.into_iter().collect()])]),
    }
}
