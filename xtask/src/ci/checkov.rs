//! Security checks by checkov of what AWS will deploy: what it finds is what template.yaml explains, no more and no less.
//!
//! An explanation stands beside its resource (`Metadata`, `checkov`, `skip`), where checkov itself finds it when somebody
//! runs it by hand. Here the explanations are taken out before checkov looks, and compared with what it says: so one that
//! explains nothing any more is found too, and a run that sees nothing cannot pass. One defect is put in for that as well.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{PythonEnv, Requirements};
use serde_json::{Value, json};

/// A resource of the template and the check that it does not pass.
type Finding = (String, String);

/// A topic without encryption, which must be found.
const PLANTED: (&str, &str) = ("PlantedDefect", "CKV_AWS_26");

/// Beginnings of the variables that checkov takes settings from: another framework, skipped checks, an account.
const SETTINGS: [&str; 4] = ["BC_", "CHECKOV_", "CKV_", "PRISMA_"];

/// Checks a translated template. `home` is a directory for this alone.
pub(super) fn check(translated: &Path, home: &Path) -> Result<()> {
    let text =
        fs::read(translated).with_context(|| format!("cannot read {}", translated.display()))?;
    let mut template: Value = serde_json::from_slice(&text)?;
    let explained = take_explanations(&mut template)?;
    plant(&mut template)?;
    fs::create_dir_all(home).with_context(|| format!("cannot create {}", home.display()))?;
    fs::write(home.join("template.json"), template.to_string())?;
    let found = findings(&run(home)?)?;
    let complaints = complaints(&explained, &found);
    ensure!(
        complaints.is_empty(),
        "checkov and template.yaml disagree:\n  {}",
        complaints.join("\n  ")
    );
    let known = found.len().saturating_sub(1);
    anstream::println!(
        "template.yaml: checkov finds nothing but the {known} things that are explained"
    );
    Ok(())
}

/// Takes the explanations out of a template.
fn take_explanations(template: &mut Value) -> Result<BTreeSet<Finding>> {
    let mut explained = BTreeSet::new();
    let resources = template
        .get_mut("Resources")
        .and_then(Value::as_object_mut)
        .context("no resources")?;
    for (id, resource) in resources {
        let Some(metadata) = resource.get_mut("Metadata").and_then(Value::as_object_mut) else {
            continue;
        };
        let Some(checkov) = metadata.remove("checkov") else {
            continue;
        };
        let skips = checkov.get("skip").and_then(Value::as_array);
        for skip in skips.with_context(|| format!("{id}: `checkov` without a list `skip`"))? {
            let check =
                text(skip, "id").with_context(|| format!("{id}: an explanation without `id`"))?;
            let is_said = text(skip, "comment").is_some_and(|comment| !comment.trim().is_empty());
            ensure!(
                is_said,
                "{id}: {check} is skipped, and no `comment` says why"
            );
            ensure!(
                explained.insert((id.clone(), check.to_owned())),
                "{id}: {check} is explained twice"
            );
        }
    }
    Ok(explained)
}

fn plant(template: &mut Value) -> Result<()> {
    let resources = template
        .get_mut("Resources")
        .and_then(Value::as_object_mut)
        .context("no resources")?;
    let before = resources.insert(
        PLANTED.0.to_owned(),
        json!({"Type": "AWS::SNS::Topic", "Properties": {}}),
    );
    ensure!(
        before.is_none(),
        "template.yaml has a resource of the name {}",
        PLANTED.0
    );
    Ok(())
}

/// What checkov says. It looks for settings in its home and where it runs, so both are a directory of ours, and it asks
/// nobody: `--skip-download` is all that it would want from outside.
fn run(home: &Path) -> Result<Value> {
    let python = PythonEnv::install(Requirements::Checkov)?;
    let mut command = python.module("checkov.main");
    let set = env::vars_os().map(|(name, _)| name);
    for name in set.filter(|name| {
        SETTINGS
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
    }) {
        command.env_remove(name);
    }
    command
        .env("HOME", home)
        .env("CKV_SKIP_PACKAGE_UPDATE_CHECK", "true")
        .env_remove("LOG_LEVEL");
    // A finding is no error of checkov's: what it means is decided here.
    command.args([
        "--file",
        "template.json",
        "--framework",
        "cloudformation",
        "--output",
        "json",
    ]);
    command
        .args(["--skip-download", "--soft-fail", "--quiet"])
        .current_dir(home);
    json_of(&mut command)
}

/// What a command prints, as JSON; what else it said is in the error.
fn json_of(command: &mut Command) -> Result<Value> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = || {
        [
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout),
        ]
        .concat()
    };
    if !output.status.success() {
        bail!(
            "checkov ended with {}\n{}",
            output.status,
            said().trim_end()
        );
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("checkov gave no JSON\n{}", said().trim_end()))
}

/// Findings of checkov's answer, with its words.
fn findings(answer: &Value) -> Result<BTreeMap<Finding, String>> {
    let unread = answer
        .pointer("/summary/parsing_errors")
        .and_then(Value::as_u64);
    ensure!(
        unread == Some(0),
        "checkov did not understand the template: {answer}"
    );
    let failed = answer
        .pointer("/results/failed_checks")
        .and_then(Value::as_array)
        .context("no list of failed checks")?;
    let finding = |check: &Value| {
        let said = |name| {
            text(check, name).with_context(|| format!("a failed check without `{name}`: {check}"))
        };
        let resource = said("resource")?;
        let id = resource.rsplit('.').next().unwrap_or(resource);
        Ok((
            (id.to_owned(), said("check_id")?.to_owned()),
            said("check_name")?.to_owned(),
        ))
    };
    failed.iter().map(finding).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// Where the explanations and the findings differ.
fn complaints(explained: &BTreeSet<Finding>, found: &BTreeMap<Finding, String>) -> Vec<String> {
    let planted = (PLANTED.0.to_owned(), PLANTED.1.to_owned());
    let unexplained = found
        .iter()
        .filter(|(finding, _)| **finding != planted && !explained.contains(*finding));
    let unexplained = unexplained.map(|((id, check), words)| {
        format!("{id}: {check}: {words}: repair it, or say in its Metadata why it shall be so")
    });
    let idle = explained
        .iter()
        .filter(|finding| !found.keys().any(|found| is_about(finding, found)));
    let idle = idle.map(|(id, check)| {
        format!("{id}: {check} is explained and not found: remove the explanation")
    });
    let blind = (!found.contains_key(&planted))
        .then(|| "the defect that was put in was not found".to_owned());
    unexplained.chain(idle).chain(blind).collect()
}

/// Whether an explanation is of this finding. SAM copies the Metadata of a resource to those that it makes of it, and
/// begins their names with its name.
fn is_about((id, check): &Finding, (found, failed): &Finding) -> bool {
    check == failed && (id.starts_with(found) || found.starts_with(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding((id, check): (&str, &str)) -> Finding {
        (id.to_owned(), check.to_owned())
    }

    fn compare(explained: &[(&str, &str)], found: &[(&str, &str)]) -> Vec<String> {
        let explained = explained.iter().copied().map(finding).collect();
        complaints(
            &explained,
            &found
                .iter()
                .map(|&one| (finding(one), "Ensure".to_owned()))
                .collect(),
        )
    }

    #[test]
    fn what_is_found_and_explained_is_good() {
        assert_eq!(
            compare(
                &[("Queue", "CKV_AWS_27")],
                &[("Queue", "CKV_AWS_27"), PLANTED]
            ),
            [""; 0]
        );
    }

    #[test]
    fn what_sam_makes_of_a_resource_carries_its_explanations() {
        let explained = [("Function", "CKV_AWS_116"), ("FunctionRole", "CKV_AWS_116")];
        assert_eq!(
            compare(&explained, &[("Function", "CKV_AWS_116"), PLANTED]),
            [""; 0]
        );
    }

    #[test]
    fn a_finding_that_nobody_explains_is_told_with_the_words_of_the_check() {
        let complaints = compare(
            &[("Queue", "CKV_AWS_27")],
            &[("Queue", "CKV_AWS_27"), ("Other", "CKV_AWS_27"), PLANTED],
        );
        assert_eq!(
            complaints,
            ["Other: CKV_AWS_27: Ensure: repair it, or say in its Metadata why it shall be so"]
        );
    }

    #[test]
    fn an_explanation_of_nothing_and_a_blind_run_are_told() {
        let complaints = compare(&[("Queue", "CKV_AWS_27")], &[]);
        assert_eq!(
            complaints,
            [
                "Queue: CKV_AWS_27 is explained and not found: remove the explanation",
                "the defect that was put in was not found",
            ]
        );
    }

    #[test]
    fn explanations_are_taken_out_and_need_words() {
        let template = |comment: &str| {
            let skip = json!([{"id": "CKV_AWS_27", "comment": comment}]);
            json!({"Resources": {"Queue": {"Metadata": {"BuildMethod": "x", "checkov": {"skip": skip}}}, "Other": {}}})
        };
        let mut good = template("because");
        assert_eq!(
            take_explanations(&mut good).unwrap(),
            BTreeSet::from([finding(("Queue", "CKV_AWS_27"))])
        );
        assert_eq!(
            good["Resources"]["Queue"]["Metadata"],
            json!({"BuildMethod": "x"})
        );
        let error = take_explanations(&mut template(" ")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Queue: CKV_AWS_27 is skipped, and no `comment` says why"
        );
    }

    #[test]
    fn a_template_that_was_not_read_is_an_error() {
        let answer = |errors: u64| {
            let check = json!({"check_id": "CKV_AWS_27", "check_name": "Ensure", "resource": "AWS::SQS::Queue.Queue"});
            json!({"summary": {"parsing_errors": errors}, "results": {"failed_checks": [check]}})
        };
        let found = BTreeMap::from([(finding(("Queue", "CKV_AWS_27")), "Ensure".to_owned())]);
        assert_eq!(findings(&answer(0)).unwrap(), found);
        findings(&answer(1)).unwrap_err();
        // What it prints when there was nothing to look at.
        findings(&json!({"passed": 0, "failed": 0, "parsing_errors": 0})).unwrap_err();
    }
}
