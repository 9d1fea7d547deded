//! The text format of a security group rule: `tcp 22 0.0.0.0/0`, `udp 8000-8010 pl-0123`,
//! `all - ::/0`, `icmp 8/0 10.0.0.0/8`.
//!
//! Protocol, ports and source are separated by spaces; `-` means all ports. Test files, log
//! messages and reports use this format.

use std::fmt;
use std::str::FromStr;

use crate::group::{Ec2Ports, IngressRule, InvalidPorts, Traffic};
use crate::protocol::UnknownProtocol;
use crate::source::{InvalidCidr, Source};

/// A text that is not a security group rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// The text does not have three parts.
    #[error("expected `PROTOCOL PORTS SOURCE`, such as `tcp 22 0.0.0.0/0`, found `{0}`")]
    Malformed(String),
    /// The protocol is unknown.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
    /// The ports are not numbers.
    #[error("invalid ports `{0}`: expected a port, a range such as 8000-8010, or `-` for all")]
    Ports(String),
    /// The ports are numbers, but not a valid port range.
    #[error(transparent)]
    PortRange(#[from] InvalidPorts),
    /// The source is not a CIDR block, prefix list or security group.
    #[error(transparent)]
    Source(#[from] InvalidCidr),
}

impl FromStr for IngressRule {
    type Err = InvalidRule;

    fn from_str(line: &str) -> Result<Self, InvalidRule> {
        let mut words = line.split_whitespace();
        let (Some(protocol), Some(ports), Some(source), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(InvalidRule::Malformed(line.to_owned()));
        };
        Ok(Self::new(
            protocol.parse()?,
            parse_ec2_ports(ports)?,
            source.parse()?,
        )?)
    }
}

fn parse_ec2_ports(ports: &str) -> Result<Ec2Ports, InvalidRule> {
    let (from, to) = match ports.split_once(['-', '/']) {
        Some(("", "")) => return Ok(Ec2Ports::default()),
        Some((from, to)) => (from.parse(), to.parse()),
        None => (ports.parse(), ports.parse()),
    };
    match (from, to) {
        (Ok(from), Ok(to)) => Ok(Ec2Ports {
            from: Some(from),
            to: Some(to),
        }),
        _ => Err(InvalidRule::Ports(ports.to_owned())),
    }
}

impl FromStr for Source {
    type Err = InvalidCidr;

    /// A CIDR block, `pl-...` or `sg-...`.
    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        match text {
            list if list.starts_with("pl-") => Ok(Self::PrefixList(list.to_owned())),
            group if group.starts_with("sg-") => Ok(Self::from_group_id(group)),
            cidr => Self::from_cidr(cidr),
        }
    }
}

impl fmt::Display for IngressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = match self.traffic() {
            Traffic::Tcp(range) | Traffic::Udp(range) => range.to_string(),
            Traffic::Icmp | Traffic::Icmpv6 => format_icmp_type_code(self.ec2_ports()),
            Traffic::Other(_) | Traffic::All => "-".to_owned(),
        };
        write!(f, "{} {ports} {}", self.protocol(), self.source)
    }
}

/// `TYPE/CODE`; `-` for every type.
fn format_icmp_type_code(fields: Ec2Ports) -> String {
    match (fields.from.unwrap_or(-1), fields.to.unwrap_or(-1)) {
        (-1, _) => "-".to_owned(),
        (icmp_type, code) => format!("{icmp_type}/{code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(line: &str) -> Result<IngressRule, InvalidRule> {
        line.parse()
    }

    #[test]
    fn rules_round_trip() {
        for line in [
            "tcp 22 0.0.0.0/0",
            "udp 8000-8010 pl-1",
            "all - ::/0",
            "47 - sg-1",
            "icmp 8/0 10.0.0.0/8",
            "icmpv6 - ::/0",
        ] {
            assert_eq!(rule(line).unwrap().to_string(), line);
        }
        assert_eq!(
            rule("-1 - 1.2.3.4/0").unwrap().to_string(),
            "all - 0.0.0.0/0"
        );
        assert_eq!(
            rule("tcp - 0.0.0.0/0").unwrap().to_string(),
            "tcp 0-65535 0.0.0.0/0"
        );
        assert_eq!(
            rule("icmp 8/-1 10.0.0.0/8").unwrap().ec2_ports().to,
            Some(-1)
        );
    }

    #[test]
    fn invalid_rules_are_rejected_with_the_reason() {
        let message = |line| rule(line).unwrap_err().to_string();
        assert!(message("tcp 22").starts_with("expected `PROTOCOL PORTS SOURCE`"));
        assert!(message("tcp 22 0.0.0.0/0 x").starts_with("expected `PROTOCOL PORTS SOURCE`"));
        assert!(message("tpc 22 0.0.0.0/0").starts_with("unknown protocol `tpc`"));
        assert!(message("tcp ssh 0.0.0.0/0").starts_with("invalid ports `ssh`"));
        assert!(message("tcp 25-20 0.0.0.0/0").contains("greater than"));
        assert!(message("tcp 22 anywhere").starts_with("invalid CIDR `anywhere`"));
    }
}
