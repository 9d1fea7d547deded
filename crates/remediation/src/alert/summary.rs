//! A report as alerts present it: the headline, and the rules that need attention first.

use std::vec::IntoIter;

use portcullis_rules::plan::{Addition, Purpose, RefusalReason};
use portcullis_rules::{Action, Severity, TrafficSet};

use crate::alert::phrases::{error_cause, is_open_to_world};
use crate::alert::replacements::{describe_combined_rules, describe_replacements};
use crate::report::{GroupOutcome, GroupReport, RuleOutcome, RuleStatus};
use crate::services::Mode;

/// The outcome, as alerts present it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Headline {
    /// The group could not be read again.
    NotVerified,
    /// Some forbidden rules are still there.
    NotClosed,
    /// The removal was refused.
    Refused,
    /// Nothing was changed in monitor mode.
    WouldClose,
    /// Every forbidden rule was removed.
    Closed,
    /// The rules were gone before Portcullis could remove them.
    AlreadyGone,
    /// The policy only reports the findings.
    Reported,
    /// The group does not exist.
    GroupDeleted,
    /// Nothing was found.
    Clean,
}

/// A report with its headline.
#[derive(Debug)]
pub(super) struct AlertSummary<'a> {
    pub(super) report: &'a GroupReport,
    /// The rules that concern people, those that need attention first.
    pub(super) entries: Vec<&'a RuleOutcome>,
    /// The rules that exceptions allow.
    pub(super) exempt_rules: &'a [RuleOutcome],
    /// How many rules are only in the report: the policy only reports them, and they are older than
    /// the event or of low severity.
    pub(super) hidden_count: usize,
    pub(super) headline: Headline,
}

impl<'a> AlertSummary<'a> {
    /// Findings that the policy only reports are left out as `min_severity` says.
    pub(super) fn from_report(report: &'a GroupReport, min_severity: Severity) -> Self {
        let entry_count = report
            .rules
            .partition_point(|outcome| outcome.status != RuleStatus::Exempt);
        let (found, exempt_rules) = report.rules.split_at(entry_count);
        let entries: Vec<_> = found
            .iter()
            .filter(|outcome| report.concerns_people(outcome, min_severity))
            .collect();
        Self {
            report,
            hidden_count: found.len().saturating_sub(entries.len()),
            entries,
            exempt_rules,
            headline: select_headline(report),
        }
    }

    /// The entries whose status matches, with their numbers, counted from one.
    pub(super) fn numbered_entries(
        &self,
        is_wanted: impl Fn(&RuleStatus) -> bool,
    ) -> IntoIter<(usize, &'a RuleOutcome)> {
        let entries = (1..).zip(self.entries.iter().copied());
        let wanted: Vec<_> = entries
            .filter(|(_, entry)| is_wanted(&entry.status))
            .collect();
        wanted.into_iter()
    }

    /// The entries whose status matches.
    pub(super) fn entries_with_status(
        &self,
        is_wanted: impl Fn(&RuleStatus) -> bool,
    ) -> Vec<&'a RuleOutcome> {
        self.entries
            .iter()
            .copied()
            .filter(|entry| is_wanted(&entry.status))
            .collect()
    }

    /// Whether the event opened any of the rules. An event can also be about a prefix list, and a
    /// retried one about rules that are gone.
    pub(super) fn is_opened_by_event(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| self.report.opened.contains(&entry.rule))
    }

    /// The entries that the headline is about.
    pub(super) fn headline_entries(&self) -> Vec<&'a RuleOutcome> {
        self.entries_with_status(|status| match self.headline {
            Headline::NotVerified | Headline::Closed => *status == RuleStatus::Applied,
            Headline::NotClosed | Headline::Refused | Headline::WouldClose => status.is_open(),
            Headline::AlreadyGone => *status == RuleStatus::Gone,
            Headline::Reported => *status == RuleStatus::Reported,
            Headline::GroupDeleted | Headline::Clean => false,
        })
    }
}

fn select_headline(report: &GroupReport) -> Headline {
    let has_gone_rules = report
        .rules
        .iter()
        .any(|outcome| outcome.status == RuleStatus::Gone);
    match report.outcome {
        _ if report.unverified.is_some() => Headline::NotVerified,
        GroupOutcome::NotClosed => Headline::NotClosed,
        GroupOutcome::Refused => Headline::Refused,
        GroupOutcome::WouldClose => Headline::WouldClose,
        GroupOutcome::Closed => Headline::Closed,
        GroupOutcome::Reported if has_gone_rules => Headline::AlreadyGone,
        GroupOutcome::Reported => Headline::Reported,
        GroupOutcome::GroupDeleted => Headline::GroupDeleted,
        GroupOutcome::Clean => Headline::Clean,
    }
}

/// What was done about a forbidden rule, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// It was removed without a replacement.
    Removed,
    /// The part that the policy allows was kept.
    Narrowed,
    /// The forbidden part was opened to trusted sources.
    Restricted,
}

impl Remedy {
    /// What was done about this rule, or would be.
    pub(super) fn of_rule(outcome: &RuleOutcome) -> Self {
        let purposes: Vec<_> = outcome
            .failed_additions
            .iter()
            .map(|failed| &failed.addition)
            .chain(&outcome.replacements)
            .map(|addition| addition.purpose)
            .collect();
        if purposes.is_empty() {
            Self::Removed
        } else if purposes.contains(&Purpose::Trust) {
            Self::Restricted
        } else {
            Self::Narrowed
        }
    }
}

/// Whether the policy would keep a part of the rule, or open it to trusted sources.
pub(super) fn is_partly_allowed(outcome: &RuleOutcome) -> bool {
    let mut allowed = TrafficSet::from(outcome.rule.traffic());
    for finding in &outcome.findings {
        if finding.enforces() {
            allowed = allowed.difference(&finding.offending);
        }
    }
    match outcome.action {
        Some(Action::Restrict) => true,
        Some(Action::Narrow) => !allowed.is_empty(),
        Some(Action::Off | Action::Notify | Action::Revoke) | None => false,
    }
}

/// The outcome of a rule as a short phrase, and details if something was added in its place.
pub(super) fn describe_outcome(outcome: &RuleOutcome, mode: Mode) -> (String, Option<String>) {
    let mut head = describe_status(outcome);
    let mut details = Vec::new();
    details.extend(describe_replacements(&outcome.replacements, mode));
    match (&outcome.status, Remedy::of_rule(outcome)) {
        (_, Remedy::Removed) => {}
        (RuleStatus::Applied, Remedy::Narrowed) => {
            "narrowed".clone_into(&mut head);
        }
        (RuleStatus::Applied, Remedy::Restricted) => {
            "restricted".clone_into(&mut head);
        }
        (RuleStatus::WouldApply, Remedy::Narrowed) => {
            head.push_str(". Enforce mode would narrow it");
        }
        (RuleStatus::WouldApply, Remedy::Restricted) => {
            head.push_str(". Enforce mode would restrict it");
        }
        _ => {
            details.clear();
            details.extend(describe_early_additions(outcome));
        }
    }
    details.extend(describe_failed_additions(outcome));
    details.extend(describe_dropped_protocols(outcome));
    details.extend(describe_withdrawals(outcome));
    let has_details = !details.is_empty();
    (head, has_details.then(|| details.join("; ")))
}

/// Rules that were added although the rule that they replace is still there.
fn describe_early_additions(outcome: &RuleOutcome) -> Option<String> {
    let rules = describe_combined_rules(
        outcome
            .replacements
            .iter()
            .filter(|addition| !has_failed_withdrawal(outcome, addition))
            .map(|addition| &addition.ingress),
    );
    (!rules.is_empty()).then(|| format!("new rules exist for {rules}"))
}

fn has_failed_withdrawal(outcome: &RuleOutcome, addition: &Addition) -> bool {
    outcome
        .withdrawals
        .iter()
        .filter(|withdrawal| withdrawal.error.is_some())
        .any(|withdrawal| withdrawal.addition == *addition)
}

/// Rules that were added, and had to be removed again because someone else removed the original.
fn describe_withdrawals(outcome: &RuleOutcome) -> Option<String> {
    let (failed, withdrawn): (Vec<_>, Vec<_>) = outcome
        .withdrawals
        .iter()
        .partition(|withdrawal| withdrawal.error.is_some());
    let withdrawn = describe_combined_rules(withdrawn.iter().map(|done| &done.addition.ingress));
    let failed = describe_combined_rules(failed.iter().map(|left| &left.addition.ingress));
    let mut parts = Vec::new();
    if !withdrawn.is_empty() {
        parts.push(format!("new rules were removed again: {withdrawn}"));
    }
    if !failed.is_empty() {
        parts.push(format!("new rules could NOT be removed again: {failed}"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn describe_failed_additions(outcome: &RuleOutcome) -> Option<String> {
    let rules = describe_combined_rules(
        outcome
            .failed_additions
            .iter()
            .map(|failed| &failed.addition.ingress),
    );
    (!rules.is_empty()).then(|| format!("could NOT be added: {rules}"))
}

/// The protocols that are lost with a narrowed rule. The JSON report lists their numbers.
fn describe_dropped_protocols(outcome: &RuleOutcome) -> Option<String> {
    let phrase = if outcome.dropped_protocols.is_empty() {
        return None;
    } else if outcome.status == RuleStatus::Applied {
        "other IP protocols are no longer allowed"
    } else if outcome.status == RuleStatus::WouldApply {
        "other IP protocols would be blocked"
    } else {
        return None;
    };
    Some(phrase.to_owned())
}

fn describe_status(outcome: &RuleOutcome) -> String {
    let fixed = match &outcome.status {
        RuleStatus::Failed(error) => {
            let cause = error_cause(error.kind);
            return format!("STILL OPEN, {cause}");
        }
        RuleStatus::Unverified(Some(error)) => {
            let cause = error_cause(error.kind);
            return format!("MAY STILL BE OPEN, {cause}");
        }
        RuleStatus::Reopened if outcome.removed => {
            "STILL OPEN, removed and immediately added again"
        }
        RuleStatus::Reopened => "STILL OPEN",
        RuleStatus::Unverified(None) => "MAY STILL BE OPEN, not verified",
        RuleStatus::Refused(RefusalReason::FailedVerification) => {
            "STILL OPEN, because of a bug in Portcullis"
        }
        RuleStatus::Refused(_) => "STILL OPEN, removal refused",
        RuleStatus::WouldApply => "still open",
        RuleStatus::Applied => "removed",
        RuleStatus::Gone => "gone before Portcullis could remove it",
        RuleStatus::Reported => "not changed, reported only",
        RuleStatus::Exempt => "allowed by an exception",
    };
    fixed.to_owned()
}

/// Whether a rule is open to the world.
pub(super) fn is_open_entry(entry: &RuleOutcome) -> bool {
    entry.active_findings().any(is_open_to_world)
}

/// `open to the world` if every rule is, else `violating the policy`.
pub(super) fn problem_phrase(entries: &[&RuleOutcome]) -> &'static str {
    let is_about_the_world = entries.iter().all(|entry| is_open_entry(entry));
    if is_about_the_world {
        "open to the world"
    } else {
        "violating the policy"
    }
}
