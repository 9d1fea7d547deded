//! Exceptions: what a policy allows even though one of its rules forbids it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::group::{IngressRule, SecurityGroup};
use crate::scope::{Context, Glob, Scope, matches_any_glob, matches_tags};
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

/// An exception. It exempts traffic, not whole groups: everything else stays forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Stable kebab-case id, unique in the policy.
    pub id: String,
    /// Why it is allowed.
    pub reason: String,
    /// Who is responsible for it.
    pub owner: String,
    /// The time from which it no longer applies; `None`: it does not expire.
    pub expires: Option<Timestamp>,
    /// The ids of the policy rules it is an exception to; empty: all.
    pub rules: Vec<String>,
    /// The groups it applies to.
    pub scope: Scope,
    /// Tags of the security group rule. Anyone who is allowed to add a rule can set them.
    pub rule_tags: BTreeMap<String, Glob>,
    /// Descriptions of the security group rule; empty: any. Anyone who is allowed to add a rule can
    /// set them.
    pub descriptions: Vec<Glob>,
    /// The principals who made the change; empty: anyone. Outside of an event the principal is not
    /// known, so such an exception does not apply.
    pub principals: Vec<Glob>,
    /// The exempted traffic.
    pub traffic: TrafficSet,
    /// The exempted sources, including every block inside of them; empty: any.
    pub sources: Vec<Source>,
}

impl Exception {
    /// Whether the exception has expired.
    pub fn is_expired(&self, context: &Context) -> bool {
        self.expires
            .zip(context.now)
            .is_some_and(|(expires, now)| now >= expires)
    }

    /// Whether the exception applies to this security group rule and policy rule. The expiry date
    /// is not considered.
    pub fn applies_to(
        &self,
        rule_id: &str,
        group: &SecurityGroup,
        ingress: &IngressRule,
        input: &MatchInput<'_>,
    ) -> bool {
        (self.rules.is_empty() || self.rules.iter().any(|rule| rule == rule_id))
            && self.scope.matches(group, input.context)
            && matches_tags(&self.rule_tags, &ingress.tags)
            && matches_any_glob(&self.descriptions, ingress.description.as_deref())
            && (self.principals.is_empty()
                || input
                    .context
                    .principals
                    .iter()
                    .any(|principal| matches_any_glob(&self.principals, Some(principal))))
            && (self.sources.is_empty()
                || self
                    .sources
                    .iter()
                    .any(|allowed| is_source_within(&ingress.source, allowed, input.lists)))
    }
}

/// What matching an exception requires besides the rule and its group.
#[derive(Debug, Clone, Copy)]
pub struct MatchInput<'a> {
    /// Time, account, region and principals.
    pub context: &'a Context,
    /// The entries of prefix lists.
    pub lists: &'a PrefixLists,
}

/// Whether the source is the allowed one, or each of its blocks is inside one of the allowed
/// blocks.
fn is_source_within(source: &Source, allowed: &Source, lists: &PrefixLists) -> bool {
    let blocks = lists.source_blocks(source);
    let allowed_blocks = lists.source_blocks(allowed);
    source.same_source(allowed)
        || (!blocks.is_empty()
            && blocks
                .iter()
                .all(|block| allowed_blocks.iter().any(|outer| outer.contains(block))))
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

    fn applies(exception: &Exception, line: &str, context: &Context) -> bool {
        let mut ingress = rule(line);
        ingress.description = Some("for the vendor".into());
        ingress.tags.insert("ticket".into(), "SEC-1".into());
        let entries = [(
            "pl-1",
            vec![
                parse_cidr("8.8.8.0/24").unwrap(),
                parse_cidr("1.1.1.0/24").unwrap(),
            ],
        )];
        let lists: PrefixLists = entries.into_iter().collect();
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
    fn it_expires_at_its_expiry_time() {
        let expiring = Exception {
            expires: "2027-03-01T00:00:00Z".parse().ok(),
            ..exception()
        };
        let context_at = |now: &str| Context {
            now: now.parse().ok(),
            ..Context::default()
        };
        assert!(!expiring.is_expired(&context_at("2027-02-28T23:59:59Z")));
        assert!(expiring.is_expired(&context_at("2027-03-01T00:00:00Z")));
        assert!(!exception().is_expired(&context_at("2127-03-01T00:00:00Z")));
    }

    fn globs(pattern: &str) -> Vec<Glob> {
        vec![Glob::new(pattern)]
    }

    fn ticket(pattern: &str) -> BTreeMap<String, Glob> {
        BTreeMap::from([("ticket".to_owned(), Glob::new(pattern))])
    }

    #[test]
    fn every_condition_must_match() {
        let for_rules = |ids: &[&str]| Exception {
            rules: ids.iter().map(ToString::to_string).collect(),
            ..exception()
        };
        let with_description = |pattern| Exception {
            descriptions: globs(pattern),
            ..exception()
        };
        let with_ticket = |pattern| Exception {
            rule_tags: ticket(pattern),
            ..exception()
        };
        for (exception, expected) in [
            (exception(), true),
            (for_rules(&["uncommon-ports"]), true),
            (for_rules(&["port-range", "uncommon-ports"]), true),
            (for_rules(&["port-range"]), false),
            (with_description("*vendor*"), true),
            (with_description("vendor"), false),
            (with_ticket("SEC-*"), true),
            (with_ticket("OPS-*"), false),
        ] {
            let actual = applies(&exception, "tcp 8443 0.0.0.0/0", &Context::default());
            assert_eq!(actual, expected, "{exception:?}");
        }
    }

    #[test]
    fn principals_match_in_events_only() {
        let pipeline = Exception {
            principals: globs("*role/deploy*"),
            ..exception()
        };
        let line = "tcp 8443 0.0.0.0/0";
        assert!(!applies(&pipeline, line, &Context::default()));
        let context_by = |principal: &str| Context {
            principals: vec![principal.to_owned()],
            ..Context::default()
        };
        assert!(applies(
            &pipeline,
            line,
            &context_by("arn:aws:iam::111122223333:role/deploy-prod")
        ));
        assert!(!applies(
            &pipeline,
            line,
            &context_by("arn:aws:iam::111122223333:user/alice")
        ));
    }

    #[test]
    fn a_source_exempts_itself_and_blocks_inside() {
        let context = Context::default();
        let from = |source: &str| Exception {
            sources: vec![source.parse().unwrap()],
            ..exception()
        };
        assert!(applies(&from("8.0.0.0/8"), "tcp 1 8.8.0.0/16", &context));
        assert!(!applies(&from("8.8.0.0/16"), "tcp 1 8.0.0.0/8", &context));
        assert!(!applies(&from("8.0.0.0/8"), "tcp 1 0.0.0.0/0", &context));
        assert!(applies(&from("pl-1"), "tcp 1 pl-1", &context));
        assert!(applies(&from("pl-1"), "tcp 1 8.8.8.8/32", &context));
        assert!(
            !applies(&from("8.8.8.0/24"), "tcp 1 pl-1", &context),
            "only part of the list is inside"
        );
        assert!(!applies(&from("0.0.0.0/0"), "tcp 1 pl-unknown", &context));
        assert!(applies(&from("pl-unknown"), "tcp 1 pl-unknown", &context));
        assert!(applies(&from("0.0.0.0/0"), "tcp 1 pl-1", &context));
        assert!(!applies(&from("0.0.0.0/0"), "tcp 1 sg-1", &context));
    }
}
