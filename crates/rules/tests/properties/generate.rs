//! Generates groups and policies.
//!
//! Every port and address comes from a small table, so that rules often overlap and the oracle can
//! evaluate all of them.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::source::{GroupSource, parse_cidr};
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{
    Action, Context, Decision, Evaluation, IngressRule, OpenedRules, Plan, PlanInput, Policy,
    PortRange, PortSet, PrefixLists, Quota, SecurityGroup, Source, TrafficSet, decide, evaluate,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) use crate::generate_policy::{ALL_ACTIONS, policy};

pub(crate) const GROUP: &str = "sg-0123456789abcdef0";

/// The first and last ports of rules, policies and exceptions.
pub(crate) const PORTS: [u16; 12] = [0, 20, 22, 25, 80, 443, 3306, 8040, 8080, 8085, 8090, 65535];

/// The protocol numbers without a name that the world contains.
pub(crate) const NUMBERS: [u8; 5] = [0, 4, 47, 50, 253];

pub(crate) const CIDRS: [&str; 25] = [
    "0.0.0.0/0",
    "0.0.0.0/0",
    "::/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "0.0.0.0/2",
    "64.0.0.0/2",
    "128.0.0.0/2",
    "192.0.0.0/2",
    "8.0.0.0/8",
    "52.0.0.0/8",
    "10.0.0.0/8",
    "8.8.8.0/24",
    "8.8.8.8/32",
    "203.0.113.0/24",
    "192.168.1.0/24",
    "::/1",
    "8000::/1",
    "2000::/3",
    "2000::/4",
    "3000::/4",
    "2600::/16",
    "2600:1f00::/24",
    "2001:db8::/32",
    "fd00::/8",
];

/// The resolved prefix lists. `pl-unknown` is not resolved.
pub(crate) fn lists() -> PrefixLists {
    let cidr = |text: &&str| parse_cidr(text).unwrap();
    let known = [
        (
            "pl-halves",
            ["0.0.0.0/1", "128.0.0.0/1"].iter().map(cidr).collect(),
        ),
        (
            "pl-office",
            ["198.51.100.0/24", "8.8.8.0/24", "2001:db8::/32"]
                .iter()
                .map(cidr)
                .collect(),
        ),
        (
            "pl-mixed",
            ["::/0", "10.0.0.0/8"].iter().map(cidr).collect(),
        ),
        ("pl-world", ["0.0.0.0/0", "::/0"].iter().map(cidr).collect()),
        // Together all IPv4 addresses, without a broad block.
        ("pl-nines", cidr(&"0.0.0.0/0").subnets(9).unwrap().collect()),
        ("pl-low", cidr(&"0.0.0.0/1").subnets(9).unwrap().collect()),
        (
            "pl-high",
            cidr(&"128.0.0.0/1").subnets(9).unwrap().collect(),
        ),
        (
            "pl-high-tens",
            cidr(&"128.0.0.0/1").subnets(10).unwrap().collect(),
        ),
        // A list of tens that counts as a nine, and a private block that does not count.
        (
            "pl-high-mixed",
            ["8.0.0.0/9", "10.0.0.0/8"]
                .iter()
                .map(cidr)
                .chain(cidr(&"128.0.0.0/1").subnets(10).unwrap())
                .collect(),
        ),
        ("pl-empty", Vec::new()),
    ];
    let mut lists: PrefixLists = known.into_iter().collect();
    lists.set_max_entries("pl-office", 40);
    lists
}

pub(crate) const KNOWN_LISTS: [&str; 10] = [
    "pl-halves",
    "pl-office",
    "pl-mixed",
    "pl-world",
    "pl-nines",
    "pl-low",
    "pl-high",
    "pl-high-tens",
    "pl-high-mixed",
    "pl-empty",
];

/// The input of a decision with owned values.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) group: SecurityGroup,
    pub(crate) policy: Policy,
    pub(crate) lists: PrefixLists,
    pub(crate) context: Context,
    /// The contents of the rules that the event opened.
    pub(crate) opened_contents: BTreeSet<String>,
    pub(crate) quota: Quota,
}

impl Case {
    pub(crate) fn evaluate(&self) -> Evaluation {
        evaluate(&self.policy, &self.group, &self.lists, &self.context)
    }

    pub(crate) fn decide(&self) -> Decision {
        decide(&PlanInput {
            quota: self.quota,
            ..PlanInput::new(&self.policy, &self.group, &self.lists, &self.context)
        })
    }

    pub(crate) fn plan(&self) -> Plan {
        self.decide().plan
    }

    /// The same case without guardrails that refuse changes.
    pub(crate) fn without_refusals(mut self) -> Self {
        self.policy.guardrails.max_removals = None;
        self.policy.guardrails.notify_only_principals.clear();
        self
    }

    /// The same case with another group.
    pub(crate) fn with_group(&self, group: SecurityGroup) -> Self {
        Self {
            group,
            ..self.clone()
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "quota {}/{}", self.quota.v4, self.quota.v6)?;
        let Context {
            principals, opened, ..
        } = &self.context;
        writeln!(f, "event by {principals:?} opened {opened:?}")?;
        for rule in &self.group.rules {
            writeln!(
                f,
                "  security group rule {rule} {:?} {:?} {:?}",
                rule.id, rule.description, rule.tags
            )?;
        }
        for rule in &self.policy.rules {
            let trusted: Vec<_> = rule.trusted.iter().map(ToString::to_string).collect();
            writeln!(
                f,
                "  policy rule {} {} {:?} trusts {trusted:?}",
                rule.id, rule.action, rule.check
            )?;
        }
        for exception in &self.policy.exceptions {
            writeln!(f, "  exception {exception:?}")?;
        }
        for policy_override in &self.policy.overrides {
            writeln!(f, "  override {policy_override:?}")?;
        }
        write!(f, "  {:?}", self.policy.guardrails)
    }
}

pub(crate) fn port_range() -> impl Strategy<Value = PortRange> {
    (select(&PORTS), select(&PORTS)).prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).unwrap())
}

pub(crate) fn port_set() -> impl Strategy<Value = PortSet> {
    vec(
        prop_oneof![port_range(), select(&PORTS).prop_map(PortRange::single)],
        0..4,
    )
    .prop_map(PortSet::from_iter)
}

pub(crate) fn traffic() -> impl Strategy<Value = TrafficSet> {
    let others = prop_oneof![
        Just(ProtocolSet::empty()),
        Just(ProtocolSet::all()),
        vec(select(&NUMBERS), 1..3).prop_map(ProtocolSet::from_iter),
    ];
    prop_oneof![
        3 => port_set().prop_map(TrafficSet::tcp_and_udp),
        1 => Just(TrafficSet::tcp_and_udp(PortSet::all())),
        1 => port_set().prop_map(TrafficSet::tcp),
        2 => (port_set(), port_set(), any::<bool>(), any::<bool>(), others)
            .prop_map(|(tcp, udp, icmp, icmpv6, other_protocols)| {
                TrafficSet { tcp, udp, icmp, icmpv6, other_protocols }
            }),
        1 => Just(TrafficSet::all()),
    ]
}

pub(crate) fn source() -> impl Strategy<Value = Source> {
    let group = |owner: Option<&str>| {
        Source::Group(GroupSource {
            group_id: "sg-a".to_owned(),
            owner_id: owner.map(str::to_owned),
        })
    };
    prop_oneof![
        12 => select(&CIDRS).prop_map(|text| Source::from_cidr(text).unwrap()),
        3 => select(&KNOWN_LISTS).prop_map(|id| Source::PrefixList(id.to_owned())),
        1 => Just(Source::PrefixList("pl-unknown".to_owned())),
        1 => Just(group(None)),
        1 => Just(group(Some("111122223333"))),
        1 => Just(Source::from_group_id("sg-b")),
    ]
}

fn ec2_ports(from: i32, to: i32) -> Ec2Ports {
    Ec2Ports {
        from: Some(from),
        to: Some(to),
    }
}

/// Protocol and port fields as EC2 returns them.
fn protocol_and_ports() -> impl Strategy<Value = (&'static str, Ec2Ports)> {
    let ranges = prop_oneof![
        2 => port_range(),
        2 => select(&PORTS).prop_map(PortRange::single),
        1 => Just(PortRange::new(8080, 8090).unwrap()),
    ];
    let ports =
        ranges.prop_map(|range| ec2_ports(range.first_port().into(), range.last_port().into()));
    let icmp = select(vec![
        ec2_ports(-1, -1),
        ec2_ports(8, -1),
        ec2_ports(8, 0),
        ec2_ports(3, 4),
    ]);
    prop_oneof![
        8 => ports.clone().prop_map(|ports| ("tcp", ports)),
        3 => ports.prop_map(|ports| ("udp", ports)),
        1 => icmp.prop_map(|ports| ("icmp", ports)),
        1 => Just(("icmpv6", ec2_ports(-1, -1))),
        1 => select(vec!["47", "50"]).prop_map(|number| (number, Ec2Ports::default())),
        3 => Just(("-1", Ec2Ports::default())),
    ]
}

fn ingress() -> impl Strategy<Value = IngressRule> {
    let description = option::of(select(vec!["vendor", "web"]));
    let ticket = option::weighted(0.3, select(vec!["SEC-1", "SEC-2"]));
    let stack = option::weighted(0.2, Just("stack-1"));
    (protocol_and_ports(), source(), description, (ticket, stack)).prop_map(
        |((protocol, ports), source, description, (ticket, stack))| {
            let mut rule = IngressRule::new(protocol.parse().unwrap(), ports, source).unwrap();
            rule.description = description.map(str::to_owned);
            rule.tags
                .extend(ticket.map(|ticket| ("ticket".to_owned(), ticket.to_owned())));
            rule.tags
                .extend(stack.map(|name| ("aws:stack".to_owned(), name.to_owned())));
            rule
        },
    )
}

/// Sources that cover the public address space together, or overlap.
const RELATED_SOURCES: [&[&str]; 16] = [
    &["0.0.0.0/0"],
    &["0.0.0.0/0", "::/0"],
    &["0.0.0.0/1", "128.0.0.0/1"],
    &["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"],
    &["0.0.0.0/0", "0.0.0.0/1", "8.0.0.0/8", "8.8.8.0/24"],
    &["2000::/4", "3000::/4"],
    &["pl-low", "pl-high"],
    &["0.0.0.0/0", "pl-low", "pl-high"],
    &["pl-low", "pl-high", "pl-office"],
    &["8.0.0.0/8", "pl-nines", "8.8.8.8/32"],
    &["8.0.0.0/8", "pl-low", "pl-high"],
    &["0.0.0.0/0", "pl-nines", "8.8.8.0/24"],
    &["pl-nines", "pl-low", "pl-high-tens"],
    &["pl-low", "pl-high-mixed", "pl-high-tens"],
    &["52.0.0.0/8", "pl-low", "pl-high-tens", "pl-nines"],
    &["pl-mixed", "pl-world", "pl-halves"],
];

/// Rules from related sources, for two combinations of protocol and ports.
fn related_rules() -> impl Strategy<Value = Vec<IngressRule>> {
    (
        select(&RELATED_SOURCES),
        vec(ingress(), 2),
        vec(any::<bool>(), 4),
    )
        .prop_map(|(sources, templates, uses_second)| {
            let rule = |(source, uses_second): (&&str, bool)| {
                let template = &templates[usize::from(uses_second)];
                let mut rule = IngressRule::new(
                    template.protocol(),
                    template.ec2_ports(),
                    source.parse().unwrap(),
                )
                .unwrap();
                rule.description.clone_from(&template.description);
                rule.tags.clone_from(&template.tags);
                rule
            };
            sources.iter().zip(uses_second).map(rule).collect()
        })
}

/// More rules than the default quota: 64 blocks that cover all IPv4 addresses, or all but one.
fn many_rules() -> impl Strategy<Value = Vec<IngressRule>> {
    let gap = option::of(0..64_usize);
    (vec(ingress(), 1..3), gap, vec(any::<bool>(), 64)).prop_map(|(templates, gap, uses_last)| {
        let everything = parse_cidr("0.0.0.0/0").unwrap();
        let blocks = everything.subnets(6).unwrap().enumerate();
        blocks
            .filter(|(index, _)| Some(*index) != gap)
            .zip(uses_last)
            .map(|((_, block), uses_last)| {
                let last = templates.len() - 1;
                let mut rule = templates[if uses_last { last } else { 0 }].clone();
                rule.source = Source::Cidr(block);
                rule
            })
            .collect()
    })
}

pub(crate) fn group() -> impl Strategy<Value = SecurityGroup> {
    let rules = prop_oneof![
        1 => (many_rules(), vec(ingress(), 0..4)).prop_map(|(one, other)| [one, other].concat()),
        20 => (related_rules(), vec(ingress(), 0..4)).prop_map(|(one, other)| [one, other].concat()),
        10 => vec(ingress(), 0..7),
    ];
    rules.prop_map(|rules| {
        let mut group = SecurityGroup {
            id: GROUP.to_owned(),
            ..SecurityGroup::default()
        };
        for mut rule in rules {
            // EC2 does not allow duplicates.
            if !group
                .rules
                .iter()
                .any(|known| crate::ec2::content(known) == crate::ec2::content(&rule))
            {
                rule.id = Some(format!("sgr-{}", group.rules.len()));
                group.rules.push(rule);
            }
        }
        group
    })
}

fn quota() -> impl Strategy<Value = Quota> {
    let few = || prop_oneof![Just(3_usize), Just(8), Just(60), Just(300)];
    prop_oneof![
        1 => (few(), few()).prop_map(|(v4, v6)| Quota { v4, v6 }),
        1 => Just(NO_LIMIT),
    ]
}

/// A quota that is never exceeded.
pub(crate) const NO_LIMIT: Quota = Quota {
    v4: 10_000_000,
    v6: 10_000_000,
};

pub(crate) fn case(actions: &'static [Action]) -> impl Strategy<Value = Case> {
    (group(), policy(actions), quota(), event())
        .prop_map(|(group, policy, quota, event)| case_with_event(group, policy, quota, &event))
}

/// Who caused an event and which rules of the group it opened, by index.
#[derive(Debug, Clone)]
enum Event {
    None,
    OpenedAll(&'static str),
    Opened(&'static str, Vec<bool>),
}

fn event() -> impl Strategy<Value = Event> {
    let principal = || select(vec!["deploy-1", "alice"]);
    prop_oneof![
        1 => Just(Event::None),
        1 => principal().prop_map(Event::OpenedAll),
        2 => (principal(), vec(any::<bool>(), 70))
            .prop_map(|(principal, opened)| Event::Opened(principal, opened)),
    ]
}

pub(crate) fn case_of(group: SecurityGroup, policy: Policy, quota: Quota) -> Case {
    case_with_event(group, policy, quota, &Event::None)
}

fn case_with_event(group: SecurityGroup, policy: Policy, quota: Quota, event: &Event) -> Case {
    let mut context = Context {
        now: "2026-06-01T00:00:00Z".parse().ok(),
        ..Context::default()
    };
    let mut opened_contents = BTreeSet::new();
    match event {
        Event::None => {}
        Event::OpenedAll(principal) => {
            context.principals.push((*principal).to_owned());
            context.opened = OpenedRules::All;
        }
        Event::Opened(principal, is_opened) => {
            context.principals.push((*principal).to_owned());
            let rules = group.rules.iter().zip(is_opened);
            let opened: Vec<_> = rules.filter(|(_, opened)| **opened).collect();
            context.opened = opened.iter().map(|(rule, _)| *rule).collect();
            opened_contents.extend(opened.iter().map(|(rule, _)| crate::ec2::content(rule)));
        }
    }
    Case {
        group,
        policy,
        lists: lists(),
        context,
        opened_contents,
        quota,
    }
}
