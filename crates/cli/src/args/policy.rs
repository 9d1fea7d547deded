//! Arguments of `portcullis policy`.

use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;

use super::diff::DiffArgs;
use super::draft::DraftArgs;
use super::values::{Format, parse_time};
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
