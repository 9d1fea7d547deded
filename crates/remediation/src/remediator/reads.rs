//! Reads of a group that may be stale, because EC2 is eventually consistent.

use std::time::Duration;

use crate::event::{GroupChange, PrefixListChange};
use crate::services::{ErrorKind, GroupRef, ServiceError, Snapshot};

use super::limits::Limits;
use super::services::Services;

/// The first read. If the event is recent and the group, or a rule that the event claims, is not
/// there yet, the read is repeated a few times after pauses.
pub(super) async fn read_initial_snapshot(
    services: &Services,
    limits: &Limits,
    change: &GroupChange,
    named: &GroupRef,
) -> Result<Snapshot, ServiceError> {
    let mut answer = services.reader.read_group(named).await;
    let mut pause = limits.initial_delay;
    for _ in 0..limits.max_rereads {
        if !is_recent_event(services, limits, change) || !is_stale_read(&answer, change) {
            break;
        }
        services.clock.sleep(pause).await;
        pause = pause.saturating_mul(2);
        answer = services.reader.read_group(named).await;
    }
    answer
}

fn is_recent_event(services: &Services, limits: &Limits, change: &GroupChange) -> bool {
    let Some(time) = change.origin.time else {
        return false;
    };
    let now = services.clock.now().as_second();
    let age = u64::try_from(now.saturating_sub(time.as_second()));
    age.is_ok_and(|age| age <= limits.max_event_age.as_secs())
}

/// Whether the group, or a rule that the event claims, is missing.
fn is_stale_read(answer: &Result<Snapshot, ServiceError>, change: &GroupChange) -> bool {
    match answer {
        Ok(Snapshot { group, .. }) => !change
            .claimed_rules
            .iter()
            .all(|claim| group.rules.iter().any(|rule| rule.same_content(claim))),
        Err(error) => error.kind == ErrorKind::GroupNotFound,
    }
}

/// The read after `rounds` plans were applied. It can still contain rules that were just removed,
/// so later reads wait longer. If `is_early`, the first one waits as well.
pub(super) async fn reread_group(
    services: &Services,
    limits: &Limits,
    group_id: &str,
    rounds: u32,
    is_early: bool,
) -> Result<Snapshot, ServiceError> {
    if rounds > 1 || is_early {
        let doublings = rounds.saturating_sub(2).min(6);
        let pause = limits.initial_delay.saturating_mul(1 << doublings);
        services.clock.sleep(pause).await;
    }
    let group = GroupRef::Id(group_id.to_owned());
    services.reader.read_group(&group).await
}

/// The longest pause between two reads of the state of a prefix list.
const MAX_LIST_PAUSE: Duration = Duration::from_secs(2);

/// Waits until EC2 has applied the change of a prefix list, because an earlier read would return
/// the old entries.
///
/// # Errors
/// When the state cannot be read, or the change is not applied in time.
pub(super) async fn wait_for_prefix_list(
    services: &Services,
    limits: &Limits,
    change: &PrefixListChange,
) -> Result<(), ServiceError> {
    let mut pause = limits.initial_delay;
    let mut waited = Duration::ZERO;
    loop {
        let state = services.reader.read_prefix_list_state(&change.id).await?;
        let Some(state) = state else {
            return Ok(());
        };
        if state.is_settled_after(change.previous_version) {
            return Ok(());
        }
        if pause.is_zero() || waited.saturating_add(pause) > limits.max_list_wait {
            let message = format!(
                "{} is in state {} with version {} after {} seconds: EC2 has not applied the \
                 change yet",
                change.id,
                state.state,
                state.version,
                waited.as_secs()
            );
            let operation = "DescribeManagedPrefixLists";
            return Err(ServiceError::new(operation, ErrorKind::Other, message));
        }
        services.clock.sleep(pause).await;
        waited = waited.saturating_add(pause);
        pause = pause.saturating_mul(2).min(MAX_LIST_PAUSE);
    }
}
