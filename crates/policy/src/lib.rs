//! Policy text (YAML, version 1) to the typed policy of `portcullis_rules`.
//!
//! The way through the crate: `tree` reads YAML and keeps where everything stands; `decode` holds the tree against
//! the one table of keys in `keys`, which also makes the JSON Schema ([`schema()`]); `resolve` follows names and
//! `extends` and gives the [`InvalidPolicy`](portcullis_rules::Policy). No step stops at the first mistake: a broken file is
//! told everything at once, in the words of [`Code`].
//!
//! ```
//! let loaded = portcullis_policy::parse("policy.yaml", "version: 1\nextends: baseline\n").expect("it is sound");
//! assert_eq!(loaded.policy.rules.len(), 7);
//!
//! let wrong = portcullis_policy::parse("policy.yaml", "version: 1\nextends: base\nmode: enforse\n").unwrap_err();
//! assert_eq!(wrong.len(), 2);
//! assert!(wrong.to_string().contains("did you mean `enforce`?"));
//! ```

mod checks;
mod code;
mod decode;
mod diagnostic;
mod keys;
mod load;
mod presets;
mod record;
mod resolve;
mod scalar;
mod schema;
mod show;
mod suggest;
mod text;
mod tree;

pub use checks::lint_policy;
pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use load::{LoadedPolicy, parse_policy};
pub use presets::{PRESETS, Preset, find_preset};
pub use schema::json_schema;
pub use show::render_policy;
