//! What the Lambda functions share: the settings of their environment, the policy that these name, and how numbers come
//! into the log.

pub mod metrics;
pub mod policy;
pub mod settings;

pub use metrics::Metric;
pub use policy::{PolicyLoadError, load_policy};
pub use settings::{PolicySource, Settings, SettingsError};
