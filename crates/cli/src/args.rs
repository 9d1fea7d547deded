//! The arguments, and the help about them.

mod live;
mod policy;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use jiff::Timestamp;

pub use live::LiveArgs;
pub use policy::{CheckArgs, PolicyCommand, ShowArgs, TestArgs};

use crate::describe::{is_account_id, is_region_name};
use crate::input::Input;
use crate::policy::PolicyName;

/// Finds, and shows how to close, what AWS security groups open to the internet.
///
/// Works on the live account, or on what the AWS CLI and CloudTrail wrote down. It changes nothing.
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
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// When to use colours; `NO_COLOR` is honoured
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
  0  nothing found that an enforcing rule forbids
  1  such findings
  2  wrong usage, or input or a policy that could not be understood
  3  a failure outside: AWS, a file, a stream";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge security groups
    ///
    /// Judges the security groups of the live account, in the region of the environment or the profile, in those that are
    /// named, or in all that are enabled. The keys come from where the AWS CLI takes them. It reads with
    /// `DescribeSecurityGroups`, `DescribeSecurityGroupRules`, `GetManagedPrefixListEntries` and, for all regions,
    /// `DescribeRegions`. What cannot be read is told, and ends with exit code 3.
    ///
    /// With `--input` it needs no account: it judges the output of `aws ec2 describe-security-groups`, of
    /// `aws ec2 describe-security-group-rules`, or of both in one document. With both, the rules come with their ids. Prefix
    /// lists are judged by their entries, which the document can hold under the key `PrefixLists`:
    /// [{"PrefixListId": "pl-...", "Entries": [{"Cidr": "..."}]}]. A list that is not there is judged as not the world, and
    /// named.
    Audit(AuditArgs),
    /// Show what the Lambda would do for a recorded event
    ///
    /// Shows what the Lambda would do for a recorded event, given the groups as they are in a file: what it would find, what
    /// it would remove and add, what it would refuse to do, and the message it would send. Changes nothing.
    ///
    /// The event is an EventBridge event, a CloudTrail record, or a CloudTrail log file with any number of records. Several
    /// files, and folders with all `*.json` and `*.json.gz` below them, are one history: its events are taken in the order
    /// of their times, each once.
    ///
    /// The groups are as the file has them now, not as they were: what was opened and closed again since is not found, and
    /// what was opened later is found for every event of its group. Groups that are gone are listed as missing. Exceptions
    /// are live or ended as they were at the time of the event. What a group is attached to is not in a file, so guardrails
    /// that ask for it spare nothing here.
    Plan(PlanArgs),
    /// Check, show and test policies
    #[command(subcommand, after_long_help = policy::POLICY_EXAMPLES)]
    Policy(PolicyCommand),
    /// Explain the rules
    ///
    /// Lists the rules of a policy, or explains one: what it forbids and why, where published checks disagree, and
    /// how to fix a finding in the console, with the AWS CLI, in CloudFormation and in Terraform.
    Rules(RulesArgs),
    /// Write shell completions
    ///
    /// Writes the completions for a shell to standard output.
    Completions(CompletionsArgs),
}

/// The arguments of `portcullis audit`.
#[derive(Debug, Args)]
#[command(after_long_help = AUDIT_EXAMPLES)]
pub struct AuditArgs {
    /// The groups: a file, or `-` for standard input; gzip is fine. Those of the live account, if it is not given
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input: Option<Input>,
    /// The policy: a file, or `preset:NAME` for one that comes with Portcullis
    #[arg(long, value_name = "POLICY", default_value = "preset:baseline", value_hint = ValueHint::FilePath)]
    pub policy: PolicyName,
    /// A region of the live account; can be given again. With `--input`, the region of the groups that come without
    /// `SecurityGroupArn`, for `asff`, `ocsf` and policies that tell regions apart
    #[arg(long, value_name = "REGION", value_parser = parse_region, value_delimiter = ',')]
    pub region: Vec<String>,
    /// The time by which exceptions end, such as 2027-03-01T00:00:00Z; now, if it is not given
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// How to show the findings
    #[arg(long, value_enum, default_value_t)]
    pub format: AuditFormat,
    /// Exit with 1 on any finding, also one that is only told or exempt
    #[arg(long)]
    pub strict: bool,
    /// With `--input`, the account of the groups that come without `OwnerId`, for `asff`, `ocsf` and policies that tell
    /// accounts apart
    #[arg(long, value_name = "ID", value_parser = parse_account_id, requires = "input")]
    pub account: Option<String>,
    /// Which regions of the live account, and as whom.
    #[command(flatten)]
    pub live: LiveArgs,
}

const AUDIT_EXAMPLES: &str = "\
Examples:
  Judge every group of a region, or of all:
    portcullis audit --region eu-central-1
    portcullis audit --all-regions --profile prod

  In another account:
    portcullis audit --all-regions --role arn:aws:iam::444455556666:role/audit

  Without keys, from what somebody else read:
    aws ec2 describe-security-groups | portcullis audit --input -

  The same with rule ids:
    { aws ec2 describe-security-groups; aws ec2 describe-security-group-rules; } |
      jq -s add | portcullis audit --input -

  What another policy would find:
    portcullis audit --input groups.json --policy policy.yaml

  Fail a pipeline on any finding, and keep the findings:
    portcullis audit --input groups.json --format json --strict > findings.json

  Import the findings into Security Hub, 100 at a time, which is its limit:
    portcullis audit --region eu-central-1 --format asff > findings.json
    jq -c 'range(0; length; 100) as $i | .[$i:$i+100]' findings.json | while read -r batch; do
      printf %s \"$batch\" > batch.json
      aws securityhub batch-import-findings --findings file://batch.json
    done

  The findings for a SIEM that takes OCSF, one event a line:
    portcullis audit --input groups.json --region eu-central-1 --format ocsf |
      jq -c '.[]' > findings.ndjson";

/// The arguments of `portcullis plan`.
#[derive(Debug, Args)]
#[command(after_long_help = PLAN_EXAMPLES)]
pub struct PlanArgs {
    /// The events: files, folders of CloudTrail log files, or `-` for standard input; gzip is fine
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, required = true)]
    pub events: Vec<Input>,
    /// The groups, as for `portcullis audit`: a file, or `-` for standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input: Input,
    /// The policy: a file, or `preset:NAME` for one that comes with Portcullis
    #[arg(long, value_name = "POLICY", default_value = "preset:baseline", value_hint = ValueHint::FilePath)]
    pub policy: PolicyName,
    /// The time by which exceptions end, such as 2027-03-01T00:00:00Z; that of the event, if it is not given
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// How to show the plan
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The account Portcullis acts in: groups of another one are refused
    #[arg(long, value_name = "ID")]
    pub account: Option<String>,
}

const PLAN_EXAMPLES: &str = "\
Examples:
  What would have happened for an event in a log file:
    aws ec2 describe-security-groups > groups.json
    portcullis plan 111122223333_CloudTrail_eu-central-1_20260417T0930Z.json.gz --input groups.json

  What would have happened last month:
    aws s3 sync s3://my-trail/AWSLogs/111122223333/CloudTrail/eu-central-1/2026/10 logs
    portcullis plan logs --input groups.json

  What another policy would do:
    portcullis plan event.json --input groups.json --policy preset:web-only

  Only the e-mail:
    portcullis plan event.json --input groups.json --format json | jq -r '.plans[].message.text'";

/// The arguments of `portcullis rules`.
#[derive(Debug, Args)]
#[command(after_long_help = RULES_EXAMPLES)]
pub struct RulesArgs {
    /// The rule to explain
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// The policy: a file, or `preset:NAME` for one that comes with Portcullis
    #[arg(long, value_name = "POLICY", default_value = "preset:baseline", value_hint = ValueHint::FilePath)]
    pub policy: PolicyName,
    /// How to show the rules
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
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis
  portcullis completions zsh > ~/.zfunc/_portcullis
  portcullis completions fish > ~/.config/fish/completions/portcullis.fish";

/// How results are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For programs: stable, version 1
    Json,
}

/// How the findings of an audit are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// For people
    #[default]
    Human,
    /// For programs: stable, version 1
    Json,
    /// For Security Hub: a list in AWS Security Finding Format
    Asff,
    /// For data lakes and SIEMs: a list in the Open Cybersecurity Schema Framework (OCSF)
    Ocsf,
}

/// The id of an account.
fn parse_account_id(text: &str) -> Result<String, &'static str> {
    is_account_id(text)
        .then(|| text.to_owned())
        .ok_or("expected the 12 digits of an account")
}

/// The name of a region.
fn parse_region(text: &str) -> Result<String, &'static str> {
    is_region_name(text)
        .then(|| text.to_owned())
        .ok_or("expected a region such as eu-central-1")
}

/// A time, as the arguments give it.
fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse()
        .map_err(|_| "expected a time such as 2027-03-01T00:00:00Z")
}

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it so for the whole process.
    pub fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}
