//! A person's session: who they are, which regions they have, and a lister for each of them. Changes nothing.
//!
//! Unlike a Lambda function, a person has profiles, roles, single sign-on, perhaps a proxy and a company's own roots.

mod credentials;
mod proxy;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_ec2::Client;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use portcullis_remediation::ServiceError;

use portcullis_remediation::Partition;

use crate::client::{
    ConnectError, Timing, config_loader, config_region, env_variable, prefer_native_roots,
    region_or_env, shared_http_client,
};
use crate::error::{call_error, format_error_chain};
use crate::http::{Roots, build_connector};
use crate::list::Ec2GroupLister;
use crate::read::unexpected_response;
use credentials::CachedCredentials;

const DESCRIBE_REGIONS: &str = "DescribeRegions";

/// Who calls, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// The profile of the AWS configuration files; without one, the environment decides as everywhere.
    pub profile: Option<String>,
    /// The role to be.
    pub role: Option<Role>,
    /// The region, when it is known already: for STS, and so that nobody has to be asked for it.
    pub region: Option<String>,
}

/// A role to be assumed with the keys there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::111122223333:role/audit`.
    pub arn: String,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
}

impl SessionOptions {
    /// A region that every account of the partition has: where its regions are asked for, and STS, when nothing names
    /// one. Only the ARN of a role tells another partition than `aws`.
    fn fallback_region(&self) -> Region {
        let partition = self
            .role
            .as_ref()
            .and_then(|role| role.arn.split(':').nth(1));
        let known = partition.and_then(Partition::find);
        Region::from_static(known.map_or("us-east-1", |partition| partition.default_region))
    }
}

/// The way to the regions of an account.
#[derive(Debug, Clone)]
pub struct Session {
    config: SdkConfig,
    fallback_region: Region,
}

impl Session {
    /// Reads the environment and the profile. Nothing is sent yet, unless only the machine's metadata knows the region.
    ///
    /// A profile that is named wins over keys in the environment, as with the AWS CLI.
    ///
    /// # Errors
    /// When `AWS_CA_BUNDLE` is no bundle, the proxy of the environment is no address, or TLS cannot be set up.
    pub async fn open(login: &SessionOptions, timing: &Timing) -> Result<Self, ConnectError> {
        let roots = prefer_native_roots(Roots::for_region("", &env_variable)?);
        let connector = build_connector(roots, proxy::proxy_from_env(&env_variable)?, timing)?;
        let home = login.fallback_region();
        let config = load_config(login, &home, timing, &connector).await;
        let config = match &login.role {
            Some(role) => assume_role(role, &home, config).await,
            None => config,
        };
        Ok(Self {
            config,
            fallback_region: home,
        })
    }

    /// Fetches keys, so that having none is one error and not one for each region. They are kept for as long as they
    /// last: whoever made them is not asked twice.
    ///
    /// # Errors
    /// When there are none, or the role cannot be assumed.
    pub async fn resolve_credentials(self) -> Result<Self, ConnectError> {
        let none = || ConnectError::NoCredentials("there is no way to get any".to_owned());
        let provider = self.config.credentials_provider().ok_or_else(none)?;
        let keys = provider.provide_credentials().await;
        let keys = keys.map_err(|error| ConnectError::NoCredentials(format_error_chain(&error)))?;
        let kept = SharedCredentialsProvider::new(CachedCredentials::new(keys, provider));
        Ok(Self {
            config: self
                .config
                .into_builder()
                .credentials_provider(kept)
                .build(),
            ..self
        })
    }

    /// The region that the login, the environment or the profile names.
    pub fn configured_region(&self) -> Option<&str> {
        config_region(&self.config).map(AsRef::as_ref)
    }

    /// The regions that are enabled for the account, in the order of their names.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list_regions(&self) -> Result<Vec<String>, ServiceError> {
        let region = config_region(&self.config).unwrap_or(&self.fallback_region);
        let answer = self
            .ec2_client(region.clone())
            .describe_regions()
            .send()
            .await;
        let answer = answer.map_err(|error| call_error(DESCRIBE_REGIONS, &error).error)?;
        let mut names = Vec::new();
        for region in answer.regions.unwrap_or_default() {
            names.push(
                region
                    .region_name
                    .ok_or_else(|| unexpected_response(DESCRIBE_REGIONS, "a region has no name"))?,
            );
        }
        names.sort_unstable();
        if names.is_empty() {
            Err(unexpected_response(
                DESCRIBE_REGIONS,
                "the account has no regions",
            ))
        } else {
            Ok(names)
        }
    }

    /// Lists the groups of a region.
    pub fn group_lister(&self, region: &str) -> Ec2GroupLister {
        Ec2GroupLister::new(self.ec2_client(Region::new(region.to_owned())))
    }

    fn ec2_client(&self, region: Region) -> Client {
        Client::from_conf(
            aws_sdk_ec2::config::Builder::from(&self.config)
                .region(region)
                .build(),
        )
    }
}

async fn load_config(
    login: &SessionOptions,
    home: &Region,
    timing: &Timing,
    connector: &SharedHttpConnector,
) -> SdkConfig {
    let loader = config_loader(region_or_env(login.region.as_deref()), timing, connector);
    let Some(profile) = &login.profile else {
        return loader.load().await;
    };
    let config = loader.profile_name(profile).load().await;
    let provider = ProviderConfig::without_region()
        .with_region(Some(config_region(&config).unwrap_or(home).clone()))
        .with_http_client(shared_http_client(connector))
        .with_retry_config(timing.retry_config())
        .with_timeout_config(timing.timeout_config());
    let keys = ProfileFileCredentialsProvider::builder()
        .configure(&provider)
        .profile_name(profile)
        .build();
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build()
}

/// The same, as the role. The session's name stands in `CloudTrail` beside each of its calls.
async fn assume_role(role: &Role, home: &Region, config: SdkConfig) -> SdkConfig {
    let region = config_region(&config).unwrap_or(home).clone();
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .session_name("portcullis-audit")
        .configure(&config)
        .region(region);
    if let Some(external_id) = &role.external_id {
        builder = builder.external_id(external_id);
    }
    let keys = builder.build().await;
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build()
}
