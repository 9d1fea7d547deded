//! The policy language: parses policy files (YAML, version 1) into the typed policy of
//! `portcullis_rules`, and policy test files into test cases that it runs. It reads no files
//! itself.
//!
//! `yaml` parses text into a tree with positions, `decode` checks the tree against the schema
//! table, from which the JSON Schema is generated too ([`json_schema()`]), and `resolve` resolves
//! names and `extends` into a [`Policy`](portcullis_rules::Policy). Every step reports all errors
//! instead of only the first; each has a stable [`Code`].
//!
//! ```
//! let text = "version: 1\nextends: baseline\n";
//! let loaded = portcullis_policy::parse_policy("policy.yaml", text).expect("a valid policy");
//! assert_eq!(loaded.policy.rules.len(), 8);
//!
//! let text = "version: 1\nextends: base\nmode: enforse\n";
//! let errors = portcullis_policy::parse_policy("policy.yaml", text).unwrap_err();
//! assert_eq!(errors.len(), 2);
//! assert!(errors.to_string().contains("did you mean `enforce`?"));
//! ```

mod code;
pub mod coverage;
mod decode;
mod edit;
mod json_schema;
mod lint;
mod load;
mod presets;
mod record;
mod regions;
mod render;
mod resolve;
mod scalar;
mod schema_table;
pub mod test_file;
mod yaml;

pub use code::Code;
pub use edit::{AddExceptionsError, add_exceptions};
pub use json_schema::json_schema;
pub use lint::lint_policy;
pub use load::{LoadedPolicy, parse_policy};
pub use presets::{PRESETS, PolicyReference, Preset, UnknownPreset, find_preset};
pub use regions::{REGIONS, is_known_region, nearest_region};
pub use render::{
    CommentedException, render_exceptions, render_expiry, render_match, render_policy, render_scope,
};
pub use yaml::{Diagnostic, Diagnostics, nearest_word};
