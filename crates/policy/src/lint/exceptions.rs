//! Warnings about exceptions that exempt too much or nothing.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use portcullis_rules::address::{AddressBlock, AddressFamily, covers_public};
use portcullis_rules::check::Check;
use portcullis_rules::{Context, Exception, Glob, Scope, Source};

use super::active_rules::{ActiveRule, active_rules, is_any_text, is_every_group};
use crate::code::Code;
use crate::load::LoadedPolicy;
use crate::record::Record;
use crate::schema_table::TRAFFIC_KEYS;
use crate::yaml::{Diagnostic, quote_list, quote_text};

/// The keys that are meant to limit an exception. What a warning points at is the first of them.
const LIMITS: [&str; 6] = ["protocol", "traffic", "ports", "sources", "match", "rules"];

/// The warnings about exceptions that have not expired.
pub(super) fn lint_exceptions(loaded: &LoadedPolicy, now: Timestamp) -> Vec<Diagnostic> {
    let context = Context {
        now: Some(now),
        ..Context::default()
    };
    let exceptions: BTreeMap<&str, &Exception> = loaded
        .policy
        .exceptions
        .iter()
        .map(|exception| (exception.id.as_str(), exception.as_ref()))
        .collect();
    let rules = active_rules(&loaded.policy);
    let mut found = Vec::new();
    for record in loaded.record.list_records("exceptions") {
        let id = record.get_text("id").unwrap_or_default();
        match exceptions.get(id) {
            Some(exception) if !exception.is_expired(&context) => {
                lint_exception(exception, record, &rules, now, &mut found);
            }
            _ => {}
        }
    }
    found
}

fn lint_exception(
    exception: &Exception,
    record: &Record,
    rules: &[ActiveRule<'_>],
    now: Timestamp,
    found: &mut Vec<Diagnostic>,
) {
    match exception.expires {
        None => found.push(no_expiry(exception, record, now)),
        Some(expires) if years_until(expires, now) > MAX_YEARS => {
            found.push(late_expiry(exception, record));
        }
        Some(_) => {}
    }
    if let Some(useless) = useless_exception(exception, record, rules) {
        found.push(useless);
        return;
    }
    let disabled = disabled_rules(exception, rules);
    if !disabled.is_empty() {
        found.push(exempts_everything(exception, record, rules, &disabled));
    } else if has_no_match(exception) {
        found.push(no_match(exception, record));
    }
}

/// How long an exception lasts in the example of a warning, in days.
const SUGGESTED_DAYS: i32 = 90;

fn no_expiry(exception: &Exception, record: &Record, now: Timestamp) -> Diagnostic {
    let message = format!("exception {} never expires", quote_text(&exception.id));
    let today = now.to_zoned(TimeZone::UTC).date();
    let help = match today.checked_add(SUGGESTED_DAYS.days()) {
        Ok(day) => format!("add its last day, such as `expires: {day}`"),
        Err(_) => "add its last day, with the key `expires`".to_owned(),
    };
    Diagnostic::new(Code::NoExpiry, record.value_span("id"), message)
        .with_label("without `expires`, nobody is asked whether it is still needed")
        .with_help(help)
}

/// In how many years an exception may expire. After a longer time, nobody remembers it.
const MAX_YEARS: i64 = 10;

fn years_until(expires: Timestamp, now: Timestamp) -> i64 {
    let hours = now.duration_until(expires).as_hours();
    hours / (24 * 365)
}

fn late_expiry(exception: &Exception, record: &Record) -> Diagnostic {
    let id = quote_text(&exception.id);
    let message = format!("exception {id} hardly ever expires");
    Diagnostic::new(Code::NoExpiry, record.value_span("expires"), message)
        .with_label(format!("more than {MAX_YEARS} years from now"))
        .with_help("choose a day on which its owner can still be asked".to_owned())
}

/// Whether the exception is for every group and every security group rule, whoever opened it.
fn has_no_match(exception: &Exception) -> bool {
    is_every_group(&exception.scope)
        && exception.rule_tags.is_empty()
        && is_any_text(&exception.descriptions)
        && is_any_text(&exception.principals)
}

fn no_match(exception: &Exception, record: &Record) -> Diagnostic {
    let id = quote_text(&exception.id);
    let message = format!("exception {id} applies to every group");
    let key = if record.contains_key("match") {
        "match"
    } else {
        "id"
    };
    let help = "list the groups that need the access: `match: { groups: [sg-...] }`".to_owned();
    Diagnostic::new(Code::NoMatch, record.value_span(key), message).with_help(help)
}

/// The rules that can hardly find anything because of the exception.
fn disabled_rules<'p>(exception: &Exception, rules: &[ActiveRule<'p>]) -> Vec<&'p str> {
    if !has_no_match(exception) || !are_all_sources(&exception.sources) {
        return Vec::new();
    }
    rules
        .iter()
        .filter(|active| exception.is_for_policy_rule(&active.rule.id))
        .filter(|active| active.essential.difference(&exception.traffic).is_empty())
        .map(|active| active.rule.id.as_str())
        .collect()
}

/// Whether the sources are all sources, or include the public addresses of both families.
fn are_all_sources(sources: &[Source]) -> bool {
    let covers_family = |family: AddressFamily| {
        let blocks: Vec<_> = cidr_blocks(sources)
            .filter(|block| block.family() == family)
            .collect();
        !blocks.is_empty() && covers_public(family, &blocks)
    };
    sources.is_empty() || AddressFamily::BOTH.into_iter().all(covers_family)
}

fn cidr_blocks(sources: &[Source]) -> impl Iterator<Item = AddressBlock> {
    sources.iter().filter_map(|source| match source {
        Source::Cidr(net) => Some(AddressBlock::from_net(net)),
        Source::PrefixList(_) | Source::Group(_) => None,
    })
}

fn exempts_everything(
    exception: &Exception,
    record: &Record,
    rules: &[ActiveRule<'_>],
    disabled: &[&str],
) -> Diagnostic {
    let id = quote_text(&exception.id);
    let message = if disabled.len() == rules.len() {
        format!("exception {id} exempts everything that the policy forbids")
    } else {
        let noun = if let [_] = disabled { "rule" } else { "rules" };
        let names = quote_list(disabled.iter().copied(), "and");
        format!("exception {id} exempts everything that {noun} {names} would find")
    };
    let key = LIMITS.into_iter().find(|key| record.contains_key(key));
    let label = if key.is_some_and(|key| TRAFFIC_KEYS.contains(&key)) {
        "this is all that is forbidden"
    } else {
        "this does not limit it"
    };
    let help = "limit it to what is needed: `ports`, and `match` with the IDs of the groups";
    Diagnostic::new(
        Code::ExemptsEverything,
        record.value_span(key.unwrap_or("id")),
        message,
    )
    .with_label(label)
    .with_help(help.to_owned())
}

/// Why an exception exempts nothing: the key that prevents it, and the explanation.
struct Obstacle {
    key: &'static str,
    reason: String,
}

fn useless_exception(
    exception: &Exception,
    record: &Record,
    rules: &[ActiveRule<'_>],
) -> Option<Diagnostic> {
    // If no rule is active, that has a warning of its own.
    if rules.is_empty() {
        return None;
    }
    let obstacle = find_obstacle(exception, rules)?;
    let id = quote_text(&exception.id);
    let message = format!("exception {id} can never exempt anything");
    let help = "remove it, or change it to what it is meant to exempt".to_owned();
    let span = record.value_span(obstacle.key);
    let diagnostic = Diagnostic::new(Code::UselessException, span, message)
        .with_label(obstacle.reason)
        .with_help(help);
    Some(diagnostic)
}

fn find_obstacle(exception: &Exception, rules: &[ActiveRule<'_>]) -> Option<Obstacle> {
    let listed: Vec<_> = rules
        .iter()
        .filter(|active| exception.is_for_policy_rule(&active.rule.id))
        .collect();
    if listed.is_empty() {
        let are = if exception.rules.len() == 1 {
            "this rule is"
        } else {
            "these rules are"
        };
        let reason = format!("{are} off");
        return Some(Obstacle {
            key: "rules",
            reason,
        });
    }
    let in_scope: Vec<_> = listed
        .into_iter()
        .filter(|active| scopes_meet(&exception.scope, &active.rule.scope))
        .collect();
    let which = rules_in_words(exception);
    if in_scope.is_empty() {
        let reason = format!("{which} applies to these groups");
        return Some(Obstacle {
            key: "match",
            reason,
        });
    }
    let touched: Vec<_> = in_scope
        .into_iter()
        .filter(|active| !active.possible.intersection(&exception.traffic).is_empty())
        .collect();
    if touched.is_empty() {
        return Some(Obstacle {
            key: traffic_key(exception),
            reason: format!("{which} forbids this"),
        });
    }
    let can_offend = |check: &Check| {
        let mut sources = exception.sources.iter();
        exception.sources.is_empty() || sources.any(|source| source_can_offend(source, check))
    };
    let has_finding = touched.iter().any(|active| can_offend(&active.rule.check));
    (!has_finding).then(|| Obstacle {
        key: "sources",
        reason: format!("{which} forbids anything from here"),
    })
}

fn rules_in_words(exception: &Exception) -> &'static str {
    if exception.rules.is_empty() {
        "no rule"
    } else {
        "none of its `rules`"
    }
}

/// The key of the traffic of an exception. With the other two, it is the one that matters.
fn traffic_key(exception: &Exception) -> &'static str {
    let has_ports = !(exception.traffic.tcp.is_empty() && exception.traffic.udp.is_empty());
    if has_ports { "ports" } else { "protocol" }
}

/// Whether a security group rule with this source can violate the check. A security group never
/// does, and private addresses only if the check is about internal sources.
fn source_can_offend(source: &Source, check: &Check) -> bool {
    match source {
        Source::Group(_) => false,
        Source::PrefixList(_) => true,
        Source::Cidr(net) => {
            AddressBlock::from_net(net).touches_public() || *check == Check::PortRangeInternal
        }
    }
}

/// Whether some group can be in both scopes. May be `true` although there is none.
fn scopes_meet(one: &Scope, other: &Scope) -> bool {
    lists_meet(&one.accounts, &other.accounts)
        && lists_meet(&one.regions, &other.regions)
        && lists_meet(&one.vpcs, &other.vpcs)
        && lists_meet(&one.group_ids, &other.group_ids)
        && names_meet(&one.group_names, &other.group_names)
}

fn lists_meet(one: &[String], other: &[String]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|item| other.contains(item))
}

fn names_meet(one: &[Glob], other: &[Glob]) -> bool {
    let meets = |first: &Glob| other.iter().any(|second| patterns_meet(first, second));
    one.is_empty() || other.is_empty() || one.iter().any(meets)
}

/// Whether some text may match both patterns.
fn patterns_meet(one: &Glob, other: &Glob) -> bool {
    let (one_text, other_text) = (one.to_string(), other.to_string());
    let is_literal = |text: &str| !text.contains(['*', '?']);
    match (is_literal(&one_text), is_literal(&other_text)) {
        (true, _) => other.matches(&one_text),
        (false, true) => one.matches(&other_text),
        (false, false) => true,
    }
}
