//! CloudTrail records, in the shape the real service writes (eventVersion 1.10).

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::groups::Group;
use crate::local::LocalAws;

/// The record of an `AuthorizeSecurityGroupIngress` call that added `rules` to `group` by asking for `permissions`,
/// made by an engineer at the console through a single-sign-on role.
pub fn authorize(aws: &LocalAws, group: &Group, permissions: &Value, rules: &[Value]) -> Value {
    let request = uuid();
    let items: Vec<Value> = permissions
        .as_array()
        .into_iter()
        .flatten()
        .map(requested)
        .collect();
    let made: Vec<Value> = rules.iter().map(|rule| answered(aws, rule)).collect();
    let mut record = frame(aws, "AuthorizeSecurityGroupIngress", &request);
    put(
        &mut record,
        "requestParameters",
        json!({"groupId": group.id, "ipPermissions": list(&items)}),
    );
    let answer =
        json!({"requestId": request, "_return": true, "securityGroupRuleSet": {"items": made}});
    put(&mut record, "responseElements", answer);
    record
}

/// The record of a `ModifySecurityGroupRules` call that changed one rule of `group` to `rule` (a
/// `SecurityGroupRuleRequest`).
pub fn modify(aws: &LocalAws, group: &Group, rule_id: &str, rule: &Value) -> Value {
    let request = uuid();
    let mut record = frame(aws, "ModifySecurityGroupRules", &request);
    let change = json!({"SecurityGroupRuleId": rule_id, "tag": 1, "SecurityGroupRule": rule});
    let parameters = json!({"GroupId": group.id, "SecurityGroupRule": change});
    put(
        &mut record,
        "requestParameters",
        json!({"ModifySecurityGroupRulesRequest": parameters}),
    );
    let answer = json!({"requestId": request, "return": true});
    put(
        &mut record,
        "responseElements",
        json!({"ModifySecurityGroupRulesResponse": answer}),
    );
    record
}

/// What the records of all calls have in common.
fn frame(aws: &LocalAws, event: &str, request: &str) -> Value {
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

/// An `IpPermission` as the request shows it.
fn requested(permission: &Value) -> Value {
    let mut shown = copy(
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
        let items: Vec<Value> = found.map(|source| copy(source, &names)).collect();
        put(&mut shown, to, list(&items));
    }
    shown
}

/// A rule of `DescribeSecurityGroupRules` as the response shows it.
fn answered(aws: &LocalAws, rule: &Value) -> Value {
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
    let mut shown = copy(rule, &names);
    put(&mut shown, "groupOwnerId", json!(aws.account()));
    if let Some(group) = rule.get("ReferencedGroupInfo") {
        put(
            &mut shown,
            "referencedGroupInfo",
            copy(group, &[("UserId", "userId"), ("GroupId", "groupId")]),
        );
    }
    let id = crate::rule_id(rule);
    let arn = format!(
        "arn:aws:ec2:{}:{}:security-group-rule/{id}",
        aws.region(),
        aws.account()
    );
    put(&mut shown, "securityGroupRuleArn", json!(arn));
    shown
}

/// The fields of `from` that are there, under their other names.
fn copy(from: &Value, names: &[(&str, &str)]) -> Value {
    let found = names
        .iter()
        .filter_map(|(old, new)| Some(((*new).to_owned(), from.get(*old)?.clone())));
    Value::Object(found.filter(|(_, value)| !value.is_null()).collect())
}

/// A list as EC2 logs it: `{}` when it is empty.
fn list(items: &[Value]) -> Value {
    if items.is_empty() {
        Value::Object(Map::new())
    } else {
        json!({"items": items})
    }
}

fn put(object: &mut Value, name: &str, value: Value) {
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
    fn uuids_are_uuids_and_differ() {
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
    fn a_request_is_shown_in_camel_case_with_empty_lists() {
        let permission = json!({
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "ssh"}],
        });
        let shown = json!({
            "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {},
            "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0", "description": "ssh"}]}, "ipv6Ranges": {}, "prefixListIds": {},
        });
        assert_eq!(requested(&permission), shown);
    }
}
