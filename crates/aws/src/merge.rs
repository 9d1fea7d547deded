//! Merges the two responses about a group into one.

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, SecurityGroup as Described, SecurityGroupRule,
};
use portcullis_remediation::ServiceError;
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, SecurityGroup};

use crate::call::{DESCRIBE_SECURITY_GROUP_RULES, DESCRIBE_SECURITY_GROUPS, unexpected_response};
use crate::convert::{convert_tags, ingress_rule_from_ec2, rules_from_permission};

/// The group with every rule of either response: those of `DescribeSecurityGroupRules` first, with
/// their ids.
///
/// # Errors
/// When a rule cannot be parsed.
pub(crate) fn merge_group(
    described: &Described,
    rules: &[SecurityGroupRule],
) -> Result<SecurityGroup, ServiceError> {
    let mut listed = Vec::new();
    for permission in described.ip_permissions() {
        let rules = rules_from_permission(permission)
            .map_err(|reason| unexpected_response(DESCRIBE_SECURITY_GROUPS, reason))?;
        listed.extend(rules);
    }
    let open_egress = described
        .ip_permissions_egress()
        .iter()
        .any(allows_all_egress);
    Ok(SecurityGroup {
        open_egress: Some(open_egress),
        tags: convert_tags(described.tags()),
        rules: merge_rules(rules, listed)?,
        ..group_without_rules(described)
    })
}

/// The id, name, VPC and owner of a group, and nothing else.
pub(crate) fn group_without_rules(described: &Described) -> SecurityGroup {
    SecurityGroup {
        id: described.group_id().unwrap_or_default().to_owned(),
        name: described.group_name().map(str::to_owned),
        vpc_id: described.vpc_id().map(str::to_owned),
        owner_id: described.owner_id().map(str::to_owned),
        ..SecurityGroup::default()
    }
}

/// A listed group with what `DescribeSecurityGroupRules` adds: the ids, descriptions and tags of
/// its rules.
///
/// # Errors
/// When a rule cannot be parsed.
pub(crate) fn add_rule_ids(
    listed: SecurityGroup,
    rules: &[SecurityGroupRule],
) -> Result<SecurityGroup, ServiceError> {
    Ok(SecurityGroup {
        rules: merge_rules(rules, listed.rules)?,
        ..listed
    })
}

/// The rules of both responses, each once.
fn merge_rules(
    rules: &[SecurityGroupRule],
    listed: Vec<IngressRule>,
) -> Result<Vec<IngressRule>, ServiceError> {
    let mut merged = rules
        .iter()
        .map(ingress_rule_from_ec2)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|reason| unexpected_response(DESCRIBE_SECURITY_GROUP_RULES, reason))?;
    for rule in listed {
        if !merged.iter().any(|known| known.same_content(&rule)) {
            merged.push(rule);
        }
    }
    Ok(merged)
}

/// Whether an egress permission allows all traffic to everywhere, in one of the address families.
fn allows_all_egress(permission: &IpPermission) -> bool {
    let v4 = permission.ip_ranges().iter().filter_map(IpRange::cidr_ip);
    let v6 = permission
        .ipv6_ranges()
        .iter()
        .filter_map(Ipv6Range::cidr_ipv6);
    permission.ip_protocol() == Some("-1") && v4.chain(v6).any(is_whole_address_family)
}

fn is_whole_address_family(cidr: &str) -> bool {
    parse_cidr(cidr).is_ok_and(|net| net.prefix_len() == 0)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::Tag;

    use super::*;

    fn rule(id: &str, port: i32, cidr: &str) -> SecurityGroupRule {
        SecurityGroupRule::builder()
            .security_group_rule_id(id)
            .ip_protocol("tcp")
            .from_port(port)
            .to_port(port)
            .cidr_ipv4(cidr)
            .build()
    }

    fn permission(protocol: &str, port: Option<i32>, cidr: &str) -> IpPermission {
        IpPermission::builder()
            .ip_protocol(protocol)
            .set_from_port(port)
            .set_to_port(port)
            .ip_ranges(IpRange::builder().cidr_ip(cidr).build())
            .build()
    }

    fn described() -> aws_sdk_ec2::types::builders::SecurityGroupBuilder {
        Described::builder().group_id("sg-1").group_name("web")
    }

    #[test]
    fn the_group_keeps_its_attributes() {
        let group = described()
            .vpc_id("vpc-1")
            .owner_id("123456789012")
            .tags(Tag::builder().key("env").value("prod").build())
            .build();
        let merged = merge_group(&group, &[]).unwrap();
        assert_eq!(merged.id, "sg-1");
        assert_eq!(merged.name.as_deref(), Some("web"));
        assert_eq!(merged.vpc_id.as_deref(), Some("vpc-1"));
        assert_eq!(merged.owner_id.as_deref(), Some("123456789012"));
        assert_eq!(merged.tags["env"], "prod");
        assert_eq!(merged.open_egress, Some(false));
    }

    #[test]
    fn rules_of_either_response_are_kept() {
        let group = described()
            .ip_permissions(permission("tcp", Some(22), "0.0.0.0/0"))
            .ip_permissions(permission("tcp", Some(3389), "0.0.0.0/0"))
            .build();
        let rules = [
            rule("sgr-1", 22, "0.0.0.0/0"),
            rule("sgr-2", 80, "0.0.0.0/0"),
        ];
        let merged = merge_group(&group, &rules).unwrap();
        let ids: Vec<_> = merged.rules.iter().map(|rule| rule.id.as_deref()).collect();
        assert_eq!(ids, [Some("sgr-1"), Some("sgr-2"), None]);
        assert_eq!(merged.rules[2].display_ports(), (Some(3389), Some(3389)));
    }

    #[test]
    fn both_forms_of_all_traffic_are_one_rule() {
        let all = SecurityGroupRule::builder()
            .security_group_rule_id("sgr-1")
            .ip_protocol("-1")
            .from_port(-1)
            .to_port(-1)
            .cidr_ipv4("0.0.0.0/0")
            .build();
        let group = described()
            .ip_permissions(permission("-1", None, "0.0.0.0/0"))
            .build();
        assert_eq!(merge_group(&group, &[all]).unwrap().rules.len(), 1);
    }

    #[test]
    fn open_egress_is_all_traffic_to_everywhere() {
        let v6 = IpPermission::builder()
            .ip_protocol("-1")
            .ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build())
            .build();
        for (egress, open) in [
            (permission("-1", None, "0.0.0.0/0"), true),
            (v6, true),
            (permission("tcp", Some(443), "0.0.0.0/0"), false),
            (permission("-1", None, "10.0.0.0/8"), false),
        ] {
            let group = described().ip_permissions_egress(egress).build();
            assert_eq!(merge_group(&group, &[]).unwrap().open_egress, Some(open));
        }
    }

    #[test]
    fn an_invalid_rule_in_either_response_is_an_error() {
        let error = merge_group(&described().build(), &[rule("sgr-9", 22, "here")]).unwrap_err();
        assert_eq!(error.operation, DESCRIBE_SECURITY_GROUP_RULES);
        assert!(error.message.contains("sgr-9"), "{error}");
        let group = described()
            .ip_permissions(permission("quic", None, "::/0"))
            .build();
        let error = merge_group(&group, &[]).unwrap_err();
        assert_eq!(error.operation, DESCRIBE_SECURITY_GROUPS);
    }
}
