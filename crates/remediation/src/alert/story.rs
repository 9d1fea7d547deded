//! A report seen rule by rule: each ingress rule once, with all that is wrong with it and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::plan::{Addition, Purpose, Refusal, RefusalReason};
use portcullis_rules::{Action, Finding, IngressRule, Severity, TrafficSet};

use super::{kept, words};
use crate::ports::{Mode, PortError};
use crate::report::{Outcome, Report, Unkept};

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
    /// What was put in its place and is there; in monitor mode, what would be.
    pub(super) instead: Vec<&'a Addition>,
    /// What was to be put in its place and could not be.
    pub(super) unkept: Vec<&'a Unkept>,
}

/// What was done about a rule, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Nothing of it was kept.
    Removed,
    /// What is not forbidden was kept.
    Narrowed,
    /// What is forbidden was opened to trusted sources.
    Restricted,
}

impl Case<'_> {
    /// What the policy objects to.
    fn objections(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().copied().filter(|finding| finding.exempt.is_none())
    }

    fn severity(&self) -> Option<Severity> {
        self.objections().map(|finding| finding.rule.severity).max()
    }

    /// The strongest action that the policy wants.
    fn action(&self) -> Option<Action> {
        self.objections().map(|finding| finding.rule.action).max()
    }

    /// Whether the policy would keep a part of it, or open it to trusted sources.
    pub(super) fn may_stay_in_part(&self) -> bool {
        let all = TrafficSet::from(self.ingress.traffic());
        let enforced = self.findings.iter().filter(|finding| finding.enforces());
        let left = enforced.fold(all, |left, finding| left.difference(&finding.offending));
        match self.action() {
            Some(Action::Restrict) => true,
            Some(Action::Narrow) => !left.is_empty(),
            Some(Action::Off | Action::Notify | Action::Revoke) | None => false,
        }
    }

    /// What was done about it, or would be.
    pub(super) fn deed(&self) -> Deed {
        let unkept = self.unkept.iter().map(|unkept| &unkept.addition);
        let purposes = || self.instead.iter().copied().chain(unkept.clone()).map(|addition| addition.purpose);
        if purposes().any(|purpose| purpose == Purpose::Trust) {
            Deed::Restricted
        } else if purposes().next().is_some() {
            Deed::Narrowed
        } else {
            Deed::Removed
        }
    }

    /// What became of it, in few words, and in more where something was put in its place.
    pub(super) fn words(&self, mode: Mode) -> (String, Option<String>) {
        let mut head = self.fate.words();
        let mut told = kept::told(&self.instead, mode);
        match (self.fate, self.deed()) {
            (_, Deed::Removed) => {}
            (Fate::Removed, Deed::Narrowed) => "narrowed".clone_into(&mut head),
            (Fate::Removed, Deed::Restricted) => "restricted".clone_into(&mut head),
            (Fate::WouldGo, Deed::Narrowed) => head.push_str(". Enforce mode would narrow it"),
            (Fate::WouldGo, Deed::Restricted) => head.push_str(". Enforce mode would restrict it"),
            _ => {
                let rules = kept::rules(self.instead.iter().map(|addition| &addition.ingress));
                told = (!self.instead.is_empty()).then(|| format!("new rules are there for {rules}"));
            }
        }
        if !self.unkept.is_empty() {
            let rules = kept::rules(self.unkept.iter().map(|unkept| &unkept.addition.ingress));
            let unkept = format!("could NOT be kept: {rules}");
            told = Some(told.map_or(unkept.clone(), |told| format!("{told}; {unkept}")));
        }
        (head, told)
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
    /// What exceptions allow wholly: the rules with the ids of the exceptions.
    pub(super) exempt: Vec<(&'a IngressRule, BTreeSet<&'a str>)>,
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
        let is_exempt = |findings: &Vec<&Finding>| findings.iter().all(|finding| finding.exempt.is_some());
        let (freed, places): (BTreeMap<_, _>, BTreeMap<_, _>) =
            places.into_iter().partition(|(_, findings)| is_exempt(findings));
        let exempt = freed.into_values().filter_map(|findings: Vec<&'a Finding>| {
            let ids = findings.iter().filter_map(|finding| finding.exempt.as_deref()).collect();
            findings.first().map(|finding| (&finding.ingress, ids))
        });
        let mut cases: Vec<_> = places.into_iter().filter_map(|(key, findings)| fates.case(&key, findings)).collect();
        cases.sort_by_key(|case| (case.fate.rank(), std::cmp::Reverse(case.severity())));
        let verdict = verdict(report, &cases);
        Self { report, cases, exempt: exempt.collect(), verdict }
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
    /// In few words.
    fn words(self) -> String {
        let fixed = match self {
            Self::Failed(error) => return format!("STILL OPEN, {}", words::reason(error.kind)),
            Self::Uncertain(error) => return format!("MAY STILL BE OPEN, {}", words::reason(error.kind)),
            Self::CameBack => "STILL OPEN, removed and added again at once",
            Self::Left => "STILL OPEN",
            Self::Unknown => "MAY STILL BE OPEN, nobody could look",
            Self::Refused(refusal) if refusal.reason == RefusalReason::Unsound => {
                "STILL OPEN, because of a defect of Portcullis"
            }
            Self::Refused(_) => "STILL OPEN, left on purpose",
            Self::WouldGo => "still open, monitor mode changes nothing",
            Self::Removed => "removed",
            Self::GoneByItself => "gone before Portcullis could remove it",
            Self::Noticed => "left as it is, for your information",
        };
        fixed.to_owned()
    }
}

/// `open to the world`, when that is what is wrong with each of them.
pub(super) fn what_is_wrong(cases: &[&Case<'_>]) -> &'static str {
    let about_the_world = |case: &&Case<'_>| case.objections().any(words::is_about_the_world);
    if cases.iter().all(about_the_world) { "open to the world" } else { "against the policy" }
}

/// What is known about each rule, for quick look-up.
struct Fates<'a> {
    report: &'a Report,
    failures: BTreeMap<Key, &'a PortError>,
    refusals: BTreeMap<Key, &'a Refusal>,
    removed: BTreeSet<Key>,
    remaining: BTreeSet<Key>,
    instead: BTreeMap<Key, Vec<&'a Addition>>,
    unkept: BTreeMap<Key, Vec<&'a Unkept>>,
}

impl<'a> Fates<'a> {
    fn of(report: &'a Report) -> Self {
        let mut instead: BTreeMap<Key, Vec<&Addition>> = BTreeMap::new();
        let additions: Vec<_> = match report.mode {
            Mode::Enforce => report.to_retract().collect(),
            Mode::Monitor => report.added.iter().collect(),
        };
        for addition in additions {
            instead.entry(key(&addition.instead_of)).or_default().push(addition);
        }
        let mut missed: BTreeMap<Key, Vec<&Unkept>> = BTreeMap::new();
        for unkept in &report.unkept {
            missed.entry(key(&unkept.addition.instead_of)).or_default().push(unkept);
        }
        Self {
            report,
            instead,
            unkept: missed,
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
        let instead = self.instead.get(key).cloned().unwrap_or_default();
        let unkept = self.unkept.get(key).cloned().unwrap_or_default();
        Some(Case { ingress, findings, fate, instead, unkept })
    }

    fn fate(&self, key: &Key, findings: &[&'a Finding]) -> Fate<'a> {
        let (removed, remains) = (self.removed.contains(key), self.remaining.contains(key));
        if let Some(error) = self.failures.get(key) {
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
