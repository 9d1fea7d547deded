//! Sets of TCP and UDP ports.

use std::fmt;

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
        self.ranges.iter().any(|range| range.contains(port))
    }

    /// The ranges in ascending order, as few as possible.
    pub fn ranges(&self) -> &[PortRange] {
        &self.ranges
    }

    /// The ports in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut common = Vec::new();
        let mut remaining = other.ranges.as_slice();
        for range in &self.ranges {
            let skipped = remaining.partition_point(|candidate| candidate.to < range.from);
            remaining = remaining.get(skipped..).unwrap_or_default();
            let overlapping = remaining
                .iter()
                .take_while(|candidate| candidate.from <= range.to);
            common.extend(overlapping.filter_map(|candidate| candidate.overlap_with(*range)));
        }
        Self { ranges: common }
    }

    /// The ports in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        self.ranges.iter().chain(&other.ranges).copied().collect()
    }

    /// The ports that are not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut gaps = Vec::new();
        let mut next = Some(0);
        for range in &self.ranges {
            if let Some((start, end)) = next.zip(range.from.checked_sub(1)) {
                gaps.extend(PortRange::new(start, end));
            }
            next = range.to.checked_add(1);
        }
        gaps.extend(next.and_then(|start| PortRange::new(start, u16::MAX)));
        Self { ranges: gaps }
    }

    /// The ports of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }
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
            match merged.last_mut() {
                Some(last) if range.from <= last.to.saturating_add(1) => {
                    last.to = last.to.max(range.to);
                }
                _ => merged.push(range),
            }
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
