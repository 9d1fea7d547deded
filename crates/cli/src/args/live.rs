//! Arguments that select the live account.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::describe::is_account_id;

/// Which regions to audit, and with which credentials.
#[derive(Debug, Args)]
#[command(next_help_heading = "Live account")]
pub struct LiveArgs {
    /// Audit all regions that are enabled for the account
    #[arg(long, conflicts_with_all = ["region", "input"])]
    pub all_regions: bool,
    /// Profile of the AWS config files; takes precedence over credentials in the environment
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "input",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub profile: Option<String>,
    /// Role to assume, such as `arn:aws:iam::111122223333:role/audit`
    #[arg(long, value_name = "ARN", conflicts_with = "input", value_parser = parse_role_arn)]
    pub role: Option<String>,
    /// External id required by the role's trust policy
    #[arg(
        long,
        value_name = "ID",
        requires = "role",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub external_id: Option<String>,
}

fn parse_role_arn(text: &str) -> Result<String, &'static str> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource]
            if partition.starts_with("aws")
                && is_account_id(account)
                && resource.starts_with("role/") =>
        {
            Ok(text.to_owned())
        }
        _ => Err("expected a role ARN such as arn:aws:iam::111122223333:role/audit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_role_arns_are_accepted() {
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
