//! Arguments of `portcullis policy diff`.

use clap::{Args, ValueEnum, ValueHint};
use jiff::Timestamp;

use super::values::{parse_account_id, parse_time, region_parser};
use crate::input::Input;
use crate::policy::PolicyName;

/// The arguments of `portcullis policy diff`.
#[derive(Debug, Args)]
#[command(after_long_help = DIFF_EXAMPLES)]
pub struct DiffArgs {
    /// Old policy: a file, `-` for standard input, or `preset:NAME`
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub old: PolicyName,
    /// New policy, likewise
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub new: PolicyName,
    /// Security groups, as for `portcullis audit`: compare the findings in them; can be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input: Vec<Input>,
    /// Events, as for `portcullis plan`: compare the plans for them
    #[arg(
        long,
        value_name = "PATH",
        value_hint = ValueHint::AnyPath,
        num_args = 1..,
        requires = "input"
    )]
    pub events: Vec<Input>,
    /// Account of groups without `OwnerId`, for policies scoped by account
    #[arg(long, value_name = "ID", value_parser = parse_account_id, requires = "input")]
    pub account: Option<String>,
    /// Region of groups without `SecurityGroupArn`, for policies scoped by region
    #[arg(
        long,
        value_name = "REGION",
        value_parser = region_parser(),
        hide_possible_values = true,
        requires = "input"
    )]
    pub region: Option<String>,
    /// Evaluate exceptions as of this time, such as 2027-03-01T00:00:00Z [default: now; for events,
    /// the time of the event]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
}

const DIFF_EXAMPLES: &str = "\
Examples:
  portcullis policy diff preset:baseline policy.yaml

  What a pull request changes, as a comment on it:
    git show main:policy.yaml |
      portcullis policy diff - policy.yaml --input groups.json --format markdown

  What would have been done differently for recorded events:
    portcullis policy diff old.yaml new.yaml --input groups.json --events logs/";

/// The output format of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// Human-readable
    #[default]
    Human,
    /// JSON, schema version 1
    Json,
    /// For a comment on a pull request
    Markdown,
}
