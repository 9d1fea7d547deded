//! How much prefix lists count towards the rules quota.

use crate::source::PrefixLists;

/// The weights of AWS-managed prefix lists, by the end of their names. The names start with
/// `com.amazonaws.global.` or `com.amazonaws.REGION.`, lists for IPv6 with `ipv6.` after that.
///
/// Source: Amazon VPC User Guide, "AWS-managed prefix lists", "AWS-managed prefix list weight".
const MANAGED_LIST_WEIGHTS: [(&str, usize); 8] = [
    ("cloudfront.origin-facing", 55),
    ("dynamodb", 1),
    ("ec2-instance-connect", 2),
    ("groundstation", 5),
    ("route53-healthchecks", 25),
    ("s3", 1),
    ("s3express", 6),
    ("vpc-lattice", 10),
];

/// The number by which EC2 counts a prefix list: the published weight of an AWS-managed list, the
/// `MaxEntries` of another one. Without either, the number of its entries, and at least 1.
pub(super) fn prefix_list_weight(id: &str, lists: &PrefixLists) -> usize {
    let published = lists.name(id).and_then(published_weight);
    let entry_count = lists.entries(id).map_or(0, <[_]>::len);
    published
        .or_else(|| lists.max_entries(id))
        .unwrap_or(entry_count)
        .max(1)
}

/// The published weight of the AWS-managed list with this name.
fn published_weight(name: &str) -> Option<usize> {
    let without_prefix = name.strip_prefix("com.amazonaws.")?;
    let (_region, service) = without_prefix.split_once('.')?;
    let family_independent = service.strip_prefix("ipv6.").unwrap_or(service);
    MANAGED_LIST_WEIGHTS
        .iter()
        .find(|(listed, _)| *listed == family_independent)
        .map(|&(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_managed_lists_have_a_published_weight() {
        for (name, weight) in [
            ("com.amazonaws.global.cloudfront.origin-facing", Some(55)),
            (
                "com.amazonaws.global.ipv6.cloudfront.origin-facing",
                Some(55),
            ),
            ("com.amazonaws.eu-west-1.s3", Some(1)),
            ("com.amazonaws.eu-west-1.s3express", Some(6)),
            (
                "com.amazonaws.us-east-1.ipv6.route53-healthchecks",
                Some(25),
            ),
            ("com.amazonaws.us-east-1.vpc-lattice", Some(10)),
            ("com.amazonaws.us-east-1.some-new-service", None),
            ("offices", None),
            ("s3", None),
        ] {
            assert_eq!(published_weight(name), weight, "{name}");
        }
    }

    #[test]
    fn other_lists_count_by_their_maximum_or_their_entries() {
        let nets = ["10.0.0.0/8", "192.168.0.0/16"].map(|text| text.parse().unwrap());
        let mut lists = PrefixLists::empty();
        assert_eq!(prefix_list_weight("pl-1", &lists), 1);
        lists.insert("pl-1", nets);
        assert_eq!(prefix_list_weight("pl-1", &lists), 2);
        lists.set_max_entries("pl-1", 40);
        assert_eq!(prefix_list_weight("pl-1", &lists), 40);
        lists.set_name("pl-1", "com.amazonaws.eu-west-1.s3");
        assert_eq!(prefix_list_weight("pl-1", &lists), 1);
    }
}
