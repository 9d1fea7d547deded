//! The limits of the remediation of one group.

use std::time::Duration;

/// The limits of the remediation of one group for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How often a plan is applied before the event fails and is retried.
    pub max_rounds: u32,
    /// The pause before a read that may be stale, doubled each time.
    pub initial_delay: Duration,
    /// How often the first read is repeated if a rule that the event claims is missing.
    pub max_rereads: u32,
    /// How old an event may be for the first read to be repeated.
    pub max_event_age: Duration,
    /// How long to wait for EC2 to apply the change of a prefix list, before that is left to the
    /// retry of the event.
    pub max_list_wait: Duration,
}

impl Default for Limits {
    /// Three rounds; pauses of 0.3 and 0.6 seconds, for events younger than a minute; at most 20
    /// seconds for a prefix list.
    fn default() -> Self {
        Self {
            max_rounds: 3,
            initial_delay: Duration::from_millis(300),
            max_rereads: 2,
            max_event_age: Duration::from_mins(1),
            max_list_wait: Duration::from_secs(20),
        }
    }
}
