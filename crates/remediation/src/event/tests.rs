//! Every known shape of an event.

use portcullis_rules::IngressRule;
use serde_json::{Value, json};

use super::*;
use crate::services::GroupRef;

#[expect(
    clippy::needless_pass_by_value,
    reason = "so that a record can be written down in one piece"
)]
fn record(name: &str, request: Value, response: Value) -> Value {
    json!({
        "eventName": name, "eventSource": "ec2.amazonaws.com",
        "eventID": "e-1", "eventTime": "2026-11-21T10:00:00Z",
        "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
        "requestParameters": request, "responseElements": response,
    })
}

fn change(event: &Value) -> GroupChange {
    match decode_event_value(event) {
        Ok(DecodedEvent::Change(change)) => *change,
        other => panic!("not a change: {other:?}"),
    }
}

fn ids(event: &Value) -> Vec<String> {
    match change(event).target {
        Target::Groups(groups) => groups.iter().map(ToString::to_string).collect(),
        Target::PrefixList(list) => vec![list.id],
    }
}

fn claimed(event: &Value) -> Vec<String> {
    let show = |rule: &IngressRule| {
        let (from, to) = rule.display_ports();
        format!("{} {from:?} {to:?} {}", rule.protocol(), rule.source)
    };
    change(event).claimed_rules.iter().map(show).collect()
}

#[test]
fn decodes_permissions_with_items() {
    let event = record(
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": "sg-1", "ipPermissions": {"items": [
            {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
             "groups": {"items": [{"groupId": "sg-9"}]},
             "ipRanges": {"items": [{"cidrIp": "1.2.3.4/0"}]},
             "ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]},
             "prefixListIds": {"items": [{"prefixListId": "pl-1"}]}},
            {"ipProtocol": "-1", "groups": {}, "ipRanges": {},
             "ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]}}]}}),
        json!({"_return": true}),
    );
    assert_eq!(ids(&event), ["sg-1"]);
    assert_eq!(
        claimed(&event),
        [
            "tcp Some(22) Some(22) 0.0.0.0/0",
            "tcp Some(22) Some(22) ::/0",
            "tcp Some(22) Some(22) pl-1",
            "tcp Some(22) Some(22) sg-9",
            "all None None ::/0",
        ]
    );
}

#[test]
fn decodes_the_flat_form() {
    let event = record(
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": "sg-1", "ipPermissions": {}, "ipProtocol": "tcp",
               "fromPort": 22, "toPort": 22, "cidrIp": "0.0.0.0/0"}),
        Value::Null,
    );
    assert_eq!(
        (ids(&event), claimed(&event)),
        (
            vec!["sg-1".into()],
            vec!["tcp Some(22) Some(22) 0.0.0.0/0".into()]
        )
    );
}

#[test]
fn decodes_one_or_several_modified_rules() {
    let update = |id: &str, port: i32| {
        json!({"SecurityGroupRuleId": id, "tag": 1, "SecurityGroupRule": {
            "CidrIpv4": "0.0.0.0/0", "FromPort": port, "ToPort": port, "IpProtocol": "tcp"}})
    };
    let modify = |updates: Value| {
        let request = json!({"ModifySecurityGroupRulesRequest": {
            "GroupId": "sg-1", "SecurityGroupRule": updates}});
        record(
            "ModifySecurityGroupRules",
            request,
            json!({"ModifySecurityGroupRulesResponse": {"return": true}}),
        )
    };
    assert_eq!(ids(&modify(update("sgr-1", 22))), ["sg-1"]);
    assert_eq!(claimed(&modify(update("sgr-1", 22))).len(), 1);
    assert_eq!(
        claimed(&modify(json!([update("sgr-1", 22), update("sgr-2", 23)]))).len(),
        2
    );
}

#[test]
fn the_group_id_can_be_in_the_response_only() {
    let response = json!({"_return": true, "securityGroupRuleSet": {
        "items": [{"groupId": "sg-2"}, {"groupId": "sg-2"}]}});
    let event = record(
        "AuthorizeSecurityGroupIngress",
        json!({"groupName": "web", "ipPermissions": {}}),
        response,
    );
    assert_eq!(
        ids(&event),
        ["sg-2"],
        "each group once, and the id wins over the name"
    );
}

#[test]
fn a_group_can_be_referred_to_by_name() {
    let event = record(
        "AuthorizeSecurityGroupIngress",
        json!({"groupName": "web"}),
        Value::Null,
    );
    assert_eq!(
        change(&event).target,
        Target::Groups(vec![GroupRef::Name("web".into())])
    );
}

#[test]
fn an_event_without_a_group_is_an_error() {
    for request in [
        Value::Null,
        json!({}),
        json!({"groupId": ""}),
        json!({"groupId": "..."}),
        json!({"groupId": 7}),
    ] {
        let event = record("AuthorizeSecurityGroupIngress", request, Value::Null);
        let error = decode_event_value(&event).unwrap_err();
        assert!(error.to_string().starts_with(
            "the AuthorizeSecurityGroupIngress event e-1 does not specify a security group"
        ));
    }
}

#[test]
fn decodes_changed_prefix_lists() {
    let request = json!({"ModifyManagedPrefixListRequest": {
        "PrefixListId": "pl-1", "AddEntry": {"Cidr": "0.0.0.0/0"}}});
    assert_eq!(
        ids(&record("ModifyManagedPrefixList", request, Value::Null)),
        ["pl-1"]
    );
    let restore = json!({"RestoreManagedPrefixListVersionRequest": {"PrefixListId": "pl-2"}});
    assert_eq!(
        ids(&record(
            "RestoreManagedPrefixListVersion",
            restore,
            Value::Null
        )),
        ["pl-2"]
    );
    let error =
        decode_event_value(&record("ModifyManagedPrefixList", json!({}), Value::Null)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the ModifyManagedPrefixList event e-1 does not specify a prefix list"
    );
}

#[test]
fn a_prefix_list_change_has_its_previous_version() {
    let version = |event: &Value| match change(event).target {
        Target::PrefixList(list) => list.previous_version,
        Target::Groups(_) => panic!("not a prefix list"),
    };
    let entry = json!({"Cidr": "0.0.0.0/0"});
    let request = json!({"ModifyManagedPrefixListRequest":
        {"PrefixListId": "pl-1", "CurrentVersion": 3, "AddEntry": entry}});
    let modified = record("ModifyManagedPrefixList", request, Value::Null);
    assert_eq!(version(&modified), Some(3));
    let request = json!({"ModifyManagedPrefixListRequest":
        {"PrefixListId": "pl-1", "AddEntry": {"Cidr": "0.0.0.0/0"}}});
    let first_entry = record("ModifyManagedPrefixList", request, Value::Null);
    assert_eq!(
        version(&first_entry),
        Some(0),
        "it was created without entries"
    );
    let request = json!({"RestoreManagedPrefixListVersionRequest": {"PrefixListId": "pl-1"}});
    let response = json!({"RestoreManagedPrefixListVersionResponse":
        {"prefixList": {"prefixListId": "pl-1", "version": 4, "state": "restore-in-progress"}}});
    let restored = record("RestoreManagedPrefixListVersion", request, response);
    assert_eq!(version(&restored), Some(4));
}

#[test]
fn a_prefix_list_change_without_new_entries_is_ignored() {
    let modified = |change: Value| {
        let mut request = json!({"PrefixListId": "pl-1", "CurrentVersion": 3});
        let fields = change.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(fields);
        let request = json!({ "ModifyManagedPrefixListRequest": request });
        decode_event_value(&record("ModifyManagedPrefixList", request, Value::Null)).unwrap()
    };
    for change in [
        json!({"RemoveEntry": {"Cidr": "10.0.0.0/8"}}),
        json!({"PrefixListName": "renamed"}),
        json!({"MaxEntries": 20, "AddEntry": []}),
    ] {
        let DecodedEvent::Ignored { reason, .. } = modified(change.clone()) else {
            panic!("not ignored: {change}");
        };
        assert_eq!(
            reason.to_string(),
            "ModifyManagedPrefixList added no entry to pl-1, so it cannot open a security group"
        );
    }
    for change in [
        json!({"AddEntry": {"Cidr": "10.0.0.0/8"}}),
        json!({"AddEntry": [{"Cidr": "10.0.0.0/8"}], "RemoveEntry": {"Cidr": "0.0.0.0/0"}}),
    ] {
        assert!(matches!(modified(change), DecodedEvent::Change(_)));
    }
    let response =
        json!({"ModifyManagedPrefixListResponse": {"prefixList": {"prefixListId": "pl-1"}}});
    let omitted = record("ModifyManagedPrefixList", Value::Null, response);
    assert_eq!(ids(&omitted), ["pl-1"], "the request is not in the event");
}

#[test]
fn failed_and_other_calls_are_ignored_with_a_reason() {
    let ignored = |event: &Value| match decode_event_value(event) {
        Ok(DecodedEvent::Ignored { reason, .. }) => reason.to_string(),
        other => panic!("not ignored: {other:?}"),
    };
    let mut failed = record(
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": "sg-1"}),
        Value::Null,
    );
    failed["errorCode"] = json!("Client.InvalidPermission.Duplicate");
    assert_eq!(
        ignored(&failed),
        "the call failed with Client.InvalidPermission.Duplicate, so it changed nothing"
    );
    for name in [
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupIngress",
        "CreateSecurityGroup",
        "RunInstances",
    ] {
        let event = record(name, json!({"groupId": "sg-1"}), Value::Null);
        assert_eq!(
            ignored(&event),
            format!("{name} cannot open a security group to incoming traffic")
        );
    }
    let mut rds = record(
        "AuthorizeDBSecurityGroupIngress",
        json!({"eC2SecurityGroupId": "sg-1"}),
        Value::Null,
    );
    rds["eventSource"] = json!("rds.amazonaws.com");
    assert!(ignored(&rds).starts_with("AuthorizeDBSecurityGroupIngress of rds.amazonaws.com"));
}

#[test]
fn decodes_records_in_envelopes() {
    let mut bare = record(
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": "sg-1"}),
        Value::Null,
    );
    bare.as_object_mut().unwrap().remove("recipientAccountId");
    let envelope = json!({
        "id": "x", "source": "aws.ec2", "account": "444455556666", "region": "eu-north-1",
        "detail-type": "AWS API Call via CloudTrail", "detail": bare, "unknown": [1]});
    let failed =
        json!({"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": envelope});
    for event in [&bare, &envelope, &failed] {
        assert_eq!(ids(event), ["sg-1"]);
    }
    let origin = change(&failed).origin;
    assert_eq!(origin.account.as_deref(), Some("444455556666"));
    assert_eq!(
        origin.region.as_deref(),
        Some("eu-west-1"),
        "the record wins over the envelope"
    );
    assert_eq!(origin.event_id.as_deref(), Some("e-1"));
    assert_eq!(origin.time, "2026-11-21T10:00:00Z".parse().ok());
}

#[test]
fn anything_but_a_record_is_an_error() {
    assert!(
        decode_event(b"{")
            .unwrap_err()
            .to_string()
            .starts_with("the event is not JSON: EOF")
    );
    for event in [
        json!([]),
        json!(null),
        json!({"detail-type": "Scheduled Event", "detail": {}}),
    ] {
        assert!(
            decode_event_value(&event)
                .unwrap_err()
                .to_string()
                .contains("`eventName` is missing")
        );
    }
    assert!(
        decode_event_value(&json!({"eventName": "X"}))
            .unwrap_err()
            .to_string()
            .contains("`eventSource` is missing")
    );
}

#[test]
fn unexpected_values_besides_the_group_are_tolerated() {
    let event = record(
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": "sg-1", "ipPermissions": {"items": [
            {"ipProtocol": "tcp", "fromPort": "443", "toPort": "443",
             "ipRanges": {"items": [{"cidrIp": "nonsense"}]}},
            {"ipProtocol": "tcp", "fromPort": 99999, "toPort": 1,
             "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}},
            {"ipProtocol": 6}, null]}}),
        json!("a text"),
    );
    assert_eq!(ids(&event), ["sg-1"]);
    assert!(claimed(&event).is_empty());
}
