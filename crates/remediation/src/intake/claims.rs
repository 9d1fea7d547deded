//! The ingress rules that an event says were added or changed: a best-effort reading, never judged.

use portcullis_rules::group::WrittenPorts;
use portcullis_rules::{IngressRule, Source};
use serde_json::Value;

use super::{items, one_or_many, text};

/// Every rule that request and response name, each content once.
pub(super) fn claims(record: &Value) -> Vec<IngressRule> {
    let mut claims: Vec<IngressRule> = Vec::new();
    for claim in permissions(record).chain(flat(record)).chain(modified(record)) {
        if !claims.iter().any(|known| known.same_content(&claim)) {
            claims.push(claim);
        }
    }
    claims
}

/// `requestParameters.ipPermissions.items[]`, one rule for each source.
fn permissions(record: &Value) -> impl Iterator<Item = IngressRule> {
    items(record, "/requestParameters/ipPermissions").flat_map(|permission| {
        let sources = items(permission, "/ipRanges")
            .filter_map(|range| text(range, "/cidrIp"))
            .chain(items(permission, "/ipv6Ranges").filter_map(|range| text(range, "/cidrIpv6")))
            .filter_map(|cidr| Source::cidr(&cidr).ok())
            .chain(
                items(permission, "/prefixListIds")
                    .filter_map(|list| text(list, "/prefixListId"))
                    .map(Source::PrefixList),
            )
            .chain(items(permission, "/groups").filter_map(|group| text(group, "/groupId")).map(Source::group));
        sources.filter_map(|source| rule(permission, ["/ipProtocol", "/fromPort", "/toPort"], source))
    })
}

/// The flat form: `requestParameters.{ipProtocol, fromPort, toPort, cidrIp}`.
fn flat(record: &Value) -> impl Iterator<Item = IngressRule> {
    let request = record.get("requestParameters");
    request.into_iter().filter_map(|request| {
        let source = text(request, "/cidrIp").and_then(|cidr| Source::cidr(&cidr).ok())?;
        rule(request, ["/ipProtocol", "/fromPort", "/toPort"], source)
    })
}

/// `ModifySecurityGroupRulesRequest.SecurityGroupRule`, an object for one rule and an array for several.
fn modified(record: &Value) -> impl Iterator<Item = IngressRule> {
    one_or_many(record.pointer("/requestParameters/ModifySecurityGroupRulesRequest/SecurityGroupRule")).filter_map(
        |update| {
            let changed = update.get("SecurityGroupRule")?;
            let source = text(changed, "/CidrIpv4")
                .or_else(|| text(changed, "/CidrIpv6"))
                .and_then(|cidr| Source::cidr(&cidr).ok())
                .or_else(|| text(changed, "/PrefixListId").map(Source::PrefixList))
                .or_else(|| text(changed, "/ReferencedGroupId").map(Source::group))?;
            rule(changed, ["/IpProtocol", "/FromPort", "/ToPort"], source)
        },
    )
}

fn rule(value: &Value, [protocol, from, to]: [&str; 3], source: Source) -> Option<IngressRule> {
    let port = |pointer| value.pointer(pointer).and_then(Value::as_i64).and_then(|port| i32::try_from(port).ok());
    let written = WrittenPorts { from: port(from), to: port(to) };
    IngressRule::new(text(value, protocol)?.parse().ok()?, written, source).ok()
}
