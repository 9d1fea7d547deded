//! Command lines of the AWS CLI that put a rule back, or take it away.
//!
//! They are plain ASCII whatever the description and the tags hold, quoted for a POSIX shell, and still exact: the JSON
//! in them escapes what is not printable ASCII, and what mail and chat programs would turn into a link.

use std::fmt::Write as _;

use portcullis_rules::{IngressRule, Source};
use serde::Serialize;

use super::serialize_json;
use crate::report::GroupReport;

/// One command for each removed rule that puts it back. In monitor mode nothing was removed.
pub(super) fn restore_commands(report: &GroupReport) -> impl Iterator<Item = String> + '_ {
    let region = report.origin.region.as_deref();
    report
        .removals_to_restore()
        .map(move |removal| authorize_command(&report.group.id, region, &removal.ingress).join(" "))
}

/// One command for each added rule that takes it away again. In monitor mode nothing was added.
pub(super) fn removal_commands(report: &GroupReport) -> impl Iterator<Item = String> + '_ {
    let region = report.origin.region.as_deref();
    report
        .additions_to_remove()
        .map(move |addition| revoke_command(&report.group.id, region, &addition.ingress).join(" "))
}

/// The command that adds a rule as it was, description and tags included: its words, one option with its value each.
pub fn authorize_command(
    group_id: &str,
    region: Option<&str>,
    ingress: &IngressRule,
) -> Vec<String> {
    let mut words = ec2_command("authorize-security-group-ingress", group_id, region);
    words.push(format!(
        "--ip-permissions {}",
        shell_quote_json(&ip_permission(ingress, true))
    ));
    if !ingress.tags.is_empty() {
        let tags = ingress
            .tags
            .iter()
            .map(|(key, value)| Tag { key, value })
            .collect();
        let specification = [TagSpecification {
            resource_type: "security-group-rule",
            tags,
        }];
        words.push(format!(
            "--tag-specifications {}",
            shell_quote_json(&specification)
        ));
    }
    words
}

/// The command that removes a rule by its content.
pub fn revoke_command(group_id: &str, region: Option<&str>, ingress: &IngressRule) -> Vec<String> {
    let mut words = ec2_command("revoke-security-group-ingress", group_id, region);
    words.push(format!(
        "--ip-permissions {}",
        shell_quote_json(&ip_permission(ingress, false))
    ));
    words
}

fn ec2_command(operation: &str, group_id: &str, region: Option<&str>) -> Vec<String> {
    let region = region
        .filter(|region| is_shell_safe(region))
        .map(|region| format!("--region {region}"));
    let group = format!("--group-id {}", shell_quote(group_id));
    [Some(format!("aws ec2 {operation}")), region, Some(group)]
        .into_iter()
        .flatten()
        .collect()
}

/// EC2's `IpPermission` with one source.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpPermission<'a> {
    ip_protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_port: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_port: Option<i32>,
    #[serde(flatten)]
    source: SourceList<'a>,
}

/// The list that holds the source; each kind of source has its own.
#[derive(Serialize)]
enum SourceList<'a> {
    IpRanges([DescribedSource<'a>; 1]),
    Ipv6Ranges([DescribedSource<'a>; 1]),
    PrefixListIds([DescribedSource<'a>; 1]),
    UserIdGroupPairs([DescribedSource<'a>; 1]),
}

/// A source and the description, which EC2 keeps with it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedSource<'a> {
    #[serde(flatten)]
    source: SourceId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
enum SourceId<'a> {
    CidrIp(String),
    CidrIpv6(String),
    PrefixListId(&'a str),
    GroupId(&'a str),
}

fn ip_permission(ingress: &IngressRule, described: bool) -> [IpPermission<'_>; 1] {
    let description = ingress.description.as_deref().filter(|_| described);
    let range = |source, user_id| {
        [DescribedSource {
            source,
            user_id,
            description,
        }]
    };
    let source = match &ingress.source {
        Source::Cidr(net) if net.addr().is_ipv6() => {
            SourceList::Ipv6Ranges(range(SourceId::CidrIpv6(net.to_string()), None))
        }
        Source::Cidr(net) => SourceList::IpRanges(range(SourceId::CidrIp(net.to_string()), None)),
        Source::PrefixList(id) => {
            SourceList::PrefixListIds(range(SourceId::PrefixListId(id), None))
        }
        Source::Group(group) => SourceList::UserIdGroupPairs(range(
            SourceId::GroupId(&group.group_id),
            group.owner_id.as_deref(),
        )),
    };
    let written = ingress.ec2_ports();
    [IpPermission {
        ip_protocol: ingress.protocol().as_ec2(),
        from_port: written.from,
        to_port: written.to,
        source,
    }]
}

/// EC2's `TagSpecification` and `Tag`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagSpecification<'a> {
    resource_type: &'static str,
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

/// Letters, digits and dashes: what every region and every id is made of.
fn is_shell_safe(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A word for a POSIX shell.
fn shell_quote(word: &str) -> String {
    if is_shell_safe(word) {
        return word.to_owned();
    }
    let visible: String = word.chars().filter(|c| matches!(c, ' '..='~')).collect();
    format!("'{}'", visible.replace('\'', r"'\''"))
}

/// JSON in single quotes, in printable ASCII, without anything that looks like a link.
fn shell_quote_json(value: &impl Serialize) -> String {
    let text = serialize_json(value)
        .replace("://", r":\/\/")
        .replace("www.", r"www\u002e");
    let mut ascii = String::with_capacity(text.len().saturating_add(2));
    ascii.push('\'');
    for c in text.chars() {
        match c {
            '\'' => ascii.push_str(r"\u0027"),
            ' '..='~' => ascii.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                // Writing to a String cannot fail.
                let _ = write!(ascii, r"\u{unit:04x}");
            }),
        }
    }
    ascii.push('\'');
    ascii
}
