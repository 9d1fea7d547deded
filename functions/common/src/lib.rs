//! What the Lambda functions share: their account, settings, policy loading, services, logging,
//! metrics, and the errors that Lambda reports.

pub mod account;
pub mod invocation;
pub mod logging;
pub mod metrics;
pub mod policy;
pub mod services;
pub mod settings;

pub use account::function_account;
pub use invocation::InvocationError;
pub use logging::init_logging;
pub use metrics::Metric;
pub use policy::{FunctionPolicy, PolicyLoadError, load_policy};
pub use services::build_services;
pub use settings::{PolicySource, Settings, SettingsError};
