//! Tests of decoding both listings, with valid and invalid values.

use super::*;
use portcullis_rules::{IngressRule, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

fn decode(document: &Value) -> DescribedGroups {
    decode_described_groups(document.to_string().as_bytes()).unwrap()
}

fn decode_error(text: &str) -> String {
    decode_described_groups(text.as_bytes())
        .unwrap_err()
        .to_string()
}

/// Each rule in a line: `sg-1 sgr-1 tcp 22-22 0.0.0.0/0 description tags`.
fn rule_lines(described: &DescribedGroups) -> Vec<String> {
    let dash = |text: Option<&String>| text.map_or("-".to_owned(), Clone::clone);
    let line = |group: &SecurityGroup, rule: &IngressRule| {
        let ports = match rule.display_ports() {
            (Some(from), Some(to)) => format!("{from}-{to}"),
            _ => "-".to_owned(),
        };
        let tags: Vec<_> = rule
            .tags
            .iter()
            .map(|(key, value)| format!(" {key}={value}"))
            .collect();
        let (id, description) = (dash(rule.id.as_ref()), dash(rule.description.as_ref()));
        format!(
            "{} {id} {} {ports} {} {description}{}",
            group.id,
            rule.protocol(),
            rule.source,
            tags.concat()
        )
    };
    let rules = described
        .groups
        .iter()
        .flat_map(|group| group.rules.iter().map(move |rule| line(group, rule)));
    rules.collect()
}

fn problem_lines(described: &DescribedGroups) -> Vec<String> {
    let line = |problem: &Problem| {
        let group = problem.group_id.as_deref().unwrap_or("-");
        format!("{group} {}: {}", problem.path, problem.message)
    };
    described.problems.iter().map(line).collect()
}

fn permission(protocol: &str, ports: Option<(i64, i64)>, cidrs: &[&str]) -> Value {
    let ranges: Vec<_> = cidrs.iter().map(|cidr| json!({"CidrIp": cidr})).collect();
    let mut permission = json!({"IpProtocol": protocol, "IpRanges": ranges});
    if let Some((from, to)) = ports {
        permission["FromPort"] = from.into();
        permission["ToPort"] = to.into();
    }
    permission
}

fn rule(id: &str, group: &str, source: &Value) -> Value {
    let mut rule = json!({
        "SecurityGroupRuleId": id, "GroupId": group, "GroupOwnerId": "111122223333",
        "IsEgress": false, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "Tags": [],
    });
    rule.as_object_mut()
        .unwrap()
        .extend(source.as_object().unwrap().clone());
    rule
}

#[test]
fn a_permission_has_a_rule_for_each_source() {
    let described = decode(&json!({"SecurityGroups": [{
        "GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "OwnerId": "111122223333",
        "Description": "ignored",
        "Tags": [{"Key": "team", "Value": "core"}, {"Key": 7}, 8],
        "IpPermissions": [
            {"IpProtocol": "TCP", "FromPort": 443, "ToPort": 443,
             "IpRanges": [{"CidrIp": "1.2.3.4/0", "Description": "all"}, {"CidrIp": "10.0.0.0/8"}],
             "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
             "PrefixListIds": [{"PrefixListId": "pl-1", "Description": "list"}],
             "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "444455556666"}]},
            {"IpProtocol": "-1"},
            {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": null,
             "UserIdGroupPairs": [{"GroupId": "sg-1"}]},
        ],
        "IpPermissionsEgress": [permission("-1", None, &["0.0.0.0/0"])],
    }]}));
    let expected = [
        "sg-1 - tcp 443-443 0.0.0.0/0 all",
        "sg-1 - tcp 443-443 10.0.0.0/8 -",
        "sg-1 - tcp 443-443 ::/0 -",
        "sg-1 - tcp 443-443 pl-1 list",
        "sg-1 - tcp 443-443 sg-2 -",
        "sg-1 - all - sg-1 -",
    ];
    assert_eq!(rule_lines(&described), expected);
    assert_eq!(problem_lines(&described), [""; 0]);
    let group = &described.groups[0];
    assert_eq!(group.name.as_deref(), Some("web"));
    assert_eq!(group.vpc_id.as_deref(), Some("vpc-1"));
    assert_eq!(group.owner_id.as_deref(), Some("111122223333"));
    assert_eq!(
        group.tags.iter().collect::<Vec<_>>(),
        [(&"team".to_owned(), &"core".to_owned())]
    );
    assert_eq!(group.open_egress, Some(true));
    let owner = |rule: &IngressRule| match &rule.source {
        Source::Group(group) => group.owner_id.clone(),
        Source::Cidr(_) | Source::PrefixList(_) => None,
    };
    assert_eq!(owner(&group.rules[4]).as_deref(), Some("444455556666"));
}

#[test]
fn egress_is_open_only_if_a_rule_allows_everything() {
    let egress = |value: Value| {
        let described =
            decode(&json!({"SecurityGroups": [{"GroupId": "sg-1", "IpPermissionsEgress": value}]}));
        assert_eq!(
            problem_lines(&described),
            [""; 0],
            "problems in egress rules are not reported"
        );
        described.groups[0].open_egress
    };
    assert_eq!(egress(Value::Null), None);
    assert_eq!(egress(json!([])), Some(false));
    assert_eq!(
        egress(json!([permission("tcp", Some((0, 65535)), &["0.0.0.0/0"])])),
        Some(false)
    );
    assert_eq!(
        egress(json!([permission(
            "-1",
            None,
            &["10.0.0.0/8", "x", "0.0.0.0/0"]
        )])),
        Some(true)
    );
    assert_eq!(egress(json!("nonsense")), Some(false));
}

#[test]
fn listed_rules_have_ids_and_tags() {
    let described = decode(&json!({"SecurityGroupRules": [
        rule("sgr-1", "sg-1", &json!({"CidrIpv4": "0.0.0.0/0", "Description": "ssh",
            "Tags": [{"Key": "a", "Value": "b"}]})),
        rule("sgr-2", "sg-1", &json!({"CidrIpv6": "::/0", "CidrIpv4": null})),
        rule("sgr-3", "sg-1", &json!({"PrefixListId": "pl-1"})),
        rule("sgr-4", "sg-1", &json!({"ReferencedGroupInfo": {"GroupId": "sg-2", "UserId": "1"}})),
        rule("sgr-5", "sg-1", &json!({"CidrIpv4": "0.0.0.0/0", "IsEgress": true,
            "IpProtocol": "nonsense"})),
        rule("sgr-6", "sg-0", &json!({"CidrIpv4": "0.0.0.0/0", "IpProtocol": "-1",
            "FromPort": -1, "ToPort": -1})),
        rule("sgr-7", "sg-2", &json!({"CidrIpv4": "0.0.0.0/0", "IsEgress": true})),
    ]}));
    let expected = [
        "sg-0 sgr-6 all - 0.0.0.0/0 -",
        "sg-1 sgr-1 tcp 22-22 0.0.0.0/0 ssh a=b",
        "sg-1 sgr-2 tcp 22-22 ::/0 -",
        "sg-1 sgr-3 tcp 22-22 pl-1 -",
        "sg-1 sgr-4 tcp 22-22 sg-2 -",
    ];
    assert_eq!(rule_lines(&described), expected);
    assert_eq!(problem_lines(&described), [""; 0]);
    let ids: Vec<_> = described
        .groups
        .iter()
        .map(|group| group.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["sg-0", "sg-1", "sg-2"],
        "a group with only egress rules is included"
    );
    let group = &described.groups[1];
    assert_eq!(
        (&group.name, &group.vpc_id, group.open_egress),
        (&None, &None, None)
    );
    assert_eq!(group.owner_id.as_deref(), Some("111122223333"));
}

#[test]
fn both_listings_are_merged_without_duplicates() {
    let described = decode(&json!({
        "SecurityGroupRules": [
            rule("sgr-1", "sg-1", &json!({"CidrIpv4": "0.0.0.0/0",
                "Description": "from the rule"})),
            rule("sgr-2", "sg-1", &json!({"ReferencedGroupInfo": {"GroupId": "sg-2"}})),
            rule("sgr-3", "sg-1", &json!({"CidrIpv4": "192.0.2.0/24"})),
            rule("sgr-4", "sg-9", &json!({"CidrIpv4": "192.0.2.0/24"})),
        ],
        "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web", "IpPermissions": [
            {"IpProtocol": "6", "FromPort": 22, "ToPort": 22,
             "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "from the permission"},
                          {"CidrIp": "10.0.0.0/8"}],
             "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "111122223333"}]},
        ]}],
    }));
    let expected = [
        "sg-1 sgr-1 tcp 22-22 0.0.0.0/0 from the rule",
        "sg-1 sgr-2 tcp 22-22 sg-2 -",
        "sg-1 sgr-3 tcp 22-22 192.0.2.0/24 -",
        "sg-1 - tcp 22-22 10.0.0.0/8 -",
        "sg-9 sgr-4 tcp 22-22 192.0.2.0/24 -",
    ];
    assert_eq!(rule_lines(&described), expected);
    assert_eq!(described.groups[0].name.as_deref(), Some("web"));
    assert_eq!(described.groups[1].name, None);
}

#[test]
fn duplicate_rules_of_one_listing_are_kept() {
    let duplicates = permission("tcp", Some((22, 22)), &["0.0.0.0/0", "0.0.0.0/0"]);
    let groups = json!([{"GroupId": "sg-1", "IpPermissions": [duplicates]}]);
    assert_eq!(
        rule_lines(&decode(&json!({"SecurityGroups": groups}))).len(),
        2
    );
    let one = rule("sgr-1", "sg-1", &json!({"CidrIpv4": "0.0.0.0/0"}));
    let both = decode(&json!({"SecurityGroups": groups, "SecurityGroupRules": [one]}));
    let expected = [
        "sg-1 sgr-1 tcp 22-22 0.0.0.0/0 -",
        "sg-1 - tcp 22-22 0.0.0.0/0 -",
    ];
    assert_eq!(rule_lines(&both), expected);
}

#[test]
fn a_group_that_is_listed_twice_is_merged() {
    let part = |cidr: &str| {
        let permission = permission("tcp", Some((22, 22)), &[cidr]);
        json!({"GroupId": "sg-1", "IpPermissions": [permission]})
    };
    let described = decode(&json!({"SecurityGroups": [part("0.0.0.0/1"), part("128.0.0.0/1")]}));
    assert_eq!(
        rule_lines(&described),
        [
            "sg-1 - tcp 22-22 0.0.0.0/1 -",
            "sg-1 - tcp 22-22 128.0.0.0/1 -"
        ]
    );
    assert_eq!(described.groups.len(), 1);
}

#[test]
fn invalid_values_of_groups_do_not_hide_the_rest() {
    let good = permission("tcp", Some((22, 22)), &["192.0.2.0/24"]);
    let described = decode(&json!({"SecurityGroups": [
        {"GroupId": "sg-1", "GroupName": 7, "IpPermissions": [
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
             "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "10.0.0.0/33"},
                          {"CidrIp": ["x"]}, {}, 5],
             "Ipv6Ranges": {"CidrIpv6": "::/0"}, "UserIdGroupPairs": [{"GroupName": "x"}]},
            permission("tpc", None, &["192.0.2.0/24"]),
            permission("tcp", Some((65530, 65536)), &["192.0.2.0/24"]),
            permission("tcp", Some((9_999_999_999, 1)), &["192.0.2.0/24"]),
            permission("tcp", Some((23, 22)), &["192.0.2.0/24"]),
            {"IpProtocol": "tcp", "FromPort": 22, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]},
            {"IpProtocol": "tcp", "FromPort": "22", "ToPort": 22.5,
             "IpRanges": [{"CidrIp": "192.0.2.0/24"}]},
            "nonsense",
            good,
        ]},
        {"GroupName": "no id", "IpPermissions": [good]},
        null,
        {"GroupId": "sg-2", "IpPermissions": "nonsense"},
    ]}));
    let expected = [
        "sg-1 - tcp 22-22 10.0.0.0/8 -",
        "sg-1 - tcp 22-22 192.0.2.0/24 -",
    ];
    assert_eq!(rule_lines(&described), expected);
    assert_eq!(described.groups.len(), 2);
    insta::assert_snapshot!(problem_lines(&described).join("\n"));
}

#[test]
fn invalid_listed_rules_do_not_hide_the_rest() {
    let cidr = json!({"CidrIpv4": "192.0.2.0/24"});
    let with = |key: &str, value: Value| {
        let mut rule = rule("sgr-1", "sg-1", &cidr);
        rule[key] = value;
        rule
    };
    let described = decode(&json!({"SecurityGroupRules": [
        with("CidrIpv4", json!("nonsense")),
        with("CidrIpv4", Value::Null),
        with("CidrIpv6", json!("::/0")),
        with("ReferencedGroupInfo", json!("sg-2")),
        with("ReferencedGroupInfo", json!({})),
        with("PrefixListId", json!(5)),
        with("IsEgress", json!("false")),
        with("IpProtocol", json!(6)),
        with("GroupId", Value::Null),
        with("ToPort", json!(21)),
        with("SecurityGroupRuleId", json!(5)),
        with("IsEgress", Value::Null),
    ]}));
    let expected = [
        "sg-1 - tcp 22-22 192.0.2.0/24 -",
        "sg-1 sgr-1 tcp 22-22 192.0.2.0/24 -",
    ];
    assert_eq!(
        rule_lines(&described),
        expected,
        "a rule without a direction counts as ingress"
    );
    insta::assert_snapshot!(problem_lines(&described).join("\n"));
}

#[test]
fn prefix_lists_are_resolved_by_their_entries() {
    let described = decode(&json!({"SecurityGroups": [], "PrefixLists": [
        {"PrefixListId": "pl-1",
         "Entries": [{"Cidr": "0.0.0.0/1"}, {"Cidr": "::/1", "Description": "x"}]},
        {"PrefixListId": "pl-1", "Entries": [{"Cidr": "128.0.0.0/1"}]},
        {"PrefixListId": "pl-2", "Entries": []},
        {"PrefixListId": "pl-3", "PrefixListName": "as describe-managed-prefix-lists has it"},
        {"PrefixListId": "pl-4", "Entries": [{"Cidr": "nonsense"}, {"Cidr": "192.0.2.0/24"}, {}]},
        {"Entries": []},
        "nonsense",
    ]}));
    let entries = |id: &str| described.prefix_lists.entries(id).map(<[_]>::len);
    assert_eq!(
        ["pl-1", "pl-2", "pl-3", "pl-4"].map(entries),
        [Some(3), Some(0), None, Some(1)]
    );
    insta::assert_snapshot!(problem_lines(&described).join("\n"));
}

#[test]
fn other_documents_are_errors() {
    let errors: Vec<_> = [
        "[]",
        "null",
        "7",
        "{}",
        r#"{"Records": []}"#,
        r#"{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}"#,
        r#"{"SecurityGroups": null}"#,
        r#"{"SecurityGroups": {}}"#,
        r#"{"SecurityGroups": [], "SecurityGroupRules": "x"}"#,
        r#"{"SecurityGroups": [}"#,
        "{\n  \"SecurityGroups\": [\n    {\"GroupId\": \"sg-1\"",
        r#"{"SecurityGroups": []} {"SecurityGroups": []}"#,
        r#"{"SecurityGroups": [], "SecurityGroups": []}"#,
        r#"{"SecurityGroups": [{"GroupId": "sg-1", "GroupId": "sg-2"}]}"#,
        "SECURITYGROUPS\tdefault",
    ]
    .into_iter()
    .map(|text| format!("{text}\n  {}", decode_error(text)))
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

/// A rule as a permission and as an entry of the listing of rules.
fn rule_in_both_forms() -> impl Strategy<Value = (Value, Value)> {
    let protocol = prop::sample::select(&["tcp", "UDP", "6", "17", "icmp", "58", "-1", "47"][..]);
    let ports = (0..=65535_u16, 0..=65535_u16).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let source = prop_oneof![
        (any::<u32>(), 0..=32_u8)
            .prop_map(|(ip, n)| ("v4", format!("{}/{n}", std::net::Ipv4Addr::from(ip)))),
        (any::<u128>(), 0..=128_u8)
            .prop_map(|(ip, n)| ("v6", format!("{}/{n}", std::net::Ipv6Addr::from(ip)))),
        (0..3).prop_map(|n| ("pl", format!("pl-{n}"))),
        (0..3).prop_map(|n| ("sg", format!("sg-{n}"))),
    ];
    let description = prop::option::of("[a-z]{0,4}");
    (protocol, ports, source, description).prop_map(
        |(protocol, (from, to), (kind, source), description)| {
            let (list, mut item, listed) = match kind {
                "v4" => (
                    "IpRanges",
                    json!({"CidrIp": source}),
                    json!({"CidrIpv4": source}),
                ),
                "v6" => (
                    "Ipv6Ranges",
                    json!({"CidrIpv6": source}),
                    json!({"CidrIpv6": source}),
                ),
                "pl" => (
                    "PrefixListIds",
                    json!({"PrefixListId": source}),
                    json!({"PrefixListId": source}),
                ),
                _ => {
                    let group = json!({"GroupId": source, "UserId": "1"});
                    (
                        "UserIdGroupPairs",
                        group.clone(),
                        json!({"ReferencedGroupInfo": group}),
                    )
                }
            };
            let mut rule = rule("sgr-1", "sg-1", &listed);
            let mut permission = json!({"FromPort": from, "ToPort": to, "IpProtocol": protocol});
            for (key, value) in [
                ("FromPort", from.into()),
                ("ToPort", to.into()),
                ("IpProtocol", json!(protocol)),
            ] {
                rule[key] = value;
            }
            if let Some(description) = description {
                rule["Description"] = json!(description);
                item["Description"] = json!(description);
            }
            permission[list] = json!([item]);
            (permission, rule)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Both listings have the same rules, and so does their combination.
    #[test]
    fn both_listings_have_the_same_rules(
        rules in prop::collection::vec(rule_in_both_forms(), 1..8),
    ) {
        let (permissions, listed): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
        let groups = json!([{
            "GroupId": "sg-1", "OwnerId": "111122223333", "IpPermissions": permissions,
        }]);
        let from_groups = decode(&json!({"SecurityGroups": groups}));
        let from_rules = decode(&json!({"SecurityGroupRules": listed}));
        let from_both = decode(&json!({"SecurityGroupRules": listed, "SecurityGroups": groups}));
        prop_assert_eq!(&from_both.groups[0].rules, &from_rules.groups[0].rules);
        let mut without_ids = from_rules.groups;
        for rule in &mut without_ids[0].rules {
            rule.id = None;
        }
        prop_assert_eq!(from_groups.groups, without_ids);
    }

    /// Arbitrary bytes do not panic.
    #[test]
    fn arbitrary_bytes_are_decoded_or_rejected(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = decode_described_groups(&bytes);
    }
}
