//! An exception for an opening, and its comment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_rules::exception::is_source_within;
use portcullis_rules::{Exception, Finding, PrefixLists, Scope, SecurityGroup, TrafficSet};

use super::openings::DraftOpening;
use crate::audit::owner::group_owner;
use crate::describe::{is_account_id, is_region_name};
use crate::text::wrap_words;

/// How many security group rules a comment lists.
const MAX_LISTED_RULES: usize = 8;
/// How many characters a line of a comment has at most.
const MAX_LINE_CHARS: usize = 76;

/// A group with the openings that get exceptions, and what is known about it.
#[derive(Debug)]
pub(super) struct OpenGroup<'a> {
    pub(super) group: &'a SecurityGroup,
    pub(super) findings: &'a [Finding],
    pub(super) description: Option<&'a str>,
    pub(super) account: Option<&'a str>,
    pub(super) region: Option<&'a str>,
}

/// What all exceptions of a draft have in common.
#[derive(Debug)]
pub(super) struct DraftDates {
    /// The day of the draft.
    pub(super) today: Date,
    /// The last day on which the exceptions apply.
    pub(super) last_day: Date,
    /// When the exceptions expire.
    pub(super) expires: Timestamp,
}

impl OpenGroup<'_> {
    /// The exception for an opening.
    pub(super) fn exception(
        &self,
        id: String,
        opening: DraftOpening,
        dates: &DraftDates,
        owner_tag: Option<&str>,
    ) -> Exception {
        let account = self.account.filter(|account| is_account_id(account));
        let region = self.region.filter(|region| is_region_name(region));
        Exception {
            id,
            reason: format!("open on {}, to be reviewed", dates.today),
            owner: self
                .owner(owner_tag)
                .unwrap_or_else(|| self.placeholder_owner()),
            expires: Some(dates.expires),
            rules: Vec::new(),
            scope: Scope {
                group_ids: vec![self.group.id.clone()],
                accounts: account.map(str::to_owned).into_iter().collect(),
                regions: region.map(str::to_owned).into_iter().collect(),
                ..Scope::default()
            },
            rule_tags: BTreeMap::new(),
            descriptions: Vec::new(),
            principals: Vec::new(),
            traffic: opening.traffic,
            sources: opening.sources,
        }
    }

    /// The owner according to the tags of the group.
    pub(super) fn owner(&self, owner_tag: Option<&str>) -> Option<String> {
        let tagged = owner_tag
            .and_then(|key| self.group.tags.get(key))
            .map(|value| value.trim())
            .filter(|value| !value.is_empty());
        tagged
            .map(str::to_owned)
            .or_else(|| group_owner(self.group))
    }

    fn placeholder_owner(&self) -> String {
        match self.account {
            Some(account) => format!("to be named (account {account})"),
            None => "to be named".to_owned(),
        }
    }

    /// The comment of an exception: the group, and the security group rules that are open.
    pub(super) fn comment(&self, opening: &DraftOpening, lists: &PrefixLists) -> Vec<String> {
        let mut lines = wrap_words(&self.title(), "", "    ", MAX_LINE_CHARS);
        let mut rules: Vec<(String, Vec<&str>)> = Vec::new();
        for finding in self.findings.iter().filter(|finding| finding.enforces()) {
            if !is_about(finding, opening, lists) {
                continue;
            }
            let line = describe_rule(finding);
            let policy_rule = finding.policy_rule.id.as_str();
            match rules.iter_mut().find(|(known, _)| *known == line) {
                Some((_, policy_rules)) => policy_rules.push(policy_rule),
                None => rules.push((line, vec![policy_rule])),
            }
        }
        let unlisted = rules.len().saturating_sub(MAX_LISTED_RULES);
        for (line, policy_rules) in rules.into_iter().take(MAX_LISTED_RULES) {
            let line = format!("{line}: {}", policy_rules.join(", "));
            lines.extend(wrap_words(&line, "  ", "      ", MAX_LINE_CHARS));
        }
        if unlisted > 0 {
            lines.push(format!("  and {unlisted} more"));
        }
        let has_icmp = opening.traffic.icmp || opening.traffic.icmpv6;
        if has_icmp && opening.traffic != TrafficSet::all() {
            lines.push("  (exceptions do not distinguish types of ICMP)".to_owned());
        }
        lines
    }

    /// The name of the group, its VPC and its description.
    fn title(&self) -> String {
        let name = self.group.name.as_deref().unwrap_or(&self.group.id);
        let vpc = match &self.group.vpc_id {
            Some(vpc) => format!(" in {vpc}"),
            None => String::new(),
        };
        match self.description {
            Some(description) => format!("{name}{vpc}: {description}"),
            None => format!("{name}{vpc}"),
        }
    }
}

/// Whether the opening exempts a part of the finding.
fn is_about(finding: &Finding, opening: &DraftOpening, lists: &PrefixLists) -> bool {
    let source = &finding.ingress.source;
    is_source_within(source, &opening.sources, lists)
        && !opening.traffic.intersection(&finding.offending).is_empty()
}

/// The security group rule of a finding with its description.
fn describe_rule(finding: &Finding) -> String {
    let rule = &finding.ingress;
    match rule.description.as_deref().map(str::trim) {
        Some(description) if !description.is_empty() => format!("{rule} ({description})"),
        Some(_) | None => rule.to_string(),
    }
}
