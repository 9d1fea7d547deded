//! The public part of the sources of a group.

use std::collections::BTreeMap;

use crate::address::{AddressBlock, AddressFamily, PublicRange, public_ranges_of_blocks};
use crate::group::IngressRule;
use crate::source::{PrefixLists, Source};

/// The order in which the sources that cover the public address space together are exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SourceRank(u8);

impl SourceRank {
    /// The rank of broad sources, which is the first one.
    pub(super) const BROAD: Self = Self(0);

    /// The rank of a source whose shortest public prefix is this block.
    fn of_block(block: AddressBlock) -> Self {
        if block.is_broad() {
            Self::BROAD
        } else {
            Self(block.prefix_len())
        }
    }
}

/// The public addresses of a source in one family.
#[derive(Debug)]
pub(super) struct PublicSource {
    /// The number of the source, which identifies it in its group.
    pub(super) number: usize,
    pub(super) rank: SourceRank,
    pub(super) ranges: Vec<PublicRange>,
    /// The number of addresses in the ranges.
    pub(super) address_count: u128,
}

/// The public sources of the rules of a group.
pub(super) struct PublicSources {
    number_by_rule: Vec<usize>,
    /// By the number of the source: the public addresses in IPv4 and in IPv6.
    public: Vec<[Option<PublicSource>; 2]>,
}

impl PublicSources {
    pub(super) fn from_rules(rules: &[IngressRule], lists: &PrefixLists) -> Self {
        let mut numbers: BTreeMap<&Source, usize> = BTreeMap::new();
        let mut public = Vec::new();
        let mut number_by_rule = Vec::with_capacity(rules.len());
        for rule in rules {
            let number = *numbers.entry(&rule.source).or_insert_with(|| {
                let number = public.len();
                let blocks = lists.source_blocks(&rule.source);
                let blocks: Vec<_> = blocks.iter().map(AddressBlock::from_net).collect();
                public.push(
                    AddressFamily::BOTH
                        .map(|family| public_source_from_blocks(number, family, &blocks)),
                );
                number
            });
            number_by_rule.push(number);
        }
        Self {
            number_by_rule,
            public,
        }
    }

    /// The public addresses of the source of a rule; `None` when it has none in this family.
    pub(super) fn public_source_of(
        &self,
        rule_index: usize,
        family: AddressFamily,
    ) -> Option<&PublicSource> {
        let number = *self.number_by_rule.get(rule_index)?;
        let [v4, v6] = self.public.get(number)?;
        match family {
            AddressFamily::V4 => v4.as_ref(),
            AddressFamily::V6 => v6.as_ref(),
        }
    }

    pub(super) fn rank_of(&self, rule_index: usize, family: AddressFamily) -> Option<SourceRank> {
        self.public_source_of(rule_index, family)
            .map(|source| source.rank)
    }
}

fn public_source_from_blocks(
    number: usize,
    family: AddressFamily,
    blocks: &[AddressBlock],
) -> Option<PublicSource> {
    let mut public_blocks = blocks.to_vec();
    public_blocks.retain(|block| block.family() == family && block.touches_public());
    let shortest = public_blocks
        .iter()
        .min_by_key(|block| block.prefix_len())?;
    let ranges = public_ranges_of_blocks(family, &public_blocks);
    let counts = ranges.iter().map(|range| range.address_count());
    Some(PublicSource {
        number,
        rank: SourceRank::of_block(*shortest),
        address_count: counts.fold(0, u128::saturating_add),
        ranges,
    })
}
