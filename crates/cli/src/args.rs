//! The command-line arguments and their help texts.

mod audit;
mod diff;
mod draft;
mod live;
mod plan;
mod policy;
mod values;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub use audit::{AuditArgs, ViewArgs};
pub use diff::{DiffArgs, DiffFormat};
pub use draft::{DraftArgs, Expiry};
pub use live::LiveArgs;
pub use plan::PlanArgs;
pub use policy::{CheckArgs, PolicyCommand, ShowArgs, TestArgs};
pub use values::{AuditFormat, Color, Format};
use values::{rule_ids, suggest};

use crate::policy::PolicyName;

/// Finds AWS security groups that are open to the internet, and shows how Portcullis would close
/// them.
///
/// Works on a live account, or on saved AWS CLI output and CloudTrail logs. It never changes
/// anything.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    bin_name = "portcullis",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_long_help = CLI_EXAMPLES
)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
    /// When to use color; `NO_COLOR` is respected
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

const CLI_EXAMPLES: &str = "\
Examples:
  portcullis audit --all-regions
  aws ec2 describe-security-groups | portcullis audit --input -
  portcullis plan event.json --input groups.json
  portcullis policy check policy.yaml
  portcullis rules uncommon-ports

Exit codes:
  0  no enforced findings
  1  enforced findings, or failed test cases
  2  usage or input error
  3  AWS or I/O error";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Evaluate security groups against a policy
    ///
    /// Evaluates the security groups of the live account: in the region of the environment or the
    /// profile, in the regions given with `--region`, or in all enabled regions. Credentials come
    /// from the same sources as for the AWS CLI. The command calls `DescribeSecurityGroups`,
    /// `DescribeSecurityGroupRules`, `GetManagedPrefixListEntries` and, for all regions,
    /// `DescribeRegions`. Anything that cannot be read is reported, and the exit code is then 3.
    ///
    /// With `--input`, no account is needed. The input is the output of
    /// `aws ec2 describe-security-groups`, of `aws ec2 describe-security-group-rules`, or both in
    /// one document. With both, findings have rule ids. The document can also have the entries of
    /// prefix lists, under the key `PrefixLists`:
    /// [{"PrefixListId": "pl-...", "Entries": [{"Cidr": "..."}]}]. A prefix list without entries is
    /// evaluated as private, and a warning lists it.
    Audit(AuditArgs),
    /// Show what the Lambda function would do for a recorded event
    ///
    /// Shows what the Lambda function would do for a recorded event, given security groups from a
    /// file: what it would find, remove and add, what it would refuse to remove, and the alert it
    /// would send. Changes nothing.
    ///
    /// The event is an EventBridge event, a CloudTrail record, or a CloudTrail log file with any
    /// number of records. Several files, and folders with all `*.json` and `*.json.gz` files below
    /// them, form one history: events are processed in order of their time, each of them once.
    ///
    /// The groups are evaluated as they are in the file, not as they were at the time of the event:
    /// rules that were opened and removed since are not found, and rules that were opened later are
    /// found for every event of their group. Groups that do not exist any more are listed as
    /// missing. Exceptions are evaluated at the time of the event. The file does not contain what a
    /// group is attached to, so guardrails about attachments are not applied.
    Plan(PlanArgs),
    /// Validate, print, test, compare and draft policies
    #[command(subcommand, after_long_help = policy::POLICY_EXAMPLES)]
    Policy(PolicyCommand),
    /// Explain policy rules
    ///
    /// Lists the rules of a policy, or explains one of them: what it forbids and why, where
    /// published checks disagree, and how to fix a finding in the console, with the AWS CLI, in
    /// CloudFormation and in Terraform.
    Rules(RulesArgs),
    /// Generate shell completions
    ///
    /// Writes a completion script for a shell to standard output.
    Completions(CompletionsArgs),
    /// Generate man pages
    ///
    /// Writes the man page of Portcullis, or of one of its commands, to standard output.
    Man(ManArgs),
}

/// The arguments of `portcullis rules`.
#[derive(Debug, Args)]
#[command(after_long_help = RULES_EXAMPLES)]
pub struct RulesArgs {
    /// Policy rule to explain
    #[arg(value_name = "ID", value_parser = suggest(rule_ids), hide_possible_values = true)]
    pub id: Option<String>,
    /// Policy: a file, or `preset:NAME` for a built-in one
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "preset:baseline",
        value_hint = ValueHint::FilePath
    )]
    pub policy: PolicyName,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

const RULES_EXAMPLES: &str = "\
Examples:
  portcullis rules
  portcullis rules all-traffic
  portcullis rules --policy policy.yaml";

/// The arguments of `portcullis completions`.
#[derive(Debug, Args)]
#[command(after_long_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The arguments of `portcullis man`.
#[derive(Debug, Args)]
#[command(after_long_help = MAN_EXAMPLES)]
pub struct ManArgs {
    /// Command, with its subcommand: `policy draft`
    #[arg(value_name = "COMMAND", num_args = 0..=2)]
    pub command: Vec<String>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  portcullis man | man -l -
  portcullis man policy draft > portcullis-policy-draft.1";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis
  portcullis completions zsh > ~/.zfunc/_portcullis
  portcullis completions fish > ~/.config/fish/completions/portcullis.fish";
