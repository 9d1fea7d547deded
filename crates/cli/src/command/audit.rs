//! `portcullis audit`: judges the groups of an input.

mod asff;
mod details;
mod export;
mod human;
mod ocsf;

use jiff::Timestamp;
use portcullis_rules::{Context, Exception, Finding};

use super::{groups, tell_expired, tell_problems, tell_region, tell_unresolved};
use crate::args::{AuditArgs, AuditFormat};
use crate::audit::Audit;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input::Input;
use crate::output::{Done, Label, Talk, json};

/// Runs the command.
///
/// # Errors
/// When the policy does not hold, or the input cannot be read or tells of no groups.
pub fn run(args: &AuditArgs, now: Timestamp) -> Result<Done, CliError> {
    if args.policy.is_stdin() && args.input == Input::Stdin {
        return Err(CliError::TwoFromStdin("the policy", "the groups"));
    }
    let policy = args.policy.load()?.policy;
    let now = args.now.unwrap_or(now);
    let (account, region) = (args.account.clone(), args.region.clone());
    let context = Context { now: Some(now), account, region, ..Context::default() };
    let audit = Audit::of(&policy, groups(&args.input)?, &context);
    let mut talk = tell_problems(&args.input, &audit.problems);
    talk.extend(tell_region(&policy, audit.regions_known));
    talk.extend(tell_expired(&policy, &audit.exceptions_expired));
    talk.extend(tell_stale(&audit.stale(&policy), &args.input));
    let data = match args.format {
        AuditFormat::Json => json(&audit.document())?,
        AuditFormat::Asff => {
            talk.extend(tell_unresolved(&audit.unresolved_prefix_lists));
            json(&asff::findings(&audit, &context, now)?)?
        }
        AuditFormat::Ocsf => {
            talk.extend(tell_unresolved(&audit.unresolved_prefix_lists));
            json(&ocsf::findings(&audit, &context, now)?)?
        }
        AuditFormat::Human => {
            talk.extend(tell_unresolved(&audit.unresolved_prefix_lists));
            human::render(&audit)
        }
    };
    let exit = exit(&audit, args.strict);
    Ok(Done { data, talk, exit })
}

/// What to say about exceptions that free nothing.
pub(super) fn tell_stale(stale: &[&Exception], input: &Input) -> Option<Talk> {
    let ids: Vec<_> = stale.iter().map(|exception| format!("`{}`", exception.id)).collect();
    (!ids.is_empty()).then(|| {
        let message = format!("exceptions that free nothing in {input}: {}", ids.join(", "));
        Talk::new(Label::Warning, message).with_help("remove them, unless they are for groups of another place")
    })
}

fn exit(audit: &Audit, strict: bool) -> Exit {
    let counts = |finding: &Finding| strict || finding.enforces();
    if !audit.problems.is_empty() {
        Exit::BadInput
    } else if audit.all().any(|(_, finding)| counts(finding)) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}
