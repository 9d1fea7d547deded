//! Merging the two listings of a security group into one group.

use std::collections::BTreeMap;

use portcullis_rules::{IngressRule, SecurityGroup};

use super::arn::GroupArn;
use super::document::{GroupJson, JsonList, PermissionJson, RuleJson};
use super::field::JsonField;
use super::problems::{JsonPath, Problems};
use super::rules;

/// The groups read so far, by id.
#[derive(Debug, Default)]
pub(super) struct MergedGroups(BTreeMap<String, GroupListings>);

/// One group in the two listings.
#[derive(Debug, Default)]
struct GroupListings {
    /// From `SecurityGroups`, with the rules of its permissions. Only its id and owner are known if
    /// it is in `SecurityGroupRules` alone.
    group: SecurityGroup,
    arn: Option<GroupArn>,
    /// From `SecurityGroupRules`.
    listed_rules: Vec<IngressRule>,
}

impl MergedGroups {
    /// Adds a group of `SecurityGroups`.
    pub(super) fn add_group(
        &mut self,
        json: JsonField<GroupJson>,
        path: JsonPath<'_>,
        problems: &mut Problems,
    ) {
        problems.group_id = None;
        let Ok(json) = problems.read_required(json, path) else {
            return;
        };
        let Ok(id) = problems.read_required(json.group_id, path.at_key("GroupId")) else {
            return;
        };
        problems.group_id = Some(id.clone());
        let name = problems.read_or_none(json.group_name, path.at_key("GroupName"));
        let vpc_id = problems.read_or_none(json.vpc_id, path.at_key("VpcId"));
        let owner_id = problems.read_or_none(json.owner_id, path.at_key("OwnerId"));
        let arn = read_group_arn(json.security_group_arn, &id, path, problems);
        let permissions = path.at_key("IpPermissions");
        let listed = read_permissions(json.ip_permissions, permissions, problems);
        let listings = self.0.entry(id.clone()).or_default();
        listings.arn = arn.or_else(|| listings.arn.take());
        // A group that is listed twice has the rules of both entries.
        let mut rules = std::mem::take(&mut listings.group.rules);
        rules.extend(listed);
        listings.group = SecurityGroup {
            id,
            name,
            vpc_id,
            owner_id,
            rules,
            tags: rules::read_tags(json.tags),
            open_egress: rules::open_egress(json.ip_permissions_egress),
        };
    }

    /// Adds a rule of `SecurityGroupRules`. An egress rule only shows that its group exists.
    pub(super) fn add_rule(
        &mut self,
        json: JsonField<RuleJson>,
        path: JsonPath<'_>,
        problems: &mut Problems,
    ) {
        problems.group_id = None;
        let Ok(mut json) = problems.read_required(json, path) else {
            return;
        };
        let group_id = std::mem::take(&mut json.group_id);
        let Ok(id) = problems.read_required(group_id, path.at_key("GroupId")) else {
            return;
        };
        problems.group_id = Some(id.clone());
        let owner_field = std::mem::take(&mut json.group_owner_id);
        let owner_id = problems.read_or_none(owner_field, path.at_key("GroupOwnerId"));
        let listings = self.0.entry(id.clone()).or_default();
        listings.group.id = id;
        if listings.group.owner_id.is_none() {
            listings.group.owner_id = owner_id;
        }
        let is_egress = std::mem::take(&mut json.is_egress);
        // A rule without a direction counts as ingress, so that no open port is missed.
        if let Ok(Some(false) | None) = problems.read_optional(is_egress, path.at_key("IsEgress")) {
            let rule = rules::ingress_rule_from_json(json, path, problems);
            listings.listed_rules.extend(rule.ok());
        }
    }

    /// The groups, ordered by id, and the ARNs of those that have one.
    pub(super) fn into_groups_and_arns(self) -> (Vec<SecurityGroup>, BTreeMap<String, GroupArn>) {
        let mut groups = Vec::new();
        let mut arns = BTreeMap::new();
        for (id, mut listings) in self.0 {
            if let Some(arn) = listings.arn.take() {
                arns.insert(id, arn);
            }
            groups.push(listings.into_group());
        }
        (groups, arns)
    }
}

fn read_permissions(
    list: JsonList<PermissionJson>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<IngressRule> {
    let mut found = Vec::new();
    for (index, permission) in problems.read_items(list, path) {
        let item = path.at_index(index);
        if let Ok(permission) = problems.read_required(permission, item) {
            found.extend(rules::rules_from_permission(permission, item, problems));
        }
    }
    found
}

/// The ARN decides which parts of a policy apply to the group, so an invalid one is a problem.
fn read_group_arn(
    field: JsonField<String>,
    group_id: &str,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Option<GroupArn> {
    let arn_path = path.at_key("SecurityGroupArn");
    let text = problems.read_or_none(field, arn_path)?;
    let arn = GroupArn::parse(&text, group_id);
    if arn.is_none() {
        let expected = format!("arn:aws:ec2:REGION:ACCOUNT:security-group/{group_id}");
        problems.add(
            arn_path,
            format_args!("expected `{expected}`, found `{text}`"),
        );
    }
    arn
}

impl GroupListings {
    /// The listed rules, and the rules of permissions that have no listed rule of the same content.
    /// Rules of the same content are counted: the result has as many of them as the longer listing.
    fn into_group(self) -> SecurityGroup {
        let mut group = self.group;
        if self.listed_rules.is_empty() {
            return group;
        }
        let mut unmatched: BTreeMap<_, usize> = BTreeMap::new();
        for rule in &self.listed_rules {
            let count = unmatched.entry(rule.sort_key()).or_default();
            *count = count.saturating_add(1);
        }
        let mut rules = self.listed_rules;
        for rule in std::mem::take(&mut group.rules) {
            match unmatched.get_mut(&rule.sort_key()) {
                Some(count) if *count > 0 => *count = count.saturating_sub(1),
                _ => rules.push(rule),
            }
        }
        group.rules = rules;
        group
    }
}
