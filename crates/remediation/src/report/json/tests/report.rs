//! The JSON of the report about a group.

use portcullis_rules::plan::{RefusalReason, SkipReason};
use portcullis_rules::{Action, Severity};
use serde_json::{Value, json};

use super::schema::{PublishedSchema, document_key_paths};
use crate::event::Origin;
use crate::report::json::{
    FindingV1, ReportV1, SummaryV1, escaped_len, serialize_json, to_json, to_json_within,
};
use crate::report::{GroupOutcome, GroupReport, samples};
use crate::services::ErrorKind;

fn published_schema() -> PublishedSchema {
    PublishedSchema::parse(include_str!(
        "../../../../../../schemas/report.v1.schema.json"
    ))
}

fn parsed_json(report: &GroupReport) -> Value {
    serde_json::from_str(&to_json(report)).unwrap()
}

/// A report in which every key has a value somewhere and no list is empty.
fn rich_report() -> GroupReport {
    let mut report = samples::incomplete_report();
    let lost_access = samples::lost_access_report();
    report.rules.extend(samples::refused_report().rules);
    report.rules.extend(lost_access.rules);
    report.rules.extend(samples::withdrawn_report().rules);
    report.skipped_additions = lost_access.skipped_additions;
    report.rules[0].findings[0].exempted_by = Some("an-exception".to_owned());
    report.unverified = samples::unverified_report().unverified;
    let closed = samples::closed_report();
    report.closed_at = closed.closed_at;
    report.policy = closed.policy;
    report.unresolved_prefix_lists.insert("pl-1".to_owned());
    report.expired_exceptions.insert("expired".to_owned());
    report.origin.actor.invoked_by = Some("cloudformation.amazonaws.com".to_owned());
    report
}

/// A report with as many unknown values as possible.
fn poor_report() -> GroupReport {
    GroupReport {
        group: portcullis_rules::SecurityGroup::default(),
        origin: Origin::default(),
        interfaces: None,
        ..samples::refused_report()
    }
}

#[test]
fn whole_reports() {
    for (name, report) in [
        ("closed", samples::closed_report()),
        ("not_closed", samples::incomplete_report()),
        ("narrowed", samples::narrowed_report()),
        ("lost_access", samples::lost_access_report()),
        ("withdrawn", samples::withdrawn_report()),
    ] {
        let json = serde_json::to_string_pretty(&ReportV1::new(&report)).unwrap();
        insta::assert_snapshot!(name, json);
    }
}

#[test]
fn unknown_values_are_null_and_never_absent() {
    let poor = parsed_json(&poor_report());
    let rich = parsed_json(&rich_report());
    for part in [
        "",
        "/event",
        "/event/actor",
        "/group",
        "/counts",
        "/rules/0",
    ] {
        let keys = |value: &Value| {
            let object = value.pointer(part).unwrap().as_object().unwrap();
            object.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&poor), keys(&rich), "{part}");
    }
    assert_eq!(poor["group"]["id"], Value::Null);
    assert_eq!(poor["event"]["time"], Value::Null);
    assert_eq!(poor["rules"][0]["error"], Value::Null);
    assert_eq!(poor["order"], Value::Null);
}

#[test]
fn a_finding_is_as_an_audit_prints_it() {
    let report = samples::single_rule_report();
    let finding = FindingV1::new(&report.group, &report.rules[0].findings[0]);
    let expected = concat!(
        r#"{"group_id":"sg-0123456789abcdef0","group_name":"web","vpc_id":"vpc-0a1b2c3d","#,
        r#""security_group_rule_id":"sgr-00000000000000001","protocol":"tcp","from_port":22,"#,
        r#""to_port":22,"source":"0.0.0.0/0","rule":"restricted-common-ports","#,
        r#""severity":"high","action":"revoke","references":["HIPAA"],"#,
        r#""offending_ports":"22","exempt":null}"#,
    );
    assert_eq!(serialize_json(&finding), expected);
}

#[test]
fn each_rule_says_how_it_ended_and_why() {
    let report = parsed_json(&samples::incomplete_report());
    let failed = &report["rules"][0];
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["code"], "denied");
    assert_eq!(failed["message"], ErrorKind::Denied.message());
    assert_eq!(failed["error"]["operation"], "RevokeSecurityGroupIngress");
    assert_eq!(failed["action"], "revoke");
    let refused = &parsed_json(&samples::refused_report())["rules"][0];
    assert_eq!(refused["status"], "refused");
    assert_eq!(refused["code"], "foreign-group");
    assert_eq!(refused["message"], RefusalReason::ForeignGroup.message());
    assert_eq!(refused["error"], Value::Null);
    assert_eq!(refused["policy_rules"], json!(["restricted-common-ports"]));
}

#[test]
fn the_counts_are_those_of_the_rules() {
    let counts = &parsed_json(&samples::incomplete_report())["counts"];
    for (key, count) in [
        ("rules", 4),
        ("removed", 2),
        ("failures", 2),
        ("refusals", 0),
        ("remaining", 3),
    ] {
        assert_eq!(counts[key], count, "{key}");
    }
    let refused = &parsed_json(&samples::removal_limit_report())["counts"];
    assert_eq!(refused["refusals"], refused["remaining"]);
    assert_eq!(refused["removed"], 0);
}

#[test]
fn a_summary_is_small_and_has_the_outcome_of_most_concern() {
    let reports = [
        samples::closed_report(),
        samples::incomplete_report(),
        samples::group_deleted_report(),
    ];
    let summary = json!(SummaryV1::new(Some("e-1"), &reports));
    assert_eq!(summary["outcome"], "not-closed");
    assert_eq!(summary["groups"][0]["counts"]["removed"], 4);
    assert_eq!(summary["groups"][2]["id"], Value::Null);
    assert_eq!(
        json!(SummaryV1::new(None, &[])),
        json!({"version": 1, "outcome": null, "event_id": null, "groups": []})
    );
}

#[test]
fn monitor_mode_has_nothing_to_undo() {
    for report in [samples::monitor_report(), samples::would_narrow_report()] {
        let undo = &parsed_json(&report)["undo"];
        assert_eq!(*undo, json!({"restore": [], "remove": []}));
    }
    let would_narrow = parsed_json(&samples::would_narrow_report());
    assert!(would_narrow["counts"]["added"].as_u64() > Some(1));
}

#[test]
fn an_undo_restores_what_was_removed_and_removes_what_was_added() {
    let undo = &parsed_json(&samples::narrowed_report())["undo"];
    assert_eq!(undo["restore"].as_array().unwrap().len(), 1);
    let remove = undo["remove"].as_array().unwrap();
    assert_eq!(remove.len(), 2);
    for (command, port) in remove.iter().zip([80, 443]) {
        let command = command.as_str().unwrap();
        assert!(command.starts_with("aws ec2 revoke-security-group-ingress "));
        assert!(command.contains(&format!(r#""FromPort":{port},"ToPort":{port}"#)));
    }
}

#[test]
fn an_undo_skips_replacements_that_were_removed_again() {
    let mut report = samples::narrowed_report();
    let addition = report.rules[0].replacements.pop().unwrap();
    let mut removed_again = report.rules[0].clone();
    removed_again.rule = addition.ingress;
    removed_again.is_replacement = true;
    removed_again.replacements.clear();
    report.rules.push(removed_again);
    let document = parsed_json(&report);
    assert_eq!(document["counts"]["removed"], 2);
    assert_eq!(document["undo"]["restore"].as_array().unwrap().len(), 1);
    assert_eq!(document["undo"]["remove"].as_array().unwrap().len(), 1);
}

#[test]
fn the_escaped_length_is_that_of_the_serializer() {
    for text in [
        "",
        "a\"b\\c\nd\te\u{1}\u{1b}\u{8}\u{c}\r é 🦀 \u{7f}\u{2028}/",
    ] {
        let serialized = serde_json::to_string(text).unwrap();
        assert_eq!(escaped_len(text), serialized.len());
    }
}

#[test]
fn a_shortened_report_says_so_and_keeps_its_counts() {
    let report = samples::huge_report();
    let whole = parsed_json(&report);
    let shortened: Value = serde_json::from_str(&to_json_within(&report, 150_000)).unwrap();
    assert_eq!(whole["truncated"], false);
    assert_eq!(shortened["truncated"], true);
    assert_eq!(whole["counts"], shortened["counts"]);
    assert!(shortened["rules"].as_array().unwrap().len() > 1);
    assert!(escaped_len(&shortened.to_string()) <= 150_000);
    let smallest: Value = serde_json::from_str(&to_json_within(&report, 0)).unwrap();
    assert_eq!(smallest["rules"], json!([]));
}

#[test]
fn the_schema_has_every_key_of_a_report_and_no_other() {
    // The keys of tags are data.
    assert_eq!(
        document_key_paths(&parsed_json(&rich_report()), &["tags"]),
        published_schema().key_paths()
    );
}

#[test]
fn every_report_is_valid() {
    let schema = published_schema();
    for report in [
        poor_report(),
        rich_report(),
        samples::single_rule_report(),
        samples::closed_report(),
        samples::monitor_report(),
        samples::already_gone_report(),
        samples::withdrawn_report(),
        samples::group_deleted_report(),
        samples::unverified_report(),
        samples::exempt_report(),
        samples::lost_access_report(),
        samples::mixed_remedies_report(),
        samples::huge_report(),
    ] {
        let document = parsed_json(&report);
        assert_eq!(schema.validation_errors(&document), [""; 0]);
    }
}

#[test]
fn an_unknown_key_or_code_is_not_valid() {
    let schema = published_schema();
    let valid = parsed_json(&samples::narrowed_report());
    for (pointer, key) in [("", "extra"), ("/rules/0", "extra"), ("/rules/0", "status")] {
        let mut document = valid.clone();
        let object = document.pointer_mut(pointer).unwrap();
        object[key] = json!("unknown");
        assert_eq!(schema.validation_errors(&document).len(), 1, "{pointer}");
    }
}

#[test]
fn the_schema_has_every_code() {
    let schema = published_schema();
    let outcomes = json!(GroupOutcome::ALL.map(GroupOutcome::as_str));
    assert_eq!(schema.subschema("/properties/outcome/enum"), &outcomes);
    let kinds = ErrorKind::ALL.map(ErrorKind::code);
    assert_eq!(schema.subschema("/$defs/error_kind/enum"), &json!(kinds));
    let refusals = RefusalReason::ALL.map(RefusalReason::code);
    let codes: Vec<_> = refusals.into_iter().chain(kinds).map(Some).collect();
    let codes: Vec<_> = codes.into_iter().chain([None]).collect();
    assert_eq!(
        schema.subschema("/$defs/rule_outcome/properties/code/enum"),
        &json!(codes)
    );
    let skips = SkipReason::ALL.map(SkipReason::code);
    assert_eq!(
        schema.subschema("/$defs/skipped_addition/properties/code/enum"),
        &json!(skips)
    );
    let severities = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    assert_eq!(
        schema.subschema("/$defs/severity/enum"),
        &json!(severities.map(|severity| severity.to_string()))
    );
    let actions = [
        Action::Notify,
        Action::Narrow,
        Action::Restrict,
        Action::Revoke,
    ]
    .map(|action| action.to_string());
    assert_eq!(
        schema.subschema("/$defs/finding/properties/action/enum"),
        &json!(actions)
    );
}
