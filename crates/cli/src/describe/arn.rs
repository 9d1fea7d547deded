//! The ARN of a security group: the only value in AWS CLI output that contains its region.

use portcullis_remediation::Partition;

/// The parts of a security group's ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupArn {
    /// The whole ARN.
    pub text: String,
    /// The partition: `aws`, `aws-cn`.
    pub partition: String,
    /// The region: `eu-central-1`.
    pub region: String,
    /// The account that owns the group.
    pub account: String,
}

impl GroupArn {
    /// Parses the ARN of this group; `None` if the text is anything else.
    pub fn parse(text: &str, group_id: &str) -> Option<Self> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let &["arn", partition, "ec2", region, account, resource] = parts.as_slice() else {
            return None;
        };
        let is_this_group = resource.strip_prefix("security-group/") == Some(group_id);
        (is_this_group
            && is_lowercase_word(partition)
            && is_region_name(region)
            && is_account_id(account))
        .then(|| Self {
            text: text.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }

    /// Builds the ARN of a group.
    pub fn new(region: &str, account: &str, group_id: &str) -> Self {
        Self {
            text: Partition::security_group_arn(region, account, group_id),
            partition: Partition::for_region(region).name.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
        }
    }
}

/// Whether a text is an account id: 12 digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text has the form of a region name.
pub fn is_region_name(text: &str) -> bool {
    text.len() <= 16 && text.contains('-') && is_lowercase_word(text)
}

fn is_lowercase_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_that_was_built_can_be_parsed() {
        for (region, partition) in [
            ("eu-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-east-1", "aws"),
        ] {
            let arn = GroupArn::new(region, "111122223333", "sg-1");
            assert_eq!(
                arn.text,
                format!("arn:{partition}:ec2:{region}:111122223333:security-group/sg-1")
            );
            assert_eq!(GroupArn::parse(&arn.text, "sg-1"), Some(arn));
        }
    }

    #[test]
    fn other_texts_are_not_the_arn_of_the_group() {
        for text in [
            "",
            "arn",
            "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-2",
            "arn:aws:ec2:eu-central-1:111122223333:security-group-rule/sg-1",
            "arn:aws:ec2:eu-central-1:1111:security-group/sg-1",
            "arn:aws:ec2::111122223333:security-group/sg-1",
            "arn:aws:s3:eu-central-1:111122223333:security-group/sg-1",
            "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-1:x",
        ] {
            assert_eq!(GroupArn::parse(text, "sg-1"), None, "{text}");
        }
    }
}
