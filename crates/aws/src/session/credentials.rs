//! Keys that were fetched already, and the way to the next ones.

use std::sync::{Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// Hands out the keys that it was made with, once; the SDK keeps them until they end, and then asks for the next ones.
#[derive(Debug)]
pub(super) struct CachedCredentials {
    cached: Mutex<Option<Credentials>>,
    provider: SharedCredentialsProvider,
}

impl CachedCredentials {
    pub(super) fn new(first: Credentials, then: SharedCredentialsProvider) -> Self {
        Self {
            cached: Mutex::new(Some(first)),
            provider: then,
        }
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self
            .cached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            Some(keys) => future::ProvideCredentials::ready(Ok(keys)),
            None => self.provider.provide_credentials(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_keys_come_once_and_then_those_of_the_source() {
        let keys = |id: &str| Credentials::new(id, "secret", None, None, "test");
        let kept =
            CachedCredentials::new(keys("first"), SharedCredentialsProvider::new(keys("next")));
        for expected in ["first", "next", "next"] {
            assert_eq!(
                kept.provide_credentials().await.unwrap().access_key_id(),
                expected
            );
        }
    }
}
