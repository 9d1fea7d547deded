//! The JSON of a sweep and its schema.

use portcullis_rules::Severity;
use serde_json::{Value, json};

use super::*;
use crate::report::GroupOutcome;
use crate::schema::{Schema, document_key_paths};
use crate::sweeper::samples::{remediating_sweep, report_only_sweep, unfinished_sweep};

const SCHEMA: &str = include_str!("../../../../../schemas/sweep.v1.schema.json");

/// A sweep in which nothing is null and no list is empty.
fn rich() -> SweepReport {
    let mut swept = unfinished_sweep();
    swept.worst_groups[0].error = Some("sg-0a could not be read".to_owned());
    swept.expired_exceptions.insert("ended".to_owned());
    swept
}

/// A sweep of which as little is known as can be.
fn poor() -> SweepReport {
    let mut swept = rich();
    (swept.account, swept.region) = (None, None);
    swept.unfinished.as_mut().unwrap().token = None;
    let note = &mut swept.worst_groups[0];
    (note.name, note.vpc_id, note.severity, note.error) = (None, None, None, None);
    swept
}

#[test]
fn the_schema_has_every_key_of_a_sweep_and_no_other() {
    // The keys of these two are severities and outcomes.
    assert_eq!(
        document_key_paths(&json!(SweepV1::new(&rich())), &["by_severity", "outcomes"]),
        Schema::parse(SCHEMA).key_paths()
    );
}

#[test]
fn every_sweep_is_as_the_schema_says() {
    let schema = Schema::parse(SCHEMA);
    for swept in [
        report_only_sweep(),
        remediating_sweep(),
        unfinished_sweep(),
        rich(),
        poor(),
    ] {
        for most in [usize::MAX, 1, 0] {
            assert_eq!(
                schema.validation_errors(&json!(SweepV1::with_max_entries(&swept, most))),
                [""; 0]
            );
        }
    }
}

#[test]
fn unknown_is_null_and_never_absent() {
    let (poor, rich) = (json!(SweepV1::new(&poor())), json!(SweepV1::new(&rich())));
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
fn the_schema_names_every_code() {
    use GroupOutcome::{Clean, Closed, GroupDeleted, NotClosed, Refused, Reported, WouldClose};
    let schema = Schema::parse(SCHEMA);
    let outcomes = json!(
        [
            Clean,
            GroupDeleted,
            Reported,
            Closed,
            WouldClose,
            Refused,
            NotClosed
        ]
        .map(GroupOutcome::as_str)
    );
    let severities = [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    let severities = json!(severities.map(|severity| severity.to_string()));
    assert_eq!(schema.subschema("/$defs/outcome/enum"), &outcomes);
    assert_eq!(
        schema.subschema("/properties/outcomes/propertyNames/enum"),
        &outcomes
    );
    assert_eq!(schema.subschema("/$defs/severity/enum"), &severities);
    assert_eq!(
        schema.subschema("/properties/by_severity/propertyNames/enum"),
        &severities
    );
}
