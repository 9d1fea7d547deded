//! The JSON of the report about a sweep.

use portcullis_rules::Severity;
use serde_json::{Value, json};

use super::schema::{PublishedSchema, document_key_paths};
use crate::report::json::SweepV1;
use crate::report::sweep_samples::{remediating_sweep, report_only_sweep, unfinished_sweep};
use crate::report::{GroupOutcome, SweepReport};

fn published_schema() -> PublishedSchema {
    PublishedSchema::parse(include_str!(
        "../../../../../../schemas/sweep.v1.schema.json"
    ))
}

/// A report in which nothing is null and no list is empty.
fn rich_report() -> SweepReport {
    let mut sweep = unfinished_sweep();
    sweep.worst_groups[0].error = Some("sg-0a could not be read".to_owned());
    sweep.expired_exceptions.insert("expired".to_owned());
    sweep
}

/// A report with as many unknown values as possible.
fn poor_report() -> SweepReport {
    let mut sweep = rich_report();
    (sweep.account, sweep.region) = (None, None);
    sweep.unfinished.as_mut().unwrap().token = None;
    let group = &mut sweep.worst_groups[0];
    (group.name, group.vpc_id, group.severity, group.error) = (None, None, None, None);
    sweep
}

#[test]
fn the_schema_has_every_key_of_a_sweep_and_no_other() {
    // The keys of these two maps are severities and outcomes.
    assert_eq!(
        document_key_paths(
            &json!(SweepV1::new(&rich_report())),
            &["by_severity", "outcomes"]
        ),
        published_schema().key_paths()
    );
}

#[test]
fn every_sweep_is_valid() {
    let schema = published_schema();
    for sweep in [
        report_only_sweep(),
        remediating_sweep(),
        unfinished_sweep(),
        rich_report(),
        poor_report(),
    ] {
        for max_entries in [usize::MAX, 1, 0] {
            let document = json!(SweepV1::with_max_entries(&sweep, max_entries));
            assert_eq!(schema.validation_errors(&document), [""; 0]);
        }
    }
}

#[test]
fn unknown_values_are_null_and_never_absent() {
    let poor = json!(SweepV1::new(&poor_report()));
    let rich = json!(SweepV1::new(&rich_report()));
    assert_eq!(
        document_key_paths(&poor, &[]),
        document_key_paths(&rich, &[])
    );
    for key in [
        "/account",
        "/region",
        "/unfinished/token",
        "/groups/0/severity",
        "/groups/0/error",
    ] {
        assert_eq!(poor.pointer(key), Some(&Value::Null), "{key}");
    }
}

#[test]
fn the_schema_has_every_code() {
    let schema = published_schema();
    let outcomes = json!(GroupOutcome::ALL.map(GroupOutcome::as_str));
    let severities = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    let severities = json!(severities.map(|severity| severity.to_string()));
    for (pointer, codes) in [
        ("/$defs/outcome/enum", &outcomes),
        ("/properties/outcomes/propertyNames/enum", &outcomes),
        ("/$defs/severity/enum", &severities),
        ("/properties/by_severity/propertyNames/enum", &severities),
    ] {
        assert_eq!(schema.subschema(pointer), codes, "{pointer}");
    }
}
