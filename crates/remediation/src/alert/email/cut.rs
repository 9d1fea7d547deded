//! What could not be kept or opened again, why, and what to do.

use portcullis_rules::IngressRule;
use portcullis_rules::plan::LossReason;

use super::super::page::Page;
use super::super::story::Story;
use super::super::{clean, kept, words};
use super::advice::{commands, opening};
use crate::ports::{ErrorKind, Mode};

/// Each reason once with all it is the reason for, and the commands that open again what may be open.
pub(super) fn not_kept(page: &mut Page, story: &Story<'_>, most: usize) {
    let report = story.report;
    if report.unkept.is_empty() && report.losses.is_empty() {
        return;
    }
    let is_plan = report.mode == Mode::Monitor;
    page.heading(if is_plan { "What enforce mode could not keep" } else { "What could not be kept" });
    let mut kinds: Vec<ErrorKind> = Vec::new();
    for unkept in &report.unkept {
        if !kinds.contains(&unkept.error.kind) {
            kinds.push(unkept.error.kind);
        }
    }
    for kind in kinds {
        let same = report.unkept.iter().filter(|unkept| unkept.error.kind == kind);
        let rules = kept::rules(same.map(|unkept| &unkept.addition.ingress));
        page.item("  - ", &format!("{rules}: allowed, and cut now. {}", words::reason_not_added(kind)));
        if let Some(unkept) = report.unkept.iter().find(|unkept| unkept.error.kind == kind) {
            let (operation, code) = (unkept.error.operation, unkept.error.kind.code());
            let message = clean::line(&unkept.error.message, 300);
            page.item("    ", &format!("({operation}, {code}: {message})"));
        }
    }
    for reason in LossReason::ALL {
        let same: Vec<&IngressRule> =
            report.losses.iter().filter(|loss| loss.reason == reason).map(|loss| &loss.ingress).collect();
        if !same.is_empty() {
            let rules = kept::rules(same.into_iter());
            page.item("  - ", &format!("{rules}: {}{}", reason.sentence(), what_to_do(reason)));
        }
    }
    let unkept = report.unkept.iter().map(|unkept| &unkept.addition.ingress);
    let no_room = report.losses.iter().filter(|loss| loss.reason == LossReason::Quota).map(|loss| &loss.ingress);
    let missing: Vec<&IngressRule> = unkept.chain(no_room).collect();
    if missing.is_empty() || is_plan || report.group.id.is_empty() {
        return;
    }
    let (it, these) = if missing.len() == 1 { ("it", "this") } else { ("them", "these") };
    let room = report.losses.iter().any(|loss| loss.reason == LossReason::Quota);
    let room = if room { " (make room in the group first)" } else { "" };
    page.text(&format!("To open {it} again by hand{room}, run {these}:"));
    let command = |ingress: &&IngressRule| (words::short_rule(ingress), opening(story, ingress));
    commands(page, most, missing.len(), missing.iter().map(command));
}

const fn what_to_do(reason: LossReason) -> &'static str {
    match reason {
        LossReason::Quota => " Merge rules of the group, or ask AWS for a higher quota of rules per security group.",
        LossReason::Outside => " If the source needs access, open it by hand.",
        LossReason::Forbidden => " One of the two is a mistake: have the policy mended.",
    }
}
