//! Renders the effective policy as YAML, without names and without `extends`.

mod policy;
mod writer;

pub use policy::render_policy;
