//! What happens to connections that a removed rule allowed.

use portcullis_rules::plan::{Addition, ApplyOrder};

use super::next_steps::rule_number_phrase;
use super::writer::EmailWriter;
use crate::alert::phrases::may_be_untracked;
use crate::report::{GroupReport, RuleOutcome, RuleStatus};
use crate::services::Mode;

const UNTRACKED: &str = "The group allows all outbound traffic, so AWS did not track these \
    connections. Connections through a Network Load Balancer, a NAT gateway or a transit gateway \
    are always tracked and persist until they are closed.";
const TRACKED: &str = "AWS tracks these connections, so they persist until one side closes them or \
    they time out (idle TCP connections: up to 5 days). Whoever connected may still have access. \
    To interrupt them, block the address with a network ACL, or stop the instance.";
const EITHER: &str = "If the group allows all outbound traffic, open connections were interrupted \
    immediately. If not, AWS tracks them, so they persist until one side closes them or they time \
    out (idle TCP connections: up to 5 days); to interrupt them, block the address with a network \
    ACL, or stop the instance.";

impl EmailWriter<'_> {
    /// What happens to connections that a removed rule allowed.
    pub(super) fn write_connections(&mut self) {
        let report = self.report;
        let removed: Vec<_> = self
            .summary
            .numbered_entries(is_applied_or_reopened)
            .filter(|(_, outcome)| outcome.removed)
            .collect();
        if removed.is_empty() || report.mode == Mode::Monitor {
            return;
        }
        let (untracked, tracked): (Vec<_>, Vec<_>) = removed
            .into_iter()
            .partition(|(_, outcome)| is_untracked(report, outcome));
        let is_all = untracked.is_empty() || tracked.is_empty();
        let page = &mut self.page;
        page.push_heading("Connections that were already open");
        if report.replacements().next().is_some() {
            page.push_paragraph(&describe_interruption(report));
        }
        if let Some(rules) = rule_number_phrase(&untracked, is_all) {
            let text = match report.group.open_egress {
                Some(_) => format!("{rules}: interrupted immediately. {UNTRACKED}"),
                None => format!(
                    "{rules}: this depends on the outbound rules of the group, which Portcullis \
                     could not read. {EITHER}"
                ),
            };
            page.push_paragraph(&text);
        }
        if let Some(rules) = rule_number_phrase(&tracked, is_all) {
            page.push_paragraph(&format!("{rules}: NOT interrupted. {TRACKED}"));
        }
    }
}

const fn is_applied_or_reopened(status: &RuleStatus) -> bool {
    matches!(status, RuleStatus::Applied | RuleStatus::Reopened)
}

fn is_untracked(report: &GroupReport, outcome: &RuleOutcome) -> bool {
    report.group.open_egress != Some(false) && may_be_untracked(&outcome.rule)
}

/// What happens to connections that the new rules allow.
fn describe_interruption(report: &GroupReport) -> String {
    if report.order == ApplyOrder::AddFirst {
        return "Connections that the new rules allow were not interrupted, because the new rules \
                were added before the old ones were removed. Other connections:"
            .to_owned();
    }
    let has_twin = report
        .replacements()
        .any(|addition| is_twin(report, addition));
    let reason = if has_twin {
        "EC2 does not accept a second rule for the same traffic"
    } else {
        "the rules quota of the group did not allow both at once"
    };
    format!(
        "The old rules were removed before the new ones were added, because {reason}. Connections \
         that the new rules allow may have been interrupted briefly. Other connections:"
    )
}

/// Whether a removed rule has the same content as this addition.
fn is_twin(report: &GroupReport, addition: &Addition) -> bool {
    report
        .removed_rules()
        .any(|outcome| outcome.rule.same_content(&addition.ingress))
}
