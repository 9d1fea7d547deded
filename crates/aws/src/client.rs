//! The AWS clients of a Lambda function, over one shared connection pool.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use portcullis_remediation::{Partition, ServiceError};

use crate::config::{
    ConnectError, Timing, config_loader, config_region, env_variable, region_or_env,
};
use crate::edit::Ec2IngressEditor;
use crate::http::{Roots, build_connector, shared_http_client, warm_up_connections};
use crate::list::Ec2GroupLister;
use crate::parameter::{Parameter, read_parameter};
use crate::publish::SnsPublisher;
use crate::read::Ec2GroupReader;
use crate::subscriptions::{SubscriptionCounts, count_subscriptions};

/// Variables that override the endpoints of the services that are warmed up (AWS SDKs and Tools
/// Reference Guide, "Service-specific endpoints").
const ENDPOINT_VARIABLES: [&str; 3] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_SNS",
];

/// Clients of EC2, SNS and SSM over one connection pool. Cheap to clone.
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
    /// Builds the clients from the environment. Sends nothing yet.
    ///
    /// Credentials come from `AWS_ACCESS_KEY_ID` and its companions if they are set (in a Lambda
    /// function they are valid for the lifetime of its sandbox), otherwise from the SDK's default
    /// chain. `AWS_REGION`, `AWS_ENDPOINT_URL` and its service-specific forms, `AWS_CA_BUNDLE`,
    /// `SSL_CERT_FILE`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT` and the profile
    /// files are honored.
    ///
    /// # Errors
    /// When no region is set, or the CA bundle in `AWS_CA_BUNDLE` cannot be used.
    pub async fn connect() -> Result<Self, ConnectError> {
        Self::connect_with(None, &Timing::default()).await
    }

    /// Builds the clients from the environment, with this timing and, if given, this region.
    ///
    /// # Errors
    /// As [`Aws::connect`].
    pub async fn connect_with(region: Option<&str>, timing: &Timing) -> Result<Self, ConnectError> {
        let region = region_or_env(region);
        // If only a profile knows the region, the roots are chosen before it is read: those of
        // the operating system are the safe choice then.
        let roots = match &region {
            Some(region) => Roots::for_region(region, &env_variable)?,
            None => Roots::for_region("", &env_variable)?.prefer_native(),
        };
        let connector = build_connector(roots, ProxyConfig::disabled(), timing)?;
        let http_client = shared_http_client(&connector);
        let config = config_loader(region, timing, http_client).load().await;
        let urls = warm_up_urls(&config, has_endpoint_override());
        Self::from_config(&config, connector, urls)
    }

    /// Builds clients that send all calls to one endpoint with these credentials, regardless of
    /// the environment: for tests against a stub. The region is `us-east-1`.
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
        warm_up_urls: Vec<String>,
    ) -> Result<Self, ConnectError> {
        let region = config_region(config).map(ToString::to_string);
        Ok(Self {
            ec2: aws_sdk_ec2::Client::new(config),
            sns: aws_sdk_sns::Client::new(config),
            config: config.clone(),
            connector,
            region: region.ok_or(ConnectError::NoRegion)?,
            warm_up_urls,
        })
    }

    /// Opens the connections to EC2 and SNS before the first call: a Lambda function has a full
    /// CPU during init and only a share of one later.
    ///
    /// Takes at most a second and cannot fail. Does nothing when an endpoint is overridden.
    pub async fn pre_connect(&self) {
        warm_up_connections(&self.connector, &self.warm_up_urls).await;
    }

    /// The region of the calls.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Reads a parameter of AWS Systems Manager. The name may end in a version:
    /// `/portcullis/policy:4`.
    ///
    /// # Errors
    /// When the parameter cannot be read.
    pub async fn read_parameter(&self, name: String) -> Result<Parameter, ServiceError> {
        // Called at most once in a process, so no client is kept for it. The call decides whether
        // the process can start, and a burst of events starts many: hence the long timeouts.
        let timing = Timing::with_long_timeouts();
        let config = aws_sdk_ssm::config::Builder::from(&self.config)
            .retry_config(timing.retry_config())
            .timeout_config(timing.timeout_config())
            .build();
        read_parameter(&aws_sdk_ssm::Client::from_conf(config), &name).await
    }

    /// Counts the subscriptions of an SNS topic, in one call.
    ///
    /// # Errors
    /// When the attributes of the topic cannot be read or contain no counts.
    pub async fn count_subscriptions(
        &self,
        topic_arn: &str,
    ) -> Result<SubscriptionCounts, ServiceError> {
        count_subscriptions(&self.sns, topic_arn).await
    }

    /// A reader of security groups. It has no method that changes one.
    pub fn group_reader(&self) -> Ec2GroupReader {
        Ec2GroupReader::new(self.ec2.clone())
    }

    /// A lister of all security groups. It has no method that changes one.
    ///
    /// It caches prefix lists, so create one per sweep.
    pub fn group_lister(&self) -> Ec2GroupLister {
        Ec2GroupLister::new(self.ec2.clone())
    }

    /// An editor that revokes and authorizes rules. Do not create one in monitor mode.
    pub fn ingress_editor(&self) -> Ec2IngressEditor {
        Ec2IngressEditor::new(self.ec2.clone())
    }

    /// A publisher of alerts to this SNS topic.
    pub fn alert_publisher(&self, topic_arn: impl Into<String>) -> SnsPublisher {
        SnsPublisher::new(self.sns.clone(), topic_arn.into())
    }
}

fn has_endpoint_override() -> bool {
    ENDPOINT_VARIABLES
        .iter()
        .any(|name| env_variable(name).is_some())
}

/// The endpoints to connect to in advance: none when the calls go to hosts that only the SDK's
/// endpoint rules know.
fn warm_up_urls(config: &SdkConfig, overridden: bool) -> Vec<String> {
    let has_other_endpoints = overridden
        || config.endpoint_url().is_some()
        || config.use_fips().unwrap_or(false)
        || config.use_dual_stack().unwrap_or(false);
    let Some(region) = config.region() else {
        return Vec::new();
    };
    if has_other_endpoints || !Partition::for_region(region.as_ref()).is_commercial() {
        return Vec::new();
    }
    ["ec2", "sns"]
        .map(|service| format!("https://{service}.{region}.amazonaws.com/"))
        .to_vec()
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
    fn warm_up_urls_are_those_of_the_region() {
        assert_eq!(
            warm_up_urls(&config("eu-west-1"), false),
            [
                "https://ec2.eu-west-1.amazonaws.com/",
                "https://sns.eu-west-1.amazonaws.com/"
            ]
        );
    }

    #[test]
    fn other_endpoints_are_not_warmed_up() {
        assert!(warm_up_urls(&config("eu-west-1"), true).is_empty());
        assert!(warm_up_urls(&config("cn-north-1"), false).is_empty());
        let fips = config("us-east-1").into_builder().use_fips(true).build();
        assert!(warm_up_urls(&fips, false).is_empty());
        let local = config("us-east-1")
            .into_builder()
            .endpoint_url("http://localhost")
            .build();
        assert!(warm_up_urls(&local, false).is_empty());
    }
}
