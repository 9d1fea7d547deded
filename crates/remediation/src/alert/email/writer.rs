//! What every part of the e-mail needs.

use crate::alert::options::AlertLinks;
use crate::alert::phrases::count_phrase;
use crate::alert::plain_text::PlainText;
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::AlertSummary;
use crate::report::GroupReport;

/// Writes the parts of an e-mail. The other modules add their parts as methods.
pub(super) struct EmailWriter<'a> {
    pub(super) page: PlainText,
    pub(super) summary: &'a AlertSummary<'a>,
    pub(super) report: &'a GroupReport,
    pub(super) links: &'a AlertLinks,
    /// How long a list of rules may be.
    pub(super) max_entries: usize,
}

impl<'a> EmailWriter<'a> {
    pub(super) fn new(
        summary: &'a AlertSummary<'a>,
        links: &'a AlertLinks,
        max_entries: usize,
    ) -> Self {
        Self {
            page: PlainText::default(),
            summary,
            report: summary.report,
            links,
            max_entries,
        }
    }

    /// `  - and 3 more rules`, if a list of so many rules was shortened.
    pub(super) fn write_omitted_rules(&mut self, count: usize) {
        let omitted = count.saturating_sub(self.max_entries);
        if omitted > 0 {
            let more = count_phrase(omitted, "more rule", "more rules");
            self.page.push_line(&format!("  - and {more}"));
        }
    }
}

/// An untrusted id, sanitized, as code.
pub(super) fn quote_id(id: &str) -> String {
    format!("`{}`", sanitize_line(id, 64))
}

/// An untrusted text, sanitized, if there is one.
pub(super) fn sanitize_optional(text: Option<&String>, max_chars: usize) -> Option<String> {
    text.map(|text| sanitize_line(text, max_chars))
}
