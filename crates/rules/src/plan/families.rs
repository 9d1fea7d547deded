//! The address families of sources.

use std::collections::BTreeMap;

use crate::address::{AddressBlock, AddressFamily};
use crate::source::{PrefixLists, Source};

/// The address families of which a source can have addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Families {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

impl Families {
    /// Whether both sources can have addresses of the same family.
    pub(super) fn overlap(self, other: Self) -> bool {
        (self.v4 && other.v4) || (self.v6 && other.v6)
    }
}

/// The address families of the sources of a group. Those of prefix lists are computed once.
#[derive(Debug)]
pub(super) struct SourceFamilies<'a> {
    lists: &'a PrefixLists,
    by_list: BTreeMap<String, Families>,
}

impl<'a> SourceFamilies<'a> {
    pub(super) fn new(lists: &'a PrefixLists) -> Self {
        Self {
            lists,
            by_list: BTreeMap::new(),
        }
    }

    pub(super) fn find(&mut self, source: &Source) -> Families {
        let Source::PrefixList(id) = source else {
            return self.compute(source);
        };
        if let Some(families) = self.by_list.get(id) {
            return *families;
        }
        let families = self.compute(source);
        self.by_list.insert(id.clone(), families);
        families
    }

    /// Security groups and unresolved lists can have addresses of any family.
    fn compute(&self, source: &Source) -> Families {
        let blocks = self.lists.source_blocks(source);
        let [v4, v6] = [AddressFamily::V4, AddressFamily::V6].map(|family| {
            let mut families = blocks
                .iter()
                .map(|block| AddressBlock::from_net(block).family());
            blocks.is_empty() || families.any(|found| found == family)
        });
        Families { v4, v6 }
    }
}
