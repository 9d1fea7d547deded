//! Rules and their checks.

use portcullis_rules::check::Check;
use portcullis_rules::{Action, Rule, TrafficSet};

use super::{Resolver, scope};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::{CHECKS_WITH_TRAFFIC, TRAFFIC_KEYS, action, severity};
use crate::record::Record;
use crate::suggest::did_you_mean;
use crate::text::{listed, quoted};

/// What a rule needs, in its own text or in that of the rule it lies over.
const NEEDED: [&str; 4] = ["forbids", "check", "severity", "action"];

impl Resolver<'_> {
    /// The rule that is written; none when something of it is wrong, which is told.
    pub(super) fn rule(&mut self, record: &Record) -> Option<Rule> {
        let missing: Vec<_> = NEEDED.into_iter().filter(|key| !record.has(key)).collect();
        if !missing.is_empty() && !record.is_flawed() {
            self.incomplete(record, &missing);
        }
        let trusted = self.trusted(record);
        let check = self.check(record);
        let id = record.text("id")?.to_owned();
        let action = record.choice("action").and_then(action);
        if action == Some(Action::Restrict) && !record.has("trusted") {
            self.restrict_without_trusted(&id, record.value_span("action"));
        }
        Some(Rule {
            id,
            forbids: record.text("forbids")?.to_owned(),
            check: check?,
            severity: record.choice("severity").and_then(severity)?,
            action: action?,
            references: record.texts("references").map(str::to_owned).collect(),
            scope: record.record("scope").map(scope).unwrap_or_default(),
            trusted,
        })
    }

    fn incomplete(&mut self, record: &Record, missing: &[&str]) {
        let Some(id) = record.text("id") else { return };
        let message = format!("rule {} lacks {}", quoted(id), listed(missing.iter().copied(), "and"));
        let others = self.root.records("rules").filter_map(|rule| rule.text("id")).filter(|other| *other != id);
        let help = did_you_mean(id, others);
        let label = "not the id of a rule that is extended, so it must be complete";
        self.tell(Diagnostic::new(Code::MissingKey, record.value_span("id"), message).label(label).help(help));
    }

    fn check(&mut self, record: &Record) -> Option<Check> {
        let name = record.choice("check")?;
        if !CHECKS_WITH_TRAFFIC.contains(&name) {
            self.misplaced(record, name, &TRAFFIC_KEYS);
        }
        let check = match name {
            "all-traffic" => Check::AllTraffic,
            "open-ports" => Check::OpenPorts(self.open_ports(record)?),
            "open-ports-except" => Check::OpenPorts(self.open_ports_except(record)?),
            "open-except" => Check::OpenExcept(self.needed_traffic(record)?),
            "port-range" => Check::PortRange,
            "port-range-internal" => Check::PortRangeInternal,
            "broad-source" => Check::BroadSource,
            _ => Check::OtherProtocols,
        };
        let never = matches!(&check, Check::OpenPorts(forbidden) if forbidden.is_empty())
            || matches!(&check, Check::OpenExcept(allowed) if *allowed == TrafficSet::everything());
        let sound = self.found.iter().all(|one| one.code().is_warning());
        if never && sound {
            let at = record.value_span(TRAFFIC_KEYS.into_iter().find(|key| record.has(key)).unwrap_or("check"));
            let message = format!("rule {} can never find anything", quoted(record.text("id").unwrap_or_default()));
            self.tell(Diagnostic::new(Code::RuleNeverFires, at, message).label("nothing is left to forbid"));
        }
        Some(check)
    }

    /// Parameters that the check does not have.
    fn misplaced(&mut self, record: &Record, check: &str, keys: &[&str]) {
        for key in keys.iter().filter(|key| record.has(key)) {
            let message = format!("check {} has no parameter {}", quoted(check), quoted(key));
            let help = match (check, *key) {
                ("open-ports-except", _) => "use `ports`, and `protocol` for one of TCP and UDP".to_owned(),
                _ => format!("the checks {} have it", listed(CHECKS_WITH_TRAFFIC, "and")),
            };
            let at = record.key_span(key);
            self.tell(
                Diagnostic::new(Code::MisplacedParameter, at, message)
                    .also(record.value_span("check"), "the check")
                    .help(help),
            );
        }
    }

    /// The traffic of a check that must say what it means.
    fn needed_traffic(&mut self, record: &Record) -> Option<TrafficSet> {
        if !TRAFFIC_KEYS.iter().any(|key| record.has(key)) {
            self.without_ports(record);
        }
        self.traffic(record)
    }

    fn without_ports(&mut self, record: &Record) {
        let at = record.value_span("check");
        let message = format!("check {} without `ports`", quoted(record.choice("check").unwrap_or_default()));
        let help = "for example `ports: [80, 443]`".to_owned();
        self.tell(Diagnostic::new(Code::MissingKey, at, message).label("which ones?").help(help));
    }

    fn open_ports(&mut self, record: &Record) -> Option<TrafficSet> {
        let traffic = self.needed_traffic(record)?;
        let ports = TrafficSet { tcp: traffic.tcp.clone(), udp: traffic.udp.clone(), ..TrafficSet::default() };
        if ports != traffic {
            let key = if record.has("traffic") { "traffic" } else { "protocol" };
            let message = "check `open-ports` looks at TCP and UDP only";
            let help = "other protocols are forbidden by `other-protocols` and `open-except`".to_owned();
            self.tell(Diagnostic::new(Code::BadProtocol, record.value_span(key), message).help(help));
        }
        Some(ports)
    }

    /// Every other port, of the protocols that are named, or of both.
    fn open_ports_except(&mut self, record: &Record) -> Option<TrafficSet> {
        self.misplaced(record, "open-ports-except", &["traffic"]);
        if record.has("traffic") {
            return None;
        }
        if !record.has("ports") {
            self.without_ports(record);
            return None;
        }
        let named = self.traffic(record)?;
        let others = self.port_set(record, "ports").complement();
        let both = TrafficSet::ports(others);
        Some(match (named.tcp.is_empty(), named.udp.is_empty()) {
            (false, true) => TrafficSet::tcp(both.tcp),
            (true, false) => TrafficSet::udp(both.udp),
            _ => both,
        })
    }
}
