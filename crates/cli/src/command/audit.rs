//! `portcullis audit`: judges the groups of the live account, or of an input.

mod asff;
mod ask;
mod details;
mod export;
mod human;
mod ocsf;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_remediation::ServiceError;
use portcullis_rules::{Context, Exception, Finding, Policy};

use super::{
    expired_exception_warnings, problem_messages, read_groups, unknown_region_warning,
    unresolved_lists_warning,
};
use crate::args::{AuditArgs, AuditFormat};
use crate::audit::{Audit, RegionSummary};
use crate::error::{CliError, ec2_error_help};
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::{
    CommandOutput, Message, MessageLevel, format_count, sanitize_text, to_pretty_json,
};

/// Runs the command.
///
/// # Errors
/// When the policy does not hold, the input cannot be read or tells of no groups, or there is no way to the live account.
pub fn run_audit(args: &AuditArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    if args.policy.is_stdin() && args.input == Some(Input::Stdin) {
        return Err(CliError::TwoFromStdin("the policy", "the groups"));
    }
    let policy = args.policy.load()?.policy;
    let now = args.now.unwrap_or(now);
    let (audit, context) = match &args.input {
        Some(input) => audit_input(args, input, &policy, now)?,
        None => (
            audit_live(args, &policy, now)?,
            Context {
                now: Some(now),
                ..Context::default()
            },
        ),
    };
    let mut talk = audit_messages(args, &audit, &policy);
    if args.format != AuditFormat::Json {
        talk.extend(unresolved_lists_message(args, &audit));
    }
    let data = match args.format {
        AuditFormat::Json => to_pretty_json(&audit.to_document())?,
        AuditFormat::Asff => to_pretty_json(&asff::export_asff(&audit, &context, now)?)?,
        AuditFormat::Ocsf => to_pretty_json(&ocsf::export_ocsf(&audit, &context, now)?)?,
        AuditFormat::Human => human::render_audit(&audit),
    };
    let exit = audit_exit_status(&audit, args.strict);
    Ok(CommandOutput {
        data,
        messages: talk,
        exit,
    })
}

/// The audit of an input, and where its groups are if they do not tell.
fn audit_input(
    args: &AuditArgs,
    input: &Input,
    policy: &Policy,
    now: Timestamp,
) -> Result<(Audit, Context), CliError> {
    let regions: BTreeSet<_> = args.region.iter().collect();
    if regions.len() > 1 {
        return Err(CliError::ManyRegions(regions.len()));
    }
    let region = regions.first().map(|region| (*region).clone());
    let context = Context {
        now: Some(now),
        account: args.account.clone(),
        region,
        ..Context::default()
    };
    Ok((
        Audit::from_groups(policy, read_groups(input)?, &context),
        context,
    ))
}

#[cfg(feature = "aws")]
fn audit_live(args: &AuditArgs, policy: &Policy, now: Timestamp) -> Result<Audit, CliError> {
    crate::live::audit_account(args, policy, now)
}

#[cfg(not(feature = "aws"))]
fn audit_live(_: &AuditArgs, _: &Policy, _: Timestamp) -> Result<Audit, CliError> {
    Err(CliError::BuiltWithoutAws)
}

/// What to say beside the findings.
fn audit_messages(args: &AuditArgs, audit: &Audit, policy: &Policy) -> Vec<Message> {
    let place = args
        .input
        .as_ref()
        .map_or_else(|| "these regions".to_owned(), ToString::to_string);
    let mut talk = problem_messages(&place, &audit.problems);
    talk.extend(audit.regions.iter().flat_map(region_error_messages));
    talk.extend(unknown_region_warning(policy, audit.regions_known));
    talk.extend(expired_exception_warnings(
        policy,
        &audit.exceptions_expired,
    ));
    if !audit.is_incomplete() {
        talk.extend(stale_exceptions_warning(
            &audit.stale_exceptions(policy),
            &place,
        ));
    }
    talk
}

/// What to say about a region that could not be read as it should.
fn region_error_messages(region: &RegionSummary) -> Vec<Message> {
    let name = &region.name;
    let told = |what: String, error: &ServiceError| {
        let message = format!("{name}: {what}: {}", sanitize_text(&error.to_string()));
        Message::new(MessageLevel::Error, message).with_help(ec2_error_help(error.kind))
    };
    let unread = region
        .listing_error
        .iter()
        .map(|error| match region.groups {
            0 => told("nothing was judged".to_owned(), error),
            groups => told(
                format!(
                    "only the first {} were judged",
                    format_count(groups, "group")
                ),
                error,
            ),
        });
    let unnamed = region.rule_ids_error.iter();
    let unnamed = unnamed.map(|error| {
        told(
            "some findings are without the ids and tags of their rules".to_owned(),
            error,
        )
    });
    unread.chain(unnamed).collect()
}

/// What to say about exceptions that free nothing there.
pub(super) fn stale_exceptions_warning(stale: &[&Exception], place: &str) -> Option<Message> {
    let ids: Vec<_> = stale
        .iter()
        .map(|exception| format!("`{}`", exception.id))
        .collect();
    (!ids.is_empty()).then(|| {
        let message = format!(
            "exceptions that free nothing in {place}: {}",
            ids.join(", ")
        );
        Message::new(MessageLevel::Warning, message)
            .with_help("remove them, unless they are for groups of another place")
    })
}

/// What to say about prefix lists whose entries are not known.
fn unresolved_lists_message(args: &AuditArgs, audit: &Audit) -> Option<Message> {
    let talk = unresolved_lists_warning(&audit.unresolved_prefix_lists)?;
    Some(if args.input.is_some() {
        talk
    } else {
        talk.with_help("they do not exist any more: remove the rules that name them")
    })
}

fn audit_exit_status(audit: &Audit, strict: bool) -> ExitStatus {
    let counts = |finding: &Finding| strict || finding.enforces();
    if audit.is_incomplete() {
        ExitStatus::Failure
    } else if !audit.problems.is_empty() {
        ExitStatus::BadInput
    } else if audit.iter_findings().any(|(_, finding)| counts(finding)) {
        ExitStatus::Findings
    } else {
        ExitStatus::Clean
    }
}
