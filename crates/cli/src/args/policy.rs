//! The arguments of `portcullis policy`.

use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;

use super::{Format, parse_time};
use crate::input::Input;
use crate::policy::PolicyName;

pub(super) const POLICY_EXAMPLES: &str = "\
Examples:
  portcullis policy check policy.yaml
  portcullis policy show preset:web-only
  portcullis policy test policy.test.yaml";

/// The commands about policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Find every mistake of a policy
    ///
    /// Tells everything that is wrong with a policy at once, each with its place and what helps; and, of a policy that
    /// holds, what is odd: exceptions that have ended, that another one makes needless, that people can grant to themselves,
    /// names that nothing uses. With `--input`, also exceptions that free nothing in those groups.
    Check(CheckArgs),
    /// Show what holds in the end
    ///
    /// Writes a policy as it holds in the end, without names and without `extends`, as YAML which can be used as a policy
    /// itself.
    Show(ShowArgs),
    /// Write the JSON Schema of policies
    ///
    /// Writes the JSON Schema of the policy file, by which editors complete and explain it.
    #[command(after_long_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Hold a policy against expectations
    ///
    /// Runs the cases of a file: for each a group, and what the policy must find there, remove, add and refuse. The format is
    /// explained in docs/policy.md. Needs no AWS account.
    ///
    /// Exits with 0 when every case is as expected, with 1 when some are not, with 2 when the file or the policy cannot be
    /// understood.
    Test(TestArgs),
}

/// The arguments of `portcullis policy check`.
#[derive(Debug, Args)]
#[command(after_long_help = CHECK_EXAMPLES)]
pub struct CheckArgs {
    /// The policy: a file, `-` for standard input, or `preset:NAME`
    #[arg(value_name = "POLICY", value_hint = ValueHint::FilePath)]
    pub policy: PolicyName,
    /// Groups, as for `portcullis audit`, in which each exception should free something
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input: Option<Input>,
    /// The region of the groups, for policies that tell regions apart
    #[arg(long, value_name = "REGION", requires = "input")]
    pub region: Option<String>,
    /// The time by which exceptions end, such as 2027-03-01T00:00:00Z; now, if it is not given
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// How to show what is found
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Exit with 2 on warnings, too
    #[arg(long)]
    pub strict: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  portcullis policy check policy.yaml

  Fail on exceptions that have ended, or that nothing needs any more:
    aws ec2 describe-security-groups | portcullis policy check policy.yaml --input - --strict";

/// The arguments of `portcullis policy show`.
#[derive(Debug, Args)]
#[command(after_long_help = SHOW_EXAMPLES)]
pub struct ShowArgs {
    /// The policy: a file, `-` for standard input, or `preset:NAME`
    #[arg(value_name = "POLICY", default_value = "preset:baseline", value_hint = ValueHint::FilePath)]
    pub policy: PolicyName,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  portcullis policy show policy.yaml
  portcullis policy show preset:hipaa";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  portcullis policy schema > policy.schema.json

  For editors with a YAML language server, as the first line of a policy:
    # yaml-language-server: $schema=policy.schema.json";

/// The arguments of `portcullis policy test`.
#[derive(Debug, Args)]
#[command(after_long_help = TEST_EXAMPLES)]
pub struct TestArgs {
    /// Files of expectations
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<Input>,
    /// Test this policy instead of the one that the files name
    #[arg(long, value_name = "POLICY", value_hint = ValueHint::FilePath)]
    pub policy: Option<PolicyName>,
    /// The time by which exceptions end, for files that do not say; now, if it is not given
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// How to show the cases
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

const TEST_EXAMPLES: &str = "\
Examples:
  portcullis policy test policy.test.yaml

  What a change of the policy would break:
    portcullis policy test policy.test.yaml --policy proposed.yaml";
