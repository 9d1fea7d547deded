//! What goes to standard output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::println;
use comfy_table::{Table, presets};
use portcullis_e2e::{LocalAws, Stack};

use super::story::{Entry, Row};
use super::{BOLD, DIM, Ending, GREEN, RED, check, slack};

pub(super) fn header() {
    println!("{BOLD}Portcullis on a local AWS{BOLD:#}");
    println!(
        "{DIM}The real template.yaml and the real function. No account, nothing leaves this machine.{DIM:#}\n"
    );
}

pub(super) fn everything(ending: &Ending, stack: &Stack, files: &[PathBuf]) {
    println!(
        "\nDeployed {} resources, triggered by the EventBridge rule on aws.ec2.",
        stack.resources.len()
    );
    title(&format!(
        "{} ({}) as it was opened, + in one call",
        ending.story.group.name, ending.story.group.id
    ));
    println!("{}", before(ending));
    title("And a moment later");
    println!("{}", coloured(&after(ending).to_string()));
    timing(ending);
    email(ending);
    chat(ending);
    title("Raw");
    for file in files {
        println!("  {}", file.display());
    }
}

fn title(text: &str) {
    println!("\n{BOLD}{text}{BOLD:#}");
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(head);
    table
}

fn cells(row: &Row) -> Vec<String> {
    [
        &row.id,
        &row.protocol,
        &row.ports,
        &row.source,
        &row.description,
    ]
    .map(Clone::clone)
    .to_vec()
}

fn before(ending: &Ending) -> Table {
    let mut table = table(&["", "rule", "protocol", "ports", "source", "description"]);
    for entry in &ending.story.opened {
        let mark = if entry.new { "+" } else { "" };
        table.add_row([vec![mark.to_owned()], cells(&entry.row)].concat());
    }
    table
}

fn after(ending: &Ending) -> Table {
    let mut table = table(&[
        "rule",
        "protocol",
        "ports",
        "source",
        "verdict",
        "because of",
    ]);
    let reasons = check::reasons(ending);
    let left: BTreeSet<String> = ending.after.iter().map(|rule| Row::of(rule).id).collect();
    for Entry { row, .. } in &ending.story.opened {
        let is_left = left.contains(&row.id);
        let verdict = if is_left { "kept" } else { "removed" };
        let mut cells = cells(row);
        cells.truncate(4);
        cells.extend([verdict.to_owned(), because(&reasons, &row.id)]);
        table.add_row(cells);
    }
    table
}

fn because(reasons: &BTreeMap<String, BTreeSet<String>>, id: &str) -> String {
    reasons
        .get(id)
        .map(|rules| rules.iter().cloned().collect::<Vec<_>>().join("\n"))
        .unwrap_or_default()
}

/// The verdicts in colour, put in after the widths are settled.
fn coloured(table: &str) -> String {
    let removed = format!(" {RED}removed{RED:#} ");
    table
        .replace(" removed ", &removed)
        .replace(" kept ", &format!(" {GREEN}kept{GREEN:#} "))
}

fn timing(ending: &Ending) {
    let milliseconds = |time: Option<Duration>| {
        time.map_or("never".to_owned(), |time| {
            format!("{} ms", time.as_millis())
        })
    };
    let closed = milliseconds(ending.closed_in);
    let told = milliseconds(ending.told_in);
    println!(
        "\nFrom the event to the last removal {BOLD}{closed}{BOLD:#}, to the e-mail {BOLD}{told}{BOLD:#}, with a cold start."
    );
    println!("{DIM}EC2 was asked: {}{DIM:#}", ending.calls.join(", "));
}

fn email(ending: &Ending) {
    title("The e-mail");
    let Some(mail) = check::find(ending, "email") else {
        println!("  none came");
        return;
    };
    let head = [
        "From: Portcullis <no-reply@sns.amazonaws.com>".to_owned(),
        format!("To: {}", mail.endpoint),
    ];
    let subject = format!("Subject: {BOLD}{}{BOLD:#}", mail.subject);
    let lines = head.into_iter().chain([subject, String::new()]);
    frame(lines.chain(mail.text.lines().map(str::to_owned)));
}

fn chat(ending: &Ending) {
    title("The Slack message");
    match check::find(ending, "https").and_then(|alert| alert.json().ok()) {
        Some(message) => frame(slack::lines(&message).into_iter()),
        None => println!("  none came"),
    }
}

fn frame(lines: impl Iterator<Item = String>) {
    println!("{DIM}┌────{DIM:#}");
    for line in lines {
        println!("{DIM}│{DIM:#} {line}");
    }
    println!("{DIM}└────{DIM:#}");
}

pub(super) fn verdict(ending: &Ending, problems: &[String]) {
    let (gone, kept): (Vec<_>, Vec<_>) =
        ending.story.opened.iter().partition(|entry| entry.offends);
    if problems.is_empty() {
        let (gone, kept) = (gone.len(), kept.len());
        println!(
            "\n{GREEN}All {gone} offending rules are gone, all {kept} others kept their ids, one alert came.{GREEN:#}"
        );
    }
    if !problems.is_empty() {
        title("What is wrong");
    }
    for problem in problems {
        println!("  {RED}{problem}{RED:#}");
    }
}

/// What helps to see why it went wrong.
pub(super) fn evidence(aws: &LocalAws, function: &str) {
    title("The function's log");
    for line in aws.logs(function).unwrap_or_default() {
        println!("  {line}");
    }
    title("ministack's log");
    println!("{}", aws.server_log("cloud").unwrap_or_default());
}

/// How to go on by hand.
pub(super) fn hints(aws: &LocalAws, group: &str, entries: &Path) {
    title("It all still runs. In another terminal:");
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
        "  aws ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port 22 --cidr 0.0.0.0/0"
    );
    println!(
        "  aws events put-events --entries file://{}",
        entries.display()
    );
    println!("  aws ec2 describe-security-group-rules --filters Name=group-id,Values={group}");
    println!("\nEnter or Ctrl-C ends it.");
}
