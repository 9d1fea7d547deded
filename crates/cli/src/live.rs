//! The audit of the live account: regions side by side, each page by page. Nothing is changed, and what could not be read
//! is told.

mod progress;
mod region;

use std::io;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use portcullis_aws::{ConnectError, Login, Role, Session, SystemClock, Timing};
use portcullis_rules::Policy;
use tokio::runtime;

use crate::args::AuditArgs;
use crate::audit::Audit;
use crate::describe::is_region;
use crate::error::CliError;
use progress::Progress;
use region::{Place, patiently};

/// Regions read at the same time. EC2 counts requests for each region of an account by itself, so this is about the
/// machine here and its line, not about throttling.
const AT_ONCE: usize = 8;

/// Judges every group of the regions that the arguments name.
///
/// A region that cannot be read to its end does not keep the others from being judged: see [`Audit::is_incomplete`].
///
/// # Errors
/// When nobody knows which regions, or there are no keys, or the regions cannot be listed.
pub(crate) fn audit(args: &AuditArgs, policy: &Policy, now: Timestamp) -> Result<Audit, CliError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| unable(&error))?.block_on(all(args, policy, now))
}

async fn all(args: &AuditArgs, policy: &Policy, now: Timestamp) -> Result<Audit, CliError> {
    let session = Session::open(&login(args), &Timing::patient()).await.map_err(|error| connect(&error, args))?;
    let wanted = match wanted(&session, args) {
        // A profile that does not exist has no region either, and that it does not exist is what helps.
        Err(error) if args.live.profile.is_none() => return Err(error),
        wanted => wanted,
    };
    let session = session.log_in().await.map_err(|error| connect(&error, args))?;
    let names = match wanted? {
        Some(names) => names,
        None => patiently(&SystemClock, async || session.regions().await).await.map_err(CliError::Regions)?,
    };
    let progress = Progress::begin(names.len());
    let regions = names.iter().map(|name| {
        let (lister, place, progress) = (session.lister(name), Place { name, policy, now }, &progress);
        async move {
            let audit = region::audit(&lister, &SystemClock, &place, &|page| progress.page(page)).await;
            progress.region();
            audit
        }
    });
    let mut audit = Audit::begin(policy);
    let mut answers = stream::iter(regions.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
    while let Some(region) = answers.next().await {
        audit.absorb(region);
    }
    audit.sort();
    Ok(audit)
}

/// The regions to read: those of the arguments, else the one of the environment or the profile; `None` for all.
fn wanted(session: &Session, args: &AuditArgs) -> Result<Option<Vec<String>>, CliError> {
    if args.live.all_regions {
        return Ok(None);
    }
    let mut names = args.region.clone();
    if names.is_empty() {
        names.extend(session.region().map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    if let Some(name) = names.iter().find(|name| !is_region(name)) {
        return Err(CliError::NoSuchRegion(name.clone()));
    }
    if names.is_empty() { Err(CliError::NoRegion) } else { Ok(Some(names)) }
}

fn login(args: &AuditArgs) -> Login {
    let live = &args.live;
    let role = live.role.clone().map(|arn| Role { arn, external_id: live.external_id.clone() });
    Login { profile: live.profile.clone(), role, region: args.region.first().cloned() }
}

fn connect(error: &ConnectError, args: &AuditArgs) -> CliError {
    if !matches!(error, ConnectError::NoCredentials(_)) {
        return CliError::Connect(error.to_string());
    }
    let whose = match (&args.live.role, &args.live.profile) {
        (Some(role), _) => format!("as `{role}`: "),
        (None, Some(profile)) => format!("with the profile `{profile}`: "),
        (None, None) => String::new(),
    };
    CliError::LogIn { message: format!("{whose}{error}"), is_role: args.live.role.is_some() }
}

fn unable(error: &io::Error) -> CliError {
    CliError::Connect(format!("the system gives no sockets: {error}"))
}
