//! The exception to paste into the policy, if the access is needed.

use super::writer::EmailWriter;
use crate::alert::exception::ProposedExceptions;
use crate::alert::summary::Headline;
use crate::report::RuleStatus;

const OPEN_LESS: &str = "open less (your addresses, a VPN)";
const OR_ADD: &str = ", or add this to the policy:";

impl EmailWriter<'_> {
    /// Narrower access first; otherwise an exception. Not while the group has to be closed: a
    /// reader in a hurry must not open it instead.
    pub(super) fn write_exception(&mut self) {
        if matches!(
            self.summary.headline,
            Headline::NotVerified
                | Headline::NotClosed
                | Headline::AlreadyGone
                | Headline::Reported
                | Headline::GroupDeleted
                | Headline::Clean
        ) {
            return;
        }
        let outcomes = self
            .summary
            .entries_with_status(|status| *status != RuleStatus::Reported);
        let proposed = ProposedExceptions::new(self.report, &outcomes);
        let has_yaml = !proposed.entries.is_empty();
        let rest = if has_yaml { OR_ADD } else { "." };
        let page = &mut self.page;
        page.push_section("If it is needed", &format!("{OPEN_LESS}{rest}"));
        if has_yaml {
            page.push_line("exceptions:");
        }
        for entry in &proposed.entries {
            page.push_words("  - ", entry);
        }
        if has_yaml && let Some(note) = describe_omitted(&proposed) {
            page.push_line(&format!("  # {note}"));
        }
    }
}

/// Why there is no exception for some rules.
const fn describe_omitted(proposed: &ProposedExceptions) -> Option<&'static str> {
    match (proposed.is_partial, proposed.has_all_traffic) {
        (false, false) => None,
        (true, false) => Some("For the other rules: copy an entry, change its id and traffic."),
        (false, true) => Some("None for all traffic: it would allow everything."),
        (true, true) => {
            Some("For other rules, copy an entry. None for all traffic: it is too wide.")
        }
    }
}
