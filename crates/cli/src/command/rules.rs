//! `portcullis rules`: the rules of the built-in policy, and a page about each.

use std::fmt::Write as _;

use portcullis_rules::Rule;
use portcullis_rules::baseline::baseline;
use serde::Serialize;

use crate::args::{Format, RulesArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{BOLD, Done, json, table};

macro_rules! pages {
    ($($id:literal),+ $(,)?) => {
        [$(($id, include_str!(concat!("../../../../docs/rules/", $id, ".md")))),+]
    };
}

/// A page for each rule of the built-in policy, in its order.
pub const PAGES: [(&str, &str); 7] = pages![
    "all-traffic",
    "restricted-common-ports",
    "uncommon-ports",
    "port-range",
    "port-range-internal",
    "broad-source",
    "other-protocols",
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
/// When the list cannot be put into JSON.
pub fn run(args: &RulesArgs) -> Result<Done, CliError> {
    let policy = baseline();
    let asked = |rule: &&Rule| args.id.as_ref().is_none_or(|id| rule.id == *id);
    let rules: Vec<&Rule> = policy.rules.iter().map(AsRef::as_ref).filter(asked).collect();
    let page = args.id.as_deref().and_then(page);
    let data = match (args.format, page) {
        (Format::Json, page) => {
            let rules = rules.into_iter().map(|rule| wire(rule, page)).collect();
            json(&RulesV1 { version: 1, rules })?
        }
        (Format::Human, Some(page)) => style_headings(page),
        (Format::Human, None) => list(&rules),
    };
    let (talk, exit) = (Vec::new(), Exit::Clean);
    Ok(Done { data, talk, exit })
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

fn list(rules: &[&Rule]) -> String {
    let rows = rules.iter().map(|rule| {
        let references = if rule.references.is_empty() { "-".to_owned() } else { rule.references.join(", ") };
        let (severity, action) = (rule.severity.to_string(), rule.action.to_string());
        (rule.severity, [severity, rule.id.clone(), action, references, rule.forbids.clone()])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_page_and_every_page_a_rule() {
        let rules: Vec<_> = baseline().rules.iter().map(|rule| rule.id.clone()).collect();
        assert_eq!(rules, PAGES.map(|(id, _)| id));
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort_unstable();
        let mut expected: Vec<_> = rules.iter().map(|id| format!("{id}.md")).collect();
        expected.sort_unstable();
        assert_eq!(files, expected);
    }

    #[test]
    fn a_page_says_what_the_registry_says() {
        for rule in baseline().rules {
            let page = page(&rule.id).unwrap();
            assert!(page.starts_with(&format!("# {}\n", rule.id)), "{}", rule.id);
            assert!(page.contains(&format!("Severity: {} · action: {}", rule.severity, rule.action)), "{}", rule.id);
            for reference in &rule.references {
                assert!(page.contains(reference), "{}: {reference}", rule.id);
            }
            let mut headings = page.lines().filter(|line| line.starts_with("## "));
            for heading in
                ["## What", "## Why", "## Example", "## Where published checks disagree", "## Fix", "## Except"]
            {
                assert!(headings.any(|line| line.starts_with(heading)), "{}: {heading}", rule.id);
            }
            for heading in ["### Console", "### AWS CLI", "### CloudFormation", "### Terraform"] {
                assert!(page.lines().any(|line| line == heading), "{}: {heading}", rule.id);
            }
        }
    }

    #[test]
    fn a_page_names_every_port_its_rule_names() {
        use portcullis_rules::baseline::{COMMON_SERVICE_PORTS, RESTRICTED_COMMON_PORTS};
        for (id, ports) in [
            ("restricted-common-ports", RESTRICTED_COMMON_PORTS.as_slice()),
            ("uncommon-ports", COMMON_SERVICE_PORTS.as_slice()),
        ] {
            let page = page(id).unwrap();
            let numbers: Vec<_> = page.split(|c: char| !c.is_ascii_digit()).collect();
            for port in ports {
                assert!(numbers.contains(&port.to_string().as_str()), "{id}: {port}");
            }
        }
    }
}
