//! A security group rule in a line: `tcp 22 0.0.0.0/0`, `udp 8000-8010 pl-0123`, `all - ::/0`, `icmp 8/0 10.0.0.0/8`.
//!
//! Fixtures, log lines and reports use it. Protocol, ports and source are parted by blanks; `-` stands for all ports.

use std::fmt;
use std::str::FromStr;

use crate::group::{Ec2Ports, IngressRule, InvalidPorts, Traffic};
use crate::protocol::{Protocol, UnknownProtocol};
use crate::source::{InvalidCidr, Source};

/// A line that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Not three words.
    #[error("expected `PROTOCOL PORTS SOURCE`, such as `tcp 22 0.0.0.0/0`, and found `{0}`")]
    Malformed(String),
    /// The protocol is unknown.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
    /// The ports are no numbers.
    #[error("invalid ports `{0}`: expected a port, a span such as 8000-8010, or `-` for all")]
    Ports(String),
    /// The ports are numbers that no rule can have.
    #[error(transparent)]
    PortRange(#[from] InvalidPorts),
    /// The source is no CIDR, prefix list or group.
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
    let number = |text: &str| {
        text.parse()
            .map(Some)
            .map_err(|_| InvalidRule::Ports(ports.to_owned()))
    };
    let (from, to) = match ports.split_once(['-', '/']) {
        Some(("", "")) => (None, None),
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(ports)?, number(ports)?),
    };
    Ok(Ec2Ports { from, to })
}

impl FromStr for Source {
    type Err = InvalidCidr;

    /// A CIDR, `pl-...` or `sg-...`.
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
            Traffic::Tcp(span) | Traffic::Udp(span) => span.to_string(),
            Traffic::Icmp | Traffic::Icmpv6 => format_icmp_type_code(self.ec2_ports()),
            Traffic::Other(_) | Traffic::All => "-".to_owned(),
        };
        let protocol: Protocol = self.protocol();
        write!(f, "{protocol} {ports} {}", self.source)
    }
}

/// `FINDING_TYPE/CODE`; `-` when every type is meant.
fn format_icmp_type_code(written: Ec2Ports) -> String {
    match (written.from.unwrap_or(-1), written.to.unwrap_or(-1)) {
        (-1, _) => "-".to_owned(),
        (kind, code) => format!("{kind}/{code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(line: &str) -> Result<IngressRule, InvalidRule> {
        line.parse()
    }

    #[test]
    fn a_rule_survives_a_round_trip() {
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
    fn what_is_no_rule_is_refused_with_the_reason() {
        let message = |line| rule(line).unwrap_err().to_string();
        assert!(message("tcp 22").starts_with("expected `PROTOCOL PORTS SOURCE`"));
        assert!(message("tcp 22 0.0.0.0/0 x").starts_with("expected `PROTOCOL PORTS SOURCE`"));
        assert!(message("tpc 22 0.0.0.0/0").starts_with("unknown protocol `tpc`"));
        assert!(message("tcp ssh 0.0.0.0/0").starts_with("invalid ports `ssh`"));
        assert!(message("tcp 25-20 0.0.0.0/0").contains("greater than"));
        assert!(message("tcp 22 anywhere").starts_with("invalid CIDR `anywhere`"));
    }
}
