//! The laws of design section 2 over generated groups and policies, held against a model of EC2 and a slow oracle of
//! what a group lets in. A failing case is kept in `regressions.txt` and is tried first from then on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail loudly, and its helpers too"
)]

mod ec2;
mod generate;
mod mutants;
mod oracle;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::plan::{ApplyOrder, Purpose, SkipReason};
use portcullis_rules::{Action, Finding, IngressRule, Plan, SecurityGroup, Source, verify_plan};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

use ec2::{Ec2, content};
use generate::{ALL_ACTIONS, Case, ROOM, case, case_of, group};
use oracle::Broken;
use world::WORLD;

/// The usual number of cases (`PROPTEST_CASES`, 256), and the failures of old.
fn config() -> ProptestConfig {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/laws/regressions.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(kept))),
        ..ProptestConfig::default()
    }
}

/// Everything of a rule but its id, which EC2 gives.
fn written(rule: &IngressRule) -> String {
    format!("{} {:?} {:?}", content(rule), rule.description, rule.tags)
}

fn written_all<'a>(rules: impl IntoIterator<Item = &'a IngressRule>) -> BTreeSet<String> {
    rules.into_iter().map(written).collect()
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

/// The group after EC2 has carried out the plan.
fn carried_out(case: &Case, plan: &Plan) -> Result<SecurityGroup, TestCaseError> {
    let mut ec2 = Ec2::new(&case.group, case.quota, &case.lists);
    ec2.carry_out(plan)
        .map_err(|error| TestCaseError::fail(format!("EC2 refuses: {error:?}\n{plan:#?}")))?;
    Ok(ec2.group)
}

/// A plan without its order.
fn as_sets(plan: &Plan) -> (Vec<String>, ApplyOrder) {
    let removals = plan
        .removals
        .iter()
        .map(|it| format!("- {:?} {:?} {}", it.ingress, it.policy_rules, it.action));
    let additions = plan.additions.iter().map(|it| format!("+ {it:?}"));
    let losses = plan
        .skipped_additions
        .iter()
        .map(|it| format!("lost {it:?}"));
    let refusals = plan.refusals.iter().map(|it| format!("refused {it:?}"));
    let mut all: Vec<_> = removals
        .chain(additions)
        .chain(losses)
        .chain(refusals)
        .collect();
    all.sort();
    (all, plan.order)
}

/// What the engine finds, in the words of the oracle.
fn found(case: &Case, group: &SecurityGroup) -> BTreeSet<Broken> {
    let findings = case.with(group.clone()).judge().findings;
    let broken = |finding: Finding| Broken {
        place: finding.index,
        rule: finding.policy_rule.id.clone(),
        action: finding.policy_rule.action,
        trusted: finding.policy_rule.trusted.clone(),
        packets: oracle::packets_in(&finding.offending).and(WORLD.packets_of(&finding.ingress)),
        exempt: finding.exempted_by.is_some(),
    };
    findings.into_iter().map(broken).collect()
}

/// Laws that hold for want of cases prove nothing.
#[test]
fn the_cases_are_worth_looking_at() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let cases = 600;
    for _ in 0..cases {
        let case = case(ALL_ACTIONS).new_tree(&mut runner).unwrap().current();
        let plan = case.plan();
        let judgement = case.judge();
        let purpose = |purpose| {
            plan.additions
                .iter()
                .any(|addition| addition.purpose == purpose)
        };
        let lost = |reason| {
            plan.skipped_additions
                .iter()
                .any(|loss| loss.reason == reason)
        };
        let before = oracle::judge(&case, &case.group.rules);
        let enforced = |rule: &IngressRule| {
            before
                .iter()
                .any(|it| !it.exempt && it.action.enforces() && case.group.rules[it.place] == *rule)
        };
        for (what, is) in [
            ("removes", !plan.is_empty()),
            ("keeps a part", purpose(Purpose::Keep)),
            ("opens to a trusted source", purpose(Purpose::Trust)),
            ("removes first", plan.order == ApplyOrder::RemoveFirst),
            ("loses to the quota", lost(SkipReason::RulesQuota)),
            (
                "loses what is outside",
                lost(SkipReason::TrustedSourceOutside),
            ),
            (
                "loses what is forbidden to the trusted",
                lost(SkipReason::TrustedSourceForbidden),
            ),
            ("refuses", !plan.refusals.is_empty()),
            (
                "cascades",
                plan.removals
                    .iter()
                    .any(|removal| !enforced(&removal.ingress)),
            ),
            (
                "is excepted in part or whole",
                !judgement.exceptions_used.is_empty(),
            ),
            (
                "names an exception that has ended",
                !judgement.exceptions_expired.is_empty(),
            ),
            ("settles", oracle::settle(&case).is_some()),
        ] {
            *seen.entry(what).or_default() += u32::from(is);
        }
    }
    println!("{seen:#?}");
    for (what, times) in seen {
        assert!(times >= 3, "only {times} of {cases} cases {what}");
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn judging_the_baseline_is_what_section_1_says(group in group()) {
        let case = case_of(group, baseline_policy(), ROOM);
        prop_assert_eq!(found(&case, &case.group), oracle::judge(&case, &case.group.rules));
    }

    #[test]
    fn judging_any_policy_is_what_section_1_says(case in case(ALL_ACTIONS)) {
        prop_assert_eq!(found(&case, &case.group), oracle::judge(&case, &case.group.rules));
    }

    #[test]
    fn ec2_takes_every_plan_and_the_group_is_then_as_planned(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let after = carried_out(&case, &plan)?;
        prop_assert_eq!(written_all(&after.rules), written_all(&plan.apply_to(&case.group).rules));
    }

    #[test]
    fn law_1_no_plan_widens(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let before = WORLD.reach(&case.group.rules);
        let mut after = carried_out(&case, &plan)?.rules;
        after.retain(|rule| case.group.rules.iter().any(|old| old.id == rule.id) || !is_trusted_group(rule, &case));
        prop_assert_eq!(WORLD.beyond(&WORLD.reach(&after), &before), Vec::<String>::new());
    }

    #[test]
    fn law_2_exactly_what_is_forbidden_goes(case in case(ALL_ACTIONS)) {
        let case = Case { quota: ROOM, ..case };
        let plan = case.plan();
        prop_assume!(plan.refusals.is_empty());
        prop_assert!(plan.skipped_additions.iter().all(|loss| loss.reason != SkipReason::RulesQuota), "{:?}", plan.skipped_additions);
        if let Some(wanted) = oracle::settle(&case) {
            let (wanted_reach, reach) = (WORLD.reach(&wanted), WORLD.reach(&plan.apply_to(&case.group).rules));
            prop_assert_eq!(WORLD.beyond(&reach, &wanted_reach), Vec::<String>::new(), "too much stays");
            prop_assert_eq!(WORLD.beyond(&wanted_reach, &reach), Vec::<String>::new(), "too much goes");
            let ids = |rules: &[IngressRule]| rules.iter().filter_map(|rule| rule.id.clone()).collect::<BTreeSet<_>>();
            prop_assert_eq!(ids(&plan.apply_to(&case.group).rules), ids(&wanted));
        }
    }

    #[test]
    fn law_2_narrowing_keeps_all_that_is_not_forbidden(case in case(&[Action::Notify, Action::Narrow])) {
        let case = Case { quota: ROOM, ..case };
        let plan = case.plan();
        prop_assume!(plan.refusals.is_empty());
        prop_assert_eq!(&plan.skipped_additions, &Vec::new());
        let mut rest = Vec::new();
        let judged = oracle::judge(&case, &case.group.rules);
        for (place, rule) in case.group.rules.iter().enumerate() {
            let forbidden = judged.iter().filter(|it| it.place == place && !it.exempt && it.action.enforces());
            let forbidden = forbidden.fold(world::Bits::default(), |all, it| all.or(it.packets));
            rest.push((WORLD.packets_of(rule).minus(forbidden), WORLD.origins_of(&rule.source)));
        }
        let after = plan.apply_to(&case.group).rules;
        let reach = WORLD.reach(&after);
        let once = WORLD.reach_of(&rest);
        prop_assert_eq!(WORLD.beyond(&reach, &once), Vec::<String>::new());
        // More goes only where closing one rule makes another offend.
        if plan.removals.iter().all(|it| judged.iter().any(|broken| !broken.exempt && broken.action.enforces()
            && case.group.rules[broken.place] == it.ingress && it.policy_rules.contains(&broken.rule)))
            && oracle::settles_at_once(&case) {
            prop_assert_eq!(WORLD.beyond(&once, &reach), Vec::<String>::new());
        }
    }

    #[test]
    fn law_3_what_is_planned_is_at_rest(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let after = carried_out(&case, &plan)?;
        let left: Vec<_> = case.with(after.clone()).judge().findings.into_iter().filter(Finding::enforces).collect();
        if plan.refusals.is_empty() {
            prop_assert_eq!(left, Vec::new());
            let again = case.with(after).plan();
            prop_assert!(again.is_empty() && again.additions.is_empty() && again.skipped_additions.is_empty(), "{:?}", again);
        } else {
            prop_assert!(plan.is_empty() && plan.additions.is_empty(), "acts and refuses");
            prop_assert_eq!(after, case.group);
        }
    }

    #[test]
    fn law_4_the_order_of_rules_is_nothing(
        (case, shuffled) in case(ALL_ACTIONS).prop_flat_map(|case| {
            (Just(case.clone()), Just(case.group.rules).prop_shuffle())
        })
    ) {
        let other = case.with(SecurityGroup { rules: shuffled, ..case.group.clone() });
        prop_assert_eq!(as_sets(&case.plan()), as_sets(&other.plan()));
    }

    #[test]
    fn law_5_the_plan_itself_undoes_it(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        let after = carried_out(&case, &plan)?;
        let mut ec2 = Ec2::new(&after, case.quota, &case.lists);
        for addition in &plan.additions {
            prop_assert_eq!(ec2.revoke(&addition.ingress), Ok(()));
        }
        // A group that is beyond its quota cannot be restored as it was: that is no matter of the plan.
        ec2.quota = ROOM;
        for removal in &plan.removals {
            prop_assert_eq!(ec2.authorize(&removal.ingress), Ok(()));
        }
        prop_assert_eq!(written_all(&ec2.group.rules), written_all(&case.group.rules));
    }

    #[test]
    fn what_takes_the_place_of_a_rule_has_its_description_and_tags(case in case(ALL_ACTIONS)) {
        for addition in &case.plan().additions {
            let (new, old) = (&addition.ingress, &addition.replaces);
            prop_assert_eq!((&new.id, &new.description, &new.tags), (&None, &old.description, &old.tags));
            prop_assert!(addition.purpose == Purpose::Trust || new.source == old.source, "{:?}", addition);
            prop_assert!(case.group.rules.contains(old));
        }
    }

    #[test]
    fn the_checker_accepts_every_plan(case in case(ALL_ACTIONS)) {
        let plan = case.plan();
        prop_assert_eq!(verify_plan(&case.policy, &case.group, &case.lists, &case.context, &plan), Vec::new());
    }

    #[test]
    fn the_checker_rejects_every_mutant((case, pick) in (case(ALL_ACTIONS), any::<prop::sample::Index>())) {
        let plan = case.plan();
        for (what, mutant) in mutants::of(&case, &plan, pick) {
            let objections = verify_plan(&case.policy, &case.group, &case.lists, &case.context, &mutant);
            prop_assert!(!objections.is_empty(), "{}: {:?}", what, mutant);
        }
    }
}
