//! What an installation adds to its alerts: links, and from which severity on people are alerted.

use std::fmt;
use std::str::FromStr;

use portcullis_rules::Severity;

use crate::report::DEFAULT_MIN_SEVERITY;

/// The longest link. SNS does not limit it, but a line of an alert has to stay usable.
const MAX_LINK: usize = 512;

/// How alerts are composed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertOptions {
    /// Links to pages of the organization.
    pub links: AlertLinks,
    /// From which severity on people are alerted of findings that the policy only reports. The
    /// reports contain all findings.
    pub min_severity: Severity,
}

impl Default for AlertOptions {
    fn default() -> Self {
        Self {
            links: AlertLinks::default(),
            min_severity: DEFAULT_MIN_SEVERITY,
        }
    }
}

/// Links to pages of the organization, for the readers of alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertLinks {
    /// The runbook: what to do when an alert arrives.
    pub runbook: Option<AlertLink>,
    /// The repository or page where the policy is changed.
    pub policy: Option<AlertLink>,
}

/// A link that is safe in an e-mail and in a chat notification: `https`, printable ASCII, without
/// markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLink(String);

/// Why a text is not an [`AlertLink`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a link that starts with `https://`, has at most {MAX_LINK} characters, and has no \
     spaces, quotes, backslashes, backquotes, `<`, `>`, `|`, `*` or `&`"
)]
pub struct InvalidLink;

impl FromStr for AlertLink {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        let host = text.strip_prefix("https://").ok_or(InvalidLink)?;
        let starts_with_host = host.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_plain = text.bytes().all(is_link_byte) && text.len() <= MAX_LINK;
        if starts_with_host && is_plain {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidLink)
        }
    }
}

const fn is_link_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'<' | b'>' | b'|' | b'*' | b'&' | b'`' | b'"' | b'\'' | b'\\'
        )
}

impl fmt::Display for AlertLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_https_and_have_no_markup() {
        for text in [
            "https://wiki.example.com/runbooks/portcullis#closed",
            "https://git.example.com/sec/policy?ref=main",
        ] {
            assert_eq!(text.parse::<AlertLink>().unwrap().to_string(), text);
        }
        let long = format!("https://a/{}", "x".repeat(MAX_LINK));
        for text in [
            "",
            "wiki.example.com",
            "http://wiki.example.com",
            "https://",
            "https:///path",
            "https://a b",
            "https://a/\n",
            "https://a|click>",
            "https://a/?b&c",
            "https://ä.example",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<AlertLink>(), Err(InvalidLink), "{text}");
        }
    }
}
