//! `portcullis rules`: the rules of a policy, and a page about each that comes with Portcullis.

use std::fmt::Write as _;

use portcullis_policy::{PRESETS, nearest_word, parse_policy, render_policy};
use portcullis_rules::{Policy, PolicyRule};
use serde::Serialize;

use crate::args::{Format, RulesArgs};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::output::{BOLD, CommandOutput, RowStyle, format_table, sanitize_text, to_pretty_json};

macro_rules! pages {
    ($($id:literal),+ $(,)?) => {
        [$(($id, include_str!(concat!("../../../../docs/rules/", $id, ".md")))),+]
    };
}

/// A page for each rule of the presets, in their order.
pub const RULE_PAGES: [(&str, &str); 9] = pages![
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
    rules: Vec<PolicyRuleV1<'a>>,
}

#[derive(Debug, Serialize)]
struct PolicyRuleV1<'a> {
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
pub fn run_rules(args: &RulesArgs) -> Result<CommandOutput, CliError> {
    let policy = args.policy.load()?.policy;
    let asked = args
        .id
        .as_deref()
        .map(|id| find_rule(&policy, id))
        .transpose()?;
    let data = match (args.format, asked) {
        (Format::Json, Some(rule)) => to_pretty_json(&RulesV1 {
            version: 1,
            rules: vec![rule_report(rule, rule_page(&rule.id))],
        })?,
        (Format::Json, None) => to_pretty_json(&RulesV1 {
            version: 1,
            rules: policy
                .rules
                .iter()
                .map(|rule| rule_report(rule, None))
                .collect(),
        })?,
        (Format::Human, Some(rule)) => style_headings(&explain_rule(&policy, rule)),
        (Format::Human, None) => rules_table(&policy),
    };
    let (talk, exit) = (Vec::new(), ExitStatus::Clean);
    Ok(CommandOutput {
        data,
        messages: talk,
        exit,
    })
}

fn find_rule<'a>(policy: &'a Policy, id: &str) -> Result<&'a PolicyRule, CliError> {
    policy.rule_by_id(id).map(AsRef::as_ref).ok_or_else(|| {
        let near =
            nearest_word(id, policy.rules.iter().map(|rule| rule.id.as_str())).map(str::to_owned);
        CliError::UnknownRule {
            policy: sanitize_text(&policy.name),
            id: sanitize_text(id),
            near,
        }
    })
}

/// The page about a rule, after the rule itself when that is not as the page has it.
fn explain_rule(policy: &Policy, rule: &PolicyRule) -> String {
    match rule_page(&rule.id) {
        Some(page) if matches_preset(rule) => page.to_owned(),
        Some(page) => format!("{}{page}", render_custom_rule(policy, rule)),
        None => render_custom_rule(policy, rule),
    }
}

/// Whether the rule is as the first preset with a rule of this id has it, which is what the page is about.
fn matches_preset(rule: &PolicyRule) -> bool {
    let mut presets = PRESETS
        .iter()
        .filter_map(|preset| parse_policy(preset.name, preset.text).ok());
    presets
        .find_map(|loaded| loaded.policy.rule_by_id(&rule.id).cloned())
        .is_some_and(|known| *known == *rule)
}

/// A rule in the words of its policy.
fn render_custom_rule(policy: &Policy, rule: &PolicyRule) -> String {
    let only = Policy {
        name: policy.name.clone(),
        rules: vec![rule.clone().into()],
        ..Policy::default()
    };
    let shown = render_policy(&only);
    let yaml = shown.split_once("rules:\n").map_or("", |(_, yaml)| yaml);
    format!(
        "# {} in the policy `{}`\n\n```yaml\n{yaml}```\n\n",
        rule.id,
        sanitize_text(&policy.name)
    )
}

/// The page about a rule.
fn rule_page(id: &str) -> Option<&'static str> {
    RULE_PAGES
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, page)| *page)
}

fn rule_report<'a>(rule: &'a PolicyRule, page: Option<&'static str>) -> PolicyRuleV1<'a> {
    PolicyRuleV1 {
        id: &rule.id,
        forbids: &rule.forbids,
        severity: rule.severity.to_string(),
        action: rule.action.to_string(),
        references: &rule.references,
        page,
    }
}

fn rules_table(policy: &Policy) -> String {
    let rows = policy.rules.iter().map(|rule| {
        let references = if rule.references.is_empty() {
            "-".to_owned()
        } else {
            sanitize_text(&rule.references.join(", "))
        };
        let (severity, action) = (rule.severity.to_string(), rule.action.to_string());
        (
            RowStyle::Severity(rule.severity),
            [
                severity,
                rule.id.clone(),
                action,
                references,
                sanitize_text(&rule.forbids),
            ],
        )
    });
    let mut text = format_table(
        ["severity", "rule", "action", "references", "forbids"],
        rows,
    );
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
