//! What `portcullis audit` shows: tables for each width, filters, groupings, and what is new.

use crate::common::{Folder, Run, finish};
use serde_json::{Value, json};

pub(crate) const OPENINGS: &str = include_str!("inputs/openings.json");
pub(crate) const POLICY: &str = include_str!("inputs/openings.yaml");

pub(crate) const AUDIT: &str =
    "audit --input openings.json --policy openings.yaml --now 2026-09-27T12:00:00Z";

pub(crate) fn folder() -> Folder {
    Folder::new()
        .with("openings.json", OPENINGS)
        .with("openings.yaml", POLICY)
}

fn run_at_width(folder: &Folder, args: &str, width: usize) -> Run {
    let mut command = folder.command(args);
    command.env("COLUMNS", width.to_string());
    let run = finish(command, b"");
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= width, "{line}");
    }
    run
}

/// The values of a key of all findings.
fn values(audit: &Value, key: &str) -> Vec<String> {
    let findings = audit["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding[key].as_str().unwrap_or("null").to_owned())
        .collect()
}

fn count_findings(audit: &Value) -> usize {
    audit["findings"].as_array().unwrap().len()
}

#[test]
fn tables_fit_the_terminal() {
    let folder = folder();
    for width in [60, 80, 120, 200] {
        let run = run_at_width(&folder, AUDIT, width);
        insta::assert_snapshot!(format!("audit_{width}"), run.text());
    }
    let piped = folder.run(AUDIT).stdout;
    assert_eq!(piped, run_at_width(&folder, AUDIT, 80).stdout);
}

#[test]
fn findings_are_grouped() {
    let folder = folder();
    for key in ["group", "owner", "rule", "region"] {
        let run = run_at_width(&folder, &format!("{AUDIT} --group-by {key}"), 80);
        insta::assert_snapshot!(format!("grouped_by_{key}"), run.stdout);
        let json = folder.run(&format!("{AUDIT} --group-by {key} --format json"));
        let grouped = &json.json()["grouped"];
        assert_eq!(grouped["by"], key);
        insta::assert_json_snapshot!(format!("grouped_by_{key}_json"), grouped);
    }
}

/// Whether a finding is shown.
type Predicate = fn(&Value) -> bool;

#[test]
fn filters_hide_findings_and_keep_the_exit_code() {
    let folder = folder();
    let all = folder.run(&format!("{AUDIT} --format json")).json();
    let cases: [(&str, Predicate); 6] = [
        ("--severity low", |_| true),
        ("--severity high", |it| {
            it["severity"] == "high" || it["severity"] == "critical"
        }),
        ("--severity critical", |it| it["severity"] == "critical"),
        ("--rule port-range,all-traffic", |it| {
            it["rule"] == "port-range" || it["rule"] == "all-traffic"
        }),
        ("--enforced", |it| {
            it["action"] != "notify" && it["exempt"].is_null()
        }),
        ("--enforced --severity high --rule high-risk-ports", |it| {
            it["rule"] == "high-risk-ports" && it["exempt"].is_null()
        }),
    ];
    for (filter, is_shown) in cases {
        let run = folder.run(&format!("{AUDIT} --format json {filter}"));
        let shown = run.json();
        let expected = all["findings"].as_array().unwrap().iter();
        let expected: Vec<_> = expected.filter(|it| is_shown(it)).collect();
        let findings = shown["findings"].as_array().unwrap().iter();
        assert_eq!(findings.collect::<Vec<_>>(), expected, "{filter}");
        let hidden = shown["filter"]["hidden"].as_u64().unwrap();
        let hidden = usize::try_from(hidden).unwrap();
        let total = hidden.saturating_add(expected.len());
        assert_eq!(total, count_findings(&all), "{filter}");
        assert_eq!(shown["open_and_allowed"], all["open_and_allowed"]);
        assert_eq!(run.code, 1, "{filter}");
    }
    assert_eq!(all["filter"], Value::Null);
    let none = folder.run(&format!(
        "{AUDIT} --rule other-protocols --severity critical"
    ));
    assert_eq!(none.code, 1, "the findings are hidden, not gone");
    assert!(none.stdout.contains("hidden by the filter"), "{none:?}");
}

#[test]
fn every_audit_says_what_is_open_and_allowed() {
    let folder = folder();
    let json = folder.run(&format!("{AUDIT} --format json")).json();
    insta::assert_json_snapshot!("open_and_allowed", json["open_and_allowed"]);
    let none = folder.with("none.json", r#"{"SecurityGroups": []}"#);
    let run = none.run("audit --input none.json");
    assert!(
        run.stdout.ends_with("\nopen and allowed: nothing\n"),
        "{run:?}"
    );
}

#[test]
fn rules_for_all_traffic_count_with_their_allowed_parts() {
    let policy = "version: 1\nname: few\nrules:\n  - {id: ssh, forbids: SSH, check: open-ports, \
                  protocol: tcp, ports: [22], severity: high, action: narrow}\n";
    let all = json!({"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]});
    let group = json!({"GroupId": "sg-1", "IpPermissions": [all]});
    let folder = Folder::new()
        .with("few.yaml", policy)
        .with("all.json", json!({"SecurityGroups": [group]}).to_string());
    let run = folder.run("audit --input all.json --policy few.yaml");
    let numbers = "protocol 0,2-5,7-16,18-57,59-255 x1";
    let expected = format!(
        "open and allowed: tcp 0-21 x1, tcp 23-65535 x1, udp 0-65535 x1, icmp x1, icmpv6 x1, \
         {numbers}"
    );
    let words: Vec<_> = run.stdout.split_whitespace().collect();
    assert!(words.join(" ").ends_with(&expected), "{}", run.stdout);
    let json = folder.run("audit --input all.json --policy few.yaml --format json");
    let allowed = json.json()["open_and_allowed"].clone();
    assert_eq!(allowed.as_array().unwrap().len(), 5 + 252);
}

#[test]
fn known_findings_are_hidden_and_do_not_count() {
    let folder = folder();
    let known = folder.run(&format!("{AUDIT} --format json")).stdout;
    let mut changed: Value = serde_json::from_str(&known).unwrap();
    let findings = changed["findings"].as_array_mut().unwrap();
    let removed = findings.pop().unwrap();
    let still_known = findings.len();
    findings.push(json!({
        "group_id": "sg-0gone", "security_group_rule_id": null, "protocol": "tcp",
        "from_port": 22, "to_port": 22, "source": "0.0.0.0/0", "rule": "x",
        "offending_ports": "22", "exempt": null,
    }));
    let folder = folder
        .with("known.json", &known)
        .with("changed.json", changed.to_string());
    let same = folder.run(&format!("{AUDIT} --known known.json"));
    assert_eq!((same.code, same.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("known", same.stdout);
    let strict = folder.run(&format!("{AUDIT} --known known.json --strict"));
    assert_eq!(strict.code, 0);
    let run = folder.run(&format!("{AUDIT} --known changed.json --format json"));
    let audit = run.json();
    assert_eq!(values(&audit, "rule"), [removed["rule"].as_str().unwrap()]);
    let counts = json!({"file": "`changed.json`", "hidden": still_known, "gone": 1});
    assert_eq!(audit["known"], counts);
    insta::assert_snapshot!(
        "known_and_new",
        folder.run(&format!("{AUDIT} --known changed.json")).text()
    );
}

/// A group with one TCP rule that is open to the world.
fn opening(rule_id: Option<&str>, from: u16, to: u16) -> String {
    let mut rule = json!({
        "GroupId": "sg-1", "IsEgress": false, "IpProtocol": "tcp", "FromPort": from, "ToPort": to,
        "CidrIpv4": "0.0.0.0/0",
    });
    rule["SecurityGroupRuleId"] = rule_id.into();
    json!({"SecurityGroupRules": [rule]}).to_string()
}

#[test]
fn a_rule_that_became_wider_is_new_and_one_that_became_narrower_is_not() {
    let audit = |folder: &Folder, options: &str| {
        folder.run(&format!("audit --input now.json --format json {options}"))
    };
    let known = Folder::new().with("now.json", opening(Some("sgr-1"), 8000, 8010));
    let earlier = audit(&known, "").stdout;
    for (rule_id, from, to, new) in [
        (Some("sgr-1"), 8000, 8010, 0),
        (Some("sgr-2"), 8000, 8010, 0),
        (Some("sgr-1"), 8001, 8002, 0),
        (Some("sgr-2"), 8001, 8002, 2),
        (Some("sgr-1"), 8000, 8011, 2),
        (Some("sgr-1"), 22, 22, 1),
    ] {
        let folder = Folder::new()
            .with("now.json", opening(rule_id, from, to))
            .with("known.json", &earlier);
        let run = audit(&folder, "--known known.json");
        let case = format!("{rule_id:?} {from}-{to}");
        assert_eq!(count_findings(&run.json()), new, "{case}");
        assert_eq!(run.code, i32::from(new > 0), "{case}");
    }
}

#[test]
fn a_finding_that_is_not_exempt_any_more_is_new() {
    let folder = folder();
    let known = folder.run(&format!("{AUDIT} --format json")).stdout;
    let folder = folder.with("known.json", known);
    let later = AUDIT.replace("2026-09-27", "2027-09-27");
    let run = folder.run(&format!("{later} --known known.json --format json"));
    assert_eq!(values(&run.json(), "rule"), ["restricted-common-ports"]);
    assert_eq!(run.code, 1);
}

#[test]
fn earlier_audits_that_may_lack_findings_are_reported() {
    let folder = folder();
    let filtered = folder.run(&format!("{AUDIT} --format json --severity high"));
    let folder = folder
        .with("filtered.json", &filtered.stdout)
        .with("events.json", r#"{"Records": []}"#)
        .with("version.json", r#"{"version": 2, "findings": []}"#);
    let mut transcripts = String::new();
    for file in ["filtered.json", "events.json", "version.json", "gone.json"] {
        let run = folder.run(&format!("{AUDIT} --known {file}"));
        transcripts += &run.transcript(&format!("audit --known {file}"));
    }
    insta::assert_snapshot!(transcripts);
}

#[test]
fn the_first_mistakes_get_a_tip() {
    let folder = folder();
    let mut transcripts = String::new();
    for args in [
        "audit openings.json",
        "audit --input openings.json --policy hipaa",
        "audit --input openings.json --policy web_only",
        "audit --input openings.json --rule uncommon-port",
        "audit --input openings.json --rule databases",
        "audit --input openings.json --format jsno",
        "audit --input openings.json --severity hi",
        "audit --input openings.json --group-by owners",
        "audit --input openings.json --format asff --severity high",
        "audit --input openings.json --format csv --group-by owner",
        "audit --region eu-centrl-1",
        "audit --region Frankfurt",
        "rules databases",
    ] {
        let run = folder.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args}");
        transcripts += &run.transcript(args);
    }
    insta::assert_snapshot!(transcripts);
}
