//! The e-mail of a digest.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::wording::{group_status, sweep_advice, sweep_headline};
use crate::alert::link::{group_console_url, groups_console_url};
use crate::alert::options::AlertLinks;
use crate::alert::phrases::{count_phrase, describe_rule, format_time, policy_hash, policy_label};
use crate::alert::plain_text::PlainText;
use crate::alert::sanitize::sanitize_line;
use crate::report::{GroupSummary, SweepReport};

/// How many policy rules are listed.
const MAX_RULES: usize = 20;

/// The text. At most `max_entries` groups are listed.
pub(super) fn compose_sweep_email(
    sweep: &SweepReport,
    links: &AlertLinks,
    max_entries: usize,
) -> String {
    let mut email = DigestWriter {
        page: PlainText::default(),
        sweep,
        links,
        max_entries,
    };
    email.write_headline();
    email.write_unfinished();
    email.write_counts();
    email.write_worst_groups();
    email.write_prefix_lists();
    email.write_expired_exceptions();
    email.write_location();
    email.page.finish()
}

struct DigestWriter<'a> {
    page: PlainText,
    sweep: &'a SweepReport,
    links: &'a AlertLinks,
    /// How many groups, prefix lists and exceptions may be listed.
    max_entries: usize,
}

impl DigestWriter<'_> {
    fn write_headline(&mut self) {
        let sweep = self.sweep;
        let rules = sweep.security_group_rule_count;
        self.page.push_paragraph(&sweep_headline(sweep));
        self.page.push_blank_line();
        self.page.push_paragraph(&format!(
            "Portcullis evaluated {} with {}. {}",
            count_phrase(sweep.group_count, "group", "groups"),
            count_phrase(rules, "rule", "rules"),
            sweep_advice(sweep)
        ));
    }

    fn write_unfinished(&mut self) {
        let Some(unfinished) = &self.sweep.unfinished else {
            return;
        };
        let page = &mut self.page;
        let reason = unfinished.reason.to_string();
        page.push_heading("Unfinished");
        page.push_row("Reason", Some(&sanitize_line(&reason, 400)));
        if let Some(payload) = self.sweep.resume_payload() {
            page.push_paragraph(
                "The next scheduled sweep starts over. To continue where this one stopped, invoke \
                 the function with:",
            );
            let payload = sanitize_line(&payload, 2048);
            page.push_line(&format!("  {payload}"));
        }
    }

    fn write_counts(&mut self) {
        let sweep = self.sweep;
        if sweep.by_severity.is_empty() {
            return;
        }
        self.page.push_heading("Findings");
        for (severity, count) in sweep.by_severity.iter().rev() {
            let findings = count_phrase(*count, "finding", "findings");
            self.page.push_row(&severity.to_string(), Some(&findings));
        }
        self.page.push_blank_line();
        let mut rules: Vec<_> = sweep.by_policy_rule.iter().collect();
        rules.sort_by_key(|(_, count)| Reverse((count.severity, count.findings)));
        for (id, count) in rules.iter().take(MAX_RULES) {
            let line = format!(
                "{} ({}): {}",
                sanitize_line(id, 64),
                count.severity,
                count.findings
            );
            self.page.push_item("  - ", &line);
        }
        let omitted = rules.len().saturating_sub(MAX_RULES);
        self.write_omitted(omitted, "more policy rule", "more policy rules");
        if sweep.exempt > 0 {
            let exempt = sweep.exempt;
            self.page
                .push_line(&format!("  - allowed by exceptions: {exempt}"));
        }
    }

    fn write_worst_groups(&mut self) {
        let sweep = self.sweep;
        if sweep.affected_groups() == 0 {
            return;
        }
        self.page.push_heading("Groups, worst first");
        for group in sweep.worst_groups.iter().take(self.max_entries) {
            self.write_group(group);
        }
        let shown = sweep.worst_groups.len().min(self.max_entries);
        let omitted = sweep.affected_groups().saturating_sub(shown);
        self.write_omitted(omitted, "more group", "more groups");
    }

    fn write_group(&mut self, group: &GroupSummary) {
        let page = &mut self.page;
        page.push_item("  - ", &describe_group_line(group));
        for rule in &group.security_group_rules {
            page.push_item("      ", &describe_rule(rule));
        }
        let omitted = group.more_security_group_rules;
        if omitted > 0 {
            let more = count_phrase(omitted, "more rule", "more rules");
            page.push_line(&format!("      and {more}"));
        }
        if let Some(error) = &group.error {
            page.push_item("      ", &sanitize_line(error, 300));
        }
        let link = self
            .sweep
            .region
            .as_deref()
            .and_then(|region| group_console_url(region, &group.id));
        if let Some(link) = link {
            page.push_line(&format!("      {link}"));
        }
    }

    fn write_prefix_lists(&mut self) {
        let ids = &self.sweep.unresolved_prefix_lists;
        if ids.is_empty() {
            return;
        }
        self.page.push_heading("Prefix lists that do not exist");
        let omitted = self.write_ids(ids);
        self.write_omitted(omitted, "more prefix list", "more prefix lists");
    }

    fn write_expired_exceptions(&mut self) {
        let ids = &self.sweep.expired_exceptions;
        if ids.is_empty() {
            return;
        }
        self.page.push_heading("Expired exceptions");
        let omitted = self.write_ids(ids);
        self.write_omitted(omitted, "more exception", "more exceptions");
    }

    /// Lists the first ids. Returns how many were left out.
    fn write_ids(&mut self, ids: &BTreeSet<String>) -> usize {
        for id in ids.iter().take(self.max_entries) {
            let id = sanitize_line(id, 64);
            self.page.push_item("  - ", &id);
        }
        ids.len().saturating_sub(self.max_entries)
    }

    fn write_omitted(&mut self, omitted: usize, one: &str, many: &str) {
        if omitted > 0 {
            let more = count_phrase(omitted, one, many);
            self.page.push_line(&format!("  - and {more}"));
        }
    }

    fn write_location(&mut self) {
        let sweep = self.sweep;
        let page = &mut self.page;
        page.push_heading("Where");
        if let Some(account) = &sweep.account {
            page.push_row("Account", Some(&sanitize_line(account, 64)));
        }
        if let Some(region) = &sweep.region {
            page.push_row("Region", Some(&sanitize_line(region, 64)));
        }
        let time = format!(
            "{} to {}",
            format_time(sweep.started),
            format_time(sweep.ended)
        );
        page.push_row("When", Some(&time));
        let link = sweep.region.as_deref().and_then(groups_console_url);
        if let Some(link) = link {
            page.push_line(&format!("  {link}"));
        }
        let links = [
            ("Runbook", &self.links.runbook),
            ("Policy", &self.links.policy),
        ];
        for (label, link) in links {
            let link = link.as_ref().map(ToString::to_string);
            page.push_row(label, link.as_deref());
        }
        page.push_blank_line();
        page.push_line(&format!(
            "Portcullis sweep, policy {}, action {}",
            policy_label(&sweep.policy),
            sweep.action_name()
        ));
        if let Some(hash) = policy_hash(&sweep.policy) {
            page.push_line(&format!("Policy SHA-256 {hash}"));
        }
        let id = sanitize_line(&sweep.id, 64);
        page.push_line(&format!("Sweep {id}"));
    }
}

/// `sg-... (web), vpc-... [high]: CLOSED`.
fn describe_group_line(group: &GroupSummary) -> String {
    let mut line = sanitize_line(&group.id, 64);
    let name = group.name.as_deref().unwrap_or_default();
    match sanitize_line(name, 64) {
        empty if empty.is_empty() => {}
        name => line = format!("{line} ({name})"),
    }
    if let Some(vpc_id) = &group.vpc_id {
        let vpc_id = sanitize_line(vpc_id, 64);
        line = format!("{line}, {vpc_id}");
    }
    if let Some(severity) = group.severity {
        line = format!("{line} [{severity}]");
    }
    format!("{line}: {}", group_status(group))
}
