//! The parts of the OCSF 1.6.0 schema that findings use.
//!
//! Taken from `events/findings/compliance_finding.json` and what it extends, `profiles/cloud.json`,
//! `profiles/datetime.json` and `objects/*.json` of the schema. The test `tests/tests/formats.rs`
//! validates findings against the schema itself.

/// The objects in a finding, by path: the required attributes, and the optional ones that are used.
pub(super) const OBJECTS: [(&str, &[&str], &[&str]); 13] = [
    (
        "",
        &[
            "activity_id",
            "category_uid",
            "class_uid",
            "cloud",
            "compliance",
            "finding_info",
            "metadata",
            "severity_id",
            "time",
            "type_uid",
        ],
        &[
            "activity_name",
            "category_name",
            "class_name",
            "confidence",
            "confidence_id",
            "message",
            "remediation",
            "resources",
            "severity",
            "status",
            "status_detail",
            "status_id",
            "time_dt",
            "timezone_offset",
            "type_name",
            "unmapped",
        ],
    ),
    ("metadata", &["product", "version"], &["profiles"]),
    (
        "metadata.product",
        &[],
        &["name", "uid", "vendor_name", "version"],
    ),
    ("cloud", &["provider"], &["account", "region"]),
    ("cloud.account", &[], &["name", "type", "type_id", "uid"]),
    (
        "finding_info",
        &["uid"],
        &[
            "analytic",
            "created_time",
            "created_time_dt",
            "desc",
            "last_seen_time",
            "last_seen_time_dt",
            "modified_time",
            "modified_time_dt",
            "title",
            "types",
        ],
    ),
    (
        "finding_info.analytic",
        &["type_id"],
        &["name", "type", "uid"],
    ),
    (
        "compliance",
        &[],
        &[
            "control",
            "desc",
            "requirements",
            "standards",
            "status",
            "status_id",
        ],
    ),
    (
        "resources",
        &[],
        &[
            "cloud_partition",
            "data",
            "name",
            "owner",
            "region",
            "role",
            "role_id",
            "tags",
            "type",
            "uid",
            "uid_alt",
        ],
    ),
    (
        "resources.owner",
        &[],
        &["account", "name", "type", "type_id", "uid"],
    ),
    (
        "resources.owner.account",
        &[],
        &["name", "type", "type_id", "uid"],
    ),
    ("resources.tags", &["name"], &["value"]),
    ("remediation", &["desc"], &["references"]),
];

/// The objects that must have `name` or `uid` (`_entity.json`).
pub(super) const ENTITIES: [&str; 6] = [
    "metadata.product",
    "cloud.account",
    "finding_info.analytic",
    "resources",
    "resources.owner",
    "resources.owner.account",
];

/// Values of an enumeration with their captions.
pub(super) type Values = &'static [(u32, &'static str)];

/// The enumerations: object, attribute, attribute of the caption, and the values that are used.
pub(super) const ENUMERATIONS: [(&str, &str, &str, Values); 12] = [
    ("", "category_uid", "category_name", &[(2, "Findings")]),
    (
        "",
        "class_uid",
        "class_name",
        &[(2003, "Compliance Finding")],
    ),
    ("", "activity_id", "activity_name", &[(1, "Create")]),
    (
        "",
        "type_uid",
        "type_name",
        &[(200_301, "Compliance Finding: Create")],
    ),
    (
        "",
        "severity_id",
        "severity",
        &[(2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical")],
    ),
    ("", "status_id", "status", &[(1, "New"), (3, "Suppressed")]),
    ("", "confidence_id", "confidence", &[(3, "High")]),
    ("compliance", "status_id", "status", &[(3, "Fail")]),
    ("cloud.account", "type_id", "type", &[(10, "AWS Account")]),
    ("finding_info.analytic", "type_id", "type", &[(1, "Rule")]),
    ("resources", "role_id", "role", &[(1, "Target")]),
    // 99 is Other, for which the caption can be chosen.
    ("resources.owner", "type_id", "type", &[(99, "AWS Account")]),
];
