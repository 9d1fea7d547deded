//! The exported findings of the real CLI, validated by the schema and the models of other projects.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::{PythonEnv, Requirements, binary, workspace_root};
use serde_json::{Value, json};

/// A policy with an exception for one of the groups.
const EXEMPT: &str = "
version: 1
extends: baseline
exceptions:
  - id: bastion
    rules: [restricted-common-ports]
    match: { groups: [sg-0aaaaaaaaaaaaaaaa] }
    reason: The bastion, until the VPN is there.
    owner: edge-team
    expires: 2027-01-01T00:00:00Z
";

/// The findings of all presets, of a policy with an exception, and of a group with tags and without
/// a name. Each test uses its own files, because tests run in parallel.
fn findings(test: &str) -> Result<Vec<Value>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (exempt, tagged) = (
        folder.join(format!("{test}.yaml")),
        folder.join(format!("{test}.json")),
    );
    fs::write(&exempt, EXEMPT)?;
    let open = json!([{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]);
    let tags = json!([{"Key": "team", "Value": ""}]);
    let group = json!({"GroupId": "sg-1", "Tags": tags, "IpPermissions": open});
    fs::write(&tagged, json!({"SecurityGroups": [group]}).to_string())?;
    let groups = workspace_root().join("crates/cli/tests/inputs/groups.json");
    let mut all = Vec::new();
    for policy in [
        "preset:baseline",
        "preset:hipaa",
        "preset:web-only",
        "preset:monitor",
        &exempt.to_string_lossy(),
    ] {
        all.extend(audit(&groups, policy)?);
    }
    all.extend(audit(&tagged, "preset:baseline")?);
    Ok(all)
}

fn audit(groups: &Path, policy: &str) -> Result<Vec<Value>> {
    let place = [
        "--region",
        "eu-central-1",
        "--account",
        "111122223333",
        "--now",
        "2026-11-21T12:00:00Z",
    ];
    let mut command = Command::new(binary("portcullis")?);
    let output = command
        .args(["audit", "--format", "ocsf", "--policy", policy, "--input"])
        .arg(groups)
        .args(place)
        .output()?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs `tests/local-aws/ocsf.py`, which validates findings.
fn validate(findings: &[Value]) -> Result<Output> {
    let mut python = PythonEnv::install(Requirements::LocalAws)?.command();
    python.arg(workspace_root().join("tests/local-aws/ocsf.py"));
    let mut child = python
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    // If the script could not start, its output explains more than the error of the pipe.
    let written = input.write_all(&serde_json::to_vec(findings)?);
    drop(input);
    let output = child.wait_with_output()?;
    written.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(output)
}

#[test]
fn ocsf_findings_match_the_schema_and_the_models_of_prowler() -> Result<()> {
    let all = findings("formats-valid")?;
    ensure!(all.len() > 50, "only {} findings", all.len());
    ensure!(
        all.iter().any(|finding| finding["status"] == "Suppressed"),
        "no finding is exempt"
    );
    let output = validate(&all)?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(
        String::from_utf8_lossy(&output.stdout).trim() == all.len().to_string(),
        "{output:?}"
    );
    Ok(())
}

/// Without this, a check that accepts everything would pass the test above.
#[test]
fn invalid_findings_are_rejected() -> Result<()> {
    let all = findings("formats-invalid")?;
    let valid = all.first().context("no findings")?;
    let invalid = [
        ("/severty", json!("High"), "severty"),
        ("/severity", json!("Low"), "severity_id: 4 is High"),
        ("/time", json!("2026-11-21T12:00:00Z"), "$.time"),
        ("/compliance/status_id", json!(7), "$.compliance.status_id"),
        ("/metadata/product", Value::Null, "$.metadata"),
        (
            "/resources/0/owner/kind",
            json!("x"),
            "$.resources[0].owner",
        ),
        (
            "/resource",
            valid["resources"][0].clone(),
            "resource is deprecated",
        ),
        ("/cloud/provider", Value::Null, "$.cloud"),
    ];
    for (path, value, error) in invalid {
        let (parent, key) = path.rsplit_once('/').context("no path")?;
        let mut finding = valid.clone();
        let object = finding
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .context(path)?;
        let _ = if value.is_null() {
            object.remove(key)
        } else {
            object.insert(key.to_owned(), value)
        };
        let output = validate(&[finding])?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.code() == Some(1) && text.contains(error),
            "{path}: {output:?}"
        );
    }
    Ok(())
}
