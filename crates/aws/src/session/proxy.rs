//! The proxy from the environment, for HTTPS only.
//!
//! Plain HTTP is used only for credentials from the instance or container, which must not pass
//! through a proxy, and for local stubs of AWS.

use aws_smithy_http_client::proxy::ProxyConfig;

use crate::config::ConnectError;

/// Variables for the proxy address; the first one that is set is used. As in `curl`.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Variables for the hosts to reach without the proxy.
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy from the environment.
///
/// # Errors
/// When its address is invalid.
pub(super) fn proxy_from_env(
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ProxyConfig, ConnectError> {
    let Some((name, address)) = PROXY_VARIABLES
        .iter()
        .find_map(|name| Some((name, env(name)?)))
    else {
        return Ok(ProxyConfig::disabled());
    };
    let proxy =
        ProxyConfig::https(with_default_scheme(&address)).map_err(|error| ConnectError::Proxy {
            name: (*name).to_owned(),
            reason: error.to_string(),
        })?;
    Ok(match NO_PROXY_VARIABLES.iter().find_map(|name| env(name)) {
        Some(hosts) => proxy.no_proxy(hosts),
        None => proxy,
    })
}

/// An address without a scheme is valid too: `proxy.example.com:3128`.
fn with_default_scheme(address: &str) -> String {
    if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(variables: &[(&str, &str)]) -> Result<String, String> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        proxy_from_env(&find)
            .map(|proxy| format!("{proxy:?}"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_proxy_for_https_is_used() {
        let disabled = proxy(&[]).unwrap();
        let http_only = proxy(&[("HTTP_PROXY", "http://proxy.example.com:1")]);
        assert_eq!(http_only.unwrap(), disabled);
        for name in PROXY_VARIABLES {
            let address = (name, "proxy.example.com:3128");
            let enabled = proxy(&[address, ("no_proxy", "example.org")]).unwrap();
            assert_ne!(enabled, disabled);
            assert!(enabled.contains("proxy.example.com:3128"), "{enabled}");
            assert!(enabled.contains("example.org"), "{enabled}");
        }
    }

    #[test]
    fn an_invalid_address_is_an_error_with_the_variable() {
        let error = proxy(&[("HTTPS_PROXY", "http://[")]).unwrap_err();
        let expected = "HTTPS_PROXY is not a valid proxy address: ";
        assert!(error.starts_with(expected), "{error}");
    }
}
