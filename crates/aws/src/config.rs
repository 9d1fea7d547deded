//! Configuration of the AWS clients: timeouts, retries, region, credentials, and what can be wrong
//! with them.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// Timeouts and retries of AWS calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// For establishing a connection.
    pub connect_timeout: Duration,
    /// For the first byte of a response.
    pub read_timeout: Duration,
    /// For one attempt of a call.
    pub attempt_timeout: Duration,
    /// For a call with all its attempts and the backoff between them.
    pub operation_timeout: Duration,
    /// Attempts of a call, including the first. Throttling, 5xx responses and connection errors
    /// are retried.
    pub max_attempts: u32,
    /// Longest backoff after the first throttling error; it doubles with each attempt. Other
    /// errors are retried within 50 ms, which is the SDK's own choice.
    pub initial_backoff: Duration,
}

impl Default for Timing {
    /// Three attempts of 5 s within 20 s: our calls usually take a few hundred milliseconds.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(20),
            max_attempts: 3,
            initial_backoff: Duration::from_secs(1),
        }
    }
}

impl Timing {
    /// Five attempts of 10 s within 30 s: for work that may take minutes and shares the request
    /// quota of the account, such as a sweep.
    pub fn with_long_timeouts() -> Self {
        Self {
            read_timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(30),
            max_attempts: 5,
            ..Self::default()
        }
    }

    pub(crate) fn retry_config(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.max_attempts)
            .with_initial_backoff(self.initial_backoff)
    }

    pub(crate) fn timeout_config(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            .operation_attempt_timeout(self.attempt_timeout)
            .operation_timeout(self.operation_timeout)
            .build()
    }
}

/// Why no AWS client could be built.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither the environment nor a profile specifies the region.
    #[error("no AWS region: set AWS_REGION, or a region in the AWS profile")]
    NoRegion,
    /// The file in `AWS_CA_BUNDLE` cannot be read or contains no certificate.
    #[error("cannot use the CA bundle `{path}` from AWS_CA_BUNDLE: {reason}")]
    CaBundle {
        /// The path in the variable.
        path: String,
        /// What is wrong with the file.
        reason: String,
    },
    /// TLS could not be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// A variable specifies an invalid proxy address.
    #[error("{name} is not a valid proxy address: {reason}")]
    Proxy {
        /// The variable.
        name: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// There are no credentials, or they have expired.
    #[error("no AWS credentials: {0}")]
    NoCredentials(String),
}

/// An environment variable; an empty value counts as unset.
pub(crate) fn env_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The given region, or else the region from the environment.
pub(crate) fn region_or_env(region: Option<&str>) -> Option<String> {
    region
        .map(str::to_owned)
        .or_else(|| env_variable("AWS_REGION"))
        .or_else(|| env_variable("AWS_DEFAULT_REGION"))
}

/// The region of a configuration. The SDK accepts an empty `AWS_REGION` as a region; we do not.
pub(crate) fn config_region(config: &SdkConfig) -> Option<&Region> {
    config.region().filter(|region| !region.as_ref().is_empty())
}

pub(crate) fn config_loader(
    region: Option<String>,
    timing: &Timing,
    http_client: SharedHttpClient,
) -> ConfigLoader {
    let defaults = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client)
        .retry_config(timing.retry_config())
        .timeout_config(timing.timeout_config());
    let loader = match region {
        Some(region) => defaults.region(Region::new(region)),
        None => defaults,
    };
    if has_env_credentials() {
        // The default chain would find the same credentials after 1.4 million instructions more.
        loader.credentials_provider(EnvironmentVariableCredentialsProvider::new())
    } else {
        loader
    }
}

fn has_env_credentials() -> bool {
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        .iter()
        .all(|name| env_variable(name).is_some())
}
