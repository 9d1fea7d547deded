//! The ingress rules that were added or changed according to an event, on a best-effort basis.

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::{IngressRule, Source};
use serde_json::Value;

use super::record::{list_items, non_empty_text, one_or_many};

/// Every rule in the request, without duplicates.
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
        let v4 =
            list_items(permission, "/ipRanges").filter_map(|range| cidr_source(range, "/cidrIp"));
        let v6 = list_items(permission, "/ipv6Ranges")
            .filter_map(|range| cidr_source(range, "/cidrIpv6"));
        let prefix_lists = list_items(permission, "/prefixListIds")
            .filter_map(|list| prefix_list_source(list, "/prefixListId"));
        let groups =
            list_items(permission, "/groups").filter_map(|group| group_source(group, "/groupId"));
        let sources = v4.chain(v6).chain(prefix_lists).chain(groups);
        sources.filter_map(|source| {
            decode_rule(permission, ["/ipProtocol", "/fromPort", "/toPort"], source)
        })
    })
}

/// The flat form: `requestParameters.{ipProtocol, fromPort, toPort, cidrIp}`.
fn rules_from_flat_request(record: &Value) -> impl Iterator<Item = IngressRule> {
    let request = record.get("requestParameters");
    request.into_iter().filter_map(|request| {
        let source = cidr_source(request, "/cidrIp")?;
        decode_rule(request, ["/ipProtocol", "/fromPort", "/toPort"], source)
    })
}

/// `ModifySecurityGroupRulesRequest.SecurityGroupRule`: an object for one rule, an array for
/// several.
fn rules_from_modifications(record: &Value) -> impl Iterator<Item = IngressRule> {
    one_or_many(
        record.pointer("/requestParameters/ModifySecurityGroupRulesRequest/SecurityGroupRule"),
    )
    .filter_map(|update| {
        let changed = update.get("SecurityGroupRule")?;
        let source = cidr_source(changed, "/CidrIpv4")
            .or_else(|| cidr_source(changed, "/CidrIpv6"))
            .or_else(|| prefix_list_source(changed, "/PrefixListId"))
            .or_else(|| group_source(changed, "/ReferencedGroupId"))?;
        decode_rule(changed, ["/IpProtocol", "/FromPort", "/ToPort"], source)
    })
}

fn cidr_source(value: &Value, pointer: &str) -> Option<Source> {
    let cidr = non_empty_text(value, pointer)?;
    Source::from_cidr(&cidr).ok()
}

fn prefix_list_source(value: &Value, pointer: &str) -> Option<Source> {
    let id = non_empty_text(value, pointer)?;
    Some(Source::PrefixList(id))
}

fn group_source(value: &Value, pointer: &str) -> Option<Source> {
    let id = non_empty_text(value, pointer)?;
    Some(Source::from_group_id(id))
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
