//! Undo commands, read back as a shell reads them.

use serde_json::{Value, json};

use super::*;
use crate::report::samples;

/// Splits a command as a POSIX shell would.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        let word = words.last_mut().unwrap();
        match c {
            '\'' => word.extend(rest.by_ref().take_while(|c| *c != '\'')),
            '\\' => word.extend(rest.next()),
            ' ' => words.push(String::new()),
            other => word.push(other),
        }
    }
    words
}

fn ssh_rule() -> IngressRule {
    samples::single_rule_report().rules.remove(0).rule
}

#[test]
fn a_restored_rule_is_exact_whatever_its_texts() {
    let nasty = "it's \"q\" \\ $(rm -rf /) `x` é 東 🦀 \u{202e} https://e.example/ www.e.example";
    let mut rule = ssh_rule();
    rule.description = Some(nasty.to_owned());
    rule.tags.insert("k'".to_owned(), nasty.to_owned());
    let command = authorize_command("sg-1", Some("eu-west-1"), &rule).join(" ");
    assert!(command.chars().all(|c| matches!(c, ' '..='~')), "{command}");
    assert!(!command.contains("://"), "{command}");
    assert!(!command.contains("www."), "{command}");
    let words = shell_words(&command);
    assert_eq!(
        words[..7],
        [
            "aws",
            "ec2",
            "authorize-security-group-ingress",
            "--region",
            "eu-west-1",
            "--group-id",
            "sg-1"
        ]
    );
    let permissions: Value = serde_json::from_str(&words[8]).unwrap();
    assert_eq!(permissions[0]["IpRanges"][0]["Description"], nasty);
    let tags: Value = serde_json::from_str(&words[10]).unwrap();
    assert_eq!(tags[0]["Tags"][0], json!({"Key": "k'", "Value": nasty}));
}

#[test]
fn a_rule_is_revoked_by_its_content_alone() {
    let words = shell_words(&revoke_command("sg-1", None, &ssh_rule()).join(" "));
    assert_eq!(words[2], "revoke-security-group-ingress");
    let expected = json!([{
        "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]
    }]);
    assert_eq!(serde_json::from_str::<Value>(&words[6]).unwrap(), expected);
}

#[test]
fn ports_of_all_traffic_are_displayed_as_none() {
    let rule: IngressRule = "all 0 0.0.0.0/0".parse().unwrap();
    let exact = json!(IpPermission::new(&rule));
    let displayed = json!(IpPermission::with_display_ports(&rule));
    assert_eq!(exact["FromPort"], 0);
    assert_eq!(displayed.get("FromPort"), None);
    assert_eq!(displayed["IpRanges"], exact["IpRanges"]);
}

#[test]
fn every_kind_of_source_has_its_own_list() {
    let owned_group = Source::Group(portcullis_rules::source::GroupSource {
        group_id: "sg-9".to_owned(),
        owner_id: Some("111122223333".to_owned()),
    });
    for (source, list, entry) in [
        (
            Source::from_cidr("1.2.3.0/24").unwrap(),
            "IpRanges",
            json!({"CidrIp": "1.2.3.0/24"}),
        ),
        (
            Source::from_cidr("::/0").unwrap(),
            "Ipv6Ranges",
            json!({"CidrIpv6": "::/0"}),
        ),
        (
            Source::PrefixList("pl-1".to_owned()),
            "PrefixListIds",
            json!({"PrefixListId": "pl-1"}),
        ),
        (
            owned_group,
            "UserIdGroupPairs",
            json!({"GroupId": "sg-9", "UserId": "111122223333"}),
        ),
    ] {
        let mut rule = ssh_rule();
        rule.source = source;
        let permission = json!(IpPermission::new(&rule));
        assert_eq!(permission[list], json!([entry]), "{list}");
        let described = json!(IpPermission::with_description(&rule));
        assert_eq!(described[list][0]["Description"], "temp ssh", "{list}");
    }
}

#[test]
fn malformed_ids_and_regions_are_quoted_or_left_out() {
    let command = revoke_command("sg-1; rm 'x'", Some("eu west"), &ssh_rule()).join(" ");
    let words = shell_words(&command);
    assert_eq!(words[3..5], ["--group-id", "sg-1; rm 'x'"]);
}
