//! The AWS session of the command line: credentials, the regions of the account, and a group lister
//! for each of them. Changes nothing.
//!
//! Unlike a Lambda function, a person has profiles, roles and single sign-on, and perhaps a proxy
//! and the root certificates of an organization.

mod credentials;
mod proxy;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_ec2::Client;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use portcullis_remediation::{Partition, ServiceError};

use crate::call::unexpected_response;
use crate::config::{
    ConnectError, Timing, config_loader, config_region, env_variable, region_or_env,
};
use crate::error::{call_error, format_error_chain};
use crate::http::{Roots, build_connector, shared_http_client};
use crate::list::Ec2GroupLister;
use credentials::CachedCredentials;

const DESCRIBE_REGIONS: &str = "DescribeRegions";

/// Which credentials to use, and the region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// The profile of the AWS configuration files; without one, the environment decides.
    pub profile: Option<String>,
    /// The role to assume.
    pub role: Option<Role>,
    /// The region for STS and `DescribeRegions`, if it is already known.
    pub region: Option<String>,
}

/// A role to assume with the available credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::111122223333:role/audit`.
    pub arn: String,
    /// The external id, if the role's trust policy requires one.
    pub external_id: Option<String>,
}

impl SessionOptions {
    /// The region for STS and `DescribeRegions` when none is configured: one that every account of
    /// the partition has. Only the ARN of a role can specify a partition other than `aws`.
    fn fallback_region(&self) -> Region {
        let partition = self
            .role
            .as_ref()
            .and_then(|role| role.arn.split(':').nth(1))
            .and_then(Partition::find);
        Region::from_static(partition.map_or("us-east-1", |partition| partition.default_region))
    }
}

/// Access to the regions of an account.
#[derive(Debug, Clone)]
pub struct Session {
    config: SdkConfig,
    fallback_region: Region,
}

impl Session {
    /// Reads the environment and the profile. Sends nothing yet, unless only the instance metadata
    /// knows the region.
    ///
    /// A profile in the options takes precedence over credentials in the environment, as in the
    /// AWS CLI.
    ///
    /// # Errors
    /// When the CA bundle in `AWS_CA_BUNDLE` cannot be used, the proxy address in the environment
    /// is invalid, or TLS cannot be set up.
    pub async fn open(options: &SessionOptions, timing: &Timing) -> Result<Self, ConnectError> {
        let roots = Roots::for_region("", &env_variable)?.prefer_native();
        let proxy = proxy::proxy_from_env(&env_variable)?;
        let http_client = shared_http_client(&build_connector(roots, proxy, timing)?);
        let fallback_region = options.fallback_region();
        let base = load_config(options, &fallback_region, timing, http_client).await;
        let config = match &options.role {
            Some(role) => assume_role(role, &fallback_region, base).await,
            None => base,
        };
        Ok(Self {
            config,
            fallback_region,
        })
    }

    /// Fetches the credentials, so that missing ones are one error and not one for each region.
    /// They are cached until they expire, so that the provider is not called twice.
    ///
    /// # Errors
    /// When there are no credentials, or the role cannot be assumed.
    pub async fn resolve_credentials(self) -> Result<Self, ConnectError> {
        let Some(provider) = self.config.credentials_provider() else {
            let reason = "no credentials provider is configured".to_owned();
            return Err(ConnectError::NoCredentials(reason));
        };
        let credentials = provider
            .provide_credentials()
            .await
            .map_err(|error| ConnectError::NoCredentials(format_error_chain(&error)))?;
        let cached = CachedCredentials::new(credentials, provider);
        Ok(Self {
            config: with_credentials(self.config, SharedCredentialsProvider::new(cached)),
            fallback_region: self.fallback_region,
        })
    }

    /// The region from the options, the environment or the profile.
    pub fn configured_region(&self) -> Option<&str> {
        config_region(&self.config).map(AsRef::as_ref)
    }

    /// The regions that are enabled for the account, sorted by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list_regions(&self) -> Result<Vec<String>, ServiceError> {
        let region = config_region(&self.config).unwrap_or(&self.fallback_region);
        let output = self
            .ec2_client(region.clone())
            .describe_regions()
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_REGIONS, &error).error)?;
        let mut names = Vec::new();
        for region in output.regions.unwrap_or_default() {
            let name = region
                .region_name
                .ok_or_else(|| unexpected_response(DESCRIBE_REGIONS, "a region has no name"))?;
            names.push(name);
        }
        if names.is_empty() {
            let reason = "the account has no regions";
            return Err(unexpected_response(DESCRIBE_REGIONS, reason));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A lister of the security groups of a region.
    pub fn group_lister(&self, region: &str) -> Ec2GroupLister {
        Ec2GroupLister::new(self.ec2_client(Region::new(region.to_owned())))
    }

    fn ec2_client(&self, region: Region) -> Client {
        let config = aws_sdk_ec2::config::Builder::from(&self.config).region(region);
        Client::from_conf(config.build())
    }
}

async fn load_config(
    options: &SessionOptions,
    fallback_region: &Region,
    timing: &Timing,
    http_client: SharedHttpClient,
) -> SdkConfig {
    let region = region_or_env(options.region.as_deref());
    let loader = config_loader(region, timing, http_client.clone());
    let Some(profile) = &options.profile else {
        return loader.load().await;
    };
    let config = loader.profile_name(profile).load().await;
    let region = config_region(&config).unwrap_or(fallback_region);
    let provider_config = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_http_client(http_client)
        .with_retry_config(timing.retry_config())
        .with_timeout_config(timing.timeout_config());
    let credentials = ProfileFileCredentialsProvider::builder()
        .configure(&provider_config)
        .profile_name(profile)
        .build();
    with_credentials(config, SharedCredentialsProvider::new(credentials))
}

/// The same configuration with the credentials of the role. `CloudTrail` records the session name
/// with each call.
async fn assume_role(role: &Role, fallback_region: &Region, config: SdkConfig) -> SdkConfig {
    let region = config_region(&config).unwrap_or(fallback_region).clone();
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .session_name("portcullis-audit")
        .configure(&config)
        .region(region);
    if let Some(external_id) = &role.external_id {
        builder = builder.external_id(external_id);
    }
    let credentials = builder.build().await;
    with_credentials(config, SharedCredentialsProvider::new(credentials))
}

fn with_credentials(config: SdkConfig, credentials: SharedCredentialsProvider) -> SdkConfig {
    config
        .into_builder()
        .credentials_provider(credentials)
        .build()
}
