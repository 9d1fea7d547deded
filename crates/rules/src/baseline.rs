//! The built-in `baseline` policy: seven rules, each answering a published control.

use std::sync::Arc;

use crate::check::Check;
use crate::policy::{Action, Policy, PolicyRule, Severity};
use crate::ports::PortSet;
use crate::scope::Scope;
use crate::traffic::TrafficSet;

/// Ports that must never be open to the world: FTP data and control, SSH, MySQL, RDP, mSQL.
///
/// Source: AWS Config `restricted-common-ports` with SSH added, as the HIPAA control has it.
pub const RESTRICTED_COMMON_PORTS: [u16; 6] = [20, 21, 22, 3306, 3389, 4333];

/// The common service ports of EC2-034: any other open to the world is an uncommon one.
///
/// HTTP, HTTPS, FTP, SSH, Telnet, DNS, RDP, SMTP, MySQL, PostgreSQL, Oracle, SQL Server, RPC, SMB/CIFS.
pub const COMMON_SERVICE_PORTS: [u16; 20] = [
    80, 443, 20, 21, 22, 23, 53, 3389, 25, 465, 587, 3306, 5432, 1521, 1433, 135, 137, 138, 139,
    445,
];

/// The built-in policy. Rules that close revoke the whole box; the others tell.
pub fn baseline_policy() -> Policy {
    let restricted = PortSet::from_iter(RESTRICTED_COMMON_PORTS);
    let uncommon = PortSet::from_iter(COMMON_SERVICE_PORTS).complement();
    let rules = [
        baseline_rule(
            ("all-traffic", "all protocols and ports open to the world"),
            Check::AllTraffic,
            (Severity::Critical, Action::Revoke),
            &["EC2.18", "EC2.19"],
        ),
        baseline_rule(
            (
                "restricted-common-ports",
                "TCP or UDP ports 20, 21, 22, 3306, 3389 or 4333 open to the world",
            ),
            Check::OpenPorts(TrafficSet::tcp_and_udp(restricted)),
            (Severity::High, Action::Revoke),
            &["HIPAA"],
        ),
        baseline_rule(
            (
                "uncommon-ports",
                "a TCP or UDP port open to the world that is not a common service port",
            ),
            Check::OpenPorts(TrafficSet::tcp_and_udp(uncommon)),
            (Severity::High, Action::Revoke),
            &["EC2-034"],
        ),
        baseline_rule(
            (
                "port-range",
                "more than one port of a rule open to the world",
            ),
            Check::PortRange,
            (Severity::Low, Action::Revoke),
            &["EC2-001"],
        ),
        baseline_rule(
            (
                "port-range-internal",
                "more than one port of a rule open to a CIDR or prefix list",
            ),
            Check::PortRangeInternal,
            (Severity::Low, Action::Notify),
            &["EC2-001"],
        ),
        baseline_rule(
            (
                "broad-source",
                "a public source of /8 or shorter (IPv6: /16 or shorter)",
            ),
            Check::BroadSource,
            (Severity::Medium, Action::Notify),
            &[],
        ),
        baseline_rule(
            (
                "other-protocols",
                "a protocol other than TCP, UDP and ICMP open to the world",
            ),
            Check::OtherProtocols,
            (Severity::Medium, Action::Notify),
            &[],
        ),
    ];
    Policy {
        name: "baseline".to_owned(),
        rules: rules.into_iter().map(Arc::new).collect(),
        ..Policy::default()
    }
}

fn baseline_rule(
    (id, forbids): (&str, &str),
    check: Check,
    (severity, action): (Severity, Action),
    references: &[&str],
) -> PolicyRule {
    let references = references
        .iter()
        .map(|&reference| reference.to_owned())
        .collect();
    PolicyRule {
        id: id.to_owned(),
        forbids: forbids.to_owned(),
        check,
        severity,
        action,
        references,
        scope: Scope::default(),
        trusted: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_baseline() {
        let table: Vec<_> = baseline_policy()
            .rules
            .iter()
            .map(|rule| {
                format!(
                    "{} {} {} {:?}",
                    rule.id, rule.severity, rule.action, rule.references
                )
            })
            .collect();
        assert_eq!(
            table,
            [
                r#"all-traffic critical revoke ["EC2.18", "EC2.19"]"#,
                r#"restricted-common-ports high revoke ["HIPAA"]"#,
                r#"uncommon-ports high revoke ["EC2-034"]"#,
                r#"port-range low revoke ["EC2-001"]"#,
                r#"port-range-internal low notify ["EC2-001"]"#,
                r"broad-source medium notify []",
                r"other-protocols medium notify []",
            ]
        );
    }
}
