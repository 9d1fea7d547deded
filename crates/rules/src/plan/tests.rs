//! Plans one can read: a policy, a group, and what is done. The laws over everything else are in `tests/laws`.

mod boxes;
mod findings;
mod guardrails;
mod narrow;
mod restrict;
mod room;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::baseline::baseline_policy;
use crate::check::Check;
use crate::evaluate::evaluate;
use crate::exception::Exception;
use crate::group::tests::group;
use crate::policy::{Guardrails, Override, PolicyRule, RuleOverride, Severity};
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::scope::{Glob, Scope};
use crate::source::{Source, parse_cidr};
use crate::traffic::TrafficSet;

/// A rule without anything special.
fn rule(id: &str, action: Action, check: Check) -> PolicyRule {
    PolicyRule {
        id: id.to_owned(),
        forbids: String::new(),
        check,
        severity: Severity::High,
        action,
        references: Vec::new(),
        scope: Scope::default(),
        trusted: Vec::new(),
    }
}

/// A rule that opens what it forbids to these sources.
fn restrict(id: &str, check: Check, trusted: &[&str]) -> PolicyRule {
    let trusted = trusted
        .iter()
        .map(|source| source.parse().unwrap())
        .collect();
    PolicyRule {
        trusted,
        ..rule(id, Action::Restrict, check)
    }
}

fn policy(rules: impl IntoIterator<Item = PolicyRule>) -> Policy {
    Policy {
        rules: rules.into_iter().map(Arc::new).collect(),
        ..Policy::default()
    }
}

fn ports(ports: &[u16]) -> PortSet {
    ports.iter().copied().collect()
}

fn span(from: u16, to: u16) -> PortSet {
    PortRange::new(from, to).unwrap().into()
}

/// These TCP and UDP ports.
fn open(ports: PortSet) -> Check {
    Check::OpenPorts(TrafficSet::tcp_and_udp(ports))
}

/// The world may reach TCP 80 and 443; everything else is narrowed away.
fn web_only() -> Policy {
    policy([rule(
        "web-only",
        Action::Narrow,
        Check::OpenExcept(TrafficSet::tcp(ports(&[80, 443]))),
    )])
}

fn exception(traffic: TrafficSet) -> Exception {
    Exception {
        id: "vendor".to_owned(),
        reason: "the vendor's appliance".to_owned(),
        owner: "edge@example.com".to_owned(),
        expires: None,
        rules: Vec::new(),
        scope: Scope::default(),
        rule_tags: BTreeMap::new(),
        descriptions: Vec::new(),
        principals: Vec::new(),
        traffic,
        sources: Vec::new(),
    }
}

/// `pl-office` is known, `pl-low` and `pl-high` are the world without a broad block.
fn lists() -> PrefixLists {
    let cidr = |text: &str| parse_cidr(text).unwrap();
    let ninths = |text: &str| cidr(text).subnets(9).unwrap().collect();
    [
        (
            "pl-office",
            vec![cidr("198.51.100.0/24"), cidr("203.0.113.0/24")],
        ),
        ("pl-office6", vec![cidr("2001:db8::/32")]),
        (
            "pl-both",
            vec![cidr("2001:db8::/32"), cidr("198.51.100.0/24")],
        ),
        ("pl-low", ninths("0.0.0.0/1")),
        ("pl-high", ninths("128.0.0.0/1")),
    ]
    .into_iter()
    .collect()
}

/// What planning looks at, with nothing special.
struct Scene {
    policy: Policy,
    group: SecurityGroup,
    lists: PrefixLists,
    context: Context,
    foreign: bool,
    attachments: Attachments,
    quota: Quota,
}

impl Scene {
    fn new(policy: Policy, lines: &[&str]) -> Self {
        let (context, attachments) = (Context::default(), Attachments::default());
        let quota = Quota { v4: 1000, v6: 1000 };
        Self {
            policy,
            group: group(lines),
            lists: lists(),
            context,
            foreign: false,
            attachments,
            quota,
        }
    }

    fn plan(&self) -> Plan {
        let Self {
            policy,
            group,
            lists,
            context,
            foreign,
            attachments,
            quota,
        } = self;
        let judgement = evaluate(policy, group, lists, context);
        build_plan(
            &PlanInput {
                policy,
                group,
                lists,
                context,
                foreign: *foreign,
                attachments: *attachments,
                quota: *quota,
            },
            &judgement,
        )
    }
}

/// The plan in lines: `-` goes, `+` comes, `x` is lost, `!` is refused.
fn shown(plan: &Plan) -> Vec<String> {
    let removals = plan.removals.iter().map(|it| format!("- {}", it.ingress));
    let additions = plan.additions.iter().map(|it| format!("+ {}", it.ingress));
    let losses = plan
        .skipped_additions
        .iter()
        .map(|it| format!("x {} {}", it.ingress, it.reason.code()));
    let refusals = plan
        .refusals
        .iter()
        .map(|it| format!("! {} {}", it.ingress, it.reason.code()));
    removals
        .chain(additions)
        .chain(losses)
        .chain(refusals)
        .collect()
}

fn planned(policy: Policy, lines: &[&str]) -> Vec<String> {
    shown(&Scene::new(policy, lines).plan())
}
