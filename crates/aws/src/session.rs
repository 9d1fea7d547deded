//! A person's session: who they are, which regions they have, and a lister for each of them. Changes nothing.
//!
//! Unlike a Lambda function, a person has profiles, roles, single sign-on, perhaps a proxy and a company's own roots.

use std::error::Error;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_ec2::Client;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use portcullis_remediation::PortError;

use crate::client::{ConnectError, Timing, env, http_client, loader, native_unless_named};
use crate::connector::{Roots, connector};
use crate::error::failure;
use crate::list::Lister;
use crate::read::odd;

const REGIONS: &str = "DescribeRegions";

/// Where the regions of an account are asked for when nothing names a region: it cannot be disabled.
const HOME: &str = "us-east-1";

/// Who calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The profile of the AWS configuration files; without one, the environment decides as everywhere.
    pub profile: Option<String>,
    /// The role to be.
    pub role: Option<Role>,
}

/// A role to be assumed with the keys there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::111122223333:role/audit`.
    pub arn: String,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
}

/// The way to the regions of an account.
#[derive(Debug, Clone)]
pub struct Session {
    config: SdkConfig,
}

impl Session {
    /// Reads the environment and the profile. Nothing is sent yet, unless only the machine's metadata knows the region.
    ///
    /// A profile that is named wins over keys in the environment, as with the AWS CLI.
    ///
    /// # Errors
    /// When `AWS_CA_BUNDLE` is no bundle, or TLS cannot be set up.
    pub async fn open(login: &Login, timing: &Timing) -> Result<Self, ConnectError> {
        let roots = native_unless_named(Roots::choose("", &env)?);
        let connector = connector(roots, ProxyConfig::from_env(), timing)?;
        let config = configure(login, timing, &connector).await;
        let config = match &login.role {
            Some(role) => be(role, config).await,
            None => config,
        };
        Ok(Self { config })
    }

    /// Fetches keys once, so that having none is one error and not one for each region.
    ///
    /// # Errors
    /// When there are none, or the role cannot be assumed.
    pub async fn log_in(&self) -> Result<(), ConnectError> {
        let provider = self.config.credentials_provider();
        let provider = provider.ok_or_else(|| ConnectError::NoCredentials("there is no way to get any".to_owned()))?;
        let keys = provider.provide_credentials().await;
        keys.map(drop).map_err(|error| ConnectError::NoCredentials(chain(&error)))
    }

    /// The region that the environment or the profile names.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref).filter(|region: &&str| !region.is_empty())
    }

    /// The regions that are enabled for the account, in the order of their names.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn regions(&self) -> Result<Vec<String>, PortError> {
        let call = self.ec2(self.region().unwrap_or(HOME)).describe_regions();
        let answer = call.send().await.map_err(|error| failure(REGIONS, &error).error)?;
        let mut names = Vec::new();
        for region in answer.regions.unwrap_or_default() {
            names.push(region.region_name.ok_or_else(|| odd(REGIONS, "a region has no name"))?);
        }
        names.sort_unstable();
        if names.is_empty() { Err(odd(REGIONS, "the account has no regions")) } else { Ok(names) }
    }

    /// Lists the groups of a region.
    pub fn lister(&self, region: &str) -> Lister {
        Lister::new(self.ec2(region))
    }

    fn ec2(&self, region: &str) -> Client {
        let config = aws_sdk_ec2::config::Builder::from(&self.config).region(Region::new(region.to_owned()));
        Client::from_conf(config.build())
    }
}

async fn configure(login: &Login, timing: &Timing, connector: &SharedHttpConnector) -> SdkConfig {
    let region = env("AWS_REGION").or_else(|| env("AWS_DEFAULT_REGION"));
    let loader = loader(region, timing, connector);
    let Some(profile) = &login.profile else { return loader.load().await };
    let config = loader.profile_name(profile).load().await;
    let provider = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_http_client(http_client(connector))
        .with_retry_config(timing.retries())
        .with_timeout_config(timing.timeouts());
    let keys = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build()
}

/// The same, as the role. The session's name stands in `CloudTrail` beside each of its calls.
async fn be(role: &Role, config: SdkConfig) -> SdkConfig {
    let region = config.region().cloned().unwrap_or(Region::from_static(HOME));
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .session_name("portcullis-audit")
        .configure(&config.to_builder().region(region.clone()).build())
        .region(region);
    if let Some(external_id) = &role.external_id {
        builder = builder.external_id(external_id);
    }
    let keys = builder.build().await;
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build()
}

/// An error and its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
