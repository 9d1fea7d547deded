//! A local AWS for the end-to-end tests and the demo. It needs no account and no container, and
//! uses only 127.0.0.1.
//!
//! [`moto`](https://docs.getmoto.org) provides EC2, because its security groups are the closest to
//! the real ones. `ministack` provides the other services, because it deploys the SAM template and
//! runs the compiled function as EventBridge and Lambda do. Both are Python packages, installed
//! once from hashed locks into the user's cache directory. A Python process, the driver, starts
//! them and calls them through boto3. This crate only talks to the driver, so it does not need the
//! AWS SDK.
//!
//! Everything that is started here ends when the value that started it is dropped, when the process
//! ends in any way, and on Ctrl-C.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use portcullis_e2e::{Deployment, LocalAws, binary};
//!
//! let aws = LocalAws::start(&Default::default())?;
//! let stack = aws.deploy(&Deployment::of_this_project(&binary("remediator")?))?;
//! aws.subscribe(stack.output("AlertTopicArn")?, "sqs", "")?;
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
mod workspace;

pub mod cloudtrail;
pub mod page;

pub use binary::{binary, fresh_binary, target_directory, workspace_root};
pub use driver::ApiError;
pub use groups::{Group, rule_id};
pub use local::{Deployment, LocalAws, Message, Options, Stack};
pub use moto::{Call, Fault, Moto};
pub use python::{PythonEnv, Requirements, cache_directory};
pub use wait::wait_until;
pub use workspace::Workspace;
