//! `portcullis audit --format csv` and `--format html`.

use std::collections::BTreeSet;

use crate::audit_view::{AUDIT, folder};

#[test]
fn csv_for_spreadsheets() {
    let run = folder().run(&format!("{AUDIT} --format csv"));
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let records = parse_csv(&run.stdout);
    assert!(records.iter().all(|record| record.len() == 18));
    let json = folder().run(&format!("{AUDIT} --format json")).json();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(records.len(), findings.len() + 1);
    for record in &records {
        for cell in record {
            assert!(!cell.starts_with(['=', '+', '@', '\t', '\r']), "{cell}");
        }
    }
    insta::assert_snapshot!(run.stdout);
}

/// A parser for RFC 4180.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
        let mut cells = vec![String::new()];
        let mut is_quoted = false;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let cell = cells.last_mut().unwrap();
            match c {
                '"' if is_quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(String::new()),
                _ => cell.push(c),
            }
        }
        assert!(!is_quoted, "{line}");
        records.push(cells);
    }
    records
}

#[test]
fn a_page_to_read_and_file() {
    let run = folder().run(&format!("{AUDIT} --format html"));
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let (_, body) = run.stdout.split_once("</style>").unwrap();
    check_elements(body);
    for reference in [
        "<script",
        "<link",
        "<img",
        "src=",
        "url(",
        "@import",
        "href=\"http",
    ] {
        assert!(!run.stdout.contains(reference), "{reference}");
    }
    assert!(body.contains("&lt;script&gt;"), "names are escaped");
    insta::assert_snapshot!(body);
}

#[test]
fn a_page_of_an_incomplete_audit_says_so_first() {
    let folder = folder().with(
        "bad.json",
        r#"{"SecurityGroups": [{"GroupId": "sg-<b>", "IpPermissions": [{"IpProtocol": "x"}]}]}"#,
    );
    let run = folder.run(&format!("{AUDIT} --input bad.json --format html"));
    assert_eq!(run.code, 3);
    let (_, body) = run.stdout.split_once("</style>").unwrap();
    check_elements(body);
    let warning = body.find("This audit is incomplete").unwrap();
    assert!(warning < body.find("critical").unwrap());
    assert!(body.contains("sg-&lt;b&gt;"), "{body}");
    let filtered = folder.run(&format!("{AUDIT} --format html --severity high"));
    assert!(
        filtered
            .stdout
            .contains("shows only a part of the findings"),
        "{}",
        filtered.stdout
    );
}

/// Checks that elements are closed in the right order, and that ids are unique and links lead to
/// them.
fn check_elements(body: &str) {
    let mut open = Vec::new();
    let mut ids = BTreeSet::new();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag.split_whitespace().next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            let expected = open.pop();
            if closed != "head" && closed != "html" {
                assert_eq!(expected, Some(closed), "{tag}");
            }
        } else {
            open.push(name);
        }
        if let Some((_, id)) = tag.split_once(" id=\"") {
            let id = id.split('"').next().unwrap();
            assert!(ids.insert(id), "{id}");
        }
    }
    for link in body.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap();
        assert!(ids.contains(target), "{target}");
    }
}
