//! What a run of the demo produced.

use std::time::Duration;

use portcullis_e2e::Message;
use serde_json::Value;

use super::scenario::Scenario;

#[derive(Debug)]
pub(super) struct DemoOutcome {
    pub(super) scenario: Scenario,
    /// The CloudTrail record that was put on the event bus.
    pub(super) record: Value,
    /// The security group rules at the end, as EC2 describes them.
    pub(super) rules: Vec<Value>,
    pub(super) alerts: Vec<Message>,
    /// From the event to the last removal; nothing if no rule was removed.
    pub(super) time_to_close: Option<Duration>,
    /// From the event to the e-mail; nothing if there was none.
    pub(super) time_to_email: Option<Duration>,
    /// The EC2 actions that the function called, in order.
    pub(super) ec2_actions: Vec<String>,
}

impl DemoOutcome {
    /// The alert that was sent by a protocol.
    pub(super) fn alert(&self, protocol: &str) -> Option<&Message> {
        let mut alerts = self.alerts.iter();
        alerts.find(|alert| alert.protocol == protocol)
    }
}
