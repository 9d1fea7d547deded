//! `portcullis policy draft`: exceptions for everything in a set of groups that a policy would
//! close.

mod entry;
mod openings;

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use portcullis_policy::{
    AddExceptionsError, CommentedException, LoadedPolicy, add_exceptions, parse_policy,
};
use portcullis_rules::{Context, ExistingRules, Finding, PrefixLists, SecurityGroup};

use crate::args::DraftArgs;
use crate::audit::Audit;
use crate::command::groups::{
    assumption_notes, name_inputs, problem_messages, read_groups, unknown_region_warning,
    unresolved_lists_warning,
};
use crate::command::plan::{ChangedGroups, changed_groups_errors, find_changed_groups};
use crate::describe::DescribedGroups;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::{CommandOutput, Message, MessageLevel};
use crate::policy::PolicyName;
use crate::text::format_count;
use entry::{DraftDates, OpenGroup};
use openings::collect_openings;

/// Runs the command. `now` is the time if the arguments give none.
///
/// # Errors
/// When an input cannot be read, the policy is invalid, or exceptions cannot be added to it.
pub(super) fn run_policy_draft(
    args: &DraftArgs,
    now: Timestamp,
) -> Result<CommandOutput, CliError> {
    require_one_stdin(args)?;
    let now = args.now.unwrap_or(now);
    let base = load_base(&args.policy)?;
    let described = read_groups(&args.input)?;
    let changed = if args.events.is_empty() {
        None
    } else {
        Some(find_changed_groups(&args.events, &args.input, &described)?)
    };
    draft_policy(args, &base, &described, changed.as_ref(), now)
}

fn draft_policy(
    args: &DraftArgs,
    base: &LoadedPolicy,
    described: &DescribedGroups,
    changed: Option<&ChangedGroups>,
    now: Timestamp,
) -> Result<CommandOutput, CliError> {
    let dates = draft_dates(args, now)?;
    let mut messages = assumption_notes(described);
    let audit = audit_groups(args, base, described, now);
    messages.extend(incomplete_messages(args, &audit, changed));
    if audit.is_incomplete() || changed.is_some_and(ChangedGroups::is_incomplete) {
        return Ok(CommandOutput {
            data: String::new(),
            messages,
            exit: ExitStatus::Failure,
        });
    }
    let mut draft = Draft::new(args, described, changed);
    draft.add_groups(&audit, base, &dates);
    let data = add_exceptions(base, &draft.entries).map_err(|error| add_error(args, error))?;
    messages.extend(unresolved_lists_warning(&audit.unresolved_prefix_lists));
    messages.extend(unknown_region_warning(&base.policy, audit.regions_known));
    messages.extend(draft.summary(base, &dates));
    Ok(CommandOutput {
        data,
        messages,
        exit: ExitStatus::Clean,
    })
}

/// At most one input can be standard input.
fn require_one_stdin(args: &DraftArgs) -> Result<(), CliError> {
    let events = args.events.contains(&Input::Stdin);
    let groups = args.input.contains(&Input::Stdin);
    match (events, groups, args.policy.is_stdin()) {
        (true, true, _) => Err(CliError::TwoFromStdin("the events", "the groups")),
        (true, _, true) => Err(CliError::TwoFromStdin("the policy", "the events")),
        (_, true, true) => Err(CliError::TwoFromStdin("the policy", "the groups")),
        _ => Ok(()),
    }
}

fn draft_dates(args: &DraftArgs, now: Timestamp) -> Result<DraftDates, CliError> {
    let last_day = args.expires.last_day(now);
    let passed = || CliError::ExpiryPassed(last_day.to_string());
    let expires = end_of_day(last_day).ok_or_else(passed)?;
    if expires <= now {
        return Err(passed());
    }
    Ok(DraftDates {
        today: now.to_zoned(TimeZone::UTC).date(),
        last_day,
        expires,
    })
}

fn end_of_day(day: Date) -> Option<Timestamp> {
    let next = day.checked_add(1.day()).ok()?;
    let midnight = next.to_zoned(TimeZone::UTC).ok()?;
    Some(midnight.timestamp())
}

/// The policy that the exceptions are added to. A preset is extended by a new policy.
fn load_base(policy: &PolicyName) -> Result<LoadedPolicy, CliError> {
    let PolicyName::Preset(preset) = policy else {
        return policy.load();
    };
    let text = format!("version: 1\nextends: {}\n", preset.name);
    parse_policy("policy.yaml", &text).map_err(|found| CliError::InvalidPolicy {
        name: policy.to_string(),
        found: Box::new(found),
    })
}

fn audit_groups(
    args: &DraftArgs,
    base: &LoadedPolicy,
    described: &DescribedGroups,
    now: Timestamp,
) -> Audit {
    let context = Context {
        now: Some(now),
        account: args.account.clone(),
        region: args.region.clone(),
        ..Context::default()
    };
    Audit::from_input(&base.policy, described.clone(), &context)
}

/// The messages because of which there is no draft: it would lack exceptions.
fn incomplete_messages(
    args: &DraftArgs,
    audit: &Audit,
    changed: Option<&ChangedGroups>,
) -> Vec<Message> {
    let mut messages = problem_messages(&name_inputs(&args.input), &audit.problems);
    let mut event_errors = changed.map(changed_groups_errors).unwrap_or_default();
    if !event_errors.is_empty() {
        let text = "the events could not be read completely, so the groups that they changed are \
                    not known";
        event_errors.push(Message::new(MessageLevel::Error, text));
    }
    messages.extend(event_errors);
    if !messages.is_empty() {
        let text = "no policy was drafted: exceptions would be missing from it";
        messages.push(Message::new(MessageLevel::Error, text));
    }
    messages
}

fn add_error(args: &DraftArgs, error: AddExceptionsError) -> CliError {
    let name = args.policy.to_string();
    match error {
        AddExceptionsError::FlowStyle => CliError::FlowStylePolicy { name },
        AddExceptionsError::Invalid(found) => CliError::InvalidDraft { found },
    }
}

/// The exceptions of a draft, and what it leaves out.
#[derive(Debug)]
struct Draft<'a> {
    args: &'a DraftArgs,
    described: &'a DescribedGroups,
    changed: Option<&'a ChangedGroups>,
    entries: Vec<CommentedException>,
    ids: BTreeSet<String>,
    /// The number of security group rules that the exceptions are for.
    openings: usize,
    groups: usize,
    unnamed_owners: usize,
    /// The number of security group rules without exceptions, and of their groups, because no event
    /// changed them.
    left_out: (usize, usize),
}

impl<'a> Draft<'a> {
    fn new(
        args: &'a DraftArgs,
        described: &'a DescribedGroups,
        changed: Option<&'a ChangedGroups>,
    ) -> Self {
        Self {
            args,
            described,
            changed,
            entries: Vec::new(),
            ids: BTreeSet::new(),
            openings: 0,
            groups: 0,
            unnamed_owners: 0,
            left_out: (0, 0),
        }
    }

    fn add_groups(&mut self, audit: &Audit, base: &LoadedPolicy, dates: &DraftDates) {
        let known = base.policy.exceptions.iter();
        self.ids.extend(known.map(|exception| exception.id.clone()));
        for (group, findings) in &audit.findings {
            let open_rules = count_open_rules(findings);
            if open_rules == 0 {
                continue;
            }
            let is_left_out = self
                .changed
                .is_some_and(|changed| !changed.ids.contains(&group.id));
            if is_left_out {
                let (rules, groups) = self.left_out;
                self.left_out = (rules.saturating_add(open_rules), groups.saturating_add(1));
                continue;
            }
            self.openings = self.openings.saturating_add(open_rules);
            self.groups = self.groups.saturating_add(1);
            let open_group = self.open_group(audit, group, findings);
            self.add_group(&open_group, dates);
        }
    }

    fn open_group<'g>(
        &self,
        audit: &'g Audit,
        group: &'g SecurityGroup,
        findings: &'g [Finding],
    ) -> OpenGroup<'g>
    where
        'a: 'g,
    {
        let arn = audit.arns.get(&group.id);
        let account = group
            .owner_id
            .as_deref()
            .or(arn.map(|arn| arn.account.as_str()));
        let region = arn.map(|arn| arn.region.as_str());
        let description = self.described.descriptions.get(&group.id);
        OpenGroup {
            group,
            findings,
            description: description.map(String::as_str),
            account: account.or(self.args.account.as_deref()),
            region: region.or(self.args.region.as_deref()),
        }
    }

    fn add_group(&mut self, open_group: &OpenGroup<'_>, dates: &DraftDates) {
        let lists: &PrefixLists = &self.described.prefix_lists;
        let owner_tag = self.args.owner_tag.as_deref();
        if open_group.owner(owner_tag).is_none() {
            self.unnamed_owners = self.unnamed_owners.saturating_add(1);
        }
        for opening in collect_openings(open_group.findings, lists) {
            let comment = open_group.comment(&opening, lists);
            let id = self.unused_id(&open_group.group.id);
            let exception = open_group.exception(id, opening, dates, owner_tag);
            self.entries.push(CommentedException { comment, exception });
        }
    }

    /// An id for an exception of the group that no other exception has.
    fn unused_id(&mut self, group_id: &str) -> String {
        let base = format!("open-{group_id}");
        let mut id = base.clone();
        let mut number = 1_usize;
        while !self.ids.insert(id.clone()) {
            number = number.saturating_add(1);
            id = format!("{base}-{number}");
        }
        id
    }

    fn summary(&self, base: &LoadedPolicy, dates: &DraftDates) -> Vec<Message> {
        let mut messages = Vec::new();
        if self.entries.is_empty() {
            messages.push(empty_draft_note(base, self.left_out.0 > 0));
        } else {
            messages.push(self.entries_note(dates));
        }
        if self.unnamed_owners > 0 {
            let groups = format_count(self.unnamed_owners, "group");
            let text = format!("{groups} without an owner in their tags");
            let help = "replace `to be named`, or specify the tag with `--owner-tag`";
            messages.push(Message::new(MessageLevel::Warning, text).with_help(help));
        }
        messages.extend(self.left_out_note());
        messages.extend(self.changed.and_then(missing_groups_warning));
        messages
    }

    fn entries_note(&self, dates: &DraftDates) -> Message {
        let text = format!(
            "{} for {} in {}, until {}",
            format_count(self.entries.len(), "exception"),
            format_count(self.openings, "open security group rule"),
            format_count(self.groups, "group"),
            dates.last_day,
        );
        let help = "review each: keep it with a reason, or delete it to have the opening closed";
        Message::new(MessageLevel::Note, text).with_help(help)
    }

    fn left_out_note(&self) -> Option<Message> {
        let (rules, groups) = self.left_out;
        if rules == 0 {
            return None;
        }
        let text = format!(
            "left out: {} in {} that the events did not change",
            format_count(rules, "open security group rule"),
            format_count(groups, "group"),
        );
        let help = "under this policy they are closed; run it without `--events` to keep them";
        Some(Message::new(MessageLevel::Warning, text).with_help(help))
    }
}

/// The number of security group rules with enforced findings.
fn count_open_rules(findings: &[Finding]) -> usize {
    let indexes: BTreeSet<_> = findings
        .iter()
        .filter(|finding| finding.enforces())
        .map(|finding| finding.index)
        .collect();
    indexes.len()
}

/// Why there are no exceptions.
fn empty_draft_note(base: &LoadedPolicy, has_left_out: bool) -> Message {
    let text = if has_left_out {
        "no exceptions: nothing is open in the groups that the events changed"
    } else if base.policy.guardrails.existing == ExistingRules::Notify {
        "no exceptions: under `existing: notify`, the policy closes only what is opened from now on"
    } else {
        "no exceptions: the policy would close nothing in these groups"
    };
    Message::new(MessageLevel::Note, text)
}

fn missing_groups_warning(changed: &ChangedGroups) -> Option<Message> {
    if changed.missing.is_empty() {
        return None;
    }
    let groups = format_count(changed.missing.len(), "group");
    let text = format!("{groups} of the events cannot be found in the input");
    let help = "they were deleted, or belong to another account or region";
    Some(Message::new(MessageLevel::Warning, text).with_help(help))
}

#[cfg(test)]
mod tests;
