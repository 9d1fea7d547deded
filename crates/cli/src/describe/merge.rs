//! Merging the listings of a security group into one group.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::{IngressRule, SecurityGroup};

use super::arn::GroupArn;
use super::problem::{Problem, ProblemCode};
use super::shapes::{GroupShape, RuleHead};

/// The groups read so far.
#[derive(Debug, Default)]
pub(super) struct MergedGroups {
    groups: BTreeMap<String, GroupListings>,
    /// The groups that are unreadable, or have a rule that is.
    unreadable: BTreeSet<String>,
}

/// The groups that can be evaluated.
#[derive(Debug, Default)]
pub(super) struct ReadableGroups {
    /// Ordered by id.
    pub(super) groups: Vec<SecurityGroup>,
    /// The ARNs of the groups that have one, by id.
    pub(super) arns: BTreeMap<String, GroupArn>,
    /// The descriptions of the groups that have one, by id.
    pub(super) descriptions: BTreeMap<String, String>,
}

/// One group in all listings.
#[derive(Debug, Default)]
struct GroupListings {
    /// From `SecurityGroups`, without its rules. Only its id and owner are known if it is in
    /// `SecurityGroupRules` alone.
    group: SecurityGroup,
    arn: Option<GroupArn>,
    description: Option<String>,
    /// The rules of the permissions in `SecurityGroups`.
    permission_rules: Option<Vec<IngressRule>>,
    /// Where the permissions are missing in `SecurityGroups`.
    missing_permissions: Option<String>,
    /// From `SecurityGroupRules`.
    listed_rules: Vec<IngressRule>,
    listed_ids: BTreeSet<String>,
    /// Whether it is in `SecurityGroupRules`, perhaps with egress rules only.
    is_listed: bool,
}

impl MergedGroups {
    /// Records that a group cannot be evaluated.
    pub(super) fn add_unreadable(&mut self, group_id: &str) {
        self.unreadable.insert(group_id.to_owned());
    }

    /// Adds a group of `SecurityGroups`.
    pub(super) fn add_group(&mut self, shape: GroupShape, path: impl FnOnce() -> String) {
        let listings = self.groups.entry(shape.group_id.clone()).or_default();
        listings.arn = shape.arn.or_else(|| listings.arn.take());
        listings.description = shape.description.or_else(|| listings.description.take());
        listings.group = SecurityGroup {
            id: shape.group_id,
            name: shape.name,
            vpc_id: shape.vpc_id,
            owner_id: shape.owner_id.or_else(|| listings.group.owner_id.take()),
            rules: Vec::new(),
            tags: shape.tags,
            open_egress: shape.open_egress,
        };
        match (listings.permission_rules.take(), shape.rules) {
            (known, None) => {
                listings.permission_rules = known;
                listings.missing_permissions = Some(path());
            }
            (None, rules) => listings.permission_rules = rules,
            (Some(known), Some(rules)) => {
                listings.permission_rules = Some(merge_rules(known, rules));
            }
        }
    }

    /// Adds a rule of `SecurityGroupRules`. An egress rule, without an ingress rule, only shows
    /// that its group exists.
    pub(super) fn add_rule(&mut self, head: RuleHead, rule: Option<IngressRule>) {
        let listings = self.groups.entry(head.group_id.clone()).or_default();
        listings.is_listed = true;
        listings.group.id = head.group_id;
        if listings.group.owner_id.is_none() {
            listings.group.owner_id = head.group_owner_id;
        }
        let Some(rule) = rule else {
            return;
        };
        // Pages and inputs may overlap.
        let has_new_id = match &rule.id {
            Some(id) => listings.listed_ids.insert(id.clone()),
            None => true,
        };
        if has_new_id || !listings.listed_rules.contains(&rule) {
            listings.listed_rules.push(rule);
        }
    }

    /// The readable groups. Adds a problem for each group without rules in any listing.
    pub(super) fn into_readable(self, problems: &mut Vec<Problem>) -> ReadableGroups {
        let mut readable = ReadableGroups::default();
        for (id, mut listings) in self.groups {
            if self.unreadable.contains(&id) {
                continue;
            }
            if !listings.is_listed && listings.permission_rules.is_none() {
                problems.push(listings.missing_rules_problem(id));
                continue;
            }
            if let Some(description) = listings.description.take() {
                readable.descriptions.insert(id.clone(), description);
            }
            if let Some(arn) = listings.arn.take() {
                readable.arns.insert(id, arn);
            }
            readable.groups.push(listings.into_group());
        }
        readable
    }
}

impl GroupListings {
    fn missing_rules_problem(self, id: String) -> Problem {
        let message = "missing, so the ingress rules of the group are unknown";
        Problem {
            group_id: Some(id),
            region: self.arn.map(|arn| arn.region),
            path: self.missing_permissions,
            ..Problem::new(ProblemCode::GroupUnreadable, message)
        }
    }

    /// The group with the listed rules, and the rules of permissions that have no listed rule of
    /// the same content.
    fn into_group(self) -> SecurityGroup {
        let permission_rules = self.permission_rules.unwrap_or_default();
        SecurityGroup {
            rules: merge_rules(self.listed_rules, permission_rules),
            ..self.group
        }
    }
}

/// The rules of two listings of a group. Rules of the same content are counted: the result has as
/// many of them as the longer listing.
fn merge_rules(mut first: Vec<IngressRule>, second: Vec<IngressRule>) -> Vec<IngressRule> {
    if first.is_empty() {
        return second;
    }
    let mut unmatched: BTreeMap<_, usize> = BTreeMap::new();
    for rule in &first {
        let count = unmatched.entry(rule.sort_key()).or_default();
        *count = count.saturating_add(1);
    }
    let mut additional = Vec::new();
    for rule in second {
        match unmatched.get_mut(&rule.sort_key()) {
            Some(count) if *count > 0 => *count = count.saturating_sub(1),
            _ => additional.push(rule),
        }
    }
    first.extend(additional);
    first
}
