//! Rules and their checks.

use portcullis_rules::check::Check;
use portcullis_rules::{Action, PolicyRule, TrafficSet};

use super::{Resolver, resolve_scope};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::{CHECKS_WITH_TRAFFIC, TRAFFIC_KEYS, parse_action, parse_severity};
use crate::record::Record;
use crate::suggest::did_you_mean;
use crate::text::{quote_list, quote_text};

/// What a rule needs, in its own text or in that of the rule it lies over.
const REQUIRED_KEYS: [&str; 4] = ["forbids", "check", "severity", "action"];

impl Resolver<'_> {
    /// The rule that is written; none when something of it is wrong, which is told.
    pub(super) fn resolve_rule(&mut self, record: &Record) -> Option<PolicyRule> {
        let missing: Vec<_> = REQUIRED_KEYS
            .into_iter()
            .filter(|key| !record.contains_key(key))
            .collect();
        if !missing.is_empty() && !record.is_flawed() {
            self.report_incomplete_rule(record, &missing);
        }
        let trusted = self.resolve_trusted(record);
        let check = self.resolve_check(record);
        let id = record.get_text("id")?.to_owned();
        let action = record.get_choice("action").and_then(parse_action);
        if action == Some(Action::Restrict) && !record.contains_key("trusted") {
            self.report_restrict_without_trusted(&id, record.value_span("action"));
        }
        Some(PolicyRule {
            id,
            forbids: record.get_text("forbids")?.to_owned(),
            check: check?,
            severity: record.get_choice("severity").and_then(parse_severity)?,
            action: action?,
            references: record.list_texts("references").map(str::to_owned).collect(),
            scope: record
                .get_record("scope")
                .map(resolve_scope)
                .unwrap_or_default(),
            trusted,
        })
    }

    fn report_incomplete_rule(&mut self, record: &Record, missing: &[&str]) {
        let Some(id) = record.get_text("id") else {
            return;
        };
        let message = format!(
            "rule {} lacks {}",
            quote_text(id),
            quote_list(missing.iter().copied(), "and")
        );
        let others = self
            .root
            .list_records("rules")
            .filter_map(|rule| rule.get_text("id"))
            .filter(|other| *other != id);
        let help = did_you_mean(id, others);
        let label = "not the id of a rule that is extended, so it must be complete";
        self.report(
            Diagnostic::new(Code::MissingKey, record.value_span("id"), message)
                .with_label(label)
                .with_help(help),
        );
    }

    fn resolve_check(&mut self, record: &Record) -> Option<Check> {
        let name = record.get_choice("check")?;
        if !CHECKS_WITH_TRAFFIC.contains(&name) {
            self.report_misplaced_parameters(record, name, &TRAFFIC_KEYS);
        }
        let check = match name {
            "all-traffic" => Check::AllTraffic,
            "open-ports" => Check::OpenPorts(self.open_ports(record)?),
            "open-ports-except" => Check::OpenPorts(self.open_ports_except(record)?),
            "open-except" => Check::OpenExcept(self.required_traffic(record)?),
            "port-range" => Check::PortRange,
            "port-range-internal" => Check::PortRangeInternal,
            "broad-source" => Check::BroadSource,
            _ => Check::OtherProtocols,
        };
        let never = matches!(&check, Check::OpenPorts(forbidden) if forbidden.is_empty())
            || matches!(&check, Check::OpenExcept(allowed) if *allowed == TrafficSet::all());
        let sound = self.found.iter().all(|one| one.code().is_warning());
        if never && sound {
            let at = record.value_span(
                TRAFFIC_KEYS
                    .into_iter()
                    .find(|key| record.contains_key(key))
                    .unwrap_or("check"),
            );
            let message = format!(
                "rule {} can never find anything",
                quote_text(record.get_text("id").unwrap_or_default())
            );
            self.report(
                Diagnostic::new(Code::RuleNeverFires, at, message)
                    .with_label("nothing is left to forbid"),
            );
        }
        Some(check)
    }

    /// Parameters that the check does not have.
    fn report_misplaced_parameters(&mut self, record: &Record, check: &str, keys: &[&str]) {
        for key in keys.iter().filter(|key| record.contains_key(key)) {
            let message = format!(
                "check {} has no parameter {}",
                quote_text(check),
                quote_text(key)
            );
            let help = match (check, *key) {
                ("open-ports-except", _) => {
                    "use `ports`, and `protocol` for one of TCP and UDP".to_owned()
                }
                _ => format!(
                    "the checks {} have it",
                    quote_list(CHECKS_WITH_TRAFFIC, "and")
                ),
            };
            let at = record.key_span(key);
            self.report(
                Diagnostic::new(Code::MisplacedParameter, at, message)
                    .with_related(record.value_span("check"), "the check")
                    .with_help(help),
            );
        }
    }

    /// The traffic of a check that must say what it means.
    fn required_traffic(&mut self, record: &Record) -> Option<TrafficSet> {
        if !TRAFFIC_KEYS.iter().any(|key| record.contains_key(key)) {
            self.report_missing_ports(record);
        }
        self.resolve_traffic(record)
    }

    fn report_missing_ports(&mut self, record: &Record) {
        let at = record.value_span("check");
        let message = format!(
            "check {} without `ports`",
            quote_text(record.get_choice("check").unwrap_or_default())
        );
        let help = "for example `ports: [80, 443]`".to_owned();
        self.report(
            Diagnostic::new(Code::MissingKey, at, message)
                .with_label("which ones?")
                .with_help(help),
        );
    }

    fn open_ports(&mut self, record: &Record) -> Option<TrafficSet> {
        let traffic = self.required_traffic(record)?;
        let ports = TrafficSet {
            tcp: traffic.tcp.clone(),
            udp: traffic.udp.clone(),
            ..TrafficSet::default()
        };
        if ports != traffic {
            let key = if record.contains_key("traffic") {
                "traffic"
            } else {
                "protocol"
            };
            let message = "check `open-ports` looks at TCP and UDP only";
            let help =
                "other protocols are forbidden by `other-protocols` and `open-except`".to_owned();
            self.report(
                Diagnostic::new(Code::BadProtocol, record.value_span(key), message).with_help(help),
            );
        }
        Some(ports)
    }

    /// Every other port, of the protocols that are named, or of both.
    fn open_ports_except(&mut self, record: &Record) -> Option<TrafficSet> {
        self.report_misplaced_parameters(record, "open-ports-except", &["traffic"]);
        if record.contains_key("traffic") {
            return None;
        }
        if !record.contains_key("ports") {
            self.report_missing_ports(record);
            return None;
        }
        let named = self.resolve_traffic(record)?;
        let others = self.port_set(record, "ports").complement();
        let both = TrafficSet::tcp_and_udp(others);
        Some(match (named.tcp.is_empty(), named.udp.is_empty()) {
            (false, true) => TrafficSet::tcp(both.tcp),
            (true, false) => TrafficSet::udp(both.udp),
            _ => both,
        })
    }
}
