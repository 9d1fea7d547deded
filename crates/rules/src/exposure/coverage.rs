//! The sweep over a protocol axis that finds where the public address space is covered, and up to
//! which rank the sources are exposed there.

use std::collections::BTreeMap;

use super::axis::AxisRange;
use super::public_source::{PublicSource, SourceRank};
use crate::address::{AddressFamily, PublicRange};

/// A rule that reaches a range of an axis from public addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct RankedMember<'a> {
    pub(super) range: AxisRange,
    pub(super) source: &'a PublicSource,
}

/// The last rank of exposed sources at each position of an axis; `None` where the public address
/// space is not covered.
#[derive(Debug, Default)]
pub(super) struct OpenRanks {
    /// The positions at which the rank changes, in ascending order, with the rank from there on.
    steps: Vec<(u64, Option<SourceRank>)>,
}

impl OpenRanks {
    /// The parts of the range in which sources of the rank are exposed, in ascending order.
    pub(super) fn open_within(&self, range: AxisRange, rank: SourceRank) -> Vec<AxisRange> {
        let next = self
            .steps
            .partition_point(|&(start, _)| start <= range.first);
        let steps = self.steps.get(next.saturating_sub(1)..).unwrap_or_default();
        let mut parts = Vec::new();
        let mut following = steps.iter().skip(1);
        for &(start, last_exposed) in steps {
            if start > range.last {
                break;
            }
            let end = following
                .next()
                .map_or(u64::MAX, |&(next, _)| next.saturating_sub(1));
            let part = AxisRange {
                first: start.max(range.first),
                last: end.min(range.last),
            };
            if last_exposed >= Some(rank) && part.first <= part.last {
                parts.push(part);
            }
        }
        parts
    }
}

/// Where members start or end to reach an axis. At each position, starts are handled before ends,
/// so that a source that continues in another rule does not change the coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Start,
    End,
}

/// Computes the last exposed rank at each position of an axis.
pub(super) fn compute_open_ranks(family: AddressFamily, members: &[RankedMember<'_>]) -> OpenRanks {
    let mut sweep = Sweep::new(family, members);
    if !sweep.could_cover_public() {
        return OpenRanks::default();
    }
    let mut changes: Vec<(u64, Change, usize)> = Vec::new();
    for (index, member) in members.iter().enumerate() {
        changes.push((member.range.first, Change::Start, index));
        let end = member.range.last.checked_add(1);
        changes.extend(end.map(|position| (position, Change::End, index)));
    }
    changes.sort_unstable();
    let mut open_ranks = OpenRanks::default();
    for same_position in changes.chunk_by(|one, two| one.0 == two.0) {
        for &(_, change, index) in same_position {
            if let Some(member) = members.get(index) {
                sweep.apply(change, member.source.number);
            }
        }
        let position = same_position.first().map_or(0, |first| first.0);
        let last_exposed = sweep.last_exposed_rank();
        if open_ranks.steps.last().map(|&(_, rank)| rank) != Some(last_exposed) {
            open_ranks.steps.push((position, last_exposed));
        }
    }
    open_ranks
}

/// The sources that reach the current position of a sweep.
struct Sweep<'a> {
    public_address_count: u128,
    /// By number.
    sources: BTreeMap<usize, SweptSource<'a>>,
    /// The sum of the address counts of the sources that reach the current position.
    reaching_address_count: u128,
    /// Covered by the sources that reach a position, except that changes wait until the coverage is
    /// needed. Most positions of a group that is not open do not need it.
    coverage: Coverage,
    /// The numbers of sources that may have to be added to the coverage or removed from it.
    waiting: Vec<usize>,
}

/// A source, and how it counts at the current position.
struct SweptSource<'a> {
    source: &'a PublicSource,
    /// The number of rules with the source that reach the position.
    rule_count: usize,
    is_in_coverage: bool,
}

impl<'a> Sweep<'a> {
    fn new(family: AddressFamily, members: &[RankedMember<'a>]) -> Self {
        let mut sources = BTreeMap::new();
        for member in members {
            let source = member.source;
            sources.entry(source.number).or_insert(SweptSource {
                source,
                rule_count: 0,
                is_in_coverage: false,
            });
        }
        Self {
            public_address_count: PublicRange::all(family).address_count(),
            coverage: Coverage::new(family, sources.values().map(|swept| swept.source)),
            sources,
            reaching_address_count: 0,
            waiting: Vec::new(),
        }
    }

    /// Whether the sources are large enough to cover the public address space. This is a cheap test
    /// for the common case of a group that is not open.
    fn could_cover_public(&self) -> bool {
        let counts = self
            .sources
            .values()
            .map(|swept| swept.source.address_count);
        counts.fold(0, u128::saturating_add) >= self.public_address_count
    }

    fn apply(&mut self, change: Change, source_number: usize) {
        let Some(swept) = self.sources.get_mut(&source_number) else {
            return;
        };
        let (count, reaching) = (swept.source.address_count, self.reaching_address_count);
        match change {
            Change::Start => {
                swept.rule_count = swept.rule_count.saturating_add(1);
                if swept.rule_count == 1 {
                    self.reaching_address_count = reaching.saturating_add(count);
                    self.waiting.push(source_number);
                }
            }
            Change::End => {
                swept.rule_count = swept.rule_count.saturating_sub(1);
                if swept.rule_count == 0 {
                    self.reaching_address_count = reaching.saturating_sub(count);
                    self.waiting.push(source_number);
                }
            }
        }
    }

    /// The last rank of exposed sources at the current position; `None` if the public address space
    /// is not covered there.
    fn last_exposed_rank(&mut self) -> Option<SourceRank> {
        if self.reaching_address_count < self.public_address_count {
            return None;
        }
        for source_number in std::mem::take(&mut self.waiting) {
            if let Some(swept) = self.sources.get_mut(&source_number) {
                swept.update_coverage(&mut self.coverage);
            }
        }
        self.coverage.last_exposed_rank()
    }
}

impl SweptSource<'_> {
    fn update_coverage(&mut self, coverage: &mut Coverage) {
        let reaches = self.rule_count > 0;
        match (self.is_in_coverage, reaches) {
            (false, true) => coverage.add(self.source),
            (true, false) => coverage.remove(self.source),
            (false, false) | (true, true) => {}
        }
        self.is_in_coverage = reaches;
    }
}

/// A segment tree over the public address space. It knows the smallest, over all addresses, of the
/// last rank of the sources that contain an address.
///
/// That is the last exposed rank: the sources of a rank and all later ranks cover the public
/// address space exactly if each address is in one of them.
struct Coverage {
    /// The ends of the ranges of all sources, in ascending order. The elements of the tree are the
    /// ranges between two neighbors.
    bounds: Vec<u128>,
    /// The tree as a heap: the children of node `n` are `2n` and `2n + 1`, the root is node 1.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// The sources that cover the whole node but not its parent: their ranks with their numbers, in
    /// ascending order.
    own: Vec<(SourceRank, u32)>,
    /// The smallest last rank over the addresses of the node; `None` if one is not covered.
    covered_to: Option<SourceRank>,
}

/// A node of the tree and the elements that it is for.
#[derive(Clone, Copy)]
struct NodeSpan {
    node: usize,
    first: usize,
    end: usize,
}

impl NodeSpan {
    fn is_element(self) -> bool {
        self.end.saturating_sub(self.first) <= 1
    }

    fn children(self) -> [Self; 2] {
        let middle = self.first.midpoint(self.end);
        let left = self.node.saturating_mul(2);
        [
            Self {
                node: left,
                first: self.first,
                end: middle,
            },
            Self {
                node: left.saturating_add(1),
                first: middle,
                end: self.end,
            },
        ]
    }
}

impl Coverage {
    fn new<'a>(family: AddressFamily, sources: impl Iterator<Item = &'a PublicSource>) -> Self {
        let all = PublicRange::all(family);
        let mut bounds = vec![all.start, all.end];
        for range in sources.flat_map(|source| &source.ranges) {
            bounds.extend([range.start, range.end]);
        }
        bounds.sort_unstable();
        bounds.dedup();
        let node_count = bounds.len().next_power_of_two().saturating_mul(2);
        Self {
            bounds,
            nodes: vec![Node::default(); node_count],
        }
    }

    /// The last rank of exposed sources; `None` if the public address space is not covered.
    fn last_exposed_rank(&self) -> Option<SourceRank> {
        self.nodes.get(1).and_then(|root| root.covered_to)
    }

    fn add(&mut self, source: &PublicSource) {
        self.update(source, Node::add_rank);
    }

    fn remove(&mut self, source: &PublicSource) {
        self.update(source, Node::remove_rank);
    }

    fn update(&mut self, source: &PublicSource, change: fn(&mut Node, SourceRank)) {
        let root = NodeSpan {
            node: 1,
            first: 0,
            end: self.bounds.len().saturating_sub(1),
        };
        for range in &source.ranges {
            let first = self.bounds.partition_point(|bound| *bound < range.start);
            let end = self.bounds.partition_point(|bound| *bound < range.end);
            self.update_elements(root, (first, end), &|node| change(node, source.rank));
        }
    }

    fn update_elements(
        &mut self,
        span: NodeSpan,
        (first, end): (usize, usize),
        change: &impl Fn(&mut Node),
    ) {
        if end <= span.first || span.end <= first {
            return;
        }
        if first <= span.first && span.end <= end {
            if let Some(node) = self.nodes.get_mut(span.node) {
                change(node);
            }
        } else {
            for child in span.children() {
                self.update_elements(child, (first, end), change);
            }
        }
        self.update_covered_rank(span);
    }

    fn update_covered_rank(&mut self, span: NodeSpan) {
        let by_children = if span.is_element() {
            None
        } else {
            span.children()
                .iter()
                .filter_map(|child| self.nodes.get(child.node))
                .map(|child| child.covered_to)
                .min()
                .flatten()
        };
        if let Some(node) = self.nodes.get_mut(span.node) {
            let by_own = node.own.last().map(|&(rank, _)| rank);
            node.covered_to = by_own.max(by_children);
        }
    }
}

impl Node {
    fn add_rank(&mut self, rank: SourceRank) {
        match self.own.binary_search_by_key(&rank, |&(own, _)| own) {
            Ok(index) => {
                if let Some((_, count)) = self.own.get_mut(index) {
                    *count = count.saturating_add(1);
                }
            }
            Err(index) => self.own.insert(index, (rank, 1)),
        }
    }

    fn remove_rank(&mut self, rank: SourceRank) {
        let Ok(index) = self.own.binary_search_by_key(&rank, |&(own, _)| own) else {
            return;
        };
        if let Some((_, count)) = self.own.get_mut(index) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.own.remove(index);
            }
        }
    }
}
