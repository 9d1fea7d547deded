//! Who made the change, and where.

use super::writer::{EmailWriter, sanitize_optional};
use crate::alert::link::console_url;
use crate::alert::phrases::{
    display_group_id, format_time, group_name, policy_hash_line, policy_label, principal_name,
};
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::Headline;

const UNKNOWN: &str = "unknown";

impl EmailWriter<'_> {
    /// Who made the change.
    pub(super) fn write_principal(&mut self) {
        let origin = &self.report.origin;
        let actor = &origin.actor;
        let who = principal_name(self.report);
        let page = &mut self.page;
        page.push_heading("Who made the change");
        page.push_row("Who", Some(&sanitize_line(who, 200)));
        if actor.arn.as_deref() != Some(who) {
            let arn = sanitize_optional(actor.arn.as_ref(), 300);
            page.push_row("ARN", arn.as_deref());
        }
        if actor.invoked_by.as_deref() != Some(who) {
            let service = sanitize_optional(actor.invoked_by.as_ref(), 100);
            page.push_row("Through", service.as_deref());
        }
        let source_ip = sanitize_optional(origin.source_ip.as_ref(), 100);
        page.push_row("From", source_ip.as_deref().or(Some(UNKNOWN)));
        let user_agent = sanitize_optional(origin.user_agent.as_ref(), 160);
        page.push_row("Using", user_agent.as_deref());
        let time = origin.time.map(format_time);
        page.push_row("When", time.as_deref().or(Some(UNKNOWN)));
        let call = sanitize_line(&origin.event_name, 80);
        page.push_row("Call", Some(&call));
        if self.summary.entries.len() > 1 {
            page.push_paragraph(
                "This change triggered Portcullis, which checked the whole group; some of the \
                 rules above may be older and someone else's.",
            );
        }
    }

    /// Where the group is.
    pub(super) fn write_location(&mut self) {
        let group = &self.report.group;
        let origin = &self.report.origin;
        let page = &mut self.page;
        page.push_heading("Where");
        let id = display_group_id(self.report);
        page.push_row("Group", Some(&id));
        let name = group_name(self.report).map(|name| sanitize_line(name, 255));
        page.push_row("Name", name.as_deref());
        let vpc_id = sanitize_optional(group.vpc_id.as_ref(), 64);
        page.push_row("VPC", vpc_id.as_deref());
        let account = sanitize_optional(origin.account.as_ref(), 64);
        page.push_row("Account", account.as_deref());
        if group.owner_id != origin.account {
            let owner = sanitize_optional(group.owner_id.as_ref(), 64)
                .map(|owner| format!("account {owner}"));
            page.push_row("Owner", owner.as_deref());
        }
        let region = sanitize_optional(origin.region.as_ref(), 64);
        page.push_row("Region", region.as_deref());
        if let Some(link) = console_url(self.report) {
            page.push_line(&format!("  {link}"));
        }
    }

    /// Which policy, mode and event.
    pub(super) fn write_footer(&mut self) {
        let report = self.report;
        let policy = policy_label(&report.policy);
        let rounds = match (report.rounds, self.summary.headline) {
            (0 | 1, _) | (_, Headline::WouldClose) => String::new(),
            (rounds, _) => format!(", {rounds} rounds"),
        };
        let event_id = report.origin.event_id.as_ref();
        let event = sanitize_optional(event_id, 64);
        self.page.push_blank_line();
        self.page.push_line(&format!(
            "Portcullis, policy {policy}, mode {}{rounds}",
            report.mode
        ));
        if let Some(line) = policy_hash_line(&report.policy) {
            self.page.push_line(&line);
        }
        self.page
            .push_line(&format!("Event {}", event.as_deref().unwrap_or(UNKNOWN)));
    }
}
