//! The audit of the live account: regions side by side, each page by page. Nothing is changed, and what could not be read
//! is told.

mod progress;
mod region;

use std::io;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use portcullis_aws::{ConnectError, Role, Session, SessionOptions, SystemClock, Timing};
use portcullis_rules::Policy;
use tokio::runtime;

use crate::args::AuditArgs;
use crate::audit::Audit;
use crate::describe::is_region_name;
use crate::error::CliError;
use progress::Progress;
use region::{RegionTarget, call_with_retries};

/// Regions read at the same time. EC2 counts requests for each region of an account by itself, so this is about the
/// machine here and its line, not about throttling.
const MAX_CONCURRENT_REGIONS: usize = 8;

/// Judges every group of the regions that the arguments name.
///
/// A region that cannot be read to its end does not keep the others from being judged: see [`Audit::is_incomplete`].
///
/// # Errors
/// When nobody knows which regions, or there are no keys, or the regions cannot be listed.
pub(crate) fn audit_account(
    args: &AuditArgs,
    policy: &Policy,
    now: Timestamp,
) -> Result<Audit, CliError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| runtime_error(&error))?
        .block_on(audit_regions(args, policy, now))
}

async fn audit_regions(
    args: &AuditArgs,
    policy: &Policy,
    now: Timestamp,
) -> Result<Audit, CliError> {
    let session = Session::open(&session_options(args), &Timing::with_long_timeouts())
        .await
        .map_err(|error| connect_error(&error, args))?;
    let wanted = match requested_regions(&session, args) {
        // A profile that does not exist has no region either, and that it does not exist is what helps.
        Err(error) if args.live.profile.is_none() => return Err(error),
        wanted => wanted,
    };
    let session = session
        .resolve_credentials()
        .await
        .map_err(|error| connect_error(&error, args))?;
    let names = match wanted? {
        Some(names) => names,
        None => call_with_retries(&SystemClock, async || session.list_regions().await)
            .await
            .map_err(CliError::ListRegions)?,
    };
    let progress = Progress::start(names.len());
    let regions = names.iter().map(|name| {
        let (lister, place, progress) = (
            session.group_lister(name),
            RegionTarget { name, policy, now },
            &progress,
        );
        async move {
            let audit = region::audit_region(&lister, &SystemClock, &place, &|page| {
                progress.record_page(page)
            })
            .await;
            progress.finish_region();
            audit
        }
    });
    let mut audit = Audit::new(policy);
    let mut answers =
        stream::iter(regions.collect::<Vec<_>>()).buffer_unordered(MAX_CONCURRENT_REGIONS);
    while let Some(region) = answers.next().await {
        audit.merge(region);
    }
    audit.sort_and_dedup();
    Ok(audit)
}

/// The regions to read: those of the arguments, else the one of the environment or the profile; `None` for all.
fn requested_regions(session: &Session, args: &AuditArgs) -> Result<Option<Vec<String>>, CliError> {
    if args.live.all_regions {
        return Ok(None);
    }
    let mut names = args.region.clone();
    if names.is_empty() {
        names.extend(session.configured_region().map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    if let Some(name) = names.iter().find(|name| !is_region_name(name)) {
        return Err(CliError::InvalidRegion(name.clone()));
    }
    if names.is_empty() {
        Err(CliError::NoRegion)
    } else {
        Ok(Some(names))
    }
}

fn session_options(args: &AuditArgs) -> SessionOptions {
    let live = &args.live;
    let role = live.role.clone().map(|arn| Role {
        arn,
        external_id: live.external_id.clone(),
    });
    SessionOptions {
        profile: live.profile.clone(),
        role,
        region: args.region.first().cloned(),
    }
}

fn connect_error(error: &ConnectError, args: &AuditArgs) -> CliError {
    if !matches!(error, ConnectError::NoCredentials(_)) {
        return CliError::Connect(error.to_string());
    }
    let whose = match (&args.live.role, &args.live.profile) {
        (Some(role), _) => format!("as `{role}`: "),
        (None, Some(profile)) => format!("with the profile `{profile}`: "),
        (None, None) => String::new(),
    };
    CliError::Credentials {
        message: format!("{whose}{error}"),
        is_role: args.live.role.is_some(),
    }
}

fn runtime_error(error: &io::Error) -> CliError {
    CliError::Connect(format!("the system gives no sockets: {error}"))
}
