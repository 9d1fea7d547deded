//! What a group is attached to, for the guardrails that spare such groups.
//!
//! **In front of a load balancer** is a group that a network interface of one has: either its type says so (EC2 API
//! Reference, `NetworkInterface`, `InterfaceType`) or, as recorded answers show for Application and Classic Load
//! Balancers, it has the plain type `interface`, the requester and instance owner `amazon-elb`, and a description that
//! begins with `ELB_REQUESTER `.
//!
//! **Made by an AWS service** is a group that says so itself: by a tag under `aws:`, which only AWS can set, or by a
//! name that a service gives. Its interfaces prove nothing: a database of RDS, a load balancer or an endpoint has an
//! interface that the service made (`RequesterManaged`) with a group that the customer made, and to spare those would be
//! to leave open what people most want closed. A name can be given by anybody who may create a group, so a policy that
//! spares service-managed groups trusts whoever that is.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
use aws_sdk_ec2::types::{NetworkInterface, NetworkInterfaceType};
use portcullis_remediation::ServiceError;
use portcullis_rules::SecurityGroup;
use portcullis_rules::plan::Attachments;

use crate::read::{MAX_PAGE_SIZE, collect_pages, ec2_filter};

const OPERATION: &str = "DescribeNetworkInterfaces";

/// As whom Elastic Load Balancing acts.
const ELB_REQUESTER: &str = "amazon-elb";

/// Tags under `aws:` that AWS puts on what customers make.
const CUSTOMER_TAG_PREFIXES: [&str; 4] = [
    "aws:backup:",
    "aws:cloudformation:",
    "aws:createdby",
    "aws:servicecatalog:",
];

/// How the names of groups begin and end that AWS services make.
const SERVICE_GROUP_NAMES: [(&str, &str); 9] = [
    // Elastic Beanstalk, as its event log names them: `awseb-e-...-stack-AWSEBSecurityGroup-...`.
    ("awseb-e-", ""),
    // AWS Directory Service Administration Guide, "What gets created with your AWS Managed Microsoft AD".
    ("d-", "_controllers"),
    // Amazon WorkSpaces Administration Guide, "Security groups for your WorkSpaces".
    ("d-", "_workspacesMembers"),
    // Amazon EKS User Guide, "View Amazon EKS security group requirements for clusters".
    ("eks-cluster-sg-", ""),
    // Amazon EMR Management Guide, "Working with Amazon EMR-managed security groups", and the notebooks' likewise.
    ("ElasticMapReduce-", ""),
    ("ElasticMapReduceEditors-", ""),
    // Amazon GuardDuty User Guide, "How Runtime Monitoring works" (the group of its endpoint).
    ("GuardDutyManagedSecurityGroup-", ""),
    // Amazon SageMaker AI Developer Guide, "Amazon SageMaker AI domain" (the groups for its file system).
    ("security-group-for-inbound-nfs-d-", ""),
    ("security-group-for-outbound-nfs-d-", ""),
];

/// AWS Global Accelerator Developer Guide, "Best practices for ENIs and security groups with client IP address
/// preservation": it makes one such group in each VPC.
const GLOBAL_ACCELERATOR_GROUP: &str = "GlobalAccelerator";

/// Looks at the interfaces that have the group, and at the group.
///
/// # Errors
/// When the interfaces cannot be read.
pub(crate) async fn read_attachments(
    ec2: &Client,
    group: &SecurityGroup,
) -> Result<Attachments, ServiceError> {
    let call = ec2
        .describe_network_interfaces()
        .filters(ec2_filter("group-id", &group.id));
    let stream = call.into_paginator().page_size(MAX_PAGE_SIZE).send();
    let pages = collect_pages(
        OPERATION,
        stream,
        DescribeNetworkInterfacesOutput::next_token,
    )
    .await?;
    let mut interfaces = pages
        .iter()
        .flat_map(DescribeNetworkInterfacesOutput::network_interfaces);
    Ok(Attachments {
        service_managed: is_service_managed(group),
        load_balancer: interfaces.any(belongs_to_load_balancer),
    })
}

fn belongs_to_load_balancer(interface: &NetworkInterface) -> bool {
    let owner = interface
        .attachment()
        .and_then(|attachment| attachment.instance_owner_id());
    matches!(
        interface.interface_type(),
        Some(
            NetworkInterfaceType::LoadBalancer
                | NetworkInterfaceType::NetworkLoadBalancer
                | NetworkInterfaceType::GatewayLoadBalancer
        )
    ) || interface.requester_id() == Some(ELB_REQUESTER)
        || owner == Some(ELB_REQUESTER)
        || (interface.requester_managed() == Some(true)
            && interface
                .description()
                .is_some_and(|description| description.starts_with("ELB ")))
}

fn is_service_managed(group: &SecurityGroup) -> bool {
    let says_so = |key: &String| {
        let key = key.to_ascii_lowercase();
        key.starts_with("aws:") && !CUSTOMER_TAG_PREFIXES.iter().any(|own| key.starts_with(own))
    };
    group.tags.keys().any(says_so) || group.name.as_deref().is_some_and(is_service_group_name)
}

fn is_service_group_name(name: &str) -> bool {
    let fits = |(start, end): &(&str, &str)| {
        name.strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(end))
            .is_some_and(|middle| !middle.is_empty())
    };
    name == GLOBAL_ACCELERATOR_GROUP || SERVICE_GROUP_NAMES.iter().any(fits)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::NetworkInterfaceAttachment;

    use super::*;

    fn named(name: &str) -> SecurityGroup {
        SecurityGroup {
            name: Some(name.to_owned()),
            ..SecurityGroup::default()
        }
    }

    fn tagged(key: &str) -> SecurityGroup {
        SecurityGroup {
            tags: [(key.to_owned(), "shop".to_owned())].into(),
            ..named("web")
        }
    }

    #[test]
    fn a_service_made_group_is_known_by_its_name() {
        for name in [
            "awseb-e-abcdefghij-stack-AWSEBSecurityGroup-1",
            "d-1234567890_controllers",
            "d-1234567890_workspacesMembers",
            "eks-cluster-sg-shop-123456789",
            "ElasticMapReduce-master",
            "ElasticMapReduce-ServiceAccess",
            "ElasticMapReduceEditors-Livy",
            "GlobalAccelerator",
            "GuardDutyManagedSecurityGroup-vpc-1",
            "security-group-for-inbound-nfs-d-1",
        ] {
            assert!(is_service_managed(&named(name)), "{name}");
        }
        for name in [
            "default",
            "web",
            "d-1234567890",
            "eks-cluster-sg-",
            "my-ElasticMapReduce-master",
            "launch-wizard-1",
        ] {
            assert!(!is_service_managed(&named(name)), "{name}");
        }
    }

    #[test]
    fn a_service_made_group_is_known_by_a_tag_that_only_aws_can_set() {
        for key in ["aws:eks:cluster-name", "aws:cloud9:environment"] {
            assert!(is_service_managed(&tagged(key)), "{key}");
        }
        for key in [
            "aws:cloudformation:stack-name",
            "aws:createdBy",
            "aws:servicecatalog:productArn",
            "awsApplication",
            "eks:cluster-name",
        ] {
            assert!(!is_service_managed(&tagged(key)), "{key}");
        }
    }

    #[test]
    fn interfaces_of_load_balancers_are_told_from_others() {
        let new = NetworkInterface::builder;
        let owned = NetworkInterfaceAttachment::builder()
            .instance_owner_id(ELB_REQUESTER)
            .build();
        for interface in [
            new().interface_type(NetworkInterfaceType::NetworkLoadBalancer),
            new().interface_type(NetworkInterfaceType::LoadBalancer),
            new().interface_type(NetworkInterfaceType::GatewayLoadBalancer),
            new()
                .interface_type(NetworkInterfaceType::Interface)
                .requester_id(ELB_REQUESTER),
            new().attachment(owned),
            new()
                .requester_managed(true)
                .description("ELB app/shop/0123456789abcdef"),
        ] {
            let interface = interface.build();
            assert!(belongs_to_load_balancer(&interface), "{interface:?}");
        }
        for interface in [
            new()
                .requester_managed(true)
                .requester_id("amazon-rds")
                .description("RDSNetworkInterface"),
            new()
                .interface_type(NetworkInterfaceType::GatewayLoadBalancerEndpoint)
                .requester_managed(true),
            new().description("ELB tests of ours"),
        ] {
            let interface = interface.build();
            assert!(!belongs_to_load_balancer(&interface), "{interface:?}");
        }
    }
}
