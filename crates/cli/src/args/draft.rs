//! Arguments of `portcullis policy draft`.

use clap::{Args, ValueHint};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::values::{parse_account_id, parse_time, region_parser};
use crate::input::Input;
use crate::policy::PolicyName;

/// The arguments of `portcullis policy draft`.
#[derive(Debug, Args)]
#[command(after_long_help = DRAFT_EXAMPLES)]
pub struct DraftArgs {
    /// Security groups, as for `portcullis audit`: a file, or `-` for standard input; can be
    /// repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required = true)]
    pub input: Vec<Input>,
    /// Policy to add the exceptions to: a file, or `preset:NAME` for a built-in one
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "preset:baseline",
        value_hint = ValueHint::FilePath
    )]
    pub policy: PolicyName,
    /// When the exceptions expire: days from now, or the last day
    #[arg(long, value_name = "WHEN", default_value = "+90d", value_parser = parse_expiry)]
    pub expires: Expiry,
    /// Tag of the groups with their owner [default: `owner`, `contact`, `team` and similar tags]
    #[arg(long, value_name = "KEY")]
    pub owner_tag: Option<String>,
    /// Draft exceptions only for groups that these events changed, as for `portcullis plan`: files,
    /// folders of log files, or `-` for standard input
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, num_args = 1..)]
    pub events: Vec<Input>,
    /// Account of groups without `OwnerId`
    #[arg(long, value_name = "ID", value_parser = parse_account_id)]
    pub account: Option<String>,
    /// Region of groups without `SecurityGroupArn`
    #[arg(
        long,
        value_name = "REGION",
        value_parser = region_parser(),
        hide_possible_values = true
    )]
    pub region: Option<String>,
    /// The date of the draft, such as 2027-03-01T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
}

const DRAFT_EXAMPLES: &str = "\
Examples:
  Accept what is open today for 90 days, and review it:
    aws ec2 describe-security-groups > groups.json
    portcullis policy draft --input groups.json > policy.yaml
    portcullis audit --input groups.json --policy policy.yaml

  Add exceptions to your own policy, with the owner from a tag:
    portcullis policy draft --input groups.json --policy policy.yaml --owner-tag CostCenter

  Only for groups that were changed in the last month:
    portcullis policy draft --input groups.json --events logs/ > policy.yaml";

/// When drafted exceptions expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// At the end of the day that is this many days from now.
    Days(u16),
    /// At the end of this day, in UTC.
    Date(Date),
}

impl Expiry {
    /// The last day on which the exceptions apply.
    pub fn last_day(self, now: Timestamp) -> Date {
        match self {
            Self::Days(days) => now
                .to_zoned(TimeZone::UTC)
                .date()
                .saturating_add(i64::from(days).days()),
            Self::Date(date) => date,
        }
    }
}

/// A number of days from now, such as `+90d`, or a date.
fn parse_expiry(text: &str) -> Result<Expiry, &'static str> {
    let days = text
        .strip_prefix('+')
        .and_then(|rest| rest.strip_suffix('d'))
        .and_then(|number| number.parse().ok())
        .filter(|days| *days > 0);
    let date = || text.parse::<Date>().ok().map(Expiry::Date);
    days.map(Expiry::Days)
        .or_else(date)
        .ok_or("expected a number of days such as +90d, or a date such as 2027-03-31")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_dates_are_absolute_or_from_now() {
        let now = "2026-11-21T23:00:00Z".parse().unwrap();
        for (text, last_day) in [
            ("+90d", "2027-02-19"),
            ("+1d", "2026-11-22"),
            ("2027-03-31", "2027-03-31"),
        ] {
            let expiry = parse_expiry(text).unwrap();
            assert_eq!(expiry.last_day(now).to_string(), last_day, "{text}");
        }
        for text in [
            "",
            "90",
            "90d",
            "+0d",
            "+d",
            "+90000d",
            "2027-02-30",
            "never",
        ] {
            assert!(parse_expiry(text).is_err(), "{text}");
        }
    }
}
