//! Logging of a Lambda function.

/// Writes log messages to standard output, one JSON object per line.
///
/// Call this once, before anything logs.
pub fn init_logging() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .init();
}
