//! Whom to ask about a group: what its tags tell.

use portcullis_rules::SecurityGroup;

/// Tags by which people say whose something is, the most telling first; written in any case, with `-`, `_` or nothing
/// between the words.
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

/// The tag that `CloudFormation` puts on what it makes.
const STACK_TAG: &str = "aws:cloudformation:stack-name";

/// The owner by the group's tags, else the stack that made it.
pub(super) fn group_owner(group: &SecurityGroup) -> Option<String> {
    let tagged = |wanted: &&str| {
        group
            .tags
            .iter()
            .find(|(key, value)| normalize_tag_key(key) == **wanted && !value.trim().is_empty())
    };
    let owner = OWNER_TAGS
        .iter()
        .find_map(tagged)
        .map(|(_, value)| value.trim().to_owned());
    owner.or_else(|| {
        group
            .tags
            .get(STACK_TAG)
            .map(|stack| format!("stack {stack}"))
    })
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

    fn whom_of(tags: &[(&str, &str)]) -> Option<String> {
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
    fn the_owner_before_the_team_before_the_stack() {
        let stack = ("aws:cloudformation:stack-name", "shop");
        for (tags, whom) in [
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
            assert_eq!(whom_of(tags).as_deref(), whom, "{tags:?}");
        }
    }
}
