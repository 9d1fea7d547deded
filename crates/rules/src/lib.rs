//! The shared rules engine of Portcullis: what is open, what a policy forbids of it, and what to remove.
//!
//! Everything here is pure: no clock, no environment, no network, no async, no serialisation. The same input gives the
//! same answer in the Lambda, in the offline audit and in a test.
//!
//! The way through the crate: [`group`] holds what EC2 says about a security group, one box (protocol, ports, one
//! source) at a time; [`exposure`] finds which ports of which box are open to the world; [`mod@judge`] holds a
//! [`policy::InvalidPolicy`] against that and gives findings; [`mod@plan`] turns findings into removals.

pub mod address;
pub mod baseline;
pub mod check;
pub mod decide;
pub mod evaluate;
pub mod exception;
pub mod exposure;
pub mod group;
pub mod notation;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod protocol;
pub mod scope;
pub mod source;
pub mod traffic;
pub mod verify;

pub use decide::{Decision, decide};
pub use evaluate::{Evaluation, Finding, evaluate};
pub use exception::Exception;
pub use group::{IngressRule, SecurityGroup};
pub use plan::{Plan, PlanInput, Quota, Removal, build_plan};
pub use policy::{Action, Guardrails, Policy, PolicyRule, Severity};
pub use ports::{PortRange, PortSet};
pub use protocol::Protocol;
pub use scope::{Context, Glob, Scope};
pub use source::{PrefixLists, Source};
pub use traffic::TrafficSet;
pub use verify::verify_plan;
