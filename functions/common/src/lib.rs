//! What the Lambda functions share: the settings of their environment, and the policy that these name.

pub mod policy;
pub mod settings;

pub use policy::{UnusablePolicy, load};
pub use settings::{InvalidSettings, PolicySource, Settings};
