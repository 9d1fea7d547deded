//! Alerts as their readers see them.

use insta::assert_snapshot;
use serde_json::Value;

use super::budget::{CHAT_BUDGET, EMAIL_BUDGET, REPORT_BUDGET};
use super::email::compose_email;
use super::options::{AlertLinks, AlertOptions};
use super::slack::compose_chat;
use super::summary::AlertSummary;
use super::*;
use crate::report::{GroupReport, RuleOutcome, RuleStatus, json, samples};
use crate::services::Alert;

/// The SNS limit of a message, attributes included.
const MAX_SNS_MESSAGE: usize = 256 * 1024;

/// Whether a message is within the limits of SNS with space for its attributes.
fn fits_into_sns(alert: &Alert) -> bool {
    alert.sns_message().len() <= MAX_SNS_MESSAGE - 4096
}

fn options_with_links() -> AlertOptions {
    let link = |text: &str| Some(text.parse().unwrap());
    AlertOptions {
        links: AlertLinks {
            runbook: link("https://wiki.example.com/runbooks/portcullis"),
            policy: link("https://git.example.com/security/policy"),
        },
        ..AlertOptions::default()
    }
}

/// Whether every link of a text is one of the console or of the settings.
fn has_known_links_only(text: &str) -> bool {
    let known = [
        "https://eu-west-1.console.aws.amazon.com/",
        "https://wiki.example.com/",
        "https://git.example.com/",
    ];
    let known: usize = known.iter().map(|link| text.matches(link).count()).sum();
    text.matches("://").count() == known
}

fn is_unprintable(c: char) -> bool {
    (c.is_control() && c != '\n') || sanitize::is_invisible(c)
}

/// Everything of an alert that its readers and filter policies see.
fn displayed_alert(report: &GroupReport) -> String {
    let alert = compose_alert_with(report, &options_with_links());
    let chat: Value = serde_json::from_str(&alert.chat).unwrap();
    let attributes: Vec<_> = alert
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "Subject: {}\nSMS: {}\nAttributes: {}\n\n{}\n===== chat\n{}",
        alert.subject,
        alert.sms,
        attributes.join(" "),
        alert.email,
        serde_json::to_string_pretty(&chat).unwrap()
    )
}

#[test]
fn single_rule() {
    assert_snapshot!(displayed_alert(&samples::single_rule_report()));
}

#[test]
fn closed() {
    assert_snapshot!(displayed_alert(&samples::closed_report()));
}

#[test]
fn monitor() {
    assert_snapshot!(displayed_alert(&samples::monitor_report()));
}

#[test]
fn reported_only() {
    assert_snapshot!(displayed_alert(&samples::notify_only_report()));
}

#[test]
fn not_closed() {
    assert_snapshot!(displayed_alert(&samples::incomplete_report()));
}

#[test]
fn refused() {
    assert_snapshot!(displayed_alert(&samples::refused_report()));
}

#[test]
fn unverified() {
    assert_snapshot!(displayed_alert(&samples::unverified_report()));
}

#[test]
fn already_gone() {
    assert_snapshot!(displayed_alert(&samples::already_gone_report()));
}

#[test]
fn withdrawn() {
    assert_snapshot!(displayed_alert(&samples::withdrawn_report()));
}

#[test]
fn group_deleted() {
    assert_snapshot!(displayed_alert(&samples::group_deleted_report()));
}

#[test]
fn narrowed() {
    assert_snapshot!(displayed_alert(&samples::narrowed_report()));
}

#[test]
fn restricted() {
    assert_snapshot!(displayed_alert(&samples::restricted_report()));
}

#[test]
fn mixed_remedies() {
    assert_snapshot!(displayed_alert(&samples::mixed_remedies_report()));
}

#[test]
fn would_narrow() {
    assert_snapshot!(displayed_alert(&samples::would_narrow_report()));
}

#[test]
fn exempt() {
    assert_snapshot!(displayed_alert(&samples::exempt_report()));
}

#[test]
fn lost_access() {
    assert_snapshot!(displayed_alert(&samples::lost_access_report()));
}

#[test]
fn too_many_removals() {
    assert_snapshot!(displayed_alert(&samples::removal_limit_report()));
}

#[test]
fn failed_verification() {
    assert_snapshot!(displayed_alert(&samples::failed_verification_report()));
}

#[test]
fn hostile_texts() {
    assert_snapshot!(displayed_alert(&samples::hostile_text_report()));
}

#[test]
fn the_sns_message_has_a_string_for_each_protocol() {
    let alert = compose_alert(&samples::closed_report());
    let message: Value = serde_json::from_str(&alert.sns_message()).unwrap();
    let keys: Vec<_> = message
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["default", "email", "https", "lambda", "sms", "sqs"]);
    assert_eq!(message["sms"], alert.sms.as_str());
    assert!(message.as_object().unwrap().values().all(Value::is_string));
    assert_eq!(message["default"], message["email"]);
    assert_eq!(message["sqs"], message["lambda"]);
    for key in ["https", "sqs"] {
        assert!(
            serde_json::from_str::<Value>(message[key].as_str().unwrap())
                .unwrap()
                .is_object()
        );
    }
}

#[test]
fn a_huge_report_fits_into_one_message() {
    let alert = compose_alert(&samples::huge_report());
    assert!(fits_into_sns(&alert), "{}", alert.sns_message().len());
    assert!(
        json::escaped_len(&alert.email) <= EMAIL_BUDGET
            && alert.email.contains("more rules. The JSON report that SQS")
    );
    assert!(json::escaped_len(&alert.chat) <= CHAT_BUDGET);
    assert!(json::escaped_len(&alert.report) <= REPORT_BUDGET);
    let report: Value = serde_json::from_str(&alert.report).unwrap();
    assert_eq!(report["counts"]["findings"], 2000);
    assert!(alert.attributes.iter().all(|(_, value)| !value.is_empty()));
}

#[test]
fn long_lists_are_shortened_and_say_so() {
    let long = "words ".repeat(42);
    let lines: Vec<_> = (20_000..20_042)
        .map(|port| format!("tcp {port} 0.0.0.0/0 {long}"))
        .collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let report = samples::baseline_report(&samples::sample_group(&lines));
    let alert = compose_alert(&report);
    assert!(
        alert
            .subject
            .starts_with("CLOSED, high: 42 rules open to the world on web (sg-"),
        "{}",
        alert.subject
    );
    assert!(
        alert.email.contains("\n30. TCP port 20029")
            && alert.email.contains("\nAnd 12 more rules. The JSON report")
    );
    assert!(
        alert
            .email
            .contains("\nAnd 32 more commands. The JSON report")
    );
    assert!(alert.chat.contains("- and 32 more rules"));
    let report: Value = serde_json::from_str(&alert.report).unwrap();
    assert_eq!(report["truncated"], false);
    assert_eq!(report["undo"]["restore"].as_array().unwrap().len(), 42);
}

#[test]
fn texts_without_lists_are_small() {
    let report = samples::huge_report();
    let AlertOptions {
        links,
        min_severity,
    } = &options_with_links();
    let summary = AlertSummary::from_report(&report, *min_severity);
    assert!(json::escaped_len(&compose_email(&summary, links, 0)) <= EMAIL_BUDGET);
    assert!(json::escaped_len(&compose_chat(&summary, links, 0)) <= CHAT_BUDGET);
    assert!(json::escaped_len(&json::to_json_within(&report, 0)) <= REPORT_BUDGET);
}

fn line_count(report: &GroupReport) -> usize {
    let alert = compose_alert_with(report, &options_with_links());
    alert.email.lines().count()
}

#[test]
fn an_email_about_one_rule_is_short() {
    let long: Vec<_> = samples::single_rule_reports()
        .into_iter()
        .map(|(name, report)| (name, line_count(&report)))
        .filter(|(_, lines)| *lines > 35)
        .collect();
    assert_eq!(long, []);
}

#[test]
fn an_email_about_six_rules_fits_on_two_screens() {
    let long: Vec<_> = samples::six_rule_reports()
        .into_iter()
        .map(|(name, report)| (name, line_count(&report)))
        .filter(|(_, lines)| *lines > 70)
        .collect();
    assert_eq!(long, []);
}

#[test]
fn the_first_paragraph_says_whether_to_act_and_who_opened_it_from_where() {
    for (name, report) in samples::single_rule_reports() {
        let email = compose_alert(&report).email;
        let head = email.split("\n\n").next().unwrap();
        let opening = head.lines().next().unwrap();
        assert!(
            opening.contains("web (sg-0123456789abcdef0)"),
            "{name}: {head}"
        );
        let has_origin = head.contains("alice@example.com") && head.contains("198.51.100.7");
        assert!(head.contains("\nACTION: ") && has_origin, "{name}: {head}");
    }
}

#[test]
fn each_policy_rule_is_explained_once() {
    for (name, report) in samples::six_rule_reports() {
        let email = compose_alert(&report).email;
        for finding in report.active_findings() {
            let explained = format!("* {} (", finding.policy_rule.id);
            assert_eq!(email.matches(&explained).count(), 1, "{name}: {email}");
        }
    }
}

#[test]
fn the_undo_commands_are_last() {
    let sized = samples::single_rule_reports().into_iter();
    for (name, report) in sized.chain(samples::six_rule_reports()) {
        let email = compose_alert(&report).email;
        if ["closed", "narrowed", "restricted"].contains(&name) {
            let (_, undo) = email.split_once("\nTO UNDO IT: ").unwrap();
            let commands = undo.lines().skip(1);
            assert!(commands.clone().count() > 0);
            assert!(
                commands.clone().all(|line| line.starts_with("aws ec2 ")),
                "{undo}"
            );
        }
    }
}

#[test]
fn connections_of_a_rule_for_all_protocols_are_not_said_to_have_ended() {
    let group = samples::sample_group(&["-1 -1--1 0.0.0.0/0 debugging"]);
    let email = compose_alert(&samples::baseline_report(&group)).email;
    assert!(email.contains("LIVE CONNECTIONS: may continue"), "{email}");
    assert!(!email.contains("ended"), "{email}");
    assert!(email.contains("ACTION: check live connections"), "{email}");
}

fn all_reports() -> Vec<GroupReport> {
    let sized = samples::single_rule_reports()
        .into_iter()
        .chain(samples::six_rule_reports());
    let mut reports = sample_reports();
    reports.extend(sized.map(|(_, report)| report));
    reports
}

fn sample_reports() -> Vec<GroupReport> {
    vec![
        samples::single_rule_report(),
        samples::closed_report(),
        samples::monitor_report(),
        samples::notify_only_report(),
        samples::incomplete_report(),
        samples::refused_report(),
        samples::unverified_report(),
        samples::already_gone_report(),
        samples::withdrawn_report(),
        samples::group_deleted_report(),
        samples::narrowed_report(),
        samples::restricted_report(),
        samples::mixed_remedies_report(),
        samples::would_narrow_report(),
        samples::exempt_report(),
        samples::lost_access_report(),
        samples::removal_limit_report(),
        samples::failed_verification_report(),
        samples::hostile_text_report(),
        samples::huge_report(),
        GroupReport {
            group: portcullis_rules::SecurityGroup::default(),
            origin: crate::Origin::default(),
            ..samples::closed_report()
        },
    ]
}

#[test]
fn every_alert_is_printable_and_within_its_limits() {
    for report in all_reports() {
        let alert = compose_alert(&report);
        assert!(
            alert.subject.len() <= 99 && alert.subject.chars().all(|c| matches!(c, ' '..='~')),
            "{}",
            alert.subject
        );
        assert!(!alert.email.chars().any(is_unprintable), "{}", alert.email);
        assert!(alert.sms.len() <= 140 && alert.sms.chars().all(|c| matches!(c, ' '..='~')));
        assert!(has_known_links_only(&alert.email), "{}", alert.email);
        assert!(
            has_known_links_only(&alert.chat) && !alert.chat.contains(['<', '>', '&', '*']),
            "{}",
            alert.chat
        );
        let unbroken = |line: &str| {
            line.starts_with("aws ec2 ") || line.split(' ').any(|word| word.chars().count() > 60)
        };
        assert_eq!(
            alert
                .email
                .lines()
                .find(|line| line.chars().count() > 78 && !unbroken(line)),
            None
        );
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Texts of all lengths, with pieces of attacks.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "<!channel>",
                "http://e.example",
                "\u{1b}[1m",
                "\n",
                "\"",
                "\\",
                "@here",
                "`",
                "\u{202e}",
                "\u{1}"
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        (prop::collection::vec(piece, 0..12), 1..60_usize)
            .prop_map(|(pieces, times)| pieces.concat().repeat(times))
    }

    fn set_texts(outcome: &mut RuleOutcome, description: &str, message: &str) {
        outcome.rule.description = Some(description.to_owned());
        for finding in &mut outcome.findings {
            finding.ingress.description = Some(description.to_owned());
        }
        if let RuleStatus::Failed(error) = &mut outcome.status {
            message.clone_into(&mut error.message);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn alerts_are_well_formed_whatever_the_texts(
            name in text(),
            description in text(),
            who in text(),
            user_agent in text(),
            message in text(),
            region in text(),
        ) {
            let mut report = samples::incomplete_report();
            report.group.name = Some(name);
            report.origin.actor.who = Some(who);
            report.origin.user_agent = Some(user_agent);
            report.origin.region = Some(region);
            for outcome in &mut report.rules {
                set_texts(outcome, &description, &message);
            }
            let alert = compose_alert(&report);
            prop_assert!(alert.subject.len() <= 99);
            prop_assert!(alert.subject.chars().all(|c| matches!(c, ' '..='~')));
            prop_assert!(alert.subject.starts_with("NOT CLOSED, high: 3 "));
            prop_assert!(!alert.email.chars().any(is_unprintable));
            let links = alert.email.matches("://").count();
            prop_assert!(links <= 2 && links == alert.email.matches("https://").count());
            prop_assert!(!alert.chat.contains(['<', '>', '&', '*']));
            prop_assert!(!alert.chat.to_lowercase().contains("@here"));
            prop_assert!(serde_json::from_str::<Value>(&alert.chat).is_ok());
            prop_assert!(serde_json::from_str::<Value>(&alert.report).is_ok());
            prop_assert!(fits_into_sns(&alert));
            for (_, value) in &alert.attributes {
                prop_assert!((1..=128).contains(&value.chars().count()));
            }
        }
    }
}
