//! Reading groups and prefix lists.

use std::time::Duration;

use portcullis_remediation::{ErrorKind, GroupReader as _, GroupRef, ServiceError, Snapshot};

use crate::stub::{Reply, Stub, ok, refused, xml};
use crate::{ID, aws};

const GROUPS: &str = "DescribeSecurityGroups";
const RULES: &str = "DescribeSecurityGroupRules";
const ENTRIES: &str = "GetManagedPrefixListEntries";

fn group(id: &str, permissions: &str) -> String {
    format!(
        "<item><groupId>{id}</groupId><groupName>web</groupName><ownerId>123456789012</ownerId>\
         <vpcId>vpc-1</vpcId><ipPermissions>{permissions}</ipPermissions><ipPermissionsEgress><item>\
         <ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges>\
         </item></ipPermissionsEgress><tagSet><item><key>env</key><value>prod</value></item></tagSet></item>"
    )
}

fn groups(items: &str) -> Reply {
    ok(
        GROUPS,
        &format!("<securityGroupInfo>{items}</securityGroupInfo>"),
    )
}

/// A rule with this number as id, and its source as an element.
fn rule(number: u32, protocol: &str, port: i32, source: &str) -> String {
    format!(
        "<item><securityGroupRuleId>sgr-{number}</securityGroupRuleId><groupId>{ID}</groupId>\
         <isEgress>false</isEgress><ipProtocol>{protocol}</ipProtocol><fromPort>{port}</fromPort>\
         <toPort>{port}</toPort>{source}</item>"
    )
}

fn tcp(number: u32) -> String {
    rule(
        number,
        "tcp",
        22,
        &format!("<cidrIpv4>198.51.{number}.0/24</cidrIpv4>"),
    )
}

fn from_list(number: u32) -> String {
    rule(
        number,
        "tcp",
        443,
        &format!("<prefixListId>pl-{number}</prefixListId>"),
    )
}

fn rules(items: &str) -> Reply {
    rules_page(items, "")
}

fn rules_page(items: &str, next: &str) -> Reply {
    let set = format!("<securityGroupRuleSet>{items}</securityGroupRuleSet>");
    ok(RULES, &format!("{set}<nextToken>{next}</nextToken>"))
}

fn entries_page(cidrs: &[&str], next: &str) -> Reply {
    let items = cidrs.join("</cidr></item><item><cidr>");
    let items = format!("<item><cidr>{items}</cidr></item>");
    ok(
        ENTRIES,
        &format!("<entrySet>{items}</entrySet><nextToken>{next}</nextToken>"),
    )
}

async fn read(stub: &Stub) -> Result<Snapshot, ServiceError> {
    aws(stub)
        .group_reader()
        .read_group(&GroupRef::Id(ID.to_owned()))
        .await
}

async fn read_named(stub: &Stub) -> Result<Snapshot, ServiceError> {
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
    let unseen = "<item><ipProtocol>tcp</ipProtocol><fromPort>3389</fromPort><toPort>3389</toPort>\
                  <ipRanges><item><cidrIp>0.0.0.0/0</cidrIp><description>rdp</description></item></ipRanges></item>";
    let stub = Stub::start([
        (GROUPS, groups(&group(ID, unseen))),
        (
            RULES,
            rules(&rule(
                1,
                "tcp",
                22,
                "<cidrIpv6>::/0</cidrIpv6><description>ssh</description>",
            )),
        ),
    ]);
    let snapshot = read(&stub).await.unwrap();
    let group = &snapshot.group;
    assert_eq!(group.id, ID);
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
async fn the_group_is_asked_for_by_id_and_its_rules_by_filter() {
    let stub = Stub::start([(GROUPS, groups(&group(ID, ""))), (RULES, rules(""))]);
    read(&stub).await.unwrap();
    let (asked, filtered) = (&stub.of(GROUPS)[0], &stub.of(RULES)[0]);
    assert_eq!(asked.get("GroupId.1"), ID);
    assert_eq!(asked.get("Version"), "2016-11-15");
    assert_eq!(filtered.get("Filter.1.Name"), "group-id");
    assert_eq!(filtered.get("Filter.1.Value.1"), ID);
    assert_eq!(filtered.get("MaxResults"), "1000");
    assert!(asked.head.contains("AKIDEXAMPLE"), "{}", asked.head);
}

#[tokio::test]
async fn both_calls_run_side_by_side() {
    let (group, rules) = (group(ID, ""), "<securityGroupRuleSet/>");
    let info = format!("<securityGroupInfo>{group}</securityGroupInfo>");
    let stub = Stub::start([
        (GROUPS, Reply::After(RULES, xml(GROUPS, &info))),
        (RULES, Reply::After(GROUPS, xml(RULES, rules))),
    ]);
    read(&stub).await.unwrap();
    assert_eq!(stub.most_at_once(), 2);
}

#[tokio::test]
async fn all_pages_of_rules_are_read() {
    let stub = Stub::start([
        (GROUPS, groups(&group(ID, ""))),
        (RULES, rules_page(&tcp(1), "more")),
        (RULES, rules_page(&tcp(2), "")),
    ]);
    assert_eq!(rule_ids(&read(&stub).await.unwrap()), ["sgr-1", "sgr-2"]);
    assert_eq!(stub.of(RULES)[1].get("NextToken"), "more");
}

#[tokio::test]
async fn pages_that_go_round_in_a_circle_are_an_error() {
    let page = rules_page(&tcp(1), "again");
    let stub = Stub::start([(GROUPS, groups(&group(ID, ""))), (RULES, page)]);
    let error = read(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("again"), "{error}");
}

#[tokio::test]
async fn a_later_page_that_fails_is_an_error() {
    let stub = Stub::start([
        (GROUPS, groups(&group(ID, ""))),
        (RULES, rules_page(&tcp(1), "more")),
        (RULES, refused(403, "UnauthorizedOperation")),
    ]);
    assert_eq!(read(&stub).await.unwrap_err().kind, ErrorKind::Denied);
}

#[tokio::test]
async fn egress_and_the_rules_of_other_groups_are_left_out() {
    let egress = tcp(2).replace("<isEgress>false", "<isEgress>true");
    let foreign = tcp(3).replace(ID, "sg-other");
    let stub = Stub::start([
        (GROUPS, groups(&group(ID, ""))),
        (RULES, rules(&format!("{}{egress}{foreign}", tcp(1)))),
    ]);
    assert_eq!(rule_ids(&read(&stub).await.unwrap()), ["sgr-1"]);
}

#[tokio::test]
async fn a_rule_that_cannot_be_understood_is_an_error_that_names_it() {
    let odd = rule(7, "quic", 22, "<cidrIpv4>0.0.0.0/0</cidrIpv4>");
    let items = format!("{}{odd}", tcp(1));
    let stub = Stub::start([(GROUPS, groups(&group(ID, ""))), (RULES, rules(&items))]);
    let error = read(&stub).await.unwrap_err();
    assert_eq!(error.operation, RULES);
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("sgr-7"), "{error}");
    assert!(error.message.contains("quic"), "{error}");
}

#[tokio::test]
async fn a_group_is_found_by_name() {
    let stub = Stub::start([(GROUPS, groups(&group(ID, ""))), (RULES, rules(&tcp(1)))]);
    let snapshot = read_named(&stub).await.unwrap();
    assert_eq!(snapshot.group.id, ID);
    assert_eq!(rule_ids(&snapshot), ["sgr-1"]);
    assert_eq!(stub.of(GROUPS)[0].get("GroupName.1"), "web");
    assert_eq!(stub.of(RULES)[0].get("Filter.1.Value.1"), ID);
}

#[tokio::test]
async fn a_name_of_two_groups_is_an_error() {
    let two = format!("{}{}", group(ID, ""), group("sg-2", ""));
    let stub = Stub::start([(GROUPS, groups(&two))]);
    let error = read_named(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("2 groups"), "{error}");
}

#[tokio::test]
async fn a_group_that_is_not_there_is_told_as_such() {
    let gone = || refused(400, "InvalidGroup.NotFound");
    let stub = Stub::start([(GROUPS, gone()), (RULES, rules(""))]);
    assert_eq!(
        read(&stub).await.unwrap_err().kind,
        ErrorKind::GroupNotFound
    );
    assert_eq!(
        read_named(&stub).await.unwrap_err().kind,
        ErrorKind::GroupNotFound
    );
}

#[tokio::test]
async fn a_group_that_is_not_found_but_has_rules_has_not_vanished() {
    let gone = refused(400, "InvalidGroup.NotFound");
    let stub = Stub::start([(GROUPS, gone), (RULES, rules(&tcp(1)))]);
    let error = read(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other);
    assert!(error.message.contains("InvalidGroup.NotFound"), "{error}");
}

#[tokio::test]
async fn an_answer_without_the_group_is_an_error() {
    for items in [String::new(), group("sg-2", "")] {
        let stub = Stub::start([(GROUPS, groups(&items)), (RULES, rules(""))]);
        assert_eq!(read(&stub).await.unwrap_err().kind, ErrorKind::Other);
    }
}

#[tokio::test]
async fn either_call_that_is_denied_fails_the_reading() {
    let denied = || refused(403, "UnauthorizedOperation");
    let stub = Stub::start([(GROUPS, groups(&group(ID, ""))), (RULES, denied())]);
    let error = read(&stub).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (RULES, ErrorKind::Denied));
    let stub = Stub::start([(GROUPS, denied()), (RULES, rules(""))]);
    let error = read(&stub).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (GROUPS, ErrorKind::Denied));
}

/// A group with rules from these lists.
fn with_lists<const N: usize>(lists: &[u32], replies: [Reply; N]) -> Stub {
    let items: String = lists.iter().map(|&number| from_list(number)).collect();
    let stub = Stub::start([(GROUPS, groups(&group(ID, ""))), (RULES, rules(&items))]);
    for reply in replies {
        stub.add(ENTRIES, reply);
    }
    stub
}

#[tokio::test]
async fn all_pages_of_a_prefix_list_are_read() {
    let pages = [
        entries_page(&["0.0.0.0/1"], "more"),
        entries_page(&["128.0.0.0/1"], ""),
    ];
    let stub = with_lists(&[1, 1], pages);
    let lists = read(&stub).await.unwrap().prefix_lists;
    let entries = lists.entries("pl-1").unwrap();
    assert_eq!(entries.len(), 2);
    let asked = stub.of(ENTRIES);
    assert_eq!(asked.len(), 2, "each list is asked for once");
    assert_eq!(asked[0].get("PrefixListId"), "pl-1");
    assert_eq!(asked[0].get("MaxResults"), "100");
    assert_eq!(asked[1].get("NextToken"), "more");
}

#[tokio::test]
async fn a_prefix_list_that_does_not_exist_is_unresolved() {
    for code in [
        "InvalidPrefixListID.NotFound",
        "InvalidPrefixListId.NotFound",
    ] {
        let stub = with_lists(&[1], [refused(400, code)]);
        let snapshot = read(&stub).await.unwrap();
        assert_eq!(snapshot.prefix_lists.entries("pl-1"), None);
        assert_eq!(rule_ids(&snapshot), ["sgr-1"]);
    }
}

#[tokio::test]
async fn a_prefix_list_that_cannot_be_read_is_an_error() {
    let stub = with_lists(&[1], [refused(403, "UnauthorizedOperation")]);
    let error = read(&stub).await.unwrap_err();
    assert_eq!((error.operation, error.kind), (ENTRIES, ErrorKind::Denied));
    let stub = with_lists(&[1], [entries_page(&["10.0.0.0/8", "everywhere"], "")]);
    let error = read(&stub).await.unwrap_err();
    assert!(error.message.contains("pl-1"), "{error}");
    assert!(error.message.contains("everywhere"), "{error}");
}

#[tokio::test]
async fn few_prefix_lists_are_read_at_the_same_time() {
    let body = xml(
        ENTRIES,
        "<entrySet><item><cidr>10.0.0.0/8</cidr></item></entrySet>",
    );
    let slow = Reply::Slow(Duration::from_millis(100), body);
    let stub = with_lists(&[1, 2, 3, 4, 5, 6, 7], [slow]);
    let lists = read(&stub).await.unwrap().prefix_lists;
    for number in 1..=7 {
        assert_eq!(lists.entries(&format!("pl-{number}")).unwrap().len(), 1);
    }
    assert!(
        (2..=4).contains(&stub.most_at_once()),
        "{}",
        stub.most_at_once()
    );
}

#[tokio::test]
async fn groups_that_use_a_prefix_list_are_found_on_all_pages() {
    let page = |id: &str, next: &str| {
        let info = format!("<securityGroupInfo>{}</securityGroupInfo>", group(id, ""));
        ok(GROUPS, &format!("{info}<nextToken>{next}</nextToken>"))
    };
    let stub = Stub::start([(GROUPS, page("sg-2", "more")), (GROUPS, page("sg-1", ""))]);
    let found = aws(&stub)
        .group_reader()
        .groups_using_prefix_list("pl-1")
        .await
        .unwrap();
    assert_eq!(found, ["sg-1", "sg-2"]);
    let asked = stub.of(GROUPS);
    assert_eq!(
        asked[0].get("Filter.1.Name"),
        "ip-permission.prefix-list-id"
    );
    assert_eq!(asked[0].get("Filter.1.Value.1"), "pl-1");
    assert_eq!(asked[1].get("NextToken"), "more");
}
