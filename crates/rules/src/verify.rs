//! An independent checker of plans. It shares no code with the planner: it takes the group and the plan, works out what
//! the group admits before and after, and objects to a plan that widens, that touches an innocent box, or that does not
//! converge. The executor asks it before every act.

use std::cell::LazyCell;
use std::fmt;

use crate::address::AddressBlock;
use crate::evaluate::{Finding, evaluate};
use crate::group::{IngressRule, SecurityGroup, Traffic};
use crate::plan::Plan;
use crate::policy::{Action, Policy};
use crate::scope::Context;
use crate::source::{PrefixLists, Source};

/// Why a plan must not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A box is removed that the group does not have.
    MissingRule(IngressRule),
    /// A box is removed that no enforcing rule forbids, neither before nor in what the plan leaves.
    UnaffectedRule(IngressRule),
    /// A box is added that admits what the group did not admit.
    WidensAccess(IngressRule),
    /// What the plan leaves still holds what an enforcing rule forbids.
    StillForbidden(IngressRule),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingRule(rule) => write!(f, "removes `{rule}`, which the group does not have"),
            Self::UnaffectedRule(rule) => {
                write!(f, "removes `{rule}`, which no enforcing rule forbids")
            }
            Self::WidensAccess(rule) => {
                write!(f, "adds `{rule}`, which admits more than the group did")
            }
            Self::StillForbidden(rule) => {
                write!(f, "leaves `{rule}`, which an enforcing rule forbids")
            }
        }
    }
}

/// Everything there is to say against a plan; nothing when it is sound.
pub fn verify_plan(
    policy: &Policy,
    before: &SecurityGroup,
    lists: &PrefixLists,
    context: &Context,
    plan: &Plan,
) -> Vec<Violation> {
    let mut objections = Vec::new();
    let mut after = before.clone();
    for removal in &plan.removals {
        match after.rules.iter().position(|rule| *rule == removal.ingress) {
            Some(place) => drop(after.rules.remove(place)),
            None => objections.push(Violation::MissingRule(removal.ingress.clone())),
        }
    }
    for addition in &plan.additions {
        if !is_admitted(
            &addition.ingress,
            before,
            lists,
            is_trusted_group(&addition.ingress, policy),
        ) {
            objections.push(Violation::WidensAccess(addition.ingress.clone()));
        }
        after.rules.push(addition.ingress.clone());
    }
    let forbidden = |group: &SecurityGroup| -> Vec<Finding> {
        let findings = evaluate(policy, group, lists, context).findings;
        findings.into_iter().filter(Finding::enforces).collect()
    };
    let found = forbidden(before);
    // Where narrow sources only offend once the broad ones are gone, they all go: each alone would be innocent.
    let mut without_broad = before.clone();
    without_broad
        .rules
        .retain(|rule| !has_broad_source(rule, lists) || after.rules.contains(rule));
    without_broad.rules.extend(
        plan.additions
            .iter()
            .map(|addition| addition.ingress.clone()),
    );
    let cascade = LazyCell::new(|| forbidden(&without_broad));
    for removal in &plan.removals {
        let offends = |findings: &[Finding]| {
            findings
                .iter()
                .any(|finding| finding.ingress == removal.ingress)
        };
        let put_back = || {
            let mut with = after.clone();
            with.rules.push(removal.ingress.clone());
            forbidden(&with)
        };
        if !offends(&found) && !offends(&cascade) && !offends(&put_back()) {
            objections.push(Violation::UnaffectedRule(removal.ingress.clone()));
        }
    }
    let refused = |finding: &Finding| {
        plan.refusals
            .iter()
            .any(|refusal| refusal.ingress == finding.ingress)
    };
    let remains = forbidden(&after)
        .into_iter()
        .filter(|finding| !refused(finding));
    objections.extend(remains.map(|finding| Violation::StillForbidden(finding.ingress)));
    objections
}

/// Whether a source of the rule is broad, as section 1 of the design has it.
fn has_broad_source(rule: &IngressRule, lists: &PrefixLists) -> bool {
    lists
        .source_blocks(&rule.source)
        .iter()
        .any(|block| AddressBlock::from_net(block).is_broad())
}

/// Whether the rule is from a group that a restricting rule trusts: that is the author's word.
fn is_trusted_group(rule: &IngressRule, policy: &Policy) -> bool {
    matches!(rule.source, Source::Group(_))
        && policy.rules.iter().any(|own| {
            let may_restrict = own.action == Action::Restrict
                || policy
                    .overrides
                    .iter()
                    .filter_map(|other| other.rule_overrides.get(&own.id))
                    .any(|change| change.action == Some(Action::Restrict));
            may_restrict
                && own
                    .trusted
                    .iter()
                    .any(|trusted| trusted.same_source(&rule.source))
        })
}

/// Whether the group admits all that the rule admits: every port of it, from every address of it. For a trusted source
/// it is enough that the port is open to somebody.
fn is_admitted(
    rule: &IngressRule,
    group: &SecurityGroup,
    lists: &PrefixLists,
    is_trusted: bool,
) -> bool {
    let (low, high) = match rule.traffic() {
        Traffic::Tcp(span) | Traffic::Udp(span) => (span.first_port(), span.last_port()),
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) | Traffic::All => (0, 0),
    };
    // Between two starts or ends of rules nothing changes: one port of each stretch stands for all of it.
    let mut probes = vec![low];
    for other in &group.rules {
        if let Traffic::Tcp(span) | Traffic::Udp(span) = other.traffic() {
            probes.extend(
                [Some(span.first_port()), span.last_port().checked_add(1)]
                    .into_iter()
                    .flatten(),
            );
        }
    }
    probes
        .iter()
        .filter(|probe| (low..=high).contains(probe))
        .all(|&port| {
            let open: Vec<&IngressRule> = group
                .rules
                .iter()
                .filter(|other| admits_at_port(other, rule, port))
                .collect();
            let same = open
                .iter()
                .any(|other| is_trusted || other.source.same_source(&rule.source));
            same || is_source_covered(rule, &open, lists)
        })
}

/// Whether a rule admits the traffic of another at this port.
fn admits_at_port(other: &IngressRule, rule: &IngressRule, port: u16) -> bool {
    match (other.traffic(), rule.traffic()) {
        (Traffic::All, _) => true,
        (Traffic::Tcp(span), Traffic::Tcp(_)) | (Traffic::Udp(span), Traffic::Udp(_)) => {
            span.contains(port)
        }
        (Traffic::Other(mine), Traffic::Other(theirs)) => mine == theirs,
        (Traffic::Icmp, Traffic::Icmp) | (Traffic::Icmpv6, Traffic::Icmpv6) => {
            let (mine, theirs) = (other.display_ports(), rule.display_ports());
            mine.0 == Some(-1) || mine == theirs
        }
        _ => false,
    }
}

/// Whether every address of the rule lies in the union of what the others admit.
fn is_source_covered(rule: &IngressRule, open: &[&IngressRule], lists: &PrefixLists) -> bool {
    let span = |net: &ipnet::IpNet| match net {
        ipnet::IpNet::V4(net) => (
            4,
            u128::from(u32::from(net.network())),
            u128::from(u32::from(net.broadcast())),
        ),
        ipnet::IpNet::V6(net) => (6, u128::from(net.network()), u128::from(net.broadcast())),
    };
    let mut allowed: Vec<_> = open
        .iter()
        .flat_map(|other| lists.source_blocks(&other.source))
        .map(span)
        .collect();
    allowed.sort_unstable();
    let wanted = lists.source_blocks(&rule.source);
    !wanted.is_empty()
        && wanted.iter().map(span).all(|(family, low, high)| {
            let mut next = Some(low);
            for &(_, from, to) in allowed.iter().filter(|other| other.0 == family) {
                next = next.filter(|&next| next <= high);
                if next.is_some_and(|next| from <= next && next <= to) {
                    next = to.checked_add(1);
                }
            }
            next.is_none_or(|next| next > high)
        })
}

#[cfg(test)]
mod tests;
