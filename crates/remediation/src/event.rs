//! What a Lambda function is invoked with: CloudTrail events about security groups, and sweeps.

mod actor;
mod change;
mod claimed_rules;
mod decode;
mod prefix_list;
mod record;
mod sweep_request;
#[cfg(test)]
mod tests;

pub use actor::Actor;
pub use change::{DecodedEvent, GroupChange, IgnoreReason, Origin, PrefixListChange, Target};
pub use decode::{DecodeError, decode_event, decode_event_value};
pub use sweep_request::SweepRequest;
