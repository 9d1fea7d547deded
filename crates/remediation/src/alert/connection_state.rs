//! What happens to connections that a removed rule allowed.

use portcullis_rules::{IngressRule, Protocol};

use crate::alert::phrases::is_every_address;
use crate::alert::summary::AlertSummary;
use crate::report::GroupReport;

/// What happens to open connections when their rule is removed.
///
/// AWS does not track TCP and UDP flows that are allowed from and to every address, and they end
/// with the rule. All other flows are tracked and continue. ICMP is always tracked (Amazon VPC User
/// Guide, "Security group connection tracking").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConnectionState {
    /// They end.
    Ended,
    /// It depends on outbound rules that could not be read.
    UnknownEgress,
    /// The rule is for all protocols: some flows are tracked.
    SomeTracked,
    /// They continue.
    Tracked,
}

impl ConnectionState {
    /// Every state.
    pub(super) const ALL: [Self; 4] = [
        Self::Ended,
        Self::UnknownEgress,
        Self::SomeTracked,
        Self::Tracked,
    ];

    /// What happens to the connections that this rule allowed.
    pub(super) fn of_rule(report: &GroupReport, rule: &IngressRule) -> Self {
        let is_port_rule = matches!(rule.protocol(), Protocol::Tcp | Protocol::Udp);
        let is_all = rule.protocol() == Protocol::All;
        let may_be_untracked = is_every_address(&rule.source) && (is_port_rule || is_all);
        match report.group.open_egress {
            Some(false) => Self::Tracked,
            _ if !may_be_untracked => Self::Tracked,
            _ if is_all => Self::SomeTracked,
            Some(true) => Self::Ended,
            None => Self::UnknownEgress,
        }
    }
}

/// Whether connections that a removed rule allowed may still be open.
pub(super) fn connections_may_persist(summary: &AlertSummary<'_>) -> bool {
    summary.headline_entries().into_iter().any(|entry| {
        ConnectionState::of_rule(summary.report, &entry.rule) != ConnectionState::Ended
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn state(line: &str, open_egress: Option<bool>) -> ConnectionState {
        let mut report = samples::single_rule_report();
        report.group.open_egress = open_egress;
        ConnectionState::of_rule(&report, &line.parse().unwrap())
    }

    #[test]
    fn only_tcp_and_udp_from_everywhere_are_untracked() {
        for line in ["tcp 22 0.0.0.0/0", "udp 53 ::/0"] {
            assert_eq!(state(line, Some(true)), ConnectionState::Ended);
            assert_eq!(state(line, None), ConnectionState::UnknownEgress);
            assert_eq!(state(line, Some(false)), ConnectionState::Tracked);
        }
        for line in ["icmp - 0.0.0.0/0", "47 - 0.0.0.0/0", "tcp 22 10.0.0.0/8"] {
            assert_eq!(state(line, Some(true)), ConnectionState::Tracked);
        }
    }

    #[test]
    fn connections_of_a_rule_for_all_protocols_may_be_tracked() {
        for open_egress in [Some(true), None] {
            let state = state("all - 0.0.0.0/0", open_egress);
            assert_eq!(state, ConnectionState::SomeTracked);
        }
    }
}
