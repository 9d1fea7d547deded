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
    /// The principals who opened the rule; empty: anyone. Where they are not known, it is not
    /// known either whether the exception applies.
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

    /// Whether the exception is for groups like this one.
    pub fn is_for_group(&self, group: &SecurityGroup, context: &Context) -> bool {
        self.scope.matches(group, context)
    }

    /// Whether the exception is one to this policy rule.
    pub fn is_for_policy_rule(&self, rule_id: &str) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|rule| rule == rule_id)
    }

    /// How the exception matches a security group rule of a group that it is for. The expiry date
    /// is not considered.
    pub fn match_rule(
        &self,
        ingress: &IngressRule,
        lists: &PrefixLists,
        context: &Context,
    ) -> ExceptionMatch {
        let matches_rule = matches_tags(&self.rule_tags, &ingress.tags)
            && matches_any_glob(&self.descriptions, ingress.description.as_deref())
            && self.matches_source(&ingress.source, lists);
        if !matches_rule {
            return ExceptionMatch::No;
        }
        if self.principals.is_empty() {
            return ExceptionMatch::Yes;
        }
        match context.principals_of(ingress) {
            None => ExceptionMatch::UnknownPrincipal,
            Some(principals) if self.matches_principal(principals) => ExceptionMatch::Yes,
            Some(_) => ExceptionMatch::No,
        }
    }

    fn matches_source(&self, source: &Source, lists: &PrefixLists) -> bool {
        self.sources.is_empty() || is_source_within(source, &self.sources, lists)
    }

    fn matches_principal(&self, principals: &[String]) -> bool {
        principals
            .iter()
            .any(|principal| matches_any_glob(&self.principals, Some(principal)))
    }
}

/// Whether an exception matches a security group rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceptionMatch {
    /// Everything that the exception specifies matches.
    Yes,
    /// Something that it specifies does not match.
    No,
    /// Everything matches except that it is not known who opened the rule.
    UnknownPrincipal,
}

/// Whether the source is one of the allowed ones, or each of its blocks is inside one of their
/// blocks.
pub fn is_source_within(source: &Source, allowed: &[Source], lists: &PrefixLists) -> bool {
    if allowed.iter().any(|it| source.same_source(it)) {
        return true;
    }
    let outer_blocks = allowed.iter().map(|it| lists.source_blocks(it));
    let outer_blocks: Vec<_> = outer_blocks.flatten().collect();
    let blocks = lists.source_blocks(source);
    !blocks.is_empty()
        && blocks
            .iter()
            .all(|block| outer_blocks.iter().any(|outer| outer.contains(block)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::rule;
    use crate::scope::OpenedRules;
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
        match_line(exception, line, context) == ExceptionMatch::Yes
    }

    fn match_line(exception: &Exception, line: &str, context: &Context) -> ExceptionMatch {
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
        exception.match_rule(&ingress, &lists, context)
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
            (with_description("*vendor*"), true),
            (with_description("vendor"), false),
            (with_ticket("SEC-*"), true),
            (with_ticket("OPS-*"), false),
        ] {
            let actual = applies(&exception, "tcp 8443 0.0.0.0/0", &Context::default());
            assert_eq!(actual, expected, "{exception:?}");
        }
        for (ids, expected) in [
            (&[][..], true),
            (&["uncommon-ports"], true),
            (&["port-range", "uncommon-ports"], true),
            (&["port-range"], false),
        ] {
            let actual = for_rules(ids).is_for_policy_rule("uncommon-ports");
            assert_eq!(actual, expected, "{ids:?}");
        }
    }

    #[test]
    fn principals_match_only_rules_that_the_event_opened() {
        let pipeline = Exception {
            principals: globs("*role/deploy*"),
            ..exception()
        };
        let line = "tcp 8443 0.0.0.0/0";
        let match_by = |principal: &str, opened: OpenedRules| {
            let context = Context {
                principals: vec![principal.to_owned()],
                opened,
                ..Context::default()
            };
            match_line(&pipeline, line, &context)
        };
        let deploy = "arn:aws:iam::111122223333:role/deploy-prod";
        let alice = "arn:aws:iam::111122223333:user/alice";
        assert_eq!(match_by(deploy, OpenedRules::All), ExceptionMatch::Yes);
        assert_eq!(match_by(alice, OpenedRules::All), ExceptionMatch::No);
        let other_rule = OpenedRules::from_iter([&rule("tcp 8444 0.0.0.0/0")]);
        for principal in [deploy, alice] {
            let unknown = match_by(principal, other_rule.clone());
            assert_eq!(unknown, ExceptionMatch::UnknownPrincipal);
        }
        let without_event = match_line(&pipeline, line, &Context::default());
        assert_eq!(without_event, ExceptionMatch::UnknownPrincipal);
        let elsewhere = Exception {
            sources: vec!["8.0.0.0/8".parse().unwrap()],
            ..pipeline
        };
        let no_match = match_line(&elsewhere, line, &Context::default());
        assert_eq!(no_match, ExceptionMatch::No, "the source does not match");
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

    #[test]
    fn several_sources_exempt_a_list_of_blocks_inside_of_them() {
        let from_both = Exception {
            sources: ["8.8.0.0/16", "1.1.0.0/16"]
                .map(|it| it.parse().unwrap())
                .into(),
            ..exception()
        };
        let context = Context::default();
        assert!(applies(&from_both, "tcp 1 pl-1", &context));
        assert!(!applies(&from_both, "tcp 1 0.0.0.0/0", &context));
        let halves = Exception {
            sources: ["0.0.0.0/1", "128.0.0.0/1"]
                .map(|it| it.parse().unwrap())
                .into(),
            ..exception()
        };
        assert!(
            !applies(&halves, "tcp 1 0.0.0.0/0", &context),
            "the block is in neither"
        );
    }
}
