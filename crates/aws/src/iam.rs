//! The IAM actions behind the calls of this crate. The template grants exactly those that the functions make, and a test
//! compares the two; [`AUDIT`] is for people.
//!
//! Source of the names and of what they can be scoped to: Service Authorization Reference, "Actions, resources, and
//! condition keys" for Amazon EC2, Amazon SNS, AWS Systems Manager and AWS KMS.

/// What reading and telling need, in every mode.
///
/// The `Describe` actions know no resource but `*`; `GetManagedPrefixListEntries` can be scoped to prefix lists and
/// `Publish` to the topic.
pub const ACTIONS: &[&str] = &[
    // The group, and the groups that use a prefix list.
    "ec2:DescribeSecurityGroups",
    // Its rules, one by one.
    "ec2:DescribeSecurityGroupRules",
    // The entries of the prefix lists that its rules name.
    "ec2:GetManagedPrefixListEntries",
    // What the group is attached to, when a guardrail of the policy asks.
    "ec2:DescribeNetworkInterfaces",
    // The alert.
    "sns:Publish",
];

/// What changes something: only for enforce mode.
///
/// Removing and adding can be scoped to security groups, never to a CIDR.
pub const MUTATING: &[&str] = &[
    // A rule that is forbidden.
    "ec2:RevokeSecurityGroupIngress",
    // What is kept of it, or opened again to trusted sources.
    "ec2:AuthorizeSecurityGroupIngress",
    // With its tags: a call that adds rules with tags needs this on the new rules (Service Authorization Reference,
    // dependent actions of `AuthorizeSecurityGroupIngress`). `ec2:CreateAction` confines it to rules being made.
    "ec2:CreateTags",
];

/// What reading the policy needs where `PORTCULLIS_POLICY` names a parameter: on that one alone.
pub const PARAMETER: &[&str] = &["ssm:GetParameter"];

/// What publishing needs on the key of a topic that is encrypted with a customer managed key. The call is SNS's own,
/// made on the publisher's behalf.
///
/// Source: Amazon SNS Developer Guide, "Managing encryption keys and costs".
pub const ENCRYPTED_TOPIC: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey*"];

/// What `portcullis audit` needs on the live account. `DescribeRegions` only for all regions.
pub const AUDIT: &[&str] = &[
    "ec2:DescribeRegions",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSecurityGroupRules",
    "ec2:GetManagedPrefixListEntries",
];
