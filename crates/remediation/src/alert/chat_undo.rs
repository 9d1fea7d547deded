//! The commands that undo a remediation, in a chat notification.

use std::fmt::Write as _;

use portcullis_rules::plan::ApplyOrder;

use super::summary::{AlertSummary, Headline};
use crate::alert::link::is_plain_identifier;
use crate::report::{GroupReport, authorize_command, revoke_command};

/// How many undo commands are written out.
const MAX_COMMANDS: usize = 3;
/// How long the undo commands may be.
const MAX_COMMAND_CHARS: usize = 1500;

/// The commands that undo the remediation, as far as they are short enough.
pub(super) fn describe_undo(summary: &AlertSummary<'_>) -> Vec<String> {
    let report = summary.report;
    let is_open = matches!(
        summary.headline,
        Headline::NotClosed | Headline::NotVerified
    );
    let commands = undo_commands(report);
    if is_open || commands.is_empty() {
        return Vec::new();
    }
    let length: usize = commands.iter().map(String::len).sum();
    let has_id = is_plain_identifier(&report.group.id);
    if commands.len() > MAX_COMMANDS || length > MAX_COMMAND_CHARS || !has_id {
        return vec![
            String::new(),
            "To undo it, add an exception first, then run the commands in the e-mail.".to_owned(),
        ];
    }
    let mut lines = vec![
        String::new(),
        "To undo it, add an exception first (see the e-mail), then run:".to_owned(),
    ];
    lines.extend(commands.iter().map(|command| format!("`{command}`")));
    lines
}

/// The commands in a safe order.
fn undo_commands(report: &GroupReport) -> Vec<String> {
    let group_id = report.group.id.as_str();
    let region = report.origin.region.as_deref();
    let mut commands: Vec<_> = report
        .rules_to_restore()
        .map(|outcome| authorize_command(group_id, region, &outcome.rule))
        .collect();
    let removals = report
        .additions_to_remove()
        .map(|addition| revoke_command(group_id, region, &addition.ingress));
    match report.order {
        ApplyOrder::AddFirst => commands.extend(removals),
        ApplyOrder::RemoveFirst => {
            commands.splice(0..0, removals);
        }
    }
    commands
        .iter()
        .map(|words| escape_command(&words.join(" ")))
        .collect()
}

/// A command without characters that chat programs could interpret. They occur only in the strings
/// of its JSON, where escapes mean the same.
fn escape_command(command: &str) -> String {
    let mut escaped = String::with_capacity(command.len());
    for c in command.chars() {
        match c {
            '<' | '>' | '&' | '`' | '*' | '~' | '|' | '@' => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = write!(escaped, r"\u{code:04x}");
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::options::AlertOptions;
    use crate::report::samples;

    fn undo_lines(report: &GroupReport) -> Vec<String> {
        let min_severity = AlertOptions::default().min_severity;
        describe_undo(&AlertSummary::from_report(report, min_severity))
    }

    #[test]
    fn commands_are_in_a_safe_order() {
        let mut report = samples::narrowed_report();
        let verbs = |report: &GroupReport| {
            let lines = undo_lines(report);
            let commands = lines.into_iter().filter(|line| line.starts_with('`'));
            commands
                .map(|line| line.split('-').next().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        let (restore, remove) = ("`aws ec2 authorize", "`aws ec2 revoke");
        assert_eq!(verbs(&report), [restore, remove, remove]);
        report.order = ApplyOrder::RemoveFirst;
        assert_eq!(verbs(&report), [remove, remove, restore]);
    }

    #[test]
    fn hostile_descriptions_are_escaped_and_mean_the_same() {
        let mut report = samples::single_rule_report();
        report.rules[0].rule.description = Some("<!here> `x` *b* & @all ~c~ a|b".to_owned());
        let lines = undo_lines(&report);
        let command = lines.last().unwrap().trim_matches('`');
        assert!(
            !command.contains(['<', '>', '&', '`', '*', '~', '|', '@']),
            "{command}"
        );
        let json = command.split('\'').nth(1).unwrap();
        let permissions: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(
            permissions[0]["IpRanges"][0]["Description"],
            "<!here> `x` *b* & @all ~c~ a|b"
        );
    }

    #[test]
    fn long_commands_are_in_the_email_only() {
        let lines = undo_lines(&samples::closed_report());
        assert!(lines.last().unwrap().contains("in the e-mail"));
        assert_eq!(
            undo_lines(&samples::incomplete_report()),
            Vec::<String>::new()
        );
        assert_eq!(undo_lines(&samples::monitor_report()), Vec::<String>::new());
    }
}
