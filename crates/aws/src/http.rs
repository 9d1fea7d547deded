//! The shared HTTPS connector: which root certificates it trusts, its timeouts, and how connections
//! are opened before the first call.

use std::time::Duration;

use aws_smithy_async::future::timeout::Timeout;
use aws_smithy_async::rt::sleep::{AsyncSleep as _, TokioSleep};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector as _, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use futures_util::future::join_all;
use portcullis_remediation::Partition;

use crate::config::{ConnectError, Timing};

/// The five roots that AWS endpoints use. Reading and decoding the 140 roots of an operating
/// system takes 70 % of the instructions of an init without this list.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// How long opening connections in advance may delay the start.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(1);

// Without this variable, aws-lc gathers CPU-jitter entropy at the first TLS handshake, which takes
// 95 % of all instructions of a cold start.
const _: () = assert!(
    option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY").is_some(),
    "build with AWS_LC_SYS_NO_JITTER_ENTROPY=1, which .cargo/config.toml of this repository sets"
);

/// The root certificates to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// The built-in roots of Amazon.
    Amazon,
    /// The roots of the operating system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    Native,
    /// The roots in a PEM file and no others (`AWS_CA_BUNDLE`).
    Bundle(Vec<u8>),
}

impl Roots {
    /// Chooses the roots for a region, given the environment.
    ///
    /// Endpoints of partitions other than `aws` are not known to use Amazon's own roots. Endpoint
    /// overrides keep the built-in roots: whoever runs a TLS endpoint of their own also specifies
    /// its roots.
    ///
    /// # Errors
    /// When the file in `AWS_CA_BUNDLE` cannot be read or contains no certificate.
    pub(crate) fn for_region(
        region: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnectError> {
        if let Some(path) = env("AWS_CA_BUNDLE") {
            return read_ca_bundle(&path);
        }
        let has_native = env("SSL_CERT_FILE").is_some() || env("SSL_CERT_DIR").is_some();
        if has_native || !Partition::for_region(region).is_commercial() {
            return Ok(Self::Native);
        }
        Ok(Self::Amazon)
    }

    /// Uses the roots of the operating system instead of the built-in ones.
    pub(crate) fn prefer_native(self) -> Self {
        match self {
            Self::Amazon | Self::Native => Self::Native,
            Self::Bundle(pem) => Self::Bundle(pem),
        }
    }

    fn into_trust_store(self) -> TrustStore {
        match self {
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::Native => TrustStore::default(),
            Self::Bundle(pem) => TrustStore::empty().with_pem_certificate(pem),
        }
    }
}

fn read_ca_bundle(path: &str) -> Result<Roots, ConnectError> {
    let pem = std::fs::read(path).map_err(|error| ca_bundle_error(path, error.to_string()))?;
    let text = String::from_utf8_lossy(&pem);
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(ca_bundle_error(path, "it contains no PEM certificate"));
    }
    Ok(Roots::Bundle(pem))
}

fn ca_bundle_error(path: &str, reason: impl Into<String>) -> ConnectError {
    ConnectError::CaBundle {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// Builds the connector. The timeouts are set here because a shared connector does not see those
/// of a client's configuration.
pub(crate) fn build_connector(
    roots: Roots,
    proxy: ProxyConfig,
    timing: &Timing,
) -> Result<SharedHttpConnector, ConnectError> {
    let context = TlsContext::builder()
        .with_trust_store(roots.into_trust_store())
        .build()
        .map_err(|error| ConnectError::Tls(error.to_string()))?;
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(timing.connect_timeout)
        .read_timeout(timing.read_timeout)
        .build();
    let connector = Connector::builder()
        .tls_provider(Provider::rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .sleep_impl(TokioSleep::new())
        .connector_settings(settings)
        .proxy_config(proxy)
        .build();
    Ok(SharedHttpConnector::new(connector))
}

/// An HTTP client that always uses this connector. The SDK would otherwise build a connector of
/// its own.
pub(crate) fn shared_http_client(connector: &SharedHttpConnector) -> SharedHttpClient {
    let connector = connector.clone();
    http_client_fn(move |_, _| connector.clone())
}

/// Opens a connection to each of these URLs and leaves it in the pool.
///
/// An unsigned HEAD request needs no permission and leaves no trace in `CloudTrail`. The response,
/// or its absence, does not matter: the first real call would find out the same.
pub(crate) async fn warm_up_connections(connector: &SharedHttpConnector, urls: &[String]) {
    join_all(urls.iter().map(|url| send_head_request(connector, url))).await;
}

async fn send_head_request(connector: &SharedHttpConnector, url: &str) {
    let mut request = HttpRequest::empty();
    if request.set_method("HEAD").is_err() || request.set_uri(url).is_err() {
        return;
    }
    let limit = TokioSleep::new().sleep(WARM_UP_TIMEOUT);
    match Timeout::new(connector.call(request), limit).await {
        Ok(Ok(response)) => {
            let status = response.status().as_u16();
            tracing::debug!(url, status, "connection opened in advance");
        }
        Ok(Err(error)) => tracing::debug!(url, %error, "connection not opened in advance"),
        Err(_) => tracing::debug!(url, "connection not opened in advance: timeout"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn roots_for(region: &str, env: &[(&str, &str)]) -> Result<Roots, ConnectError> {
        let env: BTreeMap<_, _> = env.iter().copied().collect();
        Roots::for_region(region, &|name| {
            env.get(name).map(|value| (*value).to_owned())
        })
    }

    #[test]
    fn commercial_regions_use_the_amazon_roots() {
        assert_eq!(roots_for("eu-central-1", &[]).unwrap(), Roots::Amazon);
        assert_eq!(roots_for("us-east-1", &[]).unwrap(), Roots::Amazon);
        for region in [
            "cn-north-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "eusc-de-east-1",
        ] {
            assert_eq!(roots_for(region, &[]).unwrap(), Roots::Native, "{region}");
        }
    }

    #[test]
    fn roots_in_the_environment_are_used() {
        let native = roots_for("us-east-1", &[("SSL_CERT_FILE", "/somewhere.pem")]);
        assert_eq!(native.unwrap(), Roots::Native);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/amazon_roots.pem");
        let bundle = roots_for(
            "us-east-1",
            &[("AWS_CA_BUNDLE", path), ("SSL_CERT_FILE", path)],
        );
        assert_eq!(bundle.unwrap(), Roots::Bundle(AMAZON_ROOTS.to_vec()));
    }

    #[test]
    fn an_invalid_bundle_is_an_error_with_its_path() {
        for path in [
            "/no/such/file.pem",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ] {
            let error = roots_for("us-east-1", &[("AWS_CA_BUNDLE", path)]).unwrap_err();
            assert!(error.to_string().contains(path), "{error}");
        }
    }

    #[tokio::test]
    async fn every_choice_of_roots_builds_a_connector() {
        let bundle = Roots::Bundle(AMAZON_ROOTS.to_vec());
        for roots in [Roots::Amazon, Roots::Native, bundle] {
            assert!(build_connector(roots, ProxyConfig::disabled(), &Timing::default()).is_ok());
        }
    }

    #[test]
    fn five_roots_are_built_in() {
        let text = String::from_utf8(AMAZON_ROOTS.to_vec()).unwrap();
        assert_eq!(text.matches("-----BEGIN CERTIFICATE-----").count(), 5);
        assert_eq!(text.matches("SHA-256 ").count(), 5);
    }

    #[tokio::test]
    async fn warm_up_sends_an_unsigned_head_request_and_ignores_failures() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).unwrap();
            stream
                .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        });
        let connector =
            build_connector(Roots::Amazon, ProxyConfig::disabled(), &Timing::default()).unwrap();
        let urls = [url, "http://127.0.0.1:1/".to_owned(), "no url".to_owned()];
        warm_up_connections(&connector, &urls).await;
        let request = server.join().unwrap().to_lowercase();
        assert!(request.starts_with("head / http/1.1"), "{request}");
        assert!(!request.contains("authorization"), "{request}");
    }
}
