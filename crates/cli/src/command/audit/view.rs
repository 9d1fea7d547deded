//! The options that select and group the findings of an audit.

use portcullis_rules::Policy;

use crate::args::{AuditArgs, AuditFormat};
use crate::audit::filter::FindingFilter;
use crate::audit::known::EarlierAudit;
use crate::audit::view::ViewOptions;
use crate::command::rules::find_policy_rule;
use crate::error::CliError;
use crate::input::Input;
use crate::output::{Message, MessageLevel};

/// Checks the options about what to show.
///
/// # Errors
/// When a policy rule is unknown, the format does not support an option, or standard input is read
/// twice.
pub(super) fn check_view_args(args: &AuditArgs, policy: &Policy) -> Result<(), CliError> {
    let view = &args.view;
    for id in &view.rule {
        find_policy_rule(policy, id)?;
    }
    let is_export = matches!(args.format, AuditFormat::Asff | AuditFormat::Ocsf);
    let is_csv = args.format == AuditFormat::Csv;
    let hides = [
        ("--severity", view.severity.is_some() && is_export),
        ("--rule", !view.rule.is_empty() && is_export),
        ("--enforced", view.enforced && is_export),
        ("--known", view.known.is_some() && is_export),
        (
            "--group-by",
            view.group_by.is_some() && (is_export || is_csv),
        ),
    ];
    if let Some((option, _)) = hides.into_iter().find(|(_, is_used)| *is_used) {
        let format = args.format.as_str();
        return Err(CliError::UnsupportedOption { option, format });
    }
    let reads_stdin = args.input.contains(&Input::Stdin) || args.policy.is_stdin();
    if view.known == Some(Input::Stdin) && reads_stdin {
        return Err(CliError::TwoFromStdin("the earlier audit", "another input"));
    }
    Ok(())
}

/// The earlier audit of `--known`.
///
/// # Errors
/// When it cannot be read, or is not the result of an audit.
pub(super) fn read_earlier_audit(args: &AuditArgs) -> Result<Option<EarlierAudit>, CliError> {
    let Some(input) = &args.view.known else {
        return Ok(None);
    };
    let earlier = EarlierAudit::from_json(&input.read_bytes()?);
    earlier.map(Some).map_err(|source| CliError::InvalidKnown {
        name: input.to_string(),
        source,
    })
}

/// The warning about an earlier audit from which findings may be missing.
pub(super) fn earlier_audit_warning(args: &AuditArgs, earlier: &EarlierAudit) -> Option<Message> {
    let input = args.view.known.as_ref()?;
    let reason = earlier.reason_for_missing_findings()?;
    let text = format!("{input} {reason}: findings that are missing from it count as new");
    let help = "write it with `--format json` alone, and compare with complete audits only";
    Some(Message::new(MessageLevel::Warning, text).with_help(help))
}

/// How to show the audit.
pub(super) fn view_options(args: &AuditArgs) -> ViewOptions {
    let view = &args.view;
    ViewOptions {
        filter: FindingFilter {
            severity: view.severity,
            policy_rules: view.rule.iter().cloned().collect(),
            enforced: view.enforced,
        },
        group_by: view.group_by,
        known_file: view.known.as_ref().map(Input::to_string),
    }
}
