//! Exceptions: what a policy allows although a rule forbids it, port by port, with a reason, an owner and an end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::group::{IngressRule, SecurityGroup};
use crate::scope::{Context, Glob, Scope, matches_any_glob, matches_tags};
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

/// An exception. It frees ports, not groups: what it does not name stays forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Stable kebab-case name, unique in the policy.
    pub id: String,
    /// Why it is allowed.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The moment from which it does nothing.
    pub expires: Option<Timestamp>,
    /// The ids of the rules it is an exception to; empty: all.
    pub rules: Vec<String>,
    /// The groups it is for.
    pub scope: Scope,
    /// Tags of the security group rule. Whoever opens the port can set them.
    pub rule_tags: BTreeMap<String, Glob>,
    /// Descriptions of the security group rule; empty: any. Whoever opens the port writes them.
    pub descriptions: Vec<Glob>,
    /// Who made the change; empty: anybody. Outside of an event nobody is known, so it does nothing there.
    pub principals: Vec<Glob>,
    /// What it frees.
    pub traffic: TrafficSet,
    /// The sources it frees it for, and every block inside of them; empty: any.
    pub sources: Vec<Source>,
}

impl Exception {
    /// Whether it has ended.
    pub fn is_expired(&self, context: &Context) -> bool {
        self.expires
            .zip(context.now)
            .is_some_and(|(expires, now)| now >= expires)
    }

    /// Whether it is about this box under this rule, expired or not.
    pub fn applies_to(
        &self,
        rule_id: &str,
        group: &SecurityGroup,
        ingress: &IngressRule,
        facts: &MatchInput<'_>,
    ) -> bool {
        (self.rules.is_empty() || self.rules.iter().any(|rule| rule == rule_id))
            && self.scope.matches(group, facts.context)
            && matches_tags(&self.rule_tags, &ingress.tags)
            && matches_any_glob(&self.descriptions, ingress.description.as_deref())
            && (self.principals.is_empty()
                || facts
                    .context
                    .principals
                    .iter()
                    .any(|who| matches_any_glob(&self.principals, Some(who))))
            && (self.sources.is_empty()
                || self
                    .sources
                    .iter()
                    .any(|allowed| is_source_within(&ingress.source, allowed, facts.lists)))
    }
}

/// What deciding about an exception needs besides the box.
#[derive(Debug, Clone, Copy)]
pub struct MatchInput<'a> {
    /// Time and place.
    pub context: &'a Context,
    /// The entries of prefix lists.
    pub lists: &'a PrefixLists,
}

/// Whether a source is the allowed one, or lies inside of one of its blocks as a whole.
fn is_source_within(source: &Source, allowed: &Source, lists: &PrefixLists) -> bool {
    let (blocks, outer) = (lists.source_blocks(source), lists.source_blocks(allowed));
    source.same_source(allowed)
        || (!blocks.is_empty()
            && blocks
                .iter()
                .all(|block| outer.iter().any(|allowed| allowed.contains(block))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::rule;
    use crate::source::parse_cidr;

    fn exception() -> Exception {
        Exception {
            id: "vendor".into(),
            reason: "the vendor's appliance".into(),
            owner: "edge@example.com".into(),
            expires: None,
            rules: Vec::new(),
            scope: Scope::default(),
            rule_tags: BTreeMap::new(),
            descriptions: Vec::new(),
            principals: Vec::new(),
            traffic: TrafficSet::all(),
            sources: Vec::new(),
        }
    }

    fn about(exception: &Exception, line: &str, context: &Context) -> bool {
        let mut ingress = rule(line);
        ingress.description = Some("for the vendor".into());
        ingress.tags.insert("ticket".into(), "SEC-1".into());
        let lists = [(
            "pl-1",
            vec![
                parse_cidr("8.8.8.0/24").unwrap(),
                parse_cidr("1.1.1.0/24").unwrap(),
            ],
        )];
        let lists: PrefixLists = lists.into_iter().collect();
        exception.applies_to(
            "uncommon-ports",
            &SecurityGroup::default(),
            &ingress,
            &MatchInput {
                context,
                lists: &lists,
            },
        )
    }

    #[test]
    fn it_ends_at_its_moment() {
        let ended = Exception {
            expires: "2027-03-01T00:00:00Z".parse().ok(),
            ..exception()
        };
        let at = |now: &str| Context {
            now: now.parse().ok(),
            ..Context::default()
        };
        assert!(!ended.is_expired(&at("2027-02-28T23:59:59Z")));
        assert!(ended.is_expired(&at("2027-03-01T00:00:00Z")));
        assert!(!exception().is_expired(&at("2127-03-01T00:00:00Z")));
    }

    #[test]
    fn every_condition_must_fit() {
        let any = Context::default();
        let line = "tcp 8443 0.0.0.0/0";
        assert!(about(&exception(), line, &any));
        let glob = |text: &str| vec![Glob::new(text)];
        assert!(about(
            &Exception {
                rules: vec!["uncommon-ports".into()],
                ..exception()
            },
            line,
            &any
        ));
        let either = vec!["port-range".into(), "uncommon-ports".into()];
        assert!(about(
            &Exception {
                rules: either,
                ..exception()
            },
            line,
            &any
        ));
        assert!(!about(
            &Exception {
                rules: vec!["port-range".into()],
                ..exception()
            },
            line,
            &any
        ));
        assert!(about(
            &Exception {
                descriptions: glob("*vendor*"),
                ..exception()
            },
            line,
            &any
        ));
        assert!(!about(
            &Exception {
                descriptions: glob("vendor"),
                ..exception()
            },
            line,
            &any
        ));
        let tag = |value: &str| BTreeMap::from([("ticket".to_owned(), Glob::new(value))]);
        assert!(about(
            &Exception {
                rule_tags: tag("SEC-*"),
                ..exception()
            },
            line,
            &any
        ));
        assert!(!about(
            &Exception {
                rule_tags: tag("OPS-*"),
                ..exception()
            },
            line,
            &any
        ));
    }

    #[test]
    fn a_principal_is_known_in_an_event_only() {
        let pipeline = Exception {
            principals: vec![Glob::new("*role/deploy*")],
            ..exception()
        };
        let line = "tcp 8443 0.0.0.0/0";
        assert!(!about(&pipeline, line, &Context::default()));
        let by = |who: &str| Context {
            principals: vec![who.to_owned()],
            ..Context::default()
        };
        assert!(about(
            &pipeline,
            line,
            &by("arn:aws:iam::111122223333:role/deploy-prod")
        ));
        assert!(!about(
            &pipeline,
            line,
            &by("arn:aws:iam::111122223333:user/alice")
        ));
    }

    #[test]
    fn a_source_frees_itself_and_what_lies_inside() {
        let any = Context::default();
        let from = |source: &str| Exception {
            sources: vec![source.parse().unwrap()],
            ..exception()
        };
        assert!(about(&from("8.0.0.0/8"), "tcp 1 8.8.0.0/16", &any));
        assert!(!about(&from("8.8.0.0/16"), "tcp 1 8.0.0.0/8", &any));
        assert!(!about(&from("8.0.0.0/8"), "tcp 1 0.0.0.0/0", &any));
        assert!(about(&from("pl-1"), "tcp 1 pl-1", &any));
        assert!(about(&from("pl-1"), "tcp 1 8.8.8.8/32", &any));
        assert!(
            !about(&from("8.8.8.0/24"), "tcp 1 pl-1", &any),
            "not all of the list lies inside"
        );
        assert!(!about(&from("0.0.0.0/0"), "tcp 1 pl-unknown", &any));
        assert!(about(&from("pl-unknown"), "tcp 1 pl-unknown", &any));
        assert!(about(&from("0.0.0.0/0"), "tcp 1 pl-1", &any));
        assert!(!about(&from("0.0.0.0/0"), "tcp 1 sg-1", &any));
    }
}
