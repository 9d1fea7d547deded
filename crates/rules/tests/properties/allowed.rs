//! The traffic that is open to the world and allowed.

use portcullis_rules::exposure::compute_exposures;
use portcullis_rules::{TrafficSet, evaluate};
use proptest::prelude::*;

use crate::config;
use crate::generate::{ALL_ACTIONS, Case, case};

/// For each rule, the traffic that is open to the world.
fn open_traffic(case: &Case) -> Vec<TrafficSet> {
    let exposures = compute_exposures(&case.group.rules, &case.lists);
    let open_of = |index: usize| {
        let class = exposures.class_of(index).unwrap();
        exposures.of_class(class).unwrap().open.clone()
    };
    (0..case.group.rules.len()).map(open_of).collect()
}

/// The same case without exceptions, so that findings have everything that is forbidden.
fn without_exceptions(case: &Case) -> Case {
    let mut changed = case.clone();
    changed.policy.exceptions.clear();
    changed
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn open_traffic_is_either_forbidden_or_allowed(case in case(ALL_ACTIONS)) {
        let evaluation = without_exceptions(&case).evaluate();
        for (index, open) in open_traffic(&case).into_iter().enumerate() {
            let forbidden = evaluation.findings.iter()
                .filter(|finding| finding.index == index)
                .fold(TrafficSet::default(), |all, finding| all.union(&finding.offending));
            let allowed = evaluation.open_and_allowed.get(&index).cloned().unwrap_or_default();
            prop_assert!(allowed.intersection(&forbidden).is_empty(), "{}", index);
            prop_assert_eq!(allowed.union(&forbidden.intersection(&open)), open);
        }
        prop_assert!(evaluation.open_and_allowed.values().all(|allowed| !allowed.is_empty()));
    }

    #[test]
    fn exceptions_allow_nothing(case in case(ALL_ACTIONS)) {
        let without = without_exceptions(&case);
        let expected = without.evaluate().open_and_allowed;
        prop_assert_eq!(case.evaluate().open_and_allowed, expected);
    }

    #[test]
    fn without_policy_rules_everything_that_is_open_is_allowed(case in case(ALL_ACTIONS)) {
        let mut policy = case.policy.clone();
        policy.rules.clear();
        let evaluation = evaluate(&policy, &case.group, &case.lists, &case.context);
        for (index, open) in open_traffic(&case).into_iter().enumerate() {
            let allowed = evaluation.open_and_allowed.get(&index).cloned();
            prop_assert_eq!(allowed.unwrap_or_default(), open);
        }
    }
}
