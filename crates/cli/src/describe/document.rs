//! The document as the AWS CLI writes it. Keys that are not needed are ignored.

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess};

use super::field::{JsonField, JsonType, read_object};

pub(super) type JsonList<T> = JsonField<Vec<JsonField<T>>>;

/// The outermost object.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) groups: JsonList<GroupJson>,
    pub(super) rules: JsonList<RuleJson>,
    pub(super) prefix_lists: JsonList<PrefixListJson>,
    /// All keys of the object, for error messages.
    pub(super) keys: Vec<String>,
}

impl JsonType for Document {
    const NAME: &'static str = "an object";

    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        let mut document = Self::default();
        while let Some(key) = object.next_key::<String>()? {
            let is_duplicate = document.keys.contains(&key);
            match key.as_str() {
                // The second list would silently replace the first.
                "SecurityGroups" | "SecurityGroupRules" | "PrefixLists" if is_duplicate => {
                    return Err(A::Error::custom(format!("duplicate key `{key}`")));
                }
                "SecurityGroups" => document.groups = object.next_value()?,
                "SecurityGroupRules" => document.rules = object.next_value()?,
                "PrefixLists" => document.prefix_lists = object.next_value()?,
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
            document.keys.push(key);
        }
        Ok(Some(document))
    }
}

/// A security group of `describe-security-groups`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct GroupJson {
    pub(super) group_id: JsonField<String>,
    pub(super) security_group_arn: JsonField<String>,
    pub(super) group_name: JsonField<String>,
    pub(super) vpc_id: JsonField<String>,
    pub(super) owner_id: JsonField<String>,
    pub(super) tags: JsonList<TagJson>,
    pub(super) ip_permissions: JsonList<PermissionJson>,
    pub(super) ip_permissions_egress: JsonList<PermissionJson>,
}

/// An `IpPermission`: one protocol and port range, any number of sources.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PermissionJson {
    pub(super) ip_protocol: JsonField<String>,
    pub(super) from_port: JsonField<i64>,
    pub(super) to_port: JsonField<i64>,
    pub(super) ip_ranges: JsonList<IpRangeJson>,
    pub(super) ipv6_ranges: JsonList<Ipv6RangeJson>,
    pub(super) prefix_list_ids: JsonList<PrefixListIdJson>,
    pub(super) user_id_group_pairs: JsonList<GroupPairJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct IpRangeJson {
    pub(super) cidr_ip: JsonField<String>,
    pub(super) description: JsonField<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Ipv6RangeJson {
    pub(super) cidr_ipv6: JsonField<String>,
    pub(super) description: JsonField<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PrefixListIdJson {
    pub(super) prefix_list_id: JsonField<String>,
    pub(super) description: JsonField<String>,
}

/// A security group as the source of a rule, in either listing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct GroupPairJson {
    pub(super) group_id: JsonField<String>,
    pub(super) user_id: JsonField<String>,
    pub(super) description: JsonField<String>,
}

/// A rule of `describe-security-group-rules`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RuleJson {
    pub(super) security_group_rule_id: JsonField<String>,
    pub(super) group_id: JsonField<String>,
    pub(super) group_owner_id: JsonField<String>,
    pub(super) is_egress: JsonField<bool>,
    pub(super) ip_protocol: JsonField<String>,
    pub(super) from_port: JsonField<i64>,
    pub(super) to_port: JsonField<i64>,
    pub(super) cidr_ipv4: JsonField<String>,
    pub(super) cidr_ipv6: JsonField<String>,
    pub(super) prefix_list_id: JsonField<String>,
    pub(super) referenced_group_info: JsonField<GroupPairJson>,
    pub(super) description: JsonField<String>,
    pub(super) tags: JsonList<TagJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct TagJson {
    pub(super) key: JsonField<String>,
    pub(super) value: JsonField<String>,
}

/// A prefix list with its entries.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PrefixListJson {
    pub(super) prefix_list_id: JsonField<String>,
    pub(super) entries: JsonList<EntryJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct EntryJson {
    pub(super) cidr: JsonField<String>,
}

macro_rules! objects {
    ($($object:ty),+ $(,)?) => {
        $(impl JsonType for $object {
            const NAME: &'static str = "an object";

            fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
                read_object(object)
            }
        })+
    };
}

objects!(
    GroupJson,
    PermissionJson,
    IpRangeJson,
    Ipv6RangeJson,
    PrefixListIdJson,
    GroupPairJson,
    RuleJson,
    TagJson,
    PrefixListJson,
    EntryJson,
);
