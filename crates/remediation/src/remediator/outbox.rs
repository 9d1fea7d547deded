//! The alerts that this process has published and those that are pending, by event and group. A
//! retried event does not publish the same alert again, and publishes one that failed before.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_rules::IngressRule;

use crate::event::Origin;
use crate::report::GroupReport;
use crate::services::GroupRef;

/// How many entries are kept. Lambda retries an event twice and drops it after hours. An entry with
/// pending alerts is evicted only if all entries have some.
const MAX_ENTRIES: usize = 1024;

/// One event and one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AlertKey {
    event_id: Option<String>,
    /// How the event refers to the group.
    pub(super) group: GroupRef,
}

impl AlertKey {
    pub(super) fn new(origin: &Origin, group: &GroupRef) -> Self {
        Self {
            event_id: origin.event_id.clone(),
            group: group.clone(),
        }
    }
}

#[derive(Debug)]
struct OutboxEntry {
    key: AlertKey,
    pending: VecDeque<GroupReport>,
    sent: Vec<AlertFingerprint>,
}

/// The alerts of a process.
#[derive(Debug, Default)]
pub(super) struct AlertOutbox(Mutex<VecDeque<OutboxEntry>>);

impl AlertOutbox {
    /// Whether alerts about the same event already covered everything in this report. An event
    /// without an id is never recognized as the same.
    pub(super) fn was_sent(&self, key: &AlertKey, report: &GroupReport) -> bool {
        let fingerprint = AlertFingerprint::from_report(report);
        let is_known = self
            .lock_entries()
            .iter()
            .filter(|entry| entry.key == *key)
            .any(|entry| fingerprint.is_covered_by(&entry.sent));
        is_known && key.event_id.is_some()
    }

    /// Adds a report to the pending ones, unless it is equivalent to one of them.
    pub(super) fn enqueue(&self, key: &AlertKey, report: &GroupReport) {
        let mut entries = self.lock_entries();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
            let fingerprint = AlertFingerprint::from_report(report);
            let is_pending = entry
                .pending
                .iter()
                .map(AlertFingerprint::from_report)
                .any(|known| known == fingerprint);
            if !is_pending {
                entry.pending.push_back(report.clone());
            }
        } else {
            evict_entry_if_full(&mut entries);
            entries.push_back(OutboxEntry {
                key: key.clone(),
                pending: VecDeque::from([report.clone()]),
                sent: Vec::new(),
            });
        }
    }

    /// The oldest pending report.
    pub(super) fn next_pending(&self, key: &AlertKey) -> Option<GroupReport> {
        let entries = self.lock_entries();
        let entry = entries.iter().find(|entry| entry.key == *key)?;
        entry.pending.front().cloned()
    }

    /// Records that the oldest pending report was published.
    pub(super) fn mark_sent(&self, key: &AlertKey, report: &GroupReport) {
        let mut entries = self.lock_entries();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
            entry.pending.pop_front();
            entry.sent.push(AlertFingerprint::from_report(report));
        }
    }

    /// Nothing panics while it holds the lock, so a poisoned lock can be used.
    fn lock_entries(&self) -> MutexGuard<'_, VecDeque<OutboxEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evict_entry_if_full(entries: &mut VecDeque<OutboxEntry>) {
    if entries.len() >= MAX_ENTRIES {
        let settled = entries
            .iter()
            .position(|entry| entry.pending.is_empty())
            .unwrap_or_default();
        entries.remove(settled);
    }
}

/// What a report contains. A retried event does not find again what was found and changed before,
/// so findings and changes are compared one by one, and the state of the group as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AlertFingerprint {
    state: BTreeSet<String>,
    changes: BTreeSet<String>,
}

impl AlertFingerprint {
    fn from_report(report: &GroupReport) -> Self {
        let mut state = BTreeSet::from([report.outcome.to_string()]);
        state.extend(report.unverified.as_ref().map(|_| "unverified".to_owned()));
        for outcome in report.open_rules() {
            let code = outcome
                .status
                .refusal()
                .map_or("open", |reason| reason.code());
            state.insert(fingerprint_line(code, &outcome.rule));
        }
        let mut changes = BTreeSet::new();
        for finding in report.findings() {
            changes.insert(fingerprint_line(&finding.policy_rule.id, &finding.ingress));
        }
        for outcome in report.removed_rules() {
            changes.insert(fingerprint_line("removed", &outcome.rule));
        }
        for addition in report.replacements() {
            changes.insert(fingerprint_line("added", &addition.ingress));
        }
        for skipped in &report.skipped_additions {
            changes.insert(fingerprint_line(skipped.reason.code(), &skipped.ingress));
        }
        for failed in report.failed_additions() {
            changes.insert(fingerprint_line("failed", &failed.addition.ingress));
        }
        Self { state, changes }
    }

    fn is_covered_by(&self, sent: &[Self]) -> bool {
        let is_same_state = sent.iter().any(|known| known.state == self.state);
        let known_changes: BTreeSet<_> = sent.iter().flat_map(|known| &known.changes).collect();
        is_same_state
            && self
                .changes
                .iter()
                .all(|change| known_changes.contains(change))
    }
}

fn fingerprint_line(what: &str, rule: &IngressRule) -> String {
    format!("{what} {} {rule}", rule.id.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use portcullis_rules::plan::RefusalReason;

    use super::*;
    use crate::report::{RuleStatus, samples};

    /// Whether a report is published after another one about the same event.
    fn is_published_after(sent: &GroupReport, report: &GroupReport) -> bool {
        let outbox = AlertOutbox::default();
        let key = AlertKey::new(&sent.origin, &sent.group_ref);
        outbox.enqueue(&key, sent);
        outbox.mark_sent(&key, sent);
        !outbox.was_sent(&key, report)
    }

    fn without_replacements(report: &GroupReport) -> GroupReport {
        let mut report = report.clone();
        for outcome in &mut report.rules {
            outcome.replacements.clear();
        }
        report
    }

    #[test]
    fn the_same_report_is_published_once() {
        let report = samples::narrowed_report();
        assert!(!is_published_after(&report, &report));
        let retried = without_replacements(&report);
        assert!(!is_published_after(&report, &retried), "added before");
    }

    #[test]
    fn new_changes_are_published() {
        let report = samples::narrowed_report();
        assert!(is_published_after(&without_replacements(&report), &report));
        let lost_access = samples::lost_access_report();
        let mut failed = report.clone();
        failed.rules[0].failed_additions = lost_access.failed_additions().cloned().collect();
        assert!(is_published_after(&report, &failed));
        let skipped = GroupReport {
            skipped_additions: lost_access.skipped_additions,
            ..report.clone()
        };
        assert!(is_published_after(&report, &skipped));
    }

    #[test]
    fn a_new_state_is_published() {
        let report = samples::narrowed_report();
        let mut reopened = report.clone();
        reopened.rules[0].status = RuleStatus::Reopened;
        assert!(is_published_after(&report, &reopened));
        let refused = samples::removal_limit_report();
        let mut protected = refused.clone();
        for outcome in &mut protected.rules {
            outcome.status = RuleStatus::Refused(RefusalReason::ProtectedGroup);
        }
        assert!(is_published_after(&refused, &protected));
    }
}
