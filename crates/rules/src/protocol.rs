//! IP protocols of security group rules.

use std::fmt;
use std::str::FromStr;

/// The protocol of a security group rule. A number is the same as its name (`6` is `tcp`).
///
/// Source: EC2 `IpPermission.IpProtocol`, IANA protocol numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `tcp`, protocol number 6.
    Tcp,
    /// `udp`, protocol number 17.
    Udp,
    /// `icmp`, protocol number 1. The port fields hold type and code.
    Icmp,
    /// `icmpv6`, protocol number 58. The port fields hold type and code.
    Icmpv6,
    /// `-1`: every protocol and every port.
    All,
    /// Any other protocol number. EC2 ignores the port fields of such a rule.
    Other(u8),
}

impl Protocol {
    /// The protocol with this IANA number.
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Icmp,
            6 => Self::Tcp,
            17 => Self::Udp,
            58 => Self::Icmpv6,
            other => Self::Other(other),
        }
    }

    /// The value in the EC2 API: `-1` for all, a name for tcp, udp, icmp and icmpv6, otherwise the
    /// number.
    pub fn as_ec2(self) -> String {
        if self == Self::All {
            "-1".to_owned()
        } else {
            self.to_string()
        }
    }

    /// Whether the port fields of a rule with this protocol are ports.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }
}

impl fmt::Display for Protocol {
    /// The spelling in reports: `tcp`, `udp`, `icmp`, `icmpv6`, `all` or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.pad("tcp"),
            Self::Udp => f.pad("udp"),
            Self::Icmp => f.pad("icmp"),
            Self::Icmpv6 => f.pad("icmpv6"),
            Self::All => f.pad("all"),
            Self::Other(number) => f.pad(&number.to_string()),
        }
    }
}

/// A text that is not a protocol of EC2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol `{0}`: expected tcp, udp, icmp, icmpv6, -1 or a number from 0 to 255")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    /// Accepts names in any case and numbers.
    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let trimmed = text.trim();
        let named = match trimmed.to_ascii_lowercase().as_str() {
            "tcp" => Some(Self::Tcp),
            "udp" => Some(Self::Udp),
            "icmp" => Some(Self::Icmp),
            "icmpv6" => Some(Self::Icmpv6),
            "-1" | "all" => Some(Self::All),
            _ => None,
        };
        named
            .or_else(|| trimmed.parse().ok().map(Self::from_number))
            .ok_or_else(|| UnknownProtocol(trimmed.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_in_any_case_and_numbers() {
        for (text, protocol) in [
            ("tcp", Protocol::Tcp),
            ("TCP", Protocol::Tcp),
            ("6", Protocol::Tcp),
            ("17", Protocol::Udp),
            ("1", Protocol::Icmp),
            ("58", Protocol::Icmpv6),
            ("IcmpV6", Protocol::Icmpv6),
            ("-1", Protocol::All),
            ("47", Protocol::Other(47)),
            ("0", Protocol::Other(0)),
        ] {
            assert_eq!(text.parse(), Ok(protocol), "{text}");
        }
    }

    #[test]
    fn unknown_protocols_are_rejected() {
        for text in ["", "tpc", "256", "-2", "6.0"] {
            let error = text.parse::<Protocol>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("unknown protocol `{text}`"))
            );
        }
    }

    #[test]
    fn every_number_round_trips() {
        for number in 0..=u8::MAX {
            let protocol = Protocol::from_number(number);
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
            assert_eq!(protocol.as_ec2().parse(), Ok(protocol));
        }
        assert_eq!(Protocol::All.as_ec2(), "-1");
    }
}
