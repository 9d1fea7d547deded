//! The openings of a security group that a policy would close, as the fewest sets of traffic and
//! sources that cover exactly them.

use std::collections::BTreeMap;
use std::slice::from_ref;

use portcullis_rules::exception::is_source_within;
use portcullis_rules::{Finding, PrefixLists, Source, TrafficSet};

/// What one exception is to exempt: this traffic from each of these sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DraftOpening {
    pub(super) traffic: TrafficSet,
    pub(super) sources: Vec<Source>,
}

/// What the enforced findings of a group forbid. Sources with the same traffic are together, and
/// what a broader source exempts already is left out.
pub(super) fn collect_openings<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    lists: &PrefixLists,
) -> Vec<DraftOpening> {
    let mut by_source: BTreeMap<Source, TrafficSet> = BTreeMap::new();
    for finding in findings.into_iter().filter(|finding| finding.enforces()) {
        let source = finding.ingress.source.without_owner();
        let traffic = by_source.entry(source).or_default();
        *traffic = traffic.union(&finding.offending);
    }
    let mut by_source: Vec<_> = by_source.into_iter().collect();
    by_source.sort_by_key(|(source, _)| breadth_rank(source));
    let mut openings: Vec<DraftOpening> = Vec::new();
    for (index, (source, _)) in by_source.iter().enumerate() {
        let traffic = own_traffic(&by_source, index, lists);
        if traffic.is_empty() {
            continue;
        }
        let same = openings
            .iter_mut()
            .find(|opening| opening.traffic == traffic);
        match same {
            Some(opening) => opening.sources.push(source.clone()),
            None => openings.push(DraftOpening {
                traffic,
                sources: vec![source.clone()],
            }),
        }
    }
    openings
}

/// CIDR blocks before prefix lists, whose entries can change, and broad blocks first.
fn breadth_rank(source: &Source) -> (bool, u8) {
    match source {
        Source::Cidr(net) => (false, net.prefix_len()),
        Source::PrefixList(_) | Source::Group(_) => (true, 0),
    }
}

/// The traffic from a source that no exception for a source around it exempts. Of two sources with
/// the same addresses, the first one is around the other.
fn own_traffic(
    by_source: &[(Source, TrafficSet)],
    index: usize,
    lists: &PrefixLists,
) -> TrafficSet {
    let Some((source, traffic)) = by_source.get(index) else {
        return TrafficSet::default();
    };
    let mut own = traffic.clone();
    for (other_index, (other, other_traffic)) in by_source.iter().enumerate() {
        let is_around = other_index != index
            && is_source_within(source, from_ref(other), lists)
            && (other_index < index || !is_source_within(other, from_ref(source), lists));
        if is_around {
            own = own.difference(other_traffic);
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use portcullis_rules::baseline::baseline_policy;
    use portcullis_rules::source::parse_cidr;
    use portcullis_rules::{Context, SecurityGroup, evaluate};

    use super::*;

    fn openings_of(lines: &[&str]) -> Vec<String> {
        let group = SecurityGroup {
            rules: lines.iter().map(|line| line.parse().unwrap()).collect(),
            ..SecurityGroup::default()
        };
        let everything = vec![parse_cidr("0.0.0.0/0").unwrap()];
        let lists: PrefixLists = [("pl-0123abcd", everything)].into_iter().collect();
        let evaluation = evaluate(&baseline_policy(), &group, &lists, &Context::default());
        collect_openings(&evaluation.findings, &lists)
            .iter()
            .map(|opening| {
                let sources: Vec<_> = opening.sources.iter().map(Source::to_string).collect();
                let traffic = &opening.traffic;
                let (tcp, udp) = (traffic.tcp.to_string(), traffic.udp.to_string());
                format!("tcp {tcp} udp {udp} from {}", sources.join(" "))
            })
            .collect()
    }

    #[test]
    fn sources_with_the_same_traffic_are_one_opening() {
        assert_eq!(
            openings_of(&[
                "tcp 22 0.0.0.0/0",
                "tcp 22 ::/0",
                "tcp 8080 0.0.0.0/0",
                "tcp 8080 ::/0"
            ]),
            ["tcp 22,8080 udp  from 0.0.0.0/0 ::/0"]
        );
    }

    #[test]
    fn no_traffic_is_exempt_from_a_source_that_does_not_have_it() {
        assert_eq!(
            openings_of(&[
                "tcp 22 0.0.0.0/0",
                "tcp 22 ::/0",
                "udp 161 ::/0",
                "tcp 443 0.0.0.0/0"
            ]),
            ["tcp 22 udp  from 0.0.0.0/0", "tcp 22 udp 161 from ::/0"]
        );
    }

    #[test]
    fn a_source_inside_another_one_is_not_repeated() {
        assert_eq!(
            openings_of(&["tcp 22 0.0.0.0/0", "tcp 22 8.0.0.0/8", "tcp 22 pl-0123abcd"]),
            ["tcp 22 udp  from 0.0.0.0/0"]
        );
        assert_eq!(
            openings_of(&["tcp 22 pl-0123abcd", "tcp 8080 0.0.0.0/0"]),
            [
                "tcp 8080 udp  from 0.0.0.0/0",
                "tcp 22 udp  from pl-0123abcd"
            ]
        );
    }
}
