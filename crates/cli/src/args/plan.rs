//! Arguments of `portcullis plan`.

use clap::{Args, ValueHint};
use jiff::Timestamp;
use portcullis_remediation::Mode;

use super::values::{Format, mode_parser, parse_time};
use crate::input::Input;
use crate::policy::PolicyName;

/// The arguments of `portcullis plan`.
#[derive(Debug, Args)]
#[command(after_long_help = PLAN_EXAMPLES)]
pub struct PlanArgs {
    /// Events: files, folders of log files, or `-` for standard input; may be gzipped
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, required = true)]
    pub events: Vec<Input>,
    /// Security groups, as for `portcullis audit`: a file, or `-` for standard input; can be
    /// repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required = true)]
    pub input: Vec<Input>,
    /// Policy: a file, or `preset:NAME` for a built-in one
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "preset:baseline",
        value_hint = ValueHint::FilePath
    )]
    pub policy: PolicyName,
    /// Mode of the deployment, which takes precedence over that of the policy
    #[arg(long, value_name = "MODE", value_parser = mode_parser())]
    pub mode: Option<Mode>,
    /// Evaluate exceptions as of this time, such as 2027-03-01T00:00:00Z [default: the time of the
    /// event]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Account that Portcullis runs in; groups of other accounts are refused
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  Plan for the events of a log file:
    aws ec2 describe-security-groups > groups.json
    portcullis plan 111122223333_CloudTrail_eu-central-1_20260417T0930Z.json.gz --input groups.json

  Plan for all events of a month:
    aws s3 sync s3://my-trail/AWSLogs/111122223333/CloudTrail/eu-central-1/2026/10 logs
    portcullis plan logs --input groups.json

  Use another policy:
    portcullis plan event.json --input groups.json --policy preset:web-only

  Show only the alert e-mail:
    portcullis plan event.json --input groups.json --format json | jq -r '.plans[].message.text'";
