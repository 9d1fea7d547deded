//! The ingress rules that an event says were added or changed, read on a best-effort basis.

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::{IngressRule, Source};
use serde_json::Value;

use super::record::{list_items, non_empty_text, one_or_many};

/// Every rule in the request, each content once.
pub(super) fn decode_claimed_rules(record: &Value) -> Vec<IngressRule> {
    let mut claims: Vec<IngressRule> = Vec::new();
    for claim in rules_from_permissions(record)
        .chain(rules_from_flat_request(record))
        .chain(rules_from_modifications(record))
    {
        if !claims.iter().any(|known| known.same_content(&claim)) {
            claims.push(claim);
        }
    }
    claims
}

/// `requestParameters.ipPermissions.items[]`, one rule for each source.
fn rules_from_permissions(record: &Value) -> impl Iterator<Item = IngressRule> {
    list_items(record, "/requestParameters/ipPermissions").flat_map(|permission| {
        let sources = list_items(permission, "/ipRanges")
            .filter_map(|range| non_empty_text(range, "/cidrIp"))
            .chain(
                list_items(permission, "/ipv6Ranges")
                    .filter_map(|range| non_empty_text(range, "/cidrIpv6")),
            )
            .filter_map(|cidr| Source::from_cidr(&cidr).ok())
            .chain(
                list_items(permission, "/prefixListIds")
                    .filter_map(|list| non_empty_text(list, "/prefixListId"))
                    .map(Source::PrefixList),
            )
            .chain(
                list_items(permission, "/groups")
                    .filter_map(|group| non_empty_text(group, "/groupId"))
                    .map(Source::from_group_id),
            );
        sources.filter_map(|source| {
            decode_rule(permission, ["/ipProtocol", "/fromPort", "/toPort"], source)
        })
    })
}

/// The flat form: `requestParameters.{ipProtocol, fromPort, toPort, cidrIp}`.
fn rules_from_flat_request(record: &Value) -> impl Iterator<Item = IngressRule> {
    let request = record.get("requestParameters");
    request.into_iter().filter_map(|request| {
        let source =
            non_empty_text(request, "/cidrIp").and_then(|cidr| Source::from_cidr(&cidr).ok())?;
        decode_rule(request, ["/ipProtocol", "/fromPort", "/toPort"], source)
    })
}

/// `ModifySecurityGroupRulesRequest.SecurityGroupRule`, an object for one rule and an array for
/// several.
fn rules_from_modifications(record: &Value) -> impl Iterator<Item = IngressRule> {
    one_or_many(
        record.pointer("/requestParameters/ModifySecurityGroupRulesRequest/SecurityGroupRule"),
    )
    .filter_map(|update| {
        let changed = update.get("SecurityGroupRule")?;
        let source = non_empty_text(changed, "/CidrIpv4")
            .or_else(|| non_empty_text(changed, "/CidrIpv6"))
            .and_then(|cidr| Source::from_cidr(&cidr).ok())
            .or_else(|| non_empty_text(changed, "/PrefixListId").map(Source::PrefixList))
            .or_else(|| non_empty_text(changed, "/ReferencedGroupId").map(Source::from_group_id))?;
        decode_rule(changed, ["/IpProtocol", "/FromPort", "/ToPort"], source)
    })
}

fn decode_rule(
    value: &Value,
    [protocol, from, to]: [&str; 3],
    source: Source,
) -> Option<IngressRule> {
    let ports = Ec2Ports {
        from: port_number(value, from),
        to: port_number(value, to),
    };
    let protocol = non_empty_text(value, protocol)?.parse().ok()?;
    IngressRule::new(protocol, ports, source).ok()
}

fn port_number(value: &Value, pointer: &str) -> Option<i32> {
    let number = value.pointer(pointer).and_then(Value::as_i64)?;
    i32::try_from(number).ok()
}
