//! Security groups and their ingress rules.

use std::collections::BTreeMap;

use crate::ports::PortRange;
use crate::protocol::Protocol;
use crate::source::Source;

/// Tags of a security group or of a security group rule.
pub type Tags = BTreeMap<String, String>;

/// A security group as EC2 describes it, with its ingress rules. Egress rules are not evaluated.
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
    /// The ingress rules: one for each protocol, port range and source.
    pub rules: Vec<IngressRule>,
    /// Whether the group allows all egress traffic, when known. If it does, connections that were
    /// allowed by an ingress rule for all addresses are untracked, and end at once when that rule
    /// is removed (AWS documentation: "Security group connection tracking", untracked connections).
    pub open_egress: Option<bool>,
}

impl SecurityGroup {
    /// The same group without its rules.
    pub(crate) fn without_rules(&self) -> Self {
        Self {
            id: self.id.clone(),
            name: self.name.clone(),
            vpc_id: self.vpc_id.clone(),
            owner_id: self.owner_id.clone(),
            tags: self.tags.clone(),
            rules: Vec::new(),
            open_egress: self.open_egress,
        }
    }
}

/// The traffic that a rule allows: its protocol, and its ports for TCP and UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Traffic {
    /// TCP to a range of ports.
    Tcp(PortRange),
    /// UDP to a range of ports.
    Udp(PortRange),
    /// ICMP. The port fields of the rule hold type and code.
    Icmp,
    /// `ICMPv6`. The port fields of the rule hold type and code.
    Icmpv6,
    /// Another protocol number, without ports.
    Other(u8),
    /// Every protocol and every port.
    All,
}

/// A security group rule for ingress: one protocol, one port range and one source.
///
/// This is the `SecurityGroupRule` of EC2. An `IpPermission`, which can have several sources, is
/// several of these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IngressRule {
    /// `sgr-...`, when known (`DescribeSecurityGroups` does not return it).
    pub id: Option<String>,
    /// Where the traffic comes from.
    pub source: Source,
    /// The rule's description.
    pub description: Option<String>,
    /// The rule's own tags.
    pub tags: Tags,
    protocol: Protocol,
    ec2_ports: Ec2Ports,
    traffic: Traffic,
}

/// What identifies a rule in its group: protocol, ports and source. EC2 does not allow two rules
/// with the same content in a group. Ids, descriptions and tags are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleContent {
    protocol: Protocol,
    ports: (Option<i32>, Option<i32>),
    source: Source,
}

/// The two port fields as EC2 stores them. Revoking a rule by content requires exactly these
/// values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ec2Ports {
    /// `FromPort`: first port, or the ICMP type.
    pub from: Option<i32>,
    /// `ToPort`: last port, or the ICMP code.
    pub to: Option<i32>,
}

impl Ec2Ports {
    /// The fields for a range of ports.
    pub(crate) fn from_range(range: PortRange) -> Self {
        Self {
            from: Some(range.first_port().into()),
            to: Some(range.last_port().into()),
        }
    }
}

/// Port fields that are invalid for a security group rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPorts {
    /// A field is outside 0 to 65535.
    #[error("port {0} is outside 0 to 65535")]
    OutOfRange(i32),
    /// The first port is greater than the last.
    #[error("the first port {0} is greater than the last port {1}")]
    Reversed(u16, u16),
    /// Only one of the two fields is given.
    #[error("only one of `FromPort` and `ToPort` is given")]
    MissingField,
}

impl IngressRule {
    /// The tags that a new rule can have. Only AWS may set keys that start with `aws:` (Amazon EC2
    /// User Guide, "Tag restrictions").
    pub fn settable_tags(&self) -> Tags {
        self.tags
            .iter()
            .filter(|(key, _)| !key.to_ascii_lowercase().starts_with("aws:"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// A rule without id, description and tags.
    ///
    /// TCP and UDP rules without ports, or with -1, are treated as rules for every port, so that an
    /// open group is never missed.
    ///
    /// # Errors
    /// When the port fields of a TCP or UDP rule are not a valid port range.
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

    /// The port fields as EC2 stores them.
    pub const fn ec2_ports(&self) -> Ec2Ports {
        self.ec2_ports
    }

    /// The traffic that the rule allows.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The port range of a TCP or UDP rule.
    pub const fn port_range(&self) -> Option<PortRange> {
        match self.traffic {
            Traffic::Tcp(range) | Traffic::Udp(range) => Some(range),
            Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) | Traffic::All => None,
        }
    }

    /// The first and last port (ICMP: type and code); `None` for protocols without ports.
    pub fn display_ports(&self) -> (Option<i32>, Option<i32>) {
        match self.traffic {
            Traffic::Tcp(range) | Traffic::Udp(range) => (
                Some(range.first_port().into()),
                Some(range.last_port().into()),
            ),
            Traffic::Icmp | Traffic::Icmpv6 => (
                Some(self.ec2_ports.from.unwrap_or(-1)),
                Some(self.ec2_ports.to.unwrap_or(-1)),
            ),
            Traffic::Other(_) | Traffic::All => (None, None),
        }
    }

    /// The content of the rule. Two rules have equal contents if [`same_content`] says so.
    ///
    /// [`same_content`]: Self::same_content
    pub fn content(&self) -> RuleContent {
        RuleContent {
            protocol: self.protocol,
            ports: self.display_ports(),
            source: self.source.without_owner(),
        }
    }

    /// Whether both rules allow the same traffic from the same source. Ids, descriptions and tags
    /// are ignored. EC2 does not allow two rules with the same content in a group.
    pub fn same_content(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.display_ports() == other.display_ports()
            && self.source.same_source(&other.source)
    }

    /// The sort key of reports: protocol, ports and source.
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

    /// Parses a rule in the format of [`crate::notation`].
    pub(crate) fn rule(line: &str) -> IngressRule {
        line.parse().unwrap()
    }

    /// A group with these rules.
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
    fn tcp_and_udp_rules_have_ports() {
        let range = PortRange::new(20, 25).unwrap();
        assert_eq!(
            traffic(Protocol::Tcp, Some(20), Some(25)),
            Ok(Traffic::Tcp(range))
        );
        assert_eq!(
            traffic(Protocol::Udp, Some(20), Some(25)),
            Ok(Traffic::Udp(range))
        );
        assert_eq!(
            traffic(Protocol::Tcp, Some(0), Some(65535)),
            Ok(Traffic::Tcp(PortRange::ALL))
        );
    }

    #[test]
    fn missing_ports_mean_all_ports() {
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
    fn invalid_ports_are_rejected() {
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
    fn ports_of_other_protocols_are_ignored() {
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
    fn content_is_protocol_ports_and_source() {
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
            "EC2 does not always return the owner of a group"
        );
        assert_eq!(peer.content(), rule("tcp 22 sg-1").content());
        assert_eq!(named.content(), rule("tcp 22 0.0.0.0/0").content());
        assert_ne!(named.content(), rule("tcp 22-23 0.0.0.0/0").content());
    }
}
