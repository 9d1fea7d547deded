//! The only crate that calls AWS: it implements the service traits of `portcullis-remediation` over
//! EC2 and SNS, reads the policy from SSM, and provides the [`Session`] of the command line.
//!
//! [`Aws::connect`] builds the clients once. [`Aws::group_reader`], [`Aws::ingress_editor`] and
//! [`Aws::alert_publisher`] are separate, so that a function in monitor mode is built without
//! anything that changes a group. No SDK type is public: errors are `ServiceError`s. [`iam`] lists
//! the permissions that the calls require.

mod attachments;
mod authorize;
mod call;
mod client;
mod clock;
mod config;
mod convert;
mod edit;
mod error;
mod http;
pub mod iam;
mod list;
mod merge;
mod parameter;
mod prefix_lists;
mod publish;
mod read;
mod revoke;
mod session;
mod subscriptions;

pub use client::Aws;
pub use clock::SystemClock;
pub use config::{ConnectError, Timing};
pub use edit::Ec2IngressEditor;
pub use list::Ec2GroupLister;
pub use parameter::Parameter;
pub use publish::SnsPublisher;
pub use read::Ec2GroupReader;
pub use session::{Role, Session, SessionOptions};
pub use subscriptions::SubscriptionCounts;
