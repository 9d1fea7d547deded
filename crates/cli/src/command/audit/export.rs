//! What the export formats have in common: the location and id of a finding, and the texts about
//! it.

use std::collections::BTreeSet;

use portcullis_rules::{Context, Finding, SecurityGroup};

use crate::audit::Audit;
use crate::command::findings::describe_traffic;
use crate::describe::{GroupArn, Problem, is_account_id};
use crate::error::CliError;
use crate::text::sanitize_text;

/// The finding type in the types taxonomy of AWS Security Finding Format. Security Hub also uses it
/// in its OCSF findings.
pub(super) const FINDING_TYPE: &str =
    "Software and Configuration Checks/AWS Security Best Practices/Network Reachability";

/// The maximum length of an id in bytes. ASFF allows 512 characters; ids are the same in all
/// formats.
const MAX_ID_BYTES: usize = 512;

/// A finding with its id and location.
#[derive(Debug)]
pub(super) struct ExportedFinding<'a> {
    /// Unique, and the same in every audit.
    pub(super) id: String,
    pub(super) group: &'a SecurityGroup,
    pub(super) arn: GroupArn,
    pub(super) finding: &'a Finding,
}

/// The findings of an audit in an export format, in the order of the audit. Each combination of
/// group, content of the security group rule, and policy rule occurs once.
///
/// # Errors
/// When the account or the region of a group with findings is unknown.
pub(super) fn export_findings<'a, T>(
    audit: &'a Audit,
    context: &Context,
    to_format: impl Fn(ExportedFinding<'a>) -> T,
) -> Result<Vec<T>, CliError> {
    let mut exported = Vec::new();
    let mut seen = BTreeSet::new();
    for (group, findings) in &audit.findings {
        let arn = locate_group(audit, group, context)?;
        for finding in findings {
            let id = finding_id(&arn, finding);
            if seen.insert(id.clone()) {
                exported.push(to_format(ExportedFinding {
                    id,
                    group,
                    arn: arn.clone(),
                    finding,
                }));
            }
        }
    }
    Ok(exported)
}

/// The ARN of a group: its own one, or else one for its account and region.
fn locate_group(
    audit: &Audit,
    group: &SecurityGroup,
    context: &Context,
) -> Result<GroupArn, CliError> {
    if let Some(arn) = audit.arns.get(&group.id) {
        return Ok(arn.clone());
    }
    let owner = group.owner_id.as_ref().filter(|owner| is_account_id(owner));
    let Some(account) = owner.or(context.account.as_ref()) else {
        return Err(unknown_location("account", audit, group));
    };
    let Some(region) = &context.region else {
        return Err(unknown_location("region", audit, group));
    };
    Ok(GroupArn::new(region, account, &group.id))
}

fn unknown_location(what: &'static str, audit: &Audit, group: &SecurityGroup) -> CliError {
    let arn_problem = audit
        .problems
        .iter()
        .find(|problem| is_arn_problem(problem, group));
    CliError::UnknownLocation {
        what,
        group: format!("`{}`", sanitize_text(&group.id)),
        invalid_arn: arn_problem
            .map(|problem| sanitize_text(&format!("{}: {}", problem.path, problem.message))),
    }
}

fn is_arn_problem(problem: &Problem, group: &SecurityGroup) -> bool {
    problem.group_id.as_ref() == Some(&group.id) && problem.path.ends_with(".SecurityGroupArn")
}

/// The id of a finding. It depends on the content of the security group rule and on the policy
/// rule's id, not on the rule's own id or description.
fn finding_id(arn: &GroupArn, finding: &Finding) -> String {
    let (protocol, (from, to), source) = finding.ingress.sort_key();
    let ports = match (from, to) {
        (Some(from), Some(to)) => format!("{from}-{to}"),
        _ => "all".to_owned(),
    };
    let text = sanitize_text(&format!(
        "{}/{protocol}/{ports}/{source}/{}",
        arn.text, finding.policy_rule.id
    ));
    if text.len() <= MAX_ID_BYTES {
        return text;
    }
    // A digest keeps ids unique that differ only after the cut.
    let suffix = format!("#{:016x}", fnv1a_64(&text));
    truncate_text(&text, MAX_ID_BYTES.saturating_sub(suffix.len())) + &suffix
}

/// The 64-bit FNV-1a digest of a text.
fn fnv1a_64(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The finding in one line.
pub(super) fn finding_title(group: &SecurityGroup, finding: &Finding) -> String {
    let ingress = &finding.ingress;
    let name = match &group.name {
        Some(name) => format!(" ({name})"),
        None => String::new(),
    };
    let traffic = describe_traffic(ingress);
    let policy_rule = &finding.policy_rule.id;
    sanitize_text(&format!(
        "{} allows {traffic} from {}: {policy_rule}{name}",
        group.id, ingress.source
    ))
}

/// What is open, which policy rule forbids it, and what Portcullis does about it.
pub(super) fn finding_description(audit: &Audit, finding: &Finding) -> String {
    let ingress = &finding.ingress;
    let id = match &ingress.id {
        Some(id) => format!(" {id}"),
        None => String::new(),
    };
    let traffic = describe_traffic(ingress);
    let policy_rule = &finding.policy_rule;
    let action = match &finding.exempted_by {
        Some(exception) => format!("Exempted by the exception {exception}."),
        None => format!("Action: {}.", policy_rule.action),
    };
    sanitize_text(&format!(
        "The ingress rule{id} allows {traffic} from {}. The rule {} of the policy {} forbids: {}. \
         {action} Forbidden ports: {}.",
        ingress.source,
        policy_rule.id,
        audit.policy,
        policy_rule.forbids.trim_end_matches('.'),
        finding.offending,
    ))
}

/// How to fix the finding.
pub(super) fn finding_recommendation(group: &SecurityGroup, finding: &Finding) -> String {
    let policy_rule = &finding.policy_rule.id;
    let revoke = match &finding.ingress.id {
        Some(id) => format!(
            " (aws ec2 revoke-security-group-ingress --group-id {} --security-group-rule-ids {id})",
            group.id
        ),
        None => String::new(),
    };
    sanitize_text(&format!(
        "Narrow the ingress rule to the ports and sources that are needed, or remove it{revoke}. \
         `portcullis rules {policy_rule}` shows how, in the console, CloudFormation and Terraform."
    ))
}

/// A text without control characters, cut to a maximum length in bytes.
pub(super) fn truncate_text(text: &str, max_bytes: usize) -> String {
    const ELLIPSIS: &str = "...";
    let text = sanitize_text(text);
    if text.len() <= max_bytes {
        return text;
    }
    let end = text.floor_char_boundary(max_bytes.saturating_sub(ELLIPSIS.len()));
    let start = text.get(..end).unwrap_or_default();
    format!("{start}{ELLIPSIS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(truncate_text("abcdef", 6), "abcdef");
        assert_eq!(truncate_text("abcdefg", 6), "abc...");
        assert_eq!(truncate_text("ééééé", 6), "é...");
        assert_eq!(truncate_text("a\nb", 6), "a\u{fffd}b");
    }
}
