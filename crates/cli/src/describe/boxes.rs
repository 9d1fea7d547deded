//! From permissions and rules to boxes: protocol, ports and one source each.

use portcullis_rules::group::{InvalidPorts, Tags, WrittenPorts};
use portcullis_rules::source::GroupSource;
use portcullis_rules::{IngressRule, PrefixLists, Protocol, Source};

use super::document::{EntryJson, GroupPairJson, List, PermissionJson, PrefixListJson, RuleJson, TagJson};
use super::field::Field;
use super::place::{Place, Problems, Unreadable};

/// The boxes of an aggregated permission, one for each source.
pub(super) fn permission(json: PermissionJson, place: Place<'_>, problems: &mut Problems) -> Vec<IngressRule> {
    let traffic = (json.ip_protocol, json.from_port, json.to_port);
    let template = template(traffic, place, problems);
    let mut sources = Vec::new();
    let list = place.key("IpRanges");
    for (index, range) in problems.items(json.ip_ranges, list) {
        let item = list.item(index);
        let Ok(range) = problems.required(range, item) else { continue };
        let source = cidr(range.cidr_ip, item.key("CidrIp"), problems);
        sources.push((source, range.description));
    }
    let list = place.key("Ipv6Ranges");
    for (index, range) in problems.items(json.ipv6_ranges, list) {
        let item = list.item(index);
        let Ok(range) = problems.required(range, item) else { continue };
        let source = cidr(range.cidr_ipv6, item.key("CidrIpv6"), problems);
        sources.push((source, range.description));
    }
    let list = place.key("PrefixListIds");
    for (index, prefix_list) in problems.items(json.prefix_list_ids, list) {
        let item = list.item(index);
        let Ok(prefix_list) = problems.required(prefix_list, item) else { continue };
        let id = problems.required(prefix_list.prefix_list_id, item.key("PrefixListId"));
        sources.push((id.map(Source::PrefixList), prefix_list.description));
    }
    let list = place.key("UserIdGroupPairs");
    for (index, pair) in problems.items(json.user_id_group_pairs, list) {
        let item = list.item(index);
        let Ok(mut pair) = problems.required(pair, item) else { continue };
        let description = std::mem::take(&mut pair.description);
        sources.push((group(pair, item, problems), description));
    }
    let Ok(template) = template else {
        return Vec::new();
    };
    sources
        .into_iter()
        .filter_map(|(source, description)| {
            let mut rule = template.clone();
            rule.source = source.ok()?;
            rule.description = quietly(description);
            Some(rule)
        })
        .collect()
}

/// The box of a rule of `describe-security-group-rules`.
pub(super) fn rule(json: RuleJson, place: Place<'_>, problems: &mut Problems) -> Result<IngressRule, Unreadable> {
    let mut found = Vec::new();
    for (field, key) in [(json.cidr_ipv4, "CidrIpv4"), (json.cidr_ipv6, "CidrIpv6")] {
        if !is_absent(&field) {
            found.push(cidr(field, place.key(key), problems));
        }
    }
    if !is_absent(&json.prefix_list_id) {
        let id = problems.required(json.prefix_list_id, place.key("PrefixListId"));
        found.push(id.map(Source::PrefixList));
    }
    let referenced = place.key("ReferencedGroupInfo");
    match problems.optional(json.referenced_group_info, referenced) {
        Ok(Some(pair)) => found.push(group(pair, referenced, problems)),
        Ok(None) => {}
        Err(unreadable) => found.push(Err(unreadable)),
    }
    let traffic = (json.ip_protocol, json.from_port, json.to_port);
    let template = template(traffic, place, problems);
    let source = match found.len() {
        0 => Err(problems.add(place, "the rule has no source")),
        1 => found.swap_remove(0),
        _ => Err(problems.add(place, "the rule has more than one source")),
    };
    let id = problems.optional(json.security_group_rule_id, place.key("SecurityGroupRuleId"));
    let mut rule = template?;
    rule.source = source?;
    rule.id = id.ok().flatten();
    rule.description = quietly(json.description);
    rule.tags = tags(json.tags);
    Ok(rule)
}

/// A box with this protocol and these ports, its source still to be set.
fn template(
    (protocol, from, to): (Field<String>, Field<i64>, Field<i64>),
    place: Place<'_>,
    problems: &mut Problems,
) -> Result<IngressRule, Unreadable> {
    let protocol_place = place.key("IpProtocol");
    let protocol = problems.required(protocol, protocol_place).and_then(|text| {
        let parsed = text.parse::<Protocol>();
        parsed.map_err(|error| problems.add(protocol_place, error))
    });
    let from = port(from, place.key("FromPort"), problems);
    let to = port(to, place.key("ToPort"), problems);
    let (protocol, from, to) = (protocol?, from?, to?);
    let nowhere = Source::PrefixList(String::new());
    IngressRule::new(protocol, WrittenPorts { from, to }, nowhere).map_err(|error| {
        let wrong = match error {
            InvalidPorts::OutOfRange(port) if from != Some(port) => place.key("ToPort"),
            InvalidPorts::OutOfRange(_) | InvalidPorts::Reversed(..) => place.key("FromPort"),
            InvalidPorts::Half => place,
        };
        problems.add(wrong, error)
    })
}

fn port(field: Field<i64>, place: Place<'_>, problems: &mut Problems) -> Result<Option<i32>, Unreadable> {
    let number = problems.optional(field, place)?;
    let small = number.map(i32::try_from).transpose();
    small.map_err(|_| {
        let number = number.unwrap_or_default();
        problems.add(place, format_args!("port {number} is outside 0 to 65535"))
    })
}

fn cidr(field: Field<String>, place: Place<'_>, problems: &mut Problems) -> Result<Source, Unreadable> {
    let text = problems.required(field, place)?;
    Source::cidr(&text).map_err(|error| problems.add(place, error))
}

fn group(pair: GroupPairJson, place: Place<'_>, problems: &mut Problems) -> Result<Source, Unreadable> {
    let group_id = problems.required(pair.group_id, place.key("GroupId"))?;
    let owner_id = quietly(pair.user_id);
    Ok(Source::Group(GroupSource { group_id, owner_id }))
}

/// The entries of the prefix lists. A list without the key `Entries` stays unresolved: `describe-managed-prefix-lists`
/// tells that a list exists, not what is in it.
pub(super) fn prefix_lists(lists: List<PrefixListJson>, problems: &mut Problems) -> PrefixLists {
    let root = Place::root("PrefixLists");
    problems.group_id = None;
    let mut known = PrefixLists::none();
    for (index, list) in problems.items(lists, root) {
        let place = root.item(index);
        let Ok(list) = problems.required(list, place) else { continue };
        let id = problems.required(list.prefix_list_id, place.key("PrefixListId"));
        let is_told = !is_absent(&list.entries);
        let entries = entries(list.entries, place.key("Entries"), problems);
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

fn entries(list: List<EntryJson>, place: Place<'_>, problems: &mut Problems) -> Vec<Source> {
    let mut entries = Vec::new();
    for (index, entry) in problems.items(list, place) {
        let item = place.item(index);
        let Ok(entry) = problems.required(entry, item) else { continue };
        entries.extend(cidr(entry.cidr, item.key("Cidr"), problems));
    }
    entries
}

/// Whether egress to every IPv4 address on every protocol is allowed; `None` when the document does not tell.
pub(super) fn open_egress(field: List<PermissionJson>) -> Option<bool> {
    if is_absent(&field) {
        return None;
    }
    // Egress is no business of an audit: what cannot be read of it is no problem.
    let mut ignored = Problems::default();
    let place = Place::root("IpPermissionsEgress");
    let permissions = ignored.items(field, place);
    let rules =
        permissions.filter_map(|(_, json)| Some(permission(ignored.required(json, place).ok()?, place, &mut ignored)));
    Some(rules.flatten().any(|rule| rule.protocol() == Protocol::All && is_all_of_ipv4(&rule.source)))
}

fn is_all_of_ipv4(source: &Source) -> bool {
    matches!(source, Source::Cidr(net) if net.prefix_len() == 0 && net.addr().is_ipv4())
}

/// Tags, as far as they can be read: they decide nothing here.
pub(super) fn tags(field: List<TagJson>) -> Tags {
    let Field::Is(list) = field else {
        return Tags::new();
    };
    let pairs = list.into_iter().filter_map(|tag| match tag {
        Field::Is(tag) => Some((quietly(tag.key)?, quietly(tag.value).unwrap_or_default())),
        Field::Absent | Field::Other(_) => None,
    });
    pairs.collect()
}

/// A text that decides nothing: one of a wrong type is as good as none.
fn quietly(field: Field<String>) -> Option<String> {
    match field {
        Field::Is(text) => Some(text),
        Field::Absent | Field::Other(_) => None,
    }
}

fn is_absent<T>(field: &Field<T>) -> bool {
    matches!(field, Field::Absent)
}
