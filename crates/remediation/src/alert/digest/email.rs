//! The digest for mail.

use super::super::page::Page;
use super::super::{clean, link, words};
use super::{advice, fate, headline};
use crate::sweep::{GroupNote, Swept};

/// How many rules of the policy are counted one by one.
const MOST_RULES: usize = 20;

/// The text. At most `most` groups are shown one by one.
pub(super) fn compose(swept: &Swept, most: usize) -> String {
    let mut page = Page::default();
    page.text(&headline(swept));
    page.blank();
    let (groups, rules) = (words::count(swept.groups, "group", "groups"), words::count(swept.rules, "rule", "rules"));
    page.text(&format!("Portcullis judged {groups} with {rules}. {}", advice(swept)));
    unfinished(&mut page, swept);
    counts(&mut page, swept);
    worst(&mut page, swept, most);
    odd(&mut page, swept, most);
    place(&mut page, swept);
    page.finish()
}

fn unfinished(page: &mut Page, swept: &Swept) {
    let Some(unfinished) = &swept.unfinished else { return };
    page.heading("Unfinished");
    page.row("Why", Some(&clean::line(&unfinished.why.to_string(), 400)));
    if let Some(payload) = swept.payload() {
        page.text("The next sweep begins anew. To go on where this one ended, invoke the function with:");
        page.line(&format!("  {}", clean::line(&payload, 2048)));
    }
}

fn counts(page: &mut Page, swept: &Swept) {
    if swept.by_severity.is_empty() {
        return;
    }
    page.heading("What it found");
    for (severity, count) in swept.by_severity.iter().rev() {
        page.row(&severity.to_string(), Some(&words::count(*count, "finding", "findings")));
    }
    page.blank();
    let mut rules: Vec<_> = swept.by_rule.iter().collect();
    rules.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.severity, tally.findings)));
    for (rule, tally) in rules.iter().take(MOST_RULES) {
        page.item("  - ", &format!("{} ({}): {}", clean::line(rule, 64), tally.severity, tally.findings));
    }
    more(page, rules.len(), MOST_RULES, "rule", "rules");
    if swept.exempt > 0 {
        page.line(&format!("  - allowed by exceptions: {}", swept.exempt));
    }
}

fn worst(page: &mut Page, swept: &Swept, most: usize) {
    if swept.affected() == 0 {
        return;
    }
    page.heading("Groups, worst first");
    for note in swept.worst.iter().take(most) {
        group(page, swept, note);
    }
    more(page, swept.affected(), swept.worst.len().min(most), "group", "groups");
}

fn group(page: &mut Page, swept: &Swept, note: &GroupNote) {
    let name = note.name.as_deref().map(|name| clean::line(name, 64)).filter(|name| !name.is_empty());
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let vpc = note.vpc_id.as_deref().map(|vpc| format!(", {}", clean::line(vpc, 64))).unwrap_or_default();
    let severity = note.severity.map(|severity| format!(" [{severity}]")).unwrap_or_default();
    page.item("  - ", &format!("{}{name}{vpc}{severity}: {}", clean::line(&note.id, 64), fate(note)));
    for ingress in &note.boxes {
        page.item("      ", &words::rule(ingress));
    }
    if note.more_boxes > 0 {
        page.line(&format!("      and {}", words::count(note.more_boxes, "more rule", "more rules")));
    }
    if let Some(error) = &note.error {
        page.item("      ", &clean::line(error, 300));
    }
    if let Some(link) = swept.region.as_deref().and_then(|region| link::group(region, &note.id)) {
        page.line(&format!("      {link}"));
    }
}

fn odd(page: &mut Page, swept: &Swept, most: usize) {
    for (heading, ids) in [
        ("Prefix lists that do not exist", &swept.unresolved_prefix_lists),
        ("Exceptions that have ended", &swept.expired_exceptions),
    ] {
        if ids.is_empty() {
            continue;
        }
        page.heading(heading);
        for id in ids.iter().take(most) {
            page.item("  - ", &clean::line(id, 64));
        }
        more(page, ids.len(), most, "other", "others");
    }
}

fn more(page: &mut Page, all: usize, shown: usize, one: &str, many: &str) {
    let left_out = all.saturating_sub(shown);
    if left_out > 0 {
        page.line(&format!("  - and {}", words::count(left_out, &format!("more {one}"), &format!("more {many}"))));
    }
}

fn place(page: &mut Page, swept: &Swept) {
    page.heading("Where");
    let text = |text: Option<&String>| text.map(|text| clean::line(text, 64));
    page.row("Account", text(swept.account.as_ref()).as_deref());
    page.row("Region", text(swept.region.as_ref()).as_deref());
    page.row("When", Some(&format!("{} to {}", words::time(swept.started), words::time(swept.ended))));
    if let Some(link) = swept.region.as_deref().and_then(link::groups) {
        page.line(&format!("  {link}"));
    }
    page.blank();
    let action = if swept.remediates { "remediate" } else { "report" };
    page.line(&format!("Portcullis sweep, policy {}, action {action}", clean::line(&swept.policy, 64)));
    page.line(&format!("Sweep {}", clean::line(&swept.id, 64)));
}
