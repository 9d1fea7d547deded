//! Warnings about rules whose author wrote a text that the parameters contradict.

use portcullis_rules::check::Check;
use portcullis_rules::{PolicyRule, PortRange, PortSet, TrafficSet};

use crate::code::Code;
use crate::load::LoadedPolicy;
use crate::record::Record;
use crate::yaml::{Diagnostic, quote_text};

/// The warnings about `forbids` of the rules in the policy file itself.
pub(super) fn lint_rule_texts(loaded: &LoadedPolicy) -> Vec<Diagnostic> {
    loaded
        .record
        .list_records("rules")
        .filter_map(|record| {
            let text = record.get_text("forbids")?;
            let rule = loaded.policy.rule_by_id(record.get_text("id")?)?;
            let contradiction = find_contradiction(text, &rule.check)?;
            Some(contradicted_text(rule, record, contradiction))
        })
        .collect()
}

fn contradicted_text(rule: &PolicyRule, record: &Record, contradiction: String) -> Diagnostic {
    let id = quote_text(&rule.id);
    let message = format!("the text of rule {id} contradicts its parameters");
    let derived = rule.check.describe();
    let help = format!("remove `forbids`: without it, the text is \"{derived}\"");
    Diagnostic::new(
        Code::ContradictedText,
        record.value_span("forbids"),
        message,
    )
    .with_label(contradiction)
    .with_help(help)
}

/// What the text says about ports that is not true; none if nothing is found.
fn find_contradiction(text: &str, check: &Check) -> Option<String> {
    let forbidden = match check {
        Check::OpenPorts(forbidden) => forbidden.clone(),
        Check::OpenExcept(allowed) => allowed.complement(),
        Check::AllTraffic
        | Check::PortRange
        | Check::PortRangeInternal
        | Check::BroadSource
        | Check::OtherProtocols => return None,
    };
    let mentions = find_mentions(text);
    let mut allowed_in_text = TrafficSet::default();
    for mention in &mentions {
        let relevant = mention.traffic_on(&forbidden);
        if mention.is_excluded {
            let wrong = mention
                .ports
                .difference(&mention.traffic_on(&forbidden.complement()));
            if !wrong.is_empty() {
                return Some(format!("the rule forbids {}", format_ports(&wrong)));
            }
            allowed_in_text = allowed_in_text.union(&mention.as_traffic());
        } else {
            let wrong = mention.ports.difference(&relevant);
            if !wrong.is_empty() {
                return Some(format!("the rule does not forbid {}", format_ports(&wrong)));
            }
        }
    }
    let allowed = forbidden.complement();
    let mut unmentioned = PortSet::empty();
    for (in_text, allowed) in [
        (&allowed_in_text.tcp, &allowed.tcp),
        (&allowed_in_text.udp, &allowed.udp),
    ] {
        if !in_text.is_empty() {
            unmentioned = unmentioned.union(&allowed.difference(in_text));
        }
    }
    (!unmentioned.is_empty()).then(|| {
        format!(
            "the rule does not forbid {} either",
            format_ports(&unmentioned)
        )
    })
}

fn format_ports(ports: &PortSet) -> String {
    let noun = if ports.port_count() == 1 {
        "port"
    } else {
        "ports"
    };
    format!("{noun} {}", ports.to_string().replace(',', ", "))
}

/// Ports in a text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Mention {
    tcp: bool,
    udp: bool,
    ports: PortSet,
    /// Whether the ports are what the text says is not forbidden.
    is_excluded: bool,
}

impl Mention {
    /// Whether the protocol is written, or no protocol is.
    const fn includes_tcp(&self) -> bool {
        self.tcp || !self.udp
    }

    const fn includes_udp(&self) -> bool {
        self.udp || !self.tcp
    }

    /// The ports of the traffic with one of the protocols.
    fn traffic_on(&self, traffic: &TrafficSet) -> PortSet {
        let mut ports = PortSet::empty();
        if self.includes_tcp() {
            ports = ports.union(&traffic.tcp);
        }
        if self.includes_udp() {
            ports = ports.union(&traffic.udp);
        }
        ports
    }

    fn as_traffic(&self) -> TrafficSet {
        let ports_if = |is_included: bool| {
            if is_included {
                self.ports.clone()
            } else {
                PortSet::empty()
            }
        };
        TrafficSet {
            tcp: ports_if(self.includes_tcp()),
            udp: ports_if(self.includes_udp()),
            ..TrafficSet::default()
        }
    }
}

/// The ports in a text: numbers in a list after "TCP", "UDP", "port" or a word such as "except".
fn find_mentions(text: &str) -> Vec<Mention> {
    let lowercase = text.to_lowercase();
    let words = lowercase
        .split(|c: char| c.is_whitespace() || ",;()/".contains(c))
        .map(|word| word.trim_matches(['.', ':']))
        .filter(|word| !word.is_empty());
    let mut words = words.peekable();
    let mut mentions = Vec::new();
    let mut current = Mention::default();
    let mut is_list = false;
    // An "except" within what is excluded holds until the next protocol.
    let mut excludes = false;
    while let Some(word) = words.next() {
        match word {
            "tcp" | "udp" => {
                if finish_mention(&mut current, &mut mentions) {
                    current.is_excluded = excludes;
                }
                current.tcp |= word == "tcp";
                current.udp |= word == "udp";
                is_list = true;
            }
            _ if is_exclusion(word, words.peek().copied()) => {
                finish_mention(&mut current, &mut mentions);
                current.is_excluded = !current.is_excluded;
                excludes = true;
                is_list = true;
            }
            "any" => {
                finish_mention(&mut current, &mut mentions);
                current.is_excluded = false;
                excludes = false;
            }
            "port" | "ports" => is_list = true,
            "and" | "or" | "only" => {}
            _ => match parse_range(word) {
                Some(range) if is_list => {
                    current.ports = current.ports.union(&PortSet::from(range));
                }
                _ => is_list = false,
            },
        }
    }
    finish_mention(&mut current, &mut mentions);
    mentions
}

/// Whether what follows is not meant. "Than" and "not" have other uses unless ports follow.
fn is_exclusion(word: &str, next: Option<&str>) -> bool {
    match word {
        "but" | "except" | "excluding" | "besides" => true,
        "than" | "not" => next.is_some_and(starts_list),
        _ => false,
    }
}

fn starts_list(word: &str) -> bool {
    matches!(word, "tcp" | "udp" | "port" | "ports") || parse_range(word).is_some()
}

/// Starts the next mention if the current one has ports, and says whether it has. The next one has
/// no protocol.
fn finish_mention(current: &mut Mention, mentions: &mut Vec<Mention>) -> bool {
    let has_ports = !current.ports.is_empty();
    if has_ports {
        let next = Mention {
            is_excluded: current.is_excluded,
            ..Mention::default()
        };
        mentions.push(std::mem::replace(current, next));
    }
    has_ports
}

fn parse_range(word: &str) -> Option<PortRange> {
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    PortRange::new(from.parse().ok()?, to.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(numbers: &[u16]) -> PortSet {
        numbers.iter().copied().collect()
    }

    #[test]
    fn ports_are_compared_with_the_parameters() {
        let web = Check::OpenExcept(TrafficSet::tcp(ports(&[80, 443])));
        let ssh = Check::OpenPorts(TrafficSet::tcp(ports(&[22])));
        let not_web = Check::OpenPorts(TrafficSet::tcp_and_udp(ports(&[80, 443]).complement()));
        for (text, check, expected) in [
            ("anything but TCP 80 and 443 and ICMP", &web, None),
            ("anything but 80 and 443", &web, None),
            (
                "anything but TCP 443",
                &web,
                Some("the rule does not forbid port 80 either"),
            ),
            (
                "anything but TCP 80, 443 and 8080",
                &web,
                Some("the rule forbids port 8080"),
            ),
            (
                "anything but UDP 443",
                &web,
                Some("the rule forbids port 443"),
            ),
            ("SSH (TCP port 22) from anywhere", &ssh, None),
            (
                "TCP ports 22 and 3389",
                &ssh,
                Some("the rule does not forbid port 3389"),
            ),
            (
                "UDP port 22",
                &ssh,
                Some("the rule does not forbid port 22"),
            ),
            (
                "ports 20-23 open to the world",
                &ssh,
                Some("the rule does not forbid ports 20-21, 23"),
            ),
            ("SSH, see control EC2.19 and 4711 in 2026", &ssh, None),
            ("what should not be open: TCP 22", &ssh, None),
            ("any port other than 80 or 443", &not_web, None),
            (
                "any port except 80",
                &not_web,
                Some("the rule does not forbid port 443 either"),
            ),
            ("port 22 from a /8", &Check::BroadSource, None),
        ] {
            let found = find_contradiction(text, check);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn derived_texts_do_not_contradict_their_checks() {
        let some = ports(&[20, 21, 22, 3306, 8000, 8001, 8002, 8003, 8004]);
        for tcp in [
            PortSet::empty(),
            ports(&[22]),
            some.clone(),
            some.complement(),
        ] {
            for udp in [PortSet::empty(), ports(&[53]), some.clone(), PortSet::all()] {
                let traffic = TrafficSet {
                    tcp: tcp.clone(),
                    udp,
                    icmp: true,
                    ..TrafficSet::default()
                };
                for check in [
                    Check::OpenExcept(traffic.clone()),
                    Check::OpenPorts(TrafficSet {
                        icmp: false,
                        ..traffic
                    }),
                ] {
                    let text = check.describe();
                    assert_eq!(find_contradiction(&text, &check), None, "{text}");
                }
            }
        }
    }
}
