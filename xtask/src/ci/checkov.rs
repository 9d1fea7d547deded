//! Security checks of the translated template by checkov. Its findings must be exactly those that
//! template.yaml explains.
//!
//! An explanation is in the `Metadata` of its resource (`checkov`, `skip`), where checkov looks for
//! it. Here the explanations are removed before checkov runs and then compared with its findings,
//! so an explanation that is no longer needed is found, too. A defect is added on purpose, so that
//! a run that checks nothing cannot pass.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{PythonEnv, Requirements};
use serde_json::{Value, json};

/// A resource of the template and the check that it does not pass.
type Finding = (String, String);

/// The defect that must be found: a topic without encryption.
const PLANTED: (&str, &str) = ("PlantedDefect", "CKV_AWS_26");

/// Prefixes of the variables that configure checkov: another framework, skipped checks, an account.
const SETTINGS: [&str; 4] = ["BC_", "CHECKOV_", "CKV_", "PRISMA_"];

/// Checks a translated template. `home` is a directory for this check alone.
pub(super) fn check(translated: &Path, home: &Path) -> Result<()> {
    let text =
        fs::read(translated).with_context(|| format!("cannot read {}", translated.display()))?;
    let mut template: Value = serde_json::from_slice(&text)?;
    let explained = take_explanations(&mut template)?;
    plant_defect(&mut template)?;
    fs::create_dir_all(home).with_context(|| format!("cannot create {}", home.display()))?;
    fs::write(home.join("template.json"), template.to_string())?;
    let found = parse_findings(&run_checkov(home)?)?;
    let differences = compare(&explained, &found);
    ensure!(
        differences.is_empty(),
        "the findings of checkov and the explanations in template.yaml differ:\n  {}",
        differences.join("\n  ")
    );
    let known = found.len().saturating_sub(1);
    anstream::println!("template.yaml: checkov found only the {known} findings that are explained");
    Ok(())
}

fn resources(template: &mut Value) -> Result<&mut serde_json::Map<String, Value>> {
    template
        .get_mut("Resources")
        .and_then(Value::as_object_mut)
        .context("the template has no resources")
}

/// Removes the explanations from a template and returns them.
fn take_explanations(template: &mut Value) -> Result<BTreeSet<Finding>> {
    let mut explained = BTreeSet::new();
    for (id, resource) in resources(template)? {
        let metadata = resource.get_mut("Metadata").and_then(Value::as_object_mut);
        let Some(checkov) = metadata.and_then(|metadata| metadata.remove("checkov")) else {
            continue;
        };
        let skips = checkov.get("skip").and_then(Value::as_array);
        for skip in skips.with_context(|| format!("{id}: `checkov` has no list `skip`"))? {
            let check = text_field(skip, "id")
                .with_context(|| format!("{id}: an entry of `skip` has no `id`"))?;
            let comment = text_field(skip, "comment").unwrap_or_default();
            ensure!(
                !comment.trim().is_empty(),
                "{id}: {check} is skipped without a `comment`: say why"
            );
            ensure!(
                explained.insert((id.clone(), check.to_owned())),
                "{id}: {check} is skipped twice"
            );
        }
    }
    Ok(explained)
}

fn plant_defect(template: &mut Value) -> Result<()> {
    let topic = json!({"Type": "AWS::SNS::Topic", "Properties": {}});
    let previous = resources(template)?.insert(PLANTED.0.to_owned(), topic);
    ensure!(
        previous.is_none(),
        "template.yaml must not have a resource named {}",
        PLANTED.0
    );
    Ok(())
}

/// The output of checkov. It looks for settings in its home and its working directory, so both are
/// `home`. With `--skip-download` it needs no network.
fn run_checkov(home: &Path) -> Result<Value> {
    let python = PythonEnv::install(Requirements::Checkov)?;
    let mut command = python.module("checkov.main");
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if SETTINGS.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
        .env("HOME", home)
        .env("CKV_SKIP_PACKAGE_UPDATE_CHECK", "true")
        .env_remove("LOG_LEVEL");
    command.args(["--file", "template.json", "--framework", "cloudformation"]);
    // With `--soft-fail`, findings are not an error.
    command.args(["--output", "json", "--skip-download", "--soft-fail"]);
    command.arg("--quiet").current_dir(home);
    json_output(&mut command)
}

/// What a command prints, as JSON. An error contains all its output.
fn json_output(command: &mut Command) -> Result<Value> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("checkov failed: {}\n{}", output.status, all_output(&output));
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("checkov did not print JSON\n{}", all_output(&output)))
}

fn all_output(output: &Output) -> String {
    let bytes = [output.stderr.as_slice(), &output.stdout].concat();
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// The findings in checkov's output, each with the description of the check.
fn parse_findings(output: &Value) -> Result<BTreeMap<Finding, String>> {
    let errors = output
        .pointer("/summary/parsing_errors")
        .and_then(Value::as_u64);
    ensure!(
        errors == Some(0),
        "checkov could not parse the template: {output}"
    );
    let failed = output
        .pointer("/results/failed_checks")
        .and_then(Value::as_array)
        .context("checkov printed no list of failed checks")?;
    failed.iter().map(parse_finding).collect()
}

fn parse_finding(check: &Value) -> Result<(Finding, String)> {
    let [resource, id, description] = ["resource", "check_id", "check_name"].map(|name| {
        text_field(check, name).with_context(|| format!("a failed check has no `{name}`: {check}"))
    });
    let resource = resource?;
    let logical_id = resource.rsplit('.').next().unwrap_or(resource);
    let finding = (logical_id.to_owned(), id?.to_owned());
    Ok((finding, description?.to_owned()))
}

fn text_field<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// The differences between the explanations and the findings.
fn compare(explained: &BTreeSet<Finding>, found: &BTreeMap<Finding, String>) -> Vec<String> {
    let planted = (PLANTED.0.to_owned(), PLANTED.1.to_owned());
    let mut differences = Vec::new();
    for (finding, description) in found {
        if *finding != planted && !explained.contains(finding) {
            let (id, check) = finding;
            differences.push(format!(
                "{id}: {check}: {description}: fix it, or explain it in the resource's Metadata"
            ));
        }
    }
    for explanation in explained {
        if !found.keys().any(|finding| explains(explanation, finding)) {
            let (id, check) = explanation;
            differences.push(format!(
                "{id}: {check} is explained but was not found: remove the explanation"
            ));
        }
    }
    if !found.contains_key(&planted) {
        differences.push("the planted defect was not found".to_owned());
    }
    differences
}

/// Whether an explanation is for this finding. SAM copies the Metadata of a resource to the
/// resources that it generates, whose names start with the name of the original.
fn explains((id, check): &Finding, (found, failed): &Finding) -> bool {
    check == failed && (id.starts_with(found) || found.starts_with(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding((id, check): (&str, &str)) -> Finding {
        (id.to_owned(), check.to_owned())
    }

    fn differences(explained: &[(&str, &str)], found: &[(&str, &str)]) -> Vec<String> {
        let explained = explained.iter().copied().map(finding).collect();
        let found = found.iter().map(|&one| (finding(one), "Ensure".to_owned()));
        compare(&explained, &found.collect())
    }

    #[test]
    fn explained_findings_pass() {
        assert_eq!(
            differences(
                &[("Queue", "CKV_AWS_27")],
                &[("Queue", "CKV_AWS_27"), PLANTED]
            ),
            [""; 0]
        );
    }

    #[test]
    fn an_explanation_covers_the_resources_that_sam_generates() {
        let explained = [("Function", "CKV_AWS_116"), ("FunctionRole", "CKV_AWS_116")];
        assert_eq!(
            differences(&explained, &[("Function", "CKV_AWS_116"), PLANTED]),
            [""; 0]
        );
    }

    #[test]
    fn an_unexplained_finding_is_reported_with_its_description() {
        let found = [("Queue", "CKV_AWS_27"), ("Other", "CKV_AWS_27"), PLANTED];
        assert_eq!(
            differences(&[("Queue", "CKV_AWS_27")], &found),
            ["Other: CKV_AWS_27: Ensure: fix it, or explain it in the resource's Metadata"]
        );
    }

    #[test]
    fn an_unused_explanation_and_a_missed_defect_are_reported() {
        assert_eq!(
            differences(&[("Queue", "CKV_AWS_27")], &[]),
            [
                "Queue: CKV_AWS_27 is explained but was not found: remove the explanation",
                "the planted defect was not found",
            ]
        );
    }

    fn explained_template(comment: &str) -> Value {
        let skip = json!([{"id": "CKV_AWS_27", "comment": comment}]);
        let metadata = json!({"BuildMethod": "x", "checkov": {"skip": skip}});
        json!({"Resources": {"Queue": {"Metadata": metadata}, "Other": {}}})
    }

    #[test]
    fn explanations_are_removed_and_need_a_comment() {
        let mut template = explained_template("because");
        assert_eq!(
            take_explanations(&mut template).unwrap(),
            BTreeSet::from([finding(("Queue", "CKV_AWS_27"))])
        );
        assert_eq!(
            template["Resources"]["Queue"]["Metadata"],
            json!({"BuildMethod": "x"})
        );
        let error = take_explanations(&mut explained_template(" ")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Queue: CKV_AWS_27 is skipped without a `comment`: say why"
        );
    }

    fn checkov_output(errors: u64) -> Value {
        let check = json!({
            "check_id": "CKV_AWS_27",
            "check_name": "Ensure",
            "resource": "AWS::SQS::Queue.Queue",
        });
        json!({"summary": {"parsing_errors": errors}, "results": {"failed_checks": [check]}})
    }

    #[test]
    fn a_template_that_could_not_be_parsed_is_an_error() {
        let found = BTreeMap::from([(finding(("Queue", "CKV_AWS_27")), "Ensure".to_owned())]);
        assert_eq!(parse_findings(&checkov_output(0)).unwrap(), found);
        parse_findings(&checkov_output(1)).unwrap_err();
        // What checkov prints when it found no resource at all.
        parse_findings(&json!({"passed": 0, "failed": 0, "parsing_errors": 0})).unwrap_err();
    }
}
