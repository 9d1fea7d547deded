//! The rules engine of Portcullis: evaluates security groups against a policy and plans the changes
//! that close them.
//!
//! The crate is pure: no clock, no environment, no network, no async, no serialization. The same
//! input gives the same result in the Lambda functions, in the command line tool and in tests.
//! `docs/semantics.md` defines what "open to the world" means and what a plan guarantees.
//!
//! [`decide()`] is the entry point for a decision about a group. It takes a [`PlanInput`] and makes
//! three steps:
//!
//! 1. [`evaluate()`] finds the security group rules that violate a rule of the [`Policy`]. It uses
//!    [`exposure`], which computes the ports of each rule that are open to the world.
//! 2. [`plan`] turns the enforced findings into removals and additions.
//! 3. [`verify`] checks the plan. A plan that fails the check is refused as a whole.

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
pub use plan::{Plan, PlanInput, Quota, Removal};
pub use policy::{Action, ExistingRules, Guardrails, Policy, PolicyRule, Severity};
pub use ports::{PortRange, PortSet};
pub use protocol::Protocol;
pub use scope::{Context, Glob, OpenedRules, Scope};
pub use source::{PrefixLists, Source};
pub use traffic::TrafficSet;
pub use verify::verify_plan;
