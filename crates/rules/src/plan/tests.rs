//! Readable examples: a policy, a group and the resulting plan. `tests/properties` covers generated
//! groups and policies.

mod combinations;
mod exceptions;
mod field_cases;
mod findings;
mod guardrails;
mod narrow;
mod quota;
mod restrict;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::baseline::baseline_policy;
use crate::check::Check;
use crate::decide::decide;
use crate::exception::Exception;
use crate::group::tests::group;
use crate::group::{IngressRule, SecurityGroup, Traffic};
use crate::policy::{
    Action, ExistingRules, Guardrails, Override, Policy, PolicyRule, RuleOverride, Severity,
};
use crate::ports::{PortRange, PortSet};
use crate::scope::{Context, Glob, OpenedRules, Scope};
use crate::source::{PrefixLists, Source, parse_cidr};
use crate::traffic::{ProtocolSet, TrafficSet};

/// A policy rule with defaults.
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

/// A policy rule that restricts forbidden traffic to these sources.
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

fn port_range(from: u16, to: u16) -> PortSet {
    PortRange::new(from, to).unwrap().into()
}

/// Forbids these TCP and UDP ports.
fn open_ports(ports: PortSet) -> Check {
    Check::OpenPorts(TrafficSet::tcp_and_udp(ports))
}

/// Allows TCP 80 and 443 to be open to the world; everything else is narrowed.
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

/// Prefix lists. `pl-low` and `pl-high` together are all IPv4 addresses, without a broad block.
fn lists() -> PrefixLists {
    let cidr = |text: &str| parse_cidr(text).unwrap();
    let split_in_slash_9 = |text: &str| cidr(text).subnets(9).unwrap().collect();
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
        ("pl-low", split_in_slash_9("0.0.0.0/1")),
        ("pl-high", split_in_slash_9("128.0.0.0/1")),
    ]
    .into_iter()
    .collect()
}

/// The input of a plan with owned values.
struct Scenario {
    policy: Policy,
    group: SecurityGroup,
    lists: PrefixLists,
    context: Context,
    attachments: Attachments,
    quota: Quota,
    already_removed: Vec<IngressRule>,
}

impl Scenario {
    fn new(policy: Policy, lines: &[&str]) -> Self {
        Self {
            policy,
            group: group(lines),
            lists: lists(),
            context: Context::default(),
            attachments: Attachments::default(),
            quota: Quota { v4: 1000, v6: 1000 },
            already_removed: Vec::new(),
        }
    }

    /// The same scenario for an event that opened these rules.
    fn opened(mut self, lines: &[&str]) -> Self {
        self.context.opened = group(lines).rules.iter().collect();
        self
    }

    fn plan(&self) -> Plan {
        let input = PlanInput {
            attachments: self.attachments,
            quota: self.quota,
            already_removed: &self.already_removed,
            ..PlanInput::new(&self.policy, &self.group, &self.lists, &self.context)
        };
        let decision = decide(&input);
        assert_eq!(decision.violations, []);
        decision.plan
    }
}

/// The plan in lines: `-` removal, `+` addition, `x` skipped addition, `!` refusal.
fn plan_lines(plan: &Plan) -> Vec<String> {
    let removals = plan.removals.iter().map(|it| format!("- {}", it.ingress));
    let additions = plan.additions.iter().map(|it| format!("+ {}", it.ingress));
    let skipped = plan
        .skipped_additions
        .iter()
        .map(|it| format!("x {} {}", it.ingress, it.reason.code()));
    let refusals = plan
        .refusals
        .iter()
        .map(|it| format!("! {} {}", it.ingress, it.reason.code()));
    removals
        .chain(additions)
        .chain(skipped)
        .chain(refusals)
        .collect()
}

fn planned_lines(policy: Policy, lines: &[&str]) -> Vec<String> {
    plan_lines(&Scenario::new(policy, lines).plan())
}
