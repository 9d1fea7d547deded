//! Events that Portcullis causes itself when it adds replacements.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_remediation::event::GroupChange;
use portcullis_remediation::report::{GroupOutcome, GroupReport};
use portcullis_rules::{Exception, Glob, IngressRule, Policy, Scope};
use portcullis_testkit::{group_change, rule_from_line};

use super::environment::{OWN_ROLE, SG, WEB, WIDE, enforcing, report, status_count, tcp, web_only};

const PIPELINE: &str = "arn:aws:iam::111122223333:role/deploy";

/// The web-only policy, and port 8443 for the pipeline.
fn policy_with_exception() -> Policy {
    let exception = Exception {
        id: "pipeline".to_owned(),
        reason: "blue-green deployments".to_owned(),
        owner: "edge@example.com".to_owned(),
        expires: None,
        rules: Vec::new(),
        scope: Scope::default(),
        rule_tags: BTreeMap::new(),
        descriptions: Vec::new(),
        principals: vec![Glob::new("*:role/deploy")],
        traffic: tcp(&[8443]),
        sources: Vec::new(),
    };
    Policy {
        exceptions: vec![Arc::new(exception)],
        ..web_only()
    }
}

/// The event of a session of this role that added these rules.
fn event_of_role(role: &str, claimed_rules: Vec<IngressRule>, id: &str) -> GroupChange {
    let mut change = group_change(SG, id);
    change.origin.actor.issuer = Some(role.to_owned());
    GroupChange {
        claimed_rules,
        ..change
    }
}

fn added_rules(report: &GroupReport) -> Vec<IngressRule> {
    report
        .replacements()
        .map(|addition| addition.ingress.clone())
        .collect()
}

#[test]
fn our_own_event_keeps_what_an_exempt_principal_opened_before() {
    let exempt = "sgr-2 tcp 8443 0.0.0.0/0";
    let environment = enforcing(&[WIDE, exempt], policy_with_exception());
    let by_alice = group_change(SG, "e-1");
    let first = environment.handle(&GroupChange {
        claimed_rules: vec![rule_from_line(WIDE)],
        ..by_alice
    });
    assert_eq!(report(&first).outcome, GroupOutcome::Closed);
    let kept = [WEB[0], WEB[1], "tcp 8443 0.0.0.0/0"];
    assert_eq!(environment.rules(), kept);

    let ours = event_of_role(OWN_ROLE, added_rules(report(&first)), "e-2");
    let second = environment.handle(&ours);
    assert_eq!(environment.rules(), kept);
    assert_eq!(report(&second).outcome, GroupOutcome::Reported);
    assert_eq!(status_count(&second, "reported"), 1);
    assert_eq!(environment.subjects().len(), 1, "no second alert");
}

#[test]
fn our_own_event_keeps_the_part_of_a_rule_that_an_exception_allows_its_principal() {
    let environment = enforcing(&["sgr-1 tcp 8443-8444 0.0.0.0/0"], policy_with_exception());
    let opened = rule_from_line("sgr-1 tcp 8443-8444 0.0.0.0/0");
    let first = environment.handle(&event_of_role(PIPELINE, vec![opened], "e-1"));
    assert_eq!(report(&first).outcome, GroupOutcome::Closed);
    assert_eq!(environment.rules(), ["tcp 8443 0.0.0.0/0"]);

    let claimed = added_rules(report(&first));
    let second = environment.handle(&event_of_role(OWN_ROLE, claimed.clone(), "e-2"));
    assert_eq!(environment.rules(), ["tcp 8443 0.0.0.0/0"]);
    assert_eq!(report(&second).outcome, GroupOutcome::Reported);

    let by_alice = "arn:aws:iam::111122223333:role/Developer";
    let third = environment.handle(&event_of_role(by_alice, claimed, "e-3"));
    assert_eq!(report(&third).outcome, GroupOutcome::Closed);
    assert!(environment.rules().is_empty(), "the exception is not hers");
}
