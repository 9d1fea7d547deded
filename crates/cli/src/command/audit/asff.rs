//! Findings in AWS Security Finding Format, for `aws securityhub batch-import-findings`.
//!
//! An audit remembers nothing, so all times are that of the audit. Whether a finding stands is told by `RecordState`,
//! which belongs to the provider of findings: an exempt one is archived, and comes back when its exception ends.
//! `Workflow` belongs to the people who work on it, and Security Hub takes it at the first import only.

mod wire;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_rules::{Context, Finding, SecurityGroup, Severity};

use crate::audit::Audit;
use crate::command::traffic;
use crate::describe::{GroupArn, Problem, is_account};
use crate::error::CliError;
use crate::output::clean;
use wire::{Asff, Compliance, Details, GroupDetails, ProviderFields, Resource, SeverityJson};

/// What our findings are among the types of the format.
const TYPE: &str = "Software and Configuration Checks/AWS Security Best Practices/Network Reachability";

/// The limits of the format, in characters. We count bytes, of which there are never fewer.
mod limit {
    pub(super) const ID: usize = 512;
    pub(super) const TITLE: usize = 256;
    pub(super) const DESCRIPTION: usize = 1024;
    pub(super) const RECOMMENDATION: usize = 512;
    pub(super) const PRODUCT_FIELD: usize = 2048;
    pub(super) const REQUIREMENTS: usize = 32;
    pub(super) const TAGS: usize = 50;
}

/// The findings of an audit, each (group, content of an ingress rule, rule of the policy) once.
///
/// # Errors
/// When the account or the region of a group with findings is not known.
pub(super) fn findings<'a>(audit: &'a Audit, context: &Context, now: Timestamp) -> Result<Vec<Asff<'a>>, CliError> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for (group, found) in &audit.findings {
        let arn = place(audit, group, context)?;
        for finding in found {
            let one = asff(audit, group, &arn, finding, now);
            if seen.insert(one.id.clone()) {
                all.push(one);
            }
        }
    }
    Ok(all)
}

/// Where a group is: its own ARN if it is told, else the account and region that are known otherwise.
fn place(audit: &Audit, group: &SecurityGroup, context: &Context) -> Result<GroupArn, CliError> {
    if let Some(arn) = audit.arns.get(&group.id) {
        return Ok(arn.clone());
    }
    let unknown = |what| {
        let is_arn = |problem: &&Problem| {
            problem.group_id.as_ref() == Some(&group.id) && problem.path.ends_with(".SecurityGroupArn")
        };
        let problem = audit.problems.iter().find(is_arn);
        let found = problem.map(|problem| clean(&format!("{}: {}", problem.path, problem.message)));
        CliError::NoPlace { what, group: format!("`{}`", clean(&group.id)), found }
    };
    let owner = group.owner_id.as_ref().filter(|owner| is_account(owner));
    let account = owner.or(context.account.as_ref()).ok_or_else(|| unknown("account"))?;
    let region = context.region.as_ref().ok_or_else(|| unknown("region"))?;
    Ok(GroupArn::new(region, account, &group.id))
}

fn asff<'a>(
    audit: &'a Audit,
    group: &'a SecurityGroup,
    arn: &GroupArn,
    finding: &'a Finding,
    now: Timestamp,
) -> Asff<'a> {
    let GroupArn { partition, region, account, .. } = arn;
    let exempt = finding.exempt.is_some();
    let requirements = finding.rule.references.iter().take(limit::REQUIREMENTS).map(String::as_str);
    Asff {
        schema_version: "2018-10-08",
        id: id(arn, finding),
        product_arn: format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        product_name: "Portcullis",
        company_name: "Portcullis",
        region: region.clone(),
        generator_id: bounded(&format!("portcullis/{}", finding.rule.id), limit::ID),
        aws_account_id: account.clone(),
        types: [TYPE],
        created_at: now.to_string(),
        updated_at: now.to_string(),
        severity: severity(finding),
        finding_provider_fields: ProviderFields { severity: severity(finding), types: [TYPE] },
        title: title(group, finding),
        description: description(audit, finding),
        remediation: wire::remediation(recommendation(group, finding)),
        product_fields: product_fields(audit, finding),
        resources: [resource(group, arn, finding)],
        compliance: Compliance {
            status: if exempt { "WARNING" } else { "FAILED" },
            related_requirements: requirements.collect(),
        },
        workflow: wire::NEW,
        record_state: if exempt { "ARCHIVED" } else { "ACTIVE" },
    }
}

/// The same for the same content of an ingress rule in the same group and the same rule of the policy, whatever the
/// rule's id and words are.
fn id(arn: &GroupArn, finding: &Finding) -> String {
    let (protocol, (from, to), source) = finding.ingress.sort_key();
    let ports = match (from, to) {
        (Some(from), Some(to)) => format!("{from}-{to}"),
        _ => "all".to_owned(),
    };
    // What may be long comes last, so that a cut takes nothing that tells findings apart.
    bounded(&format!("{}/{protocol}/{ports}/{source}/{}", arn.text, finding.rule.id), limit::ID)
}

fn severity(finding: &Finding) -> SeverityJson {
    let label = match finding.rule.severity {
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    };
    SeverityJson { label, original: finding.rule.severity.to_string() }
}

fn title(group: &SecurityGroup, finding: &Finding) -> String {
    let ingress = &finding.ingress;
    let name = group.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let (allows, rule) = (traffic(ingress), &finding.rule.id);
    bounded(&format!("{} allows {allows} from {}: {rule}{name}", group.id, ingress.source), limit::TITLE)
}

fn description(audit: &Audit, finding: &Finding) -> String {
    let ingress = &finding.ingress;
    let id = ingress.id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
    let (allows, rule) = (traffic(ingress), &finding.rule);
    let action = match &finding.exempt {
        Some(exception) => format!("The exception {exception} allows it."),
        None => format!("The action of the rule is {}.", rule.action),
    };
    let text = format!(
        "The ingress rule{id} allows {allows} from {}. The rule {} of the policy {} forbids: {}. {action} Forbidden ports: {}.",
        ingress.source,
        rule.id,
        audit.policy,
        rule.forbids.trim_end_matches('.'),
        finding.offending,
    );
    bounded(&text, limit::DESCRIPTION)
}

fn recommendation(group: &SecurityGroup, finding: &Finding) -> String {
    let rule = &finding.rule.id;
    let remove = finding.ingress.id.as_ref().map_or_else(String::new, |id| {
        let group = &group.id;
        format!(" (aws ec2 revoke-security-group-ingress --group-id {group} --security-group-rule-ids {id})")
    });
    let text = format!(
        "Narrow the ingress rule to the ports and sources that are needed, or remove it{remove}. \
         `portcullis rules {rule}` shows how, in the console, CloudFormation and Terraform."
    );
    bounded(&text, limit::RECOMMENDATION)
}

/// What the format has no place for.
fn product_fields(audit: &Audit, finding: &Finding) -> BTreeMap<&'static str, String> {
    let fields = [
        ("portcullis/policy", Some(audit.policy.clone())),
        ("portcullis/rule", Some(finding.rule.id.clone())),
        ("portcullis/action", Some(finding.rule.action.to_string())),
        ("portcullis/offending_ports", Some(finding.offending.to_string())),
        ("portcullis/security_group_rule_id", finding.ingress.id.clone()),
        ("portcullis/exempt", finding.exempt.clone()),
    ];
    let told = fields.into_iter().filter_map(|(key, value)| Some((key, bounded(&value?, limit::PRODUCT_FIELD))));
    told.filter(|(_, value)| !value.trim().is_empty()).collect()
}

fn resource<'a>(group: &'a SecurityGroup, arn: &GroupArn, finding: &Finding) -> Resource<'a> {
    Resource {
        kind: "AwsEc2SecurityGroup",
        id: arn.text.clone(),
        partition: wire::partition(&arn.partition),
        region: arn.region.clone(),
        tags: group.tags.iter().take(limit::TAGS).map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        details: Details {
            group: GroupDetails {
                group_id: &group.id,
                group_name: group.name.as_deref().filter(|name| !name.trim().is_empty()),
                owner_id: arn.account.clone(),
                vpc_id: group.vpc_id.as_deref().filter(|id| !id.trim().is_empty()),
                ip_permissions: [wire::permission(&finding.ingress)],
            },
        },
    }
}

/// A text without control characters, at most so many bytes.
fn bounded(text: &str, most: usize) -> String {
    const END: &str = "...";
    let text = clean(text);
    if text.len() <= most {
        return text;
    }
    let end = text.floor_char_boundary(most.saturating_sub(END.len()));
    text.get(..end).map_or_else(String::new, |start| format!("{start}{END}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(bounded("abcdef", 6), "abcdef");
        assert_eq!(bounded("abcdefg", 6), "abc...");
        assert_eq!(bounded("ééééé", 6), "é...");
        assert_eq!(bounded("a\nb", 6), "a\u{fffd}b");
    }
}
