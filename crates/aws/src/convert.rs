//! Converts between EC2's types and ours. One of our rules is one protocol, one port range and one
//! source.
//!
//! A rule that cannot be parsed is an error with the id of the rule, because skipping the rule
//! could hide access that is open to the world.

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule, Tag, UserIdGroupPair,
};
use portcullis_rules::group::{Ec2Ports, IngressRule, Tags, Traffic};
use portcullis_rules::source::{GroupSource, Source};

/// Converts a rule from `DescribeSecurityGroupRules`.
///
/// # Errors
/// Which rule cannot be parsed, and why.
pub(crate) fn ingress_rule_from_ec2(rule: &SecurityGroupRule) -> Result<IngressRule, String> {
    convert_rule(rule).map_err(|reason| {
        let id = rule.security_group_rule_id().unwrap_or("without id");
        format!("cannot parse rule {id}: {reason}")
    })
}

fn convert_rule(rule: &SecurityGroupRule) -> Result<IngressRule, String> {
    let ports = Ec2Ports {
        from: rule.from_port(),
        to: rule.to_port(),
    };
    let source = rule_source(rule)?;
    let mut converted = build_ingress_rule(rule.ip_protocol(), ports, source)?;
    converted.id = rule.security_group_rule_id().map(str::to_owned);
    converted.description = non_empty(rule.description());
    converted.tags = convert_tags(rule.tags());
    Ok(converted)
}

/// The one source of a rule. Emulators send the other kinds as empty strings.
fn rule_source(rule: &SecurityGroupRule) -> Result<Source, String> {
    let cidrs = [rule.cidr_ipv4(), rule.cidr_ipv6()]
        .into_iter()
        .filter_map(non_empty)
        .map(|cidr| parse_cidr_source(&cidr));
    let list = non_empty(rule.prefix_list_id()).map(|id| Ok(Source::PrefixList(id)));
    let group = rule
        .referenced_group_info()
        .and_then(|info| Some(group_source(non_empty(info.group_id())?, info.user_id())))
        .map(Ok);
    let mut sources: Vec<Result<Source, String>> = cidrs.chain(list).chain(group).collect();
    match (sources.pop(), sources.len()) {
        (Some(source), 0) => source,
        (None, _) => Err("it has no source, or one of an unknown kind".to_owned()),
        (Some(_), _) => Err("it has more than one source".to_owned()),
    }
}

/// Splits a permission from `DescribeSecurityGroups` into its rules.
///
/// # Errors
/// What cannot be parsed. A permission without a source has no rules: it allows nothing.
pub(crate) fn rules_from_permission(permission: &IpPermission) -> Result<Vec<IngressRule>, String> {
    permission_sources(permission)
        .into_iter()
        .map(|(source, description)| permission_rule(permission, source?, description))
        .collect::<Result<_, String>>()
        .map_err(|reason| format!("cannot parse a permission: {reason}"))
}

fn permission_rule(
    permission: &IpPermission,
    source: Source,
    description: Option<&str>,
) -> Result<IngressRule, String> {
    let ports = Ec2Ports {
        from: permission.from_port(),
        to: permission.to_port(),
    };
    let mut rule = build_ingress_rule(permission.ip_protocol(), ports, source)?;
    rule.description = non_empty(description);
    Ok(rule)
}

/// A source of a permission, with its description.
type DescribedSource<'a> = (Result<Source, String>, Option<&'a str>);

fn permission_sources(permission: &IpPermission) -> Vec<DescribedSource<'_>> {
    let v4 = permission.ip_ranges().iter().map(|range| {
        let source = require_source_id(range.cidr_ip()).and_then(parse_cidr_source);
        (source, range.description())
    });
    let v6 = permission.ipv6_ranges().iter().map(|range| {
        let source = require_source_id(range.cidr_ipv6()).and_then(parse_cidr_source);
        (source, range.description())
    });
    let lists = permission.prefix_list_ids().iter().map(|list| {
        let id = require_source_id(list.prefix_list_id());
        let source = id.map(|id| Source::PrefixList(id.to_owned()));
        (source, list.description())
    });
    let groups = permission.user_id_group_pairs().iter().map(|pair| {
        let id = require_source_id(pair.group_id());
        let source = id.map(|id| group_source(id.to_owned(), pair.user_id()));
        (source, pair.description())
    });
    v4.chain(v6).chain(lists).chain(groups).collect()
}

fn require_source_id(value: Option<&str>) -> Result<&str, String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| "it has a source without CIDR or id".to_owned())
}

fn parse_cidr_source(cidr: impl AsRef<str>) -> Result<Source, String> {
    Source::from_cidr(cidr.as_ref()).map_err(|error| error.to_string())
}

fn group_source(group_id: String, owner_id: Option<&str>) -> Source {
    let owner_id = non_empty(owner_id);
    Source::Group(GroupSource { group_id, owner_id })
}

fn build_ingress_rule(
    protocol: Option<&str>,
    ports: Ec2Ports,
    source: Source,
) -> Result<IngressRule, String> {
    let protocol = protocol
        .ok_or_else(|| "it has no protocol".to_owned())?
        .parse()
        .map_err(|error| format!("{error}"))?;
    IngressRule::new(protocol, ports, source).map_err(|error| error.to_string())
}

fn non_empty(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The tags of a group or a rule.
pub(crate) fn convert_tags(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| {
            let value = tag.value().unwrap_or_default();
            Some((tag.key()?.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The permission that matches exactly this rule in `RevokeSecurityGroupIngress`: without the
/// description, which EC2 does not need to find the rule, and without ports if the protocol is
/// `-1`.
pub(crate) fn to_permission(rule: &IngressRule) -> IpPermission {
    build_permission(rule, None)
}

/// The permission for `AuthorizeSecurityGroupIngress`, with the description of the rule.
pub(crate) fn to_described_permission(rule: &IngressRule) -> IpPermission {
    build_permission(rule, non_empty(rule.description.as_deref()))
}

fn build_permission(rule: &IngressRule, description: Option<String>) -> IpPermission {
    let (from, to) = match rule.traffic() {
        Traffic::All => (None, None),
        Traffic::Other(_) => (rule.ec2_ports().from, rule.ec2_ports().to),
        Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Icmp | Traffic::Icmpv6 => rule.display_ports(),
    };
    let permission = IpPermission::builder()
        .ip_protocol(rule.protocol().as_ec2())
        .set_from_port(from)
        .set_to_port(to);
    match &rule.source {
        Source::Cidr(net) if net.addr().is_ipv4() => {
            let range = IpRange::builder()
                .cidr_ip(net.to_string())
                .set_description(description);
            permission.ip_ranges(range.build()).build()
        }
        Source::Cidr(net) => {
            let range = Ipv6Range::builder()
                .cidr_ipv6(net.to_string())
                .set_description(description);
            permission.ipv6_ranges(range.build()).build()
        }
        Source::PrefixList(id) => {
            let list = PrefixListId::builder()
                .prefix_list_id(id)
                .set_description(description);
            permission.prefix_list_ids(list.build()).build()
        }
        Source::Group(group) => {
            let pair = UserIdGroupPair::builder()
                .group_id(&group.group_id)
                .set_user_id(group.owner_id.clone())
                .set_description(description);
            permission.user_id_group_pairs(pair.build()).build()
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::ReferencedSecurityGroup;

    use super::*;

    fn rule() -> aws_sdk_ec2::types::builders::SecurityGroupRuleBuilder {
        SecurityGroupRule::builder()
            .security_group_rule_id("sgr-1")
            .ip_protocol("tcp")
            .from_port(22)
            .to_port(22)
    }

    #[test]
    fn a_rule_keeps_its_id_description_tags_and_source() {
        let tag = Tag::builder().key("team").value("ops").build();
        let described = rule()
            .cidr_ipv4("0.0.0.0/0")
            .description("ssh")
            .tags(tag)
            .build();
        let rule = ingress_rule_from_ec2(&described).unwrap();
        assert_eq!(rule.id.as_deref(), Some("sgr-1"));
        assert_eq!(rule.description.as_deref(), Some("ssh"));
        assert_eq!(rule.tags["team"], "ops");
        assert_eq!(rule.source.to_string(), "0.0.0.0/0");
    }

    #[test]
    fn every_kind_of_source_is_converted() {
        let info = ReferencedSecurityGroup::builder()
            .group_id("sg-2")
            .user_id("1")
            .build();
        for (described, source) in [
            (rule().cidr_ipv6("::/0"), "::/0"),
            (rule().cidr_ipv4("").cidr_ipv6("2000::/3"), "2000::/3"),
            (rule().prefix_list_id("pl-1"), "pl-1"),
            (rule().referenced_group_info(info), "sg-2"),
        ] {
            let rule = ingress_rule_from_ec2(&described.build()).unwrap();
            assert_eq!(rule.source.to_string(), source);
        }
    }

    #[test]
    fn an_invalid_rule_is_an_error_with_its_id() {
        for (described, reason) in [
            (rule(), "no source"),
            (
                rule().cidr_ipv4("1.2.3.4/0").cidr_ipv6("::/0"),
                "more than one",
            ),
            (rule().cidr_ipv4("1.2.3/33"), "invalid CIDR"),
            (
                rule().cidr_ipv4("0.0.0.0/0").ip_protocol("quic"),
                "unknown protocol `quic`",
            ),
            (
                rule().cidr_ipv4("0.0.0.0/0").set_ip_protocol(None),
                "no protocol",
            ),
            (rule().cidr_ipv4("0.0.0.0/0").to_port(70_000), "70000"),
            (rule().cidr_ipv4("0.0.0.0/0").to_port(21), "greater"),
        ] {
            let error = ingress_rule_from_ec2(&described.build()).unwrap_err();
            assert!(error.starts_with("cannot parse rule sgr-1: "), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_permission_is_split_into_its_rules() {
        let permission = IpPermission::builder()
            .ip_protocol("-1")
            .ip_ranges(
                IpRange::builder()
                    .cidr_ip("0.0.0.0/0")
                    .description("all")
                    .build(),
            )
            .ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build())
            .prefix_list_ids(PrefixListId::builder().prefix_list_id("pl-1").build())
            .user_id_group_pairs(UserIdGroupPair::builder().group_id("sg-2").build())
            .build();
        let rules = rules_from_permission(&permission).unwrap();
        let sources: Vec<_> = rules.iter().map(|rule| rule.source.to_string()).collect();
        assert_eq!(sources, ["0.0.0.0/0", "::/0", "pl-1", "sg-2"]);
        assert_eq!(rules[0].description.as_deref(), Some("all"));
        assert_eq!(
            rules_from_permission(&IpPermission::builder().build()),
            Ok(vec![])
        );
    }

    #[test]
    fn an_invalid_permission_is_an_error() {
        let without_id = IpPermission::builder()
            .ip_protocol("tcp")
            .user_id_group_pairs(UserIdGroupPair::builder().build());
        let unknown_protocol = IpPermission::builder()
            .ip_protocol("quic")
            .ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build());
        for permission in [without_id, unknown_protocol] {
            assert!(rules_from_permission(&permission.build()).is_err());
        }
    }

    /// The ports that are sent for these ports of a rule.
    fn sent_ports(
        protocol: &str,
        from: Option<i32>,
        to: Option<i32>,
    ) -> (Option<i32>, Option<i32>) {
        let ports = Ec2Ports { from, to };
        let rule = build_ingress_rule(
            Some(protocol),
            ports,
            Source::from_cidr("0.0.0.0/0").unwrap(),
        )
        .unwrap();
        let permission = to_permission(&rule);
        (permission.from_port(), permission.to_port())
    }

    #[test]
    fn ports_are_sent_in_the_form_of_ec2() {
        assert_eq!(sent_ports("tcp", Some(20), Some(25)), (Some(20), Some(25)));
        assert_eq!(sent_ports("udp", None, None), (Some(0), Some(65535)));
        assert_eq!(sent_ports("-1", Some(-1), Some(-1)), (None, None));
        assert_eq!(sent_ports("-1", Some(0), Some(0)), (None, None));
        assert_eq!(sent_ports("icmp", Some(8), Some(-1)), (Some(8), Some(-1)));
        assert_eq!(sent_ports("icmpv6", None, None), (Some(-1), Some(-1)));
        assert_eq!(sent_ports("50", None, None), (None, None));
        assert_eq!(sent_ports("50", Some(-1), Some(-1)), (Some(-1), Some(-1)));
    }

    #[test]
    fn a_sent_permission_converts_back_to_the_same_rule() {
        let with_owner = GroupSource {
            group_id: "sg-2".into(),
            owner_id: Some("123".into()),
        };
        for source in [
            Source::from_cidr("10.0.0.0/8").unwrap(),
            Source::from_cidr("2001:db8::/32").unwrap(),
            Source::PrefixList("pl-1".into()),
            Source::Group(with_owner),
        ] {
            let ports = Ec2Ports {
                from: Some(80),
                to: Some(81),
            };
            let mut rule = build_ingress_rule(Some("tcp"), ports, source).unwrap();
            assert_eq!(
                rules_from_permission(&to_permission(&rule)).unwrap(),
                [rule.clone()]
            );
            rule.description = Some("for the shop".to_owned());
            assert_eq!(
                rules_from_permission(&to_described_permission(&rule)).unwrap(),
                [rule]
            );
        }
    }
}
