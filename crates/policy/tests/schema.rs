//! The committed JSON Schema is the one that is generated from the schema table.

use portcullis_policy::json_schema;

/// Run `UPDATE_SCHEMA=1 cargo test -p portcullis-policy --test schema` to update the file.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "only this test writes a file, to update the committed schema"
)]
fn committed_schema_is_up_to_date() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../schemas/policy.v1.schema.json"
    );
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, json_schema()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == json_schema(),
        "schemas/policy.v1.schema.json is out of date: run this test with UPDATE_SCHEMA=1"
    );
}
