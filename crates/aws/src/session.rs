//! A person's session: who they are, which regions they have, and a lister for each of them. Changes nothing.
//!
//! Unlike a Lambda function, a person has profiles, roles, single sign-on, perhaps a proxy and a company's own roots.

mod keys;
mod proxy;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_ec2::Client;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use portcullis_remediation::PortError;

use crate::client::{ConnectError, Timing, env, http_client, loader, named_region, native_unless_named, region};
use crate::connector::{Roots, connector};
use crate::error::{chain, failure};
use crate::list::Lister;
use crate::read::odd;
use keys::Kept;

const REGIONS: &str = "DescribeRegions";

/// Who calls, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
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

impl Login {
    /// A region that every account of the partition has: where its regions are asked for, and STS, when nothing names
    /// one. Only the ARN of a role tells another partition than `aws`.
    fn home(&self) -> Region {
        let partition = self.role.as_ref().and_then(|role| role.arn.split(':').nth(1));
        Region::from_static(match partition {
            Some("aws-cn") => "cn-north-1",
            Some("aws-us-gov") => "us-gov-west-1",
            Some(_) | None => "us-east-1",
        })
    }
}

/// The way to the regions of an account.
#[derive(Debug, Clone)]
pub struct Session {
    config: SdkConfig,
    home: Region,
}

impl Session {
    /// Reads the environment and the profile. Nothing is sent yet, unless only the machine's metadata knows the region.
    ///
    /// A profile that is named wins over keys in the environment, as with the AWS CLI.
    ///
    /// # Errors
    /// When `AWS_CA_BUNDLE` is no bundle, the proxy of the environment is no address, or TLS cannot be set up.
    pub async fn open(login: &Login, timing: &Timing) -> Result<Self, ConnectError> {
        let roots = native_unless_named(Roots::choose("", &env)?);
        let connector = connector(roots, proxy::from(&env)?, timing)?;
        let home = login.home();
        let config = configure(login, &home, timing, &connector).await;
        let config = match &login.role {
            Some(role) => be(role, &home, config).await,
            None => config,
        };
        Ok(Self { config, home })
    }

    /// Fetches keys, so that having none is one error and not one for each region. They are kept for as long as they
    /// last: whoever made them is not asked twice.
    ///
    /// # Errors
    /// When there are none, or the role cannot be assumed.
    pub async fn log_in(self) -> Result<Self, ConnectError> {
        let none = || ConnectError::NoCredentials("there is no way to get any".to_owned());
        let provider = self.config.credentials_provider().ok_or_else(none)?;
        let keys = provider.provide_credentials().await;
        let keys = keys.map_err(|error| ConnectError::NoCredentials(chain(&error)))?;
        let kept = SharedCredentialsProvider::new(Kept::new(keys, provider));
        Ok(Self { config: self.config.into_builder().credentials_provider(kept).build(), ..self })
    }

    /// The region that the login, the environment or the profile names.
    pub fn region(&self) -> Option<&str> {
        region(&self.config).map(AsRef::as_ref)
    }

    /// The regions that are enabled for the account, in the order of their names.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn regions(&self) -> Result<Vec<String>, PortError> {
        let region = region(&self.config).unwrap_or(&self.home);
        let answer = self.ec2(region.clone()).describe_regions().send().await;
        let answer = answer.map_err(|error| failure(REGIONS, &error).error)?;
        let mut names = Vec::new();
        for region in answer.regions.unwrap_or_default() {
            names.push(region.region_name.ok_or_else(|| odd(REGIONS, "a region has no name"))?);
        }
        names.sort_unstable();
        if names.is_empty() { Err(odd(REGIONS, "the account has no regions")) } else { Ok(names) }
    }

    /// Lists the groups of a region.
    pub fn lister(&self, region: &str) -> Lister {
        Lister::new(self.ec2(Region::new(region.to_owned())))
    }

    fn ec2(&self, region: Region) -> Client {
        Client::from_conf(aws_sdk_ec2::config::Builder::from(&self.config).region(region).build())
    }
}

async fn configure(login: &Login, home: &Region, timing: &Timing, connector: &SharedHttpConnector) -> SdkConfig {
    let loader = loader(named_region(login.region.as_deref()), timing, connector);
    let Some(profile) = &login.profile else { return loader.load().await };
    let config = loader.profile_name(profile).load().await;
    let provider = ProviderConfig::without_region()
        .with_region(Some(region(&config).unwrap_or(home).clone()))
        .with_http_client(http_client(connector))
        .with_retry_config(timing.retries())
        .with_timeout_config(timing.timeouts());
    let keys = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build()
}

/// The same, as the role. The session's name stands in `CloudTrail` beside each of its calls.
async fn be(role: &Role, home: &Region, config: SdkConfig) -> SdkConfig {
    let region = region(&config).unwrap_or(home).clone();
    let mut builder =
        AssumeRoleProvider::builder(&role.arn).session_name("portcullis-audit").configure(&config).region(region);
    if let Some(external_id) = &role.external_id {
        builder = builder.external_id(external_id);
    }
    let keys = builder.build().await;
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build()
}
