//! Sets of TCP and UDP ports.

use std::fmt;

/// An inclusive span of ports, never empty.
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

    /// The span from `from` to `to`, both included; `None` when they are the wrong way round.
    pub fn new(from: u16, to: u16) -> Option<Self> {
        (from <= to).then_some(Self { from, to })
    }

    /// A span of one port.
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

    /// How many ports the span holds.
    pub fn port_count(self) -> u32 {
        u32::from(self.to.saturating_sub(self.from)).saturating_add(1)
    }

    /// Whether the span holds this port.
    pub const fn contains(self, port: u16) -> bool {
        self.from <= port && port <= self.to
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

/// A set of ports, kept as ascending spans that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet {
    ranges: Vec<PortRange>,
}

impl PortSet {
    /// The set without a port.
    pub const fn empty() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The set of every port.
    pub fn all() -> Self {
        Self::from(PortRange::ALL)
    }

    /// Whether the set holds no port.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the set holds every port.
    pub fn is_all(&self) -> bool {
        self.ranges == [PortRange::ALL]
    }

    /// How many ports the set holds.
    pub fn port_count(&self) -> u32 {
        self.ranges
            .iter()
            .fold(0, |sum, span| sum.saturating_add(span.port_count()))
    }

    /// Whether the set holds this port.
    pub fn contains(&self, port: u16) -> bool {
        self.ranges.iter().any(|span| span.contains(port))
    }

    /// The spans, ascending, as few as possible.
    pub fn ranges(&self) -> &[PortRange] {
        &self.ranges
    }

    /// The ports that both sets hold.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.ranges
            .iter()
            .flat_map(|a| {
                other
                    .ranges
                    .iter()
                    .filter_map(|b| PortRange::new(a.from.max(b.from), a.to.min(b.to)))
            })
            .collect()
    }

    /// The ports that either set holds.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges.iter().chain(&other.ranges).copied().collect()
    }

    /// The ports that this set does not hold.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut gaps = Vec::new();
        let mut next = Some(0);
        for span in &self.ranges {
            if let Some((start, end)) = next.zip(span.from.checked_sub(1)) {
                gaps.extend(PortRange::new(start, end));
            }
            next = span.to.checked_add(1);
        }
        gaps.extend(next.and_then(|start| PortRange::new(start, u16::MAX)));
        Self { ranges: gaps }
    }

    /// The ports of this set that the other does not hold.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }
}

impl From<PortRange> for PortSet {
    fn from(span: PortRange) -> Self {
        Self { ranges: vec![span] }
    }
}

impl FromIterator<PortRange> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortRange>>(spans: I) -> Self {
        let mut sorted: Vec<_> = spans.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<PortRange> = Vec::with_capacity(sorted.len());
        for span in sorted {
            match merged.last_mut() {
                Some(last) if span.from <= last.to.saturating_add(1) => {
                    last.to = last.to.max(span.to)
                }
                _ => merged.push(span),
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
    /// Ports and spans, ascending, parted by commas: `20-22,3306`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, span) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{span}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(spans: &[(u16, u16)]) -> PortSet {
        spans
            .iter()
            .map(|&(from, to)| PortRange::new(from, to).unwrap())
            .collect()
    }

    #[test]
    fn spans_that_touch_or_overlap_are_one() {
        assert_eq!(
            set(&[(22, 22), (20, 21), (3306, 3306)]).to_string(),
            "20-22,3306"
        );
        assert_eq!(set(&[(0, 65535), (5, 6)]).to_string(), "0-65535");
        assert_eq!(
            set(&[(65535, 65535), (65534, 65534)]).to_string(),
            "65534-65535"
        );
    }

    #[test]
    fn a_span_the_wrong_way_round_is_none() {
        assert_eq!(PortRange::new(2, 1), None);
    }

    #[test]
    fn the_ends_of_the_space_have_no_off_by_one() {
        assert_eq!(set(&[(0, 0)]).complement().to_string(), "1-65535");
        assert_eq!(set(&[(65535, 65535)]).complement().to_string(), "0-65534");
        assert!(PortSet::all().complement().is_empty());
        assert!(PortSet::empty().complement().is_all());
        assert_eq!(PortSet::all().port_count(), 65536);
    }

    fn spans() -> impl Strategy<Value = Vec<(u16, u16)>> {
        // A narrow band makes overlaps likely, the two ends make the edges likely.
        let port = prop_oneof![0..40_u16, 65500..=65535_u16];
        prop::collection::vec(
            (port.clone(), port).prop_map(|(a, b)| (a.min(b), a.max(b))),
            0..6,
        )
    }

    fn slow(spans: &[(u16, u16)]) -> BTreeSet<u16> {
        spans.iter().flat_map(|&(from, to)| from..=to).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_algebra_is_that_of_sets_of_numbers(a in spans(), b in spans()) {
            let (left, right) = (set(&a), set(&b));
            let (slow_left, slow_right) = (slow(&a), slow(&b));
            let same = |set: &PortSet, slow: BTreeSet<u16>| *set == slow.into_iter().collect::<PortSet>();
            prop_assert!(same(&left.union(&right), &slow_left | &slow_right));
            prop_assert!(same(&left.intersection(&right), &slow_left & &slow_right));
            prop_assert!(same(&left.difference(&right), slow_left.difference(&slow_right).copied().collect()));
            prop_assert_eq!(left.complement().complement(), left.clone());
            prop_assert_eq!(usize::try_from(left.port_count()).unwrap(), slow_left.len());
        }
    }
}
