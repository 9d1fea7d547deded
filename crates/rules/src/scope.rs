//! Where something of a policy holds: matching of groups by what is known about them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use wildmatch::WildMatch;

use crate::group::{SecurityGroup, Tags};

/// What is known besides the group itself. It arrives as values: the engine has no clock and no environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Now; exceptions expire by it. `None` counts every exception as live.
    pub now: Option<Timestamp>,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Who made the change, as an ARN or a name; `None` outside of an event.
    pub principals: Vec<String>,
}

/// A text with wildcards: `*` is any text, `?` any one character. Case counts.
#[derive(Clone, PartialEq)]
pub struct Glob(WildMatch);

/// Two globs are the same when their patterns are, which is an equivalence.
impl Eq for Glob {}

impl Glob {
    /// The glob that this text is.
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

/// A set of groups. Everything that is given must fit, of each list any one; nothing given is everywhere. What is not
/// known does not fit.
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
    /// Tags of the group. Whoever may tag the group can set them.
    pub group_tags: BTreeMap<String, Glob>,
}

impl Scope {
    /// Whether nothing is given, so that it holds everywhere.
    pub fn is_everywhere(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the group is in it.
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

fn is_any_or_listed(wanted: &[String], known: Option<&String>) -> bool {
    wanted.is_empty() || known.is_some_and(|known| wanted.contains(known))
}

/// Whether nothing is wanted, or the text is known and fits one of the globs.
pub(crate) fn matches_any_glob(wanted: &[Glob], known: Option<&str>) -> bool {
    wanted.is_empty() || known.is_some_and(|known| wanted.iter().any(|glob| glob.matches(known)))
}

/// Whether every wanted tag is there and fits.
pub(crate) fn matches_tags(wanted: &BTreeMap<String, Glob>, tags: &Tags) -> bool {
    wanted
        .iter()
        .all(|(key, glob)| tags.get(key).is_some_and(|value| glob.matches(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn nothing_given_is_everywhere() {
        assert!(Scope::default().is_everywhere());
        assert!(Scope::default().matches(&SecurityGroup::default(), &Context::default()));
    }

    #[test]
    fn everything_given_must_fit() {
        let fits = Scope {
            accounts: vec!["0".into(), "111122223333".into()],
            regions: vec!["eu-west-1".into()],
            vpcs: vec!["vpc-1".into()],
            group_ids: vec!["sg-1".into()],
            group_names: vec![Glob::new("db-*"), Glob::new("web-*")],
            group_tags: BTreeMap::from([("team".into(), Glob::new("ed?e"))]),
        };
        assert!(fits.matches(&group(), &context()));
        for off in [
            Scope {
                accounts: vec!["0".into()],
                ..fits.clone()
            },
            Scope {
                regions: vec!["eu-west-2".into()],
                ..fits.clone()
            },
            Scope {
                vpcs: vec!["vpc-2".into()],
                ..fits.clone()
            },
            Scope {
                group_ids: vec!["sg-2".into()],
                ..fits.clone()
            },
            Scope {
                group_names: vec![Glob::new("db-*")],
                ..fits.clone()
            },
            Scope {
                group_tags: BTreeMap::from([("team".into(), Glob::new("core"))]),
                ..fits.clone()
            },
            Scope {
                group_tags: BTreeMap::from([("owner".into(), Glob::new("*"))]),
                ..fits.clone()
            },
        ] {
            assert!(!off.matches(&group(), &context()), "{off:?}");
        }
    }

    #[test]
    fn what_is_not_known_does_not_fit() {
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
    fn the_owner_stands_for_the_account_when_that_is_not_known() {
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
