//! The source of a security group rule: a CIDR block, a prefix list or another security group.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// The source of a security group rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A CIDR block with its host bits cleared.
    Cidr(IpNet),
    /// A managed prefix list (`pl-...`), evaluated by its entries.
    PrefixList(String),
    /// Another security group. Never counts as open to the world.
    Group(GroupSource),
}

/// A reference to a security group as a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupSource {
    /// `sg-...`.
    pub group_id: String,
    /// The account that owns the group, when the rule has it (groups of a peered VPC).
    pub owner_id: Option<String>,
}

impl Source {
    /// Parses a CIDR block. Host bits are ignored, so `1.2.3.4/0` is `0.0.0.0/0`. An address
    /// without a prefix length is a block of one address.
    ///
    /// # Errors
    /// When the text is neither an IPv4 nor an IPv6 CIDR block.
    pub fn from_cidr(text: &str) -> Result<Self, InvalidCidr> {
        parse_cidr(text).map(Self::Cidr)
    }

    /// Whether both refer to the same source. Groups are compared by id only, because EC2 does not
    /// always return their owner.
    pub fn same_source(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Group(one), Self::Group(two)) => one.group_id == two.group_id,
            (one, two) => one == two,
        }
    }

    /// The id if this is a prefix list.
    pub fn prefix_list_id(&self) -> Option<&str> {
        match self {
            Self::PrefixList(id) => Some(id),
            Self::Cidr(_) | Self::Group(_) => None,
        }
    }

    /// This source, without the owner of a group. Two sources are the same if these are equal.
    #[must_use]
    pub fn without_owner(&self) -> Self {
        match self {
            Self::Group(group) => Self::from_group_id(group.group_id.clone()),
            Self::Cidr(_) | Self::PrefixList(_) => self.clone(),
        }
    }

    /// A security group without an owner.
    pub fn from_group_id(group_id: impl Into<String>) -> Self {
        Self::Group(GroupSource {
            group_id: group_id.into(),
            owner_id: None,
        })
    }
}

impl fmt::Display for Source {
    /// The CIDR block, `pl-...` or `sg-...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(net) => f.pad(&net.to_string()),
            Self::PrefixList(id) => f.pad(id),
            Self::Group(group) => f.pad(&group.group_id),
        }
    }
}

/// Parses a CIDR block and clears its host bits. An address without a prefix length is a block of
/// one address.
///
/// # Errors
/// When the text is neither an IPv4 nor an IPv6 CIDR block.
pub fn parse_cidr(text: &str) -> Result<IpNet, InvalidCidr> {
    let trimmed = text.trim();
    trimmed
        .parse::<IpNet>()
        .or_else(|_| trimmed.parse::<IpAddr>().map(IpNet::from))
        .map(|net| net.trunc())
        .map_err(|_| InvalidCidr(text.to_owned()))
}

/// A text that is not a CIDR block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid CIDR `{0}`: expected a block such as 203.0.113.0/24 or 2001:db8::/32")]
pub struct InvalidCidr(String);

/// What is known of managed prefix lists, by list id. A list without entries here is unresolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixLists(BTreeMap<String, PrefixList>);

/// What is known of a managed prefix list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PrefixList {
    /// `None` when the list is unresolved.
    entries: Option<Vec<IpNet>>,
    max_entries: Option<usize>,
    name: Option<String>,
}

impl PrefixLists {
    /// No prefix lists.
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds entries to a list, which becomes known if it was not.
    pub fn insert(&mut self, id: impl Into<String>, entries: impl IntoIterator<Item = IpNet>) {
        self.0
            .entry(id.into())
            .or_default()
            .entries
            .get_or_insert_default()
            .extend(entries);
    }

    /// Sets the `MaxEntries` of a list. EC2 counts a list of a customer by this number towards the
    /// rules quota of a group. The list stays unresolved if it is.
    pub fn set_max_entries(&mut self, id: impl Into<String>, max_entries: usize) {
        self.0.entry(id.into()).or_default().max_entries = Some(max_entries);
    }

    /// Sets the name of a list, by which AWS-managed lists are recognized. The list stays
    /// unresolved if it is.
    pub fn set_name(&mut self, id: impl Into<String>, name: impl Into<String>) {
        self.0.entry(id.into()).or_default().name = Some(name.into());
    }

    /// The entries of a list; `None` when the list is unresolved.
    pub fn entries(&self, id: &str) -> Option<&[IpNet]> {
        self.0.get(id)?.entries.as_deref()
    }

    /// The `MaxEntries` of a list, when known. EC2 does not return it for AWS-managed lists.
    pub fn max_entries(&self, id: &str) -> Option<usize> {
        self.0.get(id)?.max_entries
    }

    /// The name of a list, when known.
    pub fn name(&self, id: &str) -> Option<&str> {
        self.0.get(id)?.name.as_deref()
    }

    /// Adds what another value knows about lists and this one does not.
    pub fn fill_from(&mut self, other: &Self) {
        for (id, known) in &other.0 {
            let list = self.0.entry(id.clone()).or_default();
            if list.entries.is_none() {
                list.entries.clone_from(&known.entries);
            }
            list.max_entries = list.max_entries.or(known.max_entries);
            if list.name.is_none() {
                list.name.clone_from(&known.name);
            }
        }
    }

    /// What is known about these lists.
    #[must_use]
    pub fn only(&self, ids: &BTreeSet<&str>) -> Self {
        let lists = self.0.iter();
        let listed = lists.filter(|(id, _)| ids.contains(id.as_str()));
        Self(
            listed
                .map(|(id, list)| (id.clone(), list.clone()))
                .collect(),
        )
    }

    /// The CIDR blocks of a source: one for a CIDR, the entries of a prefix list, none for a
    /// security group or an unresolved list.
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
    fn invalid_cidrs_are_rejected() {
        for text in ["", "1.2.3.4/33", "1.2.3/8", "::/129", "sg-1", "0.0.0.0/-1"] {
            assert_eq!(Source::from_cidr(text), Err(InvalidCidr(text.to_owned())));
        }
    }

    #[test]
    fn only_cidrs_and_known_lists_have_blocks() {
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
