//! Properties of evaluation, plans and verification, over generated groups and policies.
//!
//! A slow oracle evaluates groups packet by packet, and a model of EC2 applies plans. Failing cases
//! are stored in `regressions.txt` and run first.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail loudly, and its helpers too"
)]

mod allowed;
mod ec2;
mod expected;
mod generate;
mod generate_policy;
mod mutants;
mod oracle;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::plan::{ApplyOrder, Purpose, RefusalReason, SkipReason};
use portcullis_rules::{Action, IngressRule, Plan, Removal, SecurityGroup, Source, verify_plan};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

use ec2::{Ec2, content};
use generate::{ALL_ACTIONS, Case, NO_LIMIT, case, case_of, group};
use oracle::OracleFinding;
use world::{Bits, WORLD};

/// The default number of cases (`PROPTEST_CASES`, 256) after those in `regressions.txt`.
fn config() -> ProptestConfig {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/properties/regressions.txt"
    );
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        ..ProptestConfig::default()
    }
}

/// A rule without its id, which EC2 assigns.
fn rule_without_id(rule: &IngressRule) -> String {
    format!("{} {:?} {:?}", content(rule), rule.description, rule.tags)
}

fn rules_without_ids<'a>(rules: impl IntoIterator<Item = &'a IngressRule>) -> BTreeSet<String> {
    rules.into_iter().map(rule_without_id).collect()
}

fn rule_ids(rules: &[IngressRule]) -> BTreeSet<String> {
    rules.iter().filter_map(|rule| rule.id.clone()).collect()
}

fn is_trusted_group(rule: &IngressRule, case: &Case) -> bool {
    matches!(rule.source, Source::Group(_))
        && case
            .policy
            .rules
            .iter()
            .flat_map(|rule| &rule.trusted)
            .any(|trusted| trusted.to_string() == rule.source.to_string())
}

/// The group after the EC2 model applied the plan.
fn apply_in_ec2(case: &Case, plan: &Plan) -> Result<SecurityGroup, TestCaseError> {
    let mut ec2 = Ec2::new(&case.group, NO_LIMIT, &case.lists);
    ec2.apply_plan(plan)
        .map_err(|error| TestCaseError::fail(format!("EC2 rejects: {error:?}\n{plan:#?}")))?;
    Ok(ec2.group)
}

/// A plan as sorted lines, to compare plans regardless of the order of their parts.
fn sorted_plan_lines(plan: &Plan) -> (Vec<String>, ApplyOrder) {
    let removals = plan
        .removals
        .iter()
        .map(|it| format!("- {:?} {:?} {}", it.ingress, it.policy_rules, it.action));
    let additions = plan.additions.iter().map(|it| format!("+ {it:?}"));
    let skipped = plan
        .skipped_additions
        .iter()
        .map(|it| format!("skipped {it:?}"));
    let refusals = plan.refusals.iter().map(|it| format!("refused {it:?}"));
    let mut lines: Vec<_> = removals
        .chain(additions)
        .chain(skipped)
        .chain(refusals)
        .collect();
    lines.sort();
    (lines, plan.order)
}

/// The findings of the engine, converted to those of the oracle.
fn engine_findings(case: &Case, group: &SecurityGroup) -> BTreeSet<OracleFinding> {
    let mut converted = BTreeSet::new();
    for finding in case.with_group(group.clone()).evaluate().findings {
        let rule_packets = WORLD.packets_of(&finding.ingress);
        converted.insert(OracleFinding {
            index: finding.index,
            policy_rule: finding.policy_rule.id.clone(),
            action: finding.policy_rule.action,
            trusted: finding.policy_rule.trusted.clone(),
            packets: oracle::packets_in(&finding.offending).and(rule_packets),
            exempt: finding.exempted_by.is_some(),
        });
    }
    converted
}

fn oracle_findings(case: &Case) -> BTreeSet<OracleFinding> {
    oracle::evaluate(case, &case.group.rules)
}

/// The features of a case that the properties are about, and whether the case has them.
fn features(case: &Case) -> Vec<(&'static str, bool)> {
    let plan = case.plan();
    let evaluation = case.evaluate();
    let has_purpose = |purpose| plan.additions.iter().any(|it| it.purpose == purpose);
    let has_skipped = |reason| plan.skipped_additions.iter().any(|it| it.reason == reason);
    let before = oracle_findings(case);
    let is_enforced = |rule: &IngressRule| {
        before
            .iter()
            .any(|it| it.is_enforced() && case.group.rules[it.index] == *rule)
    };
    let is_revoked = |rule: &IngressRule| {
        let mut removals = plan.removals.iter();
        removals.any(|it| it.ingress == *rule && it.action == Action::Revoke)
    };
    let drops_protocols = |it: &Removal| !it.dropped_protocols.is_empty();
    vec![
        ("remove rules", !plan.is_empty()),
        ("keep allowed traffic", has_purpose(Purpose::Keep)),
        ("add trusted sources", has_purpose(Purpose::Trust)),
        ("remove first", plan.order == ApplyOrder::RemoveFirst),
        ("drop protocols", plan.removals.iter().any(drops_protocols)),
        (
            "keep excepted traffic of a revoked rule",
            plan.additions
                .iter()
                .any(|it| it.is_excepted && is_revoked(&it.replaces)),
        ),
        (
            "have trusted sources outside",
            has_skipped(SkipReason::TrustedSourceOutside),
        ),
        (
            "have forbidden trusted sources",
            has_skipped(SkipReason::TrustedSourceForbidden),
        ),
        ("have refusals", !plan.refusals.is_empty()),
        (
            "refuse some removals and make others",
            !plan.refusals.is_empty() && !plan.is_empty(),
        ),
        ("have more than 60 rules", case.group.rules.len() > 60),
        (
            "remove rules that only become forbidden by the plan",
            plan.removals.iter().any(|it| !is_enforced(&it.ingress)),
        ),
        ("use an exception", !evaluation.exceptions_used.is_empty()),
        (
            "have an expired exception",
            !evaluation.exceptions_expired.is_empty(),
        ),
        (
            "have a result of the oracle",
            expected::expected_rules(case).is_some(),
        ),
    ]
}

/// The properties prove nothing if the generated cases do not have the features they are about.
#[test]
fn generated_cases_have_all_features() {
    let mut runner = TestRunner::deterministic();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let cases = 1200;
    for _ in 0..cases {
        let case = case(ALL_ACTIONS).new_tree(&mut runner).unwrap().current();
        for (feature, is_present) in features(&case) {
            *counts.entry(feature).or_default() += u32::from(is_present);
        }
    }
    println!("{counts:#?}");
    for (feature, count) in counts {
        assert!(count >= 3, "only {count} of {cases} cases {feature}");
    }
}

/// The access that is left when exactly the forbidden traffic is removed from each rule.
fn reach_without_forbidden_traffic(case: &Case, findings: &BTreeSet<OracleFinding>) -> Vec<Bits> {
    let mut remaining = Vec::new();
    for (index, rule) in case.group.rules.iter().enumerate() {
        let forbidden = findings
            .iter()
            .filter(|finding| finding.index == index && finding.is_enforced())
            .fold(Bits::default(), |all, finding| all.or(finding.packets));
        let packets = if forbidden.is_empty() {
            WORLD.packets_of(rule)
        } else {
            expected::addable_packets(case, rule).minus(forbidden)
        };
        remaining.push((packets, WORLD.origins_of(&rule.source)));
    }
    WORLD.reach_of(&remaining)
}

/// Whether every removal is for findings of the group before the plan.
fn removes_for_findings_only(case: &Case, plan: &Plan, findings: &BTreeSet<OracleFinding>) -> bool {
    plan.removals.iter().all(|removal| {
        findings.iter().any(|finding| {
            finding.is_enforced()
                && case.group.rules[finding.index] == removal.ingress
                && removal.policy_rules.contains(&finding.policy_rule)
        })
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_baseline_evaluates_as_the_oracle_does(group in group()) {
        let case = case_of(group, baseline_policy(), NO_LIMIT);
        prop_assert_eq!(engine_findings(&case, &case.group), oracle_findings(&case));
    }

    #[test]
    fn any_policy_evaluates_as_the_oracle_does(case in case(ALL_ACTIONS)) {
        prop_assert_eq!(engine_findings(&case, &case.group), oracle_findings(&case));
    }

    #[test]
    fn ec2_accepts_every_plan_and_the_result_is_as_planned(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let after = apply_in_ec2(&case, &plan)?;
        let planned = plan.apply_to(&case.group);
        prop_assert_eq!(rules_without_ids(&after.rules), rules_without_ids(&planned.rules));
    }

    #[test]
    fn no_plan_widens_access(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let before = WORLD.reach(&case.group.rules);
        let mut after = apply_in_ec2(&case, &plan)?.rules;
        after.retain(|rule| {
            let is_original = case.group.rules.iter().any(|original| original.id == rule.id);
            is_original || !is_trusted_group(rule, &case)
        });
        prop_assert_eq!(WORLD.beyond(&WORLD.reach(&after), &before), Vec::<String>::new());
    }

    #[test]
    fn plans_remove_exactly_the_forbidden_access(case in case(ALL_ACTIONS)) {
        let case = case.without_refusals();
        let plan = case.plan();
        prop_assert_eq!(&plan.refusals, &Vec::new());
        let is_over_quota = |reason| reason == SkipReason::RulesQuota;
        prop_assert!(!plan.skipped_additions.iter().any(|it| is_over_quota(it.reason)));
        if let Some(expected) = expected::expected_rules(&case) {
            let after = plan.apply_to(&case.group).rules;
            let (expected_reach, reach) = (WORLD.reach(&expected), WORLD.reach(&after));
            let too_much = WORLD.beyond(&reach, &expected_reach);
            prop_assert_eq!(too_much, Vec::<String>::new(), "forbidden access is left");
            let too_little = WORLD.beyond(&expected_reach, &reach);
            prop_assert_eq!(too_little, Vec::<String>::new(), "allowed access is removed");
            prop_assert_eq!(rule_ids(&after), rule_ids(&expected));
        }
    }

    #[test]
    fn narrowing_keeps_all_allowed_access(case in case(&[Action::Notify, Action::Narrow])) {
        let case = case.without_refusals();
        let plan = case.plan();
        prop_assert_eq!(&plan.skipped_additions, &Vec::new());
        let findings = oracle_findings(&case);
        let allowed = reach_without_forbidden_traffic(&case, &findings);
        let reach = WORLD.reach(&plan.apply_to(&case.group).rules);
        prop_assert_eq!(WORLD.beyond(&reach, &allowed), Vec::<String>::new());
        // More access is removed only where removing one rule makes another one forbidden.
        let is_direct = removes_for_findings_only(&case, &plan, &findings);
        if is_direct && expected::settles_in_one_step(&case) {
            prop_assert_eq!(WORLD.beyond(&allowed, &reach), Vec::<String>::new());
        }
    }

    #[test]
    fn a_plan_leaves_nothing_to_do(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let after = apply_in_ec2(&case, &plan)?;
        let is_refused = |rule: &IngressRule| {
            plan.refusals.iter().any(|refusal| refusal.ingress == *rule)
        };
        let mut findings = case.with_group(after.clone()).evaluate().findings;
        findings.retain(|finding| finding.enforces() && !is_refused(&finding.ingress));
        prop_assert_eq!(findings, Vec::new());
        let next = case.with_group(after).plan();
        let changes_nothing = next.is_empty() && next.additions.is_empty();
        prop_assert!(changes_nothing && next.skipped_additions.is_empty(), "{:?}", next);
        prop_assert_eq!(&next.refusals, &plan.refusals);
    }

    #[test]
    fn guardrails_refuse_no_more_than_they_say(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let guardrails = &case.policy.guardrails;
        for refusal in &plan.refusals {
            let is_opened = oracle::is_opened(&refusal.ingress, &case);
            let expected = if is_opened {
                RefusalReason::NotifyOnlyPrincipal
            } else {
                RefusalReason::TooManyRemovals
            };
            prop_assert_eq!(refusal.reason, expected);
        }
        let removed = plan.removals.iter().map(|it| &it.ingress);
        let existing = removed.filter(|rule| !oracle::is_opened(rule, &case)).count();
        prop_assert!(guardrails.max_removals.is_none_or(|limit| existing <= limit));
    }

    #[test]
    fn additions_come_first_only_where_there_is_room(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        if plan.order == ApplyOrder::AddFirst {
            let mut ec2 = Ec2::new(&case.group, case.quota, &case.lists);
            ec2.quota = ec2.proven_quota();
            prop_assert_eq!(ec2.apply_plan(&plan), Ok(()));
        }
    }

    #[test]
    fn the_order_of_rules_does_not_change_the_plan(
        (case, shuffled) in case(ALL_ACTIONS).prop_flat_map(|case| {
            (Just(case.clone()), Just(case.group.rules).prop_shuffle())
        })
    ) {
        let other = case.with_group(SecurityGroup { rules: shuffled, ..case.group.clone() });
        prop_assert_eq!(sorted_plan_lines(&case.plan()), sorted_plan_lines(&other.plan()));
    }

    #[test]
    fn a_plan_contains_everything_to_undo_it(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let after = apply_in_ec2(&case, &plan)?;
        let mut ec2 = Ec2::new(&after, NO_LIMIT, &case.lists);
        for addition in &plan.additions {
            prop_assert_eq!(ec2.revoke(&addition.ingress), Ok(()));
        }
        for removal in &plan.removals {
            prop_assert_eq!(ec2.authorize(&removal.ingress), Ok(()));
        }
        let restored = rules_without_ids(&ec2.group.rules);
        prop_assert_eq!(restored, rules_without_ids(&case.group.rules));
    }

    #[test]
    fn additions_have_the_description_and_tags_of_the_replaced_rule(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        for addition in &plan.additions {
            let (added, replaced) = (&addition.ingress, &addition.replaces);
            prop_assert_eq!(&added.id, &None);
            prop_assert_eq!(&added.description, &replaced.description);
            let mut tags = replaced.tags.clone();
            tags.remove("aws:stack");
            prop_assert_eq!(&added.tags, &tags);
            let is_trust = addition.purpose == Purpose::Trust;
            // Two removed rules can have the same replacement. It has the description and tags of
            // the one with the lower ID, and the source of the one that it keeps a part of.
            let mut removed = plan.removals.iter().map(|removal| &removal.ingress.source);
            let keeps_part = removed.any(|source| added.source.same_source(source));
            prop_assert!(is_trust || keeps_part, "{:?}", addition);
            prop_assert!(case.group.rules.contains(replaced));
        }
    }

    #[test]
    fn every_plan_passes_verification(case in case(ALL_ACTIONS)) {
        prop_assert_eq!(case.decide().violations, Vec::new());
    }

    #[test]
    fn every_mutant_fails_verification(
        (case, pick) in (case(ALL_ACTIONS), any::<prop::sample::Index>())
    ) {
        for (mutation, mutant) in mutants::mutants_of(&case, &case.plan(), pick) {
            let Case { policy, group, lists, context, .. } = &case;
            let violations = verify_plan(policy, group, lists, context, &mutant);
            prop_assert!(!violations.is_empty(), "{}: {:?}", mutation, mutant);
        }
    }
}
