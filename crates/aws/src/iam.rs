//! The IAM actions behind the calls of this crate. The template grants exactly these, and a test compares the two.
//!
//! Source of the names and of what they can be scoped to: Service Authorization Reference, "Actions, resources, and
//! condition keys" for Amazon EC2, Amazon SNS and AWS KMS.

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
    // The alert.
    "sns:Publish",
];

/// What changes something: only for enforce mode.
///
/// It can be scoped to security groups, never to a rule, a rule's tag or a CIDR.
pub const MUTATING: &[&str] = &["ec2:RevokeSecurityGroupIngress"];

/// What publishing needs on the key of a topic that is encrypted with a customer managed key. The call is SNS's own,
/// made on the publisher's behalf.
///
/// Source: Amazon SNS Developer Guide, "Managing encryption keys and costs".
pub const ENCRYPTED_TOPIC: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey*"];
