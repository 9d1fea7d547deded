//! Documentation, presets, JSON Schema and examples are consistent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::common::{portcullis, project};
use portcullis_cli::rule_pages::RULE_PAGES;
use portcullis_policy::{PRESETS, lint_policy, parse_policy, render_policy};
use portcullis_rules::plan::{RefusalReason, SkipReason};
use portcullis_rules::{Context, Policy, PolicyRule, PrefixLists, SecurityGroup, evaluate};
use serde_json::Value;

/// The rules of all presets, each with the first preset that has it.
fn preset_rules() -> Vec<(&'static str, PolicyRule)> {
    let mut rules: Vec<(&'static str, PolicyRule)> = Vec::new();
    for preset in PRESETS {
        for rule in parse_policy(preset.name, preset.text).unwrap().policy.rules {
            if !rules.iter().any(|(_, known)| known.id == rule.id) {
                rules.push((preset.name, (*rule).clone()));
            }
        }
    }
    rules
}

fn rule_page(id: &str) -> &'static str {
    RULE_PAGES
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, page)| *page)
        .unwrap()
}

/// The names of the files in a folder with this suffix, without the suffix.
fn file_names(folder: &str, suffix: &str) -> BTreeSet<String> {
    let names = fs::read_dir(project(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| name.strip_suffix(suffix).map(str::to_owned))
        .collect()
}

/// The code blocks of a page in this language.
fn code_blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn rules_and_pages_match() {
    let rules: BTreeSet<_> = preset_rules()
        .into_iter()
        .map(|(_, rule)| rule.id)
        .collect();
    let pages: BTreeSet<_> = RULE_PAGES.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(rules, pages);
    assert_eq!(file_names("docs/rules", ".md"), pages);
}

#[test]
fn pages_match_the_preset_rules() {
    for (_, rule) in preset_rules() {
        let page = rule_page(&rule.id);
        assert!(page.starts_with(&format!("# {}\n", rule.id)), "{}", rule.id);
        assert!(
            page.contains(&format!(
                "Severity: {} · action: {}",
                rule.severity, rule.action
            )),
            "{}",
            rule.id
        );
        for reference in &rule.references {
            assert!(page.contains(reference), "{}: {reference}", rule.id);
        }
        let mut headings = page.lines().filter(|line| line.starts_with("## "));
        for heading in [
            "## What",
            "## Why",
            "## Example",
            "## Where published checks disagree",
            "## Remediation",
            "## Exceptions",
        ] {
            assert!(
                headings.any(|line| line.starts_with(heading)),
                "{}: {heading}",
                rule.id
            );
        }
        for heading in [
            "### Console",
            "### AWS CLI",
            "### CloudFormation",
            "### Terraform",
        ] {
            assert!(
                page.lines().any(|line| line == heading),
                "{}: {heading}",
                rule.id
            );
        }
    }
}

#[test]
fn pages_list_the_ports_of_their_rules() {
    let databases = [
        1433, 1521, 3306, 5432, 5984, 6379, 7000, 7001, 9042, 9200, 9300, 11211, 27017, 27018,
        27019,
    ];
    for (id, ports) in [
        (
            "restricted-common-ports",
            portcullis_rules::baseline::RESTRICTED_COMMON_PORTS.as_slice(),
        ),
        (
            "high-risk-ports",
            portcullis_rules::baseline::HIGH_RISK_PORTS.as_slice(),
        ),
        (
            "uncommon-ports",
            portcullis_rules::baseline::COMMON_SERVICE_PORTS.as_slice(),
        ),
        ("databases", &databases),
        ("web-only", &[80, 443]),
    ] {
        let numbers: Vec<_> = rule_page(id).split(|c: char| !c.is_ascii_digit()).collect();
        for port in ports {
            assert!(numbers.contains(&port.to_string().as_str()), "{id}: {port}");
        }
    }
}

/// Whether a policy forbids a port that is open to the world.
fn forbids_port(policy: &Policy, protocol: &str, port: u16) -> bool {
    let line = format!("{protocol} {port} 0.0.0.0/0");
    let group = SecurityGroup {
        rules: vec![line.parse().unwrap()],
        ..SecurityGroup::default()
    };
    let evaluation = evaluate(policy, &group, &PrefixLists::empty(), &Context::default());
    evaluation.findings.iter().any(|finding| {
        let allowed = evaluation.open_and_allowed.get(&finding.index);
        allowed.is_none()
    })
}

fn preset(name: &str) -> Policy {
    let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
    parse_policy(preset.name, preset.text).unwrap().policy
}

#[test]
fn pages_say_which_ports_no_rule_forbids() {
    let baseline = preset("baseline");
    for protocol in ["tcp", "udp"] {
        let allowed: Vec<_> = (0..=u16::MAX)
            .filter(|port| !forbids_port(&baseline, protocol, *port))
            .collect();
        assert_eq!(allowed, [25, 53, 80, 443, 465, 587], "{protocol}");
    }
    for id in [
        "restricted-common-ports",
        "high-risk-ports",
        "uncommon-ports",
    ] {
        let page: Vec<_> = rule_page(id).split_whitespace().collect();
        let sentence = "no rule of the baseline forbids TCP or UDP ports 25, 53, 80, 443, 465 and \
                        587 in rules of one port, or ICMP and ICMPv6";
        assert!(page.join(" ").contains(sentence), "{id}");
    }
}

/// The pages say how the presets differ from these controls of Security Hub.
#[test]
fn presets_differ_from_security_hub_as_the_pages_say() {
    let high_risk = [
        20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432,
        5500, 5601, 8080, 8088, 8888, 9200, 9300,
    ];
    let (baseline, web_only) = (preset("baseline"), preset("web-only"));
    let passing = |policy: &Policy| -> Vec<u16> {
        let ports = high_risk.into_iter();
        ports
            .filter(|port| !forbids_port(policy, "tcp", *port))
            .collect()
    };
    assert_eq!((passing(&baseline), passing(&web_only)), (vec![25], vec![]));
    for port in 0..=u16::MAX {
        let is_authorized = [80, 443].contains(&port);
        assert_eq!(forbids_port(&web_only, "tcp", port), !is_authorized);
        assert!(forbids_port(&web_only, "udp", port));
    }
}

/// Each check in the schema is used by a preset rule. Other tests require the rule to have a page
/// and an example.
#[test]
fn checks_in_the_schema_match_the_presets() {
    let schema: Value = serde_json::from_str(&portcullis(&["policy", "schema"]).stdout).unwrap();
    let words = |schema: &Value, key: &str| -> BTreeSet<String> {
        let words = schema["properties"][key]["oneOf"].as_array().unwrap();
        words
            .iter()
            .map(|word| word["const"].as_str().unwrap().to_owned())
            .collect()
    };
    let rule = &schema["properties"]["rules"]["anyOf"][0]["items"];
    let checks = words(rule, "check");
    let used: BTreeSet<_> = preset_rules()
        .into_iter()
        .map(|(_, rule)| {
            let shown = render_policy(&Policy {
                rules: vec![rule.into()],
                ..Policy::default()
            });
            let line = shown
                .lines()
                .find_map(|line| line.trim().strip_prefix("check: "))
                .unwrap();
            line.to_owned()
        })
        .collect();
    assert_eq!(checks, used);
    let presets = words(&schema, "extends");
    assert_eq!(
        presets,
        PRESETS
            .iter()
            .map(|preset| preset.name.to_owned())
            .collect()
    );
    let actions = words(rule, "action");
    let page = fs::read_to_string(project("docs/policy.md")).unwrap();
    for word in actions.iter().chain(&presets) {
        assert!(
            page.contains(&format!("`{word}`")),
            "docs/policy.md: {word}"
        );
    }
}

#[test]
fn every_rule_has_an_example() {
    let mut tests = String::new();
    for name in file_names("docs/examples", ".test.yaml") {
        tests += &fs::read_to_string(project("docs/examples").join(format!("{name}.test.yaml")))
            .unwrap();
    }
    let words: BTreeSet<_> = tests
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    for (_, rule) in preset_rules() {
        assert!(
            words.contains(rule.id.as_str()),
            "no example expects a finding of {}",
            rule.id
        );
    }
}

#[test]
fn examples_are_valid_and_pass_their_tests() {
    let tests = file_names("docs/examples", ".test.yaml");
    assert!(tests.len() >= 6, "the examples must not shrink: {tests:?}");
    for name in &tests {
        let path = project("docs/examples").join(format!("{name}.test.yaml"));
        let run = portcullis(&["policy", "test", path.to_str().unwrap()]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    }
    for name in file_names("docs/examples", ".yaml")
        .iter()
        .filter(|name| !name.contains('.'))
    {
        assert!(tests.contains(name), "{name} has no test");
        let path = project("docs/examples").join(format!("{name}.yaml"));
        let args = [
            "policy",
            "check",
            path.to_str().unwrap(),
            "--strict",
            "--now",
            "2026-11-21T00:00:00Z",
        ];
        let run = portcullis(&args);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    }
    for preset in PRESETS {
        assert!(tests.contains(preset.name), "{} has no test", preset.name);
    }
}

/// The recipes are valid and warned about only where they say so.
#[test]
fn recipes_for_adopting_portcullis_are_valid() {
    let page = fs::read_to_string(project("docs/adopt.md")).unwrap();
    let (_, recipes) = page.split_once("\n## Recipes\n").unwrap();
    let now = "2026-11-21T00:00:00Z".parse().unwrap();
    let mut accepted = 0;
    let blocks = code_blocks(recipes, "yaml");
    for block in &blocks {
        let loaded = parse_policy("recipe.yaml", block).unwrap_or_else(|wrong| panic!("{wrong}"));
        let warnings = lint_policy(&loaded, now);
        assert!(warnings.is_empty(), "{warnings}");
        let unaccepted = block.replace("# accept:", "#");
        let loaded = parse_policy("recipe.yaml", &unaccepted).unwrap();
        let warnings = lint_policy(&loaded, now).to_string();
        accepted += usize::from(warnings.contains("self-granted"));
    }
    assert_eq!((blocks.len(), accepted), (3, 1));
}

/// The page shows `edge.yaml` itself, its fragments are valid, and its tests pass.
#[test]
fn policies_on_pages_are_valid_and_pass_their_tests() {
    let page = fs::read_to_string(project("docs/policy.md")).unwrap();
    let example = fs::read_to_string(project("docs/examples/edge.yaml")).unwrap();
    let (mut policies, mut test_files, mut fragments) = (0, 0, 0);
    for block in code_blocks(&page, "yaml") {
        if block.contains("\ncases:\n") {
            test_files += 1;
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("edge.yaml"), &example).unwrap();
            let path = folder.path().join("page.test.yaml");
            fs::write(&path, &block).unwrap();
            let run = portcullis(&["policy", "test", path.to_str().unwrap()]);
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        } else if block.starts_with("version:") {
            policies += 1;
            assert!(
                example.ends_with(&block),
                "the page and docs/examples/edge.yaml differ"
            );
        } else {
            fragments += 1;
            let text = format!("version: 1\nextends: baseline\n{block}");
            let loaded = parse_policy("page.yaml", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
            let warnings = lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap());
            assert!(warnings.is_empty(), "{warnings}");
        }
    }
    assert_eq!((policies, test_files, fragments), (1, 1, 3));
    let readme = fs::read_to_string(project("README.md")).unwrap();
    for block in code_blocks(&readme, "yaml")
        .iter()
        .filter(|block| block.starts_with("version:"))
    {
        let loaded = parse_policy("readme.yaml", block).unwrap_or_else(|wrong| panic!("{wrong}"));
        let warnings = lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap());
        assert!(warnings.is_empty(), "{warnings}");
    }
    for block in code_blocks(&page, "json") {
        serde_json::from_str::<Value>(&block).unwrap();
    }
    let codes = RefusalReason::ALL.map(RefusalReason::code);
    let skip_codes = SkipReason::ALL.map(SkipReason::code);
    for code in codes.iter().chain(&skip_codes) {
        assert!(
            page.contains(&format!("| `{code}` |")),
            "docs/policy.md: {code}"
        );
    }
}

/// The exception on the page of a rule exempts what the rule forbids in the group of the page, and
/// nothing in other groups.
#[test]
fn exceptions_on_pages_exempt_their_rule() {
    let mut violations: BTreeMap<&str, &str> = BTreeMap::from([
        ("all-traffic", "all - 0.0.0.0/0"),
        ("restricted-common-ports", "tcp 22 0.0.0.0/0"),
        ("high-risk-ports", "tcp 5432 0.0.0.0/0"),
        ("uncommon-ports", "tcp 8040 ::/0"),
        ("port-range", "tcp 50000-50100 0.0.0.0/0"),
        ("port-range-internal", "tcp 40000-40100 10.20.3.0/24"),
        ("broad-source", "tcp 443 52.0.0.0/8"),
        ("other-protocols", "50 - 0.0.0.0/0"),
        ("web-only", "tcp 8443 0.0.0.0/0"),
        ("databases", "tcp 5432 0.0.0.0/0"),
    ]);
    for (preset, rule) in preset_rules() {
        let line = violations
            .remove(rule.id.as_str())
            .unwrap_or_else(|| panic!("no violation of {}", rule.id));
        let (_, except) = rule_page(&rule.id).split_once("## Exceptions\n").unwrap();
        let [block] = code_blocks(except, "yaml").try_into().unwrap();
        let text = format!("version: 1\nextends: {preset}\n{block}");
        let loaded =
            parse_policy("page.yaml", &text).unwrap_or_else(|wrong| panic!("{}: {wrong}", rule.id));
        let warnings = lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap());
        assert!(warnings.is_empty(), "{}: {warnings}", rule.id);
        let is_exempt = |id: &str, vpc: &str| {
            let group = SecurityGroup {
                id: id.to_owned(),
                vpc_id: Some(vpc.to_owned()),
                rules: vec![line.parse().unwrap()],
                ..SecurityGroup::default()
            };
            let context = Context {
                now: "2026-11-21T00:00:00Z".parse().ok(),
                ..Context::default()
            };
            let evaluation = evaluate(&loaded.policy, &group, &PrefixLists::empty(), &context);
            let finding = evaluation
                .findings
                .into_iter()
                .find(|finding| finding.policy_rule.id == rule.id)
                .unwrap();
            finding.exempted_by.is_some()
        };
        assert!(
            is_exempt("sg-0123456789abcdef0", "vpc-0123456789abcdef0"),
            "{}",
            rule.id
        );
        assert!(
            !is_exempt("sg-0fedcba9876543210", "vpc-0fedcba9876543210"),
            "{}",
            rule.id
        );
    }
    assert!(violations.is_empty(), "{violations:?}");
}
