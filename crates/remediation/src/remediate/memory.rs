//! What this process has told and what it still owes, by event and group: so that a repeated event is told once, and
//! a revocation whose alert failed is told by the retry.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    told: Vec<String>,
}

/// The memory of a process.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<VecDeque<Entry>>);

impl Memory {
    /// Whether the same news about the same event has been told. An event without an id is never known again.
    pub(super) fn was_told(&self, key: &Key, report: &Report) -> bool {
        let news = fingerprint(report);
        key.event.is_some() && self.lock().iter().any(|entry| entry.key == *key && entry.told.contains(&news))
    }

    /// Remembers that this must be told; the same news twice is one.
    pub(super) fn owe(&self, key: &Key, report: &Report) {
        let mut entries = self.lock();
        let place = entries.iter().position(|entry| entry.key == *key);
        if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
            if !entry.owed.iter().any(|owed| fingerprint(owed) == fingerprint(report)) {
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
            entry.told.push(fingerprint(report));
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

/// What makes two reports the same news: how it ended, what was found, what went and what is left.
fn fingerprint(report: &Report) -> String {
    let removed = report.removed.iter().map(|removal| ("removed", &removal.ingress));
    let remaining = report.remaining.iter().map(|finding| ("remaining", &finding.ingress));
    let found = report.findings.iter().map(|finding| ("found", &finding.ingress));
    removed.chain(remaining).chain(found).fold(report.outcome.to_string(), |news, (what, rule)| {
        format!("{news}; {what} {} {rule}", rule.id.as_deref().unwrap_or_default())
    })
}
