//! What happens to connections that a removed rule allowed.

use portcullis_rules::plan::{Addition, ApplyOrder};

use super::next_steps::rule_number_phrase;
use super::writer::EmailWriter;
use crate::alert::connection_state::ConnectionState;
use crate::report::{GroupReport, RuleStatus};
use crate::services::Mode;

const HEADING: &str = "Live connections";
const ENDED: &str = "ended (AWS did not track them), except through a Network Load Balancer, a NAT \
    gateway or a transit gateway";
const TRACKED: &str = "continue until one side closes them or they time out (idle TCP: up to 5 \
    days), because AWS tracks them";
const SOME_TRACKED: &str = "may continue (AWS always tracks ICMP, and may track TCP and UDP)";
const UNKNOWN_EGRESS: &str = "may continue (the outbound rules of the group could not be read)";
const HOW_TO_CUT: &str = "To cut them, block the address with a network ACL, or stop the instance.";

impl EmailWriter<'_> {
    /// What happens to connections that a removed rule allowed.
    pub(super) fn write_connections(&mut self) {
        let report = self.report;
        let removed: Vec<_> = self
            .summary
            .numbered_entries(|status| matches!(status, RuleStatus::Applied | RuleStatus::Reopened))
            .filter(|(_, outcome)| outcome.removed)
            .collect();
        if removed.is_empty() || report.mode == Mode::Monitor {
            return;
        }
        let mut parts = Vec::new();
        let mut is_cut = true;
        for state in ConnectionState::ALL {
            let entries: Vec<_> = removed
                .iter()
                .copied()
                .filter(|(_, outcome)| ConnectionState::of_rule(report, &outcome.rule) == state)
                .collect();
            is_cut &= entries.is_empty() || state == ConnectionState::Ended;
            if entries.len() == removed.len() {
                parts.push(describe_state(state).to_owned());
            } else if let Some(rules) = rule_number_phrase(&entries) {
                parts.push(format!("of {rules} {}", describe_state(state)));
            }
        }
        let mut sentences = vec![format!("{}.", parts.join("; "))];
        if !is_cut {
            sentences.push(HOW_TO_CUT.to_owned());
        }
        if report.replacements().next().is_some() {
            sentences.push(describe_interruption(report));
        }
        self.page.push_section(HEADING, &sentences.join(" "));
    }
}

const fn describe_state(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Ended => ENDED,
        ConnectionState::UnknownEgress => UNKNOWN_EGRESS,
        ConnectionState::SomeTracked => SOME_TRACKED,
        ConnectionState::Tracked => TRACKED,
    }
}

/// What happens to connections that the new rules allow.
fn describe_interruption(report: &GroupReport) -> String {
    if report.order == ApplyOrder::AddFirst {
        return "What the new rules allow was not interrupted.".to_owned();
    }
    let has_twin = report
        .replacements()
        .any(|addition| is_twin(report, addition));
    let reason = if has_twin {
        "EC2 does not accept a second rule for the same traffic"
    } else {
        "the rules quota had no room for both"
    };
    format!("What the new rules allow was interrupted briefly, because {reason}.")
}

/// Whether a removed rule has the same content as this addition.
fn is_twin(report: &GroupReport, addition: &Addition) -> bool {
    report
        .removed_rules()
        .any(|outcome| outcome.rule.same_content(&addition.ingress))
}
