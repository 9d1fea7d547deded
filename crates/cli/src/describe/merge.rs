//! One group out of the two listings that may describe it.

use std::collections::BTreeMap;

use portcullis_rules::{IngressRule, SecurityGroup};

use super::arn::GroupArn;
use super::boxes;
use super::document::{GroupJson, RuleJson};
use super::field::JsonField;
use super::place::{JsonPath, Problems};

/// The groups so far, by id.
#[derive(Debug, Default)]
pub(super) struct MergedGroups(BTreeMap<String, GroupListings>);

/// What the two listings say about one group.
#[derive(Debug, Default)]
struct GroupListings {
    /// From `SecurityGroups`, with the boxes of its permissions; made up when only rules were listed.
    group: SecurityGroup,
    /// Its ARN.
    arn: Option<GroupArn>,
    /// From `SecurityGroupRules`.
    listed_rules: Vec<IngressRule>,
}

impl MergedGroups {
    /// Adds a group of `SecurityGroups`.
    pub(super) fn add_group(
        &mut self,
        json: JsonField<GroupJson>,
        place: JsonPath<'_>,
        problems: &mut Problems,
    ) {
        problems.group_id = None;
        let Ok(json) = problems.read_required(json, place) else {
            return;
        };
        let Ok(id) = problems.read_required(json.group_id, place.at_key("GroupId")) else {
            return;
        };
        problems.group_id = Some(id.clone());
        let mut text = |field, key| {
            let text = problems.read_optional(field, place.at_key(key));
            text.ok().flatten()
        };
        let name = text(json.group_name, "GroupName");
        let vpc_id = text(json.vpc_id, "VpcId");
        let owner_id = text(json.owner_id, "OwnerId");
        let arn = text(json.security_group_arn, "SecurityGroupArn");
        let arn = arn.and_then(|arn| group_arn(&arn, &id, place, problems));
        let list = place.at_key("IpPermissions");
        let mut rules = Vec::new();
        for (index, permission) in problems.read_items(json.ip_permissions, list) {
            let item = list.at_index(index);
            let Ok(permission) = problems.read_required(permission, item) else {
                continue;
            };
            rules.extend(boxes::rules_from_permission(permission, item, problems));
        }
        let listings = self.0.entry(id.clone()).or_default();
        listings.arn = arn.or_else(|| listings.arn.take());
        let group = &mut listings.group;
        // A group that is listed twice is one group with the boxes of both.
        rules.splice(0..0, std::mem::take(&mut group.rules));
        *group = SecurityGroup {
            id,
            name,
            vpc_id,
            owner_id,
            rules,
            tags: boxes::read_tags(json.tags),
            open_egress: boxes::open_egress(json.ip_permissions_egress),
        };
    }

    /// Adds a rule of `SecurityGroupRules`. Egress rules only tell that the group exists.
    pub(super) fn add_rule(
        &mut self,
        json: JsonField<RuleJson>,
        place: JsonPath<'_>,
        problems: &mut Problems,
    ) {
        problems.group_id = None;
        let Ok(mut json) = problems.read_required(json, place) else {
            return;
        };
        let group_id = std::mem::take(&mut json.group_id);
        let Ok(id) = problems.read_required(group_id, place.at_key("GroupId")) else {
            return;
        };
        problems.group_id = Some(id.clone());
        let owner = std::mem::take(&mut json.group_owner_id);
        let owner = problems.read_optional(owner, place.at_key("GroupOwnerId"));
        let listings = self.0.entry(id.clone()).or_default();
        listings.group.id = id;
        if listings.group.owner_id.is_none() {
            listings.group.owner_id = owner.ok().flatten();
        }
        let is_egress = std::mem::take(&mut json.is_egress);
        // A rule that does not say is taken for ingress: nothing that may be open goes unread.
        if let Ok(Some(false) | None) = problems.read_optional(is_egress, place.at_key("IsEgress"))
        {
            let rule = boxes::ingress_rule_from_json(json, place, problems);
            listings.listed_rules.extend(rule.ok());
        }
    }

    /// The groups, ordered by id, and the ARNs of those that have one.
    pub(super) fn into_groups_and_arns(
        mut self,
    ) -> (Vec<SecurityGroup>, BTreeMap<String, GroupArn>) {
        let arns = self
            .0
            .iter_mut()
            .filter_map(|(id, listings)| Some((id.clone(), listings.arn.take()?)));
        let arns = arns.collect();
        (
            self.0
                .into_values()
                .map(GroupListings::into_group)
                .collect(),
            arns,
        )
    }
}

/// An ARN decides which rules hold for a group, so one that cannot be understood is told.
fn group_arn(
    text: &str,
    group_id: &str,
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Option<GroupArn> {
    let arn = GroupArn::parse(text, group_id);
    if arn.is_none() {
        let expected = format!("arn:aws:ec2:REGION:ACCOUNT:security-group/{group_id}");
        problems.add(
            place.at_key("SecurityGroupArn"),
            format_args!("expected `{expected}`, found `{text}`"),
        );
    }
    arn
}

impl GroupListings {
    /// The rules, and the boxes of permissions which no rule of the same content stands for: as many of each content
    /// as the listing with more of them has.
    fn into_group(self) -> SecurityGroup {
        let mut group = self.group;
        if self.listed_rules.is_empty() {
            return group;
        }
        let mut listed: BTreeMap<_, usize> = BTreeMap::new();
        for rule in &self.listed_rules {
            let count = listed.entry(rule.sort_key()).or_default();
            *count = count.saturating_add(1);
        }
        let mut rules = self.listed_rules;
        for rule in std::mem::take(&mut group.rules) {
            match listed.get_mut(&rule.sort_key()) {
                Some(count) if *count > 0 => *count = count.saturating_sub(1),
                _ => rules.push(rule),
            }
        }
        group.rules = rules;
        group
    }
}
