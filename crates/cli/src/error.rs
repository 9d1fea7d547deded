//! Errors that stop a command, each with an exit status and help.

mod help;

use std::io;

use portcullis_policy::Diagnostics;
use portcullis_remediation::ServiceError;

use crate::describe::DocumentError;
use crate::exit::ExitStatus;
use crate::output::{Message, MessageLevel};
use crate::text::{format_count, sanitize_text};

pub(crate) use help::{EVENT_HELP, ec2_error_help};

/// An error that stops a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An input could not be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The input, as shown to the user.
        name: String,
        /// The I/O error.
        source: io::Error,
    },
    /// An input that starts like a gzip file could not be decompressed.
    #[error("cannot decompress {name}: {source}")]
    Gzip {
        /// The input, as shown to the user.
        name: String,
        /// The I/O error.
        source: io::Error,
    },
    /// An input is empty.
    #[error("{name} is empty")]
    Empty {
        /// The input, as shown to the user.
        name: String,
    },
    /// An input is UTF-16, which PowerShell may write.
    #[error("{name} is UTF-16 text, expected UTF-8")]
    Utf16 {
        /// The input, as shown to the user.
        name: String,
    },
    /// A text is not UTF-8.
    #[error("{name} is not UTF-8 text: invalid bytes in line {line}")]
    NotUtf8 {
        /// The input, as shown to the user.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// An input does not contain security groups.
    #[error("{name} {}: {source}", .source.summary())]
    InvalidGroups {
        /// The input, as shown to the user.
        name: String,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// The event is not JSON.
    #[error("{name} {}: {source}", .source.summary())]
    InvalidEvent {
        /// The input, as shown to the user.
        name: String,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// A file has no events by its nature.
    #[error("{name} is an {kind}, which has no events")]
    NoEvents {
        /// The file, as shown to the user.
        name: String,
        /// What it is: `AWS Config snapshot or history`.
        kind: &'static str,
    },
    /// A folder has no log files.
    #[error(
        "{name} contains no log files: `*.json`, `*.jsonl`, `*.ndjson`, each also with `.gz`, or \
         `000000.gz`"
    )]
    NoLogFiles {
        /// The folder, as shown to the user.
        name: String,
    },
    /// An export format requires the account and region of each group, and one is unknown.
    #[error("the {what} of {group} is unknown, and this format requires it")]
    UnknownLocation {
        /// `account` or `region`.
        what: &'static str,
        /// The group, as shown to the user.
        group: String,
    },
    /// An input was combined with several regions.
    #[error("an input has the groups of one region, but `--region` specifies {0} regions")]
    ManyRegions(usize),
    /// There is no such command to write a man page of.
    #[error("there is no command `{}`, expected one of: {commands}", sanitize_text(.name))]
    UnknownCommand {
        /// The name.
        name: String,
        /// The names of the commands there.
        commands: String,
    },
    /// A man page could not be written.
    #[error("cannot write the man page: {0}")]
    ManPage(io::Error),
    /// The program was compiled without AWS.
    #[error("this portcullis was built without AWS support and cannot audit a live account")]
    BuiltWithoutAws,
    /// No region of the live account is specified.
    #[error("no region is specified for the live account")]
    NoRegion,
    /// The live account cannot be reached.
    #[error("{0}")]
    Connect(String),
    /// There are no valid credentials.
    #[error("{message}")]
    Credentials {
        /// What went wrong.
        message: String,
        /// Whether a role was to be assumed.
        is_role: bool,
    },
    /// The region of the environment or the profile is invalid.
    #[error("`{}` is not a region name", sanitize_text(.0))]
    InvalidRegion(String),
    /// The regions of the live account cannot be listed.
    #[error("cannot list the regions of the account: {0}")]
    ListRegions(ServiceError),
    /// The policy is invalid.
    #[error("invalid policy {name}: {}", format_count(.found.len(), "error"))]
    InvalidPolicy {
        /// The policy, as shown to the user.
        name: String,
        /// All errors in it.
        found: Box<Diagnostics>,
    },
    /// The policy file does not exist.
    #[error("the policy file {name} does not exist")]
    PolicyNotFound {
        /// The file, as shown to the user.
        name: String,
        /// The preset with a similar name.
        preset: &'static str,
    },
    /// An earlier result of an audit is invalid.
    #[error("{name} is not a result of `portcullis audit --format json`: {source}")]
    InvalidKnown {
        /// The file, as shown to the user.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An option would remove findings from a format that must have all of them.
    #[error("`{option}` cannot be used with `--format {format}`")]
    UnsupportedOption {
        /// The option.
        option: &'static str,
        /// The format.
        format: &'static str,
    },
    /// The policy has no rule with this id.
    #[error("the policy `{policy}` has no rule `{id}`")]
    UnknownRule {
        /// The name of the policy.
        policy: String,
        /// The id that was given.
        id: String,
        /// A rule of the policy with a similar id.
        near: Option<String>,
        /// The preset that has the rule.
        preset: Option<&'static str>,
    },
    /// A test file is invalid.
    #[error("invalid test file {name}: {}", format_count(.found.len(), "error"))]
    InvalidTestFile {
        /// The file, as shown to the user.
        name: String,
        /// All errors in it.
        found: Box<Diagnostics>,
    },
    /// Two inputs were to be read from standard input.
    #[error("{0} and {1} cannot both be read from standard input")]
    TwoFromStdin(&'static str, &'static str),
    /// Exceptions cannot be added to the text of a policy.
    #[error("cannot add exceptions to {name}: it is written with brackets, as JSON is")]
    FlowStylePolicy {
        /// The policy, as shown to the user.
        name: String,
    },
    /// A drafted exception is invalid.
    #[error("an exception in the draft is invalid: {}", format_count(.found.len(), "error"))]
    InvalidDraft {
        /// All errors in the draft.
        found: Box<Diagnostics>,
    },
    /// Drafted exceptions would have expired already.
    #[error("exceptions that expire on {0} have expired already")]
    ExpiryPassed(String),
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Write(io::Error),
    /// The result could not be serialized.
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    /// The exit status of the command.
    pub const fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Read { .. }
            | Self::Write(_)
            | Self::Json(_)
            | Self::Connect(_)
            | Self::Credentials { .. }
            | Self::ListRegions(_)
            | Self::ManPage(_) => ExitStatus::Failure,
            Self::Gzip { .. }
            | Self::Empty { .. }
            | Self::Utf16 { .. }
            | Self::NotUtf8 { .. }
            | Self::InvalidGroups { .. }
            | Self::InvalidEvent { .. }
            | Self::NoEvents { .. }
            | Self::NoLogFiles { .. }
            | Self::UnknownLocation { .. }
            | Self::ManyRegions(_)
            | Self::UnknownCommand { .. }
            | Self::BuiltWithoutAws
            | Self::NoRegion
            | Self::InvalidRegion(_)
            | Self::InvalidPolicy { .. }
            | Self::PolicyNotFound { .. }
            | Self::InvalidKnown { .. }
            | Self::UnsupportedOption { .. }
            | Self::UnknownRule { .. }
            | Self::InvalidTestFile { .. }
            | Self::TwoFromStdin(..)
            | Self::FlowStylePolicy { .. }
            | Self::InvalidDraft { .. }
            | Self::ExpiryPassed(_) => ExitStatus::BadInput,
        }
    }

    /// The text to print before the error: all diagnostics with source excerpts. Styled.
    pub fn details(&self) -> Option<String> {
        if let Self::InvalidPolicy { found, .. }
        | Self::InvalidTestFile { found, .. }
        | Self::InvalidDraft { found } = self
        {
            Some(found.render_colored())
        } else {
            None
        }
    }

    /// What to do about the error.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::UnknownCommand { .. } => "`portcullis --help` lists the commands",
            Self::Read { source, .. } => help::read_help(source.kind()),
            Self::Gzip { .. } => {
                "the file may be truncated: download it again, or decompress it with `gunzip` first"
            }
            Self::Empty { .. } => {
                "the command that wrote it may have failed: run it again and check its messages"
            }
            Self::Utf16 { .. } => "in PowerShell, write it with `... | Out-File -Encoding utf8`",
            Self::NotUtf8 { .. } => "save it as UTF-8",
            Self::InvalidGroups { source, .. } => help::groups_help(source),
            Self::InvalidEvent { .. } | Self::NoEvents { .. } => EVENT_HELP,
            Self::NoLogFiles { .. } => {
                "download the log files with `aws s3 sync`, or specify the files themselves"
            }
            Self::UnknownLocation { what, .. } => help::location_help(what),
            Self::ManyRegions(_) => {
                "split the input by region, or create it with an AWS CLI that writes \
                 `SecurityGroupArn`"
            }
            Self::BuiltWithoutAws => {
                "specify a file of groups with `--input`, or build with the feature `aws`, which \
                 is enabled by default"
            }
            Self::NoRegion => "use `--region` or `--all-regions`, or audit a file with `--input`",
            Self::InvalidRegion(_) => {
                "fix `AWS_REGION` or the profile, or specify a region such as eu-central-1 with \
                 `--region`"
            }
            Self::Credentials { is_role, .. } => help::credentials_help(*is_role),
            Self::ListRegions(error) => help::list_regions_help(error.kind),
            Self::PolicyNotFound { preset, .. } => {
                return Some(format!("did you mean `preset:{preset}`?"));
            }
            Self::InvalidKnown { .. } => {
                "create it with `portcullis audit --format json > known.json`"
            }
            Self::UnsupportedOption { format, .. } => help::unsupported_option_help(format),
            Self::UnknownRule { near, preset, .. } => {
                return Some(help::unknown_rule_help(near.as_deref(), *preset));
            }
            Self::TwoFromStdin(..) => "read one of them from a file",
            Self::FlowStylePolicy { .. } => {
                "write the policy and its `exceptions` in block style: a line for each key, and \
                 `- ` before each exception"
            }
            Self::InvalidDraft { .. } => {
                "check the ids of groups and prefix lists in the input: an exception can refer \
                 only to real ones"
            }
            Self::ExpiryPassed(_) => "use a later date or a number of days such as `+90d`",
            Self::Connect(_)
            | Self::ManPage(_)
            | Self::InvalidPolicy { .. }
            | Self::InvalidTestFile { .. }
            | Self::Write(_)
            | Self::Json(_) => return None,
        };
        Some(help.to_owned())
    }
}

impl From<&CliError> for Message {
    fn from(error: &CliError) -> Self {
        Self {
            help: error.help(),
            details: error.details(),
            ..Self::new(MessageLevel::Error, error.to_string())
        }
    }
}
