//! CloudTrail records in the format that the real service writes (eventVersion 1.10).

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::groups::Group;
use crate::local::LocalAws;

/// The record of an `AuthorizeSecurityGroupIngress` call that requested `permissions` and added
/// `rules` to `group`. The caller is an engineer who uses the console through a single sign-on
/// role.
pub fn authorize(aws: &LocalAws, group: &Group, permissions: &Value, rules: &[Value]) -> Value {
    let request = uuid();
    let items: Vec<Value> = permissions
        .as_array()
        .into_iter()
        .flatten()
        .map(requested_permission)
        .collect();
    let made: Vec<Value> = rules.iter().map(|rule| created_rule(aws, rule)).collect();
    let mut record = base_record(aws, "AuthorizeSecurityGroupIngress", &request);
    set_field(
        &mut record,
        "requestParameters",
        json!({"groupId": group.id, "ipPermissions": item_list(&items)}),
    );
    let answer =
        json!({"requestId": request, "_return": true, "securityGroupRuleSet": {"items": made}});
    set_field(&mut record, "responseElements", answer);
    record
}

/// The record of a `ModifySecurityGroupRules` call that changed one rule of `group` to `rule` (a
/// `SecurityGroupRuleRequest`).
pub fn modify(aws: &LocalAws, group: &Group, rule_id: &str, rule: &Value) -> Value {
    let request = uuid();
    let mut record = base_record(aws, "ModifySecurityGroupRules", &request);
    let change = json!({"SecurityGroupRuleId": rule_id, "tag": 1, "SecurityGroupRule": rule});
    let parameters = json!({"GroupId": group.id, "SecurityGroupRule": change});
    set_field(
        &mut record,
        "requestParameters",
        json!({"ModifySecurityGroupRulesRequest": parameters}),
    );
    let answer = json!({"requestId": request, "return": true});
    set_field(
        &mut record,
        "responseElements",
        json!({"ModifySecurityGroupRulesResponse": answer}),
    );
    record
}

/// The fields that the records of all calls have.
fn base_record(aws: &LocalAws, event: &str, request: &str) -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "eventVersion": "1.10",
        "userIdentity": identity(&aws.account(), &now),
        "eventTime": now,
        "eventSource": "ec2.amazonaws.com",
        "eventName": event,
        "awsRegion": aws.region(),
        "sourceIPAddress": "198.51.100.23",
        "userAgent": "AWS Internal",
        "requestID": request,
        "eventID": uuid(),
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": aws.account(),
        "eventCategory": "Management",
        "sessionCredentialFromConsole": "true",
    })
}

fn identity(account: &str, now: &str) -> Value {
    let role = "AWSReservedSSO_Developer_0f1e2d3c4b5a6978";
    json!({
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLEROLEID:jane.doe@example.com",
        "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/jane.doe@example.com"),
        "accountId": account,
        "accessKeyId": "ASIAEXAMPLEACCESSKEY",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLEROLEID",
                "arn": format!("arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/{role}"),
                "accountId": account,
                "userName": role,
            },
            "attributes": {"creationDate": now, "mfaAuthenticated": "false"},
        },
    })
}

/// An `IpPermission` in the format of `requestParameters`.
fn requested_permission(permission: &Value) -> Value {
    let mut shown = copy_fields(
        permission,
        &[
            ("IpProtocol", "ipProtocol"),
            ("FromPort", "fromPort"),
            ("ToPort", "toPort"),
        ],
    );
    for (from, to, source) in [
        ("UserIdGroupPairs", "groups", ("GroupId", "groupId")),
        ("IpRanges", "ipRanges", ("CidrIp", "cidrIp")),
        ("Ipv6Ranges", "ipv6Ranges", ("CidrIpv6", "cidrIpv6")),
        (
            "PrefixListIds",
            "prefixListIds",
            ("PrefixListId", "prefixListId"),
        ),
    ] {
        let names = [source, ("UserId", "userId"), ("Description", "description")];
        let found = permission
            .get(from)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let items: Vec<Value> = found.map(|source| copy_fields(source, &names)).collect();
        set_field(&mut shown, to, item_list(&items));
    }
    shown
}

/// A rule of `DescribeSecurityGroupRules` in the format of `responseElements`.
fn created_rule(aws: &LocalAws, rule: &Value) -> Value {
    let names = [
        ("GroupId", "groupId"),
        ("SecurityGroupRuleId", "securityGroupRuleId"),
        ("IsEgress", "isEgress"),
        ("IpProtocol", "ipProtocol"),
        ("FromPort", "fromPort"),
        ("ToPort", "toPort"),
        ("CidrIpv4", "cidrIpv4"),
        ("CidrIpv6", "cidrIpv6"),
        ("PrefixListId", "prefixListId"),
        ("Description", "description"),
    ];
    let mut shown = copy_fields(rule, &names);
    set_field(&mut shown, "groupOwnerId", json!(aws.account()));
    if let Some(group) = rule.get("ReferencedGroupInfo") {
        set_field(
            &mut shown,
            "referencedGroupInfo",
            copy_fields(group, &[("UserId", "userId"), ("GroupId", "groupId")]),
        );
    }
    let id = crate::rule_id(rule);
    let arn = format!(
        "arn:aws:ec2:{}:{}:security-group-rule/{id}",
        aws.region(),
        aws.account()
    );
    set_field(&mut shown, "securityGroupRuleArn", json!(arn));
    shown
}

/// The fields that exist in `from`, under their new names.
fn copy_fields(from: &Value, names: &[(&str, &str)]) -> Value {
    let found = names
        .iter()
        .filter_map(|(old, new)| Some(((*new).to_owned(), from.get(*old)?.clone())));
    Value::Object(found.filter(|(_, value)| !value.is_null()).collect())
}

/// A list in CloudTrail's format, which is `{}` if it is empty.
fn item_list(items: &[Value]) -> Value {
    if items.is_empty() {
        Value::Object(Map::new())
    } else {
        json!({"items": items})
    }
}

fn set_field(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// A random UUID (version 4).
fn uuid() -> String {
    let [high, low] = [(), ()].map(|()| RandomState::new().build_hasher().finish());
    let text = format!(
        "{:016x}{:016x}",
        high & !0xf000 | 0x4000,
        low & !(0xc << 60) | (8 << 60)
    );
    let part = |from, to| text.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_valid_and_differ() {
        let (one, two) = (uuid(), uuid());
        assert_ne!(one, two);
        assert_eq!(
            one.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }

    #[test]
    fn a_request_has_camel_case_fields_and_empty_lists() {
        let permission = json!({
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "ssh"}],
        });
        let shown = json!({
            "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {},
            "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0", "description": "ssh"}]},
            "ipv6Ranges": {}, "prefixListIds": {},
        });
        assert_eq!(requested_permission(&permission), shown);
    }
}
