//! Sort keys that do not depend on the order of the group.

use crate::group::{IngressRule, Tags};
use crate::protocol::Protocol;

/// Every property of a rule, so that sorting does not depend on the order of the group.
type FullSortKey = (
    (String, (Option<i32>, Option<i32>), String),
    Option<String>,
    Tags,
    Option<String>,
);

pub(super) fn full_sort_key(rule: &IngressRule) -> FullSortKey {
    (
        rule.sort_key(),
        rule.description.clone(),
        rule.tags.clone(),
        rule.id.clone(),
    )
}

/// Ports and ICMP come before protocol numbers.
pub(super) fn addition_sort_key(rule: &IngressRule) -> (Option<u8>, FullSortKey) {
    let number = match rule.protocol() {
        Protocol::Other(number) => Some(number),
        Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6 | Protocol::All => None,
    };
    (number, full_sort_key(rule))
}
