//! Plans that must not pass: each a sound plan with one thing spoiled, where spoiling it does harm.

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::plan::{Addition, Purpose, Removal};
use portcullis_rules::{Action, Finding, IngressRule, Plan, Protocol, Source};
use proptest::sample::Index;

use crate::ec2::content;
use crate::generate::Case;
use crate::oracle;
use crate::world::WORLD;

/// The mutants of a plan, with what was done to them.
pub(crate) fn of(case: &Case, plan: &Plan, pick: Index) -> Vec<(&'static str, Plan)> {
    let mut mutants = Vec::new();
    if !plan.removals.is_empty() {
        let mut mutant = plan.clone();
        mutant.removals.remove(pick.index(plan.removals.len()));
        // Without this removal the group may be at rest, too: a source that only helped to cover the world.
        if still_offends(case, &mutant) {
            mutants.push(("a removal is dropped", mutant));
        }
    }
    mutants.extend(innocent(case, plan).map(|mutant| ("an innocent rule is removed", mutant)));
    if !plan.additions.is_empty() {
        let at = pick.index(plan.additions.len());
        for (what, spoil) in SPOILS {
            let mut mutant = plan.clone();
            mutant.additions[at].ingress = spoil(&plan.additions[at].ingress);
            if widens(case, &mutant, at) {
                mutants.push((what, mutant));
            }
        }
    }
    let mut mutant = plan.clone();
    let ingress: IngressRule = "tcp 22 11.0.0.0/8".parse().unwrap();
    mutant.removals.push(Removal {
        ingress,
        policy_rules: Vec::new(),
        action: Action::Revoke,
    });
    mutants.push(("a rule is removed that is not there", mutant));
    let mut mutant = plan.clone();
    let ingress: IngressRule = "tcp 22 sg-stranger".parse().unwrap();
    mutant.additions.push(Addition {
        ingress: ingress.clone(),
        purpose: Purpose::Trust,
        replaces: ingress,
    });
    mutants.push(("a group nobody trusts gets in", mutant));
    mutants
}

type Spoil = fn(&IngressRule) -> IngressRule;

const SPOILS: [(&str, Spoil); 3] = [
    ("an addition has more ports", |rule| {
        remake(rule, Protocol::Tcp, None, rule.source.clone())
    }),
    ("an addition has every protocol", |rule| {
        remake(rule, Protocol::All, None, rule.source.clone())
    }),
    ("an addition is from everywhere", |rule| {
        remake(
            rule,
            rule.protocol(),
            Some(rule.ec2_ports()),
            Source::from_cidr("::/0").unwrap(),
        )
    }),
];

fn remake(
    rule: &IngressRule,
    protocol: Protocol,
    ports: Option<Ec2Ports>,
    source: Source,
) -> IngressRule {
    let mut made = IngressRule::new(protocol, ports.unwrap_or_default(), source).unwrap();
    made.description.clone_from(&rule.description);
    made.tags.clone_from(&rule.tags);
    made
}

/// By the engine's own judging, which has its oracle: what is kept of `-1` is too much for slow reading.
fn still_offends(case: &Case, plan: &Plan) -> bool {
    case.with(plan.apply_to(&case.group))
        .judge()
        .findings
        .iter()
        .any(Finding::enforces)
}

/// The plan with a rule removed that has no finding of any kind and touches no public address.
fn innocent(case: &Case, plan: &Plan) -> Option<Plan> {
    let judged = oracle::judge(case, &case.group.rules);
    let after = plan.apply_to(&case.group).rules;
    let quiet = |(place, rule): &(usize, &IngressRule)| {
        let private = WORLD
            .public
            .iter()
            .all(|public| WORLD.origins_of(&rule.source).and(*public).is_empty());
        private && !judged.iter().any(|broken| broken.place == *place) && after.contains(rule)
    };
    let (_, rule) = case.group.rules.iter().enumerate().find(quiet)?;
    let mut mutant = plan.clone();
    mutant.removals.push(Removal {
        ingress: rule.clone(),
        policy_rules: Vec::new(),
        action: Action::Revoke,
    });
    Some(mutant)
}

/// Whether the addition lets in what the group did not, by the oracle's measure.
fn widens(case: &Case, plan: &Plan, at: usize) -> bool {
    let added = &plan.additions[at].ingress;
    let one = std::slice::from_ref(added);
    let (reach, before) = (WORLD.reach(one), WORLD.reach(&case.group.rules));
    let word = matches!(added.source, Source::Group(_));
    let known = case
        .group
        .rules
        .iter()
        .any(|rule| content(rule) == content(added));
    !known && !word && !WORLD.beyond(&reach, &before).is_empty()
}
