//! From what EC2 says to boxes and back: one box is one protocol, one span of ports and one source.
//!
//! What cannot be understood is an error that names it. A rule that was skipped would be a hole nobody sees.

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule, Tag, UserIdGroupPair,
};
use portcullis_rules::group::{Ec2Ports, IngressRule, Tags, Traffic};
use portcullis_rules::source::{GroupSource, Source};

/// Reads one rule of `DescribeSecurityGroupRules`.
///
/// # Errors
/// Says which rule cannot be understood, and why.
pub(crate) fn ingress_rule_from_ec2(rule: &SecurityGroupRule) -> Result<IngressRule, String> {
    convert_rule(rule).map_err(|reason| {
        let id = rule.security_group_rule_id().unwrap_or("without id");
        format!("rule {id} cannot be understood: {reason}")
    })
}

fn convert_rule(rule: &SecurityGroupRule) -> Result<IngressRule, String> {
    let ports = Ec2Ports {
        from: rule.from_port(),
        to: rule.to_port(),
    };
    let source = rule_source(rule)?;
    let mut read = build_ingress_rule(rule.ip_protocol(), ports, source)?;
    read.id = rule.security_group_rule_id().map(str::to_owned);
    read.description = non_empty(rule.description());
    read.tags = convert_tags(rule.tags());
    Ok(read)
}

/// A rule names exactly one source. Emulators send the others as empty text.
fn rule_source(rule: &SecurityGroupRule) -> Result<Source, String> {
    let cidrs = [rule.cidr_ipv4(), rule.cidr_ipv6()];
    let cidrs = cidrs
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
        (None, _) => Err("it names no source that is known here".to_owned()),
        (Some(_), _) => Err("it names more than one source".to_owned()),
    }
}

/// Splits a permission of `DescribeSecurityGroups` into its boxes.
///
/// # Errors
/// Says what cannot be understood. A permission without any source is none: it admits nothing.
pub(crate) fn rules_from_permission(permission: &IpPermission) -> Result<Vec<IngressRule>, String> {
    permission_sources(permission)
        .into_iter()
        .map(|(source, description)| {
            let ports = Ec2Ports {
                from: permission.from_port(),
                to: permission.to_port(),
            };
            let mut read = build_ingress_rule(permission.ip_protocol(), ports, source?)?;
            read.description = non_empty(description);
            Ok(read)
        })
        .collect::<Result<_, String>>()
        .map_err(|reason| format!("a permission cannot be understood: {reason}"))
}

type DescribedSource<'a> = (Result<Source, String>, Option<&'a str>);

fn permission_sources(permission: &IpPermission) -> Vec<DescribedSource<'_>> {
    let v4 = permission.ip_ranges().iter();
    let v4 = v4.map(|range| {
        (
            require_source_id(range.cidr_ip()).and_then(parse_cidr_source),
            range.description(),
        )
    });
    let v6 = permission.ipv6_ranges().iter();
    let v6 = v6.map(|range| {
        (
            require_source_id(range.cidr_ipv6()).and_then(parse_cidr_source),
            range.description(),
        )
    });
    let lists = permission.prefix_list_ids().iter().map(|list| {
        let id =
            require_source_id(list.prefix_list_id()).map(|id| Source::PrefixList(id.to_owned()));
        (id, list.description())
    });
    let groups = permission.user_id_group_pairs().iter().map(|pair| {
        let source = require_source_id(pair.group_id())
            .map(|id| group_source(id.to_owned(), pair.user_id()));
        (source, pair.description())
    });
    v4.chain(v6).chain(lists).chain(groups).collect()
}

fn require_source_id(value: Option<&str>) -> Result<&str, String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| "it has a source without a name".to_owned())
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
            Some((
                tag.key()?.to_owned(),
                tag.value().unwrap_or_default().to_owned(),
            ))
        })
        .collect()
}

/// The permission that names exactly this box, as `RevokeSecurityGroupIngress` wants it: without the description,
/// which EC2 does not need to find it, and without ports where the protocol is "all".
pub(crate) fn to_permission(rule: &IngressRule) -> IpPermission {
    build_permission(rule, None)
}

/// The same with the description of its one source, as `AuthorizeSecurityGroupIngress` takes it.
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
    let permission = match &rule.source {
        Source::Cidr(net) if net.addr().is_ipv4() => permission.ip_ranges(
            IpRange::builder()
                .cidr_ip(net.to_string())
                .set_description(description)
                .build(),
        ),
        Source::Cidr(net) => permission.ipv6_ranges(
            Ipv6Range::builder()
                .cidr_ipv6(net.to_string())
                .set_description(description)
                .build(),
        ),
        Source::PrefixList(id) => permission.prefix_list_ids(
            PrefixListId::builder()
                .prefix_list_id(id)
                .set_description(description)
                .build(),
        ),
        Source::Group(group) => permission.user_id_group_pairs(
            UserIdGroupPair::builder()
                .group_id(&group.group_id)
                .set_user_id(group.owner_id.clone())
                .set_description(description)
                .build(),
        ),
    };
    permission.build()
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
    fn a_rule_is_read_with_all_it_carries() {
        let tag = Tag::builder().key("team").value("ops").build();
        let read = rule()
            .cidr_ipv4("0.0.0.0/0")
            .description("ssh")
            .tags(tag)
            .build();
        let read = ingress_rule_from_ec2(&read).unwrap();
        assert_eq!(read.id.as_deref(), Some("sgr-1"));
        assert_eq!(read.description.as_deref(), Some("ssh"));
        assert_eq!(read.tags["team"], "ops");
        assert_eq!(read.source.to_string(), "0.0.0.0/0");
    }

    #[test]
    fn every_kind_of_source_is_read() {
        let info = ReferencedSecurityGroup::builder()
            .group_id("sg-2")
            .user_id("1")
            .build();
        for (read, source) in [
            (rule().cidr_ipv6("::/0"), "::/0"),
            (rule().cidr_ipv4("").cidr_ipv6("2000::/3"), "2000::/3"),
            (rule().prefix_list_id("pl-1"), "pl-1"),
            (rule().referenced_group_info(info), "sg-2"),
        ] {
            assert_eq!(
                ingress_rule_from_ec2(&read.build())
                    .unwrap()
                    .source
                    .to_string(),
                source
            );
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (read, reason) in [
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
            let error = ingress_rule_from_ec2(&read.build()).unwrap_err();
            assert!(
                error.starts_with("rule sgr-1 cannot be understood: "),
                "{error}"
            );
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_permission_is_split_into_its_boxes() {
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
        let boxes = rules_from_permission(&permission).unwrap();
        let sources: Vec<_> = boxes.iter().map(|read| read.source.to_string()).collect();
        assert_eq!(sources, ["0.0.0.0/0", "::/0", "pl-1", "sg-2"]);
        assert_eq!(boxes[0].description.as_deref(), Some("all"));
        assert_eq!(
            rules_from_permission(&IpPermission::builder().build()),
            Ok(vec![])
        );
    }

    #[test]
    fn a_permission_that_cannot_be_understood_is_an_error() {
        let nameless = IpPermission::builder()
            .ip_protocol("tcp")
            .user_id_group_pairs(UserIdGroupPair::builder().build());
        let odd = IpPermission::builder()
            .ip_protocol("quic")
            .ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build());
        for permission in [nameless, odd] {
            assert!(rules_from_permission(&permission.build()).is_err());
        }
    }

    /// Protocol, ports and source as they are sent.
    fn sent(protocol: &str, from: Option<i32>, to: Option<i32>) -> (Option<i32>, Option<i32>) {
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
    fn ports_are_sent_as_ec2_has_them() {
        assert_eq!(sent("tcp", Some(20), Some(25)), (Some(20), Some(25)));
        assert_eq!(sent("udp", None, None), (Some(0), Some(65535)));
        assert_eq!(sent("-1", Some(-1), Some(-1)), (None, None));
        assert_eq!(sent("-1", Some(0), Some(0)), (None, None));
        assert_eq!(sent("icmp", Some(8), Some(-1)), (Some(8), Some(-1)));
        assert_eq!(sent("icmpv6", None, None), (Some(-1), Some(-1)));
        assert_eq!(sent("50", None, None), (None, None));
        assert_eq!(sent("50", Some(-1), Some(-1)), (Some(-1), Some(-1)));
    }

    #[test]
    fn what_is_sent_reads_back_as_the_same_box() {
        let owned = GroupSource {
            group_id: "sg-2".into(),
            owner_id: Some("123".into()),
        };
        for source in [
            Source::from_cidr("10.0.0.0/8").unwrap(),
            Source::from_cidr("2001:db8::/32").unwrap(),
            Source::PrefixList("pl-1".into()),
            Source::Group(owned),
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
