//! Tests of decoding both listings, with valid and invalid values.

use super::*;
use portcullis_rules::{IngressRule, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

fn decode_bytes(json: &[u8]) -> Result<DescribedGroups, DocumentError> {
    let mut decoder = GroupsDecoder::for_inputs(1);
    decoder.add_input("`groups.json`", json)?;
    decoder.finish()
}

fn decode(document: &Value) -> DescribedGroups {
    decode_bytes(document.to_string().as_bytes()).unwrap()
}

fn decode_error(text: &str) -> String {
    decode_bytes(text.as_bytes()).unwrap_err().to_string()
}

fn decode_inputs(inputs: &[(&str, Value)]) -> DescribedGroups {
    let mut decoder = GroupsDecoder::for_inputs(inputs.len());
    for (name, document) in inputs {
        let json = document.to_string();
        decoder.add_input(name, json.as_bytes()).unwrap();
    }
    decoder.finish().unwrap()
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
        let path = problem.path.as_deref().unwrap_or("-");
        format!("{group} {:?} {path}: {}", problem.code, problem.message)
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
        "Tags": [{"Key": "team", "Value": "core"}],
        "IpPermissions": [
            {"IpProtocol": "TCP", "FromPort": 443, "ToPort": 443,
             "IpRanges": [{"CidrIp": "1.2.3.4/0", "Description": "all"}, {"CidrIp": "10.0.0.0/8"}],
             "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
             "PrefixListIds": [{"PrefixListId": "pl-1", "Description": "list"}],
             "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "444455556666"}]},
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
        let described = decode(
            &json!({"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [], "IpPermissionsEgress": value}]}),
        );
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
    let all = permission("-1", None, &["10.0.0.0/8", "0.0.0.0/0"]);
    let unreadable = permission("-1", None, &["x"]);
    assert_eq!(egress(json!([all, unreadable])), Some(true));
    assert_eq!(egress(json!([unreadable])), None);
    assert_eq!(egress(json!("nonsense")), None);
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

/// Groups `sg-0`, `sg-1` and so on, each with one of these permissions.
fn groups_with_permissions(permissions: &[Value]) -> Vec<Value> {
    let permissions = permissions.iter().enumerate();
    let groups = permissions.map(|(index, permission)| {
        let id = format!("sg-{index}");
        json!({"GroupId": id, "IpPermissions": [permission]})
    });
    groups.collect()
}

#[test]
fn an_unreadable_value_makes_its_group_unreadable_and_hides_no_other() {
    let good = permission("tcp", Some((22, 22)), &["192.0.2.0/24"]);
    let with = |key: &str, value: Value| {
        let mut permission = good.clone();
        permission[key] = value;
        permission
    };
    let mut groups = groups_with_permissions(&[
        with(
            "IpRanges",
            json!([{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "10.0.0.0/33"}]),
        ),
        with("IpRanges", json!([{"CidrIp": ["x"]}])),
        with("IpRanges", json!([{}])),
        with("IpRanges", json!([5])),
        with("IpRanges", json!("")),
        with("Ipv6Ranges", json!({"CidrIpv6": "::/0"})),
        with("UserIdGroupPairs", json!([{"GroupName": "x"}])),
        with("PrefixListIds", json!([{"PrefixListId": ""}])),
        permission("tpc", None, &["192.0.2.0/24"]),
        permission("tcp", Some((65530, 65536)), &["192.0.2.0/24"]),
        permission("tcp", Some((9_999_999_999, 1)), &["192.0.2.0/24"]),
        permission("tcp", Some((23, 22)), &["192.0.2.0/24"]),
        with("ToPort", Value::Null),
        with("FromPort", json!("22")),
        json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}),
        json!({"IpProtocol": "-1", "IpRanges": null, "Ipv6Ranges": null}),
        json!("Amazon.EC2.Model.IpPermission"),
    ]);
    groups.extend([
        json!({"GroupId": "sg-bad", "GroupName": 7, "IpPermissions": [good]}),
        json!({"GroupId": "sg-bad", "Tags": "x", "IpPermissions": [good]}),
        json!({"GroupName": "no id", "IpPermissions": [good]}),
        json!({"GroupId": 5, "IpPermissions": [good]}),
        json!(null),
        json!({"GroupId": "sg-bad", "IpPermissions": "nonsense"}),
        json!({"GroupId": "sg-bad", "IpPermissions": [good], "SecurityGroupArn": "arn:x"}),
        json!({"GroupId": "sg-none"}),
        json!({"GroupId": "sg-null", "IpPermissions": null}),
        json!({"GroupId": "sg-good", "IpPermissions": [good]}),
    ]);
    let described = decode(&json!({"SecurityGroups": groups}));
    let ids: Vec<_> = described.groups.iter().map(|group| &group.id).collect();
    assert_eq!(ids, ["sg-good"]);
    assert!(described.is_unreadable("sg-0") && !described.is_unreadable("sg-good"));
    insta::assert_snapshot!(problem_lines(&described).join("\n"));
}

#[test]
fn an_unreadable_listed_rule_makes_its_group_unreadable() {
    let cidr = json!({"CidrIpv4": "192.0.2.0/24"});
    let mut rules = Vec::new();
    let invalid = [
        ("CidrIpv4", json!("nonsense")),
        ("CidrIpv4", Value::Null),
        ("CidrIpv6", json!("::/0")),
        ("ReferencedGroupInfo", json!("sg-2")),
        ("ReferencedGroupInfo", json!({})),
        ("PrefixListId", json!(5)),
        ("IsEgress", json!("false")),
        ("IpProtocol", json!(6)),
        ("GroupId", Value::Null),
        ("ToPort", json!(21)),
        ("SecurityGroupRuleId", json!(5)),
    ];
    for (index, (key, value)) in invalid.into_iter().enumerate() {
        let mut rule = rule("sgr-1", &format!("sg-{index}"), &cidr);
        rule[key] = value;
        rules.push(rule);
    }
    let mut without_direction = rule("sgr-1", "sg-good", &cidr);
    without_direction["IsEgress"] = Value::Null;
    rules.push(without_direction);
    rules.push(json!("nonsense"));
    let permission = permission("tcp", Some((22, 22)), &["192.0.2.0/24"]);
    let described = decode(&json!({
        "SecurityGroups": [{"GroupId": "sg-0", "IpPermissions": [permission]}],
        "SecurityGroupRules": rules,
    }));
    assert_eq!(
        rule_lines(&described),
        ["sg-good sgr-1 tcp 22-22 192.0.2.0/24 -"],
        "a rule without a direction counts as ingress"
    );
    insta::assert_snapshot!(problem_lines(&described).join("\n"));
}

#[test]
fn groups_without_permissions_are_complete_with_their_listed_rules() {
    let groups = json!([{"GroupId": "sg-1", "GroupName": "web"}, {"GroupId": "sg-2"}]);
    let rules = json!([rule("sgr-1", "sg-1", &json!({"CidrIpv4": "0.0.0.0/0"}))]);
    let described = decode(&json!({"SecurityGroups": groups, "SecurityGroupRules": rules}));
    let lines = rule_lines(&described);
    assert_eq!(lines, ["sg-1 sgr-1 tcp 22-22 0.0.0.0/0 -"]);
    assert_eq!(described.groups[0].name.as_deref(), Some("web"));
    let path = "SecurityGroups[1].IpPermissions";
    let problem = "missing, so the ingress rules of the group are unknown";
    assert_eq!(
        problem_lines(&described),
        [format!("sg-2 GroupUnreadable {path}: {problem}")]
    );
}

#[test]
fn a_token_for_more_pages_is_a_problem() {
    let groups = json!([]);
    for token in [json!(null), json!("")] {
        let described = decode(&json!({"SecurityGroups": groups, "NextToken": token}));
        assert_eq!(problem_lines(&described), [""; 0]);
    }
    let list = json!({"PrefixListId": "pl-1", "Entries": []});
    let documents = [
        json!({"SecurityGroups": groups, "NextToken": "x"}),
        json!({"securityGroups": groups, "nextToken": "x"}),
        json!({"SecurityGroups": groups, "SecurityGroupRules": [], "NextToken": {"x": 1}}),
        json!({"SecurityGroups": groups, "PrefixLists": [list], "NextToken": "x"}),
        json!([{"SecurityGroups": groups}, {"SecurityGroups": groups, "NextToken": "x"}]),
    ];
    for document in documents {
        let described = decode(&document);
        let codes: Vec<_> = described
            .problems
            .iter()
            .map(|problem| problem.code)
            .collect();
        assert_eq!(codes, [ProblemCode::TruncatedListing], "{document}");
    }
    let page_of_entries = json!({"Entries": [], "NextToken": "x"});
    let inputs = [
        ("`g.json`", json!({"SecurityGroups": []})),
        ("`e.json`", page_of_entries),
    ];
    assert_eq!(
        problem_lines(&decode_inputs(&inputs)),
        [
            "- TruncatedListing `e.json`: NextToken: the listing is truncated: there are more pages \
          than this one"
        ]
    );
}

#[test]
fn other_tools_write_the_same_groups() {
    let group = json!({
        "GroupId": "sg-1", "GroupName": "web", "OwnerId": "111122223333", "VpcId": "vpc-1",
        "Tags": [{"Key": "team", "Value": "edge"}],
        "IpPermissions": [{
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "ssh"}, {"CidrIp": "10.0.0.0/8"}],
            "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
            "PrefixListIds": [{"PrefixListId": "pl-1"}],
            "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "111122223333"}],
        }],
    });
    let expected = decode(&json!({"SecurityGroups": [group]}));
    assert_eq!(expected.groups[0].rules.len(), 5);
    // The AWS SDK for .NET has `Ipv4Ranges`, since version 3 beside `IpRanges`, and other names.
    let mut dotnet4 = group.clone();
    let ranges = dotnet4["IpPermissions"][0]["IpRanges"].take();
    dotnet4["IpPermissions"][0]["Ipv4Ranges"] = ranges;
    dotnet4["IpPermissions"][0]["PrefixListIds"] = json!([{"Id": "pl-1", "Description": null}]);
    let mut dotnet3 = dotnet4.clone();
    dotnet3["IpPermissions"][0]["IpRanges"] = json!(["0.0.0.0/0", "10.0.0.0/8"]);
    let java = json!({
        "groupId": "sg-1", "groupName": "web", "ownerId": "111122223333", "vpcId": "vpc-1",
        "tags": [{"key": "team", "value": "edge"}],
        "ipPermissions": [{
            "ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "ipv4Ranges": [{"cidrIp": "0.0.0.0/0", "description": "ssh"},
                           {"cidrIp": "10.0.0.0/8"}],
            "ipRanges": ["0.0.0.0/0", "10.0.0.0/8"],
            "ipv6Ranges": [{"cidrIpv6": "::/0"}],
            "prefixListIds": [{"prefixListId": "pl-1"}],
            "userIdGroupPairs": [{"groupId": "sg-2", "userId": "111122223333"}],
        }],
    });
    for document in [
        json!([group]),
        group.clone(),
        json!([[group], []]).as_array().unwrap()[0].clone(),
        json!([{"SecurityGroups": [group]}]),
        json!({"SecurityGroups": [dotnet4]}),
        json!([dotnet3]),
        json!({"securityGroups": [java]}),
    ] {
        let described = decode(&document);
        assert_eq!(problem_lines(&described), [""; 0], "{document}");
        assert_eq!(described.groups, expected.groups, "{document}");
    }
    let rule = rule("sgr-1", "sg-1", &json!({"CidrIpv4": "0.0.0.0/0"}));
    assert_eq!(
        rule_lines(&decode(&json!([rule]))).len(),
        1,
        "a bare list of rules"
    );
    assert_eq!(rule_lines(&decode(&rule)).len(), 1, "a bare rule");
}

#[test]
fn several_values_and_inputs_are_merged() {
    let groups = |id: &str| json!({"SecurityGroups": [{"GroupId": id, "IpPermissions": []}]});
    let bad = json!({"SecurityGroups": [{"GroupId": "sg-3", "IpPermissions": 5}]});
    let stream = format!("{}\n{}\n{bad}", groups("sg-1"), groups("sg-2"));
    let described = decode_bytes(stream.as_bytes()).unwrap();
    assert_eq!(described.groups.len(), 2);
    assert_eq!(
        problem_lines(&described),
        [
            "sg-3 GroupUnreadable (value 3) SecurityGroups[0].IpPermissions: invalid type: integer \
          `5`, expected a sequence"
        ]
    );
    let inputs = [
        ("`a.json`", groups("sg-1")),
        ("`b.json`", groups("sg-1")),
        ("`c.json`", bad),
    ];
    let described = decode_inputs(&inputs);
    assert_eq!(described.groups.len(), 1);
    let place = "`c.json`: SecurityGroups[0].IpPermissions";
    assert!(problem_lines(&described)[0].contains(place));
}

fn entry_counts(described: &DescribedGroups, ids: &[&str]) -> Vec<Option<usize>> {
    let lists = &described.prefix_lists;
    ids.iter()
        .map(|id| lists.entries(id).map(<[_]>::len))
        .collect()
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
        {"PrefixListId": "pl-5", "PrefixListName": "com.example", "Cidrs": ["192.0.2.0/24"]},
        {"Entries": []},
        "nonsense",
    ]}));
    assert_eq!(
        entry_counts(&described, &["pl-1", "pl-2", "pl-3", "pl-4", "pl-5"]),
        [Some(3), Some(0), None, None, Some(1)]
    );
    insta::assert_snapshot!(problem_lines(&described).join("\n"));
}

/// A group with a rule from each of these prefix lists.
fn group_with_lists(lists: &[&str]) -> Value {
    let ids: Vec<_> = lists.iter().map(|id| json!({"PrefixListId": id})).collect();
    let permission = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
        "PrefixListIds": ids});
    json!({"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [permission]}]})
}

#[test]
fn entries_without_an_id_belong_to_the_only_unresolved_list() {
    let entries = json!({"Entries": [{"Cidr": "0.0.0.0/1"}]});
    let lists = ["pl-0aaaaaaaaaaaaaaaa", "pl-0bbbbbbbbbbbbbbbb"];
    let one = decode_inputs(&[
        ("`e.json`", entries.clone()),
        ("`g`", group_with_lists(&lists[..1])),
    ]);
    assert_eq!(entry_counts(&one, &lists), [Some(1), None]);
    assert_eq!(one.notes.len(), 1);
    let two = decode_inputs(&[
        ("`e.json`", entries.clone()),
        ("`g`", group_with_lists(&lists)),
    ]);
    assert_eq!(entry_counts(&two, &lists), [None, None]);
    assert_eq!(
        problem_lines(&two),
        [
            "- PrefixListUnidentified `e.json`: Entries: the entries do not say which prefix list \
          they belong to: `pl-0aaaaaaaaaaaaaaaa`, `pl-0bbbbbbbbbbbbbbbb`"
        ]
    );
    let resolved = json!({"PrefixLists": [{"PrefixListId": lists[0], "Entries": []}]});
    let other = decode_inputs(&[
        ("`e.json`", entries.clone()),
        ("`l.json`", resolved),
        ("`g`", group_with_lists(&lists)),
    ]);
    assert_eq!(entry_counts(&other, &lists), [Some(0), Some(1)]);
    let named = decode_inputs(&[
        ("`pl-0bbbbbbbbbbbbbbbb.json`", entries.clone()),
        ("`g`", group_with_lists(&lists)),
    ]);
    assert_eq!(entry_counts(&named, &lists), [None, Some(1)]);
    let bare = decode_inputs(&[
        ("`e.json`", entries["Entries"].clone()),
        ("`g`", group_with_lists(&lists[..1])),
    ]);
    assert_eq!(entry_counts(&bare, &lists), [Some(1), None]);
    let unused = decode_inputs(&[("`e.json`", entries), ("`g`", group_with_lists(&[]))]);
    assert_eq!((unused.notes.len(), unused.problems.len()), (1, 0));
}

#[test]
fn other_documents_are_errors() {
    let errors: Vec<_> = [
        "[]",
        "[[]]",
        "[5]",
        r#"[{"ID": "sg-1", "Rules": []}]"#,
        r#"[["sg-1", "web"]]"#,
        r#"{"PrefixLists": []}"#,
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
        r#"{"SecurityGroups": []} x"#,
        r#"{"SecurityGroups": [], "SecurityGroups": []}"#,
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
        let (permissions, mut listed): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
        for (index, rule) in listed.iter_mut().enumerate() {
            rule["SecurityGroupRuleId"] = json!(format!("sgr-{index}"));
        }
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

    /// Groups are the same however they are distributed over inputs.
    #[test]
    fn the_order_and_number_of_inputs_do_not_matter(
        rules in prop::collection::vec((0..4_u8, rule_in_both_forms()), 1..12),
        split in 0..12_usize,
    ) {
        let mut groups = Vec::new();
        let mut listed = Vec::new();
        for (index, (group, (permission, mut rule))) in rules.into_iter().enumerate() {
            let id = format!("sg-{group}");
            rule["GroupId"] = json!(id);
            rule["SecurityGroupRuleId"] = json!(format!("sgr-{index:02}"));
            groups.push(json!({"GroupId": id, "OwnerId": "111122223333",
                "IpPermissions": [permission]}));
            listed.push(rule);
        }
        let one = json!({"SecurityGroups": groups, "SecurityGroupRules": listed});
        let (first, second) = listed.split_at(split.min(listed.len()));
        let several = [
            ("`b`", json!(groups)),
            ("`a`", json!({"SecurityGroupRules": first})),
            ("`c`", json!({"SecurityGroupRules": second})),
            ("`d`", json!({"SecurityGroupRules": first})),
        ];
        prop_assert_eq!(decode(&one).groups, decode_inputs(&several).groups);
    }

    /// An unreadable group is reported, and the others are the same as without it.
    #[test]
    fn an_unreadable_group_hides_no_other(
        rules in prop::collection::vec(rule_in_both_forms(), 1..6),
        position in 0..6_usize,
        wrong in prop::sample::select(&["IpProtocol", "FromPort", "IpRanges", "all"][..]),
    ) {
        let permissions: Vec<_> = rules.into_iter().map(|(permission, _)| permission).collect();
        let mut groups = groups_with_permissions(&permissions);
        let expected = decode(&json!({"SecurityGroups": groups}));
        let mut unreadable = json!({"GroupId": "sg-x", "IpPermissions": [permissions[0]]});
        match wrong {
            "all" => unreadable["IpPermissions"] = Value::Null,
            key => unreadable["IpPermissions"][0][key] = json!(true),
        }
        groups.insert(position.min(groups.len()), unreadable);
        let described = decode(&json!({"SecurityGroups": groups}));
        prop_assert_eq!(described.groups, expected.groups);
        let ids: Vec<_> = described.problems.iter().map(|problem| &problem.group_id).collect();
        prop_assert_eq!(ids, [&Some("sg-x".to_owned())]);
    }

    /// Arbitrary bytes do not panic.
    #[test]
    fn arbitrary_bytes_are_decoded_or_rejected(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = decode_bytes(&bytes);
    }
}
