//! Arguments of `portcullis policy`.

use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;

use super::values::{
    DiffFormat, Expiry, Format, parse_account_id, parse_expiry, parse_region, parse_time,
};
use crate::input::Input;
use crate::policy::PolicyName;

pub(super) const POLICY_EXAMPLES: &str = "\
Examples:
  portcullis policy check policy.yaml
  portcullis policy show preset:web-only
  portcullis policy test policy.test.yaml
  portcullis policy draft --input groups.json > policy.yaml
  portcullis policy diff policy.yaml proposed.yaml --input groups.json";

/// The subcommands of `portcullis policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Validate a policy
    ///
    /// Reports all errors of a policy at once, each with its location and how to fix it. For a
    /// valid policy, warns about exceptions that have expired, that another exception makes
    /// redundant or that people can grant themselves, and about names that are not used. With
    /// `--input`, also warns about exceptions that exempt nothing in those groups.
    Check(CheckArgs),
    /// Print the effective policy
    ///
    /// Prints the effective policy as YAML, with names and `extends` resolved. The output is itself
    /// a valid policy.
    Show(ShowArgs),
    /// Print the JSON Schema of policy files
    ///
    /// Prints the JSON Schema of policy files, which editors use for completion and validation.
    #[command(after_long_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Run policy tests
    ///
    /// Runs the cases of test files. Each case has a security group and the findings, removals,
    /// additions and refusals expected from the policy. The format is described in docs/policy.md.
    /// Needs no AWS account.
    ///
    /// Exits with 0 if all cases pass, 1 if some fail, and 2 if a test file or policy is invalid.
    Test(TestArgs),
    /// Draft exceptions for what is open today
    ///
    /// Prints a policy with an exception for everything in the groups that the policy would close:
    /// the exact ports and sources of each group, with an expiry date and the owner from the tags
    /// of the group. Under it, nothing that is open today is closed, and anything that is opened
    /// later is. Review the exceptions: give each an owner and a reason, or delete it to have the
    /// opening closed.
    ///
    /// A preset is extended. A policy file is printed with the new exceptions after its own ones;
    /// the rest of its text is unchanged. Groups that are incomplete or cannot be read are an
    /// error, because their openings would be missing from the draft.
    ///
    /// With `--events`, only groups that these events changed get exceptions. What is open in the
    /// other groups is left to be closed, and a warning says how much that is.
    Draft(DraftArgs),
    /// Compare two policies
    ///
    /// Shows what the new policy forbids, allows or acts upon differently: rules, exceptions,
    /// guardrails, overrides and the mode, each as stricter, weaker or neutral. With `--input`,
    /// also the findings in these groups that appear, disappear or change; with `--events`, the
    /// plans for these events that differ.
    ///
    /// Exits with 1 if anything is weakened, and 0 otherwise.
    Diff(DiffArgs),
}

/// The arguments of `portcullis policy check`.
#[derive(Debug, Args)]
#[command(after_long_help = CHECK_EXAMPLES)]
pub struct CheckArgs {
    /// Policy: a file, `-` for standard input, or `preset:NAME`
    #[arg(value_name = "POLICY", value_hint = ValueHint::FilePath)]
    pub policy: PolicyName,
    /// Security groups, as for `portcullis audit`: warn about exceptions that exempt nothing in
    /// them; can be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input: Vec<Input>,
    /// Region of the groups, for policies scoped by region
    #[arg(long, value_name = "REGION", requires = "input")]
    pub region: Option<String>,
    /// Evaluate exceptions as of this time, such as 2027-03-01T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Exit with 2 on warnings, too
    #[arg(long)]
    pub strict: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  portcullis policy check policy.yaml

  Fail on exceptions that have expired or exempt nothing:
    aws ec2 describe-security-groups | portcullis policy check policy.yaml --input - --strict";

/// The arguments of `portcullis policy show`.
#[derive(Debug, Args)]
#[command(after_long_help = SHOW_EXAMPLES)]
pub struct ShowArgs {
    /// Policy: a file, `-` for standard input, or `preset:NAME`
    #[arg(
        value_name = "POLICY",
        default_value = "preset:baseline",
        value_hint = ValueHint::FilePath
    )]
    pub policy: PolicyName,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  portcullis policy show policy.yaml
  portcullis policy show preset:hipaa";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  portcullis policy schema > policy.schema.json

  In editors with a YAML language server, use this as the first line of a policy:
    # yaml-language-server: $schema=policy.schema.json";

/// The arguments of `portcullis policy test`.
#[derive(Debug, Args)]
#[command(after_long_help = TEST_EXAMPLES)]
pub struct TestArgs {
    /// Test files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<Input>,
    /// Policy to test instead of the policies that the test files specify
    #[arg(long, value_name = "POLICY", value_hint = ValueHint::FilePath)]
    pub policy: Option<PolicyName>,
    /// Evaluate exceptions as of this time, for test files without `now` [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

const TEST_EXAMPLES: &str = "\
Examples:
  portcullis policy test policy.test.yaml

  See what a change to the policy would break:
    portcullis policy test policy.test.yaml --policy proposed.yaml";

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
    #[arg(long, value_name = "REGION", value_parser = parse_region)]
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
    #[arg(long, value_name = "REGION", value_parser = parse_region, requires = "input")]
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
