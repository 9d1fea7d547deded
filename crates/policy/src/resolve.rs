//! From decoded records to the typed policy: merges policies, resolves names and checks what a
//! single value cannot show.

mod checks;
mod exceptions;
mod guardrails;
mod merge;
mod names;
mod overrides;
mod policy;
mod resolver;
mod rules;
mod scope;
mod traffic;
mod trusted;

pub(crate) use merge::merge_policies;
pub(crate) use policy::resolve_policy;
pub(crate) use scope::resolve_scope;
