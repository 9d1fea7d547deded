//! What the reader has to do.

use std::collections::BTreeSet;

use portcullis_rules::plan::{ApplyOrder, RefusalReason};

use super::commands::Command;
use super::writer::EmailWriter;
use crate::alert::phrases::{capitalize_first, error_remedy, join_numbers};
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::{Headline, is_partly_allowed};
use crate::report::{RuleOutcome, RuleStatus};
use crate::services::{Mode, ServiceError};

/// How many different errors are shown.
const MAX_ERRORS: usize = 5;
/// How many rule numbers are listed.
const MAX_NUMBERS: usize = 30;
const AUTOMATIC_RETRY: &str = "Portcullis retries automatically within minutes.";

impl EmailWriter<'_> {
    /// What the reader has to do, if anything.
    pub(super) fn write_next_steps(&mut self) {
        if !matches!(
            self.summary.headline,
            Headline::NotVerified | Headline::NotClosed | Headline::Refused | Headline::WouldClose
        ) {
            return;
        }
        self.page.push_blank_line();
        let refusals: BTreeSet<_> = self
            .summary
            .entries
            .iter()
            .filter_map(|outcome| outcome.status.refusal())
            .collect();
        for reason in refusals {
            self.page.push_paragraph(reason.message());
        }
        self.write_manual_removal();
        if matches!(
            self.summary.headline,
            Headline::NotVerified | Headline::NotClosed
        ) {
            self.page.push_blank_line();
        }
        self.write_verification_error();
        self.write_errors();
        self.write_reopened();
    }

    fn write_verification_error(&mut self) {
        let Some(error) = &self.report.unverified else {
            return;
        };
        self.page.push_paragraph(&format!(
            "{} Check the group in the console (link below). {AUTOMATIC_RETRY}",
            error.kind.message()
        ));
        self.write_error_details(error);
    }

    /// Each kind of error once, with the rules that it left open.
    fn write_errors(&mut self) {
        let mut shown: Vec<&ServiceError> = Vec::new();
        for outcome in &self.summary.entries {
            let Some(error) = outcome.status.error() else {
                continue;
            };
            let is_shown = shown.iter().any(|known| is_same_failure(known, error));
            if is_shown || shown.len() >= MAX_ERRORS {
                continue;
            }
            shown.push(error);
            let numbers = self.numbers_with_failure(error);
            let rules = if numbers.len() == 1 { "Rule" } else { "Rules" };
            self.page.push_paragraph(&format!(
                "{rules} {}: {} {}",
                join_numbers(&numbers),
                error.kind.message(),
                error_remedy(error.kind)
            ));
            self.write_error_details(error);
        }
    }

    fn numbers_with_failure(&self, error: &ServiceError) -> Vec<usize> {
        self.summary
            .numbered_entries(|status| {
                status
                    .error()
                    .is_some_and(|other| is_same_failure(other, error))
            })
            .map(|(number, _)| number)
            .take(MAX_NUMBERS)
            .collect()
    }

    fn write_error_details(&mut self, error: &ServiceError) {
        let details = format!(
            "({}, {}: {})",
            error.operation,
            error.kind.code(),
            sanitize_line(&error.message, 300)
        );
        self.page.push_item("  ", &details);
    }

    fn write_reopened(&mut self) {
        let reopened: Vec<_> = self
            .summary
            .numbered_entries(|status| *status == RuleStatus::Reopened)
            .collect();
        let them = if reopened.len() == 1 { "it" } else { "them" };
        if let Some(rules) = rule_number_phrase(&reopened) {
            let rules = capitalize_first(&rules);
            self.page.push_paragraph(&format!(
                "{rules}: added faster than Portcullis could remove {them}. Look for automation \
                 (CloudFormation, Terraform, a controller) that keeps adding {them}, and stop it. \
                 {AUTOMATIC_RETRY}"
            ));
        }
    }

    /// The commands that remove what is still open; in monitor mode also those that add what the
    /// policy allows.
    fn write_manual_removal(&mut self) {
        let summary = self.summary;
        let open: Vec<_> = summary.numbered_entries(RuleStatus::is_open).collect();
        if open.is_empty() || self.report.group.id.is_empty() {
            return;
        }
        self.write_partly_allowed(&open);
        let additions = self.replacement_commands();
        let is_add_first = self.report.order == ApplyOrder::AddFirst;
        if additions.is_empty() {
            self.write_removals("To", &open);
        } else if is_add_first {
            self.write_command_list("First add the access that the policy allows:", &additions);
            self.write_removals("Then, to", &open);
        } else {
            self.write_removals("To", &open);
            self.write_command_list(
                "Then add the access that the policy allows (there is no room for both):",
                &additions,
            );
        }
    }

    fn write_removals(&mut self, begin: &str, open: &[(usize, &RuleOutcome)]) {
        let (them, these) = if open.len() == 1 {
            ("it", "this command")
        } else {
            ("them", "these commands")
        };
        let is_foreign = open.iter().any(|(_, outcome)| is_foreign_group(outcome));
        let account = if is_foreign {
            " with credentials of the account that owns the group"
        } else {
            ""
        };
        let removals: Vec<_> = open
            .iter()
            .map(|(_, outcome)| Command::revoke(self.report, &[&outcome.rule]))
            .collect();
        self.write_command_list(
            &format!("{begin} close {them}, run {these}{account}:"),
            &removals,
        );
    }

    /// Which of the open rules the policy allows in part.
    fn write_partly_allowed(&mut self, open: &[(usize, &RuleOutcome)]) {
        let numbers: Vec<_> = open
            .iter()
            .filter(|(_, outcome)| outcome.replacements.is_empty())
            .filter(|(_, outcome)| is_partly_allowed(outcome))
            .map(|(number, _)| *number)
            .take(MAX_NUMBERS)
            .collect();
        if numbers.is_empty() || self.report.mode == Mode::Monitor {
            return;
        }
        let rules = if numbers.len() == 1 { "rule" } else { "rules" };
        self.page.push_paragraph(&format!(
            "The policy allows part of {rules} {}, or allows the access from trusted sources. Add \
             that access as separate rules first.",
            join_numbers(&numbers)
        ));
    }

    /// In monitor mode, the commands that add what the policy allows.
    fn replacement_commands(&self) -> Vec<Command> {
        if self.report.mode == Mode::Enforce {
            return Vec::new();
        }
        self.report
            .replacements()
            .map(|addition| Command::authorize(self.report, &addition.ingress))
            .collect()
    }

    /// Which prefix lists could not be evaluated.
    pub(super) fn write_unresolved_prefix_lists(&mut self) {
        let lists = &self.report.unresolved_prefix_lists;
        if lists.is_empty() {
            return;
        }
        let names: Vec<_> = lists
            .iter()
            .take(self.max_entries.max(1))
            .map(|id| sanitize_line(id, 64))
            .collect();
        let omitted = lists.len().saturating_sub(names.len());
        let more = if omitted > 0 {
            format!(" and {omitted} more")
        } else {
            String::new()
        };
        let page = &mut self.page;
        page.push_heading("What could not be evaluated");
        page.push_paragraph(&format!(
            "The entries of {}{more} could not be read, so Portcullis assumed that they are not \
             open to the world. Check them manually.",
            names.join(", ")
        ));
    }
}

fn is_same_failure(error: &ServiceError, other: &ServiceError) -> bool {
    error.kind == other.kind && error.operation == other.operation
}

fn is_foreign_group(outcome: &RuleOutcome) -> bool {
    outcome.status.refusal() == Some(RefusalReason::ForeignGroup)
}

/// `rules 1 and 3`; `None` if there is none.
pub(super) fn rule_number_phrase(entries: &[(usize, &RuleOutcome)]) -> Option<String> {
    let numbers: Vec<_> = entries
        .iter()
        .map(|(number, _)| *number)
        .take(MAX_NUMBERS)
        .collect();
    match numbers.as_slice() {
        [] => None,
        [number] => Some(format!("rule {number}")),
        numbers => {
            let numbers = join_numbers(numbers);
            Some(format!("rules {numbers}"))
        }
    }
}
