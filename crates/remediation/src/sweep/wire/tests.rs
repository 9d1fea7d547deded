//! The JSON of a sweep and its schema.

use portcullis_rules::Severity;
use serde_json::{Value, json};

use super::*;
use crate::report::Outcome;
use crate::schema::{Schema, keys};
use crate::sweep::samples::{remediated, reported, unfinished};

const SCHEMA: &str = include_str!("../../../../../schemas/sweep.v1.schema.json");

/// A sweep in which nothing is null and no list is empty.
fn rich() -> Swept {
    let mut swept = unfinished();
    swept.worst[0].error = Some("sg-0a could not be read".to_owned());
    swept.expired_exceptions.insert("ended".to_owned());
    swept
}

/// A sweep of which as little is known as can be.
fn poor() -> Swept {
    let mut swept = rich();
    (swept.account, swept.region) = (None, None);
    swept.unfinished.as_mut().unwrap().token = None;
    let note = &mut swept.worst[0];
    (note.name, note.vpc_id, note.severity, note.error) = (None, None, None, None);
    swept
}

#[test]
fn the_schema_has_every_key_of_a_sweep_and_no_other() {
    // The keys of these two are severities and outcomes.
    assert_eq!(keys(&json!(SweepV1::new(&rich())), &["by_severity", "outcomes"]), Schema::parse(SCHEMA).keys());
}

#[test]
fn every_sweep_is_as_the_schema_says() {
    let schema = Schema::parse(SCHEMA);
    for swept in [reported(), remediated(), unfinished(), rich(), poor()] {
        for most in [usize::MAX, 1, 0] {
            assert_eq!(schema.complaints(&json!(SweepV1::with_at_most(&swept, most))), [""; 0]);
        }
    }
}

#[test]
fn unknown_is_null_and_never_absent() {
    let (poor, rich) = (json!(SweepV1::new(&poor())), json!(SweepV1::new(&rich())));
    assert_eq!(keys(&poor, &[]), keys(&rich, &[]));
    for key in ["/account", "/region", "/unfinished/token", "/groups/0/severity", "/groups/0/error"] {
        assert_eq!(poor.pointer(key), Some(&Value::Null), "{key}");
    }
}

#[test]
fn the_schema_names_every_code() {
    use Outcome::{Clean, Closed, Incomplete, Noticed, Refused, Vanished, WouldClose};
    let schema = Schema::parse(SCHEMA);
    let outcomes = json!([Clean, Vanished, Noticed, Closed, WouldClose, Refused, Incomplete].map(Outcome::as_str));
    let severities = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let severities = json!(severities.map(|severity| severity.to_string()));
    assert_eq!(schema.part("/$defs/outcome/enum"), &outcomes);
    assert_eq!(schema.part("/properties/outcomes/propertyNames/enum"), &outcomes);
    assert_eq!(schema.part("/$defs/severity/enum"), &severities);
    assert_eq!(schema.part("/properties/by_severity/propertyNames/enum"), &severities);
}
