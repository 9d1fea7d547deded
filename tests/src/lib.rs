//! A local AWS for the end-to-end tests and the demo: no account, no container, nothing outside 127.0.0.1.
//!
//! [`moto`](https://docs.getmoto.org) is EC2, because its security groups come closest to the real ones;
//! `ministack` is everything else, because it deploys the SAM template and runs
//! the compiled function as EventBridge and Lambda would. Both are Python, installed once from hashed locks into the
//! user's cache directory. One Python process, the driver, starts them and speaks to them through boto3; this crate
//! only speaks to the driver, so that it needs no AWS SDK.
//!
//! Everything started here ends with the value that started it, with the process (however it ends), and with Ctrl-C.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use portcullis_e2e::{Deployment, LocalAws, binary};
//!
//! let aws = LocalAws::start(&Default::default())?;
//! let stack = aws.deploy(&Deployment::of_this_project(&binary("remediator")?))?;
//! aws.subscribe(stack.output("TopicArn")?, "sqs", "")?;
//! # Ok(())
//! # }
//! ```

mod binary;
mod driver;
mod groups;
mod local;
mod moto;
mod python;
mod wait;

pub mod cloudtrail;
pub mod page;

pub use binary::{binary, fresh_binary, target_directory, workspace_root};
pub use driver::ApiError;
pub use groups::{Group, rule_id};
pub use local::{Deployment, LocalAws, Message, Options, Stack};
pub use moto::{Call, Fault, Moto};
pub use python::{PythonEnv, Requirements, cache_directory};
pub use wait::wait_until;
