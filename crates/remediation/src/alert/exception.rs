//! The exception that would allow what was closed, as YAML for the policy file.
//!
//! It has exactly the forbidden ports and the sources concerned. Everything in it that comes from
//! outside is an id that was checked, or a quoted string.

use jiff::{SignedDuration, Timestamp};
use portcullis_rules::{Protocol, Source, TrafficSet};

use crate::alert::link::is_plain_identifier;
use crate::alert::phrases::principal_name;
use crate::alert::sanitize::sanitize_line;
use crate::report::json::serialize_json;
use crate::report::{GroupReport, RuleOutcome};

/// How long the proposed exception is valid.
const VALIDITY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What the reader has to replace.
const REASON: &str = "WHY IT IS NEEDED, TICKET";
/// How many exceptions are written out.
const MAX_EXCEPTIONS: usize = 2;
/// How many sources one exception lists.
const MAX_SOURCES: usize = 8;

/// Forbidden traffic with the sources that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ExceptedTraffic {
    protocol: Protocol,
    offending: TrafficSet,
    sources: Vec<String>,
}

/// The exceptions for the rules of an alert.
#[derive(Debug, Default)]
pub(super) struct ProposedExceptions {
    /// The entries of the list, each as pieces that may be on separate lines.
    pub(super) entries: Vec<Vec<String>>,
    /// Whether there are rules without an exception in the YAML.
    pub(super) is_partial: bool,
    /// Whether a rule is for all protocols. An exception for it would allow everything.
    pub(super) has_all_traffic: bool,
}

impl ProposedExceptions {
    /// The exceptions for these rules. Nothing if the id of the group is not known.
    pub(super) fn new(report: &GroupReport, outcomes: &[&RuleOutcome]) -> Self {
        let group_id = report.group.id.as_str();
        if !is_plain_identifier(group_id) {
            return Self::default();
        }
        let entries = merge_outcomes(outcomes);
        let mut proposed = Self {
            is_partial: entries.len() > MAX_EXCEPTIONS,
            has_all_traffic: outcomes
                .iter()
                .any(|outcome| outcome.rule.protocol() == Protocol::All),
            ..Self::default()
        };
        let is_single = entries.len() == 1;
        for (number, entry) in (1..).zip(entries.iter().take(MAX_EXCEPTIONS)) {
            let suffix = if is_single {
                String::new()
            } else {
                format!("-{number}")
            };
            let group = group_id.to_ascii_lowercase();
            let id = format!("allow-{}-{group}{suffix}", entry.protocol);
            proposed.entries.push(entry_words(report, &id, entry));
        }
        proposed
    }
}

/// One entry for all sources with the same forbidden traffic.
fn merge_outcomes(outcomes: &[&RuleOutcome]) -> Vec<ExceptedTraffic> {
    let mut by_source: Vec<(Protocol, String, TrafficSet)> = Vec::new();
    for outcome in outcomes {
        let rule = &outcome.rule;
        let protocol = rule.protocol();
        let Some(source) = source_text(&rule.source).filter(|_| protocol != Protocol::All) else {
            continue;
        };
        let offending = offending_traffic(outcome);
        let known = by_source
            .iter_mut()
            .find(|(other, text, _)| *other == protocol && *text == source);
        match known {
            Some((_, _, known)) => *known = known.union(&offending),
            None => by_source.push((protocol, source, offending)),
        }
    }
    let mut entries: Vec<ExceptedTraffic> = Vec::new();
    for (protocol, source, offending) in by_source {
        let known = entries
            .iter_mut()
            .filter(|entry| entry.sources.len() < MAX_SOURCES)
            .find(|entry| entry.protocol == protocol && entry.offending == offending);
        match known {
            Some(entry) => entry.sources.push(source),
            None => entries.push(ExceptedTraffic {
                protocol,
                offending,
                sources: vec![source],
            }),
        }
    }
    entries
}

/// What enforced policy rules forbid of a rule; all of it if it was removed because of others.
fn offending_traffic(outcome: &RuleOutcome) -> TrafficSet {
    outcome
        .findings
        .iter()
        .filter(|finding| finding.enforces())
        .map(|finding| finding.offending.clone())
        .reduce(|all, more| all.union(&more))
        .unwrap_or_else(|| TrafficSet::from(outcome.rule.traffic()))
}

/// A source that an exception can name.
fn source_text(source: &Source) -> Option<String> {
    let text = source.to_string();
    match source {
        Source::Cidr(_) => Some(text),
        Source::PrefixList(_) | Source::Group(_) => is_plain_identifier(&text).then_some(text),
    }
}

/// A flow mapping, as pieces that stay on one line each.
fn entry_words(report: &GroupReport, id: &str, entry: &ExceptedTraffic) -> Vec<String> {
    let owner = sanitize_line(principal_name(report), 48);
    let sources: Vec<_> = entry.sources.iter().map(serialize_json).collect();
    let mut words = vec![
        format!("{{ id: {id},"),
        format!("protocol: {},", entry.protocol),
    ];
    if matches!(entry.protocol, Protocol::Tcp | Protocol::Udp) {
        let ports = entry.offending.to_string().replace(',', ", ");
        words.push(format!("ports: [{ports}],"));
    }
    words.extend([
        format!("sources: [{}],", sources.join(", ")),
        format!("match: {{ groups: [{}] }},", report.group.id),
        format!("expires: {},", expiry_date(report)),
        format!("owner: {},", serialize_json(&owner)),
        format!("reason: \"{REASON}\" }}"),
    ]);
    words
}

/// `2026-12-21`, or a placeholder that the policy check rejects.
fn expiry_date(report: &GroupReport) -> String {
    let end: Option<Timestamp> = report
        .origin
        .time
        .or(report.closed_at)
        .and_then(|time| time.checked_add(VALIDITY).ok());
    match end {
        Some(end) => end.strftime("%Y-%m-%d").to_string(),
        None => "YYYY-MM-DD".to_owned(),
    }
}
