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
use portcullis_testkit::{FakePublisher, group_from_lines as known};

use crate::aws;
use crate::stub::{Reply, Request, Stub, ok, refused};

const GROUPS: &str = "DescribeSecurityGroups";
const RULES: &str = "DescribeSecurityGroupRules";
const ENTRIES: &str = "GetManagedPrefixListEntries";

fn group(id: &str, list: &str) -> String {
    format!(
        "<item><groupId>{id}</groupId><groupName>web</groupName><ipPermissions><item><ipProtocol>tcp</ipProtocol>\
         <fromPort>22</fromPort><toPort>22</toPort><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp><description>ssh\
         </description></item></ipRanges><prefixListIds><item><prefixListId>{list}</prefixListId></item></prefixListIds>\
         </item></ipPermissions></item>"
    )
}

fn page(items: &[String], next: &str) -> Reply {
    let items = items.concat();
    ok(
        GROUPS,
        &format!("<securityGroupInfo>{items}</securityGroupInfo><nextToken>{next}</nextToken>"),
    )
}

fn entries(cidr: &str) -> Reply {
    ok(
        ENTRIES,
        &format!("<entrySet><item><cidr>{cidr}</cidr></item></entrySet>"),
    )
}

#[tokio::test]
async fn each_page_is_one_call_and_each_prefix_list_is_read_once() {
    let stub = Stub::start([
        (
            GROUPS,
            page(&[group("sg-1", "pl-1"), group("sg-2", "pl-1")], "n+2/="),
        ),
        (
            GROUPS,
            page(&[group("sg-3", "pl-1"), group("sg-4", "pl-2")], ""),
        ),
        (ENTRIES, entries("0.0.0.0/1")),
        (ENTRIES, refused(400, "InvalidPrefixListId.NotFound")),
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
    let asked: Vec<_> = stub
        .of(GROUPS)
        .iter()
        .map(|call| call.below("MaxResults"))
        .collect();
    assert_eq!(asked, [["=1000"], ["=1000"]]);
    assert_eq!(stub.of(GROUPS)[1].get("NextToken"), "n+2/=");
    let lists: Vec<_> = stub
        .of(ENTRIES)
        .iter()
        .map(|call| call.get("PrefixListId").to_owned())
        .collect();
    assert_eq!(lists, ["pl-1", "pl-2"]);
    assert!(lister.list_page(None).await.is_ok());
    assert_eq!(
        stub.of(ENTRIES).len(),
        2,
        "and a missing one is not asked for again"
    );
}

fn described(group: &str, id: &str, port: u16) -> String {
    format!(
        "<item><securityGroupRuleId>{id}</securityGroupRuleId><groupId>{group}</groupId><isEgress>false</isEgress>\
         <ipProtocol>tcp</ipProtocol><fromPort>{port}</fromPort><toPort>{port}</toPort><cidrIpv4>0.0.0.0/0</cidrIpv4>\
         <tagSet><item><key>ticket</key><value>INC-1</value></item></tagSet></item>"
    )
}

fn rules(items: &[String], next: &str) -> Reply {
    let items = items.concat();
    ok(
        RULES,
        &format!(
            "<securityGroupRuleSet>{items}</securityGroupRuleSet><nextToken>{next}</nextToken>"
        ),
    )
}

#[tokio::test]
async fn listed_groups_get_the_ids_and_tags_of_their_rules() {
    let egress = described("sg-2", "sgr-9", 22).replace(">false<", ">true<");
    let stub = Stub::start([
        (
            RULES,
            rules(&[described("sg-1", "sgr-1", 22), egress], "more"),
        ),
        (RULES, rules(&[described("sg-1", "sgr-2", 23)], "")),
    ]);
    let listed = vec![
        known("sg-1", &["tcp 22 0.0.0.0/0", "tcp 24 0.0.0.0/0"]),
        known("sg-2", &["tcp 22 0.0.0.0/0"]),
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
        "what either answer knows is there, each once"
    );
    assert_eq!(ids(1), [None], "an egress rule is none of ours");
    assert_eq!(groups[0].rules[0].tags["ticket"], "INC-1");
    let asked = stub.of(RULES);
    assert_eq!(
        asked[0].below("Filter.1"),
        [".Name=group-id", ".Value.1=sg-1", ".Value.2=sg-2"]
    );
    assert_eq!((asked.len(), asked[1].get("NextToken")), (2, "more"));
}

#[tokio::test]
async fn a_filter_has_no_more_values_than_ec2_takes() {
    let many: Vec<_> = (0..401)
        .map(|number| known(&format!("sg-{number:03}"), &["tcp 22 0.0.0.0/0"]))
        .collect();
    let stub = Stub::start([(RULES, rules(&[], ""))]);
    let groups = aws(&stub)
        .group_lister()
        .with_rule_ids(many.clone())
        .await
        .unwrap();
    assert_eq!(groups, many, "in their order");
    let values: Vec<_> = stub
        .of(RULES)
        .iter()
        .map(|call| call.below("Filter.1.Value").len())
        .collect();
    assert_eq!(values.iter().sum::<usize>(), 401);
    assert!(values.iter().all(|&count| count <= 200), "{values:?}");
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_an_error() {
    let stub = Stub::start([(RULES, refused(403, "UnauthorizedOperation"))]);
    let error = aws(&stub)
        .group_lister()
        .with_rule_ids(vec![known("sg-1", &[])])
        .await
        .unwrap_err();
    assert_eq!((error.operation, error.kind), (RULES, ErrorKind::Denied));
}

#[tokio::test]
async fn throttling_is_left_to_the_sdk_and_then_an_error() {
    let stub = Stub::start([
        (GROUPS, refused(503, "RequestLimitExceeded")),
        (GROUPS, page(&[], "")),
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
    assert_eq!(stub.of(GROUPS).len(), 2);
    let stub = Stub::start([(GROUPS, refused(503, "RequestLimitExceeded"))]);
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

/// Lists are read side by side, so the answer hangs on the list and not on the order.
fn by_list(request: &Request) -> Reply {
    if request.get("PrefixListId") == "pl-2" {
        refused(403, "UnauthorizedOperation")
    } else {
        entries("0.0.0.0/1")
    }
}

#[tokio::test]
async fn groups_with_a_list_that_may_not_be_read_are_unread_and_the_others_are_not() {
    let stub = Stub::start([
        (
            GROUPS,
            page(&[group("sg-1", "pl-1"), group("sg-2", "pl-2")], ""),
        ),
        (ENTRIES, Reply::Judge(by_list)),
    ]);
    let page = aws(&stub).group_lister().list_page(None).await.unwrap();
    assert_eq!(
        page.groups
            .iter()
            .map(|group| group.id.as_str())
            .collect::<Vec<_>>(),
        ["sg-1"]
    );
    let [(unread, error)] = page.unreadable_groups.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(
        (unread.id.as_str(), error.kind),
        ("sg-2", ErrorKind::Denied)
    );
    assert!(error.message.starts_with("pl-2: "), "{error}");
}

#[tokio::test]
async fn a_group_that_is_not_understood_is_unread_and_hides_no_other() {
    let odd = group("sg-1", "pl-1").replace("0.0.0.0/0", "here");
    let stub = Stub::start([
        (GROUPS, page(&[odd, group("sg-2", "pl-1")], "")),
        (ENTRIES, entries("10.0.0.0/8")),
    ]);
    let page = aws(&stub).group_lister().list_page(None).await.unwrap();
    assert_eq!(
        page.groups
            .iter()
            .map(|group| group.id.as_str())
            .collect::<Vec<_>>(),
        ["sg-2"]
    );
    let [(unread, error)] = page.unreadable_groups.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(
        (
            unread.id.as_str(),
            unread.name.as_deref(),
            unread.rules.len()
        ),
        ("sg-1", Some("web"), 0)
    );
    assert!(
        error.operation == GROUPS && error.message.contains("here"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_known_is_an_error() {
    let nameless = "<item><groupName>web</groupName></item>".to_owned();
    let stub = Stub::start([(GROUPS, page(&[nameless], ""))]);
    assert_eq!(
        aws(&stub)
            .group_lister()
            .list_page(None)
            .await
            .unwrap_err()
            .operation,
        GROUPS
    );
    let busy = refused(503, "RequestLimitExceeded");
    let stub = Stub::start([
        (GROUPS, page(&[group("sg-1", "pl-1")], "")),
        (ENTRIES, busy),
    ]);
    let lister = aws(&stub).group_lister();
    assert_eq!(
        lister.list_page(None).await.unwrap_err().operation,
        ENTRIES,
        "another attempt may do better"
    );
    assert!(
        lister.list_page(None).await.is_err(),
        "an unread list is not taken for a missing one"
    );
    let stub = Stub::start([(GROUPS, refused(400, "InvalidNextToken"))]);
    assert_eq!(
        aws(&stub)
            .group_lister()
            .list_page(Some("stale"))
            .await
            .unwrap_err()
            .kind,
        ErrorKind::Other
    );
    let stub = Stub::start([(RULES, rules(&[described("", "sgr-1", 22)], ""))]);
    let error = aws(&stub)
        .group_lister()
        .with_rule_ids(vec![known("sg-1", &[])])
        .await
        .unwrap_err();
    assert_eq!(error.operation, RULES, "a rule of no group: {error}");
}

/// One page of a thousand groups; every seventh of all has a hole.
fn thousand(page_number: usize, next: &str) -> Reply {
    let one = |number: usize| {
        let (port, id) = (port(number), id(number));
        format!(
            "<item><groupId>{id}</groupId><ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>{port}</fromPort>\
             <toPort>{port}</toPort><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissions>\
             </item>"
        )
    };
    let items: Vec<_> = (page_number * 1000..(page_number + 1) * 1000)
        .map(one)
        .collect();
    page(&items, next)
}

fn port(number: usize) -> u16 {
    if number.is_multiple_of(7) { 22 } else { 443 }
}

fn id(number: usize) -> String {
    format!("sg-{number:04}")
}

async fn sweep(stub: &Stub, token: Option<&str>) -> SweepReport {
    let aws = aws(stub);
    let reader = Arc::new(aws.group_reader());
    let hands = Services {
        reader,
        editor: None,
        publisher: Arc::new(FakePublisher::default()),
        clock: Arc::new(SystemClock),
    };
    let token = token.map(str::to_owned);
    let errand = SweepRequest {
        id: "s-1".to_owned(),
        account: None,
        region: None,
        token,
        deadline: Timestamp::MAX,
    };
    Sweeper::new(hands, baseline_policy(), Limits::default())
        .sweep(&aws.group_lister(), &errand)
        .await
}

#[tokio::test]
async fn a_sweep_of_five_thousand_groups_survives_throttling_and_goes_on_after_a_page_that_fails() {
    let throttled = || refused(503, "RequestLimitExceeded");
    let stub = Stub::start([
        (GROUPS, throttled()),
        (GROUPS, thousand(0, "1")),
        (GROUPS, throttled()),
        (GROUPS, throttled()),
        (GROUPS, thousand(1, "2")),
        (GROUPS, thousand(2, "3")),
        (GROUPS, refused(403, "UnauthorizedOperation")),
    ]);
    let first = sweep(&stub, None).await;
    assert_eq!((first.group_count, first.errors().len()), (3000, 1));
    let token = first.unfinished.as_ref().unwrap().token.as_deref();
    assert_eq!(token, Some("3"));
    let stub = Stub::start([(GROUPS, thousand(3, "4")), (GROUPS, thousand(4, ""))]);
    let rest = sweep(&stub, token).await;
    assert_eq!(stub.of(GROUPS)[0].get("NextToken"), "3");
    assert_eq!((rest.group_count, rest.errors().len()), (2000, 0));
    let judged = |number: usize| {
        let group = known(&id(number), &[&format!("tcp {} 0.0.0.0/0", port(number))]);
        evaluate(
            &baseline_policy(),
            &group,
            &PrefixLists::empty(),
            &Context::default(),
        )
        .findings
        .len()
    };
    let expected: usize = (0..5000).map(judged).sum();
    assert!(expected >= 715, "{expected}");
    assert_eq!(first.finding_count() + rest.finding_count(), expected);
    assert_eq!(first.affected_groups() + rest.affected_groups(), 715);
}
