//! What a draft guarantees, with generated groups and policies.

use portcullis_policy::lint_policy;
use portcullis_rules::exception::is_source_within;
use portcullis_rules::{Policy, Source, TrafficSet, evaluate};
use proptest::prelude::*;

use super::*;
use crate::args::Expiry;
use crate::command::policy::generated::{ingress_rules, lists};

/// Policies with an exception, an override, and checks that find more than ports.
const POLICIES: [&str; 6] = [
    "version: 1\nextends: baseline\n",
    "version: 1\nextends: web-only\n",
    "version: 1\nextends: hipaa\n",
    "version: 1\nextends: monitor\n",
    "\
version: 1
extends: web-only
overrides:
  - scope: { accounts: [\"111122223333\"] }
    rules: { web-only: { action: revoke } }
exceptions:
  - id: open-sg-0123456789abcdef0
    reason: known
    owner: edge
    expires: 2027-01-31
    ports: [22, 8080-8090]
    match: { groups: [sg-0123456789abcdef0] }
  - id: partner
    reason: known
    owner: edge
    expires: 2027-01-31
    protocol: udp
    sources: [pl-0123456789abcdef0]
    match: { groups: [sg-0123456789abcdef0] }
",
    "\
version: 1
rules:
  - { id: world, forbids: anything, check: open-except, traffic: { icmp: true },
      severity: high, action: narrow }
  - { id: ranges, forbids: ranges, check: port-range-internal, severity: low, action: revoke }
  - { id: broad, forbids: broad sources, check: broad-source, severity: low, action: revoke }
",
];

fn security_groups() -> impl Strategy<Value = Vec<SecurityGroup>> {
    let rules = prop::collection::vec(ingress_rules(), 0..6);
    // Text from outside, which must not become a part of the policy.
    let text = prop_oneof![
        Just("web".to_owned()),
        ".{0,90}",
        "[a-z: #\\-\\n\"'\u{85}]{0,20}"
    ];
    let owner = prop::option::of(text.clone());
    let account = prop::option::of(Just("111122223333".to_owned()));
    let group = (rules, text, owner, account);
    let ids = [
        "sg-0123456789abcdef0",
        "sg-0aaaaaaaaaaaaaaaa",
        "sg-0cccccccccccccccc",
    ];
    prop::collection::vec(group, 1..=3).prop_map(move |groups| {
        let ids = ids.into_iter();
        ids.zip(groups)
            .map(|(id, (rules, name, owner, owner_id))| SecurityGroup {
                id: id.to_owned(),
                name: Some(name),
                owner_id,
                tags: owner
                    .map(|owner| ("Owner".to_owned(), owner))
                    .into_iter()
                    .collect(),
                rules,
                ..SecurityGroup::default()
            })
            .collect()
    })
}

fn described(groups: &[SecurityGroup]) -> DescribedGroups {
    let descriptions = groups.iter().map(|group| {
        let name = group.name.clone().unwrap_or_default();
        (group.id.clone(), name)
    });
    DescribedGroups {
        groups: groups.to_vec(),
        descriptions: descriptions.collect(),
        prefix_lists: lists(),
        ..DescribedGroups::default()
    }
}

fn args() -> DraftArgs {
    DraftArgs {
        input: vec![Input::Stdin],
        policy: "preset:baseline".parse().unwrap(),
        expires: Expiry::Days(90),
        owner_tag: None,
        events: Vec::new(),
        account: None,
        region: None,
        now: None,
    }
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn parse(text: &str) -> LoadedPolicy {
    parse_policy("policy.yaml", text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

fn draft(base: &LoadedPolicy, groups: &[SecurityGroup]) -> LoadedPolicy {
    let output = draft_policy(&args(), base, &described(groups), None, now()).unwrap();
    assert_eq!(output.exit, ExitStatus::Clean, "{:?}", output.messages);
    parse(&output.data)
}

fn context(group: &SecurityGroup) -> Context {
    Context {
        now: Some(now()),
        account: group.owner_id.clone(),
        ..Context::default()
    }
}

/// What the policy forbids of one rule of a group and would remove.
fn forbidden(policy: &Policy, group: &SecurityGroup, index: usize) -> TrafficSet {
    let evaluation = evaluate(policy, group, &lists(), &context(group));
    evaluation
        .enforced_findings()
        .filter(|finding| finding.index == index)
        .fold(TrafficSet::default(), |all, finding| {
            all.union(&finding.offending)
        })
}

/// The traffic that the rules of the group, taken together, let in from all addresses of a source.
fn let_in(group: &SecurityGroup, source: &Source) -> TrafficSet {
    let lists = lists();
    let blocks = lists.source_blocks(source).iter();
    blocks
        .map(|block| let_in_from_one(group, &Source::Cidr(*block)))
        .reduce(|one, other| one.intersection(&other))
        .unwrap_or_else(|| let_in_from_one(group, source))
}

/// The same for a source of one block, or a security group.
fn let_in_from_one(group: &SecurityGroup, source: &Source) -> TrafficSet {
    group
        .rules
        .iter()
        .filter(|rule| is_source_within(source, std::slice::from_ref(&rule.source), &lists()))
        .fold(TrafficSet::default(), |all, rule| {
            all.union(&rule.traffic().into())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn under_a_draft_the_same_groups_are_clean(
        policy in prop::sample::select(&POLICIES[..]),
        groups in security_groups(),
    ) {
        let base = parse(policy);
        let drafted = draft(&base, &groups);
        let audit = Audit::from_input(
            &drafted.policy,
            described(&groups),
            &Context { now: Some(now()), ..Context::default() },
        );
        prop_assert!(!audit.is_incomplete());
        for (group, finding) in audit.iter_findings() {
            prop_assert!(!finding.enforces(), "{} {finding:?}", group.id);
        }
        for exception in drafted.policy.exceptions.iter().skip(base.policy.exceptions.len()) {
            prop_assert!(audit.exceptions_used.contains(&exception.id), "{}", exception.id);
        }
        let warnings = lint_policy(&drafted, now());
        prop_assert!(warnings.is_empty(), "{}", warnings);
    }

    #[test]
    fn a_draft_exempts_nothing_that_is_not_open_today(
        policy in prop::sample::select(&POLICIES[..]),
        groups in security_groups(),
        added in ingress_rules(),
    ) {
        let base = parse(policy);
        let drafted = draft(&base, &groups);
        for group in &groups {
            let mut changed = group.clone();
            let index = changed.rules.len();
            changed.rules.push(added.clone());
            let before = forbidden(&base.policy, &changed, index);
            let after = forbidden(&drafted.policy, &changed, index);
            let expected = before.difference(&let_in(group, &added.source));
            prop_assert!(expected.difference(&after).is_empty(), "{added}: {expected:?} {after:?}");
        }
        let other = SecurityGroup {
            id: "sg-0ffffffffffffffff".to_owned(),
            rules: vec![added],
            ..SecurityGroup::default()
        };
        let before = forbidden(&base.policy, &other, 0);
        prop_assert_eq!(forbidden(&drafted.policy, &other, 0), before);
    }
}

#[test]
fn an_unreadable_group_prevents_a_draft() {
    let mut described = described(&[]);
    let code = crate::describe::ProblemCode::GroupUnreadable;
    described
        .problems
        .push(crate::describe::Problem::new(code, "no rules"));
    let base = parse(POLICIES[0]);
    let output = draft_policy(&args(), &base, &described, None, now()).unwrap();
    assert_eq!(
        (output.exit, output.data.as_str()),
        (ExitStatus::Failure, "")
    );
}
