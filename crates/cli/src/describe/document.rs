//! The document as the AWS CLI writes it. Keys we do not need are ignored.

use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny, MapAccess};

use super::field::{Field, Shape, read_object};

pub(super) type List<T> = Field<Vec<Field<T>>>;

/// The outermost object.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) groups: List<GroupJson>,
    pub(super) rules: List<RuleJson>,
    pub(super) lists: List<PrefixListJson>,
    /// The keys of the object, to say what was found instead.
    pub(super) keys: Vec<String>,
}

impl Shape for Document {
    const NAME: &'static str = "an object";

    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        let mut document = Self::default();
        while let Some(key) = object.next_key::<String>()? {
            let again = document.keys.contains(&key);
            match key.as_str() {
                // The last of two would hide the groups of the first.
                "SecurityGroups" | "SecurityGroupRules" | "PrefixLists" if again => {
                    return Err(A::Error::custom(format!("the key `{key}` is there twice")));
                }
                "SecurityGroups" => document.groups = object.next_value()?,
                "SecurityGroupRules" => document.rules = object.next_value()?,
                "PrefixLists" => document.lists = object.next_value()?,
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
    pub(super) group_id: Field<String>,
    pub(super) security_group_arn: Field<String>,
    pub(super) group_name: Field<String>,
    pub(super) vpc_id: Field<String>,
    pub(super) owner_id: Field<String>,
    pub(super) tags: List<TagJson>,
    pub(super) ip_permissions: List<PermissionJson>,
    pub(super) ip_permissions_egress: List<PermissionJson>,
}

/// An aggregated permission: one protocol and port range, any number of sources.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PermissionJson {
    pub(super) ip_protocol: Field<String>,
    pub(super) from_port: Field<i64>,
    pub(super) to_port: Field<i64>,
    pub(super) ip_ranges: List<IpRangeJson>,
    pub(super) ipv6_ranges: List<Ipv6RangeJson>,
    pub(super) prefix_list_ids: List<PrefixListIdJson>,
    pub(super) user_id_group_pairs: List<GroupPairJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct IpRangeJson {
    pub(super) cidr_ip: Field<String>,
    pub(super) description: Field<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Ipv6RangeJson {
    pub(super) cidr_ipv6: Field<String>,
    pub(super) description: Field<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PrefixListIdJson {
    pub(super) prefix_list_id: Field<String>,
    pub(super) description: Field<String>,
}

/// A security group as a source, in either listing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct GroupPairJson {
    pub(super) group_id: Field<String>,
    pub(super) user_id: Field<String>,
    pub(super) description: Field<String>,
}

/// A rule of `describe-security-group-rules`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RuleJson {
    pub(super) security_group_rule_id: Field<String>,
    pub(super) group_id: Field<String>,
    pub(super) group_owner_id: Field<String>,
    pub(super) is_egress: Field<bool>,
    pub(super) ip_protocol: Field<String>,
    pub(super) from_port: Field<i64>,
    pub(super) to_port: Field<i64>,
    pub(super) cidr_ipv4: Field<String>,
    pub(super) cidr_ipv6: Field<String>,
    pub(super) prefix_list_id: Field<String>,
    pub(super) referenced_group_info: Field<GroupPairJson>,
    pub(super) description: Field<String>,
    pub(super) tags: List<TagJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct TagJson {
    pub(super) key: Field<String>,
    pub(super) value: Field<String>,
}

/// A prefix list with its entries.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PrefixListJson {
    pub(super) prefix_list_id: Field<String>,
    pub(super) entries: List<EntryJson>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct EntryJson {
    pub(super) cidr: Field<String>,
}

macro_rules! objects {
    ($($object:ty),+ $(,)?) => {
        $(impl Shape for $object {
            const NAME: &'static str = "an object";

            fn object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
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
