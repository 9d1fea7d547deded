//! The checks of rules and their parameters.

use portcullis_rules::TrafficSet;
use portcullis_rules::check::Check;

use super::resolver::Resolver;
use crate::code::Code;
use crate::record::Record;
use crate::schema_table::{CHECKS_WITH_TRAFFIC, TRAFFIC_KEYS};
use crate::yaml::{Diagnostic, quote_list, quote_text};

impl Resolver<'_> {
    pub(super) fn resolve_check(&mut self, record: &Record) -> Option<Check> {
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
        let has_errors = self
            .found
            .iter()
            .any(|diagnostic| !diagnostic.code().is_warning());
        if !can_match(&check) && !has_errors {
            self.warn_about_useless_check(record);
        }
        Some(check)
    }

    fn warn_about_useless_check(&mut self, record: &Record) {
        let key = TRAFFIC_KEYS
            .into_iter()
            .find(|key| record.contains_key(key))
            .unwrap_or("check");
        let id = quote_text(record.get_text("id").unwrap_or_default());
        let message = format!("rule {id} can never match");
        let diagnostic = Diagnostic::new(Code::RuleNeverFires, record.value_span(key), message)
            .with_label("this forbids nothing");
        self.report(diagnostic);
    }

    /// Reports parameters that the check does not take.
    fn report_misplaced_parameters(&mut self, record: &Record, check: &str, keys: &[&str]) {
        for key in keys.iter().filter(|key| record.contains_key(key)) {
            let (check_name, key_name) = (quote_text(check), quote_text(key));
            let message = format!("check {check_name} does not take {key_name}");
            let help = if check == "open-ports-except" {
                "use `ports`, and `protocol` for only one of TCP and UDP".to_owned()
            } else {
                let checks = quote_list(CHECKS_WITH_TRAFFIC, "and");
                format!("only the checks {checks} take it")
            };
            let span = record.key_span(key);
            let diagnostic = Diagnostic::new(Code::MisplacedParameter, span, message)
                .with_related(record.value_span("check"), "the check")
                .with_help(help);
            self.report(diagnostic);
        }
    }

    /// The traffic of a check that requires some.
    fn required_traffic(&mut self, record: &Record) -> Option<TrafficSet> {
        if !TRAFFIC_KEYS.iter().any(|key| record.contains_key(key)) {
            self.report_missing_ports(record);
        }
        self.resolve_traffic(record)
    }

    fn report_missing_ports(&mut self, record: &Record) {
        let check = quote_text(record.get_choice("check").unwrap_or_default());
        let message = format!("check {check} requires `ports`");
        let help = "add the ports, such as `ports: [80, 443]`".to_owned();
        let diagnostic =
            Diagnostic::new(Code::MissingKey, record.value_span("check"), message).with_help(help);
        self.report(diagnostic);
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
            let message = "check `open-ports` supports only TCP and UDP";
            let help = "for other protocols, use `other-protocols` or `open-except`".to_owned();
            let diagnostic =
                Diagnostic::new(Code::BadProtocol, record.value_span(key), message).with_help(help);
            self.report(diagnostic);
        }
        Some(ports)
    }

    /// Every other port of the listed protocols, or of TCP and UDP.
    fn open_ports_except(&mut self, record: &Record) -> Option<TrafficSet> {
        self.report_misplaced_parameters(record, "open-ports-except", &["traffic"]);
        if record.contains_key("traffic") {
            return None;
        }
        if !record.contains_key("ports") {
            self.report_missing_ports(record);
            return None;
        }
        let listed = self.resolve_traffic(record)?;
        let other_ports = self.resolve_ports(record, "ports").complement();
        Some(match (listed.tcp.is_empty(), listed.udp.is_empty()) {
            (false, true) => TrafficSet::tcp(other_ports),
            (true, false) => TrafficSet::udp(other_ports),
            _ => TrafficSet::tcp_and_udp(other_ports),
        })
    }
}

fn can_match(check: &Check) -> bool {
    match check {
        Check::OpenPorts(forbidden) => !forbidden.is_empty(),
        Check::OpenExcept(allowed) => *allowed != TrafficSet::all(),
        Check::AllTraffic
        | Check::PortRange
        | Check::PortRangeInternal
        | Check::BroadSource
        | Check::OtherProtocols => true,
    }
}
