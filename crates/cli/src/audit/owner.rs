//! The owner of a security group, from its tags.

use portcullis_rules::SecurityGroup;

/// Tags for an owner, the most specific first. Keys are compared without case, `-`, `_` and blanks.
const OWNER_TAGS: [&str; 8] = [
    "owner",
    "contact",
    "owneremail",
    "team",
    "squad",
    "createdby",
    "creator",
    "maintainer",
];

/// The tag that `CloudFormation` sets on the resources of a stack.
const STACK_TAG: &str = "aws:cloudformation:stack-name";

/// The owner according to the tags of the group, or else the stack that created it.
pub(crate) fn group_owner(group: &SecurityGroup) -> Option<String> {
    if let Some(owner) = OWNER_TAGS.iter().find_map(|key| tag_value(group, key)) {
        return Some(owner.to_owned());
    }
    let stack = group.tags.get(STACK_TAG)?;
    Some(format!("stack {stack}"))
}

/// The value of the tag with this normalized key, unless it is blank.
fn tag_value<'a>(group: &'a SecurityGroup, key: &str) -> Option<&'a str> {
    group
        .tags
        .iter()
        .filter(|(candidate, _)| normalize_tag_key(candidate) == key)
        .map(|(_, value)| value.trim())
        .find(|value| !value.is_empty())
}

fn normalize_tag_key(key: &str) -> String {
    key.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn owner_from_tags(tags: &[(&str, &str)]) -> Option<String> {
        let tags: BTreeMap<_, _> = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        group_owner(&SecurityGroup {
            tags,
            ..SecurityGroup::default()
        })
    }

    #[test]
    fn owner_tags_precede_team_tags_and_stacks() {
        let stack = ("aws:cloudformation:stack-name", "shop");
        for (tags, owner) in [
            (&[("Name", "web")][..], None),
            (&[stack], Some("stack shop")),
            (&[stack, ("Team", "edge")], Some("edge")),
            (
                &[("Team", "edge"), ("OWNER", "alice@example.com")],
                Some("alice@example.com"),
            ),
            (
                &[("Owner", " "), ("created-by", "terraform")],
                Some("terraform"),
            ),
            (&[("Owner_Email", "a@example.com")], Some("a@example.com")),
        ] {
            assert_eq!(owner_from_tags(tags).as_deref(), owner, "{tags:?}");
        }
    }
}
