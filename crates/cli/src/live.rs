//! The audit of a live account: several regions at a time, each page by page. It is read-only, and
//! everything that could not be read is part of the result.

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

/// How many regions are read at the same time. EC2 throttles each region of an account separately,
/// so the limit is for this machine and its network connection.
const MAX_CONCURRENT_REGIONS: usize = 8;

/// Evaluates every group of the regions in the arguments.
///
/// A region that cannot be read completely does not stop the others: see [`Audit::is_incomplete`].
///
/// # Errors
/// When no region is specified, there are no credentials, or the regions cannot be listed.
pub(crate) fn audit_account(
    args: &AuditArgs,
    policy: &Policy,
    now: Timestamp,
) -> Result<Audit, CliError> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| runtime_error(&error))?
        .block_on(connect_and_audit(args, policy, now))
}

async fn connect_and_audit(
    args: &AuditArgs,
    policy: &Policy,
    now: Timestamp,
) -> Result<Audit, CliError> {
    let session = Session::open(&session_options(args), &Timing::with_long_timeouts())
        .await
        .map_err(|error| connect_error(&error, args))?;
    let requested = match requested_regions(&session, args) {
        // Report a missing profile before a missing Region.
        Err(error) if args.live.profile.is_none() => return Err(error),
        requested => requested,
    };
    let authenticated = session
        .resolve_credentials()
        .await
        .map_err(|error| connect_error(&error, args))?;
    let regions = match requested? {
        Some(regions) => regions,
        None => list_regions(&authenticated).await?,
    };
    Ok(audit_regions(&authenticated, &regions, policy, now).await)
}

async fn list_regions(session: &Session) -> Result<Vec<String>, CliError> {
    call_with_retries(&SystemClock, async || session.list_regions().await)
        .await
        .map_err(CliError::ListRegions)
}

async fn audit_regions(
    session: &Session,
    regions: &[String],
    policy: &Policy,
    now: Timestamp,
) -> Audit {
    let progress = Progress::start(regions.len());
    let mut pending = Vec::new();
    for name in regions {
        let target = RegionTarget { name, policy, now };
        pending.push(audit_region(session, target, &progress));
    }
    let mut audit = Audit::new(policy);
    let mut finished = stream::iter(pending).buffer_unordered(MAX_CONCURRENT_REGIONS);
    while let Some(region) = finished.next().await {
        audit.merge(region);
    }
    audit.sort_and_dedup();
    audit
}

async fn audit_region(session: &Session, target: RegionTarget<'_>, progress: &Progress) -> Audit {
    let lister = session.group_lister(target.name);
    let audit = region::audit_region(&lister, &SystemClock, &target, &|page| {
        progress.record_page(page);
    })
    .await;
    progress.finish_region();
    audit
}

/// The regions to read: those of the arguments, or else the one of the environment or the profile.
/// `None` means all regions.
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
    let identity = match (&args.live.role, &args.live.profile) {
        (Some(role), _) => format!("as `{role}`: "),
        (None, Some(profile)) => format!("with the profile `{profile}`: "),
        (None, None) => String::new(),
    };
    CliError::Credentials {
        message: format!("{identity}{error}"),
        is_role: args.live.role.is_some(),
    }
}

fn runtime_error(error: &io::Error) -> CliError {
    CliError::Connect(format!("cannot start the async runtime: {error}"))
}
