//! Verification: an independent check of a plan before it is applied.
//!
//! The check works out what a group allows before and after a plan, and reports a plan that removes
//! an unaffected rule, widens access, or leaves something that the policy forbids.
//!
//! It shares two things with the planner, so a defect in either affects both: the evaluation
//! ([`evaluate()`]), which decides what is forbidden before and after the plan, and
//! [`AddressBlock`], which decides whether a source is broad. Everything else is independent: this
//! module applies the plan to the group itself and compares access before and after by ports and
//! address ranges, without the traffic sets and the replacement rules of the planner.

use std::cell::LazyCell;
use std::fmt;

use ipnet::IpNet;

use crate::address::AddressBlock;
use crate::evaluate::{Finding, evaluate};
use crate::group::{IngressRule, SecurityGroup, Traffic};
use crate::plan::Plan;
use crate::policy::{Action, Policy, PolicyRule};
use crate::scope::Context;
use crate::source::{PrefixLists, Source};

/// A reason not to apply a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The plan removes a rule that the group does not have.
    MissingRule(IngressRule),
    /// The plan removes a rule that no enforced policy rule forbids, neither before the plan nor
    /// when the other changes of the plan are made.
    UnaffectedRule(IngressRule),
    /// The plan adds a rule that allows access the group did not allow.
    WidensAccess(IngressRule),
    /// The plan leaves or adds a rule that an enforced policy rule forbids.
    StillForbidden(IngressRule),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingRule(rule) => write!(f, "removes `{rule}`, which is not in the group"),
            Self::UnaffectedRule(rule) => {
                write!(f, "removes `{rule}`, which no enforced policy rule forbids")
            }
            Self::WidensAccess(rule) => {
                write!(f, "adds `{rule}`, which allows more than the group did")
            }
            Self::StillForbidden(rule) => {
                write!(f, "leaves `{rule}`, which an enforced policy rule forbids")
            }
        }
    }
}

/// Checks a plan for the group `before`. Returns the violations; empty when the plan may be
/// applied.
pub fn verify_plan(
    policy: &Policy,
    before: &SecurityGroup,
    lists: &PrefixLists,
    context: &Context,
    plan: &Plan,
) -> Vec<Violation> {
    let verifier = Verifier {
        policy,
        before,
        lists,
        context,
        plan,
    };
    let mut after = before.clone();
    let mut violations = verifier.apply_removals(&mut after);
    violations.extend(verifier.widening_additions());
    after.rules.extend(verifier.added_rules());
    violations.extend(verifier.unaffected_removals(&after));
    violations.extend(verifier.still_forbidden_rules(&after));
    violations
}

struct Verifier<'a> {
    policy: &'a Policy,
    before: &'a SecurityGroup,
    lists: &'a PrefixLists,
    context: &'a Context,
    plan: &'a Plan,
}

impl Verifier<'_> {
    /// Removes rules from the group as planned. Reports rules that are not in the group.
    fn apply_removals(&self, group: &mut SecurityGroup) -> Vec<Violation> {
        let mut violations = Vec::new();
        for removal in &self.plan.removals {
            let removed = &removal.ingress;
            match group.rules.iter().position(|rule| rule == removed) {
                Some(index) => drop(group.rules.remove(index)),
                None => violations.push(Violation::MissingRule(removed.clone())),
            }
        }
        violations
    }

    fn added_rules(&self) -> impl Iterator<Item = IngressRule> {
        self.plan
            .additions
            .iter()
            .map(|addition| addition.ingress.clone())
    }

    fn widening_additions(&self) -> impl Iterator<Item = Violation> {
        self.added_rules()
            .filter(|added| !self.was_allowed(added))
            .map(Violation::WidensAccess)
    }

    /// The removed rules that are not forbidden in any of three groups: the group before the plan,
    /// the same group without the broad sources that the plan removes, and the group after the plan
    /// with only this rule put back.
    fn unaffected_removals(&self, after: &SecurityGroup) -> Vec<Violation> {
        let before_findings = self.enforced_findings(self.before);
        // Narrow sources can become forbidden when a broad one is removed, and only together.
        // Putting back one of them would not show that, so the broad sources are removed instead.
        let findings_without_broad =
            LazyCell::new(|| self.enforced_findings(&self.without_broad_sources(after)));
        let mut violations = Vec::new();
        for removal in &self.plan.removals {
            let removed = &removal.ingress;
            let is_affected = is_forbidden(removed, &before_findings)
                || is_forbidden(removed, &findings_without_broad)
                || self.is_forbidden_when_put_back(removed, after);
            if !is_affected {
                violations.push(Violation::UnaffectedRule(removed.clone()));
            }
        }
        violations
    }

    fn is_forbidden_when_put_back(&self, removed: &IngressRule, after: &SecurityGroup) -> bool {
        let mut group = after.clone();
        group.rules.push(removed.clone());
        is_forbidden(removed, &self.enforced_findings(&group))
    }

    /// The group before the plan without the broad sources that the plan removes, and with its
    /// additions.
    fn without_broad_sources(&self, after: &SecurityGroup) -> SecurityGroup {
        let mut group = self.before.clone();
        group
            .rules
            .retain(|rule| !self.has_broad_source(rule) || after.rules.contains(rule));
        group.rules.extend(self.added_rules());
        group
    }

    /// The forbidden rules after the plan, except those that the plan refuses to change.
    fn still_forbidden_rules(&self, after: &SecurityGroup) -> impl Iterator<Item = Violation> {
        self.enforced_findings(after)
            .into_iter()
            .map(|finding| finding.ingress)
            .filter(|rule| !self.is_refused(rule))
            .map(Violation::StillForbidden)
    }

    fn is_refused(&self, rule: &IngressRule) -> bool {
        self.plan
            .refusals
            .iter()
            .any(|refusal| refusal.ingress == *rule)
    }

    fn enforced_findings(&self, group: &SecurityGroup) -> Vec<Finding> {
        let evaluation = evaluate(self.policy, group, self.lists, self.context);
        let mut findings = evaluation.findings;
        findings.retain(Finding::enforces);
        findings
    }

    /// Whether a block of the source is broad: /8 or shorter (IPv6: /16 or shorter) with public
    /// addresses, as defined in `docs/semantics.md`.
    fn has_broad_source(&self, rule: &IngressRule) -> bool {
        self.lists
            .source_blocks(&rule.source)
            .iter()
            .any(|block| AddressBlock::from_net(block).is_broad())
    }

    /// Whether the group allowed everything that the added rule allows: every port, from every
    /// address.
    fn was_allowed(&self, added: &IngressRule) -> bool {
        let is_trusted_group = is_trusted_group(&added.source, self.policy);
        self.ports_to_probe(added).into_iter().all(|port| {
            let open: Vec<&IngressRule> = self
                .before
                .rules
                .iter()
                .filter(|rule| allows_at_port(rule, added, port))
                .collect();
            // A trusted group may use every port that was open to any source.
            (is_trusted_group && !open.is_empty())
                || open
                    .iter()
                    .any(|rule| rule.source.same_source(&added.source))
                || is_source_covered(&added.source, &open, self.lists)
        })
    }

    /// The ports of the added rule at which the access that the group allowed can change: its first
    /// port, and each port in it where a rule of the group starts or has just ended.
    fn ports_to_probe(&self, added: &IngressRule) -> Vec<u16> {
        let (first, last) = port_bounds(added).unwrap_or((0, 0));
        let mut ports = vec![first];
        for (start, end) in self.before.rules.iter().filter_map(port_bounds) {
            ports.push(start);
            ports.extend(end.checked_add(1));
        }
        ports.retain(|port| (first..=last).contains(port));
        ports
    }
}

fn is_forbidden(rule: &IngressRule, findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.ingress == *rule)
}

/// Whether the source is a security group that a policy rule with the action `restrict` trusts. The
/// policy author vouches for such groups, whose addresses are not known.
fn is_trusted_group(source: &Source, policy: &Policy) -> bool {
    matches!(source, Source::Group(_))
        && policy.rules.iter().any(|rule| {
            can_restrict(rule, policy)
                && rule
                    .trusted
                    .iter()
                    .any(|trusted| trusted.same_source(source))
        })
}

/// Whether the action of the rule is `restrict`, for all groups or by an override for some.
fn can_restrict(rule: &PolicyRule, policy: &Policy) -> bool {
    rule.action == Action::Restrict
        || policy
            .overrides
            .iter()
            .filter_map(|candidate| candidate.rule_overrides.get(&rule.id))
            .any(|change| change.action == Some(Action::Restrict))
}

/// The first and last port of a TCP or UDP rule.
fn port_bounds(rule: &IngressRule) -> Option<(u16, u16)> {
    match rule.traffic() {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => Some((ports.first_port(), ports.last_port())),
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) | Traffic::All => None,
    }
}

/// Whether a rule allows the traffic of the added rule on this port.
fn allows_at_port(rule: &IngressRule, added: &IngressRule, port: u16) -> bool {
    match (rule.traffic(), added.traffic()) {
        (Traffic::All, _) => true,
        (Traffic::Tcp(ports), Traffic::Tcp(_)) | (Traffic::Udp(ports), Traffic::Udp(_)) => {
            ports.contains(port)
        }
        (Traffic::Other(allowed), Traffic::Other(number)) => allowed == number,
        (Traffic::Icmp, Traffic::Icmp) | (Traffic::Icmpv6, Traffic::Icmpv6) => {
            let (allowed, messages) = (rule.display_ports(), added.display_ports());
            allowed.0 == Some(-1) || allowed == messages
        }
        _ => false,
    }
}

/// Whether every address of the source is inside the union of the sources of the open rules.
fn is_source_covered(source: &Source, open: &[&IngressRule], lists: &PrefixLists) -> bool {
    let mut allowed: Vec<AddressRange> = open
        .iter()
        .flat_map(|rule| lists.source_blocks(&rule.source))
        .map(AddressRange::from_net)
        .collect();
    allowed.sort_unstable();
    let blocks = lists.source_blocks(source);
    !blocks.is_empty()
        && blocks
            .iter()
            .map(AddressRange::from_net)
            .all(|range| range.is_covered_by(&allowed))
}

/// The addresses of a CIDR block as numbers. Deliberately not [`AddressBlock`], which the planner
/// uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct AddressRange {
    is_ipv6: bool,
    first: u128,
    last: u128,
}

impl AddressRange {
    fn from_net(net: &IpNet) -> Self {
        let (first, last) = match net {
            IpNet::V4(v4) => (
                u32::from(v4.network()).into(),
                u32::from(v4.broadcast()).into(),
            ),
            IpNet::V6(v6) => (v6.network().into(), v6.broadcast().into()),
        };
        Self {
            is_ipv6: matches!(net, IpNet::V6(_)),
            first,
            last,
        }
    }

    /// Whether the union of the allowed ranges, in ascending order, contains this range.
    fn is_covered_by(self, allowed: &[Self]) -> bool {
        // The first address that is not known to be covered; `None` after the last possible
        // address.
        let mut next = Some(self.first);
        for range in allowed.iter().filter(|range| range.is_ipv6 == self.is_ipv6) {
            match next {
                Some(address) if address <= self.last => {
                    if range.first <= address && address <= range.last {
                        next = range.last.checked_add(1);
                    }
                }
                _ => break,
            }
        }
        next.is_none_or(|address| address > self.last)
    }
}

#[cfg(test)]
mod tests;
