//! A remediator with the baseline policy and an in-memory EC2.

use std::sync::Arc;

use portcullis_remediation::event::GroupChange;
use portcullis_remediation::remediator::{
    EventOutcome, Limits, RemediationError, Remediator, Services,
};
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::{IngressEditor, Mode};
use portcullis_rules::baseline::baseline_policy;
use portcullis_testkit::{Call, FakeClock, FakeEc2, FakePublisher, group_change, group_from_lines};

pub(crate) const SG: &str = "sg-1";

/// Two offending rules and three compliant ones.
pub(crate) const MIXED: [&str; 5] = [
    "sgr-1 tcp 22 0.0.0.0/0",
    "sgr-2 tcp 22 10.0.0.0/8",
    "sgr-3 tcp 8040 ::/0",
    "sgr-4 tcp 443 0.0.0.0/0",
    "sgr-5 tcp 22 sg-9",
];

pub(crate) const COMPLIANT: [&str; 3] = [
    "sgr-2 tcp 22 10.0.0.0/8",
    "sgr-4 tcp 443 0.0.0.0/0",
    "sgr-5 tcp 22 sg-9",
];

pub(crate) struct World {
    pub(crate) ec2: Arc<FakeEc2>,
    pub(crate) publisher: Arc<FakePublisher>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) remediator: Remediator,
}

pub(crate) fn world(lines: &[&str], mode: Mode) -> World {
    let ec2 = Arc::new(FakeEc2::with_groups([group_from_lines(SG, lines)]));
    let publisher = Arc::new(FakePublisher::default());
    // Five minutes after the event, which is no longer recent.
    let clock = Arc::new(FakeClock::starting_at(
        "2026-11-21T12:05:00Z".parse().unwrap(),
    ));
    let editor: Option<Arc<dyn IngressEditor>> = match mode {
        Mode::Enforce => Some(ec2.clone()),
        Mode::Monitor => None,
    };
    let services = Services {
        reader: ec2.clone(),
        editor,
        publisher: publisher.clone(),
        clock: clock.clone(),
    };
    World {
        ec2,
        publisher,
        clock,
        remediator: Remediator::new(services, baseline_policy(), Limits::default()),
    }
}

impl World {
    pub(crate) fn handle(&self, change: &GroupChange) -> EventOutcome {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(self.remediator.handle_change(change))
    }

    pub(crate) fn handle_event(&self, id: &str) -> EventOutcome {
        self.handle(&group_change(SG, id))
    }

    pub(crate) fn reads(&self) -> usize {
        self.ec2
            .calls()
            .iter()
            .filter(|call| matches!(call, Call::Read(_)))
            .count()
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        self.publisher
            .published_alerts()
            .into_iter()
            .map(|alert| alert.subject)
            .collect()
    }
}

pub(crate) fn outcome(event: &EventOutcome) -> GroupOutcome {
    assert_eq!(event.reports.len(), 1, "{event:?}");
    event.reports[0].outcome
}

pub(crate) fn removed_count(event: &EventOutcome) -> usize {
    event.reports[0].removed_rules().count()
}

/// How many rules have this status.
pub(crate) fn status_count(event: &EventOutcome, status: &str) -> usize {
    let rules = event.reports[0].rules.iter();
    rules
        .filter(|outcome| outcome.status.as_str() == status)
        .count()
}

pub(crate) fn codes(event: &EventOutcome) -> Vec<&'static str> {
    event.errors.iter().map(RemediationError::code).collect()
}
