//! Test support: an in-memory EC2 with faults and a call log, fakes of the other services, and a
//! Lambda Runtime API.

mod ec2;
mod fakes;
mod list;
mod runtime_api;

pub use ec2::{Call, FakeEc2, Fault};
pub use fakes::{FakeClock, FakePublisher};
pub use list::FakeGroupLister;
pub use runtime_api::{Invocation, RuntimeApi};

use portcullis_remediation::event::{GroupChange, Origin, Target};
use portcullis_remediation::services::GroupRef;
use portcullis_rules::{IngressRule, SecurityGroup};

/// Parses a rule in the format of [`portcullis_rules::notation`], with an optional id in front:
/// `sgr-1 tcp 22 0.0.0.0/0`.
///
/// # Panics
/// When the line is not a rule.
pub fn rule_from_line(line: &str) -> IngressRule {
    let (id, rest) = match line.split_once(' ') {
        Some((id, rest)) if id.starts_with("sgr-") => (Some(id.to_owned()), rest),
        _ => (None, line),
    };
    match rest.parse::<IngressRule>() {
        Ok(mut rule) => {
            rule.id = id;
            rule
        }
        Err(error) => fail_test(&format!("{line}: {error}")),
    }
}

/// A group with the rules of these lines.
///
/// # Panics
/// When a line is not a rule.
pub fn group_from_lines(id: &str, lines: &[&str]) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        name: Some("web".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        rules: lines.iter().map(|line| rule_from_line(line)).collect(),
        ..SecurityGroup::default()
    }
}

/// An event that ingress rules were added to the group on 2026-11-21 at 12:00 UTC.
pub fn group_change(group_id: &str, event_id: &str) -> GroupChange {
    let origin = Origin {
        event_id: Some(event_id.to_owned()),
        event_name: "AuthorizeSecurityGroupIngress".to_owned(),
        time: "2026-11-21T12:00:00Z".parse().ok(),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        ..Origin::default()
    };
    let target = Target::Groups(vec![GroupRef::Id(group_id.to_owned())]);
    GroupChange {
        origin,
        target,
        claimed_rules: Vec::new(),
    }
}

/// Fails the test because of an invalid fixture.
#[expect(
    clippy::panic,
    reason = "test support: an invalid fixture must fail its test"
)]
pub(crate) fn fail_test(message: &str) -> ! {
    panic!("{message}")
}
