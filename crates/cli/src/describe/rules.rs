//! Ingress rules from JSON: each has one protocol, one port range and one source.

use portcullis_rules::group::{Ec2Ports, InvalidPorts, Tags};
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, PrefixLists, Protocol, Source};

use super::document::{
    EntryJson, GroupPairJson, IpRangeJson, Ipv6RangeJson, JsonList, PermissionJson,
    PrefixListIdJson, PrefixListJson, RuleJson, TagJson,
};
use super::field::JsonField;
use super::problems::{JsonPath, Problems, Unreadable};

/// A source of a permission and its description.
type DescribedSource = (Source, Option<String>);

/// The rules of a permission, one for each source.
pub(super) fn rules_from_permission(
    json: PermissionJson,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<IngressRule> {
    let traffic = (json.ip_protocol, json.from_port, json.to_port);
    let template = rule_template(traffic, path, problems);
    let mut sources = read_ipv4_ranges(json.ip_ranges, path.at_key("IpRanges"), problems);
    let ipv6_path = path.at_key("Ipv6Ranges");
    sources.extend(read_ipv6_ranges(json.ipv6_ranges, ipv6_path, problems));
    let lists_path = path.at_key("PrefixListIds");
    sources.extend(read_list_ids(json.prefix_list_ids, lists_path, problems));
    let pairs_path = path.at_key("UserIdGroupPairs");
    sources.extend(read_pairs(json.user_id_group_pairs, pairs_path, problems));
    let Ok(template) = template else {
        return Vec::new();
    };
    let mut rules = Vec::new();
    for (source, description) in sources {
        let mut rule = template.clone();
        rule.source = source;
        rule.description = description;
        rules.push(rule);
    }
    rules
}

fn read_ipv4_ranges(
    list: JsonList<IpRangeJson>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<DescribedSource> {
    let mut sources = Vec::new();
    for (index, range) in problems.read_items(list, path) {
        let item = path.at_index(index);
        let Ok(range) = problems.read_required(range, item) else {
            continue;
        };
        let source = read_cidr_source(range.cidr_ip, item.at_key("CidrIp"), problems);
        sources.extend(with_description(source, range.description));
    }
    sources
}

fn read_ipv6_ranges(
    list: JsonList<Ipv6RangeJson>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<DescribedSource> {
    let mut sources = Vec::new();
    for (index, range) in problems.read_items(list, path) {
        let item = path.at_index(index);
        let Ok(range) = problems.read_required(range, item) else {
            continue;
        };
        let source = read_cidr_source(range.cidr_ipv6, item.at_key("CidrIpv6"), problems);
        sources.extend(with_description(source, range.description));
    }
    sources
}

fn read_list_ids(
    list: JsonList<PrefixListIdJson>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<DescribedSource> {
    let mut sources = Vec::new();
    for (index, prefix_list) in problems.read_items(list, path) {
        let item = path.at_index(index);
        let Ok(prefix_list) = problems.read_required(prefix_list, item) else {
            continue;
        };
        let id = problems.read_required(prefix_list.prefix_list_id, item.at_key("PrefixListId"));
        sources.extend(with_description(
            id.map(Source::PrefixList),
            prefix_list.description,
        ));
    }
    sources
}

fn read_pairs(
    list: JsonList<GroupPairJson>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<DescribedSource> {
    let mut sources = Vec::new();
    for (index, pair) in problems.read_items(list, path) {
        let item = path.at_index(index);
        let Ok(mut pair) = problems.read_required(pair, item) else {
            continue;
        };
        let description = std::mem::take(&mut pair.description);
        let source = read_group_source(pair, item, problems);
        sources.extend(with_description(source, description));
    }
    sources
}

fn with_description(
    source: Result<Source, Unreadable>,
    description: JsonField<String>,
) -> Option<DescribedSource> {
    Some((source.ok()?, text_or_none(description)))
}

/// The rule from an entry of `describe-security-group-rules`.
pub(super) fn ingress_rule_from_json(
    mut json: RuleJson,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<IngressRule, Unreadable> {
    let mut sources = read_rule_sources(&mut json, path, problems);
    let traffic = (json.ip_protocol, json.from_port, json.to_port);
    let template = rule_template(traffic, path, problems);
    let source = match sources.len() {
        0 => Err(problems.add(path, "the rule has no source")),
        1 => sources.swap_remove(0),
        _ => Err(problems.add(path, "the rule has more than one source")),
    };
    let id = problems.read_or_none(
        json.security_group_rule_id,
        path.at_key("SecurityGroupRuleId"),
    );
    let mut rule = template?;
    rule.source = source?;
    rule.id = id;
    rule.description = text_or_none(json.description);
    rule.tags = read_tags(json.tags);
    Ok(rule)
}

/// Every source that the rule has; a valid one has one of them.
fn read_rule_sources(
    json: &mut RuleJson,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<Result<Source, Unreadable>> {
    let mut sources = Vec::new();
    let cidrs = [
        (std::mem::take(&mut json.cidr_ipv4), "CidrIpv4"),
        (std::mem::take(&mut json.cidr_ipv6), "CidrIpv6"),
    ];
    for (field, key) in cidrs {
        if !is_absent(&field) {
            sources.push(read_cidr_source(field, path.at_key(key), problems));
        }
    }
    let list_field = std::mem::take(&mut json.prefix_list_id);
    if !is_absent(&list_field) {
        let id = problems.read_required(list_field, path.at_key("PrefixListId"));
        sources.push(id.map(Source::PrefixList));
    }
    let pair_path = path.at_key("ReferencedGroupInfo");
    let pair_field = std::mem::take(&mut json.referenced_group_info);
    match problems.read_optional(pair_field, pair_path) {
        Ok(Some(pair)) => sources.push(read_group_source(pair, pair_path, problems)),
        Ok(None) => {}
        Err(unreadable) => sources.push(Err(unreadable)),
    }
    sources
}

/// A rule with this protocol and these ports. Its source is a placeholder.
fn rule_template(
    (protocol, from, to): (JsonField<String>, JsonField<i64>, JsonField<i64>),
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<IngressRule, Unreadable> {
    let protocol = read_protocol(protocol, path.at_key("IpProtocol"), problems);
    let from = read_port(from, path.at_key("FromPort"), problems);
    let to = read_port(to, path.at_key("ToPort"), problems);
    let (protocol, from, to) = (protocol?, from?, to?);
    let placeholder = Source::PrefixList(String::new());
    IngressRule::new(protocol, Ec2Ports { from, to }, placeholder).map_err(|error| {
        let wrong = match error {
            InvalidPorts::OutOfRange(port) if from != Some(port) => path.at_key("ToPort"),
            InvalidPorts::OutOfRange(_) | InvalidPorts::Reversed(..) => path.at_key("FromPort"),
            InvalidPorts::MissingField => path,
        };
        problems.add(wrong, error)
    })
}

fn read_protocol(
    field: JsonField<String>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<Protocol, Unreadable> {
    let text = problems.read_required(field, path)?;
    let parsed = text.parse::<Protocol>();
    parsed.map_err(|error| problems.add(path, error))
}

fn read_port(
    field: JsonField<i64>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<Option<i32>, Unreadable> {
    let Some(number) = problems.read_optional(field, path)? else {
        return Ok(None);
    };
    match i32::try_from(number) {
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(problems.add(path, format_args!("port {number} is outside 0 to 65535"))),
    }
}

fn read_cidr_source(
    field: JsonField<String>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<Source, Unreadable> {
    let text = problems.read_required(field, path)?;
    Source::from_cidr(&text).map_err(|error| problems.add(path, error))
}

fn read_group_source(
    pair: GroupPairJson,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<Source, Unreadable> {
    let group_id = problems.read_required(pair.group_id, path.at_key("GroupId"))?;
    let owner_id = text_or_none(pair.user_id);
    Ok(Source::Group(GroupSource { group_id, owner_id }))
}

/// The entries of the prefix lists. A list without the key `Entries` stays unresolved: the output
/// of `describe-managed-prefix-lists` has the lists without their entries.
pub(super) fn read_prefix_lists(
    lists: JsonList<PrefixListJson>,
    problems: &mut Problems,
) -> PrefixLists {
    let root = JsonPath::root("PrefixLists");
    problems.group_id = None;
    let mut resolved = PrefixLists::empty();
    for (index, list) in problems.read_items(lists, root) {
        let path = root.at_index(index);
        let Ok(list) = problems.read_required(list, path) else {
            continue;
        };
        let id = problems.read_required(list.prefix_list_id, path.at_key("PrefixListId"));
        let has_entries = !is_absent(&list.entries);
        let entries = read_prefix_list_entries(list.entries, path.at_key("Entries"), problems);
        if let Some(id) = id.ok().filter(|_| has_entries) {
            let nets = entries.into_iter().filter_map(|source| match source {
                Source::Cidr(net) => Some(net),
                Source::PrefixList(_) | Source::Group(_) => None,
            });
            resolved.insert(id, nets);
        }
    }
    resolved
}

fn read_prefix_list_entries(
    list: JsonList<EntryJson>,
    path: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<Source> {
    let mut entries = Vec::new();
    for (index, entry) in problems.read_items(list, path) {
        let item = path.at_index(index);
        let Ok(entry) = problems.read_required(entry, item) else {
            continue;
        };
        entries.extend(read_cidr_source(entry.cidr, item.at_key("Cidr"), problems));
    }
    entries
}

/// Whether egress to every IPv4 address on every protocol is allowed; `None` when the document does
/// not contain egress rules.
pub(super) fn open_egress(list: JsonList<PermissionJson>) -> Option<bool> {
    if is_absent(&list) {
        return None;
    }
    // Egress rules are not audited, so problems in them are not reported.
    let mut ignored = Problems::default();
    let path = JsonPath::root("IpPermissionsEgress");
    for (_, permission) in ignored.read_items(list, path) {
        let Ok(permission) = ignored.read_required(permission, path) else {
            continue;
        };
        let rules = rules_from_permission(permission, path, &mut ignored);
        if rules.iter().any(is_open_to_any_ipv4) {
            return Some(true);
        }
    }
    Some(false)
}

fn is_open_to_any_ipv4(rule: &IngressRule) -> bool {
    let is_any_ipv4 = matches!(
        &rule.source,
        Source::Cidr(net) if net.prefix_len() == 0 && net.addr().is_ipv4()
    );
    is_any_ipv4 && rule.protocol() == Protocol::All
}

/// The tags that can be read. Nothing here depends on them, so wrong types are not reported.
pub(super) fn read_tags(list: JsonList<TagJson>) -> Tags {
    let JsonField::Present(items) = list else {
        return Tags::new();
    };
    let mut tags = Tags::new();
    for item in items {
        if let JsonField::Present(tag) = item
            && let Some(key) = text_or_none(tag.key)
        {
            tags.insert(key, text_or_none(tag.value).unwrap_or_default());
        }
    }
    tags
}

/// A text on which nothing depends: a wrong type counts as absent.
fn text_or_none(field: JsonField<String>) -> Option<String> {
    match field {
        JsonField::Present(text) => Some(text),
        JsonField::Absent | JsonField::WrongType(_) => None,
    }
}

fn is_absent<T>(field: &JsonField<T>) -> bool {
    matches!(field, JsonField::Absent)
}
