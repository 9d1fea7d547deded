//! The replacements of one round, without duplicates, before their rules are built.
//!
//! Offending rules that overlap have mostly the same replacements. Building a rule is expensive
//! compared with finding out that there is an equal one.

use std::collections::BTreeMap;

use super::reason::SkipReason;
use crate::group::Ec2Ports;
use crate::ports::{PortRange, PortSet, near_partition_point};
use crate::protocol::Protocol;
use crate::source::Source;

/// The number of new ranges up to which they are inserted one by one.
const MAX_SINGLE_INSERTS: usize = 4;

/// What is planned for a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Disposition {
    /// It is added and keeps traffic that is not forbidden.
    Keep,
    /// It is added for a trusted source.
    Trust,
    /// It is not added.
    Skip(SkipReason),
}

/// The offending rule that a replacement is for. Of several with equal replacements, the one with
/// the lowest order counts, which decides the description and the tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replaced {
    /// The order of the offending rule, as far as the disposition is concerned.
    pub(super) order: usize,
    /// The index of the offending rule in the round.
    pub(super) offender: usize,
    /// Whether an exception to one of the offending rules names traffic of the replacement.
    pub(super) is_excepted: bool,
}

impl Replaced {
    fn merge(&mut self, other: Self) {
        self.is_excepted |= other.is_excepted;
        if (other.order, other.offender) < (self.order, self.offender) {
            (self.order, self.offender) = (other.order, other.offender);
        }
    }
}

/// The replacements by source.
#[derive(Debug, Default)]
pub(super) struct Candidates<'r> {
    by_source: BTreeMap<&'r Source, SourceCandidates>,
}

/// A replacement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'r> {
    pub(super) source: &'r Source,
    pub(super) protocol: Protocol,
    pub(super) ports: Ec2Ports,
    pub(super) disposition: Disposition,
    pub(super) replaced: Replaced,
}

impl<'r> Candidates<'r> {
    /// The replacements for a source.
    pub(super) fn of_source(&mut self, source: &'r Source) -> &mut SourceCandidates {
        self.by_source.entry(source).or_default()
    }

    /// Every replacement.
    pub(super) fn iter(&self) -> impl Iterator<Item = Candidate<'r>> {
        self.by_source.iter().flat_map(|(source, candidates)| {
            let with_ports = candidates.with_ports();
            let without_ports = candidates.without_ports();
            with_ports
                .chain(without_ports)
                .map(|(disposition, protocol, ports, replaced)| Candidate {
                    source,
                    protocol,
                    ports,
                    disposition,
                    replaced,
                })
        })
    }
}

/// The properties of a replacement besides its source.
type Part = (Disposition, Protocol, Ec2Ports, Replaced);

/// The replacements for one source.
#[derive(Debug, Default)]
pub(super) struct SourceCandidates {
    ranges: BTreeMap<(Disposition, Protocol), RangeCandidates>,
    /// The replacements for protocols without ports.
    others: BTreeMap<(Disposition, Protocol, Ec2Ports), Replaced>,
}

impl SourceCandidates {
    /// Adds a replacement for each range of ports of TCP or UDP. `excepted` are the ports that
    /// exceptions to the offending rule name.
    pub(super) fn add_ports(
        &mut self,
        disposition: Disposition,
        protocol: Protocol,
        ports: &PortSet,
        excepted: &PortSet,
        replaced: Replaced,
    ) {
        if ports.is_empty() {
            return;
        }
        self.ranges
            .entry((disposition, protocol))
            .or_default()
            .add_all(ports, excepted, replaced);
    }

    /// Adds a replacement for a protocol without ports.
    pub(super) fn add_without_ports(
        &mut self,
        disposition: Disposition,
        protocol: Protocol,
        fields: Ec2Ports,
        replaced: Replaced,
    ) {
        self.others
            .entry((disposition, protocol, fields))
            .and_modify(|known| known.merge(replaced))
            .or_insert(replaced);
    }

    fn with_ports(&self) -> impl Iterator<Item = Part> {
        self.ranges
            .iter()
            .flat_map(|(&(disposition, protocol), ranges)| {
                ranges.sorted.iter().map(move |&(range, replaced)| {
                    let ports = Ec2Ports::from_range(range);
                    (disposition, protocol, ports, replaced)
                })
            })
    }

    fn without_ports(&self) -> impl Iterator<Item = Part> {
        self.others
            .iter()
            .map(|(&(disposition, protocol, fields), &replaced)| {
                (disposition, protocol, fields, replaced)
            })
    }
}

/// Replacements that differ only in their ports.
#[derive(Debug, Default)]
struct RangeCandidates {
    /// In ascending order. The ranges can overlap.
    sorted: Vec<(PortRange, Replaced)>,
}

impl RangeCandidates {
    fn add_all(&mut self, ports: &PortSet, excepted: &PortSet, replaced: Replaced) {
        let mut added = Vec::new();
        let mut position: usize = 0;
        for &range in ports.ranges() {
            let rest = self.sorted.get(position..).unwrap_or_default();
            let skipped = near_partition_point(rest, |(known, _)| *known < range);
            position = position.saturating_add(skipped);
            let replaced = Replaced {
                is_excepted: excepted.overlaps(range),
                ..replaced
            };
            match self.sorted.get_mut(position) {
                Some((known, first)) if *known == range => {
                    first.merge(replaced);
                    position = position.saturating_add(1);
                }
                _ => added.push((range, replaced)),
            }
        }
        self.insert_all(added);
    }

    /// Inserts ranges in ascending order that are not there yet.
    fn insert_all(&mut self, added: Vec<(PortRange, Replaced)>) {
        if added.len() > MAX_SINGLE_INSERTS {
            // Sorting two ascending sequences takes linear time.
            self.sorted.extend(added);
            self.sorted.sort_by_key(|&(range, _)| range);
            return;
        }
        for (range, replaced) in added {
            let position = self.sorted.partition_point(|&(known, _)| known < range);
            self.sorted.insert(position, (range, replaced));
        }
    }
}
