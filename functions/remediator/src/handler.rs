//! One event: intake, remediation, one decision line, and the answer for Lambda.

use lambda_runtime::Diagnostic;
use portcullis_remediation::event::{
    DecodeError, DecodedEvent, IgnoreReason, Origin, decode_event_value,
};
use portcullis_remediation::report::json::SummaryV1;
use portcullis_remediation::{Clock, EventOutcome, Remediator};
use serde_json::{Value, json};

use crate::metrics::EventMetrics;

/// Why the event must come again: the type that alarms and the on-failure destination see, and the sentence.
#[derive(Debug)]
pub(crate) struct InvocationError {
    code: &'static str,
    message: String,
}

impl From<InvocationError> for Diagnostic {
    fn from(failure: InvocationError) -> Self {
        Self {
            error_type: format!("Portcullis.{}", failure.code),
            error_message: failure.message,
        }
    }
}

/// Handles an event: its decision line and its metrics are in the log when this is done.
///
/// # Errors
/// When the event is not understood, or anything is left open, unread or unsaid.
pub(crate) async fn handle_event(
    remediator: &Remediator,
    clock: &dyn Clock,
    event: &Value,
) -> Result<Value, InvocationError> {
    let mode = remediator.mode();
    match decode_event_value(event) {
        Ok(DecodedEvent::Change(change)) => {
            let handled = remediator.handle_change(&change).await;
            let answer = report_outcome(&change.origin, &handled);
            write_event_metrics(clock, &EventMetrics::from_outcome(mode, &handled));
            answer
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

fn report_outcome(origin: &Origin, handled: &EventOutcome) -> Result<Value, InvocationError> {
    for report in &handled.reports {
        let expired = report
            .expired_exceptions
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(",");
        tracing::info!(
            event.id = origin.event_id,
            event.name = %origin.event_name,
            actor = origin.actor.who,
            group.id = %report.group.id,
            outcome = %report.outcome,
            mode = %report.mode,
            policy = report.policy,
            findings = report.findings().count(),
            removed = report.removed_rules().count(),
            added = report.replacements().count(),
            refused = report.refused_rules().count(),
            remaining = report.open_rules().count(),
            rounds = report.rounds,
            exposure_seconds = report.exposure_seconds(),
            exceptions_expired = expired,
            "decided"
        );
    }
    let Some(first) = handled.errors.first() else {
        return Ok(json!(SummaryV1::new(
            origin.event_id.as_deref(),
            &handled.reports
        )));
    };
    let message = handled
        .errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    tracing::error!(
        event.id = origin.event_id,
        code = first.code(),
        error = message,
        "not done: the event must come again"
    );
    Err(InvocationError {
        code: first.code(),
        message,
    })
}

fn report_ignored_event(origin: &Origin, reason: &IgnoreReason) -> Value {
    tracing::info!(event.id = origin.event_id, event.name = %origin.event_name, %reason, "ignored");
    json!({ "version": 1, "outcome": "ignored", "event_id": origin.event_id, "reason": reason.to_string() })
}

fn report_decode_error(error: &DecodeError) -> InvocationError {
    tracing::error!(code = "event-not-understood", %error, "not done: the event is not understood");
    InvocationError {
        code: "event-not-understood",
        message: error.to_string(),
    }
}
