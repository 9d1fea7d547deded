//! Revoking rules.

use portcullis_remediation::{ErrorKind, RevokeIngress as _, RevokeResults};
use portcullis_rules::group::Ec2Ports;
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, Source};

use crate::stub::{Reply, Request, Stub, ec2_error, ec2_response};
use crate::{GROUP_ID, aws, error_kinds};

const REVOKE: &str = "RevokeSecurityGroupIngress";

fn rule(protocol: &str, from: i32, to: i32, source: Source) -> IngressRule {
    let ports = Ec2Ports {
        from: Some(from),
        to: Some(to),
    };
    let mut rule = IngressRule::new(protocol.parse().unwrap(), ports, source).unwrap();
    rule.id = Some("sgr-1".to_owned());
    rule.description = Some("ignored".to_owned());
    rule
}

fn open_rule(port: i32) -> IngressRule {
    rule("tcp", port, port, Source::from_cidr("0.0.0.0/0").unwrap())
}

async fn revoke(stub: &Stub, rules: &[IngressRule]) -> RevokeResults {
    let results = aws(stub)
        .ingress_editor()
        .revoke_rules(GROUP_ID, rules)
        .await;
    assert_eq!(results.len(), rules.len(), "one result for each rule");
    results
}

fn revoke_response() -> Reply {
    ec2_response(REVOKE, "<return>true</return>")
}

fn unknown_rule(port: i32) -> String {
    format!(
        "<return>true</return><unknownIpPermissionSet><item><ipProtocol>6</ipProtocol>\
         <fromPort>{port}</fromPort><toPort>{port}</toPort><ipRanges><item>\
         <cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></unknownIpPermissionSet>"
    )
}

#[tokio::test]
async fn all_rules_are_revoked_in_one_call_by_content() {
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
    let stub = Stub::start([(REVOKE, revoke_response())]);
    assert_eq!(error_kinds(&revoke(&stub, &rules).await), [None; 4]);
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].form_value("GroupId"), GROUP_ID);
    assert_eq!(
        requests[0].fields_with_prefix("IpPermissions."),
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
async fn no_rules_need_no_call() {
    let stub = Stub::start([]);
    assert!(revoke(&stub, &[]).await.is_empty());
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn many_rules_are_revoked_in_few_calls() {
    let rules: Vec<_> = (1..=201).map(open_rule).collect();
    let stub = Stub::start([(REVOKE, revoke_response())]);
    assert!(revoke(&stub, &rules).await.iter().all(Result::is_ok));
    let sizes: Vec<_> = stub
        .requests_for(REVOKE)
        .iter()
        .map(|request| request.fields_with_prefix("IpPermissions.").len() / 4)
        .collect();
    assert_eq!(sizes, [200, 1]);
}

#[tokio::test]
async fn an_unknown_rule_does_not_exist() {
    let stub = Stub::start([(REVOKE, ec2_response(REVOKE, &unknown_rule(23)))]);
    let results = revoke(&stub, &[open_rule(22), open_rule(23), open_rule(24)]).await;
    assert_eq!(
        error_kinds(&results),
        [None, Some(ErrorKind::RuleNotFound), None]
    );
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_response_that_does_not_match_the_request_is_an_error() {
    let invalid = unknown_rule(23).replace(">6<", ">quic<");
    for content in [
        unknown_rule(99),
        invalid,
        "<return>false</return>".to_owned(),
        String::new(),
        unknown_rule(23).replace("true", "false"),
    ] {
        let stub = Stub::start([(REVOKE, ec2_response(REVOKE, &content))]);
        let results = revoke(&stub, &[open_rule(22), open_rule(23)]).await;
        assert_eq!(
            error_kinds(&results),
            [Some(ErrorKind::Other); 2],
            "{content}"
        );
        assert_eq!(stub.requests().len(), 1, "{content}");
    }
}

#[tokio::test]
async fn a_response_that_cannot_be_parsed_is_an_error() {
    let stub = Stub::start([(REVOKE, Reply::Response(200, "<Revoke".to_owned()))]);
    let results = revoke(&stub, &[open_rule(22), open_rule(23)]).await;
    assert!(results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(stub.requests().len(), 1);
}

/// Rejects every call that contains port 23.
fn reject_port_23(request: &Request, code: &str) -> Reply {
    let fields = request.fields_with_prefix("IpPermissions.");
    if fields.iter().any(|field| field.ends_with("FromPort=23")) {
        ec2_error(400, code)
    } else {
        revoke_response()
    }
}

#[tokio::test]
async fn a_missing_rule_does_not_prevent_other_removals() {
    let stub = Stub::start([(
        REVOKE,
        Reply::Dynamic(|request| reject_port_23(request, "InvalidPermission.NotFound")),
    )]);
    let results = revoke(&stub, &[open_rule(22), open_rule(23), open_rule(24)]).await;
    assert_eq!(
        error_kinds(&results),
        [None, Some(ErrorKind::RuleNotFound), None]
    );
    let requests = stub.requests_for(REVOKE);
    assert_eq!(requests.len(), 4, "all together, then each alone");
    assert_eq!(requests[1].fields_with_prefix("IpPermissions.").len(), 4);
}

#[tokio::test]
async fn a_rejected_rule_does_not_prevent_other_removals() {
    let stub = Stub::start([(
        REVOKE,
        Reply::Dynamic(|request| reject_port_23(request, "InvalidParameterValue")),
    )]);
    let results = revoke(&stub, &[open_rule(22), open_rule(23)]).await;
    assert_eq!(error_kinds(&results), [None, Some(ErrorKind::Other)]);
}

#[tokio::test]
async fn a_deleted_source_group_does_not_prevent_other_removals() {
    let stub = Stub::start([(
        REVOKE,
        Reply::Dynamic(|request| reject_port_23(request, "InvalidGroup.NotFound")),
    )]);
    let rules = [
        open_rule(22),
        rule("tcp", 23, 23, Source::from_group_id("sg-gone")),
    ];
    let results = revoke(&stub, &rules).await;
    assert_eq!(
        error_kinds(&results),
        [None, Some(ErrorKind::GroupNotFound)]
    );
}

#[tokio::test]
async fn a_single_rule_is_not_sent_again() {
    let stub = Stub::start([(REVOKE, ec2_error(400, "InvalidPermission.NotFound"))]);
    let results = revoke(&stub, &[open_rule(22)]).await;
    assert_eq!(error_kinds(&results), [Some(ErrorKind::RuleNotFound)]);
    assert_eq!(stub.requests().len(), 1);
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
        (ec2_error(412, "DryRunOperation"), ErrorKind::Other, 1),
        (ec2_error(400, "ExpiredToken"), ErrorKind::Other, 1),
        (ec2_error(500, "InternalError"), ErrorKind::Other, 3),
        (Reply::Close, ErrorKind::NoAnswer, 3),
    ] {
        let stub = Stub::start([(REVOKE, reply.clone())]);
        let results = revoke(&stub, &[open_rule(22), open_rule(23)]).await;
        assert_eq!(error_kinds(&results), [Some(kind); 2], "{reply:?}");
        assert_eq!(stub.requests().len(), calls, "{reply:?}");
    }
}
