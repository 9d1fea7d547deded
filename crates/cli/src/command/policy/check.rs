//! `portcullis policy check`: every mistake of a policy, and what is odd about one that holds.

use jiff::Timestamp;
use portcullis_policy::{Diagnostic, Diagnostics, LoadedPolicy, lint_policy, parse_policy};
use portcullis_rules::Context;
use serde::Serialize;

use crate::args::{CheckArgs, Format};
use crate::audit::Audit;
use crate::command::exceptions::stale_exceptions_warning;
use crate::command::groups::{problem_messages, read_groups, unknown_region_warning};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::{BOLD, CommandOutput, Message, MessageLevel, to_pretty_json};
use crate::text::{format_count, sanitize_text};

/// `policy check --format json`, version 1.
#[derive(Debug, Serialize)]
struct CheckV1<'a> {
    version: u32,
    policy: Option<&'a str>,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<DiagnosticV1<'a>>,
    stale_exceptions: &'a [String],
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

/// What the groups of an input say about a policy.
#[derive(Debug, Default)]
struct InputCheck {
    stale_exceptions: Vec<String>,
    messages: Vec<Message>,
    /// Whether the input could be understood only in part.
    is_partial: bool,
}

/// Runs the command.
///
/// # Errors
/// When an input cannot be read or, for people, when the policy does not hold.
pub(super) fn run_policy_check(
    args: &CheckArgs,
    now: Timestamp,
) -> Result<CommandOutput, CliError> {
    if args.policy.is_stdin() && args.input == Some(Input::Stdin) {
        return Err(CliError::TwoFromStdin("the policy", "the groups"));
    }
    let now = args.now.unwrap_or(now);
    let text = args.policy.read_text()?;
    let loaded = match (
        parse_policy(&args.policy.display_name(), &text),
        args.format,
    ) {
        (Ok(loaded), _) => loaded,
        (Err(found), Format::Json) => {
            let data = check_report(None, &found, &[])?;
            return Ok(CommandOutput {
                data,
                messages: Vec::new(),
                exit: ExitStatus::BadInput,
            });
        }
        (Err(found), Format::Human) => {
            let (name, found) = (args.policy.to_string(), Box::new(found));
            return Err(CliError::InvalidPolicy { name, found });
        }
    };
    let held = match &args.input {
        Some(input) => check_against_groups(args, &loaded, input, now)?,
        None => InputCheck::default(),
    };
    let found = lint_policy(&loaded, now);
    let warnings = found.len().saturating_add(held.stale_exceptions.len());
    let exit = if held.is_partial || (args.strict && warnings > 0) {
        ExitStatus::BadInput
    } else {
        ExitStatus::Clean
    };
    let (data, talk) = match args.format {
        Format::Json => (
            check_report(Some(&loaded.policy.name), &found, &held.stale_exceptions)?,
            held.messages,
        ),
        Format::Human => {
            let talk = policy_warnings(&found).into_iter().chain(held.messages);
            (
                check_summary(args, &loaded, warnings),
                talk.chain(strict_error(args, warnings)).collect(),
            )
        }
    };
    Ok(CommandOutput {
        data,
        messages: talk,
        exit,
    })
}

/// Holds the policy against the groups of an input.
fn check_against_groups(
    args: &CheckArgs,
    loaded: &LoadedPolicy,
    input: &Input,
    now: Timestamp,
) -> Result<InputCheck, CliError> {
    let context = Context {
        now: Some(now),
        region: args.region.clone(),
        ..Context::default()
    };
    let audit = Audit::from_groups(&loaded.policy, read_groups(input)?, &context);
    let stale = audit.stale_exceptions(&loaded.policy);
    let mut talk = problem_messages(&input.to_string(), &audit.problems);
    talk.extend(unknown_region_warning(&loaded.policy, audit.regions_known));
    if args.format == Format::Human {
        talk.extend(stale_exceptions_warning(&stale, &input.to_string()));
    }
    let stale = stale
        .into_iter()
        .map(|exception| exception.id.clone())
        .collect();
    Ok(InputCheck {
        stale_exceptions: stale,
        messages: talk,
        is_partial: !audit.problems.is_empty(),
    })
}

fn policy_warnings(found: &Diagnostics) -> Option<Message> {
    (!found.is_empty()).then(|| {
        let message = format!(
            "{} of the policy itself",
            format_count(found.len(), "warning")
        );
        Message {
            details: Some(found.render_colored()),
            ..Message::new(MessageLevel::Warning, message)
        }
    })
}

/// Why a policy that holds is not good enough.
fn strict_error(args: &CheckArgs, warnings: usize) -> Option<Message> {
    (args.strict && warnings > 0).then(|| {
        Message::new(
            MessageLevel::Error,
            format!(
                "{}, which `--strict` does not allow",
                format_count(warnings, "warning")
            ),
        )
    })
}

fn check_summary(args: &CheckArgs, loaded: &LoadedPolicy, warnings: usize) -> String {
    let policy = &loaded.policy;
    let mode = if policy.monitor { "monitor" } else { "enforce" };
    let name = sanitize_text(&policy.name);
    format!(
        "{} holds: {BOLD}{name}{BOLD:#}, mode {mode}, {}, {}; {}\n",
        args.policy,
        format_count(policy.rules.len(), "rule"),
        format_count(policy.exceptions.len(), "exception"),
        format_count(warnings, "warning"),
    )
}

fn check_report(
    policy: Option<&str>,
    found: &Diagnostics,
    stale: &[String],
) -> serde_json::Result<String> {
    let warnings = found.iter().filter(|one| one.code().is_warning()).count();
    to_pretty_json(&CheckV1 {
        version: 1,
        policy,
        errors: found.len().saturating_sub(warnings),
        warnings: warnings.saturating_add(stale.len()),
        diagnostics: found
            .iter()
            .map(|one| diagnostic_report(found, one))
            .collect(),
        stale_exceptions: stale,
    })
}

fn diagnostic_report<'a>(all: &Diagnostics, one: &'a Diagnostic) -> DiagnosticV1<'a> {
    let (line, column) = all.position(one);
    DiagnosticV1 {
        level: if one.code().is_warning() {
            "warning"
        } else {
            "error"
        },
        code: one.code().code(),
        message: one.message(),
        line,
        column,
        help: one.help_text(),
    }
}
