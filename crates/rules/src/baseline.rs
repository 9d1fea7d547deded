//! The built-in `baseline` policy as Rust values.
//!
//! This is the same policy as the preset `crates/policy/presets/baseline.yaml`. It exists so that a
//! Lambda function with the default policy does not have to parse YAML at a cold start. To change
//! the policy, edit the YAML file first and then this module. The test
//! `the_baseline_file_is_the_built_in_baseline` in `crates/policy/tests/presets.rs` verifies that
//! the two are equal.

use std::sync::Arc;

use crate::check::Check;
use crate::policy::{Action, Policy, PolicyRule, Severity};
use crate::ports::PortSet;
use crate::scope::Scope;
use crate::traffic::TrafficSet;

/// Ports that must never be open to the world: FTP data and control, SSH, MySQL, RDP, mSQL.
///
/// Source: AWS Config rule `restricted-common-ports`, with SSH added as in the HIPAA control.
pub const RESTRICTED_COMMON_PORTS: [u16; 6] = [20, 21, 22, 3306, 3389, 4333];

/// Other common service ports that must not be open to the world: Telnet, RPC, SMB/CIFS, SQL
/// Server, Oracle, PostgreSQL.
///
/// Source: AWS Config rule `restricted-common-ports` as Security Hub's EC2.19 uses it, with ports
/// 137 to 139 and Oracle added.
pub const HIGH_RISK_PORTS: [u16; 9] = [23, 135, 137, 138, 139, 445, 1433, 1521, 5432];

/// The common service ports of EC2-034. Any other port is uncommon.
///
/// HTTP, HTTPS, FTP, SSH, Telnet, DNS, RDP, SMTP, MySQL, PostgreSQL, Oracle, SQL Server, RPC,
/// SMB/CIFS.
pub const COMMON_SERVICE_PORTS: [u16; 20] = [
    80, 443, 20, 21, 22, 23, 53, 3389, 25, 465, 587, 3306, 5432, 1521, 1433, 135, 137, 138, 139,
    445,
];

/// What the rule `uncommon-ports` forbids. The derived text would list twenty ports.
const UNCOMMON_PORTS_TEXT: &str =
    "a TCP or UDP port open to the world that is not a common service port";

/// The built-in policy. Its rules either revoke the violating security group rule or only notify.
pub fn baseline_policy() -> Policy {
    let rules = revoking_rules().into_iter().chain(notifying_rules());
    Policy {
        name: "baseline".to_owned(),
        rules: rules.map(Arc::new).collect(),
        ..Policy::default()
    }
}

fn revoking_rules() -> [PolicyRule; 5] {
    let restricted = PortSet::from_iter(RESTRICTED_COMMON_PORTS);
    let high_risk = PortSet::from_iter(HIGH_RISK_PORTS);
    let uncommon = PortSet::from_iter(COMMON_SERVICE_PORTS).complement();
    [
        baseline_rule(
            "all-traffic",
            Check::AllTraffic,
            (Severity::Critical, Action::Revoke),
            &["EC2.18", "EC2.19"],
        ),
        baseline_rule(
            "restricted-common-ports",
            Check::OpenPorts(TrafficSet::tcp_and_udp(restricted)),
            (Severity::High, Action::Revoke),
            &["HIPAA"],
        ),
        baseline_rule(
            "high-risk-ports",
            Check::OpenPorts(TrafficSet::tcp_and_udp(high_risk)),
            (Severity::High, Action::Revoke),
            &["EC2.19"],
        ),
        PolicyRule {
            forbids: UNCOMMON_PORTS_TEXT.to_owned(),
            ..baseline_rule(
                "uncommon-ports",
                Check::OpenPorts(TrafficSet::tcp_and_udp(uncommon)),
                (Severity::High, Action::Revoke),
                &["EC2-034"],
            )
        },
        baseline_rule(
            "port-range",
            Check::PortRange,
            (Severity::Low, Action::Revoke),
            &["EC2-001"],
        ),
    ]
}

fn notifying_rules() -> [PolicyRule; 3] {
    [
        baseline_rule(
            "port-range-internal",
            Check::PortRangeInternal,
            (Severity::Low, Action::Notify),
            &["EC2-001"],
        ),
        baseline_rule(
            "broad-source",
            Check::BroadSource,
            (Severity::Medium, Action::Notify),
            &[],
        ),
        baseline_rule(
            "other-protocols",
            Check::OtherProtocols,
            (Severity::Medium, Action::Notify),
            &[],
        ),
    ]
}

fn baseline_rule(
    id: &str,
    check: Check,
    (severity, action): (Severity, Action),
    references: &[&str],
) -> PolicyRule {
    PolicyRule {
        id: id.to_owned(),
        forbids: check.describe(),
        check,
        severity,
        action,
        references: references.iter().map(ToString::to_string).collect(),
        scope: Scope::default(),
        trusted: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baseline_rules_severities_actions_and_references() {
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
                r#"high-risk-ports high revoke ["EC2.19"]"#,
                r#"uncommon-ports high revoke ["EC2-034"]"#,
                r#"port-range low revoke ["EC2-001"]"#,
                r#"port-range-internal low notify ["EC2-001"]"#,
                r"broad-source medium notify []",
                r"other-protocols medium notify []",
            ]
        );
    }
}
