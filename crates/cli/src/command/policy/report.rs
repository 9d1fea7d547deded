//! The JSON output of `portcullis policy check`.

use portcullis_policy::{Diagnostic, Diagnostics};
use serde::Serialize;

use crate::describe::Problem;
use crate::output::to_pretty_json;

/// `policy check --format json`, version 1.
#[derive(Debug, Serialize)]
struct CheckV1<'a> {
    version: u32,
    policy: Option<&'a str>,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<DiagnosticV1<'a>>,
    stale_exceptions: &'a [String],
    /// Whether all groups of `--input` were evaluated; if not, no exception is called stale. Null
    /// without `--input`.
    complete: Option<bool>,
    input_errors: &'a [Problem],
}

#[derive(Debug, Serialize)]
struct DiagnosticV1<'a> {
    level: &'static str,
    code: &'static str,
    message: &'a str,
    line: usize,
    column: usize,
    help: Option<&'a str>,
}

/// The report as JSON. `policy` is the name of a valid policy, `problems` are those of the
/// groups, if there are any groups.
pub(super) fn check_report(
    policy: Option<&str>,
    found: &Diagnostics,
    stale_exceptions: &[String],
    problems: Option<&[Problem]>,
) -> serde_json::Result<String> {
    let warnings = found
        .iter()
        .filter(|diagnostic| diagnostic.code().is_warning())
        .count();
    to_pretty_json(&CheckV1 {
        version: 1,
        policy,
        errors: found.len().saturating_sub(warnings),
        warnings: warnings.saturating_add(stale_exceptions.len()),
        diagnostics: found
            .iter()
            .map(|diagnostic| diagnostic_report(found, diagnostic))
            .collect(),
        stale_exceptions,
        complete: problems.map(<[Problem]>::is_empty),
        input_errors: problems.unwrap_or_default(),
    })
}

fn diagnostic_report<'a>(found: &Diagnostics, diagnostic: &'a Diagnostic) -> DiagnosticV1<'a> {
    let (line, column) = found.position(diagnostic);
    let level = if diagnostic.code().is_warning() {
        "warning"
    } else {
        "error"
    };
    DiagnosticV1 {
        level,
        code: diagnostic.code().code(),
        message: diagnostic.message(),
        line,
        column,
        help: diagnostic.help_text(),
    }
}
