//! One event: intake, remediation, one decision line, and the answer for Lambda.

use lambda_runtime::Diagnostic;
use portcullis_remediation::intake::{Ignored, Intake, IntakeError, Origin, intake_value};
use portcullis_remediation::report::wire::SummaryV1;
use portcullis_remediation::{Clock, Handled, Remediator};
use serde_json::{Value, json};

use crate::metrics::Metrics;

/// Why the event must come again: the type that alarms and the on-failure destination see, and the sentence.
#[derive(Debug)]
pub(crate) struct Failure {
    code: &'static str,
    message: String,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: format!("Portcullis.{}", failure.code), error_message: failure.message }
    }
}

/// Handles an event: its decision line and its metrics are in the log when this is done.
///
/// # Errors
/// When the event is not understood, or anything is left open, unread or unsaid.
pub(crate) async fn handle(remediator: &Remediator, clock: &dyn Clock, event: &Value) -> Result<Value, Failure> {
    let mode = remediator.mode();
    match intake_value(event) {
        Ok(Intake::Change(change)) => {
            let handled = remediator.handle(&change).await;
            let answer = answer(&change.origin, &handled);
            measure(clock, &Metrics::of(mode, &handled));
            answer
        }
        Ok(Intake::Ignored { origin, reason }) => Ok(ignored(&origin, &reason)),
        Err(error) => {
            measure(clock, &Metrics::misunderstood(mode));
            Err(misunderstood(&error))
        }
    }
}

fn measure(clock: &dyn Clock, metrics: &Metrics) {
    portcullis_function::metrics::write(&metrics.lines(clock.now()));
}

fn answer(origin: &Origin, handled: &Handled) -> Result<Value, Failure> {
    for report in &handled.reports {
        let expired = report.expired_exceptions.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        tracing::info!(
            event.id = origin.event_id,
            event.name = %origin.event_name,
            actor = origin.actor.who,
            group.id = %report.group.id,
            outcome = %report.outcome,
            mode = %report.mode,
            policy = report.policy,
            findings = report.findings.len(),
            removed = report.removed.len(),
            added = report.added.len(),
            refused = report.refusals.len(),
            remaining = report.remaining.len(),
            rounds = report.rounds,
            exposure_seconds = report.exposure_seconds(),
            exceptions_expired = expired,
            "decided"
        );
    }
    let Some(first) = handled.errors.first() else {
        return Ok(json!(SummaryV1::new(origin.event_id.as_deref(), &handled.reports)));
    };
    let message = handled.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    tracing::error!(
        event.id = origin.event_id,
        code = first.code(),
        error = message,
        "not done: the event must come again"
    );
    Err(Failure { code: first.code(), message })
}

fn ignored(origin: &Origin, reason: &Ignored) -> Value {
    tracing::info!(event.id = origin.event_id, event.name = %origin.event_name, %reason, "ignored");
    json!({ "version": 1, "outcome": "ignored", "event_id": origin.event_id, "reason": reason.to_string() })
}

fn misunderstood(error: &IntakeError) -> Failure {
    tracing::error!(code = "event-not-understood", %error, "not done: the event is not understood");
    Failure { code: "event-not-understood", message: error.to_string() }
}
