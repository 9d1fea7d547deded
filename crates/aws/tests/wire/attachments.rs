//! Reading what a group is attached to.

use portcullis_remediation::{ErrorKind, GroupReader as _, ServiceError};
use portcullis_rules::SecurityGroup;
use portcullis_rules::plan::Attachments;

use crate::stub::{Reply, Stub, ec2_error, ec2_response};
use crate::{GROUP_ID, aws};

const INTERFACES: &str = "DescribeNetworkInterfaces";

/// The interface of an instance.
const INSTANCE: &str = "<interfaceType>interface</interfaceType>\
    <requesterManaged>false</requesterManaged>\
    <attachment><instanceOwnerId>123456789012</instanceOwnerId></attachment>";
/// The interface of an Application Load Balancer.
const ALB: &str = "<interfaceType>interface</interfaceType>\
    <requesterManaged>true</requesterManaged><requesterId>amazon-elb</requesterId>\
    <description>ELB app/shop/0123456789abcdef</description>\
    <attachment><instanceOwnerId>amazon-elb</instanceOwnerId></attachment>";
/// The interface of a Network Load Balancer.
const NLB: &str = "<interfaceType>network_load_balancer</interfaceType>\
    <requesterManaged>true</requesterManaged>";
/// The interface of an RDS database, with a group that the customer created.
const RDS: &str = "<interfaceType>interface</interfaceType>\
    <requesterManaged>true</requesterManaged><requesterId>amazon-rds</requesterId>\
    <description>RDSNetworkInterface</description>";

fn interfaces_response(items: &[&str], next: &str) -> Reply {
    let items: Vec<_> = items
        .iter()
        .map(|item| format!("<item>{item}</item>"))
        .collect();
    let items = items.join("");
    ec2_response(
        INTERFACES,
        &format!("<networkInterfaceSet>{items}</networkInterfaceSet><nextToken>{next}</nextToken>"),
    )
}

fn group_named(name: &str) -> SecurityGroup {
    SecurityGroup {
        id: GROUP_ID.to_owned(),
        name: Some(name.to_owned()),
        ..SecurityGroup::default()
    }
}

async fn read_attachments(stub: &Stub, group: &SecurityGroup) -> Result<Attachments, ServiceError> {
    let found = aws(stub).group_reader().read_attachments(group).await;
    found.map(|attachments| attachments.guarded)
}

#[tokio::test]
async fn a_load_balancer_is_found_by_the_interfaces_of_the_group() {
    for (items, load_balancer) in [
        (&[][..], false),
        (&[INSTANCE], false),
        (&[RDS], false),
        (&[ALB], true),
        (&[NLB], true),
        (&[INSTANCE, RDS, ALB], true),
    ] {
        let stub = Stub::start([(INTERFACES, interfaces_response(items, ""))]);
        let found = read_attachments(&stub, &group_named("web")).await;
        assert_eq!(
            found,
            Ok(Attachments {
                service_managed: false,
                load_balancer
            }),
            "{items:?}"
        );
        let requests = stub.requests_for(INTERFACES);
        assert_eq!(requests[0].form_value("Filter.1.Name"), "group-id");
        assert_eq!(requests[0].form_value("Filter.1.Value.1"), GROUP_ID);
        assert_eq!(requests[0].form_value("MaxResults"), "1000");
    }
}

#[tokio::test]
async fn interfaces_with_public_addresses_are_counted() {
    let with =
        |addresses: &str| format!("<networkInterfaceId>eni-1</networkInterfaceId>{addresses}");
    let elastic = with("<association><publicIp>203.0.113.9</publicIp></association>");
    let ipv6 = with(
        "<ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address></item></ipv6AddressesSet>",
    );
    let private = with("<privateIpAddress>10.0.0.1</privateIpAddress>");
    let items = [elastic.as_str(), &ipv6, &private];
    let stub = Stub::start([(INTERFACES, interfaces_response(&items, ""))]);
    let found = aws(&stub)
        .group_reader()
        .read_attachments(&group_named("web"))
        .await;
    let interfaces = found.unwrap().interfaces;
    assert_eq!((interfaces.total, interfaces.public), (3, 2));
}

#[tokio::test]
async fn all_pages_of_interfaces_are_read() {
    let stub = Stub::start([
        (INTERFACES, interfaces_response(&[INSTANCE], "more")),
        (INTERFACES, interfaces_response(&[NLB], "")),
    ]);
    assert!(
        read_attachments(&stub, &group_named("web"))
            .await
            .unwrap()
            .load_balancer
    );
    assert_eq!(
        stub.requests_for(INTERFACES)[1].form_value("NextToken"),
        "more"
    );
}

#[tokio::test]
async fn a_service_managed_group_is_found_by_its_name_or_tags() {
    let stub = Stub::start([(INTERFACES, interfaces_response(&[], ""))]);
    assert!(
        read_attachments(&stub, &group_named("ElasticMapReduce-master"))
            .await
            .unwrap()
            .service_managed
    );
    let mut tagged = group_named("web");
    tagged
        .tags
        .insert("aws:eks:cluster-name".to_owned(), "shop".to_owned());
    assert!(
        read_attachments(&stub, &tagged)
            .await
            .unwrap()
            .service_managed
    );
}

#[tokio::test]
async fn unreadable_interfaces_are_an_error() {
    for (reply, kind) in [
        (ec2_error(403, "UnauthorizedOperation"), ErrorKind::Denied),
        (ec2_error(503, "RequestLimitExceeded"), ErrorKind::Throttled),
        (Reply::Close, ErrorKind::NoAnswer),
        (interfaces_response(&[INSTANCE], "again"), ErrorKind::Other),
    ] {
        let stub = Stub::start([(INTERFACES, reply.clone())]);
        let error = read_attachments(&stub, &group_named("web"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.operation, error.kind),
            (INTERFACES, kind),
            "{reply:?}"
        );
    }
}
