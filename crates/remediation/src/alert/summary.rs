//! A report seen rule by rule: each ingress rule once, with all that is wrong with it and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::plan::{Addition, Purpose, Refusal, RefusalReason};
use portcullis_rules::{Action, Finding, IngressRule, Severity, TrafficSet};

use super::{phrases, replacements};
use crate::report::{FailedAddition, GroupOutcome, GroupReport};
use crate::services::{Mode, ServiceError};

/// What became of one ingress rule, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleStatus<'a> {
    /// The call to remove it failed, and it is still there.
    RemovalFailed(&'a ServiceError),
    /// The call to remove it failed, and nobody could look whether it is still there.
    RemovalUnconfirmed(&'a ServiceError),
    /// It was removed, and is there again.
    Readded,
    /// It is still there.
    StillOpen,
    /// Nobody could look whether it is still there.
    Unverified,
    /// It was left on purpose, although the policy wants it gone.
    Refused(&'a Refusal),
    /// Monitor mode: it would have been removed.
    WouldRemove,
    /// It was removed.
    Removed,
    /// It was gone before it could be removed.
    AlreadyGone,
    /// The policy only wants people to know.
    Reported,
}

impl RuleStatus<'_> {
    /// Whether the rule is there, or may be, although the policy wants it gone.
    pub(super) const fn is_open(self) -> bool {
        matches!(
            self,
            Self::RemovalFailed(_)
                | Self::RemovalUnconfirmed(_)
                | Self::Readded
                | Self::StillOpen
                | Self::Unverified
                | Self::Refused(_)
                | Self::WouldRemove
        )
    }

    const fn display_rank(self) -> u8 {
        match self {
            Self::RemovalFailed(_) => 0,
            Self::Readded => 1,
            Self::StillOpen => 2,
            Self::Unverified | Self::RemovalUnconfirmed(_) => 3,
            Self::Refused(_) => 4,
            Self::WouldRemove => 5,
            Self::Removed => 6,
            Self::AlreadyGone => 7,
            Self::Reported => 8,
        }
    }
}

/// One ingress rule of the group.
#[derive(Debug)]
pub(super) struct RuleEntry<'a> {
    /// The rule.
    pub(super) ingress: &'a IngressRule,
    /// What the policy says about it, the worst first.
    pub(super) findings: Vec<&'a Finding>,
    /// What became of it.
    pub(super) status: RuleStatus<'a>,
    /// What was put in its place and is there; in monitor mode, what would be.
    pub(super) replacements: Vec<&'a Addition>,
    /// What was to be put in its place and could not be.
    pub(super) failed_additions: Vec<&'a FailedAddition>,
}

/// What was done about a rule, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing of it was kept.
    Removed,
    /// What is not forbidden was kept.
    Narrowed,
    /// What is forbidden was opened to trusted sources.
    Restricted,
}

impl RuleEntry<'_> {
    /// What the policy objects to.
    fn active_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .copied()
            .filter(|finding| finding.exempted_by.is_none())
    }

    fn severity(&self) -> Option<Severity> {
        self.active_findings()
            .map(|finding| finding.policy_rule.severity)
            .max()
    }

    /// The strongest action that the policy wants.
    fn strictest_action(&self) -> Option<Action> {
        self.active_findings()
            .map(|finding| finding.policy_rule.action)
            .max()
    }

    /// Whether the policy would keep a part of it, or open it to trusted sources.
    pub(super) fn is_partly_allowed(&self) -> bool {
        let all = TrafficSet::from(self.ingress.traffic());
        let enforced = self.findings.iter().filter(|finding| finding.enforces());
        let left = enforced.fold(all, |left, finding| left.difference(&finding.offending));
        match self.strictest_action() {
            Some(Action::Restrict) => true,
            Some(Action::Narrow) => !left.is_empty(),
            Some(Action::Off | Action::Notify | Action::Revoke) | None => false,
        }
    }

    /// What was done about it, or would be.
    pub(super) fn remedy(&self) -> Remedy {
        let unkept = self.failed_additions.iter().map(|unkept| &unkept.addition);
        let purposes = || {
            self.replacements
                .iter()
                .copied()
                .chain(unkept.clone())
                .map(|addition| addition.purpose)
        };
        if purposes().any(|purpose| purpose == Purpose::Trust) {
            Remedy::Restricted
        } else if purposes().next().is_some() {
            Remedy::Narrowed
        } else {
            Remedy::Removed
        }
    }

    /// What became of it, in few words, and in more where something was put in its place.
    pub(super) fn describe_outcome(&self, mode: Mode) -> (String, Option<String>) {
        let mut head = self.status.short_description();
        let mut told = replacements::describe_replacements(&self.replacements, mode);
        match (self.status, self.remedy()) {
            (_, Remedy::Removed) => {}
            (RuleStatus::Removed, Remedy::Narrowed) => "narrowed".clone_into(&mut head),
            (RuleStatus::Removed, Remedy::Restricted) => "restricted".clone_into(&mut head),
            (RuleStatus::WouldRemove, Remedy::Narrowed) => {
                head.push_str(". Enforce mode would narrow it")
            }
            (RuleStatus::WouldRemove, Remedy::Restricted) => {
                head.push_str(". Enforce mode would restrict it")
            }
            _ => {
                let rules = replacements::describe_combined_rules(
                    self.replacements.iter().map(|addition| &addition.ingress),
                );
                told = (!self.replacements.is_empty())
                    .then(|| format!("new rules are there for {rules}"));
            }
        }
        if !self.failed_additions.is_empty() {
            let rules = replacements::describe_combined_rules(
                self.failed_additions
                    .iter()
                    .map(|unkept| &unkept.addition.ingress),
            );
            let unkept = format!("could NOT be kept: {rules}");
            told = Some(told.map_or(unkept.clone(), |told| format!("{told}; {unkept}")));
        }
        (head, told)
    }
}

/// How it ended, as people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Headline {
    /// Nobody could look again.
    NotVerified,
    /// Some of it is still there.
    NotClosed,
    /// All of it is still there, on purpose.
    Refused,
    /// Monitor mode.
    WouldClose,
    /// All of it is gone.
    Closed,
    /// It was gone before anything was done.
    AlreadyGone,
    /// Told and left.
    Reported,
    /// The group was not there any more.
    GroupDeleted,
    /// Nothing was found.
    Clean,
}

/// A report and its rules, what needs attention first.
#[derive(Debug)]
pub(super) struct AlertSummary<'a> {
    pub(super) report: &'a GroupReport,
    pub(super) entries: Vec<RuleEntry<'a>>,
    /// What exceptions allow wholly: the rules with the ids of the exceptions.
    pub(super) exempt_rules: Vec<(&'a IngressRule, BTreeSet<&'a str>)>,
    pub(super) headline: Headline,
}

type RuleKey = ((String, (Option<i32>, Option<i32>), String), Option<String>);

fn rule_key(ingress: &IngressRule) -> RuleKey {
    (ingress.sort_key(), ingress.id.clone())
}

impl<'a> AlertSummary<'a> {
    pub(super) fn from_report(report: &'a GroupReport) -> Self {
        let mut places: BTreeMap<RuleKey, Vec<&Finding>> = BTreeMap::new();
        for finding in &report.findings {
            places
                .entry(rule_key(&finding.ingress))
                .or_default()
                .push(finding);
        }
        let fates = RuleStatuses::from_report(report);
        let is_exempt =
            |findings: &Vec<&Finding>| findings.iter().all(|finding| finding.exempted_by.is_some());
        let (freed, places): (BTreeMap<_, _>, BTreeMap<_, _>) = places
            .into_iter()
            .partition(|(_, findings)| is_exempt(findings));
        let exempt = freed
            .into_values()
            .filter_map(|findings: Vec<&'a Finding>| {
                let ids = findings
                    .iter()
                    .filter_map(|finding| finding.exempted_by.as_deref())
                    .collect();
                findings.first().map(|finding| (&finding.ingress, ids))
            });
        let mut cases: Vec<_> = places
            .into_iter()
            .filter_map(|(key, findings)| fates.rule_entry(&key, findings))
            .collect();
        cases.sort_by_key(|case| {
            (
                case.status.display_rank(),
                std::cmp::Reverse(case.severity()),
            )
        });
        let verdict = select_headline(report, &cases);
        Self {
            report,
            entries: cases,
            exempt_rules: exempt.collect(),
            headline: verdict,
        }
    }

    /// The cases of such a fate, with their numbers, counted from one.
    pub(super) fn numbered_entries(
        &self,
        wanted: impl Fn(&RuleStatus<'a>) -> bool,
    ) -> impl Iterator<Item = (usize, &RuleEntry<'a>)> {
        (1..)
            .zip(&self.entries)
            .filter(move |(_, case)| wanted(&case.status))
    }

    /// The cases of such a fate.
    pub(super) fn entries_with_status(
        &self,
        wanted: impl Fn(&RuleStatus<'a>) -> bool,
    ) -> Vec<&RuleEntry<'a>> {
        self.entries
            .iter()
            .filter(|case| wanted(&case.status))
            .collect()
    }

    /// The cases that the verdict is about.
    pub(super) fn headline_entries(&self) -> Vec<&RuleEntry<'a>> {
        match self.headline {
            Headline::NotVerified | Headline::Closed => {
                self.entries_with_status(|fate| matches!(fate, RuleStatus::Removed))
            }
            Headline::NotClosed | Headline::Refused | Headline::WouldClose => {
                self.entries_with_status(|fate| fate.is_open())
            }
            Headline::AlreadyGone => {
                self.entries_with_status(|fate| matches!(fate, RuleStatus::AlreadyGone))
            }
            Headline::Reported => {
                self.entries_with_status(|fate| matches!(fate, RuleStatus::Reported))
            }
            Headline::GroupDeleted | Headline::Clean => Vec::new(),
        }
    }
}

impl RuleStatus<'_> {
    /// In few words.
    fn short_description(self) -> String {
        let fixed = match self {
            Self::RemovalFailed(error) => {
                return format!("STILL OPEN, {}", phrases::error_cause(error.kind));
            }
            Self::RemovalUnconfirmed(error) => {
                return format!("MAY STILL BE OPEN, {}", phrases::error_cause(error.kind));
            }
            Self::Readded => "STILL OPEN, removed and added again at once",
            Self::StillOpen => "STILL OPEN",
            Self::Unverified => "MAY STILL BE OPEN, nobody could look",
            Self::Refused(refusal) if refusal.reason == RefusalReason::FailedVerification => {
                "STILL OPEN, because of a defect of Portcullis"
            }
            Self::Refused(_) => "STILL OPEN, left on purpose",
            Self::WouldRemove => "still open, monitor mode changes nothing",
            Self::Removed => "removed",
            Self::AlreadyGone => "gone before Portcullis could remove it",
            Self::Reported => "left as it is, for your information",
        };
        fixed.to_owned()
    }
}

/// `open to the world`, when that is what is wrong with each of them.
pub(super) fn problem_phrase(cases: &[&RuleEntry<'_>]) -> &'static str {
    let about_the_world =
        |case: &&RuleEntry<'_>| case.active_findings().any(phrases::is_open_to_world);
    if cases.iter().all(about_the_world) {
        "open to the world"
    } else {
        "against the policy"
    }
}

/// What is known about each rule, for quick look-up.
struct RuleStatuses<'a> {
    report: &'a GroupReport,
    removal_errors: BTreeMap<RuleKey, &'a ServiceError>,
    refusals: BTreeMap<RuleKey, &'a Refusal>,
    removed: BTreeSet<RuleKey>,
    remaining: BTreeSet<RuleKey>,
    replacements: BTreeMap<RuleKey, Vec<&'a Addition>>,
    failed_additions: BTreeMap<RuleKey, Vec<&'a FailedAddition>>,
}

impl<'a> RuleStatuses<'a> {
    fn from_report(report: &'a GroupReport) -> Self {
        let mut instead: BTreeMap<RuleKey, Vec<&Addition>> = BTreeMap::new();
        let additions: Vec<_> = match report.mode {
            Mode::Enforce => report.additions_to_remove().collect(),
            Mode::Monitor => report.added.iter().collect(),
        };
        for addition in additions {
            instead
                .entry(rule_key(&addition.replaces))
                .or_default()
                .push(addition);
        }
        let mut missed: BTreeMap<RuleKey, Vec<&FailedAddition>> = BTreeMap::new();
        for unkept in &report.failed_additions {
            missed
                .entry(rule_key(&unkept.addition.replaces))
                .or_default()
                .push(unkept);
        }
        Self {
            report,
            replacements: instead,
            failed_additions: missed,
            removal_errors: report
                .failed_removals
                .iter()
                .map(|failure| (rule_key(&failure.ingress), &failure.error))
                .collect(),
            refusals: report
                .refusals
                .iter()
                .map(|refusal| (rule_key(&refusal.ingress), refusal))
                .collect(),
            removed: report
                .removed
                .iter()
                .map(|removal| rule_key(&removal.ingress))
                .collect(),
            remaining: report
                .remaining
                .iter()
                .map(|finding| rule_key(&finding.ingress))
                .collect(),
        }
    }

    fn rule_entry(&self, key: &RuleKey, mut findings: Vec<&'a Finding>) -> Option<RuleEntry<'a>> {
        let ingress = &findings.first()?.ingress;
        let fate = self.rule_status(key, &findings);
        findings.sort_by_key(|finding| {
            (
                std::cmp::Reverse(finding.enforces()),
                std::cmp::Reverse(finding.policy_rule.severity),
            )
        });
        let instead = self.replacements.get(key).cloned().unwrap_or_default();
        let unkept = self.failed_additions.get(key).cloned().unwrap_or_default();
        Some(RuleEntry {
            ingress,
            findings,
            status: fate,
            replacements: instead,
            failed_additions: unkept,
        })
    }

    fn rule_status(&self, key: &RuleKey, findings: &[&'a Finding]) -> RuleStatus<'a> {
        let (removed, remains) = (self.removed.contains(key), self.remaining.contains(key));
        if let Some(error) = self.removal_errors.get(key) {
            if self.report.unverified.is_some() {
                RuleStatus::RemovalUnconfirmed(error)
            } else {
                RuleStatus::RemovalFailed(error)
            }
        } else if let Some(refusal) = self.refusals.get(key) {
            RuleStatus::Refused(refusal)
        } else if self.report.mode == Mode::Monitor && (removed || remains) {
            RuleStatus::WouldRemove
        } else if self.report.unverified.is_some() && remains {
            RuleStatus::Unverified
        } else if remains {
            if removed {
                RuleStatus::Readded
            } else {
                RuleStatus::StillOpen
            }
        } else if removed {
            RuleStatus::Removed
        } else if findings.iter().any(|finding| finding.enforces()) {
            RuleStatus::AlreadyGone
        } else {
            RuleStatus::Reported
        }
    }
}

fn select_headline(report: &GroupReport, cases: &[RuleEntry<'_>]) -> Headline {
    let gone = || {
        cases
            .iter()
            .any(|case| case.status == RuleStatus::AlreadyGone)
    };
    match report.outcome {
        _ if report.unverified.is_some() => Headline::NotVerified,
        GroupOutcome::NotClosed => Headline::NotClosed,
        GroupOutcome::Refused => Headline::Refused,
        GroupOutcome::WouldClose => Headline::WouldClose,
        GroupOutcome::Closed if report.removed.is_empty() => Headline::AlreadyGone,
        GroupOutcome::Closed => Headline::Closed,
        GroupOutcome::Reported if gone() => Headline::AlreadyGone,
        GroupOutcome::Reported => Headline::Reported,
        GroupOutcome::GroupDeleted => Headline::GroupDeleted,
        GroupOutcome::Clean => Headline::Clean,
    }
}
