//! Ports and protocols.

use portcullis_rules::{PortRange, Protocol};

use super::basic::parse_decimal;
use super::problem::{Problem, ScalarResult};
use crate::code::Code;
use crate::record::Value;
use crate::yaml::{did_you_mean, quote_text};

const EXPECTED_PORTS: &str = "expected a port, a port range such as 8000-8010, or `all`";

pub(crate) fn parse_ports(text: &str) -> ScalarResult {
    if text == "all" {
        return Ok(Value::Ports(PortRange::ALL));
    }
    let (from, to) = text
        .split_once('-')
        .map_or((text, text), |(from, to)| (from.trim(), to.trim()));
    let (Some(first), Some(last)) = (parse_decimal(from), parse_decimal(to)) else {
        let message = format!("invalid port {}", quote_text(text));
        let problem = Problem::new(Code::BadPort, message, EXPECTED_PORTS);
        return Err(problem.with_help(port_help(text)));
    };
    let (Ok(low), Ok(high)) = (u16::try_from(first), u16::try_from(last)) else {
        let message = format!("port {} is out of range", quote_text(text));
        let expected = "expected a port from 0 to 65535";
        return Err(Problem::new(Code::BadPort, message, expected));
    };
    PortRange::new(low, high).map(Value::Ports).ok_or_else(|| {
        let message = format!("port range {} is reversed", quote_text(text));
        let help = Some(format!("write `{high}-{low}`"));
        Problem::new(Code::BadPort, message, EXPECTED_PORTS).with_help(help)
    })
}

/// Names of services that users write instead of a port.
const SERVICES: [(&str, u16); 7] = [
    ("ssh", 22),
    ("rdp", 3389),
    ("http", 80),
    ("https", 443),
    ("mysql", 3306),
    ("postgres", 5432),
    ("dns", 53),
];

/// What was probably meant by a text that is not a port.
pub(crate) fn port_help(text: &str) -> Option<String> {
    let service = SERVICES
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    if let Some((_, port)) = service {
        let help = format!("write the number, `{port}`, or define the name under `ports`");
        return Some(help);
    }
    let without_zeros = text.trim_start_matches('0');
    if text.starts_with('0') && parse_decimal(without_zeros).is_some() {
        let help =
            format!("write `{without_zeros}`: some YAML parsers read a leading zero as octal");
        return Some(help);
    }
    let range = text
        .split_once([':', '…', '–', '—'])
        .or_else(|| text.split_once(".."));
    if let Some((from, to)) = range {
        let last = to.trim_matches(['.', ' ', '=']);
        Some(format!(
            "write port ranges with `-`: `{}-{last}`",
            from.trim()
        ))
    } else if matches!(text, "*" | "any" | "-1" | "ALL") {
        Some("write `all`".to_owned())
    } else if text.contains([',', ' ', '/']) {
        Some("write a list, such as `[80, 443]`; the protocol has its own key".to_owned())
    } else {
        None
    }
}

const EXPECTED_PROTOCOL: &str =
    "expected `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a number from 0 to 255";

pub(crate) fn parse_protocol(text: &str) -> ScalarResult {
    text.parse::<Protocol>().map(Value::Protocol).map_err(|_| {
        let known = ["tcp", "udp", "icmp", "icmpv6", "all"];
        let message = format!("unknown protocol {}", quote_text(text));
        let help = protocol_help(text).or_else(|| did_you_mean(text, known));
        Problem::new(Code::BadProtocol, message, EXPECTED_PROTOCOL).with_help(help)
    })
}

/// The protocols that EC2 knows only by number, by the names that people use.
///
/// Source: IANA protocol numbers.
const PROTOCOL_NUMBERS: [(&[&str], u8); 20] = [
    (&["hopopt"], 0),
    (&["igmp"], 2),
    (&["ipip", "ip-in-ip", "ipencap", "ipv4"], 4),
    (&["egp"], 8),
    (&["igp"], 9),
    (&["dccp"], 33),
    (&["ipv6", "6in4", "sit"], 41),
    (&["rsvp"], 46),
    (&["gre"], 47),
    (&["esp"], 50),
    (&["ah"], 51),
    (&["eigrp"], 88),
    (&["ospf", "ospfigp"], 89),
    (&["pim"], 103),
    (&["ipcomp"], 108),
    (&["vrrp", "carp"], 112),
    (&["l2tp"], 115),
    (&["isis", "is-is"], 124),
    (&["sctp"], 132),
    (&["udplite", "udp-lite"], 136),
];

/// What was probably meant by a text that is not a protocol of EC2.
fn protocol_help(text: &str) -> Option<String> {
    let name = text.trim().to_lowercase().replace('_', "-");
    let numbered = PROTOCOL_NUMBERS
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()));
    if let Some((_, number)) = numbered {
        return Some(format!("EC2 knows it only by its number: write `{number}`"));
    }
    let help = match name.as_str() {
        "ipsec" => "IPsec is ESP and AH: write `[50, 51]`, and UDP 500 and 4500 for IKE",
        "icmp6" | "ipv6-icmp" | "icmp-v6" => "did you mean `icmpv6`?",
        "any" | "*" | "ip" | "every" => "did you mean `all`?",
        _ if name.contains(['/', ',', '+', '|']) => "write a list, such as `[tcp, udp]`",
        _ => return service_protocol_help(&name),
    };
    Some(help.to_owned())
}

fn service_protocol_help(name: &str) -> Option<String> {
    let (_, port) = SERVICES.iter().find(|(service, _)| *service == name)?;
    let protocol = if name == "dns" { "[tcp, udp]" } else { "tcp" };
    Some(format!(
        "it is a service, not a protocol: write `protocol: {protocol}` and `ports: {port}`"
    ))
}

/// The number of a protocol that has no key of its own, for the key `others`.
pub(crate) fn parse_protocol_number(text: &str) -> ScalarResult {
    let help = match text.parse::<Protocol>() {
        Ok(Protocol::All) if text == "all" => return Ok(Value::Protocol(Protocol::All)),
        Ok(other @ Protocol::Other(_)) => return Ok(Value::Protocol(other)),
        Ok(named @ (Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6)) => {
            Some(format!("use the key `{named}`"))
        }
        Ok(Protocol::All) => Some("write `all`".to_owned()),
        Err(_) => protocol_help(text),
    };
    let message = format!("invalid protocol number {}", quote_text(text));
    let expected = "expected a number from 0 to 255 without its own key, or `all`";
    Err(Problem::new(Code::BadProtocol, message, expected).with_help(help))
}
