//! The first paragraph: what happened, and whether any action is required.

use super::writer::EmailWriter;
use crate::alert::phrases::{
    capitalize_first, count_phrase, display_group_id, format_duration, group_name, may_be_untracked,
};
use crate::alert::replacements::lost_allowed_access;
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::{AlertSummary, Headline, Remedy, problem_phrase};
use crate::report::{GroupReport, RuleOutcome, RuleStatus};

impl EmailWriter<'_> {
    /// What happened.
    pub(super) fn write_headline(&mut self) {
        let summary = self.summary;
        let group = describe_group(self.report);
        let group_first = capitalize_first(&group);
        let entries = summary.headline_entries();
        let rules = count_rules(&entries);
        let wrong = problem_phrase(&entries);
        let them = it_or_them(&entries);
        let text = match summary.headline {
            Headline::NotVerified => describe_not_verified(summary, &group),
            Headline::NotClosed => describe_not_closed(summary, &group),
            Headline::Refused => format!(
                "REFUSED, STILL OPEN. {group_first} has {rules} {wrong}. The policy forbids \
                 {them}, but Portcullis refused to remove {them}."
            ),
            Headline::WouldClose => describe_would_close(&entries, &group_first),
            Headline::Closed => describe_closed(summary, &group),
            Headline::AlreadyGone => format!(
                "ALREADY GONE. {group_first} had {rules} {wrong}. Someone else removed {them}, or \
                 deleted the group, before Portcullis could.{}",
                describe_left_additions(self.report)
            ),
            Headline::Reported => format!(
                "REPORTED. {group_first} has {rules} with notify-only findings. Portcullis does \
                 not change {them}."
            ),
            Headline::GroupDeleted => {
                format!("GROUP DELETED. {group_first} no longer exists, so nothing is open.")
            }
            Headline::Clean => format!("CLEAN. {group_first} complies with the policy."),
        };
        self.page.push_paragraph(&text);
    }
}

/// What to do about additions that could not be removed again.
fn describe_left_additions(report: &GroupReport) -> &'static str {
    if report.has_failed_withdrawals() {
        " New rules that Portcullis had added could NOT be removed again: remove them with the \
         commands below, unless they are needed."
    } else {
        ""
    }
}

fn describe_would_close(entries: &[&RuleOutcome], group_first: &str) -> String {
    let rules = count_rules(entries);
    let wrong = problem_phrase(entries);
    let them = it_or_them(entries);
    let (verb, counts) = summarize_remedies(entries);
    let counts = match counts {
        None => String::new(),
        Some(counts) => format!(" ({counts})"),
    };
    format!(
        "WOULD CLOSE (monitor mode), STILL OPEN. {group_first} has {rules} {wrong}. In enforce \
         mode Portcullis would have {verb} {them}{counts}; in monitor mode it changes nothing."
    )
}

fn describe_closed(summary: &AlertSummary<'_>, group: &str) -> String {
    let lost_access = lost_allowed_access(summary.report);
    let verified = match summary.report.exposure_seconds() {
        Some(seconds) => {
            let duration = format_duration(seconds);
            format!("Verified {duration} after the change")
        }
        None => "Verified".to_owned(),
    };
    let rest = if lost_access {
        "But some access that the policy allows was LOST and is currently blocked: see below."
    } else if connections_may_persist(summary) {
        "Connections that were already open may persist: see below."
    } else {
        "No further action is required."
    };
    let what = describe_closed_rules(summary, group, lost_access);
    format!("{what} {verified}: nothing that the policy forbids is left. {rest}")
}

/// `CLOSED. Portcullis removed 3 rules open to the world from security group sg-... (web).`
fn describe_closed_rules(summary: &AlertSummary<'_>, group: &str, lost_access: bool) -> String {
    let entries = summary.headline_entries();
    let rules = count_rules(&entries);
    let wrong = problem_phrase(&entries);
    let (verb, counts) = summarize_remedies(&entries);
    let counts = match counts {
        None => String::new(),
        Some(counts) => format!(": {counts}"),
    };
    let preposition = if verb == "removed" { "from" } else { "in" };
    let has_replacements = entries.iter().any(|entry| !entry.replacements.is_empty());
    let kept = if has_replacements && !lost_access {
        " New rules keep the access that the policy allows."
    } else {
        ""
    };
    let head = if lost_access {
        "CLOSED, SOME ALLOWED ACCESS LOST"
    } else {
        "CLOSED"
    };
    format!("{head}. Portcullis {verb} {rules} {wrong} {preposition} {group}{counts}.{kept}")
}

/// `narrowed`; if it differs from rule to rule, `closed` and `1 removed, 2 narrowed`.
fn summarize_remedies(entries: &[&RuleOutcome]) -> (&'static str, Option<String>) {
    let remedies = [
        (Remedy::Removed, "removed"),
        (Remedy::Narrowed, "narrowed"),
        (Remedy::Restricted, "restricted"),
    ];
    let counts: Vec<_> = remedies
        .into_iter()
        .map(|(remedy, verb)| (count_remedy(entries, remedy), verb))
        .filter(|(count, _)| *count > 0)
        .collect();
    match counts.as_slice() {
        [] => ("removed", None),
        [(_, verb)] => (verb, None),
        several => {
            let counts: Vec<_> = several
                .iter()
                .map(|(count, verb)| format!("{count} {verb}"))
                .collect();
            ("closed", Some(counts.join(", ")))
        }
    }
}

fn count_remedy(entries: &[&RuleOutcome], remedy: Remedy) -> usize {
    entries
        .iter()
        .filter(|entry| Remedy::of_rule(entry) == remedy)
        .count()
}

/// Whether connections that a removed rule allowed may still be open.
fn connections_may_persist(summary: &AlertSummary<'_>) -> bool {
    let is_egress_open = summary.report.group.open_egress == Some(true);
    let entries = summary.headline_entries();
    let mut rules = entries.iter().map(|entry| &entry.rule);
    !is_egress_open || !rules.all(may_be_untracked)
}

fn describe_not_closed(summary: &AlertSummary<'_>, group: &str) -> String {
    let open = summary.headline_entries();
    let removed = summary.entries_with_status(|status| *status == RuleStatus::Applied);
    let others = match removed.len() {
        0 => "No rule was removed.".to_owned(),
        count => format!(
            "{} removed.",
            count_phrase(count, "other rule was", "other rules were")
        ),
    };
    format!(
        "NOT CLOSED, ACT NOW. {} of {group} {} still {}. {others}",
        capitalize_first(&count_rules(&open)),
        is_or_are(&open),
        problem_phrase(&open)
    )
}

fn describe_not_verified(summary: &AlertSummary<'_>, group: &str) -> String {
    let removed = count_rules(&summary.headline_entries());
    let open = summary.entries_with_status(RuleStatus::is_open);
    let may_be_open = if open.is_empty() {
        String::new()
    } else {
        let rules = capitalize_first(&count_rules(&open));
        format!(" {rules} may still be open.")
    };
    format!(
        "NOT VERIFIED, PLEASE CHECK. Portcullis removed {removed} from {group}, but could not read \
         the group again to verify that nothing is left.{may_be_open}"
    )
}

/// `security group sg-... (web)`.
fn describe_group(report: &GroupReport) -> String {
    let id = display_group_id(report);
    let name = match group_name(report) {
        Some(name) => format!(" ({})", sanitize_line(name, 255)),
        None => String::new(),
    };
    if report.group.id.is_empty() {
        format!("{id}{name}")
    } else {
        format!("security group {id}{name}")
    }
}

/// `1 rule`, `3 rules`, `no rule`.
fn count_rules(entries: &[&RuleOutcome]) -> String {
    if entries.is_empty() {
        "no rule".to_owned()
    } else {
        count_phrase(entries.len(), "rule", "rules")
    }
}

const fn is_or_are(entries: &[&RuleOutcome]) -> &'static str {
    if entries.len() == 1 { "is" } else { "are" }
}

const fn it_or_them(entries: &[&RuleOutcome]) -> &'static str {
    if entries.len() == 1 { "it" } else { "them" }
}
