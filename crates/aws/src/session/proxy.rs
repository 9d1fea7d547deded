//! The proxy of the environment, for HTTPS alone: what speaks plain HTTP is the machine's or the container's own source of
//! keys, which no proxy may see, or a local stand-in for AWS.

use aws_smithy_http_client::proxy::ProxyConfig;

use crate::client::ConnectError;

/// Where the address of the proxy may stand, the first that is set. So it is with `curl`.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Whom to reach without it.
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy that the environment names.
///
/// # Errors
/// When it is no address.
pub(super) fn proxy_from_env(
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ProxyConfig, ConnectError> {
    let Some((name, url)) = PROXY_VARIABLES
        .iter()
        .find_map(|name| Some((name, env(name)?)))
    else {
        return Ok(ProxyConfig::disabled());
    };
    let proxy =
        ProxyConfig::https(with_default_scheme(&url)).map_err(|error| ConnectError::Proxy {
            name: (*name).to_owned(),
            reason: error.to_string(),
        })?;
    let exceptions = NO_PROXY_VARIABLES.iter().find_map(|name| env(name));
    Ok(match exceptions {
        Some(exceptions) => proxy.no_proxy(exceptions),
        None => proxy,
    })
}

/// `proxy.example.com:3128` is an address, too.
fn with_default_scheme(url: &str) -> String {
    if url.contains("://") {
        url.to_owned()
    } else {
        format!("http://{url}")
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
    fn only_the_proxy_for_https_counts() {
        let none = proxy(&[]).unwrap();
        assert_eq!(
            proxy(&[("HTTP_PROXY", "http://proxy.example.com:1")]).unwrap(),
            none
        );
        for name in PROXY_VARIABLES {
            let said = proxy(&[
                (name, "proxy.example.com:3128"),
                ("no_proxy", "example.org"),
            ])
            .unwrap();
            assert_ne!(said, none);
            assert!(
                said.contains("proxy.example.com:3128") && said.contains("example.org"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let error = proxy(&[("HTTPS_PROXY", "http://[")]).unwrap_err();
        assert!(
            error.starts_with("HTTPS_PROXY is no address of a proxy: "),
            "{error}"
        );
    }
}
