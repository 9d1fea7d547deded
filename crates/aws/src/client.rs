//! One init for everything: configuration, one connector, one client for each service.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use portcullis_remediation::{Partition, ServiceError};

use crate::http::{Roots, build_connector, warm_up_connections};
use crate::{Ec2GroupLister, Ec2GroupReader, Ec2IngressEditor, SnsPublisher, parameter};

/// The variables that send calls elsewhere (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
const ENDPOINT_VARIABLES: [&str; 3] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_SNS",
];

/// How long to wait and how often to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// For the first byte of an answer.
    pub read_timeout: Duration,
    /// For one attempt of a call.
    pub attempt_timeout: Duration,
    /// For a call with all its attempts and the pauses between them.
    pub operation_timeout: Duration,
    /// Attempts of a call, the first included. Throttles, 5xx and broken connections are tried again.
    pub max_attempts: u32,
    /// The longest pause after a first throttle; it doubles from one to the next. Other failures are tried again within
    /// 50 ms, the SDK's own choice.
    pub initial_backoff: Duration,
}

impl Default for Timing {
    /// Three attempts of 5 s within 20 s: the calls we make take some hundred milliseconds.
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
    /// For what has minutes and shares the request rate with everybody, such as a sweep: five attempts of 10 s within 30 s.
    pub fn with_long_timeouts() -> Self {
        let seconds = Duration::from_secs;
        Self {
            read_timeout: seconds(10),
            attempt_timeout: seconds(10),
            operation_timeout: seconds(30),
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

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither the environment nor a profile says which region.
    #[error("no AWS region: set AWS_REGION, or a region in the AWS profile")]
    NoRegion,
    /// The file of `AWS_CA_BUNDLE` is of no use.
    #[error("AWS_CA_BUNDLE names `{path}`, which cannot be used: {reason}")]
    CaBundle {
        /// As the variable has it.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS could not be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A variable names a proxy, and its value cannot be one.
    #[error("{name} is no address of a proxy: {reason}")]
    Proxy {
        /// The variable.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are no keys, or they have ended.
    #[error("no AWS credentials: {0}")]
    NoCredentials(String),
}

/// The clients of EC2 and SNS over one pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    ec2: aws_sdk_ec2::Client,
    sns: aws_sdk_sns::Client,
    config: SdkConfig,
    connector: SharedHttpConnector,
    region: String,
    warm_up_urls: Vec<String>,
}

impl Aws {
    /// Connects as the environment says. Nothing is sent yet.
    ///
    /// Keys come from `AWS_ACCESS_KEY_ID` and its companions when they are there (a Lambda has them for as long as its
    /// sandbox lives), else from the SDK's default chain. `AWS_REGION`, `AWS_ENDPOINT_URL` and its service-specific
    /// forms, `AWS_CA_BUNDLE`, `SSL_CERT_FILE`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT` and the profile
    /// files are honoured.
    ///
    /// # Errors
    /// When there is no region, or `AWS_CA_BUNDLE` is no bundle.
    pub async fn connect() -> Result<Self, ConnectError> {
        Self::connect_with(None, &Timing::default()).await
    }

    /// Connects as the environment says, but to this region when there is one, and with this timing.
    ///
    /// # Errors
    /// As [`Aws::connect`].
    pub async fn connect_with(region: Option<&str>, timing: &Timing) -> Result<Self, ConnectError> {
        let region = region_or_env(region);
        // Where only a profile knows the region, the roots are chosen before it is read: the safe choice is the
        // system's.
        let roots = match &region {
            Some(region) => Roots::for_region(region, &env_variable)?,
            None => Roots::for_region("", &env_variable).map(prefer_native_roots)?,
        };
        let connector = build_connector(roots, ProxyConfig::disabled(), timing)?;
        let config = config_loader(region, timing, &connector).load().await;
        let hosts = warm_up_urls(
            &config,
            ENDPOINT_VARIABLES
                .iter()
                .any(|name| env_variable(name).is_some()),
        );
        Self::from_config(&config, connector, hosts)
    }

    /// Connects to one endpoint for all services, with these keys, whatever the environment says: for tests against a
    /// stand-in. The region is `us-east-1`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect_to_endpoint(
        endpoint_url: &str,
        credentials: Credentials,
        timing: &Timing,
    ) -> Result<Self, ConnectError> {
        let connector = build_connector(Roots::Amazon, ProxyConfig::disabled(), timing)?;
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint_url)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(timing.retry_config())
            .timeout_config(timing.timeout_config())
            .http_client(shared_http_client(&connector))
            .build();
        Self::from_config(&config, connector, Vec::new())
    }

    fn from_config(
        config: &SdkConfig,
        connector: SharedHttpConnector,
        hosts: Vec<String>,
    ) -> Result<Self, ConnectError> {
        let region = config_region(config).map(ToString::to_string);
        Ok(Self {
            ec2: aws_sdk_ec2::Client::new(config),
            sns: aws_sdk_sns::Client::new(config),
            config: config.clone(),
            connector,
            region: region.ok_or(ConnectError::NoRegion)?,
            warm_up_urls: hosts,
        })
    }

    /// Opens the connections to EC2 and SNS ahead of the first call: at init a Lambda has a whole CPU, later a share.
    /// Takes a second at most and cannot fail. Does nothing where an endpoint is overridden.
    pub async fn pre_connect(&self) {
        warm_up_connections(&self.connector, &self.warm_up_urls).await;
    }

    /// The region of the calls.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The value of a parameter of AWS Systems Manager. The name may end in a version: `/portcullis/policy:4`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read_parameter(&self, name: String) -> Result<String, ServiceError> {
        // One call in the life of a process, if any: no client is kept for it.
        // It decides whether the process starts at all, and a burst of events starts many.
        let timing = Timing::with_long_timeouts();
        let config = aws_sdk_ssm::config::Builder::from(&self.config)
            .retry_config(timing.retry_config())
            .timeout_config(timing.timeout_config());
        parameter::read_parameter(&aws_sdk_ssm::Client::from_conf(config.build()), &name).await
    }

    /// Reads groups; changes nothing.
    pub fn group_reader(&self) -> Ec2GroupReader {
        Ec2GroupReader::new(self.ec2.clone())
    }

    /// Lists all groups; changes nothing. It remembers the prefix lists it meets, so there is one for each sweep.
    pub fn group_lister(&self) -> Ec2GroupLister {
        Ec2GroupLister::new(self.ec2.clone())
    }

    /// Removes and adds rules. Not for monitor mode.
    pub fn ingress_editor(&self) -> Ec2IngressEditor {
        Ec2IngressEditor::new(self.ec2.clone())
    }

    /// Publishes to this topic.
    pub fn alert_publisher(&self, topic_arn: impl Into<String>) -> SnsPublisher {
        SnsPublisher::new(self.sns.clone(), topic_arn.into())
    }
}

/// This region, else that of the environment.
pub(crate) fn region_or_env(region: Option<&str>) -> Option<String> {
    region
        .map(str::to_owned)
        .or_else(|| env_variable("AWS_REGION"))
        .or_else(|| env_variable("AWS_DEFAULT_REGION"))
}

/// The region of a configuration. The SDK takes an `AWS_REGION` that is set to nothing for one.
pub(crate) fn config_region(config: &SdkConfig) -> Option<&Region> {
    config.region().filter(|region| !region.as_ref().is_empty())
}

/// A variable of the environment; an empty one is none.
pub(crate) fn env_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn prefer_native_roots(roots: Roots) -> Roots {
    match roots {
        Roots::Amazon | Roots::Native => Roots::Native,
        Roots::Bundle(pem) => Roots::Bundle(pem),
    }
}

pub(crate) fn config_loader(
    region: Option<String>,
    timing: &Timing,
    connector: &SharedHttpConnector,
) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(shared_http_client(connector))
        .retry_config(timing.retry_config())
        .timeout_config(timing.timeout_config());
    let loader = match region {
        Some(region) => loader.region(Region::new(region)),
        None => loader,
    };
    // The default chain would find the same keys, for 1.4 million instructions.
    let keys = env_variable("AWS_ACCESS_KEY_ID").is_some()
        && env_variable("AWS_SECRET_ACCESS_KEY").is_some();
    if keys {
        loader.credentials_provider(EnvironmentVariableCredentialsProvider::new())
    } else {
        loader
    }
}

/// A client of the SDK would build a connector for itself, and throw a first one away.
pub(crate) fn shared_http_client(connector: &SharedHttpConnector) -> SharedHttpClient {
    let connector = connector.clone();
    http_client_fn(move |_, _| connector.clone())
}

/// Whom to connect to ahead: nobody when the calls go to hosts that only the SDK's endpoint rules know.
fn warm_up_urls(config: &SdkConfig, overridden: bool) -> Vec<String> {
    let special = overridden
        || config.endpoint_url().is_some()
        || config.use_fips().unwrap_or(false)
        || config.use_dual_stack().unwrap_or(false);
    match config.region() {
        Some(region) if !special && Partition::for_region(region.as_ref()).is_commercial() => {
            ["ec2", "sns"]
                .map(|service| format!("https://{service}.{region}.amazonaws.com/"))
                .to_vec()
        }
        Some(_) | None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(region: &'static str) -> SdkConfig {
        SdkConfig::builder()
            .region(Region::from_static(region))
            .build()
    }

    #[test]
    fn the_hosts_are_those_of_the_region() {
        assert_eq!(
            warm_up_urls(&config("eu-west-1"), false),
            [
                "https://ec2.eu-west-1.amazonaws.com/",
                "https://sns.eu-west-1.amazonaws.com/"
            ]
        );
    }

    #[test]
    fn nobody_is_called_ahead_where_the_endpoint_is_another() {
        assert!(warm_up_urls(&config("eu-west-1"), true).is_empty());
        assert!(warm_up_urls(&config("cn-north-1"), false).is_empty());
        let fips = config("us-east-1").into_builder().use_fips(true).build();
        assert!(warm_up_urls(&fips, false).is_empty());
        let elsewhere = config("us-east-1")
            .into_builder()
            .endpoint_url("http://localhost")
            .build();
        assert!(warm_up_urls(&elsewhere, false).is_empty());
    }
}
