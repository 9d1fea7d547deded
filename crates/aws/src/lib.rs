//! The only room that speaks AWS: the ports of the use case over EC2 and SNS, the text of a policy out of SSM, and the
//! [`Session`] of a person who audits.
//!
//! [`Aws::connect`] builds everything once; [`Aws::reader`], [`Aws::changer`] and [`Aws::teller`] are separate handles,
//! so that a composition for monitor mode can be built which is never handed anything that changes. Nothing of the SDK
//! gets out of here: failures come out as `PortError`s, and [`iam`] lists the permissions that the calls need.

mod attachments;
mod authorize;
mod boxes;
mod change;
pub mod client;
mod clock;
mod connector;
mod error;
pub mod iam;
mod list;
mod merge;
mod parameter;
mod prefix_lists;
mod read;
mod revoke;
mod session;
mod tell;

pub use change::Changer;
pub use client::{Aws, ConnectError, Timing};
pub use clock::SystemClock;
pub use list::Lister;
pub use read::Reader;
pub use session::{Login, Role, Session};
pub use tell::Teller;
