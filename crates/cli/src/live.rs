//! The audit of the live account: regions side by side, each page by page. Nothing is changed, and what could not be read
//! is told.

mod progress;
mod region;

use std::io;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use portcullis_aws::{ConnectError, Login, Session, SystemClock, Timing};
use portcullis_rules::Policy;
use tokio::runtime;

use crate::args::AuditArgs;
use crate::audit::Audit;
use crate::error::CliError;
use progress::Progress;
use region::Place;

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
    let login = Login { profile: args.live.profile.clone(), role: args.live.role() };
    let session = Session::open(&login, &Timing::patient()).await.map_err(|error| connect(&error))?;
    let wanted = wanted(&session, args)?;
    session.log_in().await.map_err(|error| connect(&error))?;
    let names = match wanted {
        Some(names) => names,
        None => session.regions().await.map_err(CliError::Regions)?,
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
    if names.is_empty() { Err(CliError::NoRegion) } else { Ok(Some(names)) }
}

fn connect(error: &ConnectError) -> CliError {
    CliError::Connect { message: error.to_string(), is_login: matches!(error, ConnectError::NoCredentials(_)) }
}

fn unable(error: &io::Error) -> CliError {
    CliError::Connect { message: format!("the system gives no sockets: {error}"), is_login: false }
}
