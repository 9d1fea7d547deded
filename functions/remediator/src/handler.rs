//! Handles one event: decodes it, remediates, logs the result and its metrics, and responds to
//! Lambda.

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::Context;
use portcullis_function::{InvocationError, function_account};
use portcullis_remediation::event::{DecodeError, DecodedEvent, IgnoreReason, Origin};
use portcullis_remediation::report::json::SummaryV1;
use portcullis_remediation::{Clock, EventOutcome, GroupReport, RemediationError, Remediator};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::envelope::decode_payload;
use crate::metrics::EventMetrics;

/// The part of the function's timeout that is reserved for the group in progress and its alert.
const TIME_RESERVE: Duration = Duration::from_secs(15);

/// Handles an event. It starts no group shortly before the deadline. Logs the result and, unless
/// the event is ignored, the metrics.
///
/// # Errors
/// When the event cannot be decoded, a group could not be read, a required removal failed or could
/// not be verified, or an alert was not published. A guardrail refusal is not an error.
pub(crate) async fn handle_event(
    remediator: &Remediator,
    clock: &dyn Clock,
    payload: &RawValue,
    context: &Context,
) -> Result<Value, InvocationError> {
    let mode = remediator.mode();
    match decode_payload(payload) {
        Ok(DecodedEvent::Change(change)) => {
            let change = change.in_account_of(function_account(&context.invoked_function_arn));
            let origin = &change.origin;
            let log_report = |report: &GroupReport| log_group_report(origin, report);
            let timeout = Timestamp::try_from(context.deadline()).unwrap_or(Timestamp::MAX);
            let deadline = timeout.saturating_sub(TIME_RESERVE).unwrap_or(timeout);
            let outcome = remediator
                .handle_change_until(&change, deadline, &log_report)
                .await;
            let response = report_outcome(&change.origin, &outcome);
            write_event_metrics(clock, &EventMetrics::from_outcome(mode, &outcome));
            response
        }
        Ok(DecodedEvent::Ignored { origin, reason }) => Ok(report_ignored_event(&origin, &reason)),
        Err(error) => {
            write_event_metrics(clock, &EventMetrics::decode_failure(mode));
            Err(report_decode_error(&error))
        }
    }
}

fn write_event_metrics(clock: &dyn Clock, metrics: &EventMetrics) {
    portcullis_function::metrics::write_metric_lines(&metrics.to_log_lines(clock.now()));
}

fn report_outcome(origin: &Origin, outcome: &EventOutcome) -> Result<Value, InvocationError> {
    let errors = &outcome.errors;
    let Some(error) = InvocationError::from_errors(errors, RemediationError::code) else {
        let event_id = origin.event_id.as_deref();
        return Ok(json!(SummaryV1::new(event_id, &outcome.reports)));
    };
    tracing::error!(
        event.id = origin.event_id,
        code = error.code(),
        error = error.message(),
        "invocation failed, event will be retried"
    );
    Err(error)
}

fn log_group_report(origin: &Origin, report: &GroupReport) {
    let expired: Vec<_> = report.expired_exceptions.iter().cloned().collect();
    tracing::info!(
        event.id = origin.event_id,
        event.name = %origin.event_name,
        actor = origin.actor.who,
        group.id = %report.group.id,
        outcome = %report.outcome,
        mode = %report.mode,
        policy.name = report.policy.name,
        policy.version = report.policy.version,
        policy.hash = report.policy.hash,
        findings = report.findings().count(),
        removed = report.removed_rules().count(),
        added = report.replacements().count(),
        refused = report.refused_rules().count(),
        remaining = report.open_rules().count(),
        rounds = report.rounds,
        exposure_seconds = report.exposure_seconds(),
        expired_exceptions = expired.join(","),
        "group evaluated"
    );
}

fn report_ignored_event(origin: &Origin, reason: &IgnoreReason) -> Value {
    tracing::info!(event.id = origin.event_id, event.name = %origin.event_name, %reason, "ignored");
    json!({
        "version": 1,
        "outcome": "ignored",
        "event_id": origin.event_id,
        "reason": reason.to_string(),
    })
}

fn report_decode_error(error: &DecodeError) -> InvocationError {
    let error = InvocationError::new("unrecognized-event", error.to_string());
    tracing::error!(
        code = error.code(),
        error = error.message(),
        "unrecognized event"
    );
    error
}
