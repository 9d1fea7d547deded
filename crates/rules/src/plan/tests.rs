//! Plans one can read: a policy, a group, and what is done. The laws over everything else are in `tests/laws`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::baseline::baseline;
use crate::check::Check;
use crate::exception::Exception;
use crate::group::tests::group;
use crate::judge::judge;
use crate::policy::{Change, Guardrails, Override, Rule, Severity};
use crate::ports::{PortSet, PortSpan};
use crate::protocol::Protocol;
use crate::scope::{Glob, Scope};
use crate::source::{Source, parse_cidr};
use crate::traffic::TrafficSet;

/// A rule without anything special.
fn rule(id: &str, action: Action, check: Check) -> Rule {
    Rule {
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
fn restrict(id: &str, check: Check, trusted: &[&str]) -> Rule {
    let trusted = trusted.iter().map(|source| source.parse().unwrap()).collect();
    Rule { trusted, ..rule(id, Action::Restrict, check) }
}

fn policy(rules: impl IntoIterator<Item = Rule>) -> Policy {
    Policy { rules: rules.into_iter().map(Arc::new).collect(), ..Policy::default() }
}

fn ports(ports: &[u16]) -> PortSet {
    ports.iter().copied().collect()
}

fn span(from: u16, to: u16) -> PortSet {
    PortSpan::new(from, to).unwrap().into()
}

/// These TCP and UDP ports.
fn open(ports: PortSet) -> Check {
    Check::OpenPorts(TrafficSet::ports(ports))
}

/// The world may reach TCP 80 and 443; everything else is narrowed away.
fn web_only() -> Policy {
    policy([rule("web-only", Action::Narrow, Check::OpenExcept(TrafficSet::tcp(ports(&[80, 443]))))])
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
        ("pl-office", vec![cidr("198.51.100.0/24"), cidr("203.0.113.0/24")]),
        ("pl-office6", vec![cidr("2001:db8::/32")]),
        ("pl-both", vec![cidr("2001:db8::/32"), cidr("198.51.100.0/24")]),
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
        Self { policy, group: group(lines), lists: lists(), context, foreign: false, attachments, quota }
    }

    fn plan(&self) -> Plan {
        let Self { policy, group, lists, context, foreign, attachments, quota } = self;
        let judgement = judge(policy, group, lists, context);
        plan(
            &Situation { policy, group, lists, context, foreign: *foreign, attachments: *attachments, quota: *quota },
            &judgement,
        )
    }
}

/// The plan in lines: `-` goes, `+` comes, `x` is lost, `!` is refused.
fn shown(plan: &Plan) -> Vec<String> {
    let removals = plan.removals.iter().map(|it| format!("- {}", it.ingress));
    let additions = plan.additions.iter().map(|it| format!("+ {}", it.ingress));
    let losses = plan.losses.iter().map(|it| format!("x {} {}", it.ingress, it.reason.code()));
    let refusals = plan.refusals.iter().map(|it| format!("! {} {}", it.ingress, it.reason.code()));
    removals.chain(additions).chain(losses).chain(refusals).collect()
}

fn planned(policy: Policy, lines: &[&str]) -> Vec<String> {
    shown(&Scene::new(policy, lines).plan())
}

// Narrow.

#[test]
fn seed_001_every_port_becomes_80_and_443() {
    assert_eq!(
        planned(web_only(), &["tcp 0-65535 0.0.0.0/0", "udp 0-65535 0.0.0.0/0"]),
        ["- tcp 0-65535 0.0.0.0/0", "- udp 0-65535 0.0.0.0/0", "+ tcp 80 0.0.0.0/0", "+ tcp 443 0.0.0.0/0"]
    );
}

#[test]
fn what_is_kept_is_there_already() {
    let plan = Scene::new(web_only(), &["tcp 80-443 0.0.0.0/0", "tcp 80 0.0.0.0/0"]).plan();
    assert_eq!(shown(&plan), ["- tcp 80-443 0.0.0.0/0", "+ tcp 443 0.0.0.0/0"]);
}

#[test]
fn all_traffic_narrowed_keeps_icmp_and_the_other_protocols() {
    let no_ports = policy([rule("no-ports", Action::Narrow, open(ports(&[443]).complement()))]);
    let plan = Scene::new(no_ports.clone(), &["-1 - 0.0.0.0/0"]).plan();
    let shown = shown(&plan);
    assert_eq!(shown[..4], ["- all - 0.0.0.0/0", "+ icmp - 0.0.0.0/0", "+ tcp 443 0.0.0.0/0", "+ udp 443 0.0.0.0/0"]);
    let numbers = plan.additions.iter().filter(|it| matches!(it.ingress.protocol(), Protocol::Other(_)));
    assert_eq!((numbers.count(), shown.len()), (252, 256));
    // The family decides which ICMP it is. Of a list with both, or of a group, it can be either.
    let over_v6 = Scene::new(no_ports, &["-1 - ::/0"]).plan();
    assert_eq!(over_v6.additions[0].ingress.to_string(), "icmpv6 - ::/0");
}

#[test]
fn an_icmp_rule_narrowed_away_leaves_nothing() {
    assert_eq!(planned(web_only(), &["icmp 8/0 0.0.0.0/0"]), ["- icmp 8/0 0.0.0.0/0"]);
    assert_eq!(planned(web_only(), &["47 - ::/0"]), ["- 47 - ::/0"]);
}

#[test]
fn an_exception_keeps_its_port() {
    let uncommon = || policy([rule("uncommon", Action::Narrow, open(span(1024, 65535)))]);
    let exceptions = vec![Arc::new(exception(TrafficSet::tcp(ports(&[8080]))))];
    let excepted = || Policy { exceptions: exceptions.clone(), ..uncommon() };
    assert_eq!(
        planned(excepted(), &["tcp 8080-8090 0.0.0.0/0"]),
        ["- tcp 8080-8090 0.0.0.0/0", "+ tcp 8080 0.0.0.0/0"]
    );
    assert!(planned(excepted(), &["tcp 8080 0.0.0.0/0"]).is_empty());
    assert_eq!(planned(excepted(), &["udp 8080 0.0.0.0/0"]), ["- udp 8080 0.0.0.0/0"], "it is for TCP");
    assert_eq!(planned(uncommon(), &["tcp 8080-8090 0.0.0.0/0"]), ["- tcp 8080-8090 0.0.0.0/0"]);
}

#[test]
fn what_is_kept_has_the_description_and_tags_of_what_goes() {
    let mut scene = Scene::new(web_only(), &["tcp 440-450 0.0.0.0/0"]);
    scene.group.rules[0].id = Some("sgr-1".to_owned());
    scene.group.rules[0].description = Some("shop".to_owned());
    scene.group.rules[0].tags.insert("team".to_owned(), "edge".to_owned());
    let plan = scene.plan();
    let kept = &plan.additions[0];
    assert_eq!((kept.purpose, &kept.instead_of), (Purpose::Keep, &scene.group.rules[0]));
    assert_eq!((&kept.ingress.id, kept.ingress.description.as_deref()), (&None, Some("shop")));
    assert_eq!(kept.ingress.tags, scene.group.rules[0].tags);
}

// Restrict.

#[test]
fn seed_000_step_03_only_trusted_entities_reach_8040() {
    // A fixed address, a range, another group: what the console steps of the seed offer.
    for (trusted, came) in [
        ("10.0.0.35/32", "+ tcp 8040 10.0.0.35/32"),
        ("10.0.5.0/24", "+ tcp 8040 10.0.5.0/24"),
        ("sg-01234123412341234", "+ tcp 8040 sg-01234123412341234"),
        ("pl-office", "+ tcp 8040 pl-office"),
    ] {
        let trusting = policy([restrict("uncommon", open(ports(&[8040])), &[trusted])]);
        let plan = Scene::new(trusting, &["tcp 8040 0.0.0.0/0"]).plan();
        assert_eq!(shown(&plan), ["- tcp 8040 0.0.0.0/0", came]);
        assert_eq!(plan.additions[0].purpose, Purpose::Trust);
    }
}

#[test]
fn v6_is_never_traded_for_v4() {
    for trusted in ["10.0.0.0/8", "pl-office"] {
        let trusting = policy([restrict("uncommon", open(ports(&[8040])), &[trusted])]);
        assert_eq!(
            planned(trusting, &["tcp 8040 0.0.0.0/0", "tcp 8040 ::/0"]),
            ["- tcp 8040 0.0.0.0/0".to_owned(), "- tcp 8040 ::/0".to_owned(), format!("+ tcp 8040 {trusted}")]
        );
    }
    for trusted in ["2001:db8::/32", "pl-office6"] {
        let trusting = policy([restrict("uncommon", open(ports(&[8040])), &[trusted])]);
        assert_eq!(planned(trusting, &["tcp 8040 0.0.0.0/0"]), ["- tcp 8040 0.0.0.0/0"]);
    }
}

#[test]
fn a_trusted_source_outside_is_a_loss() {
    let trusting = |trusted: &str| policy([restrict("broad", Check::BroadSource, &[trusted])]);
    for trusted in ["10.0.0.0/8", "0.0.0.0/0", "pl-office", "pl-both", "pl-unknown"] {
        assert_eq!(
            planned(trusting(trusted), &["tcp 22 52.0.0.0/8"]),
            ["- tcp 22 52.0.0.0/8".to_owned(), format!("x tcp 22 {trusted} trusted-source-outside")]
        );
    }
    assert_eq!(
        planned(trusting("52.1.0.0/16"), &["tcp 22 52.0.0.0/8"]),
        ["- tcp 22 52.0.0.0/8", "+ tcp 22 52.1.0.0/16"]
    );
    let half_inside = ["- tcp 22 203.0.0.0/8", "x tcp 22 pl-office trusted-source-outside"];
    assert_eq!(planned(trusting("pl-office"), &["tcp 22 203.0.0.0/8"]), half_inside);
    // Nothing is known of one list that goes; the other has entries of both families, and not this one.
    for list in ["pl-unknown", "pl-both"] {
        let ranges = policy([restrict("ranges", Check::PortRangeInternal, &["10.0.0.0/8"])]);
        assert_eq!(
            planned(ranges, &[&format!("tcp 20-25 {list}")]),
            [format!("- tcp 20-25 {list}"), "x tcp 20-25 10.0.0.0/8 trusted-source-outside".to_owned()]
        );
    }
}

#[test]
fn what_one_rule_cannot_open_another_can() {
    let trusting = policy([restrict("ssh", open(ports(&[22])), &["10.0.0.0/8", "203.0.113.0/24"])]);
    assert_eq!(
        planned(trusting, &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
        ["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1", "+ tcp 22 10.0.0.0/8", "+ tcp 22 203.0.113.0/24"],
        "each half holds one of the two, and neither is a loss"
    );
}

#[test]
fn a_loss_is_one_unless_the_source_has_all_of_it_in_the_end() {
    let trusting = policy([
        restrict("ports", open(ports(&[22, 23])), &["10.0.0.0/8"]),
        restrict("broad", Check::BroadSource, &["10.0.0.0/8"]),
    ]);
    assert_eq!(
        planned(trusting.clone(), &["tcp 22-23 0.0.0.0/0", "tcp 22 52.0.0.0/8"]),
        ["- tcp 22-23 0.0.0.0/0", "- tcp 22 52.0.0.0/8", "+ tcp 22-23 10.0.0.0/8"]
    );
    assert_eq!(
        planned(trusting, &["tcp 22 0.0.0.0/0", "tcp 24 52.0.0.0/8"]),
        [
            "- tcp 22 0.0.0.0/0",
            "- tcp 24 52.0.0.0/8",
            "+ tcp 22 10.0.0.0/8",
            "x tcp 24 10.0.0.0/8 trusted-source-outside"
        ]
    );
    let icmp = policy([restrict("icmp", Check::OpenExcept(TrafficSet::default()), &["pl-unknown"])]);
    assert_eq!(
        planned(icmp, &["icmp 8/0 0.0.0.0/0", "icmp 3/4 pl-unknown"]),
        ["- icmp 8/0 0.0.0.0/0", "x icmp 8/0 pl-unknown trusted-source-outside"],
        "another message is no substitute"
    );
}

#[test]
fn a_trusted_source_that_is_forbidden_too_is_a_loss() {
    let own = policy([restrict("ranges", Check::PortRangeInternal, &["10.0.0.0/8"])]);
    assert_eq!(
        planned(own, &["tcp 20-25 10.0.0.0/8"]),
        ["- tcp 20-25 10.0.0.0/8", "x tcp 20-25 10.0.0.0/8 trusted-source-forbidden"]
    );
    let other = policy([
        restrict("ssh", open(ports(&[22])), &["52.0.0.0/8"]),
        rule("broad", Action::Revoke, Check::BroadSource),
    ]);
    assert_eq!(
        planned(other, &["tcp 22 0.0.0.0/0"]),
        ["- tcp 22 0.0.0.0/0", "x tcp 22 52.0.0.0/8 trusted-source-forbidden"]
    );
}

#[test]
fn opening_and_forbidding_by_turns_comes_to_an_end() {
    let mut scene =
        Scene::new(policy([restrict("ssh", open(ports(&[22])), &["pl-world", "0.0.0.0/0"])]), &["tcp 22 0.0.0.0/0"]);
    scene.lists.insert("pl-world", [parse_cidr("0.0.0.0/0").unwrap()]);
    assert_eq!(
        shown(&scene.plan()),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 0.0.0.0/0 trusted-source-forbidden",
            "x tcp 22 pl-world trusted-source-forbidden"
        ]
    );
}

#[test]
fn all_of_it_for_a_trusted_source_is_one_rule() {
    let trusting = policy([restrict("all-traffic", Check::AllTraffic, &["10.0.0.0/8"])]);
    assert_eq!(planned(trusting, &["-1 - 0.0.0.0/0"]), ["- all - 0.0.0.0/0", "+ all - 10.0.0.0/8"]);
}

#[test]
fn icmp_for_a_trusted_source_keeps_its_type_and_code() {
    let trusting = policy([restrict("icmp", Check::OpenExcept(TrafficSet::default()), &["10.0.0.0/8", "sg-1"])]);
    assert_eq!(
        planned(trusting, &["icmp 8/0 0.0.0.0/0"]),
        ["- icmp 8/0 0.0.0.0/0", "+ icmp 8/0 10.0.0.0/8", "+ icmp 8/0 sg-1"]
    );
}

#[test]
fn a_group_whose_owner_is_told_is_the_same_group() {
    let trusting = policy([restrict("ssh", open(ports(&[22])), &["sg-1"])]);
    let mut scene = Scene::new(trusting, &["tcp 22 0.0.0.0/0", "tcp 22 sg-1"]);
    let Source::Group(there) = &mut scene.group.rules[1].source else { panic!() };
    there.owner_id = Some("111122223333".to_owned());
    assert_eq!(shown(&scene.plan()), ["- tcp 22 0.0.0.0/0"], "EC2 would refuse a twin");
}

// Several findings on one box.

#[test]
fn the_strongest_action_on_a_box_wins() {
    let ssh = || restrict("ssh", open(ports(&[22])), &["10.0.0.0/8"]);
    let telnet = || rule("telnet", Action::Narrow, open(ports(&[23])));
    let ftp = || rule("ftp", Action::Revoke, open(ports(&[21])));
    let box_of = |policy, line| {
        let plan = Scene::new(policy, &[line]).plan();
        (plan.removals[0].action, plan.removals[0].because.clone(), shown(&plan)[1..].to_vec())
    };
    let (action, because, came) = box_of(policy([ssh(), telnet(), ftp()]), "tcp 21-25 0.0.0.0/0");
    assert_eq!((action, because.join(" "), came), (Action::Revoke, "ftp ssh telnet".to_owned(), Vec::new()));
    let (action, because, came) = box_of(policy([ssh(), telnet(), ftp()]), "tcp 22-25 0.0.0.0/0");
    assert_eq!((action, because.join(" ")), (Action::Restrict, "ssh telnet".to_owned()));
    assert_eq!(came, ["+ tcp 22 10.0.0.0/8", "+ tcp 24-25 0.0.0.0/0"], "23 is opened to nobody");
    let (action, _, came) = box_of(policy([ssh(), telnet(), ftp()]), "tcp 23-25 0.0.0.0/0");
    assert_eq!((action, came), (Action::Narrow, vec!["+ tcp 24-25 0.0.0.0/0".to_owned()]));
}

#[test]
fn each_trusted_source_gets_what_its_own_rules_forbid() {
    let both = policy([
        restrict("ssh", open(ports(&[22])), &["10.0.0.0/8", "sg-1"]),
        restrict("telnet", open(ports(&[23])), &["10.0.0.0/8"]),
    ]);
    assert_eq!(
        planned(both, &["tcp 22-23 0.0.0.0/0"]),
        ["- tcp 22-23 0.0.0.0/0", "+ tcp 22 sg-1", "+ tcp 22-23 10.0.0.0/8"]
    );
}

#[test]
fn notify_and_off_change_nothing() {
    for action in [Action::Notify, Action::Off] {
        let plan = Scene::new(policy([rule("ssh", action, open(ports(&[22])))]), &["tcp 22 0.0.0.0/0"]).plan();
        assert!(plan.is_empty() && shown(&plan).is_empty());
    }
    let other = Override {
        scope: Scope::default(),
        changes: BTreeMap::from([("web-only".to_owned(), Change { severity: None, action: Some(Action::Notify) })]),
    };
    assert!(planned(Policy { overrides: vec![other], ..web_only() }, &["tcp 22 0.0.0.0/0"]).is_empty());
}

// Several boxes.

#[test]
fn the_baseline_revokes_what_offends_and_nothing_beside_it() {
    let lines = ["tcp 22 0.0.0.0/0", "tcp 22 10.0.0.0/8", "tcp 22 sg-1", "tcp 443 0.0.0.0/0", "tcp 8000-8010 ::/0"];
    assert_eq!(planned(baseline(), &lines), ["- tcp 22 0.0.0.0/0", "- tcp 8000-8010 ::/0"]);
}

#[test]
fn halves_go_together() {
    assert_eq!(
        planned(baseline(), &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1", "tcp 443 128.0.0.0/1"]),
        ["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1"]
    );
}

#[test]
fn a_closed_half_may_make_the_other_half_offend() {
    // As long as 22 is open to the world, the halves are not told to be broad there; then they are.
    let both =
        || policy([rule("ssh", Action::Revoke, open(ports(&[22]))), rule("broad", Action::Narrow, Check::BroadSource)]);
    let excepted = Exception { sources: vec!["0.0.0.0/1".parse().unwrap()], ..exception(TrafficSet::everything()) };
    let spared = Exception { rules: vec!["ssh".to_owned()], ..excepted };
    let policy = Policy { exceptions: vec![Arc::new(spared)], ..both() };
    let plan = Scene::new(policy, &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"]).plan();
    assert_eq!(shown(&plan), ["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1"]);
    let because: Vec<_> = plan.removals.iter().map(|it| (it.because.join(" "), it.action)).collect();
    assert_eq!(because, [("broad".to_owned(), Action::Narrow), ("ssh".to_owned(), Action::Revoke)]);
}

#[test]
fn narrow_sources_that_are_the_world_together_go_once_the_broad_one_is_gone() {
    let lines = ["tcp 22 0.0.0.0/0", "tcp 22 pl-low", "tcp 22 pl-high", "tcp 23 pl-low"];
    assert_eq!(planned(baseline(), &lines), ["- tcp 22 0.0.0.0/0", "- tcp 22 pl-low", "- tcp 22 pl-high"]);
}

#[test]
fn what_is_opened_does_not_take_a_rule_of_the_group_with_it() {
    let trusting = policy([restrict("ssh", open(ports(&[22])), &["pl-low"])]);
    assert_eq!(
        planned(trusting, &["tcp 22 0.0.0.0/0", "tcp 22 pl-high"]),
        ["- tcp 22 0.0.0.0/0", "x tcp 22 pl-low trusted-source-forbidden"]
    );
}

#[test]
fn twins_go_together_and_are_replaced_once() {
    // EC2 holds no twins, an input file may.
    let plan = Scene::new(web_only(), &["tcp 80-81 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]).plan();
    assert_eq!(shown(&plan), ["- tcp 80-81 0.0.0.0/0", "- tcp 80-81 0.0.0.0/0", "+ tcp 80 0.0.0.0/0"]);
    let group = group(&["tcp 80-81 0.0.0.0/0", "tcp 80-81 0.0.0.0/0", "tcp 22 sg-1"]);
    let lines: Vec<_> = plan.applied(&group).rules.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["tcp 22 sg-1", "tcp 80 0.0.0.0/0"]);
}

#[test]
fn of_two_rules_that_leave_the_same_the_order_does_not_choose() {
    let described = |scene: &mut Scene| {
        for rule in &mut scene.group.rules {
            rule.description = Some(format!("was {rule}"));
        }
        scene.plan().additions[0].ingress.description.clone()
    };
    let one = described(&mut Scene::new(web_only(), &["tcp 80-81 0.0.0.0/0", "tcp 79-80 0.0.0.0/0"]));
    let other = described(&mut Scene::new(web_only(), &["tcp 79-80 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]));
    assert_eq!(one, other);
}

// The quota.

#[test]
fn with_room_for_both_what_is_kept_comes_first() {
    for (v4, order) in [(3, Order::AddFirst), (2, Order::RemoveFirst)] {
        let mut scene = Scene::new(web_only(), &["tcp 0-65535 0.0.0.0/0"]);
        scene.quota = Quota { v4, v6: 0 };
        let plan = scene.plan();
        assert_eq!((plan.order, plan.additions.len(), plan.losses.len()), (order, 2, 0), "{v4}");
    }
}

#[test]
fn what_has_no_room_is_lost_and_told() {
    let mut scene = Scene::new(web_only(), &["tcp 0-65535 0.0.0.0/0", "udp 53 10.0.0.0/8"]);
    scene.quota = Quota { v4: 2, v6: 60 };
    let plan = scene.plan();
    assert_eq!(plan.order, Order::RemoveFirst);
    assert_eq!(shown(&plan), ["- tcp 0-65535 0.0.0.0/0", "+ tcp 80 0.0.0.0/0", "x tcp 443 0.0.0.0/0 rules-quota"]);
    scene.quota = Quota { v4: 1, v6: 60 };
    assert_eq!(scene.plan().losses.len(), 2, "closing comes before keeping");
    assert_eq!(scene.plan().order, Order::AddFirst, "nothing is added");
}

#[test]
fn of_all_traffic_the_ports_are_kept_first_then_tunnels_then_the_rest() {
    let mut scene = Scene::new(policy([rule("ssh", Action::Narrow, open(ports(&[22])))]), &["-1 - 0.0.0.0/0"]);
    scene.quota = Quota::default();
    let plan = scene.plan();
    assert_eq!((plan.additions.len(), plan.losses.len()), (11, 5 + 252 - 11), "the rest whole or not at all");
    let protocols: Vec<_> = plan.additions.iter().map(|it| it.ingress.protocol().to_string()).collect();
    assert_eq!(protocols, ["icmp", "tcp", "tcp", "udp", "udp", "4", "41", "47", "50", "51", "132"].map(str::to_owned));
}

#[test]
fn each_family_has_its_quota_and_a_list_weighs_its_entries() {
    let restricted = |trusted: &str, quota| {
        let mut scene =
            Scene::new(policy([restrict("ssh", open(ports(&[22])), &[trusted])]), &["tcp 22 0.0.0.0/0", "tcp 1 ::/0"]);
        scene.quota = quota;
        let plan = scene.plan();
        (plan.order, plan.losses.len())
    };
    // The group is beyond its quota for IPv6 already, which is no matter to IPv4.
    assert_eq!(restricted("10.0.0.0/8", Quota { v4: 2, v6: 0 }), (Order::AddFirst, 0));
    assert_eq!(restricted("10.0.0.0/8", Quota { v4: 1, v6: 0 }), (Order::RemoveFirst, 0));
    assert_eq!(restricted("pl-office", Quota { v4: 3, v6: 0 }), (Order::AddFirst, 0));
    assert_eq!(restricted("pl-office", Quota { v4: 2, v6: 0 }), (Order::RemoveFirst, 0));
    assert_eq!(restricted("pl-office", Quota { v4: 1, v6: 0 }), (Order::AddFirst, 1));
    assert_eq!(restricted("sg-1", Quota { v4: 2, v6: 2 }), (Order::AddFirst, 0));
    assert_eq!(restricted("sg-1", Quota { v4: 2, v6: 1 }), (Order::AddFirst, 1), "a group counts for both");
}

#[test]
fn a_list_weighs_on_the_families_it_has_and_one_that_is_not_known_on_ipv4() {
    for (list, v4, order) in [
        ("pl-unknown", 3, Order::AddFirst),
        ("pl-unknown", 2, Order::RemoveFirst),
        ("pl-office", 4, Order::AddFirst),
        ("pl-office", 3, Order::RemoveFirst),
        ("pl-office6", 2, Order::AddFirst),
    ] {
        let mut scene = Scene::new(web_only(), &["tcp 79-80 0.0.0.0/0", &format!("tcp 443 {list}")]);
        scene.quota = Quota { v4, v6: 1 };
        let plan = scene.plan();
        assert_eq!((plan.order, plan.losses.len()), (order, 0), "{list} {v4}");
    }
}

#[test]
fn a_loss_that_makes_what_is_left_offend_takes_that_too() {
    // The rest of the half is open to the world only together with what there is no room for.
    let both = policy([
        rule("one", Action::Narrow, open(ports(&[8085]))),
        rule("ranges", Action::Narrow, Check::PortRangeInternal),
    ]);
    let mut scene = Scene::new(both, &["tcp 8080-8087 0.0.0.0/1", "tcp 8080-8090 0.0.0.0/0"]);
    scene.quota = Quota { v4: 3, v6: 3 };
    assert_eq!(
        shown(&scene.plan()),
        [
            "- tcp 8080-8087 0.0.0.0/1",
            "- tcp 8080-8090 0.0.0.0/0",
            "+ tcp 8080-8084 0.0.0.0/0",
            "+ tcp 8080-8084 0.0.0.0/1",
            "x tcp 8086-8090 0.0.0.0/0 rules-quota",
        ],
        "8086-8087 from the half is a range of its own then"
    );
}

#[test]
fn a_twin_of_what_goes_comes_after_it() {
    // The untagged half goes; the world, excepted by its tag, is kept for that half only: the same box, but tagged.
    let tagged = Exception {
        rule_tags: BTreeMap::from([("ticket".to_owned(), Glob::new("SEC-*"))]),
        ..exception(TrafficSet::tcp(ports(&[80])))
    };
    let strict = policy([rule("nothing", Action::Narrow, Check::OpenExcept(TrafficSet::default()))]);
    let policy = Policy { exceptions: vec![Arc::new(tagged)], ..strict };
    let mut scene = Scene::new(policy, &["tcp 80 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]);
    scene.group.rules[1].tags.insert("ticket".to_owned(), "SEC-1".to_owned());
    let plan = scene.plan();
    assert_eq!(shown(&plan), ["- tcp 80 0.0.0.0/0", "- tcp 80-81 0.0.0.0/0", "+ tcp 80 0.0.0.0/0"]);
    assert_eq!(plan.order, Order::RemoveFirst, "EC2 would refuse the twin");
}

// Guardrails.

/// A scene with one thing to do, under guardrails.
fn guarded(guardrails: Guardrails) -> Scene {
    Scene::new(Policy { guardrails, ..baseline() }, &["tcp 22 0.0.0.0/0", "tcp 20-25 ::/0", "tcp 22 10.0.0.0/8"])
}

fn refused(scene: &Scene) -> Option<RefusalReason> {
    let plan = scene.plan();
    assert!(plan.refusals.is_empty() || (plan.removals.is_empty() && plan.additions.is_empty()), "all or nothing");
    let boxes: Vec<_> = plan.refusals.iter().map(|refusal| refusal.ingress.to_string()).collect();
    assert!(boxes.is_empty() || boxes == ["tcp 20-25 ::/0", "tcp 22 0.0.0.0/0"], "{boxes:?}");
    plan.refusals.first().map(|refusal| refusal.reason)
}

#[test]
fn without_a_guardrail_nothing_is_refused() {
    assert_eq!(refused(&guarded(Guardrails::default())), None);
}

#[test]
fn a_group_of_another_account_is_refused() {
    let mut scene = guarded(Guardrails::default());
    assert_eq!(refused(&scene), None);
    scene.foreign = true;
    assert_eq!(refused(&scene), Some(RefusalReason::ForeignGroup));
}

#[test]
fn a_protected_group_is_refused() {
    let named = |id: &str| Scope { group_ids: vec![id.to_owned()], ..Scope::default() };
    let protecting = |protected| guarded(Guardrails { protected, ..Guardrails::default() });
    let id = guarded(Guardrails::default()).group.id;
    assert_eq!(refused(&protecting(vec![named("sg-other"), named(&id)])), Some(RefusalReason::ProtectedGroup));
    assert_eq!(refused(&protecting(vec![named("sg-other")])), None);
}

#[test]
fn a_spared_principal_is_refused() {
    let mut scene = guarded(Guardrails { spare_principals: vec![Glob::new("*role/deploy*")], ..Guardrails::default() });
    assert_eq!(refused(&scene), None, "outside of an event nobody is known");
    scene.context.principals = vec!["arn:aws:iam::111122223333:user/alice".to_owned()];
    assert_eq!(refused(&scene), None);
    scene.context.principals.push("arn:aws:iam::111122223333:role/deploy-prod".to_owned());
    assert_eq!(refused(&scene), Some(RefusalReason::SparedPrincipal));
    scene.policy.guardrails.spare_principals = Vec::new();
    assert_eq!(refused(&scene), None, "no glob spares nobody");
}

#[test]
fn groups_of_services_and_load_balancers_are_refused_when_asked_for() {
    let service = Attachments { service_managed: true, load_balancer: false };
    let balancer = Attachments { service_managed: false, load_balancer: true };
    for (spare_service_managed, spare_load_balancers, attachments, reason) in [
        (true, false, service, Some(RefusalReason::ServiceManaged)),
        (true, false, balancer, None),
        (false, true, balancer, Some(RefusalReason::LoadBalancer)),
        (false, true, service, None),
        (false, false, service, None),
        (true, true, Attachments::default(), None),
    ] {
        let guardrails = Guardrails { spare_service_managed, spare_load_balancers, ..Guardrails::default() };
        let scene = Scene { attachments, ..guarded(guardrails) };
        assert_eq!(refused(&scene), reason, "{attachments:?}");
    }
}

#[test]
fn too_many_removals_act_on_none() {
    let most = |most| refused(&guarded(Guardrails { max_removals: Some(most), ..Guardrails::default() }));
    assert_eq!((most(0), most(1)), (Some(RefusalReason::TooManyRemovals), Some(RefusalReason::TooManyRemovals)));
    assert_eq!((most(2), most(3)), (None, None));
}

#[test]
fn every_code_is_its_own_and_has_a_sentence() {
    let refusals = RefusalReason::ALL.map(|reason| (reason.code(), reason.sentence()));
    let losses = LossReason::ALL.map(|reason| (reason.code(), reason.sentence()));
    let all: BTreeMap<_, _> = refusals.into_iter().chain(losses).collect();
    assert_eq!(all.len(), RefusalReason::ALL.len() + LossReason::ALL.len());
    for (code, sentence) in all {
        assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '-') && code.len() > 3, "{code}");
        assert!(sentence.ends_with('.') && sentence.len() > 20, "{sentence}");
    }
}
