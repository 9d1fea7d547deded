//! What happens to connections that a removed rule allowed.

use portcullis_rules::plan::{Addition, ApplyOrder};

use super::next_steps::rule_number_phrase;
use super::writer::EmailWriter;
use crate::alert::phrases::may_be_untracked;
use crate::report::{GroupReport, RuleOutcome, RuleStatus};
use crate::services::Mode;

const UNTRACKED: &str = "All outgoing traffic is allowed, so AWS did not track these connections, \
    and they end with the rule. Connections through a Network Load Balancer, a NAT gateway or a \
    transit gateway are always tracked: those live on until they are closed.";
const TRACKED: &str = "AWS tracks these connections and lets them live until one side closes them \
    or they are idle for too long (TCP: up to 5 days). Whoever came in may still be in. To cut \
    them, block the address with a network ACL, or stop the instance.";
const EITHER: &str = "If all outgoing traffic is allowed, open connections were cut at once. If \
    not, AWS tracks them and they live until one side closes them or they are idle for too long \
    (TCP: up to 5 days); to cut them, block the address with a network ACL, or stop the instance.";

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
                Some(_) => format!("{rules}: cut at once. {UNTRACKED}"),
                None => format!(
                    "{rules}: it depends on the group's outgoing rules, which Portcullis did \
                     not see. {EITHER}"
                ),
            };
            page.push_paragraph(&text);
        }
        if let Some(rules) = rule_number_phrase(&tracked, is_all) {
            page.push_paragraph(&format!("{rules}: NOT cut. {TRACKED}"));
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
        return "What the new rules allow goes on, for they came before the old ones went. \
                The rest:"
            .to_owned();
    }
    let has_twin = report
        .replacements()
        .any(|addition| is_twin(report, addition));
    let reason = if has_twin {
        "AWS takes no second rule for the same traffic"
    } else {
        "the rules quota of the group had no room for both"
    };
    format!(
        "The old rules went before the new ones came, because {reason}: what the new rules allow \
         may have paused for a moment. The rest:"
    )
}

/// Whether a removed rule has the same content as this addition.
fn is_twin(report: &GroupReport, addition: &Addition) -> bool {
    report
        .removed_rules()
        .any(|outcome| outcome.rule.same_content(&addition.ingress))
}
