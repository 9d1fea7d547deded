//! The AWS services against a stub on a real socket: the exact requests, and the result of every
//! response.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

#[path = "../stub/mod.rs"]
mod stub;

mod attachments;
mod authorize;
mod environment;
mod failures;
mod list;
mod parameter;
mod publish;
mod read;
mod revoke;
mod session;
mod subscriptions;

use std::time::Duration;

use aws_credential_types::Credentials;
use portcullis_aws::{Aws, Timing};
use portcullis_remediation::{ErrorKind, ServiceError};
use stub::Stub;

/// The id of the group in the tests.
const GROUP_ID: &str = "sg-0123456789abcdef0";

/// The default timeouts, with a negligible backoff.
fn fast_timing() -> Timing {
    Timing {
        initial_backoff: Duration::from_millis(1),
        ..Timing::default()
    }
}

fn aws_with_timing(url: &str, timing: &Timing) -> Aws {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    Aws::connect_to_endpoint(url, credentials, timing).unwrap()
}

/// The error kind of each rule; `None` for a success.
fn error_kinds<T>(results: &[Result<T, ServiceError>]) -> Vec<Option<ErrorKind>> {
    results
        .iter()
        .map(|result| result.as_ref().err().map(|error| error.kind))
        .collect()
}

fn aws(stub: &Stub) -> Aws {
    aws_with_timing(&stub.url, &fast_timing())
}
