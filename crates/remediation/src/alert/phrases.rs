//! Phrases for rules, ports, sources, times and errors.

use jiff::Timestamp;
use portcullis_rules::check::Check;
use portcullis_rules::{Finding, IngressRule, PortRange, Protocol, Source};

use crate::alert::sanitize::sanitize_line;
use crate::report::{GroupReport, PolicyIdentity};
use crate::services::ErrorKind;

/// Well-known services by port.
const SERVICE_NAMES: [(u16, &str); 27] = [
    (20, "FTP data"),
    (21, "FTP"),
    (22, "SSH"),
    (23, "Telnet"),
    (25, "SMTP"),
    (53, "DNS"),
    (80, "HTTP"),
    (135, "Windows RPC"),
    (139, "NetBIOS"),
    (389, "LDAP"),
    (443, "HTTPS"),
    (445, "SMB"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (2049, "NFS"),
    (2375, "Docker"),
    (3306, "MySQL"),
    (3389, "Remote Desktop"),
    (4333, "mSQL"),
    (5432, "PostgreSQL"),
    (5900, "VNC"),
    (6379, "Redis"),
    (6443, "Kubernetes API"),
    (9200, "Elasticsearch"),
    (10250, "kubelet"),
    (11211, "Memcached"),
    (27017, "MongoDB"),
];

/// `TCP port 22 (SSH) from 0.0.0.0/0 (every IPv4 address)`.
pub(super) fn describe_rule(ingress: &IngressRule) -> String {
    format!(
        "{} from {}",
        describe_traffic(ingress),
        describe_source(&ingress.source)
    )
}

/// `tcp 22 from 0.0.0.0/0`: the short form.
pub(super) fn short_rule(ingress: &IngressRule) -> String {
    format!("{} from {}", short_traffic(ingress), ingress.source)
}

/// `tcp 22`.
pub(super) fn short_traffic(ingress: &IngressRule) -> String {
    let ports = match ingress.port_range() {
        Some(PortRange::ALL) => " all ports".to_owned(),
        Some(range) => format!(" {range}"),
        None if ingress.protocol() == Protocol::All => " traffic".to_owned(),
        None => String::new(),
    };
    let protocol = ingress.protocol();
    let kind = if matches!(protocol, Protocol::Other(_)) {
        "protocol "
    } else {
        ""
    };
    format!("{kind}{protocol}{ports}")
}

/// `TCP port 22 (SSH)`, `UDP ports 20-25`, `all protocols, all ports`.
pub(super) fn describe_traffic(ingress: &IngressRule) -> String {
    let name = match ingress.protocol() {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Icmp => return describe_icmp("ICMP", ingress),
        Protocol::Icmpv6 => return describe_icmp("ICMPv6", ingress),
        Protocol::All => return "ALL protocols, ALL ports".to_owned(),
        Protocol::Other(number) => return describe_protocol(number),
    };
    ingress
        .port_range()
        .map_or(name.to_owned(), |range| describe_ports(name, range))
}

/// `TCP port 22 (SSH)`, `UDP ports 20-25`, `TCP, ALL ports`.
pub(super) fn describe_ports(name: &str, range: PortRange) -> String {
    match range {
        PortRange::ALL => format!("{name}, ALL ports"),
        range if range.port_count() > 1 => format!("{name} ports {range}"),
        range => format!("{name} port {range}{}", service_suffix(range.first_port())),
    }
}

fn describe_icmp(name: &str, ingress: &IngressRule) -> String {
    match ingress.display_ports() {
        (None | Some(-1), _) => format!("{name}, all types"),
        (Some(kind), None | Some(-1)) => format!("{name} type {kind}"),
        (Some(kind), Some(code)) => format!("{name} type {kind} code {code}"),
    }
}

fn describe_protocol(number: u8) -> String {
    let name = match number {
        4 => " (IP in IP)",
        41 => " (IPv6 in IPv4)",
        47 => " (GRE)",
        50 => " (ESP)",
        51 => " (AH)",
        132 => " (SCTP)",
        _ => "",
    };
    format!("IP protocol {number}{name}")
}

fn service_suffix(port: u16) -> String {
    SERVICE_NAMES
        .iter()
        .find(|(number, _)| *number == port)
        .map(|(_, name)| format!(" ({name})"))
        .unwrap_or_default()
}

/// `0.0.0.0/0 (every IPv4 address)`.
pub(super) fn describe_source(source: &Source) -> String {
    match source {
        Source::Cidr(net) if net.prefix_len() == 0 => {
            let version = if net.addr().is_ipv4() { 4 } else { 6 };
            format!("{net} (every IPv{version} address)")
        }
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => source_label(source),
    }
}

/// `0.0.0.0/0`, `security group sg-...`.
pub(super) fn source_label(source: &Source) -> String {
    match source {
        Source::Cidr(net) => net.to_string(),
        Source::PrefixList(id) => format!("prefix list {}", sanitize_line(id, 64)),
        Source::Group(group) => format!("security group {}", sanitize_line(&group.group_id, 64)),
    }
}

/// Whether the source is every address of its family.
pub(super) fn is_every_address(source: &Source) -> bool {
    matches!(source, Source::Cidr(net) if net.prefix_len() == 0)
}

/// Whether the finding is about access from the whole internet, not from an internal range or a
/// broad source.
pub(super) fn is_open_to_world(finding: &Finding) -> bool {
    match finding.policy_rule.check {
        Check::AllTraffic
        | Check::OpenPorts(_)
        | Check::OpenExcept(_)
        | Check::PortRange
        | Check::OtherProtocols => true,
        Check::PortRangeInternal | Check::BroadSource => false,
    }
}

/// The text with a capital first letter.
pub(super) fn capitalize_first(text: &str) -> String {
    let mut rest = text.chars();
    rest.next()
        .map(|first| first.to_uppercase().chain(rest).collect())
        .unwrap_or_default()
}

/// `1 rule`, `3 rules`.
pub(super) fn count_phrase(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `exception a`, `exceptions a, b`.
pub(super) fn exceptions_phrase(ids: &[String]) -> String {
    let noun = if ids.len() == 1 {
        "exception"
    } else {
        "exceptions"
    };
    format!("{noun} {}", ids.join(", "))
}

/// `1, 2 and 5`.
pub(super) fn join_numbers(numbers: &[usize]) -> String {
    let mut parts: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        last
    } else {
        format!("{} and {last}", parts.join(", "))
    }
}

/// `2026-11-21 10:00:00 UTC`.
pub(super) fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `42 seconds`, `3 minutes`, `2 hours`, `5 days`.
pub(super) fn format_duration(seconds: i64) -> String {
    let (unit, one, many) = match seconds {
        ..=119 => (1, "second", "seconds"),
        120..=7199 => (60, "minute", "minutes"),
        7200..=172_799 => (3600, "hour", "hours"),
        _ => (86_400, "day", "days"),
    };
    let number = seconds.checked_div(unit).unwrap_or_default();
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The group's id, or how the event refers to it.
pub(super) fn display_group_id(report: &GroupReport) -> String {
    match sanitize_line(&report.group.id, 64) {
        id if id.is_empty() => sanitize_line(&report.group_ref.to_string(), 120),
        id => id,
    }
}

/// The group's name, not sanitized, if it has one with visible characters.
pub(super) fn group_name(report: &GroupReport) -> Option<&str> {
    let group = &report.group;
    if group.id.is_empty() {
        return None;
    }
    group
        .name
        .as_deref()
        .filter(|name| !sanitize_line(name, 9).is_empty())
}

/// Who made the change, not sanitized: the most readable name in the event.
pub(super) fn principal_name(report: &GroupReport) -> &str {
    let actor = &report.origin.actor;
    let known = [&actor.who, &actor.arn, &actor.invoked_by];
    known
        .into_iter()
        .flatten()
        .map(String::as_str)
        .next()
        .unwrap_or("unknown principal")
}

/// `baseline`, `ours, version 4`.
pub(super) fn policy_label(policy: &PolicyIdentity) -> String {
    let name = sanitize_line(&policy.name, 64);
    match policy.version {
        Some(version) => format!("{name}, version {version}"),
        None => name,
    }
}

/// The hash of the policy, if it is known.
pub(super) fn policy_hash(policy: &PolicyIdentity) -> Option<String> {
    let hash = policy.hash.as_deref()?;
    Some(sanitize_line(hash, 64))
}

/// Why a rule was not removed, as a short phrase.
pub(super) const fn error_cause(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Throttled => "AWS throttled the request",
        ErrorKind::Denied => "permission denied",
        ErrorKind::GroupNotFound => "AWS does not find the group",
        ErrorKind::RuleNotFound => "it changed at the same time",
        ErrorKind::RulesQuota => "the group has reached its rules quota",
        ErrorKind::NoAnswer => "AWS did not respond",
        ErrorKind::Other => "the call to remove it failed",
    }
}

/// Why a rule was not added, as a sentence.
pub(super) const fn addition_error_cause(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Throttled => "AWS throttled the request.",
        ErrorKind::Denied => {
            "Portcullis lacks permission to add it (ec2:AuthorizeSecurityGroupIngress)."
        }
        ErrorKind::GroupNotFound => "AWS reports that the group no longer exists.",
        ErrorKind::RuleNotFound => {
            "Someone else removed or changed the rule at the same time, so nothing was added."
        }
        ErrorKind::RulesQuota => "The group has reached its rules quota.",
        ErrorKind::NoAnswer => "AWS did not respond, so the rule may exist anyway.",
        ErrorKind::Other => "The call to add it failed.",
    }
}

/// What to do about an error.
pub(super) const fn error_remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "Retrying will not help. Run the commands above now. Then check the function's role, \
             its permissions boundary and the organization's service control policies."
        }
        ErrorKind::GroupNotFound => "Confirm that the group was deleted; if so, nothing is open.",
        ErrorKind::Throttled
        | ErrorKind::RuleNotFound
        | ErrorKind::RulesQuota
        | ErrorKind::NoAnswer
        | ErrorKind::Other => {
            "Portcullis retries automatically within minutes and sends another alert when the \
             group is closed. If no such alert arrives, run the commands above."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_read_well() {
        assert_eq!(join_numbers(&[]), "");
        assert_eq!(join_numbers(&[1]), "1");
        assert_eq!(join_numbers(&[1, 2, 5]), "1, 2 and 5");
        let durations: Vec<_> = [0, 1, 119, 120, 7199, 7200, 200_000]
            .into_iter()
            .map(format_duration)
            .collect();
        assert_eq!(
            durations,
            [
                "0 seconds",
                "1 second",
                "119 seconds",
                "2 minutes",
                "119 minutes",
                "2 hours",
                "2 days"
            ]
        );
        assert_eq!(count_phrase(1, "rule", "rules"), "1 rule");
    }

    #[test]
    fn services_are_in_order() {
        assert!(SERVICE_NAMES.is_sorted());
    }
}
