//! How far an audit is: one line on standard error, on a terminal only.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::audit::Audit;
use crate::output::format_count;

/// How often it moves, so that nobody thinks it stopped.
const TICK_INTERVAL: Duration = Duration::from_millis(120);

/// The line. It goes when the audit is done with.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    groups: AtomicUsize,
    findings: AtomicUsize,
}

impl Progress {
    /// Of so many regions.
    pub(super) fn start(regions: usize) -> Self {
        // Where standard error is no terminal, the library draws nothing.
        let bar = ProgressBar::new(u64::try_from(regions).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} regions, {msg}");
        // A template that does not hold is a worse line, not a reason to stop.
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(format_count(0, "group"));
        bar.enable_steady_tick(TICK_INTERVAL);
        Self {
            bar,
            groups: AtomicUsize::new(0),
            findings: AtomicUsize::new(0),
        }
    }

    /// A page was judged.
    pub(super) fn record_page(&self, page: &Audit) {
        let add = |sum: &AtomicUsize, more: usize| {
            sum.fetch_add(more, Ordering::Relaxed).saturating_add(more)
        };
        let groups = add(&self.groups, page.groups);
        let findings = add(
            &self.findings,
            page.iter_findings()
                .filter(|(_, finding)| finding.exempted_by.is_none())
                .count(),
        );
        self.bar.set_message(format!(
            "{}, {}",
            format_count(groups, "group"),
            format_count(findings, "finding")
        ));
    }

    /// A region is done with.
    pub(super) fn finish_region(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
