//! Caches credentials that were already fetched.

use std::sync::{Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// Provides the credentials it was created with once, and then those of another provider.
///
/// The SDK caches the first credentials until they expire, and then asks for the next ones.
#[derive(Debug)]
pub(super) struct CachedCredentials {
    cached: Mutex<Option<Credentials>>,
    provider: SharedCredentialsProvider,
}

impl CachedCredentials {
    pub(super) fn new(cached: Credentials, provider: SharedCredentialsProvider) -> Self {
        Self {
            cached: Mutex::new(Some(cached)),
            provider,
        }
    }

    fn take_cached(&self) -> Option<Credentials> {
        self.cached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.take_cached() {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => self.provider.provide_credentials(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(id: &str) -> Credentials {
        Credentials::new(id, "secret", None, None, "test")
    }

    #[tokio::test]
    async fn cached_credentials_are_provided_once() {
        let provider = SharedCredentialsProvider::new(credentials("next"));
        let cached = CachedCredentials::new(credentials("first"), provider);
        for expected in ["first", "next", "next"] {
            let current = cached.provide_credentials().await.unwrap();
            assert_eq!(current.access_key_id(), expected);
        }
    }
}
