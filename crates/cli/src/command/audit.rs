//! `portcullis audit`: judges the groups of the live account, or of an input.

mod asff;
mod ask;
mod details;
mod export;
mod human;
mod ocsf;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_remediation::PortError;
use portcullis_rules::{Context, Exception, Finding, Policy};

use super::{groups, tell_expired, tell_problems, tell_region, tell_unresolved};
use crate::args::{AuditArgs, AuditFormat};
use crate::audit::{Audit, Region};
use crate::error::{CliError, way_out};
use crate::exit::Exit;
use crate::input::Input;
use crate::output::{Done, Label, Talk, clean, count, json};

/// Runs the command.
///
/// # Errors
/// When the policy does not hold, the input cannot be read or tells of no groups, or there is no way to the live account.
pub fn run(args: &AuditArgs, now: Timestamp) -> Result<Done, CliError> {
    if args.policy.is_stdin() && args.input == Some(Input::Stdin) {
        return Err(CliError::TwoFromStdin("the policy", "the groups"));
    }
    let policy = args.policy.load()?.policy;
    let now = args.now.unwrap_or(now);
    let (audit, context) = match &args.input {
        Some(input) => described(args, input, &policy, now)?,
        None => (live(args, &policy, now)?, Context { now: Some(now), ..Context::default() }),
    };
    let mut talk = tell(args, &audit, &policy);
    if args.format != AuditFormat::Json {
        talk.extend(unresolved(args, &audit));
    }
    let data = match args.format {
        AuditFormat::Json => json(&audit.document())?,
        AuditFormat::Asff => json(&asff::findings(&audit, &context, now)?)?,
        AuditFormat::Ocsf => json(&ocsf::findings(&audit, &context, now)?)?,
        AuditFormat::Human => human::render(&audit),
    };
    let exit = exit(&audit, args.strict);
    Ok(Done { data, talk, exit })
}

/// The audit of an input, and where its groups are if they do not tell.
fn described(args: &AuditArgs, input: &Input, policy: &Policy, now: Timestamp) -> Result<(Audit, Context), CliError> {
    let regions: BTreeSet<_> = args.region.iter().collect();
    if regions.len() > 1 {
        return Err(CliError::ManyRegions(regions.len()));
    }
    let region = regions.first().map(|region| (*region).clone());
    let context = Context { now: Some(now), account: args.account.clone(), region, ..Context::default() };
    Ok((Audit::of(policy, groups(input)?, &context), context))
}

#[cfg(feature = "aws")]
fn live(args: &AuditArgs, policy: &Policy, now: Timestamp) -> Result<Audit, CliError> {
    crate::live::audit(args, policy, now)
}

#[cfg(not(feature = "aws"))]
fn live(_: &AuditArgs, _: &Policy, _: Timestamp) -> Result<Audit, CliError> {
    Err(CliError::NoAws)
}

/// What to say beside the findings.
fn tell(args: &AuditArgs, audit: &Audit, policy: &Policy) -> Vec<Talk> {
    let place = args.input.as_ref().map_or_else(|| "these regions".to_owned(), ToString::to_string);
    let mut talk = tell_problems(&place, &audit.problems);
    talk.extend(audit.regions.iter().flat_map(tell_unread));
    talk.extend(tell_region(policy, audit.regions_known));
    talk.extend(tell_expired(policy, &audit.exceptions_expired));
    if !audit.is_incomplete() {
        talk.extend(tell_stale(&audit.stale(policy), &place));
    }
    talk
}

/// What to say about a region that could not be read as it should.
fn tell_unread(region: &Region) -> Vec<Talk> {
    let name = &region.name;
    let told = |what: String, error: &PortError| {
        let message = format!("{name}: {what}: {}", clean(&error.to_string()));
        Talk::new(Label::Error, message).with_help(way_out(error.kind))
    };
    let unread = region.unread.iter().map(|error| match region.groups {
        0 => told("nothing was judged".to_owned(), error),
        groups => told(format!("only the first {} were judged", count(groups, "group")), error),
    });
    let unnamed = region.unnamed.iter();
    let unnamed =
        unnamed.map(|error| told("some findings are without the ids and tags of their rules".to_owned(), error));
    unread.chain(unnamed).collect()
}

/// What to say about exceptions that free nothing there.
pub(super) fn tell_stale(stale: &[&Exception], place: &str) -> Option<Talk> {
    let ids: Vec<_> = stale.iter().map(|exception| format!("`{}`", exception.id)).collect();
    (!ids.is_empty()).then(|| {
        let message = format!("exceptions that free nothing in {place}: {}", ids.join(", "));
        Talk::new(Label::Warning, message).with_help("remove them, unless they are for groups of another place")
    })
}

/// What to say about prefix lists whose entries are not known.
fn unresolved(args: &AuditArgs, audit: &Audit) -> Option<Talk> {
    let talk = tell_unresolved(&audit.unresolved_prefix_lists)?;
    Some(if args.input.is_some() {
        talk
    } else {
        talk.with_help("they do not exist any more: remove the rules that name them")
    })
}

fn exit(audit: &Audit, strict: bool) -> Exit {
    let counts = |finding: &Finding| strict || finding.enforces();
    if audit.is_incomplete() {
        Exit::Failure
    } else if !audit.problems.is_empty() {
        Exit::BadInput
    } else if audit.all().any(|(_, finding)| counts(finding)) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}
