//! Removing rules.

use portcullis_remediation::{ErrorKind, RevokeIngress as _, RevokeResults};
use portcullis_rules::group::Ec2Ports;
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, Source};

use crate::stub::{Reply, Request, Stub, ok, refused};
use crate::{ID, aws, kinds};

const REVOKE: &str = "RevokeSecurityGroupIngress";

fn rule(protocol: &str, from: i32, to: i32, source: Source) -> IngressRule {
    let ports = Ec2Ports {
        from: Some(from),
        to: Some(to),
    };
    let mut rule = IngressRule::new(protocol.parse().unwrap(), ports, source).unwrap();
    rule.id = Some("sgr-1".to_owned());
    rule.description = Some("whatever".to_owned());
    rule
}

fn world(port: i32) -> IngressRule {
    rule("tcp", port, port, Source::from_cidr("0.0.0.0/0").unwrap())
}

async fn revoke(stub: &Stub, rules: &[IngressRule]) -> RevokeResults {
    let revoked = aws(stub).ingress_editor().revoke_rules(ID, rules).await;
    assert_eq!(revoked.len(), rules.len(), "an outcome for each box");
    revoked
}

fn done() -> Reply {
    ok(REVOKE, "<return>true</return>")
}

fn unknown(port: i32) -> String {
    format!(
        "<return>true</return><unknownIpPermissionSet><item><ipProtocol>6</ipProtocol>\
         <fromPort>{port}</fromPort><toPort>{port}</toPort><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp>\
         </item></ipRanges></item></unknownIpPermissionSet>"
    )
}

#[tokio::test]
async fn all_boxes_go_in_one_call_by_content() {
    let peer = GroupSource {
        group_id: "sg-2".to_owned(),
        owner_id: Some("210987654321".to_owned()),
    };
    let rules = [
        rule("tcp", 20, 25, Source::from_cidr("1.2.3.4/0").unwrap()),
        rule("-1", -1, -1, Source::from_cidr("::/0").unwrap()),
        rule("icmp", 8, -1, Source::PrefixList("pl-1".to_owned())),
        rule("udp", 53, 53, Source::Group(peer)),
    ];
    let stub = Stub::start([(REVOKE, done())]);
    assert_eq!(kinds(&revoke(&stub, &rules).await), [None; 4]);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].get("GroupId"), ID);
    assert_eq!(
        requests[0].below("IpPermissions."),
        [
            "1.FromPort=20",
            "1.IpProtocol=tcp",
            "1.IpRanges.1.CidrIp=0.0.0.0/0",
            "1.ToPort=25",
            "2.IpProtocol=-1",
            "2.Ipv6Ranges.1.CidrIpv6=::/0",
            "3.FromPort=8",
            "3.IpProtocol=icmp",
            "3.PrefixListIds.1.PrefixListId=pl-1",
            "3.ToPort=-1",
            "4.FromPort=53",
            "4.Groups.1.GroupId=sg-2",
            "4.Groups.1.UserId=210987654321",
            "4.IpProtocol=udp",
            "4.ToPort=53",
        ]
    );
    let others: Vec<_> = requests[0]
        .form
        .keys()
        .filter(|key| !key.starts_with("IpPerm"))
        .collect();
    assert_eq!(others, ["Action", "GroupId", "Version"]);
}

#[tokio::test]
async fn nothing_to_remove_is_no_call() {
    let stub = Stub::start([]);
    assert!(revoke(&stub, &[]).await.is_empty());
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn many_boxes_go_in_few_calls() {
    let rules: Vec<_> = (1..=201).map(world).collect();
    let stub = Stub::start([(REVOKE, done())]);
    assert!(revoke(&stub, &rules).await.iter().all(Result::is_ok));
    let sizes: Vec<_> = stub
        .of(REVOKE)
        .iter()
        .map(|request| request.below("IpPermissions.").len() / 4)
        .collect();
    assert_eq!(sizes, [200, 1]);
}

#[tokio::test]
async fn what_ec2_did_not_know_was_not_there() {
    let stub = Stub::start([(REVOKE, ok(REVOKE, &unknown(23)))]);
    let revoked = revoke(&stub, &[world(22), world(23), world(24)]).await;
    assert_eq!(kinds(&revoked), [None, Some(ErrorKind::RuleNotFound), None]);
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_attributed_is_no_success() {
    let quic = unknown(23).replace(">6<", ">quic<");
    for inside in [
        unknown(99),
        quic,
        "<return>false</return>".to_owned(),
        String::new(),
        unknown(23).replace("true", "false"),
    ] {
        let stub = Stub::start([(REVOKE, ok(REVOKE, &inside))]);
        let revoked = revoke(&stub, &[world(22), world(23)]).await;
        assert_eq!(kinds(&revoked), [Some(ErrorKind::Other); 2], "{inside}");
        assert_eq!(stub.requests().len(), 1, "{inside}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_success() {
    let stub = Stub::start([(REVOKE, Reply::Answer(200, "<Revoke".to_owned()))]);
    let revoked = revoke(&stub, &[world(22), world(23)]).await;
    assert!(revoked.iter().all(Result::is_err), "{revoked:?}");
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
async fn one_missing_box_does_not_keep_the_others_open() {
    let stub = Stub::start([(
        REVOKE,
        Reply::Judge(|request| refuse_telnet(request, "InvalidPermission.NotFound")),
    )]);
    let revoked = revoke(&stub, &[world(22), world(23), world(24)]).await;
    assert_eq!(kinds(&revoked), [None, Some(ErrorKind::RuleNotFound), None]);
    let requests = stub.of(REVOKE);
    assert_eq!(requests.len(), 4, "all together, then each alone");
    assert_eq!(requests[1].below("IpPermissions.").len(), 4);
}

#[tokio::test]
async fn one_odd_box_does_not_keep_the_others_open() {
    let stub = Stub::start([(
        REVOKE,
        Reply::Judge(|request| refuse_telnet(request, "InvalidParameterValue")),
    )]);
    let revoked = revoke(&stub, &[world(22), world(23)]).await;
    assert_eq!(kinds(&revoked), [None, Some(ErrorKind::Other)]);
}

#[tokio::test]
async fn a_deleted_source_group_does_not_keep_the_others_open() {
    let stub = Stub::start([(
        REVOKE,
        Reply::Judge(|request| refuse_telnet(request, "InvalidGroup.NotFound")),
    )]);
    let rules = [
        world(22),
        rule("tcp", 23, 23, Source::from_group_id("sg-gone")),
    ];
    let revoked = revoke(&stub, &rules).await;
    assert_eq!(kinds(&revoked), [None, Some(ErrorKind::GroupNotFound)]);
}

#[tokio::test]
async fn a_single_box_is_not_tried_again() {
    let stub = Stub::start([(REVOKE, refused(400, "InvalidPermission.NotFound"))]);
    let revoked = revoke(&stub, &[world(22)]).await;
    assert_eq!(kinds(&revoked), [Some(ErrorKind::RuleNotFound)]);
    assert_eq!(stub.requests().len(), 1);
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
        (refused(412, "DryRunOperation"), ErrorKind::Other, 1),
        (refused(400, "ExpiredToken"), ErrorKind::Other, 1),
        (refused(500, "InternalError"), ErrorKind::Other, 3),
        (Reply::Gone, ErrorKind::NoAnswer, 3),
    ] {
        let stub = Stub::start([(REVOKE, reply.clone())]);
        let revoked = revoke(&stub, &[world(22), world(23)]).await;
        assert_eq!(kinds(&revoked), [Some(kind); 2], "{reply:?}");
        assert_eq!(stub.requests().len(), calls, "{reply:?}");
    }
}
