//! The output of the demo on standard output.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::println;
use comfy_table::{Table, presets};
use portcullis_e2e::{LocalAws, Stack};

use super::check;
use super::outcome::DemoOutcome;
use super::scenario::RuleRow;
use super::slack;
use super::style::{BOLD, DIM, GREEN, RED};

/// How much of the e-mail the picture shows.
const EMAIL_LINES: usize = 10;
const INTRODUCTION: &str =
    "The real template.yaml and the real function, without an AWS account or network access.";

pub(super) fn print_header() {
    println!("{BOLD}Portcullis on a local AWS{BOLD:#}");
    println!("{DIM}{INTRODUCTION}{DIM:#}\n");
}

/// Prints the group before and after, the alerts and where the files are.
pub(super) fn print_outcome(outcome: &DemoOutcome, stack: &Stack, files: &[PathBuf]) {
    println!(
        "\nDeployed {} resources. An EventBridge rule on aws.ec2 invokes the function.",
        stack.resources.len()
    );
    let group = &outcome.scenario.group;
    print_title(&format!(
        "{} ({}) when it was opened; one call added the rules with +",
        group.name, group.id
    ));
    println!("{}", table_before(outcome));
    print_title("After the remediation");
    println!("{}", colorize(&table_after(outcome).to_string()));
    print_timing(outcome);
    print_email(outcome);
    print_slack_message(outcome);
    print_title("Files");
    for file in files {
        println!("  {}", file.display());
    }
}

fn print_title(text: &str) {
    println!("\n{BOLD}{text}{BOLD:#}");
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header);
    table
}

fn table_before(outcome: &DemoOutcome) -> Table {
    let header = ["", "rule", "protocol", "ports", "source", "description"];
    let mut table = new_table(&header);
    for rule in &outcome.scenario.rules {
        let row = &rule.row;
        let mark = if rule.new { "+" } else { "" };
        table.add_row([
            mark,
            &row.id,
            &row.protocol,
            &row.ports,
            &row.source,
            &row.description,
        ]);
    }
    table
}

fn table_after(outcome: &DemoOutcome) -> Table {
    let header = [
        "rule",
        "protocol",
        "ports",
        "source",
        "outcome",
        "policy rules",
    ];
    let mut table = new_table(&header);
    let violated = check::violated_policy_rules(outcome);
    let remaining: BTreeSet<String> = outcome
        .rules
        .iter()
        .map(|rule| RuleRow::from_rule(rule).id)
        .collect();
    for rule in &outcome.scenario.rules {
        let row = &rule.row;
        let is_kept = remaining.contains(&row.id);
        let policy_rules = violated.get(&row.id).map(|rules| rules.join("\n"));
        table.add_row([
            row.id.as_str(),
            &row.protocol,
            &row.ports,
            &row.source,
            if is_kept { "kept" } else { "removed" },
            policy_rules.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

/// Colors the outcomes of a table. Only now, because escape codes would change the column widths.
fn colorize(table: &str) -> String {
    table
        .replace(" removed ", &format!(" {RED}removed{RED:#} "))
        .replace(" kept ", &format!(" {GREEN}kept{GREEN:#} "))
}

fn print_timing(outcome: &DemoOutcome) {
    let closed = format_time(outcome.time_to_close);
    let emailed = format_time(outcome.time_to_email);
    println!(
        "\nFrom the event to the last removal: {BOLD}{closed}{BOLD:#}, to the e-mail: \
         {BOLD}{emailed}{BOLD:#}, with a cold start."
    );
    let actions = outcome.ec2_actions.join(", ");
    println!("{DIM}EC2 calls: {actions}{DIM:#}");
}

fn format_time(time: Option<Duration>) -> String {
    time.map_or("never".to_owned(), |time| {
        format!("{} ms", time.as_millis())
    })
}

fn print_email(outcome: &DemoOutcome) {
    print_title("The e-mail");
    let Some(email) = outcome.alert("email") else {
        println!("  none arrived");
        return;
    };
    let mut lines = vec![
        "From: Portcullis <no-reply@sns.amazonaws.com>".to_owned(),
        format!("To: {}", email.endpoint),
        format!("Subject: {BOLD}{}{BOLD:#}", email.subject),
        String::new(),
    ];
    lines.extend(email.text.lines().map(str::to_owned));
    print_frame(&lines);
}

fn print_slack_message(outcome: &DemoOutcome) {
    print_title("The Slack message");
    match outcome.alert("https").and_then(|alert| alert.json().ok()) {
        Some(message) => print_frame(&slack::render_notification(&message)),
        None => println!("  none arrived"),
    }
}

fn print_frame(lines: &[String]) {
    println!("{DIM}┌────{DIM:#}");
    for line in lines {
        println!("{DIM}│{DIM:#} {line}");
    }
    println!("{DIM}└────{DIM:#}");
}

/// The lines of the picture in the README: the command, the group after the remediation, and the
/// beginning of the e-mail.
pub(super) fn screenshot(outcome: &DemoOutcome) -> Vec<String> {
    let group = &outcome.scenario.group;
    let mut lines = vec![
        format!("{DIM}${DIM:#} {BOLD}cargo demo{BOLD:#}"),
        String::new(),
        format!(
            "{BOLD}{} ({}) after the remediation{BOLD:#}",
            group.name, group.id
        ),
    ];
    let table = colorize(&table_after(outcome).to_string());
    lines.extend(table.lines().map(str::to_owned));
    if let Some(email) = outcome.alert("email") {
        lines.push(String::new());
        lines.push(format!("{BOLD}Subject: {}{BOLD:#}", email.subject));
        lines.push(String::new());
        let body = email.text.lines().take(EMAIL_LINES);
        lines.extend(body.map(str::to_owned));
        lines.push(format!("{DIM}...{DIM:#}"));
    }
    lines
}

/// Prints whether the demo ended as expected, and the problems if not.
pub(super) fn print_verdict(outcome: &DemoOutcome, problems: &[String]) {
    if problems.is_empty() {
        let rules = &outcome.scenario.rules;
        let removed = rules.iter().filter(|rule| rule.forbidden).count();
        let kept = rules.len().saturating_sub(removed);
        println!(
            "\n{GREEN}All {removed} forbidden rules were removed, the {kept} other rules kept \
             their ids, and one alert was sent.{GREEN:#}"
        );
        return;
    }
    print_title("Problems");
    for problem in problems {
        println!("  {RED}{problem}{RED:#}");
    }
}

/// Prints the logs, which help to find the cause of a problem.
pub(super) fn print_logs(aws: &LocalAws, function: &str) {
    print_title("The function's log");
    for line in aws.logs(function).unwrap_or_default() {
        println!("  {line}");
    }
    print_title("ministack's log");
    println!("{}", aws.server_log("cloud").unwrap_or_default());
}

/// Prints commands to try on the running local AWS.
pub(super) fn print_hints(aws: &LocalAws, group: &str, entries: &Path) {
    print_title("Everything is still running. In another terminal:");
    println!(
        "  export AWS_ENDPOINT_URL={} AWS_ENDPOINT_URL_EC2={}",
        aws.url(),
        aws.ec2().url()
    );
    println!(
        "  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION={}",
        aws.region()
    );
    println!(
        "  aws ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 22 \
         --cidr 0.0.0.0/0"
    );
    println!(
        "  aws events put-events --entries file://{}",
        entries.display()
    );
    println!("  aws ec2 describe-security-group-rules --filters Name=group-id,Values={group}");
    println!("\nPress Enter or Ctrl-C to stop.");
}
