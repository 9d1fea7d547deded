//! Narrowing: what is allowed stays as boxes of its own.

use super::*;

#[test]
fn seed_001_every_port_becomes_80_and_443() {
    assert_eq!(
        planned(
            web_only(),
            &["tcp 0-65535 0.0.0.0/0", "udp 0-65535 0.0.0.0/0"]
        ),
        [
            "- tcp 0-65535 0.0.0.0/0",
            "- udp 0-65535 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0",
            "+ tcp 443 0.0.0.0/0"
        ]
    );
}

#[test]
fn what_is_kept_is_there_already() {
    let plan = Scene::new(web_only(), &["tcp 80-443 0.0.0.0/0", "tcp 80 0.0.0.0/0"]).plan();
    assert_eq!(
        shown(&plan),
        ["- tcp 80-443 0.0.0.0/0", "+ tcp 443 0.0.0.0/0"]
    );
}

#[test]
fn all_traffic_narrowed_keeps_icmp_and_the_other_protocols() {
    let no_ports = policy([rule(
        "no-ports",
        Action::Narrow,
        open(ports(&[443]).complement()),
    )]);
    let plan = Scene::new(no_ports.clone(), &["-1 - 0.0.0.0/0"]).plan();
    let shown = shown(&plan);
    assert_eq!(
        shown[..4],
        [
            "- all - 0.0.0.0/0",
            "+ icmp - 0.0.0.0/0",
            "+ tcp 443 0.0.0.0/0",
            "+ udp 443 0.0.0.0/0"
        ]
    );
    let numbers = plan
        .additions
        .iter()
        .filter(|it| matches!(it.ingress.protocol(), Protocol::Other(_)));
    assert_eq!((numbers.count(), shown.len()), (252, 256));
    // The family decides which ICMP it is. Of a list with both, or of a group, it can be either.
    let over_v6 = Scene::new(no_ports, &["-1 - ::/0"]).plan();
    assert_eq!(over_v6.additions[0].ingress.to_string(), "icmpv6 - ::/0");
}

#[test]
fn an_icmp_rule_narrowed_away_leaves_nothing() {
    assert_eq!(
        planned(web_only(), &["icmp 8/0 0.0.0.0/0"]),
        ["- icmp 8/0 0.0.0.0/0"]
    );
    assert_eq!(planned(web_only(), &["47 - ::/0"]), ["- 47 - ::/0"]);
}

#[test]
fn an_exception_keeps_its_port() {
    let uncommon = || policy([rule("uncommon", Action::Narrow, open(span(1024, 65535)))]);
    let exceptions = vec![Arc::new(exception(TrafficSet::tcp(ports(&[8080]))))];
    let excepted = || Policy {
        exceptions: exceptions.clone(),
        ..uncommon()
    };
    assert_eq!(
        planned(excepted(), &["tcp 8080-8090 0.0.0.0/0"]),
        ["- tcp 8080-8090 0.0.0.0/0", "+ tcp 8080 0.0.0.0/0"]
    );
    assert!(planned(excepted(), &["tcp 8080 0.0.0.0/0"]).is_empty());
    assert_eq!(
        planned(excepted(), &["udp 8080 0.0.0.0/0"]),
        ["- udp 8080 0.0.0.0/0"],
        "it is for TCP"
    );
    assert_eq!(
        planned(uncommon(), &["tcp 8080-8090 0.0.0.0/0"]),
        ["- tcp 8080-8090 0.0.0.0/0"]
    );
}

#[test]
fn what_is_kept_has_the_description_and_tags_of_what_goes() {
    let mut scene = Scene::new(web_only(), &["tcp 440-450 0.0.0.0/0"]);
    scene.group.rules[0].id = Some("sgr-1".to_owned());
    scene.group.rules[0].description = Some("shop".to_owned());
    scene.group.rules[0]
        .tags
        .insert("team".to_owned(), "edge".to_owned());
    let plan = scene.plan();
    let kept = &plan.additions[0];
    assert_eq!(
        (kept.purpose, &kept.replaces),
        (Purpose::Keep, &scene.group.rules[0])
    );
    assert_eq!(
        (&kept.ingress.id, kept.ingress.description.as_deref()),
        (&None, Some("shop"))
    );
    assert_eq!(kept.ingress.tags, scene.group.rules[0].tags);
}
