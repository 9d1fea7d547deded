//! A security group and its ingress rules, one box each.

use std::collections::BTreeMap;

use crate::ports::PortRange;
use crate::protocol::Protocol;
use crate::source::Source;

/// Tags of a group or of a rule.
pub type Tags = BTreeMap<String, String>;

/// A security group as EC2 describes it, with its ingress rules only: egress is no business of this engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-...`.
    pub id: String,
    /// The group's name, when known.
    pub name: Option<String>,
    /// `vpc-...`, when known.
    pub vpc_id: Option<String>,
    /// The account that owns the group, when known.
    pub owner_id: Option<String>,
    /// The group's tags.
    pub tags: Tags,
    /// One entry for each protocol, port range and source.
    pub rules: Vec<IngressRule>,
    /// Whether egress to everywhere on everything is allowed, when known. With it, flows that a rule for all addresses
    /// admitted are not tracked, and end at once when that rule goes
    /// (AWS: "Security group connection tracking", untracked connections).
    pub open_egress: Option<bool>,
}

/// What a rule admits: its protocol, and its ports where they mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Traffic {
    /// TCP to a span of ports.
    Tcp(PortRange),
    /// UDP to a span of ports.
    Udp(PortRange),
    /// ICMP; the fields are type and code, never ports.
    Icmp,
    /// `ICMPv6`, likewise.
    Icmpv6,
    /// Another protocol number, all of it.
    Other(u8),
    /// Every protocol and every port.
    All,
}

/// An ingress rule is one box: protocol, ports and ONE source. It is what EC2 calls a `SecurityGroupRule`; an
/// aggregated `IpPermission` is a list of such boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressRule {
    /// `sgr-...`, when known (`DescribeSecurityGroups` does not tell).
    pub id: Option<String>,
    /// Where the traffic may come from.
    pub source: Source,
    /// The rule's description.
    pub description: Option<String>,
    /// The rule's own tags.
    pub tags: Tags,
    protocol: Protocol,
    ec2_ports: Ec2Ports,
    traffic: Traffic,
}

/// The two port fields as EC2 has them: what a revoke by content must name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ec2Ports {
    /// `FromPort`: first port, or the ICMP type.
    pub from: Option<i32>,
    /// `ToPort`: last port, or the ICMP code.
    pub to: Option<i32>,
}

/// Port fields that no security group rule can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPorts {
    /// A field is outside 0 to 65535.
    #[error("port {0} is outside 0 to 65535")]
    OutOfRange(i32),
    /// The first port is greater than the last.
    #[error("the first port {0} is greater than the last port {1}")]
    Reversed(u16, u16),
    /// Only one of the two fields is there.
    #[error("only one of `FromPort` and `ToPort` is given")]
    MissingField,
}

impl IngressRule {
    /// A rule without id, description and tags.
    ///
    /// TCP and UDP without ports, or with -1, admit every port: that is how an opening would be missed otherwise.
    ///
    /// # Errors
    /// When the port fields of a TCP or UDP rule are no span of ports.
    pub fn new(protocol: Protocol, ports: Ec2Ports, source: Source) -> Result<Self, InvalidPorts> {
        let traffic = match protocol {
            Protocol::Tcp => Traffic::Tcp(port_range_from_ec2(ports)?),
            Protocol::Udp => Traffic::Udp(port_range_from_ec2(ports)?),
            Protocol::Icmp => Traffic::Icmp,
            Protocol::Icmpv6 => Traffic::Icmpv6,
            Protocol::Other(number) => Traffic::Other(number),
            Protocol::All => Traffic::All,
        };
        let (id, description, tags) = (None, None, Tags::new());
        Ok(Self {
            id,
            source,
            description,
            tags,
            protocol,
            ec2_ports: ports,
            traffic,
        })
    }

    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The port fields as EC2 has them.
    pub const fn ec2_ports(&self) -> Ec2Ports {
        self.ec2_ports
    }

    /// What the rule admits.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The span of ports, for TCP and UDP.
    pub const fn port_range(&self) -> Option<PortRange> {
        match self.traffic {
            Traffic::Tcp(span) | Traffic::Udp(span) => Some(span),
            Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) | Traffic::All => None,
        }
    }

    /// The first and last port (ICMP: type and code); `None` where they mean nothing.
    pub fn display_ports(&self) -> (Option<i32>, Option<i32>) {
        match self.traffic {
            Traffic::Tcp(span) | Traffic::Udp(span) => (
                Some(span.first_port().into()),
                Some(span.last_port().into()),
            ),
            Traffic::Icmp | Traffic::Icmpv6 => (
                Some(self.ec2_ports.from.unwrap_or(-1)),
                Some(self.ec2_ports.to.unwrap_or(-1)),
            ),
            Traffic::Other(_) | Traffic::All => (None, None),
        }
    }

    /// Whether both rules admit the same traffic from the same source, whatever their ids, descriptions and tags.
    /// EC2 holds at most one rule of the same content in a group.
    pub fn same_content(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.display_ports() == other.display_ports()
            && self.source.same_source(&other.source)
    }

    /// The order of our reports: protocol, ports, source, as text.
    pub fn sort_key(&self) -> (String, (Option<i32>, Option<i32>), String) {
        (
            self.protocol.to_string(),
            self.display_ports(),
            self.source.to_string(),
        )
    }
}

fn port_range_from_ec2(ports: Ec2Ports) -> Result<PortRange, InvalidPorts> {
    let (from, to) = match (ports.from, ports.to) {
        (None | Some(-1), None | Some(-1)) => return Ok(PortRange::ALL),
        (Some(from), Some(to)) => (checked_port(from)?, checked_port(to)?),
        (Some(_), None) | (None, Some(_)) => return Err(InvalidPorts::MissingField),
    };
    PortRange::new(from, to).ok_or(InvalidPorts::Reversed(from, to))
}

fn checked_port(number: i32) -> Result<u16, InvalidPorts> {
    u16::try_from(number).map_err(|_| InvalidPorts::OutOfRange(number))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A rule in a line, as [`crate::notation`] has it.
    pub(crate) fn rule(line: &str) -> IngressRule {
        line.parse().unwrap()
    }

    /// A group of such rules.
    pub(crate) fn group(lines: &[&str]) -> SecurityGroup {
        SecurityGroup {
            id: "sg-0123456789abcdef0".to_owned(),
            rules: lines.iter().map(|line| rule(line)).collect(),
            ..SecurityGroup::default()
        }
    }

    fn traffic(
        protocol: Protocol,
        from: Option<i32>,
        to: Option<i32>,
    ) -> Result<Traffic, InvalidPorts> {
        IngressRule::new(
            protocol,
            Ec2Ports { from, to },
            Source::from_group_id("sg-1"),
        )
        .map(|rule| rule.traffic())
    }

    #[test]
    fn tcp_and_udp_have_ports() {
        let span = PortRange::new(20, 25).unwrap();
        assert_eq!(
            traffic(Protocol::Tcp, Some(20), Some(25)),
            Ok(Traffic::Tcp(span))
        );
        assert_eq!(
            traffic(Protocol::Udp, Some(20), Some(25)),
            Ok(Traffic::Udp(span))
        );
        assert_eq!(
            traffic(Protocol::Tcp, Some(0), Some(65535)),
            Ok(Traffic::Tcp(PortRange::ALL))
        );
    }

    #[test]
    fn missing_ports_of_tcp_are_all_ports() {
        assert_eq!(
            traffic(Protocol::Tcp, None, None),
            Ok(Traffic::Tcp(PortRange::ALL))
        );
        assert_eq!(
            traffic(Protocol::Udp, Some(-1), Some(-1)),
            Ok(Traffic::Udp(PortRange::ALL))
        );
    }

    #[test]
    fn ports_that_cannot_be_are_refused() {
        assert_eq!(
            traffic(Protocol::Tcp, Some(65536), Some(65537)),
            Err(InvalidPorts::OutOfRange(65536))
        );
        assert_eq!(
            traffic(Protocol::Tcp, Some(-1), Some(22)),
            Err(InvalidPorts::OutOfRange(-1))
        );
        assert_eq!(
            traffic(Protocol::Udp, Some(25), Some(20)),
            Err(InvalidPorts::Reversed(25, 20))
        );
        assert_eq!(
            traffic(Protocol::Tcp, Some(22), None),
            Err(InvalidPorts::MissingField)
        );
    }

    #[test]
    fn ports_of_other_protocols_mean_nothing() {
        assert_eq!(traffic(Protocol::All, Some(0), Some(0)), Ok(Traffic::All));
        assert_eq!(
            traffic(Protocol::Other(47), Some(22), Some(22)),
            Ok(Traffic::Other(47))
        );
        assert_eq!(rule("-1 22 0.0.0.0/0").display_ports(), (None, None));
        assert_eq!(rule("47 22 0.0.0.0/0").port_range(), None);
        assert_eq!(rule("icmp 8 0.0.0.0/0").display_ports(), (Some(8), Some(8)));
        assert_eq!(
            rule("icmp - 0.0.0.0/0").display_ports(),
            (Some(-1), Some(-1))
        );
    }

    #[test]
    fn content_is_the_box_and_nothing_else() {
        let mut named = rule("6 22 1.2.3.4/0");
        named.id = Some("sgr-1".into());
        named.description = Some("ssh".into());
        assert!(named.same_content(&rule("tcp 22 0.0.0.0/0")));
        assert!(!named.same_content(&rule("udp 22 0.0.0.0/0")));
        assert!(!named.same_content(&rule("tcp 22-23 0.0.0.0/0")));
        assert!(!named.same_content(&rule("tcp 22 ::/0")));
        assert!(rule("-1 - ::/0").same_content(&rule("-1 0 ::/0")));
        let mut peer = rule("tcp 22 sg-1");
        if let Source::Group(group) = &mut peer.source {
            group.owner_id = Some("111122223333".into());
        }
        assert!(
            peer.same_content(&rule("tcp 22 sg-1")),
            "the owner of a group is not always told"
        );
    }
}
