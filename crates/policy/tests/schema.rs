//! The JSON Schema that is committed is the one that the table of keys makes.

use portcullis_policy::json_schema;

/// `UPDATE_SCHEMA=1 cargo test -p portcullis-policy --test schema` writes it anew.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "only this test touches the disk, to bring the schema up to date"
)]
fn the_committed_schema_is_up_to_date() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../schemas/policy.v1.schema.json"
    );
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, json_schema()).unwrap();
    }
    let committed: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let made: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    assert_eq!(committed, made, "run it with UPDATE_SCHEMA=1");
}
