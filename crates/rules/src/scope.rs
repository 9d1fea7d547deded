//! Scopes: which security groups a part of a policy applies to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use wildmatch::WildMatch;

use crate::group::{IngressRule, RuleContent, SecurityGroup, Tags};

/// What is known about an evaluation besides the group itself. Callers pass it in, because the
/// engine reads no clock and no environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The time by which exceptions expire. With `None`, no exception is expired.
    pub now: Option<Timestamp>,
    /// The account id.
    pub account: Option<String>,
    /// The region name.
    pub region: Option<String>,
    /// The principals that made the change, as ARNs or names. Empty when they are not known, as
    /// outside of an event.
    pub principals: Vec<String>,
    /// The rules that the change opened. Who opened the other rules of the group is not known.
    pub opened: OpenedRules,
}

/// The rules of a group that the event opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OpenedRules {
    /// No rule: there is no event, as in an audit or a sweep.
    #[default]
    None,
    /// Every rule of the group.
    All,
    /// The rules with one of these contents.
    Listed(BTreeSet<RuleContent>),
}

impl OpenedRules {
    /// Whether the event opened this rule.
    pub fn contains(&self, rule: &IngressRule) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Listed(contents) => contents.contains(&rule.content()),
        }
    }
}

impl<'a> FromIterator<&'a IngressRule> for OpenedRules {
    fn from_iter<I: IntoIterator<Item = &'a IngressRule>>(rules: I) -> Self {
        Self::Listed(rules.into_iter().map(IngressRule::content).collect())
    }
}

impl Context {
    /// The principals that opened the rule; `None` when they are not known, because there is no
    /// event, the event does not say who caused it, or it did not open this rule.
    pub fn principals_of(&self, rule: &IngressRule) -> Option<&[String]> {
        let is_known = !self.principals.is_empty() && self.opened.contains(rule);
        is_known.then_some(self.principals.as_slice())
    }
}

/// A pattern with wildcards: `*` matches any text, `?` any one character. Case matters.
#[derive(Clone, PartialEq)]
pub struct Glob(WildMatch);

/// Globs are compared by their patterns, which is a full equivalence.
impl Eq for Glob {}

impl Glob {
    /// A glob with this pattern.
    pub fn new(pattern: &str) -> Self {
        Self(WildMatch::new(pattern))
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// A set of security groups.
///
/// A group is in scope when it matches at least one value of every list that is not empty, and all
/// tags. An empty scope matches every group. A property that is not known does not match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Account ids.
    pub accounts: Vec<String>,
    /// Region names.
    pub regions: Vec<String>,
    /// VPC ids.
    pub vpcs: Vec<String>,
    /// Group ids.
    pub group_ids: Vec<String>,
    /// Group names.
    pub group_names: Vec<Glob>,
    /// Tags of the group. Anyone who is allowed to tag the group can set them.
    pub group_tags: BTreeMap<String, Glob>,
}

impl Scope {
    /// Whether the scope is empty and therefore matches every group.
    pub fn is_everywhere(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the group is in scope.
    pub fn matches(&self, group: &SecurityGroup, context: &Context) -> bool {
        let account = context.account.as_ref().or(group.owner_id.as_ref());
        is_any_or_listed(&self.accounts, account)
            && is_any_or_listed(&self.regions, context.region.as_ref())
            && is_any_or_listed(&self.vpcs, group.vpc_id.as_ref())
            && is_any_or_listed(&self.group_ids, Some(&group.id))
            && matches_any_glob(&self.group_names, group.name.as_deref())
            && matches_tags(&self.group_tags, &group.tags)
    }
}

fn is_any_or_listed(listed: &[String], value: Option<&String>) -> bool {
    listed.is_empty() || value.is_some_and(|value| listed.contains(value))
}

/// Whether there are no globs, or the text is known and matches one of them.
pub(crate) fn matches_any_glob(globs: &[Glob], text: Option<&str>) -> bool {
    globs.is_empty() || text.is_some_and(|text| globs.iter().any(|glob| glob.matches(text)))
}

/// Whether the tags have, for each expected key, a tag with a matching value. A key with `*` or `?`
/// is a pattern: `kubernetes.io/cluster/*`.
pub(crate) fn matches_tags(expected: &BTreeMap<String, Glob>, tags: &Tags) -> bool {
    expected
        .iter()
        .all(|(key, glob)| matches_any_tag(key, glob, tags))
}

fn matches_any_tag(key: &str, value_glob: &Glob, tags: &Tags) -> bool {
    if !key.contains(['*', '?']) {
        return tags.get(key).is_some_and(|value| value_glob.matches(value));
    }
    let key_glob = Glob::new(key);
    tags.iter()
        .any(|(key, value)| key_glob.matches(key) && value_glob.matches(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::rule;

    fn group() -> SecurityGroup {
        SecurityGroup {
            id: "sg-1".into(),
            name: Some("web-blue".into()),
            vpc_id: Some("vpc-1".into()),
            tags: Tags::from([("team".into(), "edge".into())]),
            ..SecurityGroup::default()
        }
    }

    fn context() -> Context {
        Context {
            account: Some("111122223333".into()),
            region: Some("eu-west-1".into()),
            ..Context::default()
        }
    }

    #[test]
    fn an_empty_scope_matches_every_group() {
        assert!(Scope::default().is_everywhere());
        assert!(Scope::default().matches(&SecurityGroup::default(), &Context::default()));
    }

    #[test]
    fn keys_of_tags_may_be_patterns() {
        let tags = Tags::from([
            ("kubernetes.io/cluster/prod".into(), "owned".into()),
            ("kubernetes.io/role/elb".into(), "1".into()),
        ]);
        for (key, value, expected) in [
            ("kubernetes.io/cluster/*", "owned", true),
            ("kubernetes.io/cluster/pro?", "*", true),
            ("*", "1", true),
            ("kubernetes.io/cluster/*", "shared", false),
            ("kubernetes.io/cluster/*", "1", false),
            ("kubernetes.io/cluster/", "owned", false),
            ("cluster/*", "owned", false),
        ] {
            let scope = BTreeMap::from([(key.to_owned(), Glob::new(value))]);
            assert_eq!(matches_tags(&scope, &tags), expected, "{key}: {value}");
        }
    }

    #[test]
    fn every_condition_must_match() {
        let matching = Scope {
            accounts: vec!["0".into(), "111122223333".into()],
            regions: vec!["eu-west-1".into()],
            vpcs: vec!["vpc-1".into()],
            group_ids: vec!["sg-1".into()],
            group_names: vec![Glob::new("db-*"), Glob::new("web-*")],
            group_tags: BTreeMap::from([("team".into(), Glob::new("ed?e"))]),
        };
        assert!(matching.matches(&group(), &context()));
        for other in [
            Scope {
                accounts: vec!["0".into()],
                ..matching.clone()
            },
            Scope {
                regions: vec!["eu-west-2".into()],
                ..matching.clone()
            },
            Scope {
                vpcs: vec!["vpc-2".into()],
                ..matching.clone()
            },
            Scope {
                group_ids: vec!["sg-2".into()],
                ..matching.clone()
            },
            Scope {
                group_names: vec![Glob::new("db-*")],
                ..matching.clone()
            },
            Scope {
                group_tags: BTreeMap::from([("team".into(), Glob::new("core"))]),
                ..matching.clone()
            },
            Scope {
                group_tags: BTreeMap::from([("owner".into(), Glob::new("*"))]),
                ..matching.clone()
            },
        ] {
            assert!(!other.matches(&group(), &context()), "{other:?}");
        }
    }

    #[test]
    fn unknown_properties_do_not_match() {
        let region = Scope {
            regions: vec!["eu-west-1".into()],
            ..Scope::default()
        };
        assert!(!region.matches(&group(), &Context::default()));
        let name = Scope {
            group_names: vec![Glob::new("*")],
            ..Scope::default()
        };
        assert!(!name.matches(&SecurityGroup::default(), &context()));
    }

    #[test]
    fn principals_are_known_only_of_opened_rules() {
        let (opened, other) = (rule("tcp 22 0.0.0.0/0"), rule("tcp 23 0.0.0.0/0"));
        let context_with = |principals: &[&str], opened: OpenedRules| Context {
            principals: principals.iter().map(ToString::to_string).collect(),
            opened,
            ..Context::default()
        };
        let listed = OpenedRules::from_iter([&opened]);
        let context = context_with(&["alice"], listed.clone());
        assert_eq!(context.principals_of(&opened), Some(&["alice".into()][..]));
        assert_eq!(context.principals_of(&other), None);
        let all = context_with(&["alice"], OpenedRules::All);
        assert!(all.principals_of(&other).is_some());
        let none = context_with(&["alice"], OpenedRules::None);
        assert_eq!(none.principals_of(&opened), None);
        let nobody = context_with(&[], listed);
        assert_eq!(nobody.principals_of(&opened), None);
    }

    #[test]
    fn the_owner_is_used_when_the_account_is_unknown() {
        let account = Scope {
            accounts: vec!["444455556666".into()],
            ..Scope::default()
        };
        let owned = SecurityGroup {
            owner_id: Some("444455556666".into()),
            ..group()
        };
        assert!(account.matches(&owned, &Context::default()));
        assert!(!account.matches(&owned, &context()));
    }
}
