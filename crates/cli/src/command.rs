//! The commands. Each takes its arguments and says what it did.

pub mod audit;
pub mod completions;
pub mod plan;
pub mod policy;
pub mod rules;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::{Finding, IngressRule, Policy, TrafficSet};

use crate::args::Command;
use crate::describe::{Described, Problem, decode};
use crate::error::CliError;
use crate::input::Input;
use crate::output::{Done, Label, Row, Talk, clean, count};

/// Runs a command. It is `now`, unless the arguments say otherwise.
///
/// # Errors
/// When the command cannot be carried out.
pub fn run(command: &Command, now: Timestamp) -> Result<Done, CliError> {
    match command {
        Command::Audit(args) => audit::run(args, now),
        Command::Plan(args) => plan::run(args, now),
        Command::Policy(command) => policy::run(command, now),
        Command::Rules(args) => rules::run(args),
        Command::Completions(args) => Ok(completions::run(args)),
    }
}

/// Reads the security groups of an input.
fn groups(input: &Input) -> Result<Described, CliError> {
    let name = input.to_string();
    decode(&input.read()?).map_err(|source| CliError::Groups { name, source })
}

/// How many problems are told one by one.
const TOLD: usize = 10;

/// What to say about the values of an input that could not be understood.
fn tell_problems(input: &str, problems: &[Problem]) -> Vec<Talk> {
    let mut talk: Vec<_> = problems
        .iter()
        .take(TOLD)
        .map(|problem| {
            let group = problem.group_id.as_ref().map_or_else(String::new, |id| format!(" ({id})"));
            Talk::new(Label::Error, clean(&format!("{}{group}: {}", problem.path, problem.message)))
        })
        .collect();
    if !problems.is_empty() {
        let message = format!("{} of {input} could not be understood", count(problems.len(), "value"));
        talk.push(
            Talk::new(Label::Error, message).with_help("what they belong to was left out, everything else was judged"),
        );
    }
    talk
}

/// What to say about prefix lists whose entries are not known.
fn tell_unresolved<'a>(lists: impl IntoIterator<Item = &'a String>) -> Option<Talk> {
    let lists: Vec<_> = lists.into_iter().map(|list| format!("`{}`", clean(list))).collect();
    (!lists.is_empty()).then(|| {
        let message = format!("prefix lists without entries, judged as not the world: {}", lists.join(", "));
        Talk::new(Label::Warning, message)
            .with_help("add the key `PrefixLists` to the input; see `portcullis audit --help`")
    })
}

/// What to say about exceptions that would have freed something and have ended.
fn tell_expired<'a>(policy: &Policy, expired: impl IntoIterator<Item = &'a String>) -> Vec<Talk> {
    let expired: BTreeSet<_> = expired.into_iter().collect();
    let known = policy.exceptions.iter().filter(|exception| expired.contains(&exception.id));
    known
        .map(|exception| {
            let ended = exception.expires.map_or_else(String::new, |moment| format!(" at {moment}"));
            let message = format!("the exception `{}` ended{ended}: what it freed is forbidden again", exception.id);
            let help = format!("remove it, or ask `{}` for another date", clean(&exception.owner));
            Talk::new(Label::Warning, message).with_help(help)
        })
        .collect()
}

/// What to say when the policy tells regions apart and the region is not known.
fn tell_region(policy: &Policy, is_known: bool) -> Option<Talk> {
    (!is_known && crate::policy::speaks_of_regions(policy)).then(|| {
        Talk::new(Label::Warning, "the policy tells regions apart, and the region of the groups is not known")
            .with_help("give it with `--region`; what holds in some regions only was taken not to hold")
    })
}

/// How a finding looks in a table.
fn look(finding: &Finding) -> Row {
    if finding.exempt.is_some() { Row::Dimmed } else { Row::Severity(finding.rule.severity) }
}

/// What is done about a finding, for people.
fn action(finding: &Finding) -> String {
    match &finding.exempt {
        Some(id) => format!("exempt by {}", clean(id)),
        None => finding.rule.action.to_string(),
    }
}

/// What a box admits, for people: `tcp 8080-8090`, `icmp type 8`, `all traffic`, `protocol 47`.
fn traffic(rule: &IngressRule) -> String {
    use portcullis_rules::group::Traffic;
    let protocol = rule.protocol();
    match rule.traffic() {
        Traffic::Tcp(span) | Traffic::Udp(span) => format!("{protocol} {span}"),
        Traffic::Everything => "all traffic".to_owned(),
        Traffic::Other(number) => format!("protocol {number}"),
        Traffic::Icmp | Traffic::Icmpv6 => match rule.shown_ports() {
            (Some(kind), _) if kind >= 0 => format!("{protocol} type {kind}"),
            _ => protocol.to_string(),
        },
    }
}

/// How many spans of ports are shown.
const SPANS: usize = 4;

/// The offending ports, at most a few spans of them: all of them are in the JSON.
fn shorten(offending: &TrafficSet) -> String {
    let text = offending.to_string();
    let spans: Vec<_> = text.split(',').collect();
    match spans.get(..SPANS) {
        Some(first) if spans.len() > SPANS => {
            let more = spans.len().saturating_sub(SPANS);
            format!("{},+{more}", first.join(","))
        }
        _ => text,
    }
}
