//! `portcullis plan` with many events.

use crate::common::{Folder, gzip};
use crate::plan::{authorize_event, cloudtrail_record};
use serde_json::{Value, json};

const GROUPS: &str = include_str!("inputs/groups.json");
const WEB: &str = "sg-0aaaaaaaaaaaaaaaa";
const DAY: &str = "AWSLogs/111122223333/CloudTrail/eu-central-1/2026/04";

fn with_time(time: &str, mut record: Value) -> Value {
    record["eventTime"] = json!(time);
    record
}

fn opening_event(id: &str, group: &str, time: &str) -> Value {
    with_time(time, authorize_event(id, &json!({"groupId": group})))
}

fn log_file(records: &[Value]) -> String {
    json!({"Records": records}).to_string()
}

/// Two log files of a month. The first events are in the second file, and one event is in both.
fn month_of_logs() -> [Vec<Value>; 2] {
    let mut read_only = cloudtrail_record("o-1", "DescribeInstances", &json!({}));
    read_only["responseElements"] = Value::Null;
    let mut other_service = cloudtrail_record("o-2", "GetObject", &json!({}));
    other_service["eventSource"] = json!("s3.amazonaws.com");
    let mut failed = authorize_event("f-1", &json!({"groupId": WEB}));
    failed["errorCode"] = json!("Client.UnauthorizedOperation");
    let list = json!({"ModifyManagedPrefixListRequest": {"PrefixListId": "pl-unused", "AddEntry": {"Cidr": "10.0.0.0/8"}}});
    let list_event = cloudtrail_record("e-6", "ModifyManagedPrefixList", &list);
    let duplicate = opening_event("e-3", WEB, "2026-04-17T12:00:00Z");
    let first_file = vec![
        duplicate.clone(),
        read_only,
        failed,
        opening_event("e-4", "sg-0gone", "2026-04-17T12:30:00Z"),
    ];
    let second_file = vec![
        opening_event("e-2", "sg-0cccccccccccccccc", "2026-04-17T10:00:00Z"),
        opening_event("e-1", WEB, "2026-04-17T09:00:00Z"),
        duplicate,
        other_service,
        opening_event("e-5", "sg-0gone", "2026-04-18T00:00:00Z"),
        with_time("2026-04-18T01:00:00Z", list_event),
    ];
    [first_file, second_file]
}

/// `trail` has the logs of a month, `broken` has invalid files.
fn folder() -> Folder {
    let [first_file, second_file] = month_of_logs();
    let web_event = opening_event("e-1", WEB, "2026-04-17T09:00:00Z");
    let early_event = opening_event("e-2", WEB, "2026-04-17T08:00:00Z");
    let gone_event = opening_event("e-1", "sg-0gone", "2026-04-17T09:00:00Z");
    let closed = json!({"SecurityGroups": [{"GroupId": "sg-0gone", "IpPermissions": []}]});
    Folder::new()
        .with("groups.json", GROUPS)
        .with("calm.json", closed.to_string())
        .with(
            &format!("trail/{DAY}/17/a_1200Z.json.gz"),
            gzip(log_file(&first_file).as_bytes()),
        )
        .with(
            &format!("trail/{DAY}/18/b_0100Z.json"),
            log_file(&second_file),
        )
        .with(
            &format!("trail/{DAY}/18/111122223333_CloudTrail-Digest_eu-central-1.json"),
            r#"{"digestS3Bucket": "b"}"#,
        )
        .with(&format!("trail/{DAY}/18/notes.txt"), "not a log")
        .with("broken/a.json", log_file(std::slice::from_ref(&web_event)))
        .with("broken/b.json", "{\"Records\": [")
        .with("broken/c.json.gz", &gzip(log_file(&[]).as_bytes())[..12])
        .with("broken/d.json", r#"{"hello": "world"}"#)
        .with("broken/e.json", log_file(&[early_event, json!(7)]))
        .with("gone/a.json", log_file(&[gone_event]))
        .with("nothing/readme.txt", "")
        .with("beside/groups.json", GROUPS)
        .with("beside/log.json", log_file(&[web_event]))
}

fn event_ids(plans: &Value, key: &str) -> Vec<String> {
    let entries = plans[key].as_array().unwrap().iter();
    entries
        .map(|entry| entry["event"]["id"].as_str().unwrap_or("-").to_owned())
        .collect()
}

#[test]
fn human_readable_history() {
    let run = folder().run("plan trail --input groups.json");
    assert!(!run.stdout.contains("Would send"), "{run:?}");
    insta::assert_snapshot!(run.text());
}

#[test]
fn json_history() {
    let run = folder().run("plan trail --input groups.json --format json");
    let mut plans = run.json();
    assert_eq!(event_ids(&plans, "plans"), ["e-1", "e-2", "e-3"]);
    assert!(
        plans["plans"]
            .as_array()
            .unwrap()
            .iter()
            .all(|plan| plan["outcome"] == "reported" || plan["message"]["text"].is_string())
    );
    plans["plans"] = json!("...");
    insta::assert_snapshot!(format!(
        "exit code {}\n{}",
        run.code,
        serde_json::to_string_pretty(&plans).unwrap()
    ));
}

#[test]
fn several_files_are_one_history() {
    let folder = folder();
    let day = format!("trail/{DAY}");
    let history = |paths: &str| {
        let args = format!("plan {paths} --input groups.json --format json");
        let mut plans = folder.run(&args).json();
        plans["history"]["skipped_files"] = json!("...");
        plans
    };
    let expected = history("trail");
    for paths in [
        format!("{day}/18/b_0100Z.json {day}/17/a_1200Z.json.gz"),
        format!("{day}/17 {day}/18"),
        format!("{day}/17/a_1200Z.json.gz {day}/18"),
    ] {
        assert_eq!(history(&paths), expected, "{paths}");
    }
}

#[test]
fn invalid_files_do_not_stop_the_others() {
    let folder = folder();
    let run = folder.run("plan broken --input groups.json --format json");
    let plans = run.json();
    assert_eq!(event_ids(&plans, "plans"), ["e-2", "e-1"]);
    insta::assert_snapshot!(format!(
        "{}{}",
        run.transcript("plan broken"),
        serde_json::to_string_pretty(&plans["errors"]).unwrap()
    ));
}

#[test]
fn only_the_first_errors_are_printed() {
    let records: Vec<_> = (0..500).map(|number| json!(number)).collect();
    let run = folder()
        .with("bad.json", log_file(&records))
        .run("plan bad.json --input groups.json --format json");
    assert_eq!(run.json()["errors"].as_array().unwrap().len(), 500);
    assert!(
        run.stderr.lines().count() < 20 && run.stderr.contains("and 490 more errors"),
        "{}",
        run.stderr
    );
}

#[test]
fn exit_codes() {
    let folder = folder();
    folder.assert_exit_codes(&[
        ("plan trail --input groups.json", 1),
        ("plan trail --input calm.json", 0),
        ("plan broken --input groups.json", 2),
        // No group of the events is in the input.
        ("plan gone --input groups.json", 2),
        ("plan gone --input calm.json", 0),
        ("plan nothing --input groups.json", 2),
        ("plan trail not-there --input groups.json", 3),
        ("plan - - --input -", 2),
        // A file of groups in the folder of logs is skipped.
        ("plan beside --input beside/groups.json", 1),
        ("plan beside --input groups.json", 2),
    ]);
}

#[test]
fn errors_have_help() {
    let folder = folder();
    let mut transcripts = String::new();
    for args in [
        "plan gone --input groups.json",
        "plan nothing --input groups.json",
        "plan x trail --input groups.json",
    ] {
        transcripts += &folder.run(args).transcript(args);
    }
    insta::assert_snapshot!(transcripts);
}

/// Only events about security groups are kept in memory.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_number_of_files() {
    let other = cloudtrail_record(
        "o",
        "DescribeInstances",
        &json!({"filler": "x".repeat(2000)}),
    );
    let records: Vec<_> = (0..2000).map(|_| other.clone()).collect();
    let packed = gzip(log_file(&records).as_bytes());
    let peak = |files: usize| {
        let mut folder = folder();
        for number in 0..files {
            folder = folder.with(&format!("big/{number}.json.gz"), &packed);
        }
        let mut command = folder.command("plan big --input groups.json");
        let mut child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0_u64;
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(kilobytes.unwrap_or(0));
        }
        peak
    };
    let (two, ten) = (peak(2), peak(10));
    assert!(
        ten < two + two / 2,
        "{two} kB for two files, {ten} kB for ten"
    );
}
