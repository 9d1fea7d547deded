//! The only room that speaks AWS: the ports of the use case over EC2 and SNS, the text of a policy out of SSM, and the
//! [`Session`] of a person who audits.
//!
//! [`Aws::connect`] builds everything once; [`Aws::reader`], [`Aws::changer`] and [`Aws::teller`] are separate handles,
//! so that a composition for monitor mode can be built which is never handed anything that changes. Nothing of the SDK
//! gets out of here: failures come out as `ServiceError`s, and [`iam`] lists the permissions that the calls need.

mod attachments;
mod authorize;
pub mod client;
mod clock;
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

pub use client::{Aws, ConnectError, Timing};
pub use clock::SystemClock;
pub use edit::Ec2IngressEditor;
pub use list::Ec2GroupLister;
pub use publish::SnsPublisher;
pub use read::Ec2GroupReader;
pub use session::{Role, Session, SessionOptions};
