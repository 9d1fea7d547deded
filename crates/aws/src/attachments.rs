//! What a group is attached to, for reports and for the guardrails that skip such groups.
//!
//! A group is **in front of a load balancer** if a network interface of one uses it. Either the
//! type of the interface says so (EC2 API Reference, `NetworkInterface`, `InterfaceType`), or, as
//! recorded responses show for Application and Classic Load Balancers, the interface has the type
//! `interface`, the requester and instance owner `amazon-elb`, and a description that starts with
//! `ELB `.
//!
//! A group is **managed by an AWS service** if it has a tag under `aws:`, which only AWS can set,
//! or a name that a service assigns. Its interfaces prove nothing: an RDS database, a load balancer
//! or an endpoint has an interface that the service created (`RequesterManaged`) with a group that
//! the customer created, and skipping those would leave open what customers most want closed.
//! Anyone who may create a group can choose its name, so a policy that skips service-managed groups
//! trusts whoever that is.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
use aws_sdk_ec2::types::{NetworkInterface, NetworkInterfaceType};
use portcullis_remediation::ServiceError;
use portcullis_remediation::services::{GroupAttachments, InterfaceCounts};
use portcullis_rules::SecurityGroup;
use portcullis_rules::plan::Attachments;

use crate::call::{MAX_PAGE_SIZE, collect_pages, ec2_filter};

const OPERATION: &str = "DescribeNetworkInterfaces";

/// The principal that Elastic Load Balancing acts as.
const ELB_REQUESTER: &str = "amazon-elb";

/// Tags under `aws:` that AWS adds to resources that customers create.
const CUSTOMER_TAG_PREFIXES: [&str; 4] = [
    "aws:backup:",
    "aws:cloudformation:",
    "aws:createdby",
    "aws:servicecatalog:",
];

/// Prefixes and suffixes of the names of groups that AWS services create.
const SERVICE_GROUP_NAMES: [(&str, &str); 9] = [
    // Elastic Beanstalk, as shown in its event log: `awseb-e-...-stack-AWSEBSecurityGroup-...`.
    ("awseb-e-", ""),
    // AWS Directory Service Administration Guide, "What gets created with your AWS Managed
    // Microsoft AD".
    ("d-", "_controllers"),
    // Amazon WorkSpaces Administration Guide, "Security groups for your WorkSpaces".
    ("d-", "_workspacesMembers"),
    // Amazon EKS User Guide, "View Amazon EKS security group requirements for clusters".
    ("eks-cluster-sg-", ""),
    // Amazon EMR Management Guide, "Working with Amazon EMR-managed security groups", and the
    // same for its notebooks.
    ("ElasticMapReduce-", ""),
    ("ElasticMapReduceEditors-", ""),
    // Amazon GuardDuty User Guide, "How Runtime Monitoring works" (the group of its endpoint).
    ("GuardDutyManagedSecurityGroup-", ""),
    // Amazon SageMaker AI Developer Guide, "Amazon SageMaker AI domain" (the groups for its file
    // system).
    ("security-group-for-inbound-nfs-d-", ""),
    ("security-group-for-outbound-nfs-d-", ""),
];

/// The group that Global Accelerator creates in each VPC (AWS Global Accelerator Developer Guide,
/// "Best practices for ENIs and security groups with client IP address preservation").
const GLOBAL_ACCELERATOR_GROUP: &str = "GlobalAccelerator";

/// Reads the network interfaces that use the group, and classifies them and the group.
///
/// # Errors
/// When the interfaces cannot be read.
pub(crate) async fn read_attachments(
    ec2: &Client,
    group: &SecurityGroup,
) -> Result<GroupAttachments, ServiceError> {
    let stream = ec2
        .describe_network_interfaces()
        .filters(ec2_filter("group-id", &group.id))
        .into_paginator()
        .page_size(MAX_PAGE_SIZE)
        .send();
    let next_token = DescribeNetworkInterfacesOutput::next_token;
    let pages = collect_pages(OPERATION, stream, next_token).await?;
    let interfaces: Vec<_> = pages
        .iter()
        .flat_map(DescribeNetworkInterfacesOutput::network_interfaces)
        .collect();
    let public = interfaces.iter().filter(|it| has_public_address(it));
    Ok(GroupAttachments {
        guarded: Attachments {
            service_managed: is_service_managed(group),
            load_balancer: interfaces.iter().any(|it| belongs_to_load_balancer(it)),
        },
        interfaces: InterfaceCounts {
            total: interfaces.len(),
            public: public.count(),
        },
    })
}

/// Whether the interface has a public IPv4 address (its own or an Elastic IP address) or an IPv6
/// address. IPv6 addresses of a VPC are public (Amazon VPC User Guide, "IPv6 addresses").
fn has_public_address(interface: &NetworkInterface) -> bool {
    let association = interface.association();
    association.is_some_and(|it| it.public_ip().is_some()) || !interface.ipv6_addresses().is_empty()
}

fn belongs_to_load_balancer(interface: &NetworkInterface) -> bool {
    let owner = interface
        .attachment()
        .and_then(|attachment| attachment.instance_owner_id());
    has_load_balancer_type(interface)
        || interface.requester_id() == Some(ELB_REQUESTER)
        || owner == Some(ELB_REQUESTER)
        || has_elb_description(interface)
}

fn has_load_balancer_type(interface: &NetworkInterface) -> bool {
    matches!(
        interface.interface_type(),
        Some(
            NetworkInterfaceType::LoadBalancer
                | NetworkInterfaceType::NetworkLoadBalancer
                | NetworkInterfaceType::GatewayLoadBalancer
        )
    )
}

/// Anyone can write a description, so it counts only on interfaces that AWS created.
fn has_elb_description(interface: &NetworkInterface) -> bool {
    let description = interface.description().unwrap_or_default();
    interface.requester_managed() == Some(true) && description.starts_with("ELB ")
}

fn is_service_managed(group: &SecurityGroup) -> bool {
    group.tags.keys().any(|key| is_service_tag(key))
        || group.name.as_deref().is_some_and(is_service_group_name)
}

fn is_service_tag(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_customer_tag = CUSTOMER_TAG_PREFIXES
        .iter()
        .any(|prefix| key.starts_with(prefix));
    key.starts_with("aws:") && !is_customer_tag
}

fn is_service_group_name(name: &str) -> bool {
    name == GLOBAL_ACCELERATOR_GROUP
        || SERVICE_GROUP_NAMES
            .iter()
            .any(|(prefix, suffix)| has_affixes(name, prefix, suffix))
}

/// Whether the name has this prefix and suffix, and something between them.
fn has_affixes(name: &str, prefix: &str, suffix: &str) -> bool {
    name.strip_prefix(prefix)
        .and_then(|rest| rest.strip_suffix(suffix))
        .is_some_and(|middle| !middle.is_empty())
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::NetworkInterfaceAttachment;

    use super::*;

    fn group_named(name: &str) -> SecurityGroup {
        SecurityGroup {
            name: Some(name.to_owned()),
            ..SecurityGroup::default()
        }
    }

    fn group_tagged(key: &str) -> SecurityGroup {
        SecurityGroup {
            tags: [(key.to_owned(), "shop".to_owned())].into(),
            ..group_named("web")
        }
    }

    #[test]
    fn a_service_managed_group_is_recognized_by_name() {
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
            assert!(is_service_managed(&group_named(name)), "{name}");
        }
        for name in [
            "default",
            "web",
            "d-1234567890",
            "eks-cluster-sg-",
            "my-ElasticMapReduce-master",
            "launch-wizard-1",
        ] {
            assert!(!is_service_managed(&group_named(name)), "{name}");
        }
    }

    #[test]
    fn a_service_managed_group_is_recognized_by_an_aws_tag() {
        for key in ["aws:eks:cluster-name", "aws:cloud9:environment"] {
            assert!(is_service_managed(&group_tagged(key)), "{key}");
        }
        for key in [
            "aws:cloudformation:stack-name",
            "aws:createdBy",
            "aws:servicecatalog:productArn",
            "awsApplication",
            "eks:cluster-name",
        ] {
            assert!(!is_service_managed(&group_tagged(key)), "{key}");
        }
    }

    #[test]
    fn load_balancer_interfaces_are_recognized() {
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
