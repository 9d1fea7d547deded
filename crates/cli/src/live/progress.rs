//! The progress of an audit: one line on standard error, if it is a terminal.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::audit::Audit;
use crate::text::format_count;

/// How often the spinner moves.
const TICK_INTERVAL: Duration = Duration::from_millis(120);

/// The progress line. Dropping it removes the line.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    groups: AtomicUsize,
    findings: AtomicUsize,
}

impl Progress {
    /// Shows the line for this many regions.
    pub(super) fn start(regions: usize) -> Self {
        // The library draws nothing if standard error is not a terminal.
        let bar = ProgressBar::new(u64::try_from(regions).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} regions, {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(format_count(0, "group"));
        bar.enable_steady_tick(TICK_INTERVAL);
        Self {
            bar,
            groups: AtomicUsize::new(0),
            findings: AtomicUsize::new(0),
        }
    }

    /// Adds a page that was evaluated.
    pub(super) fn record_page(&self, page: &Audit) {
        let active = page
            .iter_findings()
            .filter(|(_, finding)| finding.exempted_by.is_none())
            .count();
        let groups = add_and_get(&self.groups, page.groups);
        let findings = add_and_get(&self.findings, active);
        self.bar.set_message(format!(
            "{}, {}",
            format_count(groups, "group"),
            format_count(findings, "finding")
        ));
    }

    /// Adds a region that was read.
    pub(super) fn finish_region(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn add_and_get(total: &AtomicUsize, added: usize) -> usize {
    total
        .fetch_add(added, Ordering::Relaxed)
        .saturating_add(added)
}
