//! The JSON of the OCSF class Compliance Finding with the profiles `cloud` and `datetime`: the
//! attributes that Portcullis fills in. The schema has two attributes for each enumeration, a
//! number and a caption; an [`Enumerated`] keeps them together.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::details::GroupDetails;

/// A value of an enumeration: its number and its caption.
#[derive(Debug, Clone, Copy)]
pub(super) struct Enumerated(pub(super) u8, pub(super) &'static str);

#[derive(Debug, Serialize)]
pub(crate) struct OcsfFinding<'a> {
    pub(super) category_uid: u8,
    pub(super) category_name: &'static str,
    pub(super) class_uid: u16,
    pub(super) class_name: &'static str,
    pub(super) activity_id: u8,
    pub(super) activity_name: &'static str,
    pub(super) type_uid: u32,
    pub(super) type_name: &'static str,
    /// Milliseconds since 1970.
    pub(super) time: i64,
    pub(super) time_dt: String,
    /// Minutes.
    pub(super) timezone_offset: i16,
    pub(super) severity_id: u8,
    pub(super) severity: &'static str,
    pub(super) status_id: u8,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status_detail: Option<String>,
    pub(super) confidence_id: u8,
    pub(super) confidence: &'static str,
    pub(super) message: String,
    pub(super) metadata: Metadata,
    pub(super) cloud: Cloud,
    pub(super) finding_info: FindingInfo<'a>,
    pub(super) compliance: Compliance<'a>,
    pub(super) resources: [Resource<'a>; 1],
    pub(super) remediation: Remediation,
    /// The values that the schema has no attribute for.
    pub(super) unmapped: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    pub(super) version: &'static str,
    pub(super) profiles: [&'static str; 2],
    pub(super) product: Product,
}

#[derive(Debug, Serialize)]
pub(super) struct Product {
    pub(super) uid: &'static str,
    pub(super) name: &'static str,
    pub(super) vendor_name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Cloud {
    provider: &'static str,
    region: String,
    account: Account,
}

#[derive(Debug, Serialize)]
struct Account {
    uid: String,
    name: String,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct FindingInfo<'a> {
    pub(super) uid: String,
    pub(super) title: String,
    pub(super) desc: String,
    pub(super) types: [&'static str; 1],
    pub(super) analytic: Analytic<'a>,
    pub(super) created_time: i64,
    pub(super) created_time_dt: String,
    pub(super) modified_time: i64,
    pub(super) modified_time_dt: String,
    pub(super) last_seen_time: i64,
    pub(super) last_seen_time_dt: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Analytic<'a> {
    uid: String,
    name: &'a str,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Compliance<'a> {
    pub(super) standards: [String; 1],
    pub(super) control: &'a str,
    pub(super) desc: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) requirements: &'a [String],
    pub(super) status_id: u8,
    pub(super) status: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Resource<'a> {
    pub(super) uid: String,
    pub(super) uid_alt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role_id: u8,
    pub(super) role: &'static str,
    pub(super) cloud_partition: String,
    pub(super) region: String,
    pub(super) owner: Owner,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Tag<'a>>,
    /// The group as EC2 describes it, with the rule of the finding.
    pub(super) data: GroupDetails<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Owner {
    uid: String,
    name: String,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    account: Account,
}

#[derive(Debug, Serialize)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Remediation {
    pub(super) desc: String,
    pub(super) references: [&'static str; 1],
}

/// The account and region of the group.
pub(super) fn aws_cloud(account_id: &str, region: &str) -> Cloud {
    Cloud {
        provider: "AWS",
        region: region.to_owned(),
        account: aws_account(account_id),
    }
}

/// The owner of the group. The schema allows only users as owners and has no type of user for an
/// account, so the type is Other (99).
pub(super) fn account_owner(account_id: &str) -> Owner {
    Owner {
        uid: account_id.to_owned(),
        name: account_id.to_owned(),
        type_id: 99,
        kind: AWS_ACCOUNT_TYPE.1,
        account: aws_account(account_id),
    }
}

/// The policy rule that produced the finding.
pub(super) fn rule_analytic(rule_id: &str) -> Analytic<'_> {
    const RULE: Enumerated = Enumerated(1, "Rule");
    Analytic {
        uid: format!("portcullis/{rule_id}"),
        name: rule_id,
        type_id: RULE.0,
        kind: RULE.1,
    }
}

const AWS_ACCOUNT_TYPE: Enumerated = Enumerated(10, "AWS Account");

/// The name of the account is unknown, but py-ocsf-models requires one. The id is used, as AWS does
/// for an account without an alias.
fn aws_account(id: &str) -> Account {
    Account {
        uid: id.to_owned(),
        name: id.to_owned(),
        type_id: AWS_ACCOUNT_TYPE.0,
        kind: AWS_ACCOUNT_TYPE.1,
    }
}
