//! The JSON output of `portcullis policy check`.

use portcullis_policy::{Diagnostic, Diagnostics};
use serde::Serialize;

use crate::describe::Problem;
use crate::output::to_pretty_json;

use super::size::PolicySize;

/// `policy check --format json`, version 1.
#[derive(Debug, Serialize)]
struct CheckV1<'a> {
    version: u32,
    policy: Option<&'a str>,
    errors: usize,
    warnings: usize,
    /// The size of the text; null for a preset and an invalid policy.
    size: Option<PolicySize>,
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
    /// The text at this position that the diagnostic is about.
    text: &'a str,
    help: Option<&'a str>,
}

/// What the report is about.
pub(super) struct CheckReport<'a> {
    /// The name of a valid policy.
    pub(super) policy: Option<&'a str>,
    pub(super) found: &'a Diagnostics,
    pub(super) size: Option<PolicySize>,
    pub(super) stale_exceptions: &'a [String],
    /// The problems of the groups, if there are any groups.
    pub(super) problems: Option<&'a [Problem]>,
}

impl<'a> CheckReport<'a> {
    /// A report without a size and without groups.
    pub(super) const fn new(policy: Option<&'a str>, found: &'a Diagnostics) -> Self {
        Self {
            policy,
            found,
            size: None,
            stale_exceptions: &[],
            problems: None,
        }
    }
}

/// The report as JSON.
pub(super) fn check_report(report: &CheckReport<'_>) -> serde_json::Result<String> {
    let CheckReport {
        policy,
        found,
        size,
        stale_exceptions,
        problems,
    } = *report;
    let warnings = found
        .iter()
        .filter(|diagnostic| diagnostic.code().is_warning())
        .count();
    to_pretty_json(&CheckV1 {
        version: 1,
        policy,
        errors: found.len().saturating_sub(warnings),
        warnings: warnings.saturating_add(stale_exceptions.len()),
        size,
        diagnostics: found
            .iter()
            .map(|diagnostic| diagnostic_report(found, diagnostic))
            .collect(),
        stale_exceptions,
        complete: problems.map(<[Problem]>::is_empty),
        input_errors: problems.unwrap_or_default(),
    })
}

fn diagnostic_report<'a>(found: &'a Diagnostics, diagnostic: &'a Diagnostic) -> DiagnosticV1<'a> {
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
        text: found.underlined_text(diagnostic),
        help: diagnostic.help_text(),
    }
}
