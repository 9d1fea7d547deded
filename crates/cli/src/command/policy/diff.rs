//! `portcullis policy diff`: what a new policy forbids, allows or acts upon differently.

mod actions;
mod change;
mod checks;
mod exceptions;
mod findings;
mod guardrails;
mod human;
mod json;
mod markdown;
mod plans;
mod report;
mod rules;

use jiff::Timestamp;
use portcullis_rules::{Context, Policy};

use crate::args::{DiffArgs, DiffFormat};
use crate::audit::Audit;
use crate::command::groups::{
    assumption_notes, name_inputs, problem_messages, read_groups, unknown_region_warning,
    unresolved_lists_warning,
};
use crate::command::plan::{RecordedEvents, plan_messages};
use crate::describe::{DescribedGroups, Problem};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::{CommandOutput, Message, to_pretty_json};
use change::Change;
use exceptions::compare_exceptions;
use findings::compare_findings;
use guardrails::{compare_guardrails, compare_mode};
use json::DiffV1;
use plans::compare_plans;
use report::{DiffReport, PolicySummary};
use rules::compare_rules;

/// Runs the command. `now` is the time if the arguments give none.
///
/// # Errors
/// When an input cannot be read, or one of the policies is invalid.
pub(super) fn run_policy_diff(args: &DiffArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    require_one_stdin(args)?;
    let old = args.old.load()?.policy;
    let new = args.new.load()?.policy;
    let mut comparison = Comparison {
        args,
        old: &old,
        new: &new,
        now: args.now.unwrap_or(now),
        messages: Vec::new(),
        error_status: None,
    };
    let report = comparison.compare()?;
    let data = match args.format {
        DiffFormat::Human => human::render_report(&report),
        DiffFormat::Json => to_pretty_json(&DiffV1::new(&report))?,
        DiffFormat::Markdown => markdown::render_report(&report),
    };
    let status = if report.is_weakened() {
        ExitStatus::Findings
    } else {
        ExitStatus::Clean
    };
    Ok(CommandOutput {
        data,
        messages: comparison.messages,
        exit: comparison.error_status.unwrap_or(status),
    })
}

/// At most one input can be standard input.
fn require_one_stdin(args: &DiffArgs) -> Result<(), CliError> {
    let readers = [
        ("the old policy", args.old.is_stdin()),
        ("the new policy", args.new.is_stdin()),
        ("the groups", args.input.contains(&Input::Stdin)),
        ("the events", args.events.contains(&Input::Stdin)),
    ];
    let mut from_stdin = readers.iter().filter(|(_, is_stdin)| *is_stdin);
    match (from_stdin.next(), from_stdin.next()) {
        (Some((first, _)), Some((second, _))) => Err(CliError::TwoFromStdin(first, second)),
        _ => Ok(()),
    }
}

/// The differences of the policies themselves at this time.
fn compare_policies(old: &Policy, new: &Policy, now: Timestamp) -> Vec<Change> {
    let mut changes = compare_mode(old, new);
    changes.extend(compare_rules(old, new));
    changes.extend(compare_exceptions(old, new, now));
    changes.extend(compare_guardrails(&old.guardrails, &new.guardrails));
    changes
}

/// A comparison, and the messages about its inputs.
struct Comparison<'a> {
    args: &'a DiffArgs,
    old: &'a Policy,
    new: &'a Policy,
    now: Timestamp,
    messages: Vec<Message>,
    /// The exit status if something could not be compared.
    error_status: Option<ExitStatus>,
}

impl Comparison<'_> {
    fn compare(&mut self) -> Result<DiffReport, CliError> {
        let mut report = DiffReport {
            old: PolicySummary::new(self.old),
            new: PolicySummary::new(self.new),
            changes: compare_policies(self.old, self.new, self.now),
            findings: None,
            plans: None,
            problems: None,
        };
        if self.args.input.is_empty() {
            return Ok(report);
        }
        let described = read_groups(&self.args.input)?;
        self.messages.extend(assumption_notes(&described));
        let mut problems = self.add_findings(&mut report, &described);
        if !self.args.events.is_empty() {
            problems.extend(self.add_plans(&mut report, &described)?);
        }
        let problems = without_duplicates(problems);
        let inputs = name_inputs(&self.args.input);
        self.messages.extend(problem_messages(&inputs, &problems));
        if !problems.is_empty() {
            self.error_status = self.error_status.max(Some(ExitStatus::Failure));
        }
        report.problems = Some(problems);
        Ok(report)
    }

    /// Compares the findings in the groups, and returns what could not be evaluated.
    fn add_findings(
        &mut self,
        report: &mut DiffReport,
        described: &DescribedGroups,
    ) -> Vec<Problem> {
        let context = Context {
            now: Some(self.now),
            account: self.args.account.clone(),
            region: self.args.region.clone(),
            ..Context::default()
        };
        let old = Audit::from_input(self.old, described.clone(), &context);
        let new = Audit::from_input(self.new, described.clone(), &context);
        report.findings = Some(compare_findings((self.old, &old), (self.new, &new)));
        let unresolved = unresolved_lists_warning(&new.unresolved_prefix_lists);
        self.messages.extend(unresolved);
        let unknown_region = unknown_region_warning(self.old, old.regions_known)
            .or_else(|| unknown_region_warning(self.new, new.regions_known));
        self.messages.extend(unknown_region);
        let mut problems = old.problems;
        problems.extend(new.problems);
        problems
    }

    /// Compares the plans for the events, and returns what could not be evaluated.
    fn add_plans(
        &mut self,
        report: &mut DiffReport,
        described: &DescribedGroups,
    ) -> Result<Vec<Problem>, CliError> {
        let recorded = RecordedEvents {
            paths: &self.args.events,
            inputs: &self.args.input,
            described,
            account: self.args.account.as_deref(),
            now: self.args.now,
            fallback_time: self.now,
        };
        let [old, new] = recorded.plan_under([self.old, self.new])?;
        report.plans = Some(compare_plans(&old, &new));
        self.messages.extend(plan_messages(&new));
        self.error_status = self.error_status.max(new.error_status());
        let mut problems = old.problems;
        problems.extend(new.problems);
        Ok(problems)
    }
}

fn without_duplicates(problems: Vec<Problem>) -> Vec<Problem> {
    let mut unique: Vec<Problem> = Vec::new();
    for problem in problems {
        if !unique.contains(&problem) {
            unique.push(problem);
        }
    }
    unique
}

#[cfg(test)]
mod tests;
