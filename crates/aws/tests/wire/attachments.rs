//! What a group is attached to.

use portcullis_remediation::{ErrorKind, GroupReader as _, ServiceError};
use portcullis_rules::SecurityGroup;
use portcullis_rules::plan::Attachments;

use crate::stub::{Reply, Stub, ok, refused};
use crate::{ID, aws};

const INTERFACES: &str = "DescribeNetworkInterfaces";

/// A web server's own interface.
const PLAIN: &str = "<interfaceType>interface</interfaceType><requesterManaged>false</requesterManaged>\
                     <attachment><instanceOwnerId>123456789012</instanceOwnerId></attachment>";
/// As an Application Load Balancer has it.
const ALB: &str = "<interfaceType>interface</interfaceType><requesterManaged>true</requesterManaged>\
                   <requesterId>amazon-elb</requesterId><description>ELB app/shop/0123456789abcdef</description>\
                   <attachment><instanceOwnerId>amazon-elb</instanceOwnerId></attachment>";
/// As a Network Load Balancer has it.
const NLB: &str =
    "<interfaceType>network_load_balancer</interfaceType><requesterManaged>true</requesterManaged>";
/// As a database of RDS has it, with a group of the customer's.
const RDS: &str = "<interfaceType>interface</interfaceType><requesterManaged>true</requesterManaged>\
                   <requesterId>amazon-rds</requesterId><description>RDSNetworkInterface</description>";

fn interfaces(items: &[&str], next: &str) -> Reply {
    let items: Vec<_> = items
        .iter()
        .map(|item| format!("<item>{item}</item>"))
        .collect();
    let items = items.join("");
    ok(
        INTERFACES,
        &format!("<networkInterfaceSet>{items}</networkInterfaceSet><nextToken>{next}</nextToken>"),
    )
}

fn group(name: &str) -> SecurityGroup {
    SecurityGroup {
        id: ID.to_owned(),
        name: Some(name.to_owned()),
        ..SecurityGroup::default()
    }
}

async fn attachments(stub: &Stub, group: &SecurityGroup) -> Result<Attachments, ServiceError> {
    aws(stub).group_reader().read_attachments(group).await
}

#[tokio::test]
async fn a_load_balancer_is_found_among_the_interfaces_of_the_group() {
    for (items, load_balancer) in [
        (&[][..], false),
        (&[PLAIN], false),
        (&[RDS], false),
        (&[ALB], true),
        (&[NLB], true),
        (&[PLAIN, RDS, ALB], true),
    ] {
        let stub = Stub::start([(INTERFACES, interfaces(items, ""))]);
        let found = attachments(&stub, &group("web")).await;
        assert_eq!(
            found,
            Ok(Attachments {
                service_managed: false,
                load_balancer
            }),
            "{items:?}"
        );
        let requests = stub.of(INTERFACES);
        assert_eq!(requests[0].get("Filter.1.Name"), "group-id");
        assert_eq!(requests[0].get("Filter.1.Value.1"), ID);
        assert_eq!(requests[0].get("MaxResults"), "1000");
    }
}

#[tokio::test]
async fn all_pages_are_looked_at() {
    let stub = Stub::start([
        (INTERFACES, interfaces(&[PLAIN], "more")),
        (INTERFACES, interfaces(&[NLB], "")),
    ]);
    assert!(
        attachments(&stub, &group("web"))
            .await
            .unwrap()
            .load_balancer
    );
    assert_eq!(stub.of(INTERFACES)[1].get("NextToken"), "more");
}

#[tokio::test]
async fn a_group_that_a_service_made_says_so_itself() {
    let stub = Stub::start([(INTERFACES, interfaces(&[], ""))]);
    assert!(
        attachments(&stub, &group("ElasticMapReduce-master"))
            .await
            .unwrap()
            .service_managed
    );
    let mut tagged = group("web");
    tagged
        .tags
        .insert("aws:eks:cluster-name".to_owned(), "shop".to_owned());
    assert!(attachments(&stub, &tagged).await.unwrap().service_managed);
}

#[tokio::test]
async fn what_cannot_be_read_is_never_nothing() {
    for (reply, kind) in [
        (refused(403, "UnauthorizedOperation"), ErrorKind::Denied),
        (refused(503, "RequestLimitExceeded"), ErrorKind::Throttled),
        (Reply::Gone, ErrorKind::NoAnswer),
        (interfaces(&[PLAIN], "again"), ErrorKind::Other),
    ] {
        let stub = Stub::start([(INTERFACES, reply.clone())]);
        let error = attachments(&stub, &group("web")).await.unwrap_err();
        assert_eq!(
            (error.operation, error.kind),
            (INTERFACES, kind),
            "{reply:?}"
        );
    }
}
