//! What the formats for other products share: where a group is, which finding it is, and the words about it.

use std::collections::BTreeSet;

use portcullis_rules::{Context, Finding, SecurityGroup};

use crate::audit::Audit;
use crate::command::describe_traffic;
use crate::describe::{GroupArn, Problem, is_account_id};
use crate::error::CliError;
use crate::output::sanitize_text;

/// What our findings are, in the taxonomy of the types of AWS Security Finding Format. Security Hub takes it over into
/// its OCSF findings.
pub(super) const FINDING_TYPE: &str =
    "Software and Configuration Checks/AWS Security Best Practices/Network Reachability";

/// The bytes of an id: as many as ASFF has characters for it. The id is the same in all formats.
const MAX_ID_BYTES: usize = 512;

/// A finding with what the formats need to tell it.
#[derive(Debug)]
pub(super) struct ExportedFinding<'a> {
    /// Tells it from all others, and stays from run to run.
    pub(super) id: String,
    pub(super) group: &'a SecurityGroup,
    pub(super) arn: GroupArn,
    pub(super) finding: &'a Finding,
}

/// The findings of an audit as a format has them, each (group, content of an ingress rule, rule of the policy) once, in
/// the order of the audit.
///
/// # Errors
/// When the account or the region of a group with findings is not known.
pub(super) fn export_findings<'a, T>(
    audit: &'a Audit,
    context: &Context,
    form: impl Fn(ExportedFinding<'a>) -> T,
) -> Result<Vec<T>, CliError> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for (group, found) in &audit.findings {
        let arn = locate_group(audit, group, context)?;
        for finding in found {
            let id = finding_id(&arn, finding);
            if seen.insert(id.clone()) {
                all.push(form(ExportedFinding {
                    id,
                    group,
                    arn: arn.clone(),
                    finding,
                }));
            }
        }
    }
    Ok(all)
}

/// Where a group is: its own ARN if it is told, else the account and region that are known otherwise.
fn locate_group(
    audit: &Audit,
    group: &SecurityGroup,
    context: &Context,
) -> Result<GroupArn, CliError> {
    if let Some(arn) = audit.arns.get(&group.id) {
        return Ok(arn.clone());
    }
    let unknown = |what| {
        let is_arn = |problem: &&Problem| {
            problem.group_id.as_ref() == Some(&group.id)
                && problem.path.ends_with(".SecurityGroupArn")
        };
        let problem = audit.problems.iter().find(is_arn);
        let found =
            problem.map(|problem| sanitize_text(&format!("{}: {}", problem.path, problem.message)));
        CliError::UnknownLocation {
            what,
            group: format!("`{}`", sanitize_text(&group.id)),
            found,
        }
    };
    let owner = group.owner_id.as_ref().filter(|owner| is_account_id(owner));
    let account = owner
        .or(context.account.as_ref())
        .ok_or_else(|| unknown("account"))?;
    let region = context.region.as_ref().ok_or_else(|| unknown("region"))?;
    Ok(GroupArn::new(region, account, &group.id))
}

/// The same for the same content of an ingress rule in the same group and the same rule of the policy, whatever the
/// rule's id and words are.
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
    // The ids of two rules may differ only where they are cut. A digest of all of it (FNV-1a, 64 bits) does not.
    let digest = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    let end = format!("#{digest:016x}");
    truncate_text(&text, MAX_ID_BYTES.saturating_sub(end.len())) + &end
}

/// What the finding is, in one line.
pub(super) fn finding_title(group: &SecurityGroup, finding: &Finding) -> String {
    let ingress = &finding.ingress;
    let name = group
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    let (allows, rule) = (describe_traffic(ingress), &finding.policy_rule.id);
    sanitize_text(&format!(
        "{} allows {allows} from {}: {rule}{name}",
        group.id, ingress.source
    ))
}

/// What is open, what forbids it, and what comes of it.
pub(super) fn finding_description(audit: &Audit, finding: &Finding) -> String {
    let ingress = &finding.ingress;
    let id = ingress
        .id
        .as_ref()
        .map_or_else(String::new, |id| format!(" {id}"));
    let (allows, rule) = (describe_traffic(ingress), &finding.policy_rule);
    let action = match &finding.exempted_by {
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
    sanitize_text(&text)
}

/// What to do about it.
pub(super) fn finding_recommendation(group: &SecurityGroup, finding: &Finding) -> String {
    let rule = &finding.policy_rule.id;
    let remove = finding.ingress.id.as_ref().map_or_else(String::new, |id| {
        let group = &group.id;
        format!(" (aws ec2 revoke-security-group-ingress --group-id {group} --security-group-rule-ids {id})")
    });
    let text = format!(
        "Narrow the ingress rule to the ports and sources that are needed, or remove it{remove}. \
         `portcullis rules {rule}` shows how, in the console, CloudFormation and Terraform."
    );
    sanitize_text(&text)
}

/// A text without control characters, at most so many bytes.
pub(super) fn truncate_text(text: &str, most: usize) -> String {
    const END: &str = "...";
    let text = sanitize_text(text);
    if text.len() <= most {
        return text;
    }
    let end = text.floor_char_boundary(most.saturating_sub(END.len()));
    text.get(..end)
        .map_or_else(String::new, |start| format!("{start}{END}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(truncate_text("abcdef", 6), "abcdef");
        assert_eq!(truncate_text("abcdefg", 6), "abc...");
        assert_eq!(truncate_text("ééééé", 6), "é...");
        assert_eq!(truncate_text("a\nb", 6), "a\u{fffd}b");
    }
}
