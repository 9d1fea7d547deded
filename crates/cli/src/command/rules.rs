//! `portcullis rules`: lists the rules of a policy, and explains one with the built-in page about
//! it.

mod page;

use portcullis_policy::{PRESETS, nearest_word, parse_policy, render_policy};
use portcullis_rules::{Policy, PolicyRule};
use serde::Serialize;

use crate::args::{Format, RulesArgs};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::output::{CommandOutput, to_pretty_json};
use crate::rule_pages::RULE_PAGES;
use crate::table::{Column, ColumnWidths, EMPTY_CELL, FittedRow, RowStyle, format_fitted_table};
use crate::terminal::output_width;
use crate::text::sanitize_text;
use page::render_page;

/// The document of `rules --format json`, version 1.
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
/// When the policy is invalid or does not have the rule.
pub fn run_rules(args: &RulesArgs) -> Result<CommandOutput, CliError> {
    let policy = args.policy.load()?.policy;
    let data = match (&args.id, args.format) {
        (Some(id), Format::Human) => {
            let rule = find_policy_rule(&policy, id)?;
            render_page(&explain_rule(&policy, rule), output_width())
        }
        (Some(id), Format::Json) => {
            let rule = find_policy_rule(&policy, id)?;
            let page = rule_page(&rule.id);
            to_pretty_json(&rules_document(vec![PolicyRuleV1::new(rule, page)]))?
        }
        (None, Format::Human) => rules_table(&policy, output_width()),
        (None, Format::Json) => to_pretty_json(&rules_document(
            policy
                .rules
                .iter()
                .map(|rule| PolicyRuleV1::new(rule, None))
                .collect(),
        ))?,
    };
    Ok(CommandOutput {
        data,
        messages: Vec::new(),
        exit: ExitStatus::Clean,
    })
}

/// The rule of a policy with this id.
///
/// # Errors
/// When the policy does not have it.
pub(super) fn find_policy_rule<'a>(
    policy: &'a Policy,
    id: &str,
) -> Result<&'a PolicyRule, CliError> {
    if let Some(rule) = policy.rule_by_id(id) {
        return Ok(rule);
    }
    let known = policy.rules.iter().map(|rule| rule.id.as_str());
    let preset = preset_policies().find(|preset| preset.rule_by_id(id).is_some());
    let presets = PRESETS.iter().map(|preset| preset.name);
    Err(CliError::UnknownRule {
        policy: sanitize_text(&policy.name),
        id: sanitize_text(id),
        near: nearest_word(id, known).map(str::to_owned),
        preset: preset.and_then(|found| presets.into_iter().find(|name| *name == found.name)),
    })
}

fn preset_policies() -> impl Iterator<Item = Policy> {
    PRESETS
        .iter()
        .filter_map(|preset| parse_policy(preset.name, preset.text).ok())
        .map(|loaded| loaded.policy)
}

/// The page about a rule. If the page is about another rule of the same id, or there is none, the
/// rule itself is shown first.
fn explain_rule(policy: &Policy, rule: &PolicyRule) -> String {
    match rule_page(&rule.id) {
        Some(page) if matches_preset(rule) => page.to_owned(),
        Some(page) => format!("{}{page}", render_custom_rule(policy, rule)),
        None => render_custom_rule(policy, rule),
    }
}

/// Whether the rule is the same as in the first preset that has a rule of this id. The pages are
/// about those rules.
fn matches_preset(rule: &PolicyRule) -> bool {
    let preset_rule = preset_policies().find_map(|policy| policy.rule_by_id(&rule.id).cloned());
    preset_rule.is_some_and(|preset_rule| *preset_rule == *rule)
}

/// A rule as YAML, under a heading.
fn render_custom_rule(policy: &Policy, rule: &PolicyRule) -> String {
    let single_rule = Policy {
        name: policy.name.clone(),
        rules: vec![rule.clone().into()],
        ..Policy::default()
    };
    let rendered = render_policy(&single_rule);
    let (_, yaml) = rendered
        .split_once("rules:\n")
        .unwrap_or((&rendered, &rendered));
    let id = &rule.id;
    let policy_name = sanitize_text(&policy.name);
    format!("# {id} in the policy `{policy_name}`\n\n```yaml\n{yaml}```\n\n")
}

fn rule_page(id: &str) -> Option<&'static str> {
    RULE_PAGES
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, page)| *page)
}

const fn rules_document(rules: Vec<PolicyRuleV1<'_>>) -> RulesV1<'_> {
    RulesV1 { version: 1, rules }
}

impl<'a> PolicyRuleV1<'a> {
    fn new(rule: &'a PolicyRule, page: Option<&'static str>) -> Self {
        Self {
            id: &rule.id,
            forbids: &rule.forbids,
            severity: rule.severity.to_string(),
            action: rule.action.to_string(),
            references: &rule.references,
            page,
        }
    }
}

fn rules_table(policy: &Policy, width: usize) -> String {
    let columns = [
        Column::fixed("severity"),
        Column::fixed("rule"),
        Column::fixed("action"),
        Column::flexible("references", 10),
        Column::flexible("forbids", 24),
    ];
    let rows: Vec<_> = policy.rules.iter().map(|rule| rule_row(rule)).collect();
    let widths = ColumnWidths::fit_or_shrink(&columns, &rows, width);
    let mut text = format_fitted_table(&columns, &rows, &widths);
    text.push_str("\n`portcullis rules ID` explains a rule.\n");
    text
}

fn rule_row(rule: &PolicyRule) -> FittedRow {
    let references = if rule.references.is_empty() {
        EMPTY_CELL.to_owned()
    } else {
        sanitize_text(&rule.references.join(", "))
    };
    let cells = [
        rule.severity.to_string(),
        rule.id.clone(),
        rule.action.to_string(),
        references,
        sanitize_text(&rule.forbids),
    ];
    FittedRow {
        style: RowStyle::Severity(rule.severity),
        cells: cells.into_iter().map(|cell| vec![cell]).collect(),
    }
}
