//! A report seen rule by rule: each ingress rule once, with all that is wrong with it and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::plan::Refusal;
use portcullis_rules::{Finding, IngressRule, Severity};

use super::words;
use crate::ports::{Mode, PortError};
use crate::report::{Outcome, Report};

/// What became of one ingress rule, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate<'a> {
    /// The call to remove it failed, and it is still there.
    Failed(&'a PortError),
    /// The call to remove it failed, and nobody could look whether it is still there.
    Uncertain(&'a PortError),
    /// It was removed, and is there again.
    CameBack,
    /// It is still there.
    Left,
    /// Nobody could look whether it is still there.
    Unknown,
    /// It was left on purpose, although the policy wants it gone.
    Refused(&'a Refusal),
    /// Monitor mode: it would have been removed.
    WouldGo,
    /// It was removed.
    Removed,
    /// It was gone before it could be removed.
    GoneByItself,
    /// The policy only wants people to know.
    Noticed,
    /// An exception allows it.
    Exempt,
}

impl Fate<'_> {
    /// Whether the rule is there, or may be, although the policy wants it gone.
    pub(super) const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Failed(_)
                | Self::Uncertain(_)
                | Self::CameBack
                | Self::Left
                | Self::Unknown
                | Self::Refused(_)
                | Self::WouldGo
        )
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Failed(_) => 0,
            Self::CameBack => 1,
            Self::Left => 2,
            Self::Unknown | Self::Uncertain(_) => 3,
            Self::Refused(_) => 4,
            Self::WouldGo => 5,
            Self::Removed => 6,
            Self::GoneByItself => 7,
            Self::Noticed => 8,
            Self::Exempt => 9,
        }
    }
}

/// One ingress rule of the group.
#[derive(Debug)]
pub(super) struct Case<'a> {
    /// The rule.
    pub(super) ingress: &'a IngressRule,
    /// What the policy says about it, the worst first.
    pub(super) findings: Vec<&'a Finding>,
    /// What became of it.
    pub(super) fate: Fate<'a>,
}

impl Case<'_> {
    fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.rule.severity).max()
    }
}

/// How it ended, as people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
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
    Noticed,
    /// The group was not there any more.
    Vanished,
    /// Nothing was found.
    Clean,
}

/// A report and its rules, what needs attention first.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) report: &'a Report,
    pub(super) cases: Vec<Case<'a>>,
    pub(super) verdict: Verdict,
}

type Key = ((String, (Option<i32>, Option<i32>), String), Option<String>);

fn key(ingress: &IngressRule) -> Key {
    (ingress.sort_key(), ingress.id.clone())
}

impl<'a> Story<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut places: BTreeMap<Key, Vec<&Finding>> = BTreeMap::new();
        for finding in &report.findings {
            places.entry(key(&finding.ingress)).or_default().push(finding);
        }
        let fates = Fates::of(report);
        let mut cases: Vec<_> = places.into_iter().filter_map(|(key, findings)| fates.case(&key, findings)).collect();
        cases.sort_by_key(|case| (case.fate.rank(), std::cmp::Reverse(case.severity())));
        let verdict = verdict(report, &cases);
        Self { report, cases, verdict }
    }

    /// The cases of such a fate, with their numbers, counted from one.
    pub(super) fn numbered(&self, wanted: impl Fn(&Fate<'a>) -> bool) -> impl Iterator<Item = (usize, &Case<'a>)> {
        (1..).zip(&self.cases).filter(move |(_, case)| wanted(&case.fate))
    }

    /// The cases of such a fate.
    pub(super) fn those(&self, wanted: impl Fn(&Fate<'a>) -> bool) -> Vec<&Case<'a>> {
        self.cases.iter().filter(|case| wanted(&case.fate)).collect()
    }

    /// The cases that the verdict is about.
    pub(super) fn subject(&self) -> Vec<&Case<'a>> {
        match self.verdict {
            Verdict::NotVerified | Verdict::Closed => self.those(|fate| matches!(fate, Fate::Removed)),
            Verdict::NotClosed | Verdict::Refused | Verdict::WouldClose => self.those(|fate| fate.is_open()),
            Verdict::AlreadyGone => self.those(|fate| matches!(fate, Fate::GoneByItself)),
            Verdict::Noticed => self.those(|fate| matches!(fate, Fate::Noticed)),
            Verdict::Vanished | Verdict::Clean => Vec::new(),
        }
    }
}

impl Fate<'_> {
    /// In few words, for mail and chat.
    pub(super) fn words(self) -> String {
        let fixed = match self {
            Self::Failed(error) => return format!("STILL OPEN, {}", words::reason(error.kind)),
            Self::Uncertain(error) => return format!("MAY STILL BE OPEN, {}", words::reason(error.kind)),
            Self::CameBack => "STILL OPEN, removed and added again at once",
            Self::Left => "STILL OPEN",
            Self::Unknown => "MAY STILL BE OPEN, nobody could look",
            Self::Refused(_) => "STILL OPEN, left on purpose",
            Self::WouldGo => "still open, monitor mode changes nothing",
            Self::Removed => "removed",
            Self::GoneByItself => "gone before Portcullis could remove it",
            Self::Noticed => "left as it is, for your information",
            Self::Exempt => "left as it is, allowed by an exception",
        };
        fixed.to_owned()
    }
}

/// `open to the world`, when that is what is wrong with each of them.
pub(super) fn what_is_wrong(cases: &[&Case<'_>]) -> &'static str {
    let about_the_world = |case: &&Case<'_>| case.findings.iter().any(|finding| words::is_about_the_world(finding));
    if cases.iter().all(about_the_world) { "open to the world" } else { "against the policy" }
}

/// What is known about each rule, for quick look-up.
struct Fates<'a> {
    report: &'a Report,
    failures: BTreeMap<Key, &'a PortError>,
    refusals: BTreeMap<Key, &'a Refusal>,
    removed: BTreeSet<Key>,
    remaining: BTreeSet<Key>,
}

impl<'a> Fates<'a> {
    fn of(report: &'a Report) -> Self {
        Self {
            report,
            failures: report.failures.iter().map(|failure| (key(&failure.ingress), &failure.error)).collect(),
            refusals: report.refusals.iter().map(|refusal| (key(&refusal.ingress), refusal)).collect(),
            removed: report.removed.iter().map(|removal| key(&removal.ingress)).collect(),
            remaining: report.remaining.iter().map(|finding| key(&finding.ingress)).collect(),
        }
    }

    fn case(&self, key: &Key, mut findings: Vec<&'a Finding>) -> Option<Case<'a>> {
        let ingress = &findings.first()?.ingress;
        let fate = self.fate(key, &findings);
        findings
            .sort_by_key(|finding| (std::cmp::Reverse(finding.enforces()), std::cmp::Reverse(finding.rule.severity)));
        Some(Case { ingress, findings, fate })
    }

    fn fate(&self, key: &Key, findings: &[&'a Finding]) -> Fate<'a> {
        let (removed, remains) = (self.removed.contains(key), self.remaining.contains(key));
        if findings.iter().all(|finding| finding.exempt.is_some()) {
            Fate::Exempt
        } else if let Some(error) = self.failures.get(key) {
            if self.report.unverified.is_some() { Fate::Uncertain(error) } else { Fate::Failed(error) }
        } else if let Some(refusal) = self.refusals.get(key) {
            Fate::Refused(refusal)
        } else if self.report.mode == Mode::Monitor && (removed || remains) {
            Fate::WouldGo
        } else if self.report.unverified.is_some() && remains {
            Fate::Unknown
        } else if remains {
            if removed { Fate::CameBack } else { Fate::Left }
        } else if removed {
            Fate::Removed
        } else if findings.iter().any(|finding| finding.enforces()) {
            Fate::GoneByItself
        } else {
            Fate::Noticed
        }
    }
}

fn verdict(report: &Report, cases: &[Case<'_>]) -> Verdict {
    let gone = || cases.iter().any(|case| case.fate == Fate::GoneByItself);
    match report.outcome {
        _ if report.unverified.is_some() => Verdict::NotVerified,
        Outcome::Incomplete => Verdict::NotClosed,
        Outcome::Refused => Verdict::Refused,
        Outcome::WouldClose => Verdict::WouldClose,
        Outcome::Closed if report.removed.is_empty() => Verdict::AlreadyGone,
        Outcome::Closed => Verdict::Closed,
        Outcome::Noticed if gone() => Verdict::AlreadyGone,
        Outcome::Noticed => Verdict::Noticed,
        Outcome::Vanished => Verdict::Vanished,
        Outcome::Clean => Verdict::Clean,
    }
}
