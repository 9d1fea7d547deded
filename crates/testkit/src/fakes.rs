//! Fakes of the alert publisher and the clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use portcullis_remediation::Alert;
use portcullis_remediation::services::{AlertPublisher, Clock, ErrorKind, ServiceError};

/// Stores published alerts and fails as often as requested.
#[derive(Debug, Default)]
pub struct FakePublisher {
    published: Mutex<Vec<Alert>>,
    remaining_failures: Mutex<u32>,
}

impl FakePublisher {
    /// Makes the next `count` calls fail.
    pub fn fail_next(&self, count: u32) {
        *self
            .remaining_failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = count;
    }

    /// The alerts that were published successfully.
    pub fn published_alerts(&self) -> Vec<Alert> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl AlertPublisher for FakePublisher {
    async fn publish(&self, alert: &Alert) -> Result<(), ServiceError> {
        let mut failures = self
            .remaining_failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(remaining) = failures.checked_sub(1) {
            *failures = remaining;
            return Err(ServiceError::new(
                "Publish",
                ErrorKind::Throttled,
                "injected",
            ));
        }
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(alert.clone());
        Ok(())
    }
}

/// A clock that advances only by its sleeps.
#[derive(Debug)]
pub struct FakeClock(Mutex<(Timestamp, Vec<Duration>)>);

impl FakeClock {
    /// A clock that starts at this time.
    pub fn starting_at(now: Timestamp) -> Self {
        Self(Mutex::new((now, Vec::new())))
    }

    /// The durations of all sleeps so far.
    pub fn recorded_sleeps(&self) -> Vec<Duration> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .clone()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    async fn sleep(&self, duration: Duration) {
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = SignedDuration::try_from(duration).unwrap_or(SignedDuration::ZERO);
        clock.0 = clock.0.saturating_add(elapsed).unwrap_or(clock.0);
        clock.1.push(duration);
    }
}
