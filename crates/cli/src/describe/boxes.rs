//! From permissions and rules to boxes: protocol, ports and one source each.

use portcullis_rules::group::{Ec2Ports, InvalidPorts, Tags};
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, PrefixLists, Protocol, Source};

use super::document::{
    EntryJson, GroupPairJson, JsonList, PermissionJson, PrefixListJson, RuleJson, TagJson,
};
use super::field::JsonField;
use super::place::{JsonPath, Problems, Unreadable};

/// The boxes of an aggregated permission, one for each source.
pub(super) fn rules_from_permission(
    json: PermissionJson,
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<IngressRule> {
    let traffic = (json.ip_protocol, json.from_port, json.to_port);
    let template = rule_template(traffic, place, problems);
    let mut sources = Vec::new();
    let list = place.at_key("IpRanges");
    for (index, range) in problems.read_items(json.ip_ranges, list) {
        let item = list.at_index(index);
        let Ok(range) = problems.read_required(range, item) else {
            continue;
        };
        let source = read_cidr_source(range.cidr_ip, item.at_key("CidrIp"), problems);
        sources.push((source, range.description));
    }
    let list = place.at_key("Ipv6Ranges");
    for (index, range) in problems.read_items(json.ipv6_ranges, list) {
        let item = list.at_index(index);
        let Ok(range) = problems.read_required(range, item) else {
            continue;
        };
        let source = read_cidr_source(range.cidr_ipv6, item.at_key("CidrIpv6"), problems);
        sources.push((source, range.description));
    }
    let list = place.at_key("PrefixListIds");
    for (index, prefix_list) in problems.read_items(json.prefix_list_ids, list) {
        let item = list.at_index(index);
        let Ok(prefix_list) = problems.read_required(prefix_list, item) else {
            continue;
        };
        let id = problems.read_required(prefix_list.prefix_list_id, item.at_key("PrefixListId"));
        sources.push((id.map(Source::PrefixList), prefix_list.description));
    }
    let list = place.at_key("UserIdGroupPairs");
    for (index, pair) in problems.read_items(json.user_id_group_pairs, list) {
        let item = list.at_index(index);
        let Ok(mut pair) = problems.read_required(pair, item) else {
            continue;
        };
        let description = std::mem::take(&mut pair.description);
        sources.push((read_group_source(pair, item, problems), description));
    }
    let Ok(template) = template else {
        return Vec::new();
    };
    sources
        .into_iter()
        .filter_map(|(source, description)| {
            let mut rule = template.clone();
            rule.source = source.ok()?;
            rule.description = text_or_none(description);
            Some(rule)
        })
        .collect()
}

/// The box of a rule of `describe-security-group-rules`.
pub(super) fn ingress_rule_from_json(
    json: RuleJson,
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<IngressRule, Unreadable> {
    let mut found = Vec::new();
    for (field, key) in [(json.cidr_ipv4, "CidrIpv4"), (json.cidr_ipv6, "CidrIpv6")] {
        if !is_absent(&field) {
            found.push(read_cidr_source(field, place.at_key(key), problems));
        }
    }
    if !is_absent(&json.prefix_list_id) {
        let id = problems.read_required(json.prefix_list_id, place.at_key("PrefixListId"));
        found.push(id.map(Source::PrefixList));
    }
    let referenced = place.at_key("ReferencedGroupInfo");
    match problems.read_optional(json.referenced_group_info, referenced) {
        Ok(Some(pair)) => found.push(read_group_source(pair, referenced, problems)),
        Ok(None) => {}
        Err(unreadable) => found.push(Err(unreadable)),
    }
    let traffic = (json.ip_protocol, json.from_port, json.to_port);
    let template = rule_template(traffic, place, problems);
    let source = match found.len() {
        0 => Err(problems.add(place, "the rule has no source")),
        1 => found.swap_remove(0),
        _ => Err(problems.add(place, "the rule has more than one source")),
    };
    let id = problems.read_optional(
        json.security_group_rule_id,
        place.at_key("SecurityGroupRuleId"),
    );
    let mut rule = template?;
    rule.source = source?;
    rule.id = id.ok().flatten();
    rule.description = text_or_none(json.description);
    rule.tags = read_tags(json.tags);
    Ok(rule)
}

/// A box with this protocol and these ports, its source still to be set.
fn rule_template(
    (protocol, from, to): (JsonField<String>, JsonField<i64>, JsonField<i64>),
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<IngressRule, Unreadable> {
    let protocol_place = place.at_key("IpProtocol");
    let protocol = problems
        .read_required(protocol, protocol_place)
        .and_then(|text| {
            let parsed = text.parse::<Protocol>();
            parsed.map_err(|error| problems.add(protocol_place, error))
        });
    let from = read_port(from, place.at_key("FromPort"), problems);
    let to = read_port(to, place.at_key("ToPort"), problems);
    let (protocol, from, to) = (protocol?, from?, to?);
    let nowhere = Source::PrefixList(String::new());
    IngressRule::new(protocol, Ec2Ports { from, to }, nowhere).map_err(|error| {
        let wrong = match error {
            InvalidPorts::OutOfRange(port) if from != Some(port) => place.at_key("ToPort"),
            InvalidPorts::OutOfRange(_) | InvalidPorts::Reversed(..) => place.at_key("FromPort"),
            InvalidPorts::MissingField => place,
        };
        problems.add(wrong, error)
    })
}

fn read_port(
    field: JsonField<i64>,
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<Option<i32>, Unreadable> {
    let number = problems.read_optional(field, place)?;
    let small = number.map(i32::try_from).transpose();
    small.map_err(|_| {
        let number = number.unwrap_or_default();
        problems.add(place, format_args!("port {number} is outside 0 to 65535"))
    })
}

fn read_cidr_source(
    field: JsonField<String>,
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<Source, Unreadable> {
    let text = problems.read_required(field, place)?;
    Source::from_cidr(&text).map_err(|error| problems.add(place, error))
}

fn read_group_source(
    pair: GroupPairJson,
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Result<Source, Unreadable> {
    let group_id = problems.read_required(pair.group_id, place.at_key("GroupId"))?;
    let owner_id = text_or_none(pair.user_id);
    Ok(Source::Group(GroupSource { group_id, owner_id }))
}

/// The entries of the prefix lists. A list without the key `Entries` stays unresolved: `describe-managed-prefix-lists`
/// tells that a list exists, not what is in it.
pub(super) fn read_prefix_lists(
    lists: JsonList<PrefixListJson>,
    problems: &mut Problems,
) -> PrefixLists {
    let root = JsonPath::root("PrefixLists");
    problems.group_id = None;
    let mut known = PrefixLists::empty();
    for (index, list) in problems.read_items(lists, root) {
        let place = root.at_index(index);
        let Ok(list) = problems.read_required(list, place) else {
            continue;
        };
        let id = problems.read_required(list.prefix_list_id, place.at_key("PrefixListId"));
        let is_told = !is_absent(&list.entries);
        let entries = read_prefix_list_entries(list.entries, place.at_key("Entries"), problems);
        if let Some(id) = id.ok().filter(|_| is_told) {
            let nets = entries.into_iter().filter_map(|source| match source {
                Source::Cidr(net) => Some(net),
                Source::PrefixList(_) | Source::Group(_) => None,
            });
            known.insert(id, nets);
        }
    }
    known
}

fn read_prefix_list_entries(
    list: JsonList<EntryJson>,
    place: JsonPath<'_>,
    problems: &mut Problems,
) -> Vec<Source> {
    let mut entries = Vec::new();
    for (index, entry) in problems.read_items(list, place) {
        let item = place.at_index(index);
        let Ok(entry) = problems.read_required(entry, item) else {
            continue;
        };
        entries.extend(read_cidr_source(entry.cidr, item.at_key("Cidr"), problems));
    }
    entries
}

/// Whether egress to every IPv4 address on every protocol is allowed; `None` when the document does not tell.
pub(super) fn open_egress(field: JsonList<PermissionJson>) -> Option<bool> {
    if is_absent(&field) {
        return None;
    }
    // Egress is no business of an audit: what cannot be read of it is no problem.
    let mut ignored = Problems::default();
    let place = JsonPath::root("IpPermissionsEgress");
    let permissions = ignored.read_items(field, place);
    let rules = permissions.filter_map(|(_, json)| {
        Some(rules_from_permission(
            ignored.read_required(json, place).ok()?,
            place,
            &mut ignored,
        ))
    });
    Some(
        rules
            .flatten()
            .any(|rule| rule.protocol() == Protocol::All && is_any_ipv4(&rule.source)),
    )
}

fn is_any_ipv4(source: &Source) -> bool {
    matches!(source, Source::Cidr(net) if net.prefix_len() == 0 && net.addr().is_ipv4())
}

/// Tags, as far as they can be read: they decide nothing here.
pub(super) fn read_tags(field: JsonList<TagJson>) -> Tags {
    let JsonField::Present(list) = field else {
        return Tags::new();
    };
    let pairs = list.into_iter().filter_map(|tag| match tag {
        JsonField::Present(tag) => Some((
            text_or_none(tag.key)?,
            text_or_none(tag.value).unwrap_or_default(),
        )),
        JsonField::Absent | JsonField::WrongType(_) => None,
    });
    pairs.collect()
}

/// A text that decides nothing: one of a wrong type is as good as none.
fn text_or_none(field: JsonField<String>) -> Option<String> {
    match field {
        JsonField::Present(text) => Some(text),
        JsonField::Absent | JsonField::WrongType(_) => None,
    }
}

fn is_absent<T>(field: &JsonField<T>) -> bool {
    matches!(field, JsonField::Absent)
}
