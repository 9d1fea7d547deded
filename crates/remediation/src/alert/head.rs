//! The first lines of an alert: what was open on which group, the outcome, and what to do now.
//!
//! A reader on call has ten seconds, so each is one or two plain sentences.

use crate::alert::connection_state::connections_may_persist;
use crate::alert::phrases::{
    count_phrase, describe_source, describe_traffic, display_group_id, format_duration, group_name,
    is_every_address,
};
use crate::alert::replacements::lost_allowed_access;
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::{AlertSummary, Headline, Remedy, is_open_entry};
use crate::report::{GroupReport, RuleOutcome, RuleStatus};

/// What was open on which group, and the outcome.
pub(super) fn opening_sentences(summary: &AlertSummary<'_>) -> String {
    let group = describe_group(summary.report);
    let entries = summary.headline_entries();
    let is_one = entries.len() == 1;
    let (it, rules) = if is_one {
        ("it", "the rule")
    } else {
        ("them", "the rules")
    };
    let was = describe_opening(&entries, Tense::Past);
    let is = describe_opening(&entries, Tense::Present);
    match summary.headline {
        Headline::NotVerified => format!(
            "NOT VERIFIED: {group} {was}. Portcullis removed {rules}, but could not read the group \
             again to check.{}",
            describe_unverified(summary)
        ),
        Headline::NotClosed => format!(
            "NOT CLOSED: {group} STILL {is}.{}",
            describe_removed_others(summary)
        ),
        Headline::Refused => {
            format!("REFUSED, STILL OPEN: {group} {is}. Portcullis refused to remove {it}.")
        }
        Headline::WouldClose => format!(
            "WOULD CLOSE, STILL OPEN: {group} {is}. In enforce mode Portcullis would have {}.",
            describe_remedy(&entries, it)
        ),
        Headline::Closed => format!(
            "{}: {group} {was}. Portcullis {}{}.",
            closed_label(summary.report),
            describe_remedy(&entries, rules),
            describe_delay(summary.report)
        ),
        Headline::AlreadyGone => format!(
            "ALREADY GONE: {group} {was}. Someone else removed {rules}, or the group, before \
             Portcullis could."
        ),
        Headline::Reported => {
            format!("REPORTED: {group} {is}. The policy only reports {it}; nothing was changed.")
        }
        Headline::GroupDeleted => {
            format!("GROUP DELETED: {group} no longer exists, so nothing is open.")
        }
        Headline::Clean => format!("CLEAN: {group} complies with the policy."),
    }
}

/// What the reader has to do now.
pub(super) fn action_sentences(summary: &AlertSummary<'_>) -> String {
    let report = summary.report;
    let text = match summary.headline {
        Headline::NotVerified => {
            "CHECK NOW in the console (link below) that the group is closed. Portcullis retries \
             within minutes."
        }
        Headline::NotClosed => "CLOSE IT NOW with the commands below.",
        Headline::Refused => {
            "decide now. Close it manually with the command below, or leave it open on purpose."
        }
        Headline::WouldClose => {
            "close it now, or decide that it may stay open. Nothing was changed."
        }
        Headline::Closed if lost_allowed_access(report) => {
            "RESTORE ACCESS. Some access that the policy allows was lost and is blocked now (see \
             below)."
        }
        Headline::Closed if connections_may_persist(summary) => {
            "check live connections. The group is closed, but connections that were already open \
             may continue (see below)."
        }
        Headline::Closed => "none needed now. The group is closed: nothing forbidden is left.",
        Headline::AlreadyGone if report.has_failed_withdrawals() => {
            "remove the new rules that Portcullis could not remove again (commands at the end), \
             unless they are needed."
        }
        Headline::AlreadyGone | Headline::GroupDeleted | Headline::Clean => {
            "none needed. Nothing forbidden is open."
        }
        Headline::Reported => {
            "none needed now. Later, ask whether fewer ports or a narrower source are enough."
        }
    };
    text.to_owned()
}

/// `CLOSED`, or that something else was lost.
pub(super) fn closed_label(report: &GroupReport) -> &'static str {
    if lost_allowed_access(report) {
        "CLOSED, ACCESS LOST"
    } else {
        "CLOSED"
    }
}

/// `security group web (sg-...)`.
fn describe_group(report: &GroupReport) -> String {
    match named_group(report, 80) {
        group if report.group.id.is_empty() => group,
        group => format!("security group {group}"),
    }
}

/// `web (sg-...)`: the name before the id.
pub(super) fn named_group(report: &GroupReport, max_chars: usize) -> String {
    let id = display_group_id(report);
    match group_name(report) {
        Some(name) => format!("{} ({id})", sanitize_line(name, max_chars)),
        None => id,
    }
}

#[derive(Clone, Copy)]
enum Tense {
    Past,
    Present,
}

/// `was open to the world on TCP port 22 (SSH)`, `has 3 rules that are open to the world`.
fn describe_opening(entries: &[&RuleOutcome], tense: Tense) -> String {
    let (be, have) = match tense {
        Tense::Past => ("was", "had"),
        Tense::Present => ("is", "has"),
    };
    match entries {
        [entry] if is_open_entry(entry) => {
            let through = match &entry.rule.source {
                source if is_every_address(source) => String::new(),
                source => format!(" through {}", describe_source(source)),
            };
            let traffic = describe_traffic(&entry.rule);
            format!("{be} open to the world on {traffic}{through}")
        }
        [entry] => format!(
            "{be} open to {} on {}",
            describe_source(&entry.rule.source),
            describe_traffic(&entry.rule)
        ),
        several => {
            let rules = count_phrase(several.len(), "rule", "rules");
            let is_world = several.iter().all(|entry| is_open_entry(entry));
            let wrong = if is_world {
                "open to the world"
            } else {
                "that violate the policy"
            };
            format!("{have} {rules} {wrong}")
        }
    }
}

/// `removed the rule`; if it differs, `closed the rules (1 removed, 2 narrowed)`.
fn describe_remedy(entries: &[&RuleOutcome], rules: &str) -> String {
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
        [] => format!("removed {rules}"),
        [(_, verb)] => format!("{verb} {rules}"),
        several => {
            let counts: Vec<_> = several
                .iter()
                .map(|(count, verb)| format!("{count} {verb}"))
                .collect();
            format!("closed {rules} ({})", counts.join(", "))
        }
    }
}

fn count_remedy(entries: &[&RuleOutcome], remedy: Remedy) -> usize {
    entries
        .iter()
        .filter(|entry| Remedy::of_rule(entry) == remedy)
        .count()
}

/// ` 2 seconds after the change`.
fn describe_delay(report: &GroupReport) -> String {
    match report.exposure_seconds() {
        Some(seconds) => format!(" {} after the change", format_duration(seconds)),
        None => String::new(),
    }
}

fn describe_removed_others(summary: &AlertSummary<'_>) -> String {
    let removed = summary.entries_with_status(|status| *status == RuleStatus::Applied);
    match removed.len() {
        0 => String::new(),
        count => {
            let others = count_phrase(count, "other rule was", "other rules were");
            format!(" {others} removed.")
        }
    }
}

fn describe_unverified(summary: &AlertSummary<'_>) -> String {
    let open = summary.entries_with_status(RuleStatus::is_open);
    match open.len() {
        0 => String::new(),
        count => format!(
            " {} MAY STILL BE OPEN.",
            count_phrase(count, "other rule", "other rules")
        ),
    }
}
