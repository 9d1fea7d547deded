//! `portcullis rules`: the rules of a policy, and a page about each that comes with Portcullis.

use std::fmt::Write as _;

use portcullis_policy::{PRESETS, parse, show};
use portcullis_rules::{Policy, Rule};
use serde::Serialize;

use crate::args::{Format, RulesArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{BOLD, Done, Row, clean, json, table};
use crate::yaml::nearest;

macro_rules! pages {
    ($($id:literal),+ $(,)?) => {
        [$(($id, include_str!(concat!("../../../../docs/rules/", $id, ".md")))),+]
    };
}

/// A page for each rule of the presets, in their order.
pub const PAGES: [(&str, &str); 9] = pages![
    "all-traffic",
    "restricted-common-ports",
    "uncommon-ports",
    "port-range",
    "port-range-internal",
    "broad-source",
    "other-protocols",
    "web-only",
    "databases",
];

#[derive(Debug, Serialize)]
struct RulesV1<'a> {
    version: u32,
    rules: Vec<RuleV1<'a>>,
}

#[derive(Debug, Serialize)]
struct RuleV1<'a> {
    id: &'a str,
    forbids: &'a str,
    severity: String,
    action: String,
    references: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'static str>,
}

/// Runs the command.
///
/// # Errors
/// When the policy does not hold, or has no such rule.
pub fn run(args: &RulesArgs) -> Result<Done, CliError> {
    let policy = args.policy.load()?.policy;
    let asked = args.id.as_deref().map(|id| find(&policy, id)).transpose()?;
    let data = match (args.format, asked) {
        (Format::Json, Some(rule)) => json(&RulesV1 { version: 1, rules: vec![wire(rule, page(&rule.id))] })?,
        (Format::Json, None) => {
            json(&RulesV1 { version: 1, rules: policy.rules.iter().map(|rule| wire(rule, None)).collect() })?
        }
        (Format::Human, Some(rule)) => style_headings(&explain(&policy, rule)),
        (Format::Human, None) => list(&policy),
    };
    let (talk, exit) = (Vec::new(), Exit::Clean);
    Ok(Done { data, talk, exit })
}

fn find<'a>(policy: &'a Policy, id: &str) -> Result<&'a Rule, CliError> {
    policy.rule(id).map(AsRef::as_ref).ok_or_else(|| {
        let near = nearest(id, policy.rules.iter().map(|rule| rule.id.as_str())).map(str::to_owned);
        CliError::UnknownRule { policy: clean(&policy.name), id: clean(id), near }
    })
}

/// The page about a rule, after the rule itself when that is not as the page has it.
fn explain(policy: &Policy, rule: &Rule) -> String {
    match page(&rule.id) {
        Some(page) if is_of_a_preset(rule) => page.to_owned(),
        Some(page) => format!("{}{page}", own(policy, rule)),
        None => own(policy, rule),
    }
}

/// Whether the rule is as the first preset with a rule of this id has it, which is what the page is about.
fn is_of_a_preset(rule: &Rule) -> bool {
    let mut presets = PRESETS.iter().filter_map(|preset| parse(preset.name, preset.text).ok());
    presets.find_map(|loaded| loaded.policy.rule(&rule.id).cloned()).is_some_and(|known| *known == *rule)
}

/// A rule in the words of its policy.
fn own(policy: &Policy, rule: &Rule) -> String {
    let only = Policy { name: policy.name.clone(), rules: vec![rule.clone().into()], ..Policy::default() };
    let shown = show(&only);
    let yaml = shown.split_once("rules:\n").map_or("", |(_, yaml)| yaml);
    format!("# {} in the policy `{}`\n\n```yaml\n{yaml}```\n\n", rule.id, clean(&policy.name))
}

/// The page about a rule.
fn page(id: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| *known == id).map(|(_, page)| *page)
}

fn wire<'a>(rule: &'a Rule, page: Option<&'static str>) -> RuleV1<'a> {
    RuleV1 {
        id: &rule.id,
        forbids: &rule.forbids,
        severity: rule.severity.to_string(),
        action: rule.action.to_string(),
        references: &rule.references,
        page,
    }
}

fn list(policy: &Policy) -> String {
    let rows = policy.rules.iter().map(|rule| {
        let references = if rule.references.is_empty() { "-".to_owned() } else { clean(&rule.references.join(", ")) };
        let (severity, action) = (rule.severity.to_string(), rule.action.to_string());
        (Row::Severity(rule.severity), [severity, rule.id.clone(), action, references, clean(&rule.forbids)])
    });
    let mut text = table(["severity", "rule", "action", "references", "forbids"], rows);
    text.push_str("\n`portcullis rules ID` explains one.\n");
    text
}

/// Markdown is made to be read as it is; headings get bold.
fn style_headings(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut in_code = false;
    for line in page.lines() {
        in_code ^= line.starts_with("```");
        if line.starts_with('#') && !in_code {
            let _ = writeln!(text, "{BOLD}{line}{BOLD:#}");
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}
