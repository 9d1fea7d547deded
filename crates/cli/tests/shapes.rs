//! Inputs as people have them: pages of listings, prefix lists, and events in queues and logs.

use crate::common::{Folder, Run, gzip, project};
use crate::plan::{authorize_event, cloudtrail_record};
use serde_json::{Value, json};

const LIST: &str = "pl-0abc0abc0abc0abc0";

fn groups_with(permissions: &Value) -> Value {
    json!({"SecurityGroups": [{
        "GroupId": "sg-0feed0feed0feed00", "GroupName": "shop", "OwnerId": "111122223333",
        "VpcId": "vpc-0feed", "IpPermissions": permissions,
        "SecurityGroupArn":
            "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0feed0feed0feed00",
    }]})
}

fn tcp(port: u16, sources: &Value) -> Value {
    let mut permission = json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port});
    let sources = sources.as_object().unwrap().clone();
    permission.as_object_mut().unwrap().extend(sources);
    permission
}

fn from_list(port: u16) -> Value {
    tcp(port, &json!({"PrefixListIds": [{"PrefixListId": LIST}]}))
}

fn open_ssh() -> Value {
    groups_with(&json!([tcp(
        22,
        &json!({"IpRanges": [{"CidrIp": "0.0.0.0/0"}]})
    )]))
}

/// `page.json` is one page of a listing without findings.
fn folder() -> Folder {
    let private = tcp(443, &json!({"IpRanges": [{"CidrIp": "10.1.0.0/16"}]}));
    let calm = groups_with(&json!([private]));
    let mut page = calm.clone();
    page["NextToken"] = json!("eyJO");
    let mut projected = open_ssh();
    let group = projected["SecurityGroups"][0].as_object_mut().unwrap();
    let permissions = group.remove("IpPermissions").unwrap();
    group.insert("Rules".to_owned(), permissions);
    let live = "
version: 1
extends: baseline
exceptions:
  - id: bastion
    rules: [restricted-common-ports]
    match: { groups: [sg-0123456789abcdef0] }
    reason: The bastion, until the VPN is there.
    owner: edge-team
    expires: 2099-01-01T00:00:00Z # accept: no-expiry
";
    Folder::new()
        .with("open.json", open_ssh().to_string())
        .with("calm.json", calm.to_string())
        .with("page.json", page.to_string())
        .with("projected.json", projected.to_string())
        .with("live.yaml", live)
        .with("ssh.json", groups_with(&json!([from_list(22)])).to_string())
        .with(
            "web.json",
            groups_with(&json!([from_list(443)])).to_string(),
        )
}

fn error_codes(run: &Run) -> Vec<String> {
    let document = run.json();
    let errors = document["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_incomplete_input_is_never_clean() {
    let folder = folder();
    for (input, code) in [
        ("page.json", "truncated-listing"),
        ("projected.json", "group-unreadable"),
        ("ssh.json", "prefix-list-unresolved"),
    ] {
        let audit = folder.run(&format!("audit --input {input} --format json"));
        assert_eq!(
            (audit.code, error_codes(&audit)),
            (3, vec![code.to_owned()])
        );
        assert_eq!(audit.json()["complete"], false);
        for format in ["human", "asff", "ocsf"] {
            let run = folder.run(&format!("audit --input {input} --format {format}"));
            assert_eq!(run.code, 3, "{input} {format}");
            assert!(
                run.stderr.contains("could not be evaluated completely"),
                "{run:?}"
            );
        }
        let check = folder.run(&format!(
            "policy check live.yaml --input {input} --format json"
        ));
        let report = check.json();
        assert_eq!((check.code, &report["complete"]), (3, &json!(false)));
        assert_eq!(report["input_errors"][0]["code"], code);
        assert_eq!(report["stale_exceptions"], json!([]), "{input}");
    }
    let complete = folder.run("audit --input calm.json --format json");
    assert_eq!(
        (complete.code, &complete.json()["complete"]),
        (0, &json!(true))
    );
    let check = folder.run("policy check live.yaml --input calm.json --format json");
    assert_eq!(check.json()["stale_exceptions"], json!(["bastion"]));
    // Findings do not hide that the input is incomplete.
    let both = folder.run("audit --input open.json --input page.json --format json");
    assert_eq!(both.code, 3, "{both:?}");
    assert_eq!(both.json()["findings"].as_array().unwrap().len(), 1);
    let asff = folder.run("audit --input open.json --input page.json --format asff");
    assert_eq!(
        asff.json()[0]["ProductFields"]["portcullis/complete"],
        "false"
    );
}

#[test]
fn errors_of_inputs_have_commands_that_help() {
    let folder = folder();
    let mut transcripts = String::new();
    for args in [
        "audit --input page.json",
        "audit --input projected.json",
        "audit --input ssh.json",
        "policy check live.yaml --input page.json",
    ] {
        let run = folder.run(args);
        transcripts += &run.stdout;
        transcripts += &run.transcript(args);
    }
    insta::assert_snapshot!(transcripts);
}

#[test]
fn an_unresolved_list_that_cannot_decide_is_only_listed() {
    let run = folder().run("audit --input web.json --format json");
    assert_eq!((run.code, error_codes(&run).len()), (0, 0));
    assert_eq!(run.json()["unresolved_prefix_lists"], json!([LIST]));
}

#[test]
fn plans_with_incomplete_groups_are_incomplete() {
    let event = authorize_event("e-1", &json!({"groupId": "sg-0feed0feed0feed00"}));
    let folder = folder().with("event.json", event.to_string());
    for (input, codes) in [
        ("page.json", &["truncated-listing"][..]),
        ("projected.json", &["group-unreadable", "group-unreadable"]),
        ("ssh.json", &["prefix-list-unresolved"]),
    ] {
        let run = folder.run(&format!("plan event.json --input {input} --format json"));
        assert_eq!(
            (run.code, error_codes(&run)),
            (3, codes.iter().map(ToString::to_string).collect())
        );
        assert_eq!(run.json()["complete"], false);
    }
    let run = folder.run("plan event.json --input open.json --format json");
    assert_eq!((run.code, &run.json()["complete"]), (1, &json!(true)));
}

/// Everything that the AWS CLI prints of a prefix list resolves it.
#[test]
fn prefix_lists_come_in_further_inputs() {
    let halves = ["0.0.0.0/1", "128.0.0.0/1"];
    let entries = halves.map(|cidr| json!({"Cidr": cidr, "Description": "half"}));
    let folder = folder()
        .with(
            "lists.json",
            json!({"PrefixLists": [
                {"PrefixListId": LIST, "PrefixListName": "com.example.lab", "Cidrs": halves},
            ]})
            .to_string(),
        )
        .with("entries.json", json!({"Entries": entries}).to_string())
        .with(
            &format!("{LIST}.json"),
            json!({"Entries": entries}).to_string(),
        )
        .with(
            "managed.json",
            json!({"PrefixLists": [
                {"PrefixListId": LIST, "PrefixListName": "lab", "MaxEntries": 5, "Version": 1},
            ]})
            .to_string(),
        );
    let list_file = format!("{LIST}.json");
    for (list, code) in [
        ("lists.json", 1),
        ("entries.json", 1),
        (list_file.as_str(), 1),
        ("managed.json", 3),
        ("managed.json --input entries.json", 1),
    ] {
        let run = folder.run(&format!(
            "audit --input ssh.json --input {list} --format json"
        ));
        assert_eq!(run.code, code, "{list}: {run:?}");
        let findings = usize::from(code == 1);
        assert_eq!(
            run.json()["findings"].as_array().unwrap().len(),
            findings,
            "{list}"
        );
    }
}

/// The recipe of `docs/cli.md` that closes findings in Security Hub.
#[test]
fn findings_are_not_closed_after_an_incomplete_audit() {
    if std::process::Command::new("jq")
        .arg("--version")
        .output()
        .is_err()
    {
        return;
    }
    let page = std::fs::read_to_string(project("docs/cli.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|block| block.split("```").next());
    let recipe = blocks.find(|block| block.contains("closed.json")).unwrap();
    let closed = |groups: &str| {
        let folder = folder();
        let last = folder.run("audit --input open.json --format asff").stdout;
        let folder = folder.with("last.json", last);
        let binary = env!("CARGO_BIN_EXE_portcullis");
        let script = recipe
            .replace("portcullis audit", &format!("'{binary}' audit"))
            .replace("groups.json", groups);
        let run = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path(""))
            .output()
            .unwrap();
        assert!(folder.path("findings.json").exists(), "{run:?}");
        let text = std::fs::read_to_string(folder.path("closed.json")).ok()?;
        Some(
            serde_json::from_str::<Value>(&text)
                .unwrap()
                .as_array()
                .unwrap()
                .len(),
        )
    };
    assert_eq!(closed("calm.json"), Some(1));
    assert_eq!(closed("open.json"), Some(0));
    assert_eq!(closed("page.json"), None);
    assert_eq!(closed("projected.json"), None);
}

/// Two events, one of which opens `sg-0feed0feed0feed00`.
fn two_events() -> [Value; 2] {
    [
        authorize_event("e-1", &json!({"groupId": "sg-0feed0feed0feed00"})),
        cloudtrail_record("e-2", "DescribeInstances", &json!({})),
    ]
}

fn sns_message(record: &Value) -> Value {
    let event = json!({"detail-type": "AWS API Call via CloudTrail", "detail": record});
    json!({"Type": "Notification", "MessageId": "m", "Message": event.to_string()})
}

/// Each container with two events, by the name of a file.
fn containers() -> Vec<(&'static str, String)> {
    let events = two_events();
    let lines = events.iter().map(|event| format!("{event}\n"));
    let texts: Vec<_> = events.iter().map(ToString::to_string).collect();
    let each = |key: &str| -> Vec<_> { texts.iter().map(|text| json!({key: text})).collect() };
    let dated = texts
        .iter()
        .map(|text| format!("2026-10-05T08:00:00.123Z {text}\n"));
    let rows = texts.iter().map(
        |text| json!([{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": text}]),
    );
    let topic: Vec<_> = events
        .iter()
        .map(|event| json!({"MessageId": "m", "Body": sns_message(event).to_string()}))
        .collect();
    let records: Vec<_> = texts
        .iter()
        .map(|text| json!({"messageId": "m", "eventSource": "aws:sqs", "body": text}))
        .collect();
    let notifications: Vec<_> = events
        .iter()
        .map(|event| json!({"EventSource": "aws:sns", "Sns": sns_message(event)}))
        .collect();
    vec![
        ("array.json", json!(events).to_string()),
        ("trail.jsonl", lines.clone().collect()),
        ("trail.ndjson.gz", lines.collect()),
        ("pretty.json", format!("{:#}\n{:#}\n", events[0], events[1])),
        (
            "lookup.json",
            json!({"Events": each("CloudTrailEvent")}).to_string(),
        ),
        ("found.json", json!(each("CloudTrailEvent")).to_string()),
        ("queue.json", json!({"Messages": each("Body")}).to_string()),
        ("topic.json", json!({"Messages": topic}).to_string()),
        ("lambda.json", json!({"Records": records}).to_string()),
        ("sns.json", json!({"Records": notifications}).to_string()),
        (
            "filtered.json",
            json!({"events": each("message")}).to_string(),
        ),
        (
            "subscription.json",
            json!({"logEvents": each("message")}).to_string(),
        ),
        (
            "insights.json",
            json!({"results": rows.collect::<Vec<_>>()}).to_string(),
        ),
        ("000000.gz", dated.collect()),
        ("logs.json", json!([{"Records": events}]).to_string()),
    ]
}

fn with_container(folder: Folder, name: &str, content: &str) -> Folder {
    if name
        .rsplit_once('.')
        .is_some_and(|(_, extension)| extension == "gz")
    {
        folder.with(name, gzip(content.as_bytes()))
    } else {
        folder.with(name, content)
    }
}

#[test]
fn events_are_found_in_queues_and_logs() {
    for (name, content) in containers() {
        let folder = with_container(folder(), name, &content);
        let run = folder.run(&format!("plan {name} --input open.json --format json"));
        let plans = run.json();
        assert_eq!(run.code, 1, "{name}: {run:?}");
        assert_eq!(plans["plans"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(plans["plans"][0]["event"]["id"], "e-1", "{name}");
        assert_eq!(plans["history"]["events"], 2, "{name}");
    }
}

#[test]
fn folders_have_events_of_every_kind() {
    let config = json!({"fileVersion": "1.0", "configurationItems": []}).to_string();
    let mut all = folder()
        .with(
            "logs/111122223333_Config_eu-west-1_ConfigHistory_x.json.gz",
            "x",
        )
        .with("logs/config.json", config.as_str())
        .with("logs/111122223333_CloudTrail-Digest_x.json", "x")
        .with("logs/readme.txt", "x");
    let count = containers().len();
    for (name, content) in containers() {
        all = with_container(all, &format!("logs/{name}"), &content);
    }
    let run = all.run("plan logs --input open.json --format json");
    let history = &run.json()["history"];
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(
        (&history["files"], &history["events"]),
        (&json!(count), &json!(2 * count))
    );
    let skipped = json!([
        {"kind": "AWS Config snapshot or history", "files": 2},
        {"kind": "CloudTrail digest", "files": 1},
        {"kind": "other file", "files": 1},
    ]);
    assert_eq!(history["skipped_files"], skipped);
    let single = all.run("plan logs/config.json --input open.json");
    assert_eq!(single.code, 2);
    assert!(
        single
            .stderr
            .contains("is an AWS Config snapshot or history"),
        "{single:?}"
    );
}

#[test]
fn unreadable_events_are_errors_with_help() {
    let [opened, other] = two_events();
    let folder = folder()
        .with(
            "lines.jsonl",
            format!("{opened}\n{{\"eventVersion\":\n{other}\n"),
        )
        .with(
            "text.json",
            json!({"Messages": [{"Body": "hello"}]}).to_string(),
        )
        .with(
            "logs.json",
            json!({"awslogs": {"data": "H4sI"}}).to_string(),
        )
        .with("other.json", json!({"hello": "world"}).to_string())
        .with(
            "nested.json",
            format!("{}{opened}{}", "[".repeat(20), "]".repeat(20)),
        );
    let mut transcripts = String::new();
    for name in [
        "lines.jsonl",
        "text.json",
        "logs.json",
        "other.json",
        "nested.json",
    ] {
        let args = format!("plan {name} --input open.json");
        let run = folder.run(&args);
        assert_eq!(run.code, 2, "{name}");
        transcripts += &run.transcript(&args);
    }
    insta::assert_snapshot!(transcripts);
    let lines = folder.run("plan lines.jsonl --input open.json --format json");
    assert_eq!(lines.json()["plans"].as_array().unwrap().len(), 1);
    assert_eq!(lines.json()["errors"][0]["path"], "line 2");
}

#[test]
fn a_name_that_several_groups_have_is_the_one_in_the_default_vpc() {
    let group = |id: &str, vpc: &str| {
        json!({"GroupId": id, "GroupName": "default",
        "VpcId": vpc, "IpPermissions": []})
    };
    let groups = json!({"SecurityGroups": [group("sg-1", "vpc-1"), group("sg-2", "vpc-2")]});
    let event = authorize_event("e-1", &json!({"groupName": "default"}));
    let folder = folder()
        .with("event.json", event.to_string())
        .with("groups.json", groups.to_string());
    let run = folder.run("plan event.json --input groups.json");
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.stderr);
}

#[test]
fn keys_of_tags_may_be_patterns() {
    let mut groups = open_ssh();
    let tags = json!([{"Key": "kubernetes.io/cluster/blue", "Value": "owned"}]);
    groups["SecurityGroups"][0]["Tags"] = tags;
    let policy = "
version: 1
extends: baseline
exceptions:
  - id: clusters
    rules: [restricted-common-ports]
    match: { tags: { 'kubernetes.io/cluster/*': owned } }
    reason: Nodes of the clusters.
    owner: platform
    expires: 2099-01-01T00:00:00Z # accept: no-expiry
    self_service: true
";
    let folder = folder()
        .with("groups.json", groups.to_string())
        .with("policy.yaml", policy);
    let run = folder.run("audit --input groups.json --policy policy.yaml --format json");
    assert_eq!(
        (run.code, &run.json()["findings"][0]["exempt"]),
        (0, &json!("clusters"))
    );
}
