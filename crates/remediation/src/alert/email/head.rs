//! The head: what was open and the outcome, what to do now, and who opened it from where.

use super::writer::EmailWriter;
use crate::alert::head::{action_sentences, opening_sentences};
use crate::alert::phrases::principal_name;
use crate::alert::sanitize::sanitize_line;
use crate::report::GroupReport;

impl EmailWriter<'_> {
    /// What happened, whether to act, and who made the change.
    pub(super) fn write_head(&mut self) {
        let page = &mut self.page;
        page.push_paragraph(&opening_sentences(self.summary));
        page.push_item("ACTION: ", &action_sentences(self.summary));
        page.push_paragraph(&describe_origin(
            self.report,
            self.summary.is_opened_by_event(),
        ));
    }
}

/// `OPENED BY alice from 198.51.100.7 at 03:12 UTC`.
fn describe_origin(report: &GroupReport, is_opened: bool) -> String {
    let origin = &report.origin;
    if origin.is_sweep() {
        return "FOUND BY a Portcullis sweep. Who opened it is not known.".to_owned();
    }
    let who = sanitize_line(principal_name(report), 120);
    let from = match &origin.source_ip {
        Some(ip) => sanitize_line(ip, 100),
        None => "an unknown address".to_owned(),
    };
    let when = match origin.time {
        Some(time) => time.strftime("%H:%M UTC").to_string(),
        None => "an unknown time".to_owned(),
    };
    if is_opened {
        format!("OPENED BY {who} from {from} at {when}.")
    } else {
        format!("FOUND AFTER A CHANGE BY {who} from {from} at {when}.")
    }
}
