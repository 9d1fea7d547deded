//! The draft of a plan: boxes are taken away and put in their place until judging finds nothing that is enforced.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Addition, PlanInput, Purpose, Removal, SkipReason, SkippedAddition, quota};
use crate::address::AddressBlock;
use crate::evaluate::{Evaluation, Finding, evaluate};
use crate::group::{Ec2Ports, IngressRule, SecurityGroup, Tags, Traffic};
use crate::policy::Action;
use crate::ports::PortRange;
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

/// How often trusted sources are opened in the place of what offends. Beyond it nothing more is opened: two trusted
/// sources that a policy opens and forbids by turns must not keep us busy. What is kept needs no bound, it only shrinks.
const MAX_TRUST_ROUNDS: usize = 8;

/// What is to go and to come.
#[derive(Debug, Default)]
pub(super) struct PlanDraft {
    pub(super) removals: Vec<Removal>,
    pub(super) additions: Vec<Addition>,
    pub(super) skipped_additions: Vec<SkippedAddition>,
}

/// A box of the group as drafted so far.
#[derive(Debug, Clone)]
struct DraftedRule {
    ingress: IngressRule,
    /// The place in the group of the box that it is, or in whose place it comes.
    origin_index: usize,
    /// What it is for, if it is not one of the group.
    added_for: Option<Purpose>,
}

pub(super) fn draft_plan(situation: &PlanInput<'_>, judgement: &Evaluation) -> PlanDraft {
    let group = situation.group;
    let original = |(origin, ingress): (usize, &IngressRule)| DraftedRule {
        ingress: ingress.clone(),
        origin_index: origin,
        added_for: None,
    };
    let mut boxes: Vec<DraftedRule> = group.rules.iter().enumerate().map(original).collect();
    let mut draft = PlanDraft::default();
    let mut reasons: BTreeMap<usize, (Vec<String>, Action)> = BTreeMap::new();
    let mut judged = judgement.clone();
    for round in 0.. {
        let enforced = enforced_by_rule(&judged, &boxes);
        if enforced.is_empty() {
            // What has no room is lost here and not later: without it, what is left may offend.
            let lost = additions_over_quota(&boxes, situation);
            if lost.is_empty() {
                break;
            }
            boxes.retain(|drafted| {
                drafted.added_for.is_none()
                    || !lost.iter().any(|rule| rule.same_content(&drafted.ingress))
            });
            draft
                .skipped_additions
                .extend(lost.into_iter().map(|ingress| SkippedAddition {
                    ingress,
                    reason: SkipReason::RulesQuota,
                }));
        } else {
            for (place, findings) in &enforced {
                boxes.get(*place).into_iter().for_each(|drafted| {
                    record_reasons(&mut reasons, drafted.origin_index, findings)
                });
            }
            boxes = replace_offending_rules(
                boxes,
                &enforced,
                situation,
                round < MAX_TRUST_ROUNDS,
                &mut draft.skipped_additions,
            );
        }
        let rules = boxes
            .iter()
            .map(|drafted| drafted.ingress.clone())
            .collect();
        let now = SecurityGroup {
            rules,
            ..group.clone()
        };
        judged = evaluate(situation.policy, &now, situation.lists, situation.context);
    }
    let stays: Vec<usize> = boxes
        .iter()
        .filter(|drafted| drafted.added_for.is_none())
        .map(|drafted| drafted.origin_index)
        .collect();
    for (origin, ingress) in group
        .rules
        .iter()
        .enumerate()
        .filter(|(origin, _)| !stays.contains(origin))
    {
        let (because, action) = reasons
            .remove(&origin)
            .unwrap_or((Vec::new(), Action::Revoke));
        draft.removals.push(Removal {
            ingress: ingress.clone(),
            policy_rules: because,
            action,
        });
    }
    draft.skipped_additions = drop_recovered_skips(draft.skipped_additions, &boxes);
    draft.additions = boxes
        .into_iter()
        .filter_map(|drafted| build_addition(drafted, group))
        .collect();
    draft.additions.sort_by_cached_key(|addition| {
        (
            quota::addition_priority(&addition.ingress),
            full_sort_key(&addition.ingress),
        )
    });
    draft
}

fn build_addition(drafted: DraftedRule, group: &SecurityGroup) -> Option<Addition> {
    let (purpose, instead_of) = (
        drafted.added_for?,
        group.rules.get(drafted.origin_index)?.clone(),
    );
    Some(Addition {
        ingress: drafted.ingress,
        purpose,
        replaces: instead_of,
    })
}

/// What tells boxes apart whatever their order in the group.
type FullSortKey = (
    (String, (Option<i32>, Option<i32>), String),
    Option<String>,
    Tags,
    Option<String>,
);

fn full_sort_key(rule: &IngressRule) -> FullSortKey {
    (
        rule.sort_key(),
        rule.description.clone(),
        rule.tags.clone(),
        rule.id.clone(),
    )
}

/// The added boxes for which the quota has no room beside the boxes of the group that stay.
fn additions_over_quota(boxes: &[DraftedRule], situation: &PlanInput<'_>) -> Vec<IngressRule> {
    let (added, stays): (Vec<_>, Vec<_>) = boxes
        .iter()
        .partition(|drafted| drafted.added_for.is_some());
    let mut added: Vec<_> = added.into_iter().map(|drafted| &drafted.ingress).collect();
    added.sort_by_cached_key(|rule| (quota::addition_priority(rule), full_sort_key(rule)));
    quota::rules_over_quota(
        stays.into_iter().map(|drafted| &drafted.ingress),
        &added,
        situation,
    )
}

/// The losses that are some: another box may admit in the end what one did not.
fn drop_recovered_skips(
    mut losses: Vec<SkippedAddition>,
    boxes: &[DraftedRule],
) -> Vec<SkippedAddition> {
    let admitted = |rule: &IngressRule| {
        // Messages of ICMP are compared by the box, for a set of traffic does not tell their types.
        let counts = |there: &&IngressRule| {
            let is_icmp = matches!(there.traffic(), Traffic::Icmp | Traffic::Icmpv6);
            there.source.same_source(&rule.source) && (!is_icmp || there.same_content(rule))
        };
        let same = boxes.iter().map(|drafted| &drafted.ingress).filter(counts);
        let open = same.fold(TrafficSet::default(), |all, there| {
            all.union(&there.traffic().into())
        });
        TrafficSet::from(rule.traffic())
            .difference(&open)
            .is_empty()
    };
    losses.retain(|loss| !admitted(&loss.ingress));
    losses.sort_by_cached_key(|loss| (full_sort_key(&loss.ingress), loss.reason));
    losses.dedup_by(|one, other| {
        one.ingress.same_content(&other.ingress) && one.reason == other.reason
    });
    losses
}

/// The findings that demand a change, by the place of their box. As long as boxes for trusted sources offend, only those:
/// what we open must not take a box of the group with it.
fn enforced_by_rule<'a>(
    judgement: &'a Evaluation,
    boxes: &[DraftedRule],
) -> BTreeMap<usize, Vec<&'a Finding>> {
    let mut found: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
    for finding in judgement
        .findings
        .iter()
        .filter(|finding| finding.enforces())
    {
        found.entry(finding.index).or_default().push(finding);
    }
    let is_ours = |place: &usize| {
        boxes
            .get(*place)
            .is_some_and(|drafted| drafted.added_for == Some(Purpose::Trust))
    };
    if found.keys().any(is_ours) {
        found.retain(|place, _| is_ours(place));
    }
    found
}

/// Takes away what offends and puts what stays allowed in its place.
fn replace_offending_rules(
    boxes: Vec<DraftedRule>,
    enforced: &BTreeMap<usize, Vec<&Finding>>,
    situation: &PlanInput<'_>,
    open: bool,
    losses: &mut Vec<SkippedAddition>,
) -> Vec<DraftedRule> {
    let mut next: Vec<DraftedRule> = Vec::with_capacity(boxes.len());
    let mut replacements = Vec::new();
    for (place, drafted) in boxes.into_iter().enumerate() {
        match enforced.get(&place) {
            Some(findings) => replacements.extend(replacement_rules(
                &drafted,
                findings,
                situation.lists,
                open,
                losses,
            )),
            None => next.push(drafted),
        }
    }
    // Of boxes with the same content there can be one: which, must not depend on the order of the group.
    let from = |drafted: &DraftedRule| {
        situation
            .group
            .rules
            .get(drafted.origin_index)
            .map(full_sort_key)
    };
    replacements.sort_by_cached_key(|drafted| (full_sort_key(&drafted.ingress), from(drafted)));
    for drafted in replacements {
        if !next
            .iter()
            .any(|there| there.ingress.same_content(&drafted.ingress))
        {
            next.push(drafted);
        }
    }
    next
}

fn record_reasons(
    reasons: &mut BTreeMap<usize, (Vec<String>, Action)>,
    origin: usize,
    findings: &[&Finding],
) {
    let (because, action) = reasons.entry(origin).or_insert((Vec::new(), Action::Off));
    for finding in findings {
        *action = (*action).max(finding.policy_rule.action);
        if !because.contains(&finding.policy_rule.id) {
            because.push(finding.policy_rule.id.clone());
        }
    }
}

/// The boxes that take the place of one that goes.
fn replacement_rules(
    drafted: &DraftedRule,
    findings: &[&Finding],
    lists: &PrefixLists,
    open: bool,
    losses: &mut Vec<SkippedAddition>,
) -> Vec<DraftedRule> {
    let gone = &drafted.ingress;
    let offending = findings.iter().fold(TrafficSet::default(), |all, finding| {
        all.union(&finding.offending)
    });
    let mut lose = |ingress: IngressRule, reason| losses.push(SkippedAddition { ingress, reason });
    let revoked = findings
        .iter()
        .any(|finding| finding.policy_rule.action == Action::Revoke);
    if drafted.added_for == Some(Purpose::Trust) {
        let part = if revoked {
            gone.traffic().into()
        } else {
            offending.clone()
        };
        for rule in rules_for_traffic(&part, gone, &gone.source, lists) {
            lose(rule, SkipReason::TrustedSourceForbidden);
        }
    }
    if revoked {
        return Vec::new();
    }
    let kept = TrafficSet::from(gone.traffic()).difference(&offending);
    let purpose = drafted.added_for.unwrap_or(Purpose::Keep);
    let mut instead: Vec<_> = rules_for_traffic(&kept, gone, &gone.source, lists)
        .into_iter()
        .map(|rule| (rule, purpose))
        .collect();
    for (source, traffic) in trusted_traffic(findings) {
        for rule in rules_for_traffic(&traffic, gone, &source, lists) {
            match source_containment(&gone.source, &source, lists) {
                SourceContainment::Inside if open && !rule.same_content(gone) => {
                    instead.push((rule, Purpose::Trust))
                }
                SourceContainment::Inside => lose(rule, SkipReason::TrustedSourceForbidden),
                SourceContainment::Outside => lose(rule, SkipReason::TrustedSourceOutside),
                SourceContainment::OtherFamily => {}
            }
        }
    }
    let drafted = |(ingress, purpose)| DraftedRule {
        ingress,
        origin_index: drafted.origin_index,
        added_for: Some(purpose),
    };
    instead.into_iter().map(drafted).collect()
}

/// What each trusted source is to reach, in the order of the findings.
fn trusted_traffic(findings: &[&Finding]) -> Vec<(Source, TrafficSet)> {
    let mut all: Vec<(Source, TrafficSet)> = Vec::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.policy_rule.action == Action::Restrict)
    {
        for source in &finding.policy_rule.trusted {
            match all.iter_mut().find(|(known, _)| known == source) {
                Some((_, traffic)) => *traffic = traffic.union(&finding.offending),
                None => all.push((source.clone(), finding.offending.clone())),
            }
        }
    }
    all
}

enum SourceContainment {
    Inside,
    Outside,
    OtherFamily,
}

/// Whether a trusted source may come in the place of another: it must lie inside of it, so that nothing is widened. A
/// group is the author's word. A source of the other family is passed over: a rule for IPv6 is never traded for IPv4.
fn source_containment(gone: &Source, trusted: &Source, lists: &PrefixLists) -> SourceContainment {
    let (outer, inner) = (lists.source_blocks(gone), lists.source_blocks(trusted));
    let inside = |block: &IpNet| outer.iter().any(|outer| outer.contains(block));
    let akin = |block: &IpNet| {
        outer.iter().any(|outer| {
            AddressBlock::from_net(outer).family() == AddressBlock::from_net(block).family()
        })
    };
    let known = !outer.is_empty() && !inner.is_empty();
    match trusted {
        Source::Group(_) => SourceContainment::Inside,
        same if same.same_source(gone) => SourceContainment::Inside,
        _ if known && inner.iter().all(inside) => SourceContainment::Inside,
        _ if known && !inner.iter().any(akin) => SourceContainment::OtherFamily,
        Source::Cidr(_) | Source::PrefixList(_) => SourceContainment::Outside,
    }
}

/// The fewest boxes that admit the traffic from the source, with the description and tags of the one that goes.
fn rules_for_traffic(
    traffic: &TrafficSet,
    gone: &IngressRule,
    source: &Source,
    lists: &PrefixLists,
) -> Vec<IngressRule> {
    let v4 = may_contain_family(source, lists, |net| matches!(net, IpNet::V4(_)));
    let v6 = may_contain_family(source, lists, |net| matches!(net, IpNet::V6(_)));
    let any = Ec2Ports {
        from: Some(-1),
        to: Some(-1),
    };
    let none = Ec2Ports::default();
    let mut parts: Vec<(Protocol, Ec2Ports)> = Vec::new();
    if *traffic == TrafficSet::all() {
        parts.push((Protocol::All, none));
    } else {
        let messages = match gone.traffic() {
            Traffic::Icmp | Traffic::Icmpv6 => gone.ec2_ports(),
            Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Other(_) | Traffic::All => any,
        };
        for (protocol, ports) in [(Protocol::Tcp, &traffic.tcp), (Protocol::Udp, &traffic.udp)] {
            parts.extend(
                ports
                    .ranges()
                    .iter()
                    .map(|span| (protocol, ec2_ports_from_range(*span))),
            );
        }
        parts.extend((traffic.icmp && v4).then_some((Protocol::Icmp, messages)));
        parts.extend((traffic.icmpv6 && v6).then_some((Protocol::Icmpv6, messages)));
        parts.extend(
            traffic
                .other_protocols
                .numbers()
                .map(|number| (Protocol::Other(number), none)),
        );
    }
    let rule = |(protocol, ports)| {
        let mut rule = IngressRule::new(protocol, ports, source.clone()).ok()?;
        rule.description.clone_from(&gone.description);
        rule.tags.clone_from(&gone.tags);
        Some(rule)
    };
    parts.into_iter().filter_map(rule).collect()
}

fn ec2_ports_from_range(span: PortRange) -> Ec2Ports {
    Ec2Ports {
        from: Some(span.first_port().into()),
        to: Some(span.last_port().into()),
    }
}

/// Whether addresses of a family can come from the source. Nothing is known of groups and unresolved lists: any can.
fn may_contain_family(
    source: &Source,
    lists: &PrefixLists,
    family: impl Fn(&IpNet) -> bool,
) -> bool {
    let blocks = lists.source_blocks(source);
    blocks.is_empty() || blocks.iter().any(family)
}
