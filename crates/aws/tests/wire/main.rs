//! The adapters against a server on a real socket: what is sent byte for byte, and what becomes of every answer.

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
mod read;
mod revoke;
mod session;
mod tell;

use std::time::Duration;

use aws_credential_types::Credentials;
use portcullis_aws::{Aws, Timing};
use portcullis_remediation::{ErrorKind, ServiceError};
use stub::Stub;

/// The group of the tests.
const ID: &str = "sg-0123456789abcdef0";

/// Patient, but without pauses worth mentioning.
fn timing() -> Timing {
    Timing {
        initial_backoff: Duration::from_millis(1),
        ..Timing::default()
    }
}

fn aws_at(url: &str, timing: &Timing) -> Aws {
    let keys = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    Aws::connect_to_endpoint(url, keys, timing).unwrap()
}

/// What became of each box; `None` where all went well.
fn kinds(outcomes: &[Result<(), ServiceError>]) -> Vec<Option<ErrorKind>> {
    outcomes
        .iter()
        .map(|outcome| outcome.as_ref().err().map(|error| error.kind))
        .collect()
}

fn aws(stub: &Stub) -> Aws {
    aws_at(&stub.url, &timing())
}
