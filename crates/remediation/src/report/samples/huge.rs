//! The largest possible report.

use std::collections::BTreeMap;

use portcullis_rules::plan::{Addition, Purpose, SkipReason, SkippedAddition};

use super::{baseline_report, finish_report, revoke_error, sample_group};
use crate::report::{FailedAddition, GroupReport, RuleOutcome, RuleStatus};
use crate::services::ErrorKind;

/// As large as a report can be: a thousand rules, with long texts everywhere.
pub(crate) fn huge_report() -> GroupReport {
    let long = "\"é\\".repeat(85);
    let lines: Vec<_> = (20_000..21_000)
        .map(|port| format!("tcp {port} 0.0.0.0/0 {long}"))
        .collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut report = baseline_report(&sample_group(&lines));
    let error = revoke_error(ErrorKind::Denied, &"x\n".repeat(4000));
    let exempt: Vec<_> = report
        .rules
        .iter()
        .map(|rule| exempt_twin(rule, &long))
        .collect();
    for outcome in &mut report.rules {
        outcome.status = RuleStatus::Unverified(Some(error.clone()));
        outcome.rule.tags = long_tags();
        let addition = Addition {
            ingress: outcome.rule.clone(),
            purpose: Purpose::Keep,
            replaces: outcome.rule.clone(),
            is_excepted: false,
        };
        outcome.replacements = vec![addition.clone()];
        outcome.failed_additions = vec![FailedAddition {
            addition,
            error: error.clone(),
        }];
    }
    report.rules.extend(exempt);
    let skipped = report.group.rules.iter().map(|rule| SkippedAddition {
        ingress: rule.clone(),
        reason: SkipReason::RulesQuota,
    });
    report.skipped_additions = skipped.collect();
    let ids = 0..1000;
    report.expired_exceptions = ids.clone().map(|id| format!("{id}{long}")).collect();
    report.unresolved_prefix_lists = ids.map(|id| format!("pl-{id:017x}")).collect();
    report.group.name = Some("\"".repeat(255));
    report.origin.user_agent = Some("\u{1}".repeat(100_000));
    report.origin.actor.who = Some("\\".repeat(100_000));
    report.unverified = Some(error);
    finish_report(&mut report);
    report
}

fn long_tags() -> BTreeMap<String, String> {
    (0..5)
        .map(|tag| (format!("key-{tag}"), "é".repeat(256)))
        .collect()
}

/// Another rule of the same content that exceptions allow.
fn exempt_twin(outcome: &RuleOutcome, exception: &str) -> RuleOutcome {
    let mut rule = outcome.rule.clone();
    rule.id = rule.id.map(|id| format!("{id}exempt"));
    let mut twin = RuleOutcome::new(rule.clone(), RuleStatus::Exempt);
    for finding in &outcome.findings {
        let mut finding = finding.clone();
        finding.exempted_by = Some(exception.to_owned());
        finding.ingress = rule.clone();
        twin.add_finding(finding);
    }
    twin
}
