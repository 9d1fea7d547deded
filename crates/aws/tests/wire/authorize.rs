//! Adding rules.

use portcullis_remediation::services::AuthorizeResults;
use portcullis_remediation::{AuthorizeIngress as _, ErrorKind};
use portcullis_rules::group::Ec2Ports;
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, Source};

use crate::stub::{Reply, Request, Stub, ok, refused};
use crate::{ID, aws, kinds};

const AUTHORIZE: &str = "AuthorizeSecurityGroupIngress";

fn rule(protocol: &str, from: i32, to: i32, source: Source) -> IngressRule {
    let ports = Ec2Ports {
        from: Some(from),
        to: Some(to),
    };
    IngressRule::new(protocol.parse().unwrap(), ports, source).unwrap()
}

fn world(port: i32) -> IngressRule {
    rule("tcp", port, port, Source::from_cidr("0.0.0.0/0").unwrap())
}

fn tagged(port: i32, tags: &[(&str, &str)]) -> IngressRule {
    let mut rule = world(port);
    rule.tags = tags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    rule
}

async fn authorize(stub: &Stub, rules: &[IngressRule]) -> AuthorizeResults {
    let authorized = aws(stub).ingress_editor().authorize_rules(ID, rules).await;
    assert_eq!(authorized.len(), rules.len(), "an outcome for each box");
    authorized
}

fn done() -> Reply {
    ok(AUTHORIZE, "<return>true</return>")
}

/// The ports of each call, in the order of the calls' first ports.
fn ports(stub: &Stub) -> Vec<Vec<String>> {
    let from = |request: &Request| {
        let fields = request.below("IpPermissions.").into_iter();
        fields
            .filter_map(|field| Some(field.split_once(".FromPort=")?.1.to_owned()))
            .collect()
    };
    let mut calls: Vec<Vec<String>> = stub.of(AUTHORIZE).iter().map(from).collect();
    calls.sort();
    calls
}

#[tokio::test]
async fn all_boxes_come_in_one_call_with_their_descriptions() {
    let peer = GroupSource {
        group_id: "sg-2".to_owned(),
        owner_id: Some("210987654321".to_owned()),
    };
    let mut rules = [
        rule("tcp", 80, 80, Source::from_cidr("0.0.0.0/0").unwrap()),
        rule("udp", 53, 54, Source::from_cidr("2001:db8::/32").unwrap()),
        rule("-1", -1, -1, Source::PrefixList("pl-1".to_owned())),
        rule("icmp", 8, -1, Source::Group(peer)),
        world(443),
    ];
    for (number, rule) in rules.iter_mut().take(4).enumerate() {
        rule.id = Some("sgr-1".to_owned());
        rule.description = Some(format!("kept {number}"));
    }
    let stub = Stub::start([(AUTHORIZE, done())]);
    assert_eq!(kinds(&authorize(&stub, &rules).await), [None; 5]);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].get("GroupId"), ID);
    assert_eq!(
        requests[0].below("IpPermissions."),
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
        "without tags nothing is tagged"
    );
}

#[tokio::test]
async fn nothing_to_add_is_no_call() {
    let stub = Stub::start([]);
    assert!(authorize(&stub, &[]).await.is_empty());
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn boxes_with_the_same_tags_come_together() {
    let rules = [
        tagged(1, &[("team", "shop"), ("ticket", "SEC-1")]),
        tagged(2, &[]),
        tagged(3, &[("team", "shop")]),
        tagged(4, &[("ticket", "SEC-1"), ("team", "shop")]),
    ];
    let stub = Stub::start([(AUTHORIZE, done())]);
    assert_eq!(kinds(&authorize(&stub, &rules).await), [None; 4]);
    assert_eq!(ports(&stub), [vec!["1", "4"], vec!["2"], vec!["3"]]);
    let both = stub
        .of(AUTHORIZE)
        .into_iter()
        .find(|request| request.get("IpPermissions.2.FromPort") == "4")
        .unwrap();
    assert_eq!(
        both.below("TagSpecification."),
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
async fn tags_that_only_aws_may_set_are_left_out() {
    let rules = [
        tagged(
            1,
            &[("aws:cloudformation:stack-name", "shop"), ("AWS:x", "")],
        ),
        tagged(2, &[]),
    ];
    let stub = Stub::start([(AUTHORIZE, done())]);
    assert_eq!(kinds(&authorize(&stub, &rules).await), [None; 2]);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].below("TagSpecification.").is_empty());
}

#[tokio::test]
async fn many_boxes_come_in_few_calls() {
    let rules: Vec<_> = (1..=201).map(world).collect();
    let stub = Stub::start([(AUTHORIZE, done())]);
    assert!(authorize(&stub, &rules).await.iter().all(Result::is_ok));
    let mut sizes: Vec<_> = ports(&stub).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 200]);
}

#[tokio::test]
async fn a_box_that_is_there_already_is_a_success() {
    let stub = Stub::start([(AUTHORIZE, refused(400, "InvalidPermission.Duplicate"))]);
    assert_eq!(kinds(&authorize(&stub, &[world(80)]).await), [None]);
    assert_eq!(stub.requests().len(), 1);
}

/// Refuses every call with port 23 in it.
fn refuse_telnet(request: &Request, code: &str) -> Reply {
    let fields = request.below("IpPermissions.");
    if fields.iter().any(|field| field.ends_with("FromPort=23")) {
        refused(400, code)
    } else {
        done()
    }
}

#[tokio::test]
async fn one_box_that_is_there_already_does_not_keep_the_others_from_coming() {
    let stub = Stub::start([(
        AUTHORIZE,
        Reply::Judge(|request| refuse_telnet(request, "InvalidPermission.Duplicate")),
    )]);
    let rules = [
        tagged(22, &[("team", "shop")]),
        tagged(23, &[("team", "shop")]),
    ];
    assert_eq!(kinds(&authorize(&stub, &rules).await), [None; 2]);
    let requests = stub.of(AUTHORIZE);
    assert_eq!(requests.len(), 3, "both together, then each alone");
    assert!(
        requests
            .iter()
            .all(|request| request.get("TagSpecification.1.Tag.1.Value") == "shop")
    );
}

#[tokio::test]
async fn one_box_that_ec2_will_not_have_does_not_keep_the_others_from_coming() {
    for reply in [
        Reply::Judge(|request| refuse_telnet(request, "RulesPerSecurityGroupLimitExceeded")),
        Reply::Judge(|request| refuse_telnet(request, "InvalidParameterValue")),
    ] {
        let stub = Stub::start([(AUTHORIZE, reply)]);
        let authorized = authorize(&stub, &[world(22), world(23), world(24)]).await;
        assert_eq!(kinds(&authorized), [None, Some(ErrorKind::Other), None]);
        assert_eq!(stub.requests().len(), 4);
    }
}

#[tokio::test]
async fn the_quota_is_named() {
    let stub = Stub::start([(
        AUTHORIZE,
        refused(400, "RulesPerSecurityGroupLimitExceeded"),
    )]);
    let authorized = authorize(&stub, &[world(22)]).await;
    let error = authorized[0].as_ref().unwrap_err();
    assert_eq!((error.operation, error.kind), (AUTHORIZE, ErrorKind::Other));
    assert!(
        error.message.contains("RulesPerSecurityGroupLimitExceeded"),
        "{error}"
    );
}

#[tokio::test]
async fn a_deleted_source_group_does_not_keep_the_others_from_coming() {
    let stub = Stub::start([(
        AUTHORIZE,
        Reply::Judge(|request| refuse_telnet(request, "InvalidGroup.NotFound")),
    )]);
    let rules = [
        world(22),
        rule("tcp", 23, 23, Source::from_group_id("sg-gone")),
    ];
    assert_eq!(
        kinds(&authorize(&stub, &rules).await),
        [None, Some(ErrorKind::GroupNotFound)]
    );
}

#[tokio::test]
async fn what_would_fail_for_each_box_is_not_tried_for_each() {
    for (reply, kind, calls) in [
        (refused(403, "UnauthorizedOperation"), ErrorKind::Denied, 1),
        (
            refused(503, "RequestLimitExceeded"),
            ErrorKind::Throttled,
            3,
        ),
        (
            refused(400, "InvalidGroup.NotFound"),
            ErrorKind::GroupNotFound,
            1,
        ),
        (refused(400, "ExpiredToken"), ErrorKind::Other, 1),
        (refused(500, "InternalError"), ErrorKind::Other, 3),
        (Reply::Gone, ErrorKind::NoAnswer, 3),
        (ok(AUTHORIZE, "<return>false</return>"), ErrorKind::Other, 1),
        (ok(AUTHORIZE, ""), ErrorKind::Other, 1),
        (
            Reply::Answer(200, "<Authorize".to_owned()),
            ErrorKind::Other,
            1,
        ),
    ] {
        let stub = Stub::start([(AUTHORIZE, reply.clone())]);
        let authorized = authorize(&stub, &[world(22), world(23)]).await;
        assert_eq!(kinds(&authorized), [Some(kind); 2], "{reply:?}");
        assert_eq!(stub.requests().len(), calls, "{reply:?}");
    }
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_a_success_when_it_comes_again() {
    let stub = Stub::start([
        (AUTHORIZE, Reply::Gone),
        (AUTHORIZE, refused(400, "InvalidPermission.Duplicate")),
    ]);
    assert_eq!(kinds(&authorize(&stub, &[world(80)]).await), [None]);
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn outcomes_stand_in_the_order_of_the_boxes() {
    let refuse = |request: &Request| {
        let is_shop = request.get("TagSpecification.1.Tag.1.Value") == "shop";
        if is_shop {
            refused(403, "UnauthorizedOperation")
        } else {
            done()
        }
    };
    let stub = Stub::start([(AUTHORIZE, Reply::Judge(refuse))]);
    let rules = [
        tagged(1, &[("team", "shop")]),
        tagged(2, &[]),
        tagged(3, &[("team", "shop")]),
        tagged(4, &[]),
    ];
    let denied = Some(ErrorKind::Denied);
    assert_eq!(
        kinds(&authorize(&stub, &rules).await),
        [denied, None, denied, None]
    );
}
