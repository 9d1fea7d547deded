//! What this process has told and what it still owes, by event and group: so that a repeated event is told once, and
//! a revocation whose alert failed is told by the retry.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_rules::IngressRule;

use crate::intake::Origin;
use crate::ports::GroupRef;
use crate::report::Report;

/// How many events are remembered. Lambda gives up on an event after hours and three attempts; what is still owed is
/// never forgotten before what is told.
const CAPACITY: usize = 1024;

/// One event and one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    event: Option<String>,
    /// How the event named the group.
    pub(super) group: String,
}

impl Key {
    pub(super) fn of(origin: &Origin, named: &GroupRef) -> Self {
        Self { event: origin.event_id.clone(), group: named.to_string() }
    }
}

#[derive(Debug)]
struct Entry {
    key: Key,
    owed: VecDeque<Report>,
    told: Vec<News>,
}

/// The memory of a process.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<VecDeque<Entry>>);

impl Memory {
    /// Whether the same news about the same event has been told. An event without an id is never known again.
    pub(super) fn was_told(&self, key: &Key, report: &Report) -> bool {
        let news = News::of(report);
        let knows = |entry: &Entry| {
            let deed_is_known = |deed: &String| entry.told.iter().any(|told| told.deeds.contains(deed));
            entry.told.iter().any(|told| told.stands == news.stands) && news.deeds.iter().all(deed_is_known)
        };
        key.event.is_some() && self.lock().iter().any(|entry| entry.key == *key && knows(entry))
    }

    /// Remembers that this must be told; the same news twice is one.
    pub(super) fn owe(&self, key: &Key, report: &Report) {
        let mut entries = self.lock();
        let place = entries.iter().position(|entry| entry.key == *key);
        if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
            if !entry.owed.iter().any(|owed| News::of(owed) == News::of(report)) {
                entry.owed.push_back(report.clone());
            }
        } else {
            make_room(&mut entries);
            entries.push_back(Entry { key: key.clone(), owed: VecDeque::from([report.clone()]), told: Vec::new() });
        }
    }

    /// The oldest report that is owed.
    pub(super) fn owed(&self, key: &Key) -> Option<Report> {
        self.lock().iter().find(|entry| entry.key == *key).and_then(|entry| entry.owed.front().cloned())
    }

    /// Remembers that it was told.
    pub(super) fn told(&self, key: &Key, report: &Report) {
        if let Some(entry) = self.lock().iter_mut().find(|entry| entry.key == *key) {
            entry.owed.pop_front();
            entry.told.push(News::of(report));
        }
    }

    /// Nothing panics while it holds the lock; a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(entries: &mut VecDeque<Entry>) {
    if entries.len() >= CAPACITY {
        let settled = entries.iter().position(|entry| entry.owed.is_empty()).unwrap_or_default();
        entries.remove(settled);
    }
}

/// What is new in a report. What a repeated event finds done already is no news again, so what was found and done counts
/// by the box, and how it stands as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct News {
    stands: BTreeSet<String>,
    deeds: BTreeSet<String>,
}

impl News {
    fn of(report: &Report) -> Self {
        let line = |what: &str, rule: &IngressRule| format!("{what} {} {rule}", rule.id.as_deref().unwrap_or_default());
        let remaining = report.remaining.iter().map(|finding| line("remaining", &finding.ingress));
        let refused = report.refusals.iter().map(|refusal| line(refusal.reason.code(), &refusal.ingress));
        let unverified = report.unverified.as_ref().map(|_| "unverified".to_owned());
        let outcome = [Some(report.outcome.to_string()), unverified].into_iter().flatten();
        let found = report.findings.iter().map(|finding| line(&finding.rule.id, &finding.ingress));
        let removed = report.removed.iter().map(|removal| line("removed", &removal.ingress));
        let added = report.added.iter().map(|addition| line("added", &addition.ingress));
        let lost = report.losses.iter().map(|loss| line(loss.reason.code(), &loss.ingress));
        let unkept = report.unkept.iter().map(|unkept| line("unkept", &unkept.addition.ingress));
        Self {
            stands: outcome.chain(remaining).chain(refused).collect(),
            deeds: found.chain(removed).chain(added).chain(lost).chain(unkept).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples;

    fn tells(told: &Report, report: &Report) -> bool {
        let memory = Memory::default();
        let key = Key::of(&told.origin, &told.named);
        memory.owe(&key, told);
        memory.told(&key, told);
        !memory.was_told(&key, report)
    }

    #[test]
    fn what_is_new_is_told_and_what_is_done_already_is_not() {
        let told = samples::narrowed();
        assert!(!tells(&told, &told));
        assert!(!tells(&told, &Report { added: Vec::new(), ..told.clone() }), "it was added by the first attempt");
        let not_added = Report { added: Vec::new(), ..told.clone() };
        assert!(tells(&not_added, &told), "an added rule is news");
        assert!(tells(&told, &Report { unkept: samples::not_kept().unkept, ..told.clone() }));
        assert!(tells(&told, &Report { losses: samples::not_kept().losses, ..told.clone() }));
        assert!(tells(&told, &Report { remaining: told.findings.clone(), ..told.clone() }));
        let refused = samples::too_many();
        let mut otherwise = refused.clone();
        for refusal in &mut otherwise.refusals {
            refusal.reason = portcullis_rules::plan::RefusalReason::ProtectedGroup;
        }
        assert!(tells(&refused, &otherwise));
    }
}
