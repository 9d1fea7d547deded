//! The priority of additions where EC2 has no room for all of them.

use super::types::Addition;
use crate::group::Traffic;

/// The ports that are kept before other ports.
const PREFERRED_PORTS: [u16; 2] = [443, 80];

/// Sorts additions by priority. Where EC2 has no room for all of them, those at the end are
/// skipped first: excepted ports are skipped last, then 443 and 80, then other ports by number.
/// ICMP and other protocols come after ports. Additions of the same priority keep their order.
pub fn sort_additions_by_priority(additions: &mut [Addition]) {
    additions.sort_by_key(addition_priority);
}

/// The sort key: excepted or not, the kind of traffic, and a number within the kind.
fn addition_priority(addition: &Addition) -> (bool, u8, usize) {
    let (kind, number) = match addition.ingress.traffic() {
        Traffic::Tcp(range) | Traffic::Udp(range) => PREFERRED_PORTS
            .iter()
            .position(|&port| range.contains(port))
            .map_or((1, range.first_port().into()), |position| (0, position)),
        Traffic::All => (0, 0),
        Traffic::Icmp | Traffic::Icmpv6 => (2, 0),
        Traffic::Other(number) => (3, number.into()),
    };
    (!addition.is_excepted, kind, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::rule;
    use crate::plan::Purpose;

    #[test]
    fn excepted_ports_come_first_then_443_and_80_then_ports_by_number() {
        let addition = |line: &str, is_excepted| Addition {
            ingress: rule(line),
            purpose: Purpose::Keep,
            replaces: rule("all - 0.0.0.0/0"),
            is_excepted,
        };
        let mut additions = [
            addition("47 - 0.0.0.0/0", false),
            addition("4 - 0.0.0.0/0", false),
            addition("icmp - 0.0.0.0/0", false),
            addition("tcp 8443 0.0.0.0/0", true),
            addition("tcp 8080 0.0.0.0/0", false),
            addition("udp 53 0.0.0.0/0", false),
            addition("tcp 25-80 0.0.0.0/0", false),
            addition("tcp 443 0.0.0.0/0", false),
        ];
        sort_additions_by_priority(&mut additions);
        let sorted: Vec<_> = additions
            .iter()
            .map(|addition| addition.ingress.to_string())
            .collect();
        let expected = [
            "tcp 8443 0.0.0.0/0",
            "tcp 443 0.0.0.0/0",
            "tcp 25-80 0.0.0.0/0",
            "udp 53 0.0.0.0/0",
            "tcp 8080 0.0.0.0/0",
            "icmp - 0.0.0.0/0",
            "4 - 0.0.0.0/0",
            "47 - 0.0.0.0/0",
        ];
        assert_eq!(sorted, expected);
    }
}
