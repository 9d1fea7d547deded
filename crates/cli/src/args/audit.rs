//! Arguments of `portcullis audit`.

use clap::{Args, ValueHint};
use jiff::Timestamp;
use portcullis_rules::Severity;

use super::live::LiveArgs;
use super::values::{AuditFormat, parse_account_id, parse_time, region_parser, severity_parser};
use crate::audit::grouping::GroupBy;
use crate::input::Input;
use crate::policy::PolicyName;

/// The arguments of `portcullis audit`.
#[derive(Debug, Args)]
#[command(after_long_help = AUDIT_EXAMPLES)]
pub struct AuditArgs {
    /// Security groups, their rules or prefix lists: a file, or `-` for standard input; may be
    /// gzipped; can be repeated [default: the live account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input: Vec<Input>,
    /// Policy: a file, or `preset:NAME` for a built-in one
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "preset:baseline",
        value_hint = ValueHint::FilePath
    )]
    pub policy: PolicyName,
    /// Region of the live account; can be repeated. With `--input`, the region of groups without
    /// `SecurityGroupArn`, for `asff`, `ocsf` and policies scoped by region
    #[arg(
        long,
        value_name = "REGION",
        value_parser = region_parser(),
        hide_possible_values = true,
        value_delimiter = ','
    )]
    pub region: Vec<String>,
    /// Evaluate exceptions as of this time, such as 2027-03-01T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: AuditFormat,
    /// Exit with 1 on any finding, including notify-only and exempt findings
    #[arg(long)]
    pub strict: bool,
    /// With `--input`, the account of groups without `OwnerId`, for `asff`, `ocsf` and policies
    /// scoped by account
    #[arg(long, value_name = "ID", value_parser = parse_account_id, requires = "input")]
    pub account: Option<String>,
    /// What to show.
    #[command(flatten)]
    pub view: ViewArgs,
    /// The live account.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// Which findings to show, and in which order.
#[derive(Debug, Args)]
#[command(next_help_heading = "Display")]
pub struct ViewArgs {
    /// Show only what is new since an earlier result of `--format json`; the exit code counts only
    /// new findings
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub known: Option<Input>,
    /// Show only findings of at least this severity; the exit code counts all findings
    #[arg(long, value_name = "LEVEL", value_parser = severity_parser())]
    pub severity: Option<Severity>,
    /// Show only findings of this policy rule; can be repeated; the exit code counts all findings
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub rule: Vec<String>,
    /// Show only findings that the policy enforces, without notify-only and exempt ones
    #[arg(long)]
    pub enforced: bool,
    /// Group the findings
    #[arg(long, value_name = "KEY", value_enum)]
    pub group_by: Option<GroupBy>,
}

const AUDIT_EXAMPLES: &str = "\
Examples:
  Audit one region, or all of them:
    portcullis audit --region eu-central-1
    portcullis audit --all-regions --profile prod

  Audit another account:
    portcullis audit --all-regions --role arn:aws:iam::444455556666:role/audit

  Audit saved output of the AWS CLI, without credentials:
    aws ec2 describe-security-groups | portcullis audit --input -

  Include rule ids:
    aws ec2 describe-security-groups > groups.json
    aws ec2 describe-security-group-rules > rules.json
    portcullis audit --input groups.json --input rules.json

  Include the entries of a prefix list, whose file is named after it:
    aws ec2 get-managed-prefix-list-entries --prefix-list-id pl-0123456789abcdef0 \\
      > pl-0123456789abcdef0.json
    portcullis audit --input groups.json --input pl-0123456789abcdef0.json

  Use your own policy:
    portcullis audit --input groups.json --policy policy.yaml

  Show the worst, by owner:
    portcullis audit --input groups.json --severity high --group-by owner

  Write a page to read, print and file:
    portcullis audit --input groups.json --format html > audit.html

  Show only what is new since yesterday:
    portcullis audit --input groups.json --known yesterday.json

  Fail a pipeline on any finding, and save the findings:
    portcullis audit --input groups.json --format json --strict > findings.json

  Import findings into Security Hub, which accepts 100 at a time:
    portcullis audit --region eu-central-1 --format asff > findings.json
    jq -c 'range(0; length; 100) as $i | .[$i:$i+100]' findings.json | while read -r batch; do
      printf %s \"$batch\" > batch.json
      aws securityhub batch-import-findings --findings file://batch.json
    done

  Write findings for a SIEM that reads OCSF, one event a line:
    portcullis audit --input groups.json --region eu-central-1 --format ocsf |
      jq -c '.[]' > findings.ndjson";
