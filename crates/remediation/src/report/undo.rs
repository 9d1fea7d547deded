//! AWS CLI commands that undo a remediation: they add removed rules again and remove replacements.
//!
//! The commands are quoted for a POSIX shell. They are printable ASCII and still exact, because
//! their JSON escapes all other characters of descriptions and tags, and everything that mail and
//! chat programs would turn into a link.

use std::fmt::Write as _;

use portcullis_rules::{IngressRule, Source};
use serde::Serialize;

use super::json::serialize_json;

/// The command that adds a rule with its description and tags: its words, each option with its
/// value.
pub fn authorize_command(group_id: &str, region: Option<&str>, rule: &IngressRule) -> Vec<String> {
    let mut words = ec2_command("authorize-security-group-ingress", group_id, region);
    let permissions = shell_quote_json(&[IpPermission::with_description(rule)]);
    words.push(format!("--ip-permissions {permissions}"));
    if !rule.tags.is_empty() {
        let specification = TagSpecification {
            resource_type: "security-group-rule",
            tags: rule
                .tags
                .iter()
                .map(|(key, value)| Tag { key, value })
                .collect(),
        };
        let specifications = shell_quote_json(&[specification]);
        words.push(format!("--tag-specifications {specifications}"));
    }
    words
}

/// The command that removes a rule by its content.
pub fn revoke_command(group_id: &str, region: Option<&str>, rule: &IngressRule) -> Vec<String> {
    revoke_rules_command(group_id, region, &[rule])
}

/// The command that removes several rules by their content. EC2 removes all of them or none.
pub fn revoke_rules_command(
    group_id: &str,
    region: Option<&str>,
    rules: &[&IngressRule],
) -> Vec<String> {
    let mut words = ec2_command("revoke-security-group-ingress", group_id, region);
    let permissions: Vec<_> = rules.iter().map(|rule| IpPermission::new(rule)).collect();
    let permissions = shell_quote_json(&permissions);
    words.push(format!("--ip-permissions {permissions}"));
    words
}

fn ec2_command(operation: &str, group_id: &str, region: Option<&str>) -> Vec<String> {
    let mut words = vec![format!("aws ec2 {operation}")];
    if let Some(region) = region.filter(|region| is_shell_safe(region)) {
        words.push(format!("--region {region}"));
    }
    words.push(format!("--group-id {}", shell_quote(group_id)));
    words
}

/// EC2's `IpPermission` with the one source of a rule, as JSON.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpPermission<'a> {
    ip_protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_port: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_port: Option<i32>,
    #[serde(flatten)]
    source: SourceList<'a>,
}

/// The list with the source; each kind of source has a separate list.
#[derive(Debug, Clone, Serialize)]
enum SourceList<'a> {
    IpRanges([DescribedSource<'a>; 1]),
    Ipv6Ranges([DescribedSource<'a>; 1]),
    PrefixListIds([DescribedSource<'a>; 1]),
    UserIdGroupPairs([DescribedSource<'a>; 1]),
}

/// A source and the description, which EC2 keeps with the source.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedSource<'a> {
    #[serde(flatten)]
    source: SourceId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
enum SourceId<'a> {
    CidrIp(String),
    CidrIpv6(String),
    PrefixListId(&'a str),
    GroupId(&'a str),
}

impl<'a> IpPermission<'a> {
    /// The content of a rule without its description, with the ports that EC2 returned.
    pub fn new(rule: &'a IngressRule) -> Self {
        Self::with_source_description(rule, None)
    }

    /// The content of a rule with its description, with the ports that EC2 returned.
    pub fn with_description(rule: &'a IngressRule) -> Self {
        Self::with_source_description(rule, rule.description.as_deref())
    }

    /// The content of a rule without its description. It has ports only if the protocol has any.
    pub fn with_display_ports(rule: &'a IngressRule) -> Self {
        let (from_port, to_port) = rule.display_ports();
        Self {
            from_port,
            to_port,
            ..Self::new(rule)
        }
    }

    fn with_source_description(rule: &'a IngressRule, description: Option<&'a str>) -> Self {
        let ports = rule.ec2_ports();
        Self {
            ip_protocol: rule.protocol().as_ec2(),
            from_port: ports.from,
            to_port: ports.to,
            source: SourceList::new(&rule.source, description),
        }
    }
}

impl<'a> SourceList<'a> {
    fn new(source: &'a Source, description: Option<&'a str>) -> Self {
        let (id, user_id) = match source {
            Source::Cidr(net) if net.addr().is_ipv6() => {
                (SourceId::CidrIpv6(net.to_string()), None)
            }
            Source::Cidr(net) => (SourceId::CidrIp(net.to_string()), None),
            Source::PrefixList(id) => (SourceId::PrefixListId(id), None),
            Source::Group(group) => {
                let owner_id = group.owner_id.as_deref();
                (SourceId::GroupId(&group.group_id), owner_id)
            }
        };
        let list: fn([DescribedSource<'a>; 1]) -> Self = match id {
            SourceId::CidrIp(_) => Self::IpRanges,
            SourceId::CidrIpv6(_) => Self::Ipv6Ranges,
            SourceId::PrefixListId(_) => Self::PrefixListIds,
            SourceId::GroupId(_) => Self::UserIdGroupPairs,
        };
        list([DescribedSource {
            source: id,
            user_id,
            description,
        }])
    }
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

/// Whether a word has letters, digits and dashes only, as every region and every id.
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

#[cfg(test)]
mod tests;
