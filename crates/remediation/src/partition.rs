//! The table of AWS partitions: ARN partitions, region prefixes and console hosts.

/// An AWS partition.
///
/// Names and region prefixes: the partitions file of the AWS SDKs (`partitions.json` of botocore).
/// Consoles: AWS General Reference, "AWS Management Console endpoints", and for `aws-eusc` the
/// endpoint reference of the AWS European Sovereign Cloud. The isolated partitions publish none.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// The second field of an ARN: `aws`, `aws-cn`.
    pub name: &'static str,
    /// The prefix of its region names; empty for `aws`, which has every other region.
    region_prefix: &'static str,
    /// The host of its console without the region: `console.aws.amazon.com`.
    pub console_host: Option<&'static str>,
    /// A region that every account of the partition can use.
    pub default_region: &'static str,
}

/// The commercial partition.
const AWS: Partition = Partition {
    name: "aws",
    region_prefix: "",
    console_host: Some("console.aws.amazon.com"),
    default_region: "us-east-1",
};

/// Every other partition.
const OTHERS: [Partition; 7] = [
    Partition {
        name: "aws-cn",
        region_prefix: "cn-",
        console_host: Some("console.amazonaws.cn"),
        default_region: "cn-north-1",
    },
    Partition {
        name: "aws-us-gov",
        region_prefix: "us-gov-",
        console_host: Some("console.amazonaws-us-gov.com"),
        default_region: "us-gov-west-1",
    },
    Partition {
        name: "aws-eusc",
        region_prefix: "eusc-",
        console_host: Some("console.amazonaws-eusc.eu"),
        default_region: "eusc-de-east-1",
    },
    Partition {
        name: "aws-iso",
        region_prefix: "us-iso-",
        console_host: None,
        default_region: "us-iso-east-1",
    },
    Partition {
        name: "aws-iso-b",
        region_prefix: "us-isob-",
        console_host: None,
        default_region: "us-isob-east-1",
    },
    Partition {
        name: "aws-iso-e",
        region_prefix: "eu-isoe-",
        console_host: None,
        default_region: "eu-isoe-west-1",
    },
    Partition {
        name: "aws-iso-f",
        region_prefix: "us-isof-",
        console_host: None,
        default_region: "us-isof-south-1",
    },
];

impl Partition {
    /// The partition that a region belongs to.
    pub fn for_region(region: &str) -> &'static Self {
        OTHERS
            .iter()
            .find(|partition| region.starts_with(partition.region_prefix))
            .unwrap_or(&AWS)
    }

    /// The partition with this name, as in the second field of an ARN.
    pub fn find(name: &str) -> Option<&'static Self> {
        OTHERS
            .iter()
            .chain([&AWS])
            .find(|partition| partition.name == name)
    }

    /// Whether this is the commercial partition, `aws`.
    pub fn is_commercial(&self) -> bool {
        *self == AWS
    }

    /// The ARN of a security group.
    pub fn security_group_arn(region: &str, account: &str, group_id: &str) -> String {
        let partition = Self::for_region(region).name;
        format!("arn:{partition}:ec2:{region}:{account}:security-group/{group_id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_belong_to_their_partitions() {
        for (region, name, console_host) in [
            ("eu-central-1", "aws", Some("console.aws.amazon.com")),
            ("mx-central-1", "aws", Some("console.aws.amazon.com")),
            ("cn-northwest-1", "aws-cn", Some("console.amazonaws.cn")),
            (
                "us-gov-east-1",
                "aws-us-gov",
                Some("console.amazonaws-us-gov.com"),
            ),
            (
                "eusc-de-east-1",
                "aws-eusc",
                Some("console.amazonaws-eusc.eu"),
            ),
            ("us-iso-west-1", "aws-iso", None),
            ("us-isob-east-1", "aws-iso-b", None),
            ("eu-isoe-west-1", "aws-iso-e", None),
            ("us-isof-east-1", "aws-iso-f", None),
        ] {
            let partition = Partition::for_region(region);
            assert_eq!(
                (partition.name, partition.console_host),
                (name, console_host)
            );
            assert_eq!(Partition::find(name), Some(partition));
            assert_eq!(Partition::for_region(partition.default_region), partition);
            assert_eq!(partition.is_commercial(), name == "aws");
        }
        assert_eq!(Partition::find("aws-moon"), None);
    }

    #[test]
    fn the_arn_names_the_partition() {
        assert_eq!(
            Partition::security_group_arn("eusc-de-east-1", "111122223333", "sg-1"),
            "arn:aws-eusc:ec2:eusc-de-east-1:111122223333:security-group/sg-1"
        );
    }
}
