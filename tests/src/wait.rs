//! Waiting for a condition.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two checks of [`wait_until`].
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `check` repeatedly until it returns a value.
///
/// # Errors
/// When `check` fails, or when it returns no value within `limit`. The message then contains
/// `what`.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut check: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = check()? {
            return Ok(found);
        }
        if start.elapsed() > limit {
            bail!("timed out after {limit:.0?} waiting for {what}");
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_contains_what_was_waited_for() {
        let error = wait_until("Godot", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert_eq!(error.to_string(), "timed out after 0ns waiting for Godot");
    }

    #[test]
    fn the_check_is_repeated_until_it_returns_a_value() {
        let mut checks = 0;
        let found = wait_until("the third check", Duration::from_secs(10), || {
            checks += 1;
            Ok((checks == 3).then_some("found"))
        });
        assert_eq!(found.unwrap(), "found");
    }
}
