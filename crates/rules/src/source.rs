//! Where traffic comes from: one source of one security group rule.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// The one source of a security group rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A block of addresses, host bits cleared.
    Cidr(IpNet),
    /// A managed prefix list (`pl-...`), judged by its entries.
    PrefixList(String),
    /// Another security group: never the world.
    Group(GroupSource),
}

/// A security group named as a source, with what EC2 needs to find it again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupSource {
    /// `sg-...`.
    pub group_id: String,
    /// The account that owns it, when the rule says so (groups of a peered VPC).
    pub owner_id: Option<String>,
}

impl Source {
    /// Reads a CIDR; host bits are ignored, so `1.2.3.4/0` is `0.0.0.0/0`. A bare address is a block of one.
    ///
    /// # Errors
    /// When the text is neither an IPv4 nor an IPv6 block.
    pub fn from_cidr(text: &str) -> Result<Self, InvalidCidr> {
        parse_cidr(text).map(Self::Cidr)
    }

    /// Whether both name the same source. The id of a group is enough: its owner is not always told.
    pub fn same_source(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Group(one), Self::Group(two)) => one.group_id == two.group_id,
            (one, two) => one == two,
        }
    }

    /// Another security group of the same account.
    pub fn from_group_id(group_id: impl Into<String>) -> Self {
        Self::Group(GroupSource {
            group_id: group_id.into(),
            owner_id: None,
        })
    }
}

impl fmt::Display for Source {
    /// The canonical CIDR, `pl-...` or `sg-...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(net) => f.pad(&net.to_string()),
            Self::PrefixList(id) => f.pad(id),
            Self::Group(group) => f.pad(&group.group_id),
        }
    }
}

/// Reads a block of addresses with its host bits cleared. A bare address is a block of one.
///
/// # Errors
/// When the text is neither an IPv4 nor an IPv6 block.
pub fn parse_cidr(text: &str) -> Result<IpNet, InvalidCidr> {
    let trimmed = text.trim();
    trimmed
        .parse::<IpNet>()
        .or_else(|_| trimmed.parse::<IpAddr>().map(IpNet::from))
        .map(|net| net.trunc())
        .map_err(|_| InvalidCidr(text.to_owned()))
}

/// A text that is no block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid CIDR `{0}`: expected a block such as 203.0.113.0/24 or 2001:db8::/32")]
pub struct InvalidCidr(String);

/// The entries of managed prefix lists, by list id. A list that is not here is unresolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixLists(BTreeMap<String, Vec<IpNet>>);

impl PrefixLists {
    /// No list known.
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a list, or more entries of a list that came in parts.
    pub fn insert(&mut self, id: impl Into<String>, entries: impl IntoIterator<Item = IpNet>) {
        self.0.entry(id.into()).or_default().extend(entries);
    }

    /// The entries of a list, `None` when the list is unresolved.
    pub fn entries(&self, id: &str) -> Option<&[IpNet]> {
        self.0.get(id).map(Vec::as_slice)
    }

    /// The address blocks of a source: one for a CIDR, the entries of a prefix list, none for a group or for an
    /// unresolved list.
    pub fn source_blocks<'a>(&'a self, source: &'a Source) -> &'a [IpNet] {
        match source {
            Source::Cidr(net) => std::slice::from_ref(net),
            Source::PrefixList(id) => self.entries(id).unwrap_or_default(),
            Source::Group(_) => &[],
        }
    }
}

impl<I: Into<String>> FromIterator<(I, Vec<IpNet>)> for PrefixLists {
    fn from_iter<T: IntoIterator<Item = (I, Vec<IpNet>)>>(lists: T) -> Self {
        let mut all = Self::empty();
        for (id, entries) in lists {
            all.insert(id, entries);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_ignored() {
        assert_eq!(
            Source::from_cidr("1.2.3.4/0").unwrap().to_string(),
            "0.0.0.0/0"
        );
        assert_eq!(
            Source::from_cidr("10.1.2.3/8").unwrap().to_string(),
            "10.0.0.0/8"
        );
        assert_eq!(Source::from_cidr("0::0/0").unwrap().to_string(), "::/0");
        assert_eq!(
            Source::from_cidr("2001:DB8::1/32").unwrap().to_string(),
            "2001:db8::/32"
        );
        assert_eq!(
            Source::from_cidr("192.0.2.7").unwrap().to_string(),
            "192.0.2.7/32"
        );
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in ["", "1.2.3.4/33", "1.2.3/8", "::/129", "sg-1", "0.0.0.0/-1"] {
            assert_eq!(Source::from_cidr(text), Err(InvalidCidr(text.to_owned())));
        }
    }

    #[test]
    fn only_addresses_have_blocks() {
        let lists: PrefixLists = [("pl-1", vec![parse_cidr("192.0.2.0/24").unwrap()])]
            .into_iter()
            .collect();
        assert_eq!(
            lists
                .source_blocks(&Source::from_cidr("0.0.0.0/1").unwrap())
                .len(),
            1
        );
        assert_eq!(
            lists
                .source_blocks(&Source::PrefixList("pl-1".into()))
                .len(),
            1
        );
        assert!(
            lists
                .source_blocks(&Source::PrefixList("pl-2".into()))
                .is_empty()
        );
        assert!(
            lists
                .source_blocks(&Source::from_group_id("sg-1"))
                .is_empty()
        );
    }
}
