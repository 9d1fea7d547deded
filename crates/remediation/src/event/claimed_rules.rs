//! The ingress rules that were added or changed according to an event, on a best-effort basis.

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::{IngressRule, Source};
use serde_json::Value;

use super::record::{list_items, non_empty_text, one_or_many};

/// The keys of protocol and ports in a request.
const REQUEST_KEYS: [&str; 3] = ["/ipProtocol", "/fromPort", "/toPort"];
/// The keys of protocol and ports in a modified rule.
const MODIFICATION_KEYS: [&str; 3] = ["/IpProtocol", "/FromPort", "/ToPort"];

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
        decode_sources(permission)
            .into_iter()
            .filter_map(|source| decode_rule(permission, REQUEST_KEYS, source))
    })
}

/// The sources of a permission.
fn decode_sources(permission: &Value) -> Vec<Source> {
    let mut sources = Vec::new();
    for range in list_items(permission, "/ipRanges") {
        sources.extend(decode_cidr(range, "/cidrIp"));
    }
    for range in list_items(permission, "/ipv6Ranges") {
        sources.extend(decode_cidr(range, "/cidrIpv6"));
    }
    for list in list_items(permission, "/prefixListIds") {
        let id = non_empty_text(list, "/prefixListId");
        sources.extend(id.map(Source::PrefixList));
    }
    for group in list_items(permission, "/groups") {
        let id = non_empty_text(group, "/groupId");
        sources.extend(id.map(Source::from_group_id));
    }
    sources
}

fn decode_cidr(value: &Value, pointer: &str) -> Option<Source> {
    let cidr = non_empty_text(value, pointer)?;
    Source::from_cidr(&cidr).ok()
}

/// The flat form: `requestParameters.{ipProtocol, fromPort, toPort, cidrIp}`.
fn rules_from_flat_request(record: &Value) -> impl Iterator<Item = IngressRule> {
    record
        .get("requestParameters")
        .and_then(|request| {
            let source = decode_cidr(request, "/cidrIp")?;
            decode_rule(request, REQUEST_KEYS, source)
        })
        .into_iter()
}

/// `ModifySecurityGroupRulesRequest.SecurityGroupRule`: an object for one rule, an array for
/// several.
fn rules_from_modifications(record: &Value) -> impl Iterator<Item = IngressRule> {
    one_or_many(
        record.pointer("/requestParameters/ModifySecurityGroupRulesRequest/SecurityGroupRule"),
    )
    .filter_map(|update| {
        let changed = update.get("SecurityGroupRule")?;
        let source = decode_cidr(changed, "/CidrIpv4")
            .or_else(|| decode_cidr(changed, "/CidrIpv6"))
            .or_else(|| non_empty_text(changed, "/PrefixListId").map(Source::PrefixList))
            .or_else(|| non_empty_text(changed, "/ReferencedGroupId").map(Source::from_group_id))?;
        decode_rule(changed, MODIFICATION_KEYS, source)
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
