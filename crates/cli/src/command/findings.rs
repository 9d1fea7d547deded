//! Findings and rules in tables and sentences.

use portcullis_rules::group::Traffic;
use portcullis_rules::{Finding, IngressRule, TrafficSet};

use crate::table::RowStyle;
use crate::text::sanitize_text;

/// How many port ranges a table shows.
const MAX_PORT_RANGES: usize = 4;

/// The style of a finding in a table.
pub(super) fn row_style(finding: &Finding) -> RowStyle {
    if finding.exempted_by.is_some() {
        RowStyle::Dimmed
    } else {
        RowStyle::Severity(finding.policy_rule.severity)
    }
}

/// The action on a finding: `revoke`, `exempt by office`.
pub(super) fn describe_action(finding: &Finding) -> String {
    match &finding.exempted_by {
        Some(id) => format!("exempt by {}", sanitize_text(id)),
        None => finding.policy_rule.action.to_string(),
    }
}

/// What a rule allows: `tcp 8080-8090`, `icmp type 8`, `all traffic`, `protocol 47`.
pub(super) fn describe_traffic(rule: &IngressRule) -> String {
    let protocol = rule.protocol();
    match rule.traffic() {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => format!("{protocol} {ports}"),
        Traffic::All => "all traffic".to_owned(),
        Traffic::Other(number) => format!("protocol {number}"),
        Traffic::Icmp | Traffic::Icmpv6 => match rule.display_ports() {
            (Some(icmp_type), _) if icmp_type >= 0 => format!("{protocol} type {icmp_type}"),
            _ => protocol.to_string(),
        },
    }
}

/// The first few of the offending port ranges. The JSON output has all of them.
pub(super) fn shorten_ports(offending: &TrafficSet) -> String {
    let text = offending.to_string();
    let ranges: Vec<_> = text.split(',').collect();
    match ranges.split_at_checked(MAX_PORT_RANGES) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{},+{}", first.join(","), rest.len())
        }
        _ => text,
    }
}
