//! Authorizing rules.

use portcullis_remediation::services::{AuthorizeResults, Authorized};
use portcullis_remediation::{AuthorizeIngress as _, ErrorKind};
use portcullis_rules::group::Ec2Ports;
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, Source};

use crate::stub::{Reply, Request, Stub, ec2_error, ec2_response};
use crate::{GROUP_ID, aws, error_kinds};

const AUTHORIZE: &str = "AuthorizeSecurityGroupIngress";

fn rule(protocol: &str, from: i32, to: i32, source: Source) -> IngressRule {
    let ports = Ec2Ports {
        from: Some(from),
        to: Some(to),
    };
    IngressRule::new(protocol.parse().unwrap(), ports, source).unwrap()
}

fn open_rule(port: i32) -> IngressRule {
    rule("tcp", port, port, Source::from_cidr("0.0.0.0/0").unwrap())
}

fn tagged_rule(port: i32, tags: &[(&str, &str)]) -> IngressRule {
    let mut rule = open_rule(port);
    rule.tags = tags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    rule
}

async fn authorize(stub: &Stub, rules: &[IngressRule]) -> AuthorizeResults {
    let results = aws(stub)
        .ingress_editor()
        .authorize_rules(GROUP_ID, rules)
        .await;
    assert_eq!(results.len(), rules.len(), "one result for each rule");
    results
}

fn authorize_response() -> Reply {
    ec2_response(AUTHORIZE, "<return>true</return>")
}

fn ports_of_call(request: &Request) -> Vec<String> {
    request
        .fields_with_prefix("IpPermissions.")
        .into_iter()
        .filter_map(|field| Some(field.split_once(".FromPort=")?.1.to_owned()))
        .collect()
}

/// The ports of each call, sorted.
fn ports_by_call(stub: &Stub) -> Vec<Vec<String>> {
    let requests = stub.requests_for(AUTHORIZE);
    let mut calls: Vec<Vec<String>> = requests.iter().map(ports_of_call).collect();
    calls.sort();
    calls
}

#[tokio::test]
async fn all_rules_are_authorized_in_one_call_with_their_descriptions() {
    let peer = GroupSource {
        group_id: "sg-2".to_owned(),
        owner_id: Some("210987654321".to_owned()),
    };
    let mut rules = [
        rule("tcp", 80, 80, Source::from_cidr("0.0.0.0/0").unwrap()),
        rule("udp", 53, 54, Source::from_cidr("2001:db8::/32").unwrap()),
        rule("-1", -1, -1, Source::PrefixList("pl-1".to_owned())),
        rule("icmp", 8, -1, Source::Group(peer)),
        open_rule(443),
    ];
    for (number, rule) in rules.iter_mut().take(4).enumerate() {
        rule.id = Some("sgr-1".to_owned());
        rule.description = Some(format!("kept {number}"));
    }
    let stub = Stub::start([(AUTHORIZE, authorize_response())]);
    assert_eq!(error_kinds(&authorize(&stub, &rules).await), [None; 5]);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].form_value("GroupId"), GROUP_ID);
    assert_eq!(
        requests[0].fields_with_prefix("IpPermissions."),
        [
            "1.FromPort=80",
            "1.IpProtocol=tcp",
            "1.IpRanges.1.CidrIp=0.0.0.0/0",
            "1.IpRanges.1.Description=kept 0",
            "1.ToPort=80",
            "2.FromPort=53",
            "2.IpProtocol=udp",
            "2.Ipv6Ranges.1.CidrIpv6=2001:db8::/32",
            "2.Ipv6Ranges.1.Description=kept 1",
            "2.ToPort=54",
            "3.IpProtocol=-1",
            "3.PrefixListIds.1.Description=kept 2",
            "3.PrefixListIds.1.PrefixListId=pl-1",
            "4.FromPort=8",
            "4.Groups.1.Description=kept 3",
            "4.Groups.1.GroupId=sg-2",
            "4.Groups.1.UserId=210987654321",
            "4.IpProtocol=icmp",
            "4.ToPort=-1",
            "5.FromPort=443",
            "5.IpProtocol=tcp",
            "5.IpRanges.1.CidrIp=0.0.0.0/0",
            "5.ToPort=443",
        ]
    );
    let others: Vec<_> = requests[0]
        .form
        .keys()
        .filter(|key| !key.starts_with("IpPerm"))
        .collect();
    assert_eq!(
        others,
        ["Action", "GroupId", "Version"],
        "rules without tags have no tag specification"
    );
}

#[tokio::test]
async fn no_rules_need_no_call() {
    let stub = Stub::start([]);
    assert!(authorize(&stub, &[]).await.is_empty());
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn rules_with_the_same_tags_share_a_call() {
    let rules = [
        tagged_rule(1, &[("team", "shop"), ("ticket", "SEC-1")]),
        tagged_rule(2, &[]),
        tagged_rule(3, &[("team", "shop")]),
        tagged_rule(4, &[("ticket", "SEC-1"), ("team", "shop")]),
    ];
    let stub = Stub::start([(AUTHORIZE, authorize_response())]);
    assert_eq!(error_kinds(&authorize(&stub, &rules).await), [None; 4]);
    assert_eq!(ports_by_call(&stub), [vec!["1", "4"], vec!["2"], vec!["3"]]);
    let shared = stub
        .requests_for(AUTHORIZE)
        .into_iter()
        .find(|request| request.form_value("IpPermissions.2.FromPort") == "4")
        .unwrap();
    assert_eq!(
        shared.fields_with_prefix("TagSpecification."),
        [
            "1.ResourceType=security-group-rule",
            "1.Tag.1.Key=team",
            "1.Tag.1.Value=shop",
            "1.Tag.2.Key=ticket",
            "1.Tag.2.Value=SEC-1",
        ]
    );
}

#[tokio::test]
async fn tags_that_only_aws_can_set_are_left_out() {
    let rules = [
        tagged_rule(
            1,
            &[("aws:cloudformation:stack-name", "shop"), ("AWS:x", "")],
        ),
        tagged_rule(2, &[]),
    ];
    let stub = Stub::start([(AUTHORIZE, authorize_response())]);
    assert_eq!(error_kinds(&authorize(&stub, &rules).await), [None; 2]);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0]
            .fields_with_prefix("TagSpecification.")
            .is_empty()
    );
}

#[tokio::test]
async fn many_rules_are_authorized_in_few_calls() {
    let rules: Vec<_> = (1..=201).map(open_rule).collect();
    let stub = Stub::start([(AUTHORIZE, authorize_response())]);
    assert!(authorize(&stub, &rules).await.iter().all(Result::is_ok));
    let mut sizes: Vec<_> = ports_by_call(&stub).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 200]);
}

#[tokio::test]
async fn a_rule_that_already_exists_is_a_success() {
    let stub = Stub::start([(AUTHORIZE, ec2_error(400, "InvalidPermission.Duplicate"))]);
    assert_eq!(
        error_kinds(&authorize(&stub, &[open_rule(80)]).await),
        [None]
    );
    assert_eq!(stub.requests().len(), 1);
}

/// Rejects every call that contains port 23.
fn reject_port_23(request: &Request, code: &str) -> Reply {
    let fields = request.fields_with_prefix("IpPermissions.");
    if fields.iter().any(|field| field.ends_with("FromPort=23")) {
        ec2_error(400, code)
    } else {
        authorize_response()
    }
}

#[tokio::test]
async fn an_existing_rule_does_not_prevent_other_additions() {
    let stub = Stub::start([(
        AUTHORIZE,
        Reply::Dynamic(|request| reject_port_23(request, "InvalidPermission.Duplicate")),
    )]);
    let rules = [
        tagged_rule(22, &[("team", "shop")]),
        tagged_rule(23, &[("team", "shop")]),
    ];
    assert_eq!(error_kinds(&authorize(&stub, &rules).await), [None; 2]);
    let requests = stub.requests_for(AUTHORIZE);
    assert_eq!(requests.len(), 3, "both together, then each alone");
    assert!(
        requests
            .iter()
            .all(|request| request.form_value("TagSpecification.1.Tag.1.Value") == "shop")
    );
}

#[tokio::test]
async fn a_rejected_rule_does_not_prevent_other_additions() {
    for (reply, kind) in [
        (
            Reply::Dynamic(|request| reject_port_23(request, "RulesPerSecurityGroupLimitExceeded")),
            ErrorKind::RulesQuota,
        ),
        (
            Reply::Dynamic(|request| reject_port_23(request, "InvalidParameterValue")),
            ErrorKind::Other,
        ),
    ] {
        let stub = Stub::start([(AUTHORIZE, reply)]);
        let results = authorize(&stub, &[open_rule(22), open_rule(23), open_rule(24)]).await;
        assert_eq!(error_kinds(&results), [None, Some(kind), None]);
        assert_eq!(stub.requests().len(), 4);
    }
}

#[tokio::test]
async fn an_exceeded_quota_is_in_the_error_message() {
    let stub = Stub::start([(
        AUTHORIZE,
        ec2_error(400, "RulesPerSecurityGroupLimitExceeded"),
    )]);
    let results = authorize(&stub, &[open_rule(22)]).await;
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(
        (error.operation, error.kind),
        (AUTHORIZE, ErrorKind::RulesQuota)
    );
    assert!(
        error.message.contains("RulesPerSecurityGroupLimitExceeded"),
        "{error}"
    );
}

#[tokio::test]
async fn a_deleted_source_group_does_not_prevent_other_additions() {
    let stub = Stub::start([(
        AUTHORIZE,
        Reply::Dynamic(|request| reject_port_23(request, "InvalidGroup.NotFound")),
    )]);
    let rules = [
        open_rule(22),
        rule("tcp", 23, 23, Source::from_group_id("sg-gone")),
    ];
    assert_eq!(
        error_kinds(&authorize(&stub, &rules).await),
        [None, Some(ErrorKind::GroupNotFound)]
    );
}

#[tokio::test]
async fn errors_that_every_rule_would_get_are_not_retried_rule_by_rule() {
    for (reply, kind, calls) in [
        (
            ec2_error(403, "UnauthorizedOperation"),
            ErrorKind::Denied,
            1,
        ),
        (
            ec2_error(503, "RequestLimitExceeded"),
            ErrorKind::Throttled,
            3,
        ),
        (
            ec2_error(400, "InvalidGroup.NotFound"),
            ErrorKind::GroupNotFound,
            1,
        ),
        (ec2_error(400, "ExpiredToken"), ErrorKind::Other, 1),
        (ec2_error(500, "InternalError"), ErrorKind::Other, 3),
        (Reply::Close, ErrorKind::NoAnswer, 3),
        (
            ec2_response(AUTHORIZE, "<return>false</return>"),
            ErrorKind::Other,
            1,
        ),
        (ec2_response(AUTHORIZE, ""), ErrorKind::Other, 1),
        (
            Reply::Response(200, "<Authorize".to_owned()),
            ErrorKind::Other,
            1,
        ),
    ] {
        let stub = Stub::start([(AUTHORIZE, reply.clone())]);
        let results = authorize(&stub, &[open_rule(22), open_rule(23)]).await;
        assert_eq!(error_kinds(&results), [Some(kind); 2], "{reply:?}");
        assert_eq!(stub.requests().len(), calls, "{reply:?}");
    }
}

#[tokio::test]
async fn a_retry_after_a_lost_response_is_a_success() {
    let stub = Stub::start([
        (AUTHORIZE, Reply::Close),
        (AUTHORIZE, ec2_error(400, "InvalidPermission.Duplicate")),
    ]);
    let results = authorize(&stub, &[open_rule(80)]).await;
    assert_eq!(results, [Ok(Authorized::AlreadyExists)]);
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn results_are_in_the_order_of_the_rules() {
    let reply = |request: &Request| {
        let is_shop = request.form_value("TagSpecification.1.Tag.1.Value") == "shop";
        if is_shop {
            ec2_error(403, "UnauthorizedOperation")
        } else {
            authorize_response()
        }
    };
    let stub = Stub::start([(AUTHORIZE, Reply::Dynamic(reply))]);
    let rules = [
        tagged_rule(1, &[("team", "shop")]),
        tagged_rule(2, &[]),
        tagged_rule(3, &[("team", "shop")]),
        tagged_rule(4, &[]),
    ];
    let denied = Some(ErrorKind::Denied);
    assert_eq!(
        error_kinds(&authorize(&stub, &rules).await),
        [denied, None, denied, None]
    );
}
