//! What could not be kept or opened again, why, and what to do.

use portcullis_rules::IngressRule;
use portcullis_rules::plan::SkipReason;

use super::super::plain_text::PlainText;
use super::super::summary::AlertSummary;
use super::super::{phrases, replacements, sanitize};
use super::advice::{reopen_command, write_commands};
use crate::services::{ErrorKind, Mode};

/// Each reason once with all it is the reason for, and the commands that open again what may be open.
pub(super) fn write_lost_access(page: &mut PlainText, story: &AlertSummary<'_>, most: usize) {
    let report = story.report;
    if report.failed_additions.is_empty() && report.skipped_additions.is_empty() {
        return;
    }
    let is_plan = report.mode == Mode::Monitor;
    page.push_heading(if is_plan {
        "What enforce mode could not keep"
    } else {
        "What could not be kept"
    });
    let mut kinds: Vec<ErrorKind> = Vec::new();
    for unkept in &report.failed_additions {
        if !kinds.contains(&unkept.error.kind) {
            kinds.push(unkept.error.kind);
        }
    }
    for kind in kinds {
        let same = report
            .failed_additions
            .iter()
            .filter(|unkept| unkept.error.kind == kind);
        let rules =
            replacements::describe_combined_rules(same.map(|unkept| &unkept.addition.ingress));
        page.push_item(
            "  - ",
            &format!(
                "{rules}: allowed, and cut now. {}",
                phrases::addition_error_cause(kind)
            ),
        );
        if let Some(unkept) = report
            .failed_additions
            .iter()
            .find(|unkept| unkept.error.kind == kind)
        {
            let (operation, code) = (unkept.error.operation, unkept.error.kind.code());
            let message = sanitize::sanitize_line(&unkept.error.message, 300);
            page.push_item("    ", &format!("({operation}, {code}: {message})"));
        }
    }
    for reason in SkipReason::ALL {
        let same: Vec<&IngressRule> = report
            .skipped_additions
            .iter()
            .filter(|loss| loss.reason == reason)
            .map(|loss| &loss.ingress)
            .collect();
        if !same.is_empty() {
            let rules = replacements::describe_combined_rules(same.into_iter());
            page.push_item(
                "  - ",
                &format!(
                    "{rules}: {}{}",
                    reason.message(),
                    skip_reason_advice(reason)
                ),
            );
        }
    }
    let unkept = report
        .failed_additions
        .iter()
        .map(|unkept| &unkept.addition.ingress);
    let no_room = report
        .skipped_additions
        .iter()
        .filter(|loss| loss.reason == SkipReason::RulesQuota)
        .map(|loss| &loss.ingress);
    let missing: Vec<&IngressRule> = unkept.chain(no_room).collect();
    if missing.is_empty() || is_plan || report.group.id.is_empty() {
        return;
    }
    let (it, these) = if missing.len() == 1 {
        ("it", "this")
    } else {
        ("them", "these")
    };
    let room = report
        .skipped_additions
        .iter()
        .any(|loss| loss.reason == SkipReason::RulesQuota);
    let room = if room {
        " (make room in the group first)"
    } else {
        ""
    };
    page.push_paragraph(&format!("To open {it} again by hand{room}, run {these}:"));
    let command =
        |ingress: &&IngressRule| (phrases::short_rule(ingress), reopen_command(story, ingress));
    write_commands(page, most, missing.len(), missing.iter().map(command));
}

const fn skip_reason_advice(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::RulesQuota => {
            " Merge rules of the group, or ask AWS for a higher quota of rules per security group."
        }
        SkipReason::TrustedSourceOutside => " If the source needs access, open it by hand.",
        SkipReason::TrustedSourceForbidden => {
            " One of the two is a mistake: have the policy mended."
        }
    }
}
