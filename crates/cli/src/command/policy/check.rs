//! `portcullis policy check`: every mistake of a policy, and what is odd about one that holds.

use jiff::Timestamp;
use portcullis_policy::{Diagnostic, Diagnostics, Loaded, check, parse};
use portcullis_rules::Context;
use serde::Serialize;

use crate::args::{CheckArgs, Format};
use crate::audit::Audit;
use crate::command::audit::tell_stale;
use crate::command::{groups, tell_problems, tell_region};
use crate::error::CliError;
use crate::exit::Exit;
use crate::input::Input;
use crate::output::{BOLD, Done, Label, Talk, clean, count, json};

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
struct Held {
    stale: Vec<String>,
    talk: Vec<Talk>,
    /// Whether the input could be understood only in part.
    broken: bool,
}

/// Runs the command.
///
/// # Errors
/// When an input cannot be read or, for people, when the policy does not hold.
pub(super) fn run(args: &CheckArgs, now: Timestamp) -> Result<Done, CliError> {
    if args.policy.is_stdin() && args.input == Some(Input::Stdin) {
        return Err(CliError::TwoFromStdin("the policy", "the groups"));
    }
    let now = args.now.unwrap_or(now);
    let text = args.policy.text()?;
    let loaded = match (parse(&args.policy.title(), &text), args.format) {
        (Ok(loaded), _) => loaded,
        (Err(found), Format::Json) => {
            let data = document(None, &found, &[])?;
            return Ok(Done { data, talk: Vec::new(), exit: Exit::BadInput });
        }
        (Err(found), Format::Human) => {
            let (name, found) = (args.policy.to_string(), Box::new(found));
            return Err(CliError::Policy { name, found });
        }
    };
    let held = match &args.input {
        Some(input) => held(args, &loaded, input, now)?,
        None => Held::default(),
    };
    let found = check(&loaded, now);
    let warnings = found.len().saturating_add(held.stale.len());
    let exit = if held.broken || (args.strict && warnings > 0) { Exit::BadInput } else { Exit::Clean };
    let (data, talk) = match args.format {
        Format::Json => (document(Some(&loaded.policy.name), &found, &held.stale)?, held.talk),
        Format::Human => {
            let talk = warned(&found).into_iter().chain(held.talk);
            (summary(args, &loaded, warnings), talk.chain(strict(args, warnings)).collect())
        }
    };
    Ok(Done { data, talk, exit })
}

/// Holds the policy against the groups of an input.
fn held(args: &CheckArgs, loaded: &Loaded, input: &Input, now: Timestamp) -> Result<Held, CliError> {
    let context = Context { now: Some(now), region: args.region.clone(), ..Context::default() };
    let audit = Audit::of(&loaded.policy, groups(input)?, &context);
    let stale = audit.stale(&loaded.policy);
    let mut talk = tell_problems(&input.to_string(), &audit.problems);
    talk.extend(tell_region(&loaded.policy, audit.regions_known));
    if args.format == Format::Human {
        talk.extend(tell_stale(&stale, &input.to_string()));
    }
    let stale = stale.into_iter().map(|exception| exception.id.clone()).collect();
    Ok(Held { stale, talk, broken: !audit.problems.is_empty() })
}

fn warned(found: &Diagnostics) -> Option<Talk> {
    (!found.is_empty()).then(|| {
        let message = format!("{} of the policy itself", count(found.len(), "warning"));
        Talk { details: Some(found.styled()), ..Talk::new(Label::Warning, message) }
    })
}

/// Why a policy that holds is not good enough.
fn strict(args: &CheckArgs, warnings: usize) -> Option<Talk> {
    (args.strict && warnings > 0)
        .then(|| Talk::new(Label::Error, format!("{}, which `--strict` does not allow", count(warnings, "warning"))))
}

fn summary(args: &CheckArgs, loaded: &Loaded, warnings: usize) -> String {
    let policy = &loaded.policy;
    let mode = if policy.monitor { "monitor" } else { "enforce" };
    let name = clean(&policy.name);
    format!(
        "{} holds: {BOLD}{name}{BOLD:#}, mode {mode}, {}, {}; {}\n",
        args.policy,
        count(policy.rules.len(), "rule"),
        count(policy.exceptions.len(), "exception"),
        count(warnings, "warning"),
    )
}

fn document(policy: Option<&str>, found: &Diagnostics, stale: &[String]) -> Result<String, CliError> {
    let warnings = found.iter().filter(|one| one.code().is_warning()).count();
    json(&CheckV1 {
        version: 1,
        policy,
        errors: found.len().saturating_sub(warnings),
        warnings: warnings.saturating_add(stale.len()),
        diagnostics: found.iter().map(|one| wire(found, one)).collect(),
        stale_exceptions: stale,
    })
}

fn wire<'a>(all: &Diagnostics, one: &'a Diagnostic) -> DiagnosticV1<'a> {
    let (line, column) = all.position(one);
    DiagnosticV1 {
        level: if one.code().is_warning() { "warning" } else { "error" },
        code: one.code().code(),
        message: one.message(),
        line,
        column,
        help: one.help_text(),
    }
}
