//! What there is to say about many events at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_remediation::GroupRef;
use portcullis_remediation::intake::Change;

use super::events::History;
use super::{OUTPUT_OF, Plans};
use crate::output::{BOLD, Label, Talk, clean, count};

/// A group that events are about and that is not among the groups of the input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    pub(super) group: GroupRef,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
}

impl Plans {
    /// Counts an event about a group that is not there.
    pub(super) fn miss(&mut self, change: &Change, group: &GroupRef) {
        let (account, region) = (change.origin.account.clone(), change.origin.region.clone());
        let events = self.missing.entry(Missing { group: group.clone(), account, region }).or_default();
        *events = events.saturating_add(1);
    }

    /// Whether not one of the groups that a history is about is in the input: then it is of another place.
    pub(super) fn is_elsewhere(&self) -> bool {
        !self.missing.is_empty() && self.planned.is_empty()
    }

    /// What to say about groups that are not there.
    pub(super) fn tell_missing(&self) -> Option<Talk> {
        let missing = count(self.missing.len(), "group");
        if self.is_elsewhere() {
            let message = format!("the events are about {missing}, none of which is among the groups of the input");
            Some(Talk::new(Label::Error, message).with_help(OUTPUT_OF))
        } else if self.missing.is_empty() {
            None
        } else {
            let message = format!("the events are also about {missing} that the input does not have");
            let help = "they are gone, or of another account or region than the input; nothing was planned for them";
            Some(Talk::new(Label::Warning, message).with_help(help))
        }
    }

    /// How many plans came out how.
    pub(super) fn outcomes(&self) -> BTreeMap<&'static str, usize> {
        let mut outcomes = BTreeMap::new();
        for planned in &self.planned {
            let count: &mut usize = outcomes.entry(planned.report.outcome.as_str()).or_default();
            *count = count.saturating_add(1);
        }
        outcomes
    }

    /// How many events needed no look.
    pub(super) fn count_ignored(&self) -> usize {
        let Some(history) = &self.history else { return self.ignored.len() };
        history.ignored.values().fold(self.unused().count(), |sum, events| sum.saturating_add(*events))
    }

    /// Changes of prefix lists that no group uses: they are counted nowhere else.
    fn unused(&self) -> impl Iterator<Item = &String> {
        self.ignored.iter().filter(|ignored| ignored.is_unused).map(|ignored| &ignored.reason)
    }
}

/// What was read, what was left out of it and why, and what came of the rest.
pub(super) fn render(plans: &Plans, history: &History) -> String {
    let mut text = format!("Read {} of {}.\n", count(history.events, "event"), count(history.files, "file"));
    let mut ignored: BTreeMap<&str, usize> = history.ignored.iter().map(|(why, events)| (*why, *events)).collect();
    for why in plans.unused() {
        let events = ignored.entry(why).or_default();
        *events = events.saturating_add(1);
    }
    list(&mut text, "Ignored", ignored.into_iter().map(|(why, events)| (events, clean(why))));
    let outcomes = plans.outcomes();
    list(&mut text, "Plans", outcomes.into_iter().map(|(outcome, plans)| (plans, outcome.to_owned())));
    list(&mut text, "Events about groups that the input does not have", plans.missing.iter().map(named));
    text
}

fn named((missing, events): (&Missing, &usize)) -> (usize, String) {
    let (GroupRef::Id(group) | GroupRef::Name(group)) = &missing.group;
    let mut text = clean(group);
    for place in [&missing.account, &missing.region].into_iter().flatten() {
        let _ = write!(text, ", {}", clean(place));
    }
    (*events, text)
}

fn list(text: &mut String, title: &str, lines: impl Iterator<Item = (usize, String)>) {
    for (index, (count, line)) in lines.enumerate() {
        if index == 0 {
            let _ = writeln!(text, "\n{BOLD}{title}{BOLD:#}");
        }
        let _ = writeln!(text, "{count:>7}  {line}");
    }
}
