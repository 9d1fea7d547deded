//! `portcullis audit`: judges the groups of an input.

mod human;

use portcullis_rules::Finding;
use portcullis_rules::baseline::baseline;

use super::{groups, tell_problems, tell_unresolved};
use crate::args::{AuditArgs, Format};
use crate::audit::Audit;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Done, json};

/// Runs the command.
///
/// # Errors
/// When the input cannot be read or tells of no groups.
pub fn run(args: &AuditArgs) -> Result<Done, CliError> {
    let audit = Audit::of(&baseline(), groups(&args.input)?);
    let mut talk = tell_problems(&args.input, &audit.problems);
    let data = match args.format {
        Format::Json => json(&audit.document())?,
        Format::Human => {
            talk.extend(tell_unresolved(&audit.unresolved_prefix_lists));
            human::render(&audit)
        }
    };
    let exit = exit(&audit, args.strict);
    Ok(Done { data, talk, exit })
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
