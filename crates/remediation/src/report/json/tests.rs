//! The JSON of a report: its keys, its schema, and what is cut when it is too long.

use serde_json::{Value, json};

use super::*;
use crate::alert::samples;
use crate::schema::{Schema, document_key_paths};

const SCHEMA: &str = include_str!("../../../../../schemas/report.v1.schema.json");

fn value(report: &GroupReport) -> Value {
    serde_json::from_str(&to_json(report)).unwrap()
}

/// A report in which nothing is null and no list is empty.
fn rich() -> Value {
    let mut report = samples::incomplete_report();
    report.removed = samples::closed_report().removed;
    report.refusals = samples::refused_report().refusals;
    report.unresolved_prefix_lists.insert("pl-1".to_owned());
    report.unverified = samples::unverified_report().unverified;
    report.closed_at = samples::closed_report().closed_at;
    report.expired_exceptions.insert("ended".to_owned());
    report.added = samples::narrowed_report().added;
    report.skipped_additions = samples::lost_access_report().skipped_additions;
    report.failed_additions = samples::lost_access_report().failed_additions;
    report.findings[0].exempted_by = Some("an-exception".to_owned());
    report.origin.actor.invoked_by = Some("cloudformation.amazonaws.com".to_owned());
    value(&report)
}

#[test]
fn a_whole_report() {
    for (name, report) in [
        ("closed", samples::closed_report()),
        ("incomplete", samples::incomplete_report()),
        ("narrowed", samples::narrowed_report()),
        ("not_kept", samples::lost_access_report()),
    ] {
        insta::assert_snapshot!(
            name,
            serde_json::to_string_pretty(&ReportV1::new(&report)).unwrap()
        );
    }
}

#[test]
fn unknown_is_null_and_never_absent() {
    let mut report = samples::refused_report();
    report.group = portcullis_rules::SecurityGroup::default();
    report.origin = crate::event::Origin::default();
    let (poor, rich) = (value(&report), rich());
    for part in ["/event", "/event/actor", "/group", "/counts", ""] {
        let keys = |value: &Value| {
            value
                .pointer(part)
                .unwrap()
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&poor), keys(&rich), "{part}");
    }
    assert_eq!(poor["group"]["id"], Value::Null);
    assert_eq!(poor["event"]["time"], Value::Null);
}

#[test]
fn a_finding_is_as_the_audit_prints_it() {
    let report = samples::single_rule_report();
    let finding = FindingV1::new(&report.group, &report.findings[0]);
    assert_eq!(
        serialize_json(&finding),
        r#"{"group_id":"sg-0123456789abcdef0","group_name":"web","vpc_id":"vpc-0a1b2c3d","#
            .to_owned()
            + r#""security_group_rule_id":"sgr-00000000000000001","protocol":"tcp","from_port":22,"to_port":22,"#
            + r#""source":"0.0.0.0/0","rule":"restricted-common-ports","severity":"high","action":"revoke","#
            + r#""references":["HIPAA"],"offending_ports":"22","exempt":null}"#
    );
}

#[test]
fn a_summary_is_small_and_takes_the_gravest_outcome() {
    let reports = [
        samples::closed_report(),
        samples::incomplete_report(),
        samples::group_deleted_report(),
    ];
    let summary: Value =
        serde_json::from_str(&serialize_json(&SummaryV1::new(Some("e-1"), &reports))).unwrap();
    assert_eq!(summary["outcome"], "incomplete");
    assert_eq!(summary["groups"][0]["counts"]["removed"], 4);
    assert_eq!(summary["groups"][2]["id"], Value::Null);
    let nothing: Value = serde_json::from_str(&serialize_json(&SummaryV1::new(None, &[]))).unwrap();
    assert_eq!(
        nothing,
        json!({"version": 1, "outcome": null, "event_id": null, "groups": []})
    );
}

#[test]
fn monitor_mode_has_nothing_to_restore() {
    for report in [samples::monitor_report(), samples::would_narrow_report()] {
        let value = value(&report);
        assert_eq!(
            (&value["restore"], &value["retract"]),
            (&json!([]), &json!([]))
        );
    }
    assert!(
        value(&samples::would_narrow_report())["added"]
            .as_array()
            .unwrap()
            .len()
            > 1
    );
}

/// The permission that a command names, as a text without the description.
fn content(command: &Value) -> String {
    let words = shell_words(command.as_str().unwrap());
    let permissions = words
        .iter()
        .skip_while(|word| *word != "--ip-permissions")
        .nth(1)
        .unwrap();
    let mut permission: Value = serde_json::from_str::<Value>(permissions).unwrap()[0].take();
    for list in permission
        .as_object_mut()
        .unwrap()
        .values_mut()
        .filter_map(Value::as_array_mut)
    {
        list[0].as_object_mut().unwrap().remove("Description");
    }
    permission.to_string()
}

#[test]
fn an_undo_takes_away_exactly_what_came() {
    let report = samples::narrowed_report();
    let all = value(&report);
    assert_eq!(all["restore"].as_array().unwrap().len(), 1);
    let retract: Vec<_> = all["retract"]
        .as_array()
        .unwrap()
        .iter()
        .map(content)
        .collect();
    let web = |port: u16| {
        let (from, to, ranges) = (port, port, json!([{"CidrIp": "0.0.0.0/0"}]));
        json!({"IpProtocol": "tcp", "FromPort": from, "ToPort": to, "IpRanges": ranges}).to_string()
    };
    let mut expected = [web(443), web(80)];
    expected.sort();
    let mut sorted = retract;
    sorted.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn what_came_and_went_again_is_no_part_of_an_undo() {
    let mut report = samples::narrowed_report();
    let mut again = report.removed[0].clone();
    again.ingress = report.added[0].ingress.clone();
    again.ingress.id = Some("sgr-new".to_owned());
    report.removed.push(again);
    let all = value(&report);
    assert_eq!(
        (
            all["removed"].as_array().unwrap().len(),
            all["restore"].as_array().unwrap().len()
        ),
        (2, 1)
    );
    assert_eq!(
        (
            all["added"].as_array().unwrap().len(),
            all["retract"].as_array().unwrap().len()
        ),
        (2, 1)
    );
    let other = samples::narrowed_report();
    let mut twin = report.removed.pop().unwrap();
    twin.ingress.description = Some("a twin that was there before".to_owned());
    let report = GroupReport {
        removed: [other.removed.clone(), vec![twin]].concat(),
        ..other
    };
    assert_eq!(
        (
            report.removals_to_restore().count(),
            report.additions_to_remove().count()
        ),
        (2, 2)
    );
}

/// Reads a command as a POSIX shell would.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        let word = words.last_mut().unwrap();
        match c {
            '\'' => word.extend(rest.by_ref().take_while(|c| *c != '\'')),
            '\\' => word.extend(rest.next()),
            ' ' => words.push(String::new()),
            other => word.push(other),
        }
    }
    words
}

#[test]
fn restoring_is_exact_whatever_the_text() {
    let mut report = samples::closed_report();
    let nasty = "it's \"q\" \\ $(rm -rf /) `x` é 東 🦀 \u{202e} https://e.example/ www.e.example";
    report.removed[0].ingress.description = Some(nasty.to_owned());
    report.removed[0]
        .ingress
        .tags
        .insert("k'".to_owned(), nasty.to_owned());
    let command =
        authorize_command("sg-1", Some("eu-west-1"), &report.removed[0].ingress).join(" ");
    assert!(command.chars().all(|c| matches!(c, ' '..='~')), "{command}");
    assert!(
        !command.contains("://") && !command.contains("www."),
        "{command}"
    );
    let words = shell_words(&command);
    assert_eq!(
        words[..7],
        [
            "aws",
            "ec2",
            "authorize-security-group-ingress",
            "--region",
            "eu-west-1",
            "--group-id",
            "sg-1"
        ]
    );
    let permissions: Value = serde_json::from_str(&words[8]).unwrap();
    let range = permissions[0]
        .as_object()
        .unwrap()
        .values()
        .find_map(|list| list.get(0))
        .unwrap();
    assert_eq!(range["Description"], nasty);
    let tags: Value = serde_json::from_str(&words[10]).unwrap();
    assert_eq!(tags[0]["Tags"][0], json!({"Key": "k'", "Value": nasty}));
}

#[test]
fn every_kind_of_source_has_its_own_list() {
    let mut ingress = samples::single_rule_report().removed.remove(0).ingress;
    let mut permission = |source| {
        ingress.source = source;
        shell_words(&authorize_command("sg-1", None, &ingress).join(" "))[6].clone()
    };
    let expected = |list: &str| {
        format!(
            r#"[{{"IpProtocol":"tcp","FromPort":22,"ToPort":22,{list},"Description":"temp ssh"}}]}}]"#
        )
    };
    let cidr = |text| portcullis_rules::Source::from_cidr(text).unwrap();
    assert_eq!(
        permission(cidr("1.2.3.0/24")),
        expected(r#""IpRanges":[{"CidrIp":"1.2.3.0/24""#)
    );
    assert_eq!(
        permission(cidr("::/0")),
        expected(r#""Ipv6Ranges":[{"CidrIpv6":"::/0""#)
    );
    let list = portcullis_rules::Source::PrefixList("pl-1".to_owned());
    assert_eq!(
        permission(list),
        expected(r#""PrefixListIds":[{"PrefixListId":"pl-1""#)
    );
    let (group_id, owner_id) = ("sg-9".to_owned(), Some("111122223333".to_owned()));
    let group = portcullis_rules::Source::Group(portcullis_rules::source::GroupSource {
        group_id,
        owner_id,
    });
    assert_eq!(
        permission(group),
        expected(r#""UserIdGroupPairs":[{"GroupId":"sg-9","UserId":"111122223333""#)
    );
}

#[test]
fn names_that_are_no_names_are_quoted() {
    let report = samples::single_rule_report();
    let command =
        revoke_command("sg-1; rm 'x'", Some("eu west"), &report.removed[0].ingress).join(" ");
    assert_eq!(shell_words(&command)[3..5], ["--group-id", "sg-1; rm 'x'"]);
}

#[test]
fn the_escaped_length_is_that_of_the_serializer() {
    for text in [
        "",
        "a\"b\\c\nd\te\u{1}\u{1b}\u{8}\u{c}\r é 🦀 \u{7f}\u{2028}/",
    ] {
        assert_eq!(
            escaped_len(text),
            serde_json::to_string(text).unwrap().len()
        );
    }
}

#[test]
fn a_report_that_is_cut_says_so_and_keeps_its_counts() {
    let report = samples::huge_report();
    let whole = value(&report);
    let cut: Value = serde_json::from_str(&to_json_within(&report, 150_000)).unwrap();
    assert_eq!(
        (&whole["truncated"], &cut["truncated"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(whole["counts"], cut["counts"]);
    assert!(cut["findings"].as_array().unwrap().len() > 1);
    assert!(escaped_len(&cut.to_string()) <= 150_000);
    let least: Value = serde_json::from_str(&to_json_within(&report, 0)).unwrap();
    assert_eq!(least["removed"], json!([]));
}

#[test]
fn the_schema_has_every_key_of_a_report_and_no_other() {
    // The keys of tags are anybody's.
    assert_eq!(
        document_key_paths(&rich(), &["tags"]),
        Schema::parse(SCHEMA).key_paths()
    );
}

#[test]
fn every_report_is_as_the_schema_says() {
    let mut poor = samples::refused_report();
    poor.group = portcullis_rules::SecurityGroup::default();
    poor.origin = crate::event::Origin::default();
    let all = [
        value(&poor),
        rich(),
        value(&samples::single_rule_report()),
        value(&samples::closed_report()),
        value(&samples::monitor_report()),
        value(&samples::group_deleted_report()),
        value(&samples::unverified_report()),
        value(&samples::lost_access_report()),
        value(&samples::huge_report()),
    ];
    for report in all {
        assert_eq!(Schema::parse(SCHEMA).validation_errors(&report), [""; 0]);
    }
}

#[test]
fn the_schema_names_every_code() {
    use crate::report::GroupOutcome::{
        Clean, Closed, GroupDeleted, NotClosed, Refused, Reported, WouldClose,
    };
    use crate::services::ErrorKind::{
        Denied, GroupNotFound, NoAnswer, Other, RuleNotFound, Throttled,
    };
    use portcullis_rules::Action;
    use portcullis_rules::plan::{RefusalReason, SkipReason};
    let schema = Schema::parse(SCHEMA);
    let outcomes = [
        Clean,
        GroupDeleted,
        Reported,
        Closed,
        WouldClose,
        Refused,
        NotClosed,
    ]
    .map(crate::report::GroupOutcome::as_str);
    assert_eq!(
        schema.subschema("/properties/outcome/enum"),
        &json!(outcomes)
    );
    let kinds = [
        Throttled,
        Denied,
        GroupNotFound,
        RuleNotFound,
        NoAnswer,
        Other,
    ]
    .map(crate::services::ErrorKind::code);
    assert_eq!(schema.subschema("/$defs/error_kind/enum"), &json!(kinds));
    let refusals = RefusalReason::ALL.map(RefusalReason::code);
    assert_eq!(
        schema.subschema("/properties/refusals/items/properties/code/enum"),
        &json!(refusals)
    );
    let losses = SkipReason::ALL.map(SkipReason::code);
    assert_eq!(
        schema.subschema("/properties/losses/items/properties/code/enum"),
        &json!(losses)
    );
    let actions = [
        Action::Notify,
        Action::Narrow,
        Action::Restrict,
        Action::Revoke,
    ]
    .map(|action| action.to_string());
    assert_eq!(
        schema.subschema("/$defs/finding/properties/action/enum"),
        &json!(actions)
    );
    assert_eq!(
        schema.subschema("/properties/removed/items/properties/action/enum"),
        &json!(actions[1..])
    );
}
