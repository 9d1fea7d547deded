//! Listing all groups, page by page.

use std::sync::Arc;

use jiff::Timestamp;
use portcullis_aws::SystemClock;
use portcullis_remediation::remediator::Limits;
use portcullis_remediation::{
    ErrorKind, GroupLister as _, Services, SweepReport, SweepRequest, Sweeper,
};
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::{Context, PrefixLists, Source, evaluate};
use portcullis_testkit::{FakePublisher, group_from_lines};

use crate::aws;
use crate::stub::{Reply, Request, Stub, ec2_error, ec2_response};

const GROUPS: &str = "DescribeSecurityGroups";
const RULES: &str = "DescribeSecurityGroupRules";
const ENTRIES: &str = "GetManagedPrefixListEntries";

fn group_item(id: &str, list: &str) -> String {
    format!(
        "<item><groupId>{id}</groupId><groupName>web</groupName><ipPermissions><item>\
         <ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><ipRanges><item>\
         <cidrIp>0.0.0.0/0</cidrIp><description>ssh</description></item></ipRanges>\
         <prefixListIds><item><prefixListId>{list}</prefixListId></item></prefixListIds>\
         </item></ipPermissions></item>"
    )
}

fn groups_response(items: &[String], next: &str) -> Reply {
    let items = items.concat();
    ec2_response(
        GROUPS,
        &format!("<securityGroupInfo>{items}</securityGroupInfo><nextToken>{next}</nextToken>"),
    )
}

fn entries_response(cidr: &str) -> Reply {
    ec2_response(
        ENTRIES,
        &format!("<entrySet><item><cidr>{cidr}</cidr></item></entrySet>"),
    )
}

#[tokio::test]
async fn each_page_is_one_call_and_each_prefix_list_is_read_once() {
    let stub = Stub::start([
        (
            GROUPS,
            groups_response(
                &[group_item("sg-1", "pl-1"), group_item("sg-2", "pl-1")],
                "n+2/=",
            ),
        ),
        (
            GROUPS,
            groups_response(
                &[group_item("sg-3", "pl-1"), group_item("sg-4", "pl-2")],
                "",
            ),
        ),
        (ENTRIES, entries_response("0.0.0.0/1")),
        (ENTRIES, ec2_error(400, "InvalidPrefixListId.NotFound")),
    ]);
    let lister = aws(&stub).group_lister();
    let first = lister.list_page(None).await.unwrap();
    let second = lister.list_page(first.next_token.as_deref()).await.unwrap();
    assert_eq!(
        (first.next_token.as_deref(), second.next_token),
        (Some("n+2/="), None)
    );
    let ids: Vec<_> = first
        .groups
        .iter()
        .chain(&second.groups)
        .map(|group| group.id.as_str())
        .collect();
    assert_eq!(ids, ["sg-1", "sg-2", "sg-3", "sg-4"]);
    assert_eq!(first.groups[0].rules.len(), 2);
    assert_eq!(first.groups[0].rules[0].description.as_deref(), Some("ssh"));
    let entries = |list: &str| second.prefix_lists.entries(list).map(<[_]>::len);
    assert_eq!((entries("pl-1"), entries("pl-2")), (Some(1), None));
    let wide = Source::PrefixList("pl-1".to_owned());
    assert_eq!(first.prefix_lists.source_blocks(&wide).len(), 1);
    let page_sizes: Vec<_> = stub
        .requests_for(GROUPS)
        .iter()
        .map(|call| call.fields_with_prefix("MaxResults"))
        .collect();
    assert_eq!(page_sizes, [["=1000"], ["=1000"]]);
    assert_eq!(
        stub.requests_for(GROUPS)[1].form_value("NextToken"),
        "n+2/="
    );
    let lists: Vec<_> = stub
        .requests_for(ENTRIES)
        .iter()
        .map(|call| call.form_value("PrefixListId").to_owned())
        .collect();
    assert_eq!(lists, ["pl-1", "pl-2"]);
    assert!(lister.list_page(None).await.is_ok());
    assert_eq!(
        stub.requests_for(ENTRIES).len(),
        2,
        "a missing list is not requested again"
    );
}

fn rule_item(group: &str, id: &str, port: u16) -> String {
    format!(
        "<item><securityGroupRuleId>{id}</securityGroupRuleId><groupId>{group}</groupId>\
         <isEgress>false</isEgress><ipProtocol>tcp</ipProtocol><fromPort>{port}</fromPort>\
         <toPort>{port}</toPort><cidrIpv4>0.0.0.0/0</cidrIpv4>\
         <tagSet><item><key>ticket</key><value>INC-1</value></item></tagSet></item>"
    )
}

fn rules_response(items: &[String], next: &str) -> Reply {
    let items = items.concat();
    ec2_response(
        RULES,
        &format!(
            "<securityGroupRuleSet>{items}</securityGroupRuleSet><nextToken>{next}</nextToken>"
        ),
    )
}

#[tokio::test]
async fn listed_groups_get_the_ids_and_tags_of_their_rules() {
    let egress = rule_item("sg-2", "sgr-9", 22).replace(">false<", ">true<");
    let stub = Stub::start([
        (
            RULES,
            rules_response(&[rule_item("sg-1", "sgr-1", 22), egress], "more"),
        ),
        (RULES, rules_response(&[rule_item("sg-1", "sgr-2", 23)], "")),
    ]);
    let listed = vec![
        group_from_lines("sg-1", &["tcp 22 0.0.0.0/0", "tcp 24 0.0.0.0/0"]),
        group_from_lines("sg-2", &["tcp 22 0.0.0.0/0"]),
    ];
    let groups = aws(&stub)
        .group_lister()
        .with_rule_ids(listed)
        .await
        .unwrap();
    let ids = |place: usize| {
        groups[place]
            .rules
            .iter()
            .map(|rule| rule.id.as_deref())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(0),
        [Some("sgr-1"), Some("sgr-2"), None],
        "the rules of both responses, each once"
    );
    assert_eq!(ids(1), [None], "egress rules are left out");
    assert_eq!(groups[0].rules[0].tags["ticket"], "INC-1");
    let requests = stub.requests_for(RULES);
    assert_eq!(
        requests[0].fields_with_prefix("Filter.1"),
        [".Name=group-id", ".Value.1=sg-1", ".Value.2=sg-2"]
    );
    assert_eq!(
        (requests.len(), requests[1].form_value("NextToken")),
        (2, "more")
    );
}

#[tokio::test]
async fn a_filter_has_no_more_values_than_ec2_accepts() {
    let many: Vec<_> = (0..401)
        .map(|number| group_from_lines(&format!("sg-{number:03}"), &["tcp 22 0.0.0.0/0"]))
        .collect();
    let stub = Stub::start([(RULES, rules_response(&[], ""))]);
    let groups = aws(&stub)
        .group_lister()
        .with_rule_ids(many.clone())
        .await
        .unwrap();
    assert_eq!(groups, many, "in the same order");
    let values: Vec<_> = stub
        .requests_for(RULES)
        .iter()
        .map(|call| call.fields_with_prefix("Filter.1.Value").len())
        .collect();
    assert_eq!(values.iter().sum::<usize>(), 401);
    assert!(values.iter().all(|&count| count <= 200), "{values:?}");
}

#[tokio::test]
async fn unreadable_rules_are_an_error() {
    let stub = Stub::start([(RULES, ec2_error(403, "UnauthorizedOperation"))]);
    let error = aws(&stub)
        .group_lister()
        .with_rule_ids(vec![group_from_lines("sg-1", &[])])
        .await
        .unwrap_err();
    assert_eq!((error.operation, error.kind), (RULES, ErrorKind::Denied));
}

#[tokio::test]
async fn throttling_is_retried_by_the_sdk_and_then_an_error() {
    let stub = Stub::start([
        (GROUPS, ec2_error(503, "RequestLimitExceeded")),
        (GROUPS, groups_response(&[], "")),
    ]);
    assert!(
        aws(&stub)
            .group_lister()
            .list_page(None)
            .await
            .unwrap()
            .groups
            .is_empty()
    );
    assert_eq!(stub.requests_for(GROUPS).len(), 2);
    let stub = Stub::start([(GROUPS, ec2_error(503, "RequestLimitExceeded"))]);
    assert_eq!(
        aws(&stub)
            .group_lister()
            .list_page(None)
            .await
            .unwrap_err()
            .kind,
        ErrorKind::Throttled
    );
}

/// Lists are read concurrently, so the reply depends on the list and not on the order.
fn reply_by_list(request: &Request) -> Reply {
    if request.form_value("PrefixListId") == "pl-2" {
        ec2_error(403, "UnauthorizedOperation")
    } else {
        entries_response("0.0.0.0/1")
    }
}

#[tokio::test]
async fn groups_with_an_unreadable_list_do_not_hide_other_groups() {
    let stub = Stub::start([
        (
            GROUPS,
            groups_response(
                &[group_item("sg-1", "pl-1"), group_item("sg-2", "pl-2")],
                "",
            ),
        ),
        (ENTRIES, Reply::Dynamic(reply_by_list)),
    ]);
    let page = aws(&stub).group_lister().list_page(None).await.unwrap();
    assert_eq!(
        page.groups
            .iter()
            .map(|group| group.id.as_str())
            .collect::<Vec<_>>(),
        ["sg-1"]
    );
    let [(unreadable, error)] = page.unreadable_groups.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(
        (unreadable.id.as_str(), error.kind),
        ("sg-2", ErrorKind::Denied)
    );
    assert!(error.message.starts_with("pl-2: "), "{error}");
}

#[tokio::test]
async fn a_group_with_an_invalid_rule_does_not_hide_other_groups() {
    let invalid = group_item("sg-1", "pl-1").replace("0.0.0.0/0", "here");
    let stub = Stub::start([
        (
            GROUPS,
            groups_response(&[invalid, group_item("sg-2", "pl-1")], ""),
        ),
        (ENTRIES, entries_response("10.0.0.0/8")),
    ]);
    let page = aws(&stub).group_lister().list_page(None).await.unwrap();
    assert_eq!(
        page.groups
            .iter()
            .map(|group| group.id.as_str())
            .collect::<Vec<_>>(),
        ["sg-2"]
    );
    let [(unreadable, error)] = page.unreadable_groups.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(
        (
            unreadable.id.as_str(),
            unreadable.name.as_deref(),
            unreadable.rules.len()
        ),
        ("sg-1", Some("web"), 0)
    );
    assert!(
        error.operation == GROUPS && error.message.contains("here"),
        "{error}"
    );
}

#[tokio::test]
async fn incomplete_pages_are_errors() {
    let without_id = "<item><groupName>web</groupName></item>".to_owned();
    let stub = Stub::start([(GROUPS, groups_response(&[without_id], ""))]);
    assert_eq!(
        aws(&stub)
            .group_lister()
            .list_page(None)
            .await
            .unwrap_err()
            .operation,
        GROUPS
    );
    let throttled = ec2_error(503, "RequestLimitExceeded");
    let stub = Stub::start([
        (GROUPS, groups_response(&[group_item("sg-1", "pl-1")], "")),
        (ENTRIES, throttled),
    ]);
    let lister = aws(&stub).group_lister();
    assert_eq!(
        lister.list_page(None).await.unwrap_err().operation,
        ENTRIES,
        "a retry may succeed"
    );
    assert!(
        lister.list_page(None).await.is_err(),
        "an unreadable list is not cached as missing"
    );
    let stub = Stub::start([(GROUPS, ec2_error(400, "InvalidNextToken"))]);
    assert_eq!(
        aws(&stub)
            .group_lister()
            .list_page(Some("stale"))
            .await
            .unwrap_err()
            .kind,
        ErrorKind::Other
    );
    let stub = Stub::start([(RULES, rules_response(&[rule_item("", "sgr-1", 22)], ""))]);
    let error = aws(&stub)
        .group_lister()
        .with_rule_ids(vec![group_from_lines("sg-1", &[])])
        .await
        .unwrap_err();
    assert_eq!(error.operation, RULES, "a rule without a group: {error}");
}

/// A page of a thousand groups; every seventh group is open on port 22.
fn page_of_thousand(page_number: usize, next: &str) -> Reply {
    let items: Vec<_> = (page_number * 1000..(page_number + 1) * 1000)
        .map(numbered_group_item)
        .collect();
    groups_response(&items, next)
}

fn numbered_group_item(number: usize) -> String {
    let (id, port) = (group_id(number), open_port(number));
    format!(
        "<item><groupId>{id}</groupId><ipPermissions><item><ipProtocol>tcp</ipProtocol>\
         <fromPort>{port}</fromPort><toPort>{port}</toPort><ipRanges><item>\
         <cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissions></item>"
    )
}

fn open_port(number: usize) -> u16 {
    if number.is_multiple_of(7) { 22 } else { 443 }
}

fn group_id(number: usize) -> String {
    format!("sg-{number:04}")
}

async fn sweep(stub: &Stub, token: Option<&str>) -> SweepReport {
    let aws = aws(stub);
    let reader = Arc::new(aws.group_reader());
    let services = Services {
        reader,
        editor: None,
        publisher: Arc::new(FakePublisher::default()),
        clock: Arc::new(SystemClock),
    };
    let token = token.map(str::to_owned);
    let request = SweepRequest {
        id: "s-1".to_owned(),
        account: None,
        region: None,
        token,
        deadline: Timestamp::MAX,
    };
    Sweeper::new(services, baseline_policy(), Limits::default())
        .sweep(&aws.group_lister(), &request)
        .await
}

fn count_findings(number: usize) -> usize {
    let rule = format!("tcp {} 0.0.0.0/0", open_port(number));
    let group = group_from_lines(&group_id(number), &[&rule]);
    let (lists, context) = (PrefixLists::empty(), Context::default());
    evaluate(&baseline_policy(), &group, &lists, &context)
        .findings
        .len()
}

#[tokio::test]
async fn a_sweep_of_5000_groups_survives_throttling_and_continues_after_a_failed_page() {
    let throttled = || ec2_error(503, "RequestLimitExceeded");
    let stub = Stub::start([
        (GROUPS, throttled()),
        (GROUPS, page_of_thousand(0, "1")),
        (GROUPS, throttled()),
        (GROUPS, throttled()),
        (GROUPS, page_of_thousand(1, "2")),
        (GROUPS, page_of_thousand(2, "3")),
        (GROUPS, ec2_error(403, "UnauthorizedOperation")),
    ]);
    let first = sweep(&stub, None).await;
    assert_eq!((first.group_count, first.errors().len()), (3000, 1));
    let token = first.unfinished.as_ref().unwrap().token.as_deref();
    assert_eq!(token, Some("3"));
    let stub = Stub::start([
        (GROUPS, page_of_thousand(3, "4")),
        (GROUPS, page_of_thousand(4, "")),
    ]);
    let rest = sweep(&stub, token).await;
    assert_eq!(stub.requests_for(GROUPS)[0].form_value("NextToken"), "3");
    assert_eq!((rest.group_count, rest.errors().len()), (2000, 0));
    let expected: usize = (0..5000).map(count_findings).sum();
    assert!(expected >= 715, "{expected}");
    assert_eq!(first.finding_count() + rest.finding_count(), expected);
    assert_eq!(first.affected_groups() + rest.affected_groups(), 715);
}
