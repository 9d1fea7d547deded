//! `portcullis policy check`: all errors in a policy, and the warnings about a valid one.

use jiff::Timestamp;
use portcullis_policy::{Diagnostics, LoadedPolicy, lint_policy, parse_policy};
use portcullis_rules::Context;

use super::report::{CheckReport, check_report};
use super::size::PolicySize;
use crate::args::{CheckArgs, Format};
use crate::audit::Audit;
use crate::command::exceptions::stale_exceptions_warning;
use crate::command::groups::{
    assumption_notes, name_inputs, problem_messages, read_groups, unknown_region_warning,
};
use crate::describe::Problem;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::{BOLD, CommandOutput, Message, MessageLevel};
use crate::policy::PolicyName;
use crate::text::{format_count, sanitize_text};

/// What the groups of an input show about the policy.
#[derive(Debug, Default)]
struct InputCheck {
    stale_exceptions: Vec<String>,
    messages: Vec<Message>,
    /// What could not be evaluated.
    problems: Vec<Problem>,
}

/// Runs the command. `now` is the time if the arguments give none.
///
/// # Errors
/// When an input cannot be read or, with human-readable output, when the policy is invalid.
pub(super) fn run_policy_check(
    args: &CheckArgs,
    now: Timestamp,
) -> Result<CommandOutput, CliError> {
    if args.policy.is_stdin() && args.input.contains(&Input::Stdin) {
        return Err(CliError::TwoFromStdin("the policy", "the groups"));
    }
    let now = args.now.unwrap_or(now);
    let text = args.policy.read_text()?;
    match parse_policy(&args.policy.display_name(), &text) {
        Ok(loaded) => {
            // Presets are part of the functions, so that they need no parameter.
            let is_preset = matches!(args.policy, PolicyName::Preset(_));
            let size = (!is_preset).then(|| PolicySize::of_text(&text));
            check_valid_policy(args, &loaded, size, now)
        }
        Err(found) => match args.format {
            Format::Json => Ok(CommandOutput {
                data: check_report(&CheckReport::new(None, &found))?,
                messages: Vec::new(),
                exit: ExitStatus::BadInput,
            }),
            Format::Human => Err(CliError::InvalidPolicy {
                name: args.policy.to_string(),
                found: Box::new(found),
            }),
        },
    }
}

fn check_valid_policy(
    args: &CheckArgs,
    loaded: &LoadedPolicy,
    size: Option<PolicySize>,
    now: Timestamp,
) -> Result<CommandOutput, CliError> {
    let InputCheck {
        stale_exceptions,
        messages: input_messages,
        problems,
    } = if args.input.is_empty() {
        InputCheck::default()
    } else {
        check_against_groups(args, loaded, now)?
    };
    let found = lint_policy(loaded, now);
    let warnings = found.len().saturating_add(stale_exceptions.len());
    let exit = if !problems.is_empty() {
        ExitStatus::Failure
    } else if args.strict && warnings > 0 {
        ExitStatus::BadInput
    } else {
        ExitStatus::Clean
    };
    let mut messages = Vec::new();
    let data = match args.format {
        Format::Json => {
            messages.extend(input_messages);
            let name = Some(loaded.policy.name.as_str());
            check_report(&CheckReport {
                size,
                stale_exceptions: &stale_exceptions,
                problems: (!args.input.is_empty()).then_some(problems.as_slice()),
                ..CheckReport::new(name, &found)
            })?
        }
        Format::Human => {
            messages.extend(warnings_message(&found));
            messages.extend(input_messages);
            messages.extend(strict_error(args, warnings));
            let summary = check_summary(args, loaded, warnings);
            let size = size.map(|size| format!("{size}\n"));
            summary + &size.unwrap_or_default()
        }
    };
    Ok(CommandOutput {
        data,
        messages,
        exit,
    })
}

/// Evaluates the policy against the groups of the inputs. An exception that exempts nothing in
/// incomplete inputs may exempt something in what is missing, so none is called stale then.
fn check_against_groups(
    args: &CheckArgs,
    loaded: &LoadedPolicy,
    now: Timestamp,
) -> Result<InputCheck, CliError> {
    let context = Context {
        now: Some(now),
        region: args.region.clone(),
        ..Context::default()
    };
    let described = read_groups(&args.input)?;
    let mut messages = assumption_notes(&described);
    let audit = Audit::from_input(&loaded.policy, described, &context);
    let inputs = name_inputs(&args.input);
    messages.extend(problem_messages(&inputs, &audit.problems));
    messages.extend(unknown_region_warning(&loaded.policy, audit.regions_known));
    let stale = if audit.is_incomplete() {
        Vec::new()
    } else {
        audit.stale_exceptions(&loaded.policy)
    };
    if args.format == Format::Human {
        messages.extend(stale_exceptions_warning(&stale, &inputs));
    }
    Ok(InputCheck {
        stale_exceptions: stale
            .into_iter()
            .map(|exception| exception.id.clone())
            .collect(),
        messages,
        problems: audit.problems,
    })
}

fn warnings_message(found: &Diagnostics) -> Option<Message> {
    if found.is_empty() {
        return None;
    }
    let text = format!("{} in the policy", format_count(found.len(), "warning"));
    Some(Message {
        details: Some(found.render_colored()),
        ..Message::new(MessageLevel::Warning, text)
    })
}

fn strict_error(args: &CheckArgs, warnings: usize) -> Option<Message> {
    if !args.strict || warnings == 0 {
        return None;
    }
    let count = format_count(warnings, "warning");
    let text = format!("{count}, and `--strict` allows none");
    let help = "to accept a warning, add a comment to its line: `# accept: CODE`";
    Some(Message::new(MessageLevel::Error, text).with_help(help))
}

fn check_summary(args: &CheckArgs, loaded: &LoadedPolicy, warnings: usize) -> String {
    let policy = &loaded.policy;
    let mode = if policy.monitor { "monitor" } else { "enforce" };
    let name = sanitize_text(&policy.name);
    format!(
        "{} is valid: {BOLD}{name}{BOLD:#}, mode {mode}, {}, {}; {}\n",
        args.policy,
        format_count(policy.rules.len(), "rule"),
        format_count(policy.exceptions.len(), "exception"),
        format_count(warnings, "warning"),
    )
}
