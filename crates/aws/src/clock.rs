//! The system clock.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use portcullis_remediation::Clock;

/// The clock of the operating system and the timer of tokio.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
