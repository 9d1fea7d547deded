//! Waiting for what happens elsewhere.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often [`wait_until`] looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` has an answer.
///
/// # Errors
/// When `look` fails, or when it has no answer within `limit`; the message then says `what` was waited for.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:.0?} in vain for {what}");
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_waited_for() {
        let error = wait_until("Godot", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert_eq!(error.to_string(), "waited 0ns in vain for Godot");
    }

    #[test]
    fn looks_until_there_is_something() {
        let mut looks = 0;
        let found = wait_until("the third look", Duration::from_secs(10), || {
            looks += 1;
            Ok((looks == 3).then_some("found"))
        });
        assert_eq!(found.unwrap(), "found");
    }
}
