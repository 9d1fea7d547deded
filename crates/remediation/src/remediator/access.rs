//! Whether one rule gives all access that another gives.

use portcullis_rules::group::Traffic;
use portcullis_rules::{IngressRule, Source};

/// Whether `wide` gives all access that `narrow` gives. Prefix lists are compared by id.
pub(super) fn covers_access(wide: &IngressRule, narrow: &IngressRule) -> bool {
    covers_source(&wide.source, &narrow.source) && covers_traffic(wide, narrow)
}

fn covers_source(wide: &Source, narrow: &Source) -> bool {
    match (wide, narrow) {
        (Source::Cidr(wide), Source::Cidr(narrow)) => wide.contains(narrow),
        (wide, narrow) => wide.same_source(narrow),
    }
}

fn covers_traffic(wide: &IngressRule, narrow: &IngressRule) -> bool {
    match (wide.traffic(), narrow.traffic()) {
        (Traffic::All, _) => true,
        (Traffic::Tcp(wide), Traffic::Tcp(narrow)) | (Traffic::Udp(wide), Traffic::Udp(narrow)) => {
            wide.contains(narrow.first_port()) && wide.contains(narrow.last_port())
        }
        (Traffic::Other(wide), Traffic::Other(narrow)) => wide == narrow,
        (Traffic::Icmp, Traffic::Icmp) | (Traffic::Icmpv6, Traffic::Icmpv6) => {
            wide.display_ports() == narrow.display_ports()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(wide: &str, narrow: &str) -> bool {
        covers_access(&wide.parse().unwrap(), &narrow.parse().unwrap())
    }

    #[test]
    fn a_wider_rule_covers_a_narrower_one() {
        for (wide, narrow) in [
            ("tcp 80-443 0.0.0.0/0", "tcp 80 0.0.0.0/0"),
            ("tcp 80-443 0.0.0.0/0", "tcp 443 10.0.0.0/8"),
            ("all - ::/0", "udp 53 2001:db8::/32"),
            ("tcp 22 pl-1", "tcp 22 pl-1"),
        ] {
            assert!(covers(wide, narrow), "{wide} covers {narrow}");
        }
        for (wide, narrow) in [
            ("tcp 80-443 0.0.0.0/0", "tcp 80 ::/0"),
            ("tcp 80-443 0.0.0.0/0", "udp 80 0.0.0.0/0"),
            ("tcp 80-443 0.0.0.0/0", "tcp 79-443 0.0.0.0/0"),
            ("tcp 80 10.0.0.0/8", "tcp 80 0.0.0.0/0"),
            ("tcp 22 pl-1", "tcp 22 pl-2"),
            ("tcp 22 0.0.0.0/0", "tcp 22 pl-1"),
        ] {
            assert!(!covers(wide, narrow), "{wide} does not cover {narrow}");
        }
    }
}
