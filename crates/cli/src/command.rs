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
use crate::describe::{DescribedGroups, Problem, decode_described_groups};
use crate::error::CliError;
use crate::input::Input;
use crate::output::{CommandOutput, Message, MessageLevel, RowStyle, format_count, sanitize_text};

/// Runs a command. It is `now`, unless the arguments say otherwise.
///
/// # Errors
/// When the command cannot be carried out.
pub fn run_command(command: &Command, now: Timestamp) -> Result<CommandOutput, CliError> {
    match command {
        Command::Audit(args) => audit::run_audit(args, now),
        Command::Plan(args) => plan::run_plan(args, now),
        Command::Policy(command) => policy::run_policy_command(command, now),
        Command::Rules(args) => rules::run_rules(args),
        Command::Completions(args) => Ok(completions::generate_completions(args)),
    }
}

/// Reads the security groups of an input.
fn read_groups(input: &Input) -> Result<DescribedGroups, CliError> {
    let name = input.to_string();
    decode_described_groups(&input.read_bytes()?)
        .map_err(|source| CliError::InvalidGroups { name, source })
}

/// How many problems are told one by one.
const MAX_LISTED_ERRORS: usize = 10;

/// What to say about the values of an input that could not be understood.
fn problem_messages(input: &str, problems: &[Problem]) -> Vec<Message> {
    let mut talk: Vec<_> = problems
        .iter()
        .take(MAX_LISTED_ERRORS)
        .map(|problem| {
            let group = problem
                .group_id
                .as_ref()
                .map_or_else(String::new, |id| format!(" ({id})"));
            Message::new(
                MessageLevel::Error,
                sanitize_text(&format!("{}{group}: {}", problem.path, problem.message)),
            )
        })
        .collect();
    if !problems.is_empty() {
        let message = format!(
            "{} of {input} could not be understood",
            format_count(problems.len(), "value")
        );
        talk.push(
            Message::new(MessageLevel::Error, message)
                .with_help("what they belong to was left out, everything else was judged"),
        );
    }
    talk
}

/// What to say about prefix lists whose entries are not known.
fn unresolved_lists_warning<'a>(lists: impl IntoIterator<Item = &'a String>) -> Option<Message> {
    let lists: Vec<_> = lists
        .into_iter()
        .map(|list| format!("`{}`", sanitize_text(list)))
        .collect();
    (!lists.is_empty()).then(|| {
        let message = format!(
            "prefix lists without entries, judged as not the world: {}",
            lists.join(", ")
        );
        Message::new(MessageLevel::Warning, message)
            .with_help("add the key `PrefixLists` to the input; see `portcullis audit --help`")
    })
}

/// What to say about exceptions that would have freed something and have ended.
fn expired_exception_warnings<'a>(
    policy: &Policy,
    expired: impl IntoIterator<Item = &'a String>,
) -> Vec<Message> {
    let expired: BTreeSet<_> = expired.into_iter().collect();
    let known = policy
        .exceptions
        .iter()
        .filter(|exception| expired.contains(&exception.id));
    known
        .map(|exception| {
            let ended = exception
                .expires
                .map_or_else(String::new, |moment| format!(" at {moment}"));
            let message = format!(
                "the exception `{}` ended{ended}: what it freed is forbidden again",
                exception.id
            );
            let help = format!(
                "remove it, or ask `{}` for another date",
                sanitize_text(&exception.owner)
            );
            Message::new(MessageLevel::Warning, message).with_help(help)
        })
        .collect()
}

/// What to say when the policy tells regions apart and the region is not known.
fn unknown_region_warning(policy: &Policy, is_known: bool) -> Option<Message> {
    (!is_known && crate::policy::depends_on_region(policy)).then(|| {
        Message::new(
            MessageLevel::Warning,
            "the policy tells regions apart, and the region of the groups is not known",
        )
        .with_help("give it with `--region`; what holds in some regions only was taken not to hold")
    })
}

/// How a finding looks in a table.
fn row_style(finding: &Finding) -> RowStyle {
    if finding.exempted_by.is_some() {
        RowStyle::Dimmed
    } else {
        RowStyle::Severity(finding.policy_rule.severity)
    }
}

/// What is done about a finding, for people.
fn describe_action(finding: &Finding) -> String {
    match &finding.exempted_by {
        Some(id) => format!("exempt by {}", sanitize_text(id)),
        None => finding.policy_rule.action.to_string(),
    }
}

/// What a box admits, for people: `tcp 8080-8090`, `icmp type 8`, `all traffic`, `protocol 47`.
fn describe_traffic(rule: &IngressRule) -> String {
    use portcullis_rules::group::Traffic;
    let protocol = rule.protocol();
    match rule.traffic() {
        Traffic::Tcp(span) | Traffic::Udp(span) => format!("{protocol} {span}"),
        Traffic::All => "all traffic".to_owned(),
        Traffic::Other(number) => format!("protocol {number}"),
        Traffic::Icmp | Traffic::Icmpv6 => match rule.display_ports() {
            (Some(kind), _) if kind >= 0 => format!("{protocol} type {kind}"),
            _ => protocol.to_string(),
        },
    }
}

/// How many spans of ports are shown.
const MAX_PORT_RANGES: usize = 4;

/// The offending ports, at most a few spans of them: all of them are in the JSON.
fn shorten_ports(offending: &TrafficSet) -> String {
    let text = offending.to_string();
    let spans: Vec<_> = text.split(',').collect();
    match spans.get(..MAX_PORT_RANGES) {
        Some(first) if spans.len() > MAX_PORT_RANGES => {
            let more = spans.len().saturating_sub(MAX_PORT_RANGES);
            format!("{},+{more}", first.join(","))
        }
        _ => text,
    }
}
