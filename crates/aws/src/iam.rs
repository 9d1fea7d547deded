//! The IAM actions that the calls of this crate require.
//!
//! The template grants exactly those that the functions need, and a test compares the two.
//! [`AUDIT`] is for the command line.
//!
//! Source of the names and their possible scopes: Service Authorization Reference, "Actions,
//! resources, and condition keys" for Amazon EC2, Amazon SNS, AWS Systems Manager and AWS KMS.

/// Actions for reading groups and publishing alerts, in every mode.
///
/// The `Describe` actions support no resource but `*`. `GetManagedPrefixListEntries` can be scoped
/// to prefix lists, and `Publish` to the topic.
pub const ACTIONS: &[&str] = &[
    // The group, and the groups that use a prefix list.
    "ec2:DescribeSecurityGroups",
    // Its rules, with their ids.
    "ec2:DescribeSecurityGroupRules",
    // The entries of the prefix lists that its rules refer to.
    "ec2:GetManagedPrefixListEntries",
    // Whether EC2 has applied the change of a prefix list.
    "ec2:DescribeManagedPrefixLists",
    // What the group is attached to, if a guardrail of the policy needs to know.
    "ec2:DescribeNetworkInterfaces",
    // The alert.
    "sns:Publish",
];

/// Actions that change a group: only for enforce mode.
///
/// Revoking and authorizing can be scoped to security groups, but not to a CIDR.
pub const MUTATING: &[&str] = &[
    // Removes a forbidden rule.
    "ec2:RevokeSecurityGroupIngress",
    // Adds what is kept of a removed rule, or access for trusted sources.
    "ec2:AuthorizeSecurityGroupIngress",
    // Tags the added rule: a call that adds rules with tags needs this action on the new rules
    // (Service Authorization Reference, dependent actions of `AuthorizeSecurityGroupIngress`).
    // The condition key `ec2:CreateAction` limits it to rules that are being created.
    "ec2:CreateTags",
];

/// Action for counting the subscriptions of the topic, after each sweep: on the topic only.
pub const SUBSCRIPTIONS: &[&str] = &["sns:GetTopicAttributes"];

/// Action for reading the policy from the parameter in `PORTCULLIS_POLICY`: on that parameter only.
pub const PARAMETER: &[&str] = &["ssm:GetParameter"];

/// Actions for publishing to a topic that is encrypted with a customer managed key: on that key.
/// SNS makes these calls on the publisher's behalf.
///
/// Source: Amazon SNS Developer Guide, "Managing encryption keys and costs".
pub const ENCRYPTED_TOPIC: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey*"];

/// Actions for `portcullis audit` on a live account. `DescribeRegions` only with `--all-regions`.
pub const AUDIT: &[&str] = &[
    "ec2:DescribeRegions",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSecurityGroupRules",
    "ec2:GetManagedPrefixListEntries",
];
