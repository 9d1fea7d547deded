//! Details for whoever investigates: the principal, the call, the place, the policy and links.

use super::writer::{EmailWriter, sanitize_optional};
use crate::alert::link::{console_url, event_console_url};
use crate::alert::phrases::{format_time, policy_hash, policy_label, principal_name};
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::Headline;
use crate::report::GroupReport;

impl EmailWriter<'_> {
    /// Everything about the change that the head does not say, and links.
    pub(super) fn write_details(&mut self) {
        self.page.push_blank_line();
        self.write_principal();
        self.write_place();
        self.write_policy();
        self.write_links();
    }

    fn write_principal(&mut self) {
        let origin = &self.report.origin;
        let actor = &origin.actor;
        let who = principal_name(self.report);
        let page = &mut self.page;
        if actor.arn.as_deref() != Some(who) {
            let arn = sanitize_optional(actor.arn.as_ref(), 300);
            page.push_row("Principal", arn.as_deref());
        }
        if actor.invoked_by.as_deref() != Some(who) {
            let service = sanitize_optional(actor.invoked_by.as_ref(), 100);
            page.push_row("Through", service.as_deref());
        }
        let mut call = sanitize_line(&origin.event_name, 80);
        if let Some(time) = origin.time {
            call = format!("{call}, {}", format_time(time));
        }
        page.push_row("API call", Some(&call));
        let client = sanitize_optional(origin.user_agent.as_ref(), 64);
        page.push_row("Client", client.as_deref());
    }

    fn write_place(&mut self) {
        let place = describe_place(self.report);
        self.page.push_row("Account", Some(&place));
    }

    fn write_policy(&mut self) {
        let report = self.report;
        let rounds = match (report.rounds, self.summary.headline) {
            (0 | 1, _) | (_, Headline::WouldClose) => String::new(),
            (rounds, _) => format!(", {rounds} rounds"),
        };
        let policy = policy_label(&report.policy);
        let mut policy = format!("{policy}, mode {}{rounds}", report.mode);
        if let Some(link) = &self.links.policy {
            policy = format!("{policy}, {link}");
        }
        self.page.push_row("Policy", Some(&policy));
        let hash = policy_hash(&report.policy);
        self.page.push_row("SHA-256", hash.as_deref());
    }

    fn write_links(&mut self) {
        let report = self.report;
        self.page
            .push_row("Console", console_url(report).as_deref());
        let event = event_console_url(report).or_else(|| {
            let id = report.origin.event_id.as_ref();
            sanitize_optional(id, 64)
        });
        self.page.push_row("Event", event.as_deref());
        if let Some(link) = &self.links.runbook {
            self.page.push_row("Runbook", Some(&link.to_string()));
        }
    }
}

/// `111122223333, eu-west-1, vpc-0a1b2c3d`.
fn describe_place(report: &GroupReport) -> String {
    let group = &report.group;
    let origin = &report.origin;
    let owner = group
        .owner_id
        .as_ref()
        .filter(|owner| Some(*owner) != origin.account.as_ref());
    let parts = [
        sanitize_optional(origin.account.as_ref(), 64),
        sanitize_optional(owner, 64).map(|owner| format!("group of account {owner}")),
        sanitize_optional(origin.region.as_ref(), 64),
        sanitize_optional(group.vpc_id.as_ref(), 64),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join(", ")
}
