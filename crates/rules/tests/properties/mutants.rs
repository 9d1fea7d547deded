//! Mutated plans that must fail verification. Each is a plan of the planner with one harmful
//! change.

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::plan::{Addition, Purpose, Removal};
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{Action, IngressRule, Plan, Protocol, Source};
use proptest::sample::Index;

use crate::ec2::content;
use crate::generate::Case;
use crate::oracle;
use crate::world::WORLD;

/// The mutants of a plan with a description of the mutation. `pick` selects the mutated part.
pub(crate) fn mutants_of(case: &Case, plan: &Plan, pick: Index) -> Vec<(&'static str, Plan)> {
    let mut mutants = vec![
        (
            "a missing rule is removed",
            with_removal(plan, "tcp 22 11.0.0.0/8".parse().unwrap()),
        ),
        ("an untrusted group is added", with_untrusted_group(plan)),
    ];
    mutants
        .extend(without_removal(case, plan, pick).map(|mutant| ("a removal is missing", mutant)));
    mutants.extend(
        unaffected_rule(case, plan)
            .map(|rule| ("an unaffected rule is removed", with_removal(plan, rule))),
    );
    if !plan.additions.is_empty() {
        let index = pick.index(plan.additions.len());
        for (mutation, widen) in WIDENINGS {
            let mut mutant = plan.clone();
            mutant.additions[index].ingress = widen(&plan.additions[index].ingress);
            if widens_access(case, &mutant.additions[index].ingress) {
                mutants.push((mutation, mutant));
            }
        }
    }
    mutants
}

fn with_removal(plan: &Plan, ingress: IngressRule) -> Plan {
    let mut mutant = plan.clone();
    mutant.removals.push(Removal {
        ingress,
        policy_rules: Vec::new(),
        action: Action::Revoke,
        dropped_protocols: ProtocolSet::empty(),
    });
    mutant
}

fn with_untrusted_group(plan: &Plan) -> Plan {
    let ingress: IngressRule = "tcp 22 sg-untrusted".parse().unwrap();
    let mut mutant = plan.clone();
    mutant.additions.push(Addition {
        ingress: ingress.clone(),
        purpose: Purpose::Trust,
        replaces: ingress,
        is_excepted: false,
    });
    mutant
}

/// The plan without one of its removals, if that leaves an enforced finding that is not refused. It does not if the
/// source of the removed rule only helped to cover the public address space.
fn without_removal(case: &Case, plan: &Plan, pick: Index) -> Option<Plan> {
    if plan.removals.is_empty() {
        return None;
    }
    let mut mutant = plan.clone();
    mutant.removals.remove(pick.index(plan.removals.len()));
    leaves_enforced_findings(case, &mutant).then_some(mutant)
}

type Widening = fn(&IngressRule) -> IngressRule;

const WIDENINGS: [(&str, Widening); 3] = [
    ("an addition has more ports", |rule| {
        with_content(rule, Protocol::Tcp, None, rule.source.clone())
    }),
    ("an addition has every protocol", |rule| {
        with_content(rule, Protocol::All, None, rule.source.clone())
    }),
    ("an addition is from anywhere", |rule| {
        with_content(
            rule,
            rule.protocol(),
            Some(rule.ec2_ports()),
            Source::from_cidr("::/0").unwrap(),
        )
    }),
];

fn with_content(
    rule: &IngressRule,
    protocol: Protocol,
    ports: Option<Ec2Ports>,
    source: Source,
) -> IngressRule {
    let mut changed = IngressRule::new(protocol, ports.unwrap_or_default(), source).unwrap();
    changed.description.clone_from(&rule.description);
    changed.tags.clone_from(&rule.tags);
    changed
}

/// Uses the evaluation of the engine, which is compared with the oracle elsewhere: the additions
/// for protocol `-1` are too many for the oracle.
fn leaves_enforced_findings(case: &Case, plan: &Plan) -> bool {
    case.with_group(plan.apply_to(&case.group))
        .evaluate()
        .enforced_findings()
        .any(|finding| {
            let mut refusals = plan.refusals.iter();
            !refusals.any(|refusal| refusal.ingress == finding.ingress)
        })
}

/// A rule that the plan keeps, without any finding and without public addresses.
fn unaffected_rule(case: &Case, plan: &Plan) -> Option<IngressRule> {
    let findings = oracle::evaluate(case, &case.group.rules);
    let after = plan.apply_to(&case.group).rules;
    let is_unaffected = |(index, rule): &(usize, &IngressRule)| {
        let origins = WORLD.origins_of(&rule.source);
        let is_private = WORLD
            .public
            .iter()
            .all(|public| origins.and(*public).is_empty());
        let has_finding = findings.iter().any(|finding| finding.index == *index);
        is_private && !has_finding && after.contains(rule)
    };
    let mut rules = case.group.rules.iter().enumerate();
    rules.find(is_unaffected).map(|(_, rule)| rule.clone())
}

/// Whether the added rule allows access that the group did not allow, according to the world.
fn widens_access(case: &Case, added: &IngressRule) -> bool {
    let reach = WORLD.reach(std::slice::from_ref(added));
    let before = WORLD.reach(&case.group.rules);
    let is_group = matches!(added.source, Source::Group(_));
    let is_known = case
        .group
        .rules
        .iter()
        .any(|rule| content(rule) == content(added));
    !is_known && !is_group && !WORLD.beyond(&reach, &before).is_empty()
}
