//! What this process has told and what it still owes, by event and group: so that a repeated event is told once, and
//! a revocation whose alert failed is told by the retry.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_rules::IngressRule;

use crate::event::Origin;
use crate::report::GroupReport;
use crate::services::GroupRef;

/// How many events are remembered. Lambda gives up on an event after hours and three attempts; what is still owed is
/// never forgotten before what is told.
const MAX_ENTRIES: usize = 1024;

/// One event and one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AlertKey {
    event_id: Option<String>,
    /// How the event named the group.
    pub(super) group: String,
}

impl AlertKey {
    pub(super) fn new(origin: &Origin, named: &GroupRef) -> Self {
        Self {
            event_id: origin.event_id.clone(),
            group: named.to_string(),
        }
    }
}

#[derive(Debug)]
struct OutboxEntry {
    key: AlertKey,
    pending: VecDeque<GroupReport>,
    sent: Vec<AlertFingerprint>,
}

/// The memory of a process.
#[derive(Debug, Default)]
pub(super) struct AlertOutbox(Mutex<VecDeque<OutboxEntry>>);

impl AlertOutbox {
    /// Whether the same news about the same event has been told. An event without an id is never known again.
    pub(super) fn was_sent(&self, key: &AlertKey, report: &GroupReport) -> bool {
        let news = AlertFingerprint::from_report(report);
        let knows = |entry: &OutboxEntry| {
            let deed_is_known =
                |deed: &String| entry.sent.iter().any(|told| told.changes.contains(deed));
            entry.sent.iter().any(|told| told.state == news.state)
                && news.changes.iter().all(deed_is_known)
        };
        key.event_id.is_some()
            && self
                .lock_entries()
                .iter()
                .any(|entry| entry.key == *key && knows(entry))
    }

    /// Remembers that this must be told; the same news twice is one.
    pub(super) fn enqueue(&self, key: &AlertKey, report: &GroupReport) {
        let mut entries = self.lock_entries();
        let place = entries.iter().position(|entry| entry.key == *key);
        if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
            if !entry.pending.iter().any(|owed| {
                AlertFingerprint::from_report(owed) == AlertFingerprint::from_report(report)
            }) {
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

    /// The oldest report that is owed.
    pub(super) fn next_pending(&self, key: &AlertKey) -> Option<GroupReport> {
        self.lock_entries()
            .iter()
            .find(|entry| entry.key == *key)
            .and_then(|entry| entry.pending.front().cloned())
    }

    /// Remembers that it was told.
    pub(super) fn mark_sent(&self, key: &AlertKey, report: &GroupReport) {
        if let Some(entry) = self
            .lock_entries()
            .iter_mut()
            .find(|entry| entry.key == *key)
        {
            entry.pending.pop_front();
            entry.sent.push(AlertFingerprint::from_report(report));
        }
    }

    /// Nothing panics while it holds the lock; a poisoned one is as good.
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

/// What is new in a report. What a repeated event finds done already is no news again, so what was found and done counts
/// by the box, and how it stands as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AlertFingerprint {
    state: BTreeSet<String>,
    changes: BTreeSet<String>,
}

impl AlertFingerprint {
    fn from_report(report: &GroupReport) -> Self {
        let line = |what: &str, rule: &IngressRule| {
            format!("{what} {} {rule}", rule.id.as_deref().unwrap_or_default())
        };
        let remaining = report
            .remaining
            .iter()
            .map(|finding| line("remaining", &finding.ingress));
        let refused = report
            .refusals
            .iter()
            .map(|refusal| line(refusal.reason.code(), &refusal.ingress));
        let unverified = report.unverified.as_ref().map(|_| "unverified".to_owned());
        let outcome = [Some(report.outcome.to_string()), unverified]
            .into_iter()
            .flatten();
        let found = report
            .findings
            .iter()
            .map(|finding| line(&finding.policy_rule.id, &finding.ingress));
        let removed = report
            .removed
            .iter()
            .map(|removal| line("removed", &removal.ingress));
        let added = report
            .added
            .iter()
            .map(|addition| line("added", &addition.ingress));
        let lost = report
            .skipped_additions
            .iter()
            .map(|loss| line(loss.reason.code(), &loss.ingress));
        let unkept = report
            .failed_additions
            .iter()
            .map(|unkept| line("unkept", &unkept.addition.ingress));
        Self {
            state: outcome.chain(remaining).chain(refused).collect(),
            changes: found
                .chain(removed)
                .chain(added)
                .chain(lost)
                .chain(unkept)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples;

    fn tells(told: &GroupReport, report: &GroupReport) -> bool {
        let memory = AlertOutbox::default();
        let key = AlertKey::new(&told.origin, &told.group_ref);
        memory.enqueue(&key, told);
        memory.mark_sent(&key, told);
        !memory.was_sent(&key, report)
    }

    #[test]
    fn what_is_new_is_told_and_what_is_done_already_is_not() {
        let told = samples::narrowed_report();
        assert!(!tells(&told, &told));
        assert!(
            !tells(
                &told,
                &GroupReport {
                    added: Vec::new(),
                    ..told.clone()
                }
            ),
            "it was added by the first attempt"
        );
        let not_added = GroupReport {
            added: Vec::new(),
            ..told.clone()
        };
        assert!(tells(&not_added, &told), "an added rule is news");
        assert!(tells(
            &told,
            &GroupReport {
                failed_additions: samples::lost_access_report().failed_additions,
                ..told.clone()
            }
        ));
        assert!(tells(
            &told,
            &GroupReport {
                skipped_additions: samples::lost_access_report().skipped_additions,
                ..told.clone()
            }
        ));
        assert!(tells(
            &told,
            &GroupReport {
                remaining: told.findings.clone(),
                ..told.clone()
            }
        ));
        let refused = samples::removal_limit_report();
        let mut otherwise = refused.clone();
        for refusal in &mut otherwise.refusals {
            refusal.reason = portcullis_rules::plan::RefusalReason::ProtectedGroup;
        }
        assert!(tells(&refused, &otherwise));
    }
}
