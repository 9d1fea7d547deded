//! Security groups, their rules and prefix lists as the AWS CLI and the AWS SDKs write them.
//!
//! Keys are accepted in Pascal case (AWS CLI, .NET, Go, JavaScript, Python) and in camel case
//! (Java). Keys that are not needed are ignored. Values are converted while they are decoded, so
//! that an error has the path of the value.

use std::fmt;
use std::str::FromStr;

use portcullis_rules::group::{Ec2Ports, Tags};
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, Protocol, Source};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::arn::GroupArn;

/// A security group of `describe-security-groups`.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "RawGroup")]
pub(super) struct GroupShape {
    pub(super) group_id: String,
    pub(super) arn: Option<GroupArn>,
    pub(super) name: Option<String>,
    pub(super) vpc_id: Option<String>,
    pub(super) owner_id: Option<String>,
    /// What its author wrote about it.
    pub(super) description: Option<String>,
    pub(super) tags: Tags,
    /// `None` when the document does not have the ingress rules of the group.
    pub(super) rules: Option<Vec<IngressRule>>,
    /// Whether egress to every IPv4 address on every protocol is allowed; `None` when that is not
    /// known.
    pub(super) open_egress: Option<bool>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct RawGroup {
    #[serde(alias = "groupId", deserialize_with = "read_id")]
    group_id: String,
    #[serde(default, alias = "securityGroupArn")]
    security_group_arn: Option<String>,
    #[serde(default, alias = "groupName")]
    group_name: Option<String>,
    #[serde(default, alias = "vpcId")]
    vpc_id: Option<String>,
    #[serde(default, alias = "ownerId")]
    owner_id: Option<String>,
    /// It is only shown, so an invalid one is not an error.
    #[serde(default, alias = "description")]
    description: Option<Value>,
    #[serde(default, alias = "tags")]
    tags: Option<Vec<TagShape>>,
    #[serde(default, alias = "ipPermissions")]
    ip_permissions: Option<Vec<PermissionShape>>,
    /// Egress rules are not audited, so invalid ones are not errors.
    #[serde(default, alias = "ipPermissionsEgress")]
    ip_permissions_egress: Option<Value>,
}

impl TryFrom<RawGroup> for GroupShape {
    type Error = String;

    fn try_from(raw: RawGroup) -> Result<Self, String> {
        let arn = match &raw.security_group_arn {
            Some(text) => Some(parse_group_arn(text, &raw.group_id)?),
            None => None,
        };
        let rules = raw.ip_permissions.map(|permissions| {
            permissions
                .into_iter()
                .flat_map(|shape| shape.rules)
                .collect()
        });
        Ok(Self {
            arn,
            name: raw.group_name,
            vpc_id: raw.vpc_id,
            owner_id: raw.owner_id,
            description: raw.description.and_then(non_blank_text),
            tags: collect_tags(raw.tags),
            rules,
            open_egress: raw.ip_permissions_egress.and_then(has_open_egress),
            group_id: raw.group_id,
        })
    }
}

fn non_blank_text(value: Value) -> Option<String> {
    let Value::String(text) = value else {
        return None;
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// The ARN decides which parts of a policy apply to the group, so it must be right.
fn parse_group_arn(text: &str, group_id: &str) -> Result<GroupArn, String> {
    GroupArn::parse(text, group_id).ok_or_else(|| {
        format!(
            "SecurityGroupArn: expected `arn:aws:ec2:REGION:ACCOUNT:security-group/{group_id}`, \
             found `{text}`"
        )
    })
}

/// What can be read of a group that is unreadable as a whole.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "PascalCase", expecting = "an object")]
pub(super) struct GroupIdentity {
    #[serde(alias = "groupId")]
    group_id: Value,
    #[serde(alias = "securityGroupArn")]
    security_group_arn: Value,
}

impl GroupIdentity {
    /// The id and the region of the group.
    pub(super) fn into_id_and_region(self) -> (Option<String>, Option<String>) {
        let Value::String(id) = self.group_id else {
            return (None, None);
        };
        if id.trim().is_empty() {
            return (None, None);
        }
        let arn = self.security_group_arn.as_str();
        let arn = arn.and_then(|text| GroupArn::parse(text, &id));
        (Some(id), arn.map(|arn| arn.region))
    }
}

/// An `IpPermission`, which has one protocol and port range and any number of sources: its rules,
/// one for each source.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "RawPermission")]
struct PermissionShape {
    rules: Vec<IngressRule>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct RawPermission {
    #[serde(alias = "ipProtocol", deserialize_with = "read_parsed")]
    ip_protocol: Protocol,
    #[serde(default, alias = "fromPort")]
    from_port: Option<i32>,
    #[serde(default, alias = "toPort")]
    to_port: Option<i32>,
    #[serde(default, alias = "ipRanges")]
    ip_ranges: Option<Vec<Ipv4Range>>,
    /// The name in the AWS SDKs for .NET and Java, which may have `IpRanges` as well: the same
    /// blocks without their descriptions.
    #[serde(default, alias = "ipv4Ranges")]
    ipv4_ranges: Option<Vec<Ipv4Range>>,
    #[serde(default, alias = "ipv6Ranges")]
    ipv6_ranges: Option<Vec<Ipv6RangeShape>>,
    #[serde(default, alias = "prefixListIds")]
    prefix_list_ids: Option<Vec<PrefixListIdShape>>,
    #[serde(default, alias = "userIdGroupPairs")]
    user_id_group_pairs: Option<Vec<GroupPairShape>>,
}

/// A source and its description.
type DescribedSource = (Source, Option<String>);

impl TryFrom<RawPermission> for PermissionShape {
    type Error = String;

    fn try_from(raw: RawPermission) -> Result<Self, String> {
        let ports = Ec2Ports {
            from: raw.from_port,
            to: raw.to_port,
        };
        let protocol = raw.ip_protocol;
        let mut rules = Vec::new();
        for (source, description) in raw.into_sources()? {
            let rule = IngressRule::new(protocol, ports, source);
            let mut rule = rule.map_err(|error| error.to_string())?;
            rule.description = description;
            rules.push(rule);
        }
        Ok(Self { rules })
    }
}

impl RawPermission {
    fn into_sources(self) -> Result<Vec<DescribedSource>, String> {
        let has_sources = self.ip_ranges.is_some()
            || self.ipv4_ranges.is_some()
            || self.ipv6_ranges.is_some()
            || self.prefix_list_ids.is_some()
            || self.user_id_group_pairs.is_some();
        if !has_sources {
            return Err(
                "the permission has no sources: expected `IpRanges`, `Ipv6Ranges`, \
                 `PrefixListIds` or `UserIdGroupPairs`"
                    .to_owned(),
            );
        }
        let mut sources = merge_ipv4_ranges(
            self.ipv4_ranges.unwrap_or_default(),
            self.ip_ranges.unwrap_or_default(),
        );
        for range in self.ipv6_ranges.unwrap_or_default() {
            sources.push((range.cidr_ipv6, range.description));
        }
        for list in self.prefix_list_ids.unwrap_or_default() {
            sources.push((Source::PrefixList(list.prefix_list_id), list.description));
        }
        for pair in self.user_id_group_pairs.unwrap_or_default() {
            let (source, description) = pair.into_source();
            sources.push((source, description));
        }
        Ok(sources)
    }
}

/// The IPv4 blocks of both keys. A block that both have is taken once.
fn merge_ipv4_ranges(
    ipv4_ranges: Vec<Ipv4Range>,
    ip_ranges: Vec<Ipv4Range>,
) -> Vec<DescribedSource> {
    let known: Vec<_> = ipv4_ranges
        .iter()
        .map(|range| range.source.clone())
        .collect();
    let others = ip_ranges
        .into_iter()
        .filter(|range| !known.contains(&range.source));
    ipv4_ranges
        .into_iter()
        .chain(others)
        .map(|range| (range.source, range.description))
        .collect()
}

/// An IPv4 block: an object, or a text as in the older SDKs for .NET and Java.
#[derive(Debug)]
struct Ipv4Range {
    source: Source,
    description: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Ipv4RangeShape {
    #[serde(alias = "cidrIp", deserialize_with = "read_cidr")]
    cidr_ip: Source,
    #[serde(default, alias = "description")]
    description: Option<String>,
}

impl<'de> Deserialize<'de> for Ipv4Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Ipv4RangeVisitor)
    }
}

struct Ipv4RangeVisitor;

impl<'de> Visitor<'de> for Ipv4RangeVisitor {
    type Value = Ipv4Range;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `CidrIp`, or a CIDR block")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Ipv4Range, E> {
        Ok(Ipv4Range {
            source: Source::from_cidr(text).map_err(E::custom)?,
            description: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Ipv4Range, A::Error> {
        let shape = Ipv4RangeShape::deserialize(MapAccessDeserializer::new(object))?;
        Ok(Ipv4Range {
            source: shape.cidr_ip,
            description: shape.description,
        })
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Ipv6RangeShape {
    #[serde(alias = "cidrIpv6", deserialize_with = "read_cidr")]
    cidr_ipv6: Source,
    #[serde(default, alias = "description")]
    description: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct PrefixListIdShape {
    /// The AWS SDK for .NET calls it `Id`.
    #[serde(
        alias = "prefixListId",
        alias = "Id",
        alias = "id",
        deserialize_with = "read_id"
    )]
    prefix_list_id: String,
    #[serde(default, alias = "description")]
    description: Option<String>,
}

/// A security group as the source of a rule, in either listing.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct GroupPairShape {
    #[serde(alias = "groupId", deserialize_with = "read_id")]
    group_id: String,
    #[serde(default, alias = "userId")]
    user_id: Option<String>,
    #[serde(default, alias = "description")]
    description: Option<String>,
}

impl GroupPairShape {
    fn into_source(self) -> DescribedSource {
        let source = Source::Group(GroupSource {
            group_id: self.group_id,
            owner_id: self.user_id,
        });
        (source, self.description)
    }
}

/// The group and the direction of an entry of `describe-security-group-rules`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(super) struct RuleHead {
    #[serde(alias = "groupId", deserialize_with = "read_id")]
    pub(super) group_id: String,
    #[serde(default, alias = "groupOwnerId")]
    pub(super) group_owner_id: Option<String>,
    #[serde(default, alias = "isEgress")]
    pub(super) is_egress: Option<bool>,
}

/// An ingress rule of `describe-security-group-rules`.
#[derive(Debug, serde::Deserialize)]
#[serde(try_from = "RawRule")]
pub(super) struct RuleShape {
    pub(super) rule: IngressRule,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct RawRule {
    #[serde(default, alias = "securityGroupRuleId")]
    security_group_rule_id: Option<String>,
    #[serde(alias = "ipProtocol", deserialize_with = "read_parsed")]
    ip_protocol: Protocol,
    #[serde(default, alias = "fromPort")]
    from_port: Option<i32>,
    #[serde(default, alias = "toPort")]
    to_port: Option<i32>,
    #[serde(default, alias = "cidrIpv4")]
    cidr_ipv4: Option<CidrShape>,
    #[serde(default, alias = "cidrIpv6")]
    cidr_ipv6: Option<CidrShape>,
    #[serde(default, alias = "prefixListId")]
    prefix_list_id: Option<String>,
    #[serde(default, alias = "referencedGroupInfo")]
    referenced_group_info: Option<GroupPairShape>,
    #[serde(default, alias = "description")]
    description: Option<String>,
    #[serde(default, alias = "tags")]
    tags: Option<Vec<TagShape>>,
}

/// A CIDR block.
#[derive(Debug, serde::Deserialize)]
pub(super) struct CidrShape(#[serde(deserialize_with = "read_cidr")] pub(super) Source);

impl TryFrom<RawRule> for RuleShape {
    type Error = String;

    fn try_from(raw: RawRule) -> Result<Self, String> {
        let cidrs = [raw.cidr_ipv4, raw.cidr_ipv6];
        let mut sources: Vec<_> = cidrs.into_iter().flatten().map(|cidr| cidr.0).collect();
        sources.extend(raw.prefix_list_id.map(Source::PrefixList));
        let pair = raw.referenced_group_info;
        sources.extend(pair.map(|pair| pair.into_source().0));
        let source = match sources.len() {
            1 => sources.swap_remove(0),
            0 => return Err("the rule has no source".to_owned()),
            _ => return Err("the rule has more than one source".to_owned()),
        };
        let ports = Ec2Ports {
            from: raw.from_port,
            to: raw.to_port,
        };
        let rule = IngressRule::new(raw.ip_protocol, ports, source);
        let mut rule = rule.map_err(|error| error.to_string())?;
        rule.id = raw.security_group_rule_id;
        rule.description = raw.description;
        rule.tags = collect_tags(raw.tags);
        Ok(Self { rule })
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct TagShape {
    #[serde(alias = "key")]
    key: String,
    #[serde(default, alias = "value")]
    value: Option<String>,
}

fn collect_tags(tags: Option<Vec<TagShape>>) -> Tags {
    tags.unwrap_or_default()
        .into_iter()
        .map(|tag| (tag.key, tag.value.unwrap_or_default()))
        .collect()
}

/// A prefix list: with `Cidrs` as of `describe-prefix-lists`, with `Entries`, or without either as
/// of `describe-managed-prefix-lists`.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(super) struct PrefixListShape {
    #[serde(alias = "prefixListId", deserialize_with = "read_id")]
    pub(super) prefix_list_id: String,
    #[serde(default, alias = "prefixListName")]
    pub(super) prefix_list_name: Option<String>,
    /// Absent for lists that AWS manages.
    #[serde(default, alias = "maxEntries")]
    pub(super) max_entries: Option<u32>,
    #[serde(default, alias = "entries")]
    pub(super) entries: Option<Vec<EntryShape>>,
    #[serde(default, alias = "cidrs")]
    pub(super) cidrs: Option<Vec<CidrShape>>,
}

/// An entry of a prefix list.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(super) struct EntryShape {
    #[serde(alias = "cidr")]
    pub(super) cidr: CidrShape,
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.trim().is_empty() {
        return Err(D::Error::custom("the id is empty"));
    }
    Ok(id)
}

fn read_parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

fn read_cidr<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
    let text = String::deserialize(deserializer)?;
    Source::from_cidr(&text).map_err(D::Error::custom)
}

/// Whether egress to every IPv4 address is allowed; `None` if that depends on a rule that cannot be
/// read.
fn has_open_egress(permissions: Value) -> Option<bool> {
    let Value::Array(permissions) = permissions else {
        return None;
    };
    let mut is_known = true;
    for permission in permissions {
        match serde_json::from_value::<PermissionShape>(permission) {
            Ok(shape) if shape.rules.iter().any(is_open_to_any_ipv4) => return Some(true),
            Ok(_) => {}
            Err(_) => is_known = false,
        }
    }
    is_known.then_some(false)
}

fn is_open_to_any_ipv4(rule: &IngressRule) -> bool {
    let is_any_ipv4 = matches!(
        &rule.source,
        Source::Cidr(net) if net.prefix_len() == 0 && net.addr().is_ipv4()
    );
    is_any_ipv4 && rule.protocol() == Protocol::All
}
