//! What there is to say about many events at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portcullis_remediation::GroupRef;
use portcullis_remediation::event::GroupChange;

use super::events::History;
use super::{DESCRIBE_GROUPS_HELP, Plans};
use crate::output::{BOLD, Message, MessageLevel, format_count, sanitize_text};

/// A group that events are about and that is not among the groups of the input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MissingGroup {
    pub(super) group: GroupRef,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
}

impl Plans {
    /// Counts an event about a group that is not there.
    pub(super) fn record_missing_group(&mut self, change: &GroupChange, group: &GroupRef) {
        let (account, region) = (change.origin.account.clone(), change.origin.region.clone());
        let events = self
            .missing_groups
            .entry(MissingGroup {
                group: group.clone(),
                account,
                region,
            })
            .or_default();
        *events = events.saturating_add(1);
    }

    /// Whether not one of the groups that a history is about is in the input: then it is of another place.
    pub(super) fn all_groups_missing(&self) -> bool {
        !self.missing_groups.is_empty() && self.planned.is_empty()
    }

    /// What to say about groups that are not there.
    pub(super) fn missing_groups_message(&self) -> Option<Message> {
        let missing = format_count(self.missing_groups.len(), "group");
        if self.all_groups_missing() {
            let message = format!(
                "the events are about {missing}, none of which is among the groups of the input"
            );
            Some(Message::new(MessageLevel::Error, message).with_help(DESCRIBE_GROUPS_HELP))
        } else if self.missing_groups.is_empty() {
            None
        } else {
            let message =
                format!("the events are also about {missing} that the input does not have");
            let help = "they are gone, or of another account or region than the input; nothing was planned for them";
            Some(Message::new(MessageLevel::Warning, message).with_help(help))
        }
    }

    /// How many plans came out how.
    pub(super) fn count_outcomes(&self) -> BTreeMap<&'static str, usize> {
        let mut outcomes = BTreeMap::new();
        for planned in &self.planned {
            let count: &mut usize = outcomes.entry(planned.report.outcome.as_str()).or_default();
            *count = count.saturating_add(1);
        }
        outcomes
    }

    /// How many events needed no look.
    pub(super) fn count_ignored(&self) -> usize {
        let Some(history) = &self.history else {
            return self.ignored.len();
        };
        history
            .ignored
            .values()
            .fold(self.unused_prefix_list_reasons().count(), |sum, events| {
                sum.saturating_add(*events)
            })
    }

    /// Changes of prefix lists that no group uses: they are counted nowhere else.
    fn unused_prefix_list_reasons(&self) -> impl Iterator<Item = &String> {
        self.ignored
            .iter()
            .filter(|ignored| ignored.is_unused_prefix_list)
            .map(|ignored| &ignored.reason)
    }
}

/// What was read, what was left out of it and why, and what came of the rest.
pub(super) fn render_history(plans: &Plans, history: &History) -> String {
    let mut text = format!(
        "Read {} of {}.\n",
        format_count(history.events, "event"),
        format_count(history.files, "file")
    );
    let mut ignored: BTreeMap<&str, usize> = history
        .ignored
        .iter()
        .map(|(why, events)| (*why, *events))
        .collect();
    for why in plans.unused_prefix_list_reasons() {
        let events = ignored.entry(why).or_default();
        *events = events.saturating_add(1);
    }
    write_count_list(
        &mut text,
        "Ignored",
        ignored
            .into_iter()
            .map(|(why, events)| (events, sanitize_text(why))),
    );
    let outcomes = plans.count_outcomes();
    write_count_list(
        &mut text,
        "Plans",
        outcomes
            .into_iter()
            .map(|(outcome, plans)| (plans, outcome.to_owned())),
    );
    write_count_list(
        &mut text,
        "Events about groups that the input does not have",
        plans.missing_groups.iter().map(describe_missing_group),
    );
    text
}

fn describe_missing_group((missing, events): (&MissingGroup, &usize)) -> (usize, String) {
    let (GroupRef::Id(group) | GroupRef::Name(group)) = &missing.group;
    let mut text = sanitize_text(group);
    for place in [&missing.account, &missing.region].into_iter().flatten() {
        let _ = write!(text, ", {}", sanitize_text(place));
    }
    (*events, text)
}

fn write_count_list(text: &mut String, title: &str, lines: impl Iterator<Item = (usize, String)>) {
    for (index, (count, line)) in lines.enumerate() {
        if index == 0 {
            let _ = writeln!(text, "\n{BOLD}{title}{BOLD:#}");
        }
        let _ = writeln!(text, "{count:>7}  {line}");
    }
}
