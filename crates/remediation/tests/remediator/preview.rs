//! The preview of a report in enforce mode is what enforce mode reports.

use portcullis_remediation::report::GroupReport;
use portcullis_remediation::services::{GroupRef, Mode};
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::{PlanInput, Policy, PrefixLists, SecurityGroup, decide};
use portcullis_testkit::{FakeEc2, group_change, group_from_lines};
use proptest::prelude::*;

use super::environment::{SG, environment_of, policy_identity, report, web_only};

/// Rules that are removed, narrowed, restricted, only reported, and left alone.
const LINES: [&str; 12] = [
    "tcp 22 0.0.0.0/0",
    "tcp 22 ::/0",
    "tcp 22 10.0.0.0/8",
    "tcp 80-443 0.0.0.0/0",
    "tcp 443 0.0.0.0/0",
    "tcp 0-65535 ::/0",
    "udp 161 0.0.0.0/0",
    "all - 0.0.0.0/0",
    "tcp 8040 0.0.0.0/1",
    "tcp 8040 128.0.0.0/1",
    "tcp 8000-8100 192.168.0.0/16",
    "47 - 0.0.0.0/0",
];

fn group_of(lines: &[&str]) -> SecurityGroup {
    let numbered: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| format!("sgr-{index} {line}"))
        .collect();
    let lines: Vec<_> = numbered.iter().map(String::as_str).collect();
    group_from_lines(SG, &lines)
}

/// The preview and the report of a real run.
fn preview_and_report(policy: &Policy, group: &SecurityGroup) -> (GroupReport, GroupReport) {
    let change = group_change(SG, "e-1");
    let ec2 = FakeEc2::with_groups([group.clone()]);
    let environment = environment_of(ec2, policy.clone(), Mode::Enforce);
    let event = environment.handle(&change);
    let context = change.evaluation_context("2026-11-21T12:05:00Z".parse().ok());
    let lists = PrefixLists::default();
    let decision = decide(&PlanInput::new(policy, group, &lists, &context));
    let named = GroupRef::Id(SG.to_owned());
    let preview = GroupReport::preview_enforced(policy, &change, &named, group, &decision);
    let mut real = report(&event).clone();
    // Known only to a real run.
    real.closed_at = None;
    real.interfaces = None;
    assert_eq!(real.policy, policy_identity());
    real.policy = preview.policy.clone();
    (preview, real)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_preview_is_the_report_of_a_run_without_failures(
        lines in prop::sample::subsequence(LINES.to_vec(), 0..=LINES.len()),
    ) {
        let group = group_of(&lines);
        for policy in [baseline_policy(), web_only()] {
            let (preview, real) = preview_and_report(&policy, &group);
            prop_assert_eq!(preview, real);
        }
    }
}
