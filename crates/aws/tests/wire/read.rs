//! Reading groups and prefix lists.

use std::time::Duration;

use portcullis_remediation::{ErrorKind, GroupReader as _, GroupRef, ServiceError, Snapshot};

use crate::stub::{Reply, Stub, ec2_body, ec2_error, ec2_response};
use crate::{GROUP_ID, aws};

const GROUPS: &str = "DescribeSecurityGroups";
const RULES: &str = "DescribeSecurityGroupRules";
const ENTRIES: &str = "GetManagedPrefixListEntries";

fn group_item(id: &str, permissions: &str) -> String {
    format!(
        "<item><groupId>{id}</groupId><groupName>web</groupName><ownerId>123456789012</ownerId>\
         <vpcId>vpc-1</vpcId><ipPermissions>{permissions}</ipPermissions>\
         <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item>\
         <cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>\
         <tagSet><item><key>env</key><value>prod</value></item></tagSet></item>"
    )
}

fn groups_response(items: &str) -> Reply {
    ec2_response(
        GROUPS,
        &format!("<securityGroupInfo>{items}</securityGroupInfo>"),
    )
}

/// A rule with the id `sgr-{number}` and this source element.
fn rule_item(number: u32, protocol: &str, port: i32, source: &str) -> String {
    format!(
        "<item><securityGroupRuleId>sgr-{number}</securityGroupRuleId><groupId>{GROUP_ID}</groupId>\
         <isEgress>false</isEgress><ipProtocol>{protocol}</ipProtocol><fromPort>{port}</fromPort>\
         <toPort>{port}</toPort>{source}</item>"
    )
}

fn tcp_rule(number: u32) -> String {
    rule_item(
        number,
        "tcp",
        22,
        &format!("<cidrIpv4>198.51.{number}.0/24</cidrIpv4>"),
    )
}

fn list_rule(number: u32) -> String {
    rule_item(
        number,
        "tcp",
        443,
        &format!("<prefixListId>pl-{number}</prefixListId>"),
    )
}

fn rules_response(items: &str) -> Reply {
    rules_page_response(items, "")
}

fn rules_page_response(items: &str, next: &str) -> Reply {
    let set = format!("<securityGroupRuleSet>{items}</securityGroupRuleSet>");
    ec2_response(RULES, &format!("{set}<nextToken>{next}</nextToken>"))
}

fn entries_response(cidrs: &[&str], next: &str) -> Reply {
    let items = cidrs.join("</cidr></item><item><cidr>");
    let items = format!("<item><cidr>{items}</cidr></item>");
    ec2_response(
        ENTRIES,
        &format!("<entrySet>{items}</entrySet><nextToken>{next}</nextToken>"),
    )
}

async fn read_group(stub: &Stub) -> Result<Snapshot, ServiceError> {
    aws(stub)
        .group_reader()
        .read_group(&GroupRef::Id(GROUP_ID.to_owned()))
        .await
}

async fn read_group_by_name(stub: &Stub) -> Result<Snapshot, ServiceError> {
    aws(stub)
        .group_reader()
        .read_group(&GroupRef::Name("web".to_owned()))
        .await
}

fn rule_ids(snapshot: &Snapshot) -> Vec<&str> {
    let rules = snapshot.group.rules.iter();
    rules
        .map(|rule| rule.id.as_deref().unwrap_or("none"))
        .collect()
}

#[tokio::test]
async fn a_group_is_read_from_both_calls() {
    let only_listed = "<item><ipProtocol>tcp</ipProtocol><fromPort>3389</fromPort>\
                       <toPort>3389</toPort><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp>\
                       <description>rdp</description></item></ipRanges></item>";
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, only_listed))),
        (
            RULES,
            rules_response(&rule_item(
                1,
                "tcp",
                22,
                "<cidrIpv6>::/0</cidrIpv6><description>ssh</description>",
            )),
        ),
    ]);
    let snapshot = read_group(&stub).await.unwrap();
    let group = &snapshot.group;
    assert_eq!(group.id, GROUP_ID);
    assert_eq!(group.name.as_deref(), Some("web"));
    assert_eq!(group.vpc_id.as_deref(), Some("vpc-1"));
    assert_eq!(group.owner_id.as_deref(), Some("123456789012"));
    assert_eq!(group.tags["env"], "prod");
    assert_eq!(group.open_egress, Some(true));
    assert_eq!(rule_ids(&snapshot), ["sgr-1", "none"]);
    assert_eq!(group.rules[0].description.as_deref(), Some("ssh"));
    assert_eq!(group.rules[1].description.as_deref(), Some("rdp"));
}

#[tokio::test]
async fn the_group_is_requested_by_id_and_its_rules_by_filter() {
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, rules_response("")),
    ]);
    read_group(&stub).await.unwrap();
    let (by_id, by_filter) = (&stub.requests_for(GROUPS)[0], &stub.requests_for(RULES)[0]);
    assert_eq!(by_id.form_value("GroupId.1"), GROUP_ID);
    assert_eq!(by_id.form_value("Filter.1.Name"), "group-id");
    assert_eq!(by_id.form_value("Filter.1.Value.1"), GROUP_ID);
    assert_eq!(by_id.form_value("Version"), "2016-11-15");
    assert_eq!(by_filter.form_value("Filter.1.Name"), "group-id");
    assert_eq!(by_filter.form_value("Filter.1.Value.1"), GROUP_ID);
    assert_eq!(by_filter.form_value("MaxResults"), "1000");
    assert!(by_id.head.contains("AKIDEXAMPLE"), "{}", by_id.head);
}

#[tokio::test]
async fn both_calls_run_concurrently() {
    let (group, rules) = (group_item(GROUP_ID, ""), "<securityGroupRuleSet/>");
    let info = format!("<securityGroupInfo>{group}</securityGroupInfo>");
    let stub = Stub::start([
        (GROUPS, Reply::After(RULES, ec2_body(GROUPS, &info))),
        (RULES, Reply::After(GROUPS, ec2_body(RULES, rules))),
    ]);
    read_group(&stub).await.unwrap();
    assert_eq!(stub.max_concurrency(), 2);
}

#[tokio::test]
async fn all_pages_of_rules_are_read() {
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, rules_page_response(&tcp_rule(1), "more")),
        (RULES, rules_page_response(&tcp_rule(2), "")),
    ]);
    assert_eq!(
        rule_ids(&read_group(&stub).await.unwrap()),
        ["sgr-1", "sgr-2"]
    );
    assert_eq!(stub.requests_for(RULES)[1].form_value("NextToken"), "more");
}

#[tokio::test]
async fn a_repeated_page_token_is_an_error() {
    let page = rules_page_response(&tcp_rule(1), "again");
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, page),
    ]);
    let error = read_group(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("again"), "{error}");
}

#[tokio::test]
async fn a_later_page_that_fails_is_an_error() {
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, rules_page_response(&tcp_rule(1), "more")),
        (RULES, ec2_error(403, "UnauthorizedOperation")),
    ]);
    assert_eq!(read_group(&stub).await.unwrap_err().kind, ErrorKind::Denied);
}

#[tokio::test]
async fn egress_rules_and_rules_of_other_groups_are_left_out() {
    let egress = tcp_rule(2).replace("<isEgress>false", "<isEgress>true");
    let foreign = tcp_rule(3).replace(GROUP_ID, "sg-other");
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (
            RULES,
            rules_response(&format!("{}{egress}{foreign}", tcp_rule(1))),
        ),
    ]);
    assert_eq!(rule_ids(&read_group(&stub).await.unwrap()), ["sgr-1"]);
}

#[tokio::test]
async fn an_invalid_rule_is_an_error_with_its_id() {
    let invalid = rule_item(7, "quic", 22, "<cidrIpv4>0.0.0.0/0</cidrIpv4>");
    let items = format!("{}{invalid}", tcp_rule(1));
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, rules_response(&items)),
    ]);
    let error = read_group(&stub).await.unwrap_err();
    assert_eq!(error.operation, RULES);
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("sgr-7"), "{error}");
    assert!(error.message.contains("quic"), "{error}");
}

#[tokio::test]
async fn a_group_is_found_by_name() {
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, rules_response(&tcp_rule(1))),
    ]);
    let snapshot = read_group_by_name(&stub).await.unwrap();
    assert_eq!(snapshot.group.id, GROUP_ID);
    assert_eq!(rule_ids(&snapshot), ["sgr-1"]);
    assert_eq!(
        stub.requests_for(GROUPS)[0].form_value("GroupName.1"),
        "web"
    );
    assert_eq!(
        stub.requests_for(RULES)[0].form_value("Filter.1.Value.1"),
        GROUP_ID
    );
}

#[tokio::test]
async fn a_name_that_two_groups_have_is_an_error() {
    let two = format!("{}{}", group_item(GROUP_ID, ""), group_item("sg-2", ""));
    let stub = Stub::start([(GROUPS, groups_response(&two))]);
    let error = read_group_by_name(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("2 groups"), "{error}");
}

#[tokio::test]
async fn a_missing_group_is_reported_as_not_found() {
    let not_found = || ec2_error(400, "InvalidGroup.NotFound");
    let stub = Stub::start([(GROUPS, not_found()), (RULES, rules_response(""))]);
    assert_eq!(
        read_group(&stub).await.unwrap_err().kind,
        ErrorKind::GroupNotFound
    );
    assert_eq!(
        read_group_by_name(&stub).await.unwrap_err().kind,
        ErrorKind::GroupNotFound
    );
}

#[tokio::test]
async fn a_group_that_is_not_found_but_has_rules_is_an_error() {
    let not_found = ec2_error(400, "InvalidGroup.NotFound");
    let stub = Stub::start([(GROUPS, not_found), (RULES, rules_response(&tcp_rule(1)))]);
    let error = read_group(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("InvalidGroup.NotFound"), "{error}");
}

#[tokio::test]
async fn a_response_without_the_group_is_an_error() {
    for items in [String::new(), group_item("sg-2", "")] {
        let stub = Stub::start([
            (GROUPS, groups_response(&items)),
            (RULES, rules_response("")),
        ]);
        assert_eq!(read_group(&stub).await.unwrap_err().kind, ErrorKind::Other);
    }
}

#[tokio::test]
async fn a_denial_of_either_call_is_an_error() {
    let denied = || ec2_error(403, "UnauthorizedOperation");
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, denied()),
    ]);
    let error = read_group(&stub).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (RULES, ErrorKind::Denied));
    let stub = Stub::start([(GROUPS, denied()), (RULES, rules_response(""))]);
    let error = read_group(&stub).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (GROUPS, ErrorKind::Denied));
}

/// A group with rules that refer to these lists, and replies for their entries.
fn stub_with_lists<const N: usize>(lists: &[u32], replies: [Reply; N]) -> Stub {
    let items: String = lists.iter().map(|&number| list_rule(number)).collect();
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, rules_response(&items)),
    ]);
    for reply in replies {
        stub.add_reply(ENTRIES, reply);
    }
    stub
}

#[tokio::test]
async fn all_pages_of_a_prefix_list_are_read() {
    let pages = [
        entries_response(&["0.0.0.0/1"], "more"),
        entries_response(&["128.0.0.0/1"], ""),
    ];
    let stub = stub_with_lists(&[1, 1], pages);
    let lists = read_group(&stub).await.unwrap().prefix_lists;
    let entries = lists.entries("pl-1").unwrap();
    assert_eq!(entries.len(), 2);
    let requests = stub.requests_for(ENTRIES);
    assert_eq!(requests.len(), 2, "each list is read once");
    assert_eq!(requests[0].form_value("PrefixListId"), "pl-1");
    assert_eq!(requests[0].form_value("MaxResults"), "100");
    assert_eq!(requests[1].form_value("NextToken"), "more");
}

#[tokio::test]
async fn a_prefix_list_that_does_not_exist_is_unresolved() {
    for code in [
        "InvalidPrefixListID.NotFound",
        "InvalidPrefixListId.NotFound",
    ] {
        let stub = stub_with_lists(&[1], [ec2_error(400, code)]);
        let snapshot = read_group(&stub).await.unwrap();
        assert_eq!(snapshot.prefix_lists.entries("pl-1"), None);
        assert_eq!(rule_ids(&snapshot), ["sgr-1"]);
    }
}

#[tokio::test]
async fn a_prefix_list_that_cannot_be_read_is_an_error() {
    let stub = stub_with_lists(&[1], [ec2_error(403, "UnauthorizedOperation")]);
    let error = read_group(&stub).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (ENTRIES, ErrorKind::Denied));
    let stub = stub_with_lists(&[1], [entries_response(&["10.0.0.0/8", "everywhere"], "")]);
    let error = read_group(&stub).await.unwrap_err();
    assert!(error.message.contains("pl-1"), "{error}");
    assert!(error.message.contains("everywhere"), "{error}");
}

#[tokio::test]
async fn prefix_lists_are_read_with_limited_concurrency() {
    let body = ec2_body(
        ENTRIES,
        "<entrySet><item><cidr>10.0.0.0/8</cidr></item></entrySet>",
    );
    let delayed = Reply::Delayed(Duration::from_millis(100), body);
    let stub = stub_with_lists(&[1, 2, 3, 4, 5, 6, 7], [delayed]);
    let lists = read_group(&stub).await.unwrap().prefix_lists;
    for number in 1..=7 {
        assert_eq!(lists.entries(&format!("pl-{number}")).unwrap().len(), 1);
    }
    assert!(
        (2..=4).contains(&stub.max_concurrency()),
        "{}",
        stub.max_concurrency()
    );
}

#[tokio::test]
async fn groups_using_a_prefix_list_are_found_on_all_pages() {
    let page = |id: &str, next: &str| {
        let info = format!(
            "<securityGroupInfo>{}</securityGroupInfo>",
            group_item(id, "")
        );
        ec2_response(GROUPS, &format!("{info}<nextToken>{next}</nextToken>"))
    };
    let stub = Stub::start([(GROUPS, page("sg-2", "more")), (GROUPS, page("sg-1", ""))]);
    let found = aws(&stub)
        .group_reader()
        .groups_using_prefix_list("pl-1")
        .await
        .unwrap();
    assert_eq!(found, ["sg-1", "sg-2"]);
    let requests = stub.requests_for(GROUPS);
    assert_eq!(
        requests[0].form_value("Filter.1.Name"),
        "ip-permission.prefix-list-id"
    );
    assert_eq!(requests[0].form_value("Filter.1.Value.1"), "pl-1");
    assert_eq!(requests[1].form_value("NextToken"), "more");
}

fn list_state_response(item: &str) -> Reply {
    let operation = "DescribeManagedPrefixLists";
    ec2_response(operation, &format!("<prefixListSet>{item}</prefixListSet>"))
}

#[tokio::test]
async fn the_state_of_a_prefix_list_is_read_with_its_version() {
    const DESCRIBE: &str = "DescribeManagedPrefixLists";
    let pending = "<item><prefixListId>pl-1</prefixListId><version>3</version>\
                   <state>modify-in-progress</state></item>";
    let incomplete = "<item><prefixListId>pl-1</prefixListId><version>3</version></item>";
    for (reply, expected) in [
        (
            list_state_response(pending),
            Ok(Some((3, "modify-in-progress"))),
        ),
        (list_state_response(""), Ok(None)),
        (ec2_error(400, "InvalidPrefixListID.NotFound"), Ok(None)),
        (list_state_response(incomplete), Err(ErrorKind::Other)),
        (
            ec2_error(403, "UnauthorizedOperation"),
            Err(ErrorKind::Denied),
        ),
    ] {
        let stub = Stub::start([(DESCRIBE, reply)]);
        let result = aws(&stub)
            .group_reader()
            .read_prefix_list_state("pl-1")
            .await;
        let found = result.map(|state| state.map(|state| (state.version, state.state)));
        let expected =
            expected.map(|state| state.map(|(version, name)| (version, name.to_owned())));
        assert_eq!(found.map_err(|error| error.kind), expected);
        let ids = stub
            .requests()
            .first()
            .map(|request| request.form_value("PrefixListId.1").to_owned());
        assert_eq!(ids.as_deref(), Some("pl-1"));
    }
}

#[tokio::test]
async fn each_prefix_list_is_read_once_for_an_event() {
    let entries = ec2_response(
        ENTRIES,
        "<entrySet><item><cidr>10.0.0.0/8</cidr></item></entrySet>",
    );
    let stub = Stub::start([
        (GROUPS, groups_response(&group_item(GROUP_ID, ""))),
        (RULES, rules_response(&list_rule(1))),
        (ENTRIES, entries),
    ]);
    let reader = aws(&stub).group_reader();
    let group = GroupRef::Id(GROUP_ID.to_owned());
    for (is_new_event, reads) in [(true, 1), (false, 1), (true, 2)] {
        if is_new_event {
            reader.start_event();
        }
        let snapshot = reader.read_group(&group).await.unwrap();
        assert_eq!(
            snapshot.prefix_lists.entries("pl-1").map(<[_]>::len),
            Some(1)
        );
        let requests = stub.requests();
        let found = requests
            .iter()
            .filter(|request| request.form_value("Action") == ENTRIES);
        assert_eq!(found.count(), reads);
    }
}
