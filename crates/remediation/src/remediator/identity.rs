//! When two values are the same security group rule.

use portcullis_rules::IngressRule;

pub(super) fn contains_content(rules: &[IngressRule], rule: &IngressRule) -> bool {
    rules.iter().any(|other| other.same_content(rule))
}

/// What identifies a security group rule: its content and its id.
pub(super) type RuleKey = ((String, (Option<i32>, Option<i32>), String), Option<String>);

pub(super) fn rule_key(rule: &IngressRule) -> RuleKey {
    (rule.sort_key(), rule.id.clone())
}

/// Whether both are the same security group rule of EC2.
pub(super) fn is_same_rule(rule: &IngressRule, other: &IngressRule) -> bool {
    rule.id == other.id && rule.same_content(other)
}

/// Whether an undo cannot tell the rules apart: content, description and tags are equal, whatever
/// the ids.
pub(super) fn is_identical_rule(rule: &IngressRule, other: &IngressRule) -> bool {
    let is_equal = rule.description == other.description && rule.tags == other.tags;
    is_equal && rule.same_content(other)
}
