//! Sets of TCP and UDP ports.

use std::fmt;
use std::iter::Peekable;
use std::slice;

/// An inclusive range of ports, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    from: u16,
    to: u16,
}

impl PortRange {
    /// Every port, 0 to 65535.
    pub const ALL: Self = Self {
        from: 0,
        to: u16::MAX,
    };

    /// The range from `from` to `to`, both included; `None` when `from` is greater than `to`.
    pub fn new(from: u16, to: u16) -> Option<Self> {
        (from <= to).then_some(Self { from, to })
    }

    /// A range of one port.
    pub const fn single(port: u16) -> Self {
        Self {
            from: port,
            to: port,
        }
    }

    /// The first port.
    pub const fn first_port(self) -> u16 {
        self.from
    }

    /// The last port.
    pub const fn last_port(self) -> u16 {
        self.to
    }

    /// The number of ports in the range.
    pub fn port_count(self) -> u32 {
        u32::from(self.to.saturating_sub(self.from)).saturating_add(1)
    }

    /// Whether the range contains this port.
    pub const fn contains(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }

    /// The ports in both ranges.
    fn overlap_with(self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.to.min(other.to))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}-{}", self.from, self.to)
        }
    }
}

/// A set of ports, stored as ascending ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet {
    ranges: Vec<PortRange>,
}

/// The ranges of a set that are left of an iteration.
type Ranges<'a> = Peekable<slice::Iter<'a, PortRange>>;

impl PortSet {
    /// The empty set.
    pub const fn empty() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The set of every port.
    pub fn all() -> Self {
        Self::from(PortRange::ALL)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the set contains every port.
    pub fn is_all(&self) -> bool {
        self.ranges == [PortRange::ALL]
    }

    /// The number of ports in the set.
    pub fn port_count(&self) -> u32 {
        self.ranges
            .iter()
            .fold(0, |sum, range| sum.saturating_add(range.port_count()))
    }

    /// Whether the set contains this port.
    pub fn contains(&self, port: u16) -> bool {
        self.overlaps(PortRange::single(port))
    }

    /// Whether the set contains a port of this range.
    pub(crate) fn overlaps(&self, range: PortRange) -> bool {
        let next = self
            .ranges
            .partition_point(|candidate| candidate.to < range.from);
        self.ranges
            .get(next)
            .is_some_and(|candidate| candidate.from <= range.to)
    }

    /// Whether this is one of the ranges of the set.
    pub(crate) fn has_range(&self, range: PortRange) -> bool {
        self.ranges.binary_search(&range).is_ok()
    }

    /// The ranges in ascending order, as few as possible.
    pub fn ranges(&self) -> &[PortRange] {
        &self.ranges
    }

    /// The ports in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (shorter, longer) = if self.ranges.len() <= other.ranges.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut common = Vec::with_capacity(shorter.ranges.len());
        let mut remaining = longer.ranges.as_slice();
        for range in &shorter.ranges {
            remaining = skip_ranges_before(remaining, range.from);
            for candidate in remaining {
                match candidate.overlap_with(*range) {
                    Some(overlap) => common.push(overlap),
                    None => break,
                }
            }
        }
        Self { ranges: common }
    }

    /// The ports in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.covers_span_of(other) {
            return self.clone();
        }
        if other.covers_span_of(self) {
            return other.clone();
        }
        let mut merged = Vec::with_capacity(self.ranges.len().saturating_add(other.ranges.len()));
        let (mut left, mut right) = (
            self.ranges.iter().peekable(),
            other.ranges.iter().peekable(),
        );
        while let Some(range) = next_range(&mut left, &mut right) {
            push_or_extend(&mut merged, range);
        }
        Self { ranges: merged }
    }

    /// Whether one range of this set contains all ports of the other.
    fn covers_span_of(&self, other: &Self) -> bool {
        let Some((first, last)) = other.ranges.first().zip(other.ranges.last()) else {
            return true;
        };
        let next = self
            .ranges
            .partition_point(|candidate| candidate.to < last.to);
        self.ranges
            .get(next)
            .is_some_and(|candidate| candidate.from <= first.from)
    }

    /// The ports that are not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::all().difference(self)
    }

    /// The ports of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::with_capacity(self.ranges.len());
        let mut remaining = other.ranges.as_slice();
        for range in &self.ranges {
            remaining = skip_ranges_before(remaining, range.from);
            // The first port of the range that is not decided yet.
            let mut next = Some(range.from);
            for removed in remaining {
                if removed.from > range.to {
                    break;
                }
                if let Some((start, end)) = next.zip(removed.from.checked_sub(1)) {
                    push_range_between(&mut left, start, end);
                }
                next = removed.to.checked_add(1);
            }
            if let Some(start) = next {
                push_range_between(&mut left, start, range.to);
            }
        }
        Self { ranges: left }
    }
}

/// The lower one of the next ranges of two sets.
fn next_range(left: &mut Ranges<'_>, right: &mut Ranges<'_>) -> Option<PortRange> {
    match (left.peek(), right.peek()) {
        (Some(one), Some(two)) if two < one => right.next(),
        (None, Some(_)) => right.next(),
        (Some(_) | None, _) => left.next(),
    }
    .copied()
}

/// Adds a range to others, the last of which does not start after it.
fn push_or_extend(ranges: &mut Vec<PortRange>, range: PortRange) {
    match ranges.last_mut() {
        Some(last) if range.from <= last.to.saturating_add(1) => {
            last.to = last.to.max(range.to);
        }
        _ => ranges.push(range),
    }
}

/// Adds the range between two ports, both included, unless it is empty.
fn push_range_between(ranges: &mut Vec<PortRange>, from: u16, to: u16) {
    if let Some(range) = PortRange::new(from, to) {
        ranges.push(range);
    }
}

/// The ranges, which are in ascending order, without those that end before the port.
fn skip_ranges_before(ranges: &[PortRange], port: u16) -> &[PortRange] {
    let skipped = near_partition_point(ranges, |range| range.to < port);
    ranges.get(skipped..).unwrap_or_default()
}

/// The same as [`slice::partition_point`]. Faster if the point is near the start, and slower by a
/// constant factor otherwise.
pub(crate) fn near_partition_point<T>(items: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    let mut start: usize = 0;
    let mut step: usize = 1;
    let mut rest = items;
    while let Some(last) = rest.get(step.saturating_sub(1)) {
        if !is_before(last) {
            break;
        }
        start = start.saturating_add(step);
        rest = rest.get(step..).unwrap_or_default();
        step = step.saturating_mul(2);
    }
    if start == 0 {
        return 0;
    }
    let window = rest.get(..step).unwrap_or(rest);
    start.saturating_add(window.partition_point(is_before))
}

impl From<PortRange> for PortSet {
    fn from(range: PortRange) -> Self {
        Self {
            ranges: vec![range],
        }
    }
}

impl FromIterator<PortRange> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortRange>>(ranges: I) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<PortRange> = Vec::with_capacity(sorted.len());
        for range in sorted {
            push_or_extend(&mut merged, range);
        }
        Self { ranges: merged }
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        ports.into_iter().map(PortRange::single).collect()
    }
}

impl fmt::Display for PortSet {
    /// Ports and ranges in ascending order, separated by commas: `20-22,3306`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn port_set(ranges: &[(u16, u16)]) -> PortSet {
        ranges
            .iter()
            .map(|&(from, to)| PortRange::new(from, to).unwrap())
            .collect()
    }

    #[test]
    fn touching_and_overlapping_ranges_are_merged() {
        assert_eq!(
            port_set(&[(22, 22), (20, 21), (3306, 3306)]).to_string(),
            "20-22,3306"
        );
        assert_eq!(port_set(&[(0, 65535), (5, 6)]).to_string(), "0-65535");
        assert_eq!(
            port_set(&[(65535, 65535), (65534, 65534)]).to_string(),
            "65534-65535"
        );
    }

    #[test]
    fn a_reversed_range_is_rejected() {
        assert_eq!(PortRange::new(2, 1), None);
    }

    #[test]
    fn the_first_and_last_port_are_handled() {
        assert_eq!(port_set(&[(0, 0)]).complement().to_string(), "1-65535");
        assert_eq!(
            port_set(&[(65535, 65535)]).complement().to_string(),
            "0-65534"
        );
        assert!(PortSet::all().complement().is_empty());
        assert!(PortSet::empty().complement().is_all());
        assert_eq!(PortSet::all().port_count(), 65536);
    }

    fn port_ranges() -> impl Strategy<Value = Vec<(u16, u16)>> {
        // Few low ports make overlaps likely; the highest ports test the upper edge.
        let port = prop_oneof![0..40_u16, 65500..=65535_u16];
        prop::collection::vec(
            (port.clone(), port).prop_map(|(a, b)| (a.min(b), a.max(b))),
            0..6,
        )
    }

    fn number_set(ranges: &[(u16, u16)]) -> BTreeSet<u16> {
        ranges.iter().flat_map(|&(from, to)| from..=to).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn operations_match_those_of_number_sets(a in port_ranges(), b in port_ranges()) {
            let (left, right) = (port_set(&a), port_set(&b));
            let (left_numbers, right_numbers) = (number_set(&a), number_set(&b));
            let union = &left_numbers | &right_numbers;
            prop_assert_eq!(left.union(&right), PortSet::from_iter(union));
            let intersection = &left_numbers & &right_numbers;
            prop_assert_eq!(left.intersection(&right), PortSet::from_iter(intersection));
            let difference = left_numbers.difference(&right_numbers).copied();
            prop_assert_eq!(left.difference(&right), difference.collect::<PortSet>());
            prop_assert_eq!(left.complement().complement(), left.clone());
            prop_assert_eq!(usize::try_from(left.port_count()).unwrap(), left_numbers.len());
        }
    }
}
