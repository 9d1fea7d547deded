//! What people see, as they see it.

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::report::GroupReport;

/// Everything of a message that a person or a filter sees.
fn shown(report: &GroupReport) -> String {
    let alert = compose_alert(report);
    let chat: Value = serde_json::from_str(&alert.chat).unwrap();
    let attributes: Vec<_> = alert
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "Subject: {}\nAttributes: {}\n\n{}\n===== chat\n{}",
        alert.subject,
        attributes.join(" "),
        alert.email,
        serde_json::to_string_pretty(&chat).unwrap()
    )
}

#[test]
fn simple() {
    assert_snapshot!(shown(&samples::single_rule_report()));
}

#[test]
fn closed() {
    assert_snapshot!(shown(&samples::closed_report()));
}

#[test]
fn monitor() {
    assert_snapshot!(shown(&samples::monitor_report()));
}

#[test]
fn noticed() {
    assert_snapshot!(shown(&samples::notify_only_report()));
}

#[test]
fn incomplete() {
    assert_snapshot!(shown(&samples::incomplete_report()));
}

#[test]
fn refused() {
    assert_snapshot!(shown(&samples::refused_report()));
}

#[test]
fn unverified() {
    assert_snapshot!(shown(&samples::unverified_report()));
}

#[test]
fn already_gone() {
    assert_snapshot!(shown(&samples::already_gone_report()));
}

#[test]
fn vanished() {
    assert_snapshot!(shown(&samples::group_deleted_report()));
}

#[test]
fn narrowed() {
    assert_snapshot!(shown(&samples::narrowed_report()));
}

#[test]
fn restricted() {
    assert_snapshot!(shown(&samples::restricted_report()));
}

#[test]
fn mixed() {
    assert_snapshot!(shown(&samples::mixed_remedies_report()));
}

#[test]
fn would_narrow() {
    assert_snapshot!(shown(&samples::would_narrow_report()));
}

#[test]
fn excepted() {
    assert_snapshot!(shown(&samples::exempt_report()));
}

#[test]
fn not_kept() {
    assert_snapshot!(shown(&samples::lost_access_report()));
}

#[test]
fn too_many() {
    assert_snapshot!(shown(&samples::removal_limit_report()));
}

#[test]
fn unsound() {
    assert_snapshot!(shown(&samples::failed_verification_report()));
}

#[test]
fn nasty() {
    assert_snapshot!(shown(&samples::hostile_text_report()));
}

#[test]
fn the_message_is_strings_for_each_protocol() {
    let alert = compose_alert(&samples::closed_report());
    let message: Value = serde_json::from_str(&alert.sns_message()).unwrap();
    let keys: Vec<_> = message
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["default", "email", "https", "lambda", "sqs"]);
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
fn a_thousand_findings_fit_into_one_message() {
    let alert = compose_alert(&samples::huge_report());
    assert!(
        alert.sns_message().len() < 240 * 1024,
        "{}",
        alert.sns_message().len()
    );
    assert!(
        json::escaped_len(&alert.email) <= EMAIL_BUDGET
            && alert.email.contains("more rules: all of them are in")
    );
    assert!(json::escaped_len(&alert.chat) <= CHAT_BUDGET);
    assert!(json::escaped_len(&alert.report) <= REPORT_BUDGET);
    let report: Value = serde_json::from_str(&alert.report).unwrap();
    assert_eq!(report["counts"]["findings"], 2000);
    assert!(alert.attributes.iter().all(|(_, value)| !value.is_empty()));
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let long = "words ".repeat(42);
    let lines: Vec<_> = (20_000..20_042)
        .map(|port| format!("tcp {port} 0.0.0.0/0 {long}"))
        .collect();
    let alert = compose_alert(&samples::baseline_report(samples::sample_group(
        &lines.iter().map(String::as_str).collect::<Vec<_>>(),
    )));
    assert!(
        alert
            .subject
            .starts_with("CLOSED: 42 rules open to the world in "),
        "{}",
        alert.subject
    );
    assert!(
        alert.email.contains("\n30. TCP port 20029")
            && alert.email.contains("\nAnd 12 more rules: all of them")
    );
    assert!(alert.email.contains("\nAnd 32 more rules: see the report"));
    assert!(alert.chat.contains("- and 32 more rules"));
    let report: Value = serde_json::from_str(&alert.report).unwrap();
    assert_eq!(
        (
            &report["truncated"],
            report["restore"].as_array().unwrap().len()
        ),
        (&Value::Bool(false), 42)
    );
}

#[test]
fn the_smallest_wordings_are_small_whatever_the_report_holds() {
    let report = samples::huge_report();
    let story = AlertSummary::from_report(&report);
    assert!(json::escaped_len(&email::compose_email(&story, 0)) <= EMAIL_BUDGET);
    assert!(json::escaped_len(&slack::compose_chat(&story, 0)) <= CHAT_BUDGET);
    assert!(json::escaped_len(&json::to_json_within(&report, 0)) <= REPORT_BUDGET);
}

fn all() -> Vec<GroupReport> {
    vec![
        samples::single_rule_report(),
        samples::closed_report(),
        samples::monitor_report(),
        samples::notify_only_report(),
        samples::incomplete_report(),
        samples::refused_report(),
        samples::unverified_report(),
        samples::already_gone_report(),
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
fn every_message_keeps_its_promises() {
    for report in all() {
        let alert = compose_alert(&report);
        assert!(
            alert.subject.len() <= 99 && alert.subject.chars().all(|c| matches!(c, ' '..='~')),
            "{}",
            alert.subject
        );
        assert!(
            !alert
                .email
                .chars()
                .any(|c| (c.is_control() && c != '\n') || sanitize::is_invisible(c)),
            "{}",
            alert.email
        );
        let links = |text: &str| text.matches("://").count();
        assert!(links(&alert.email) <= 1, "{}", alert.email);
        assert!(
            links(&alert.chat) <= 1 && !alert.chat.contains(['<', '>', '&', '*']),
            "{}",
            alert.chat
        );
        let last = alert.email.lines().last().unwrap();
        assert!(last.starts_with("Event "), "{last}");
        let unbroken = |line: &str| {
            line.contains(['{', '#']) || line.split(' ').any(|word| word.chars().count() > 60)
        };
        assert_eq!(
            alert
                .email
                .lines()
                .find(|line| line.chars().count() > 76 && !unbroken(line)),
            None
        );
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Texts of all lengths that attacks and accidents are made of.
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_the_texts_the_message_is_whole(
            name in text(), described in text(), who in text(), agent in text(), said in text(), place in text(),
        ) {
            let mut report = samples::incomplete_report();
            report.group.name = Some(name);
            report.origin.actor.who = Some(who);
            report.origin.user_agent = Some(agent);
            report.origin.region = Some(place);
            for finding in report.findings.iter_mut().chain(&mut report.remaining) {
                finding.ingress.description = Some(described.clone());
            }
            for failure in &mut report.failed_removals {
                failure.ingress.description = Some(described.clone());
                failure.error.message.clone_from(&said);
            }
            let alert = compose_alert(&report);
            prop_assert!(alert.subject.len() <= 99 && alert.subject.chars().all(|c| matches!(c, ' '..='~')));
            prop_assert!(alert.subject.starts_with("NOT CLOSED: 3 of 4 rules"));
            prop_assert!(!alert.email.chars().any(|c| (c.is_control() && c != '\n') || sanitize::is_invisible(c)));
            prop_assert!(alert.email.matches("://").count() <= 1);
            prop_assert!(!alert.chat.contains(['<', '>', '&', '*']) && !alert.chat.to_lowercase().contains("@here"));
            prop_assert!(serde_json::from_str::<Value>(&alert.chat).is_ok());
            prop_assert!(serde_json::from_str::<Value>(&alert.report).is_ok());
            prop_assert!(alert.sns_message().len() < 240 * 1024);
            prop_assert!(alert.attributes.iter().all(|(_, value)| !value.is_empty() && value.chars().count() <= 128));
        }
    }
}
