//! The arguments about the live account.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::describe::is_account_id;

/// Which regions, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "The live account")]
pub struct LiveArgs {
    /// All regions that are enabled for the account
    #[arg(long, conflicts_with_all = ["region", "input"])]
    pub all_regions: bool,
    /// A profile of the AWS configuration files; it wins over keys in the environment
    #[arg(long, value_name = "NAME", conflicts_with = "input", value_parser = NonEmptyStringValueParser::new())]
    pub profile: Option<String>,
    /// A role to assume first, such as `arn:aws:iam::111122223333:role/audit`
    #[arg(long, value_name = "ARN", conflicts_with = "input", value_parser = parse_role_arn)]
    pub role: Option<String>,
    /// What the trust policy of the role asks for
    #[arg(long, value_name = "ID", requires = "role", value_parser = NonEmptyStringValueParser::new())]
    pub external_id: Option<String>,
}

/// The ARN of a role.
fn parse_role_arn(text: &str) -> Result<String, &'static str> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let is_role = matches!(
        parts.as_slice(),
        ["arn", partition, "iam", "", account, resource]
            if partition.starts_with("aws") && is_account_id(account) && resource.starts_with("role/")
    );
    is_role
        .then(|| text.to_owned())
        .ok_or("expected the ARN of a role such as arn:aws:iam::111122223333:role/audit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arn_of_a_role_is_one() {
        for good in [
            "arn:aws:iam::111122223333:role/audit",
            "arn:aws-cn:iam::111122223333:role/path/to/audit",
        ] {
            assert_eq!(parse_role_arn(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "audit",
            "arn:aws:iam::111122223333:user/audit",
            "arn:aws:iam::1111:role/audit",
            "arn:aws:iam:eu-west-1:111122223333:role/audit",
            "arn:aws:sts::111122223333:assumed-role/audit/me",
        ] {
            assert!(parse_role_arn(bad).is_err(), "{bad}");
        }
    }
}
