//! Large policies.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use std::fmt::Write as _;

use portcullis_policy::{lint_policy, parse_policy, render_policy};

/// A policy with this many exceptions, of which none is redundant.
fn large_policy(count: u32) -> String {
    let mut text = "version: 1\nextends: baseline\nexceptions:\n".to_owned();
    for n in 0..count {
        writeln!(
            text,
            "  - id: vendor-{n}\n    reason: the appliance of vendor {n} calls back (contract {n})\n    \
             owner: team-{n}@example.com\n    expires: 2027-03-31\n    rules: [uncommon-ports, port-range]\n    \
             protocol: tcp\n    ports: [{}, 9000-9010]\n    sources: [0.0.0.0/0, \"2001:db8::/32\"]\n    \
             match: {{ groups: [sg-{n:017x}], names: [\"edge-{n}-*\"], regions: [eu-west-1] }}",
            8000_u32.saturating_add(n)
        )
        .unwrap();
    }
    text
}

#[test]
fn a_thousand_exceptions_are_parsed_and_rendered() {
    let loaded = parse_policy("policy.yaml", &large_policy(1000)).unwrap();
    assert_eq!(loaded.policy.exceptions.len(), 1000);
    assert!(lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap()).is_empty());
    let rendered = render_policy(&loaded.policy);
    assert_eq!(
        parse_policy("policy.yaml", &rendered)
            .unwrap()
            .policy
            .exceptions,
        loaded.policy.exceptions
    );
}

#[test]
fn the_first_of_a_thousand_errors_are_rendered() {
    let errors =
        parse_policy("policy.yaml", &large_policy(1000).replace("tcp", "tpc")).unwrap_err();
    assert_eq!(errors.len(), 1000);
    assert!(
        errors
            .to_string()
            .ends_with("did you mean `tcp`?\n\nand 800 more")
    );
    assert_eq!(errors.log_lines().count(), 1000);
}

/// Warnings take time that grows with the number of exceptions, not with its square.
#[test]
fn every_exception_of_a_large_policy_is_linted() {
    let text = large_policy(1000)
        .replace("    expires: 2027-03-31\n", "")
        .replace(
            "match: { groups",
            "match: { vpcs: [vpc-0123456789abcdef0], groups",
        );
    let loaded = parse_policy("policy.yaml", &text).unwrap();
    let warnings = lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap());
    assert_eq!(warnings.len(), 1000);
    let lines: Vec<_> = warnings
        .iter()
        .map(|warning| warnings.position(warning).0)
        .collect();
    assert!(lines.is_sorted() && lines.last().unwrap() > lines.first().unwrap());
}
