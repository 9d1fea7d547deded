//! `portcullis audit`: evaluates the security groups of an input or of the live account.

mod asff;
mod csv;
mod details;
mod export;
mod html;
mod human;
mod ocsf;
mod view;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_remediation::ServiceError;
use portcullis_rules::{Context, Policy};

use super::exceptions::{expired_exception_warnings, stale_exceptions_warning};
use super::groups::{
    assumption_notes, name_inputs, problem_messages, read_groups, unknown_region_warning,
    unresolved_lists_warning,
};
use crate::args::{AuditArgs, AuditFormat};
use crate::audit::json::AuditV1;
use crate::audit::known::NewFindings;
use crate::audit::view::AuditView;
use crate::audit::{Audit, RegionSummary};
use crate::error::{CliError, ec2_error_help};
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::{CommandOutput, Message, MessageLevel, to_pretty_json};
use crate::terminal::output_width;
use crate::text::{format_count, sanitize_text};
use html::PageContext;
use view::{check_view_args, earlier_audit_warning, read_earlier_audit, view_options};

/// Runs the command.
///
/// # Errors
/// When the policy is invalid, the input cannot be read or does not contain security groups, or
/// there is no access to the live account.
pub fn run_audit(args: &AuditArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    if args.policy.is_stdin() && args.input.contains(&Input::Stdin) {
        return Err(CliError::TwoFromStdin("the policy", "the groups"));
    }
    let policy = args.policy.load()?.policy;
    check_view_args(args, &policy)?;
    let now = args.now.unwrap_or(now);
    let context = input_context(args, now)?;
    let mut messages = Vec::new();
    let earlier = read_earlier_audit(args)?;
    messages.extend(
        earlier
            .as_ref()
            .and_then(|it| earlier_audit_warning(args, it)),
    );
    let audit = if args.input.is_empty() {
        audit_live(args, &policy, now)?
    } else {
        let described = read_groups(&args.input)?;
        messages.extend(assumption_notes(&described));
        Audit::from_input(&policy, described, &context)
    };
    messages.extend(audit_messages(args, &audit, &policy));
    let new = match &earlier {
        Some(earlier) => earlier.new_findings(&audit),
        None => NewFindings::all(&audit),
    };
    // A filter only hides findings, so it does not change the exit code.
    let exit = audit_exit_status(&audit, &new, args.strict);
    let view = AuditView::new(&audit, new, view_options(args));
    let data = match args.format {
        AuditFormat::Json => to_pretty_json(&AuditV1::new(&view))?,
        AuditFormat::Asff => to_pretty_json(&asff::export_asff(&audit, &context, now)?)?,
        AuditFormat::Ocsf => to_pretty_json(&ocsf::export_ocsf(&audit, &context, now)?)?,
        AuditFormat::Csv => csv::render_csv(&view),
        AuditFormat::Html => html::render_html(&view, &page_context(args, now)),
        AuditFormat::Human => human::render_audit(&view, output_width()),
    };
    if args.format != AuditFormat::Json {
        messages.extend(unresolved_lists_message(args, &audit));
    }
    Ok(CommandOutput {
        data,
        messages,
        exit,
    })
}

fn page_context(args: &AuditArgs, now: Timestamp) -> PageContext {
    let names: Vec<_> = args.input.iter().map(Input::display_name).collect();
    PageContext {
        input: if names.is_empty() {
            "live account".to_owned()
        } else {
            names.join(", ")
        },
        now,
    }
}

/// The account and region of the groups of an input, where the groups do not have their own. Groups
/// of the live account always do.
fn input_context(args: &AuditArgs, now: Timestamp) -> Result<Context, CliError> {
    let mut context = Context {
        now: Some(now),
        ..Context::default()
    };
    if !args.input.is_empty() {
        let regions: BTreeSet<_> = args.region.iter().collect();
        if regions.len() > 1 {
            return Err(CliError::ManyRegions(regions.len()));
        }
        context.account.clone_from(&args.account);
        context.region = regions.first().map(|region| (*region).clone());
    }
    Ok(context)
}

#[cfg(feature = "aws")]
fn audit_live(args: &AuditArgs, policy: &Policy, now: Timestamp) -> Result<Audit, CliError> {
    crate::live::audit_account(args, policy, now)
}

#[cfg(not(feature = "aws"))]
fn audit_live(_: &AuditArgs, _: &Policy, _: Timestamp) -> Result<Audit, CliError> {
    Err(CliError::BuiltWithoutAws)
}

fn audit_messages(args: &AuditArgs, audit: &Audit, policy: &Policy) -> Vec<Message> {
    let input = if args.input.is_empty() {
        "these regions".to_owned()
    } else {
        name_inputs(&args.input)
    };
    let mut messages = problem_messages(&input, &audit.problems);
    messages.extend(audit.regions.iter().flat_map(region_error_messages));
    messages.extend(unknown_region_warning(policy, audit.regions_known));
    messages.extend(expired_exception_warnings(
        policy,
        &audit.exceptions_expired,
    ));
    if !audit.is_incomplete() {
        let stale = audit.stale_exceptions(policy);
        messages.extend(stale_exceptions_warning(&stale, &input));
    }
    messages
}

/// The messages about a region that could not be read completely.
fn region_error_messages(region: &RegionSummary) -> Vec<Message> {
    let mut messages = Vec::new();
    if let Some(error) = &region.listing_error {
        let effect = match region.groups {
            0 => "no groups were evaluated".to_owned(),
            groups => {
                let count = format_count(groups, "group");
                format!("only the first {count} were evaluated")
            }
        };
        messages.push(region_error_message(region, &effect, error));
    }
    if let Some(error) = &region.rule_ids_error {
        let effect = "some findings lack the ids and tags of their rules";
        messages.push(region_error_message(region, effect, error));
    }
    messages
}

fn region_error_message(region: &RegionSummary, effect: &str, error: &ServiceError) -> Message {
    let cause = sanitize_text(&error.to_string());
    let text = format!("{}: {effect}: {cause}", region.name);
    Message::new(MessageLevel::Error, text).with_help(ec2_error_help(error.kind))
}

/// The warning about prefix lists whose entries are unknown. In the live account they are those
/// that do not exist.
fn unresolved_lists_message(args: &AuditArgs, audit: &Audit) -> Option<Message> {
    let message = unresolved_lists_warning(&audit.unresolved_prefix_lists)?;
    Some(if args.input.is_empty() {
        message.with_help("they do not exist any more: remove the rules that refer to them")
    } else {
        message
    })
}

fn audit_exit_status(audit: &Audit, new: &NewFindings<'_>, strict: bool) -> ExitStatus {
    let mut findings = new.findings.iter().map(|found| found.finding);
    if audit.is_incomplete() {
        ExitStatus::Failure
    } else if findings.any(|finding| strict || finding.enforces()) {
        ExitStatus::Findings
    } else {
        ExitStatus::Clean
    }
}
