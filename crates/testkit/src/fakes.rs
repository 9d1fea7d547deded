//! Fakes for telling and for time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use portcullis_remediation::Alert;
use portcullis_remediation::ports::{Clock, ErrorKind, PortError, Tell};

/// Keeps the alerts it is told, and fails as often as it is asked to.
#[derive(Debug, Default)]
pub struct FakeTell {
    told: Mutex<Vec<Alert>>,
    failures: Mutex<u32>,
}

impl FakeTell {
    /// Fails the next `count` times.
    pub fn fail(&self, count: u32) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) = count;
    }

    /// The alerts that were accepted.
    pub fn told(&self) -> Vec<Alert> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Tell for FakeTell {
    async fn tell(&self, alert: &Alert) -> Result<(), PortError> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = failures.checked_sub(1) {
            *failures = left;
            return Err(PortError::new("Publish", ErrorKind::Throttled, "injected"));
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(alert.clone());
        Ok(())
    }
}

/// A clock that stands still but for its sleeps.
#[derive(Debug)]
pub struct FakeClock(Mutex<(Timestamp, Vec<Duration>)>);

impl FakeClock {
    /// A clock at this time.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new((now, Vec::new())))
    }

    /// The sleeps so far.
    pub fn sleeps(&self) -> Vec<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    async fn sleep(&self, duration: Duration) {
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = SignedDuration::try_from(duration).unwrap_or(SignedDuration::ZERO);
        clock.0 = clock.0.saturating_add(passed).unwrap_or(clock.0);
        clock.1.push(duration);
    }
}
