//! The draft of a plan: boxes are taken away and put in their place until judging finds nothing that is enforced.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Addition, Loss, LossReason, Purpose, Removal, Situation, quota};
use crate::address::Block;
use crate::group::{IngressRule, SecurityGroup, Tags, Traffic, WrittenPorts};
use crate::judge::{Finding, Judgement, judge};
use crate::policy::Action;
use crate::ports::PortSpan;
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

/// How often trusted sources are opened in the place of what offends. Beyond it nothing more is opened: two trusted
/// sources that a policy opens and forbids by turns must not keep us busy. What is kept needs no bound, it only shrinks.
const ROUNDS: usize = 8;

/// What is to go and to come.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) removals: Vec<Removal>,
    pub(super) additions: Vec<Addition>,
    pub(super) losses: Vec<Loss>,
}

/// A box of the group as drafted so far.
#[derive(Debug, Clone)]
struct Drafted {
    ingress: IngressRule,
    /// The place in the group of the box that it is, or in whose place it comes.
    origin: usize,
    /// What it is for, if it is not one of the group.
    added: Option<Purpose>,
}

pub(super) fn draft(situation: &Situation<'_>, judgement: &Judgement) -> Draft {
    let group = situation.group;
    let original = |(origin, ingress): (usize, &IngressRule)| Drafted { ingress: ingress.clone(), origin, added: None };
    let mut boxes: Vec<Drafted> = group.rules.iter().enumerate().map(original).collect();
    let mut draft = Draft::default();
    let mut reasons: BTreeMap<usize, (Vec<String>, Action)> = BTreeMap::new();
    let mut judged = judgement.clone();
    for round in 0.. {
        let enforced = by_box(&judged, &boxes);
        if enforced.is_empty() {
            // What has no room is lost here and not later: without it, what is left may offend.
            let lost = without_room(&boxes, situation);
            if lost.is_empty() {
                break;
            }
            boxes.retain(|drafted| {
                drafted.added.is_none() || !lost.iter().any(|rule| rule.same_content(&drafted.ingress))
            });
            draft.losses.extend(lost.into_iter().map(|ingress| Loss { ingress, reason: LossReason::Quota }));
        } else {
            for (place, findings) in &enforced {
                boxes.get(*place).into_iter().for_each(|drafted| note(&mut reasons, drafted.origin, findings));
            }
            boxes = cut(boxes, &enforced, situation, round < ROUNDS, &mut draft.losses);
        }
        let rules = boxes.iter().map(|drafted| drafted.ingress.clone()).collect();
        let now = SecurityGroup { rules, ..group.clone() };
        judged = judge(situation.policy, &now, situation.lists, situation.context);
    }
    let stays: Vec<usize> =
        boxes.iter().filter(|drafted| drafted.added.is_none()).map(|drafted| drafted.origin).collect();
    for (origin, ingress) in group.rules.iter().enumerate().filter(|(origin, _)| !stays.contains(origin)) {
        let (because, action) = reasons.remove(&origin).unwrap_or((Vec::new(), Action::Revoke));
        draft.removals.push(Removal { ingress: ingress.clone(), because, action });
    }
    draft.losses = real(draft.losses, &boxes);
    draft.additions = boxes.into_iter().filter_map(|drafted| addition(drafted, group)).collect();
    draft.additions.sort_by_cached_key(|addition| (quota::rank(&addition.ingress), key(&addition.ingress)));
    draft
}

fn addition(drafted: Drafted, group: &SecurityGroup) -> Option<Addition> {
    let (purpose, instead_of) = (drafted.added?, group.rules.get(drafted.origin)?.clone());
    Some(Addition { ingress: drafted.ingress, purpose, instead_of })
}

/// What tells boxes apart whatever their order in the group.
type Key = ((String, (Option<i32>, Option<i32>), String), Option<String>, Tags, Option<String>);

fn key(rule: &IngressRule) -> Key {
    (rule.sort_key(), rule.description.clone(), rule.tags.clone(), rule.id.clone())
}

/// The added boxes for which the quota has no room beside the boxes of the group that stay.
fn without_room(boxes: &[Drafted], situation: &Situation<'_>) -> Vec<IngressRule> {
    let (added, stays): (Vec<_>, Vec<_>) = boxes.iter().partition(|drafted| drafted.added.is_some());
    let mut added: Vec<_> = added.into_iter().map(|drafted| &drafted.ingress).collect();
    added.sort_by_cached_key(|rule| (quota::rank(rule), key(rule)));
    quota::without_room(stays.into_iter().map(|drafted| &drafted.ingress), &added, situation)
}

/// The losses that are some: another box may admit in the end what one did not.
fn real(mut losses: Vec<Loss>, boxes: &[Drafted]) -> Vec<Loss> {
    let admitted = |rule: &IngressRule| {
        // Messages of ICMP are compared by the box, for a set of traffic does not tell their types.
        let counts = |there: &&IngressRule| {
            let is_icmp = matches!(there.traffic(), Traffic::Icmp | Traffic::Icmpv6);
            there.source.is_same(&rule.source) && (!is_icmp || there.same_content(rule))
        };
        let same = boxes.iter().map(|drafted| &drafted.ingress).filter(counts);
        let open = same.fold(TrafficSet::default(), |all, there| all.union(&there.traffic().into()));
        TrafficSet::from(rule.traffic()).difference(&open).is_empty()
    };
    losses.retain(|loss| !admitted(&loss.ingress));
    losses.sort_by_cached_key(|loss| (key(&loss.ingress), loss.reason));
    losses.dedup_by(|one, other| one.ingress.same_content(&other.ingress) && one.reason == other.reason);
    losses
}

/// The findings that demand a change, by the place of their box. As long as boxes for trusted sources offend, only those:
/// what we open must not take a box of the group with it.
fn by_box<'a>(judgement: &'a Judgement, boxes: &[Drafted]) -> BTreeMap<usize, Vec<&'a Finding>> {
    let mut found: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
    for finding in judgement.findings.iter().filter(|finding| finding.enforces()) {
        found.entry(finding.index).or_default().push(finding);
    }
    let is_ours = |place: &usize| boxes.get(*place).is_some_and(|drafted| drafted.added == Some(Purpose::Trust));
    if found.keys().any(is_ours) {
        found.retain(|place, _| is_ours(place));
    }
    found
}

/// Takes away what offends and puts what stays allowed in its place.
fn cut(
    boxes: Vec<Drafted>,
    enforced: &BTreeMap<usize, Vec<&Finding>>,
    situation: &Situation<'_>,
    open: bool,
    losses: &mut Vec<Loss>,
) -> Vec<Drafted> {
    let mut next: Vec<Drafted> = Vec::with_capacity(boxes.len());
    let mut replacements = Vec::new();
    for (place, drafted) in boxes.into_iter().enumerate() {
        match enforced.get(&place) {
            Some(findings) => replacements.extend(replacement(&drafted, findings, situation.lists, open, losses)),
            None => next.push(drafted),
        }
    }
    // Of boxes with the same content there can be one: which, must not depend on the order of the group.
    let from = |drafted: &Drafted| situation.group.rules.get(drafted.origin).map(key);
    replacements.sort_by_cached_key(|drafted| (key(&drafted.ingress), from(drafted)));
    for drafted in replacements {
        if !next.iter().any(|there| there.ingress.same_content(&drafted.ingress)) {
            next.push(drafted);
        }
    }
    next
}

fn note(reasons: &mut BTreeMap<usize, (Vec<String>, Action)>, origin: usize, findings: &[&Finding]) {
    let (because, action) = reasons.entry(origin).or_insert((Vec::new(), Action::Off));
    for finding in findings {
        *action = (*action).max(finding.rule.action);
        if !because.contains(&finding.rule.id) {
            because.push(finding.rule.id.clone());
        }
    }
}

/// The boxes that take the place of one that goes.
fn replacement(
    drafted: &Drafted,
    findings: &[&Finding],
    lists: &PrefixLists,
    open: bool,
    losses: &mut Vec<Loss>,
) -> Vec<Drafted> {
    let gone = &drafted.ingress;
    let offending = findings.iter().fold(TrafficSet::default(), |all, finding| all.union(&finding.offending));
    let mut lose = |ingress: IngressRule, reason| losses.push(Loss { ingress, reason });
    let revoked = findings.iter().any(|finding| finding.rule.action == Action::Revoke);
    if drafted.added == Some(Purpose::Trust) {
        let part = if revoked { gone.traffic().into() } else { offending.clone() };
        for rule in boxes(&part, gone, &gone.source, lists) {
            lose(rule, LossReason::Forbidden);
        }
    }
    if revoked {
        return Vec::new();
    }
    let kept = TrafficSet::from(gone.traffic()).difference(&offending);
    let purpose = drafted.added.unwrap_or(Purpose::Keep);
    let mut instead: Vec<_> = boxes(&kept, gone, &gone.source, lists).into_iter().map(|rule| (rule, purpose)).collect();
    for (source, traffic) in trusted(findings) {
        for rule in boxes(&traffic, gone, &source, lists) {
            match admits(&gone.source, &source, lists) {
                Admission::Inside if open && !rule.same_content(gone) => instead.push((rule, Purpose::Trust)),
                Admission::Inside => lose(rule, LossReason::Forbidden),
                Admission::Outside => lose(rule, LossReason::Outside),
                Admission::OtherFamily => {}
            }
        }
    }
    let drafted = |(ingress, purpose)| Drafted { ingress, origin: drafted.origin, added: Some(purpose) };
    instead.into_iter().map(drafted).collect()
}

/// What each trusted source is to reach, in the order of the findings.
fn trusted(findings: &[&Finding]) -> Vec<(Source, TrafficSet)> {
    let mut all: Vec<(Source, TrafficSet)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.rule.action == Action::Restrict) {
        for source in &finding.rule.trusted {
            match all.iter_mut().find(|(known, _)| known == source) {
                Some((_, traffic)) => *traffic = traffic.union(&finding.offending),
                None => all.push((source.clone(), finding.offending.clone())),
            }
        }
    }
    all
}

enum Admission {
    Inside,
    Outside,
    OtherFamily,
}

/// Whether a trusted source may come in the place of another: it must lie inside of it, so that nothing is widened. A
/// group is the author's word. A source of the other family is passed over: a rule for IPv6 is never traded for IPv4.
fn admits(gone: &Source, trusted: &Source, lists: &PrefixLists) -> Admission {
    let (outer, inner) = (lists.blocks(gone), lists.blocks(trusted));
    let inside = |block: &IpNet| outer.iter().any(|outer| outer.contains(block));
    let akin = |block: &IpNet| outer.iter().any(|outer| Block::of(outer).family() == Block::of(block).family());
    let known = !outer.is_empty() && !inner.is_empty();
    match trusted {
        Source::Group(_) => Admission::Inside,
        same if same.is_same(gone) => Admission::Inside,
        _ if known && inner.iter().all(inside) => Admission::Inside,
        _ if known && !inner.iter().any(akin) => Admission::OtherFamily,
        Source::Cidr(_) | Source::PrefixList(_) => Admission::Outside,
    }
}

/// The fewest boxes that admit the traffic from the source, with the description and tags of the one that goes.
fn boxes(traffic: &TrafficSet, gone: &IngressRule, source: &Source, lists: &PrefixLists) -> Vec<IngressRule> {
    let v4 = speaks(source, lists, |net| matches!(net, IpNet::V4(_)));
    let v6 = speaks(source, lists, |net| matches!(net, IpNet::V6(_)));
    let any = WrittenPorts { from: Some(-1), to: Some(-1) };
    let none = WrittenPorts::default();
    let mut parts: Vec<(Protocol, WrittenPorts)> = Vec::new();
    if *traffic == TrafficSet::everything() {
        parts.push((Protocol::All, none));
    } else {
        let messages = match gone.traffic() {
            Traffic::Icmp | Traffic::Icmpv6 => gone.written_ports(),
            Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Other(_) | Traffic::Everything => any,
        };
        for (protocol, ports) in [(Protocol::Tcp, &traffic.tcp), (Protocol::Udp, &traffic.udp)] {
            parts.extend(ports.spans().iter().map(|span| (protocol, written(*span))));
        }
        parts.extend((traffic.icmp && v4).then_some((Protocol::Icmp, messages)));
        parts.extend((traffic.icmpv6 && v6).then_some((Protocol::Icmpv6, messages)));
        parts.extend(traffic.others.numbers().map(|number| (Protocol::Other(number), none)));
    }
    let rule = |(protocol, ports)| {
        let mut rule = IngressRule::new(protocol, ports, source.clone()).ok()?;
        rule.description.clone_from(&gone.description);
        rule.tags.clone_from(&gone.tags);
        Some(rule)
    };
    parts.into_iter().filter_map(rule).collect()
}

fn written(span: PortSpan) -> WrittenPorts {
    WrittenPorts { from: Some(span.from().into()), to: Some(span.to().into()) }
}

/// Whether addresses of a family can come from the source. Nothing is known of groups and unresolved lists: any can.
fn speaks(source: &Source, lists: &PrefixLists, family: impl Fn(&IpNet) -> bool) -> bool {
    let blocks = lists.blocks(source);
    blocks.is_empty() || blocks.iter().any(family)
}
