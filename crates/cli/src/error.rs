//! What stops a command: each error with an exit code and a way out.

use std::io;

use portcullis_policy::Diagnostics;
use portcullis_remediation::{ErrorKind, ServiceError};

use crate::describe::DocumentError;
use crate::exit::ExitStatus;
use crate::output::format_count;

/// An error that stops a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An input could not be read.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The input, for people.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// An input that begins like a gzip file could not be unpacked.
    #[error("cannot unpack {name}, which begins like a gzip file: {source}")]
    Gzip {
        /// The input, for people.
        name: String,
        /// What went wrong.
        source: io::Error,
    },
    /// An input holds nothing.
    #[error("{name} is empty")]
    Empty {
        /// The input, for people.
        name: String,
    },
    /// An input is UTF-16, which is what a shell on Windows may write.
    #[error("{name} is UTF-16 text, expected UTF-8")]
    Utf16 {
        /// The input, for people.
        name: String,
    },
    /// The groups cannot be read.
    #[error("{}{name}: {source}", .source.message_prefix())]
    InvalidGroups {
        /// The input, for people.
        name: String,
        /// What is wrong.
        source: DocumentError,
    },
    /// A folder without log files.
    #[error("{name} holds no file whose name ends in `.json` or `.json.gz`")]
    NoLogFiles {
        /// The folder, for people.
        name: String,
    },
    /// The event is not JSON.
    #[error("the event is not JSON: {name}: {source}")]
    InvalidEvent {
        /// The input, for people.
        name: String,
        /// What is wrong.
        source: DocumentError,
    },
    /// A finding must tell where its group is, and nobody does.
    #[error("the {what} of {group} is not known, and a finding in this format must tell it")]
    UnknownLocation {
        /// `account` or `region`.
        what: &'static str,
        /// The group, for people.
        group: String,
        /// What its ARN is instead of one.
        found: Option<String>,
    },
    /// An input has the groups of one region.
    #[error("an input is of one region, and `--region` names {0}")]
    ManyRegions(usize),
    /// This program was compiled without AWS.
    #[error("this portcullis was built without AWS: it cannot read the live account")]
    BuiltWithoutAws,
    /// Nobody says which region of the live account.
    #[error("no region of the live account is named")]
    NoRegion,
    /// No way to the live account.
    #[error("{0}")]
    Connect(String),
    /// No keys for it.
    #[error("{message}")]
    Credentials {
        /// What went wrong.
        message: String,
        /// Whether a role was to be assumed.
        is_role: bool,
    },
    /// The environment or the profile names something else.
    #[error("`{}` is no name of a region", crate::output::sanitize_text(.0))]
    InvalidRegion(String),
    /// The regions of the live account cannot be listed.
    #[error("the regions of the account cannot be listed: {0}")]
    ListRegions(ServiceError),
    /// A text is not UTF-8.
    #[error("{name} is not UTF-8 text: line {line} holds other bytes")]
    NotUtf8 {
        /// The input, for people.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// The policy is invalid.
    #[error("invalid policy {name}: {}", format_count(.found.len(), "error"))]
    InvalidPolicy {
        /// The policy, for people.
        name: String,
        /// Every error in it.
        found: Box<Diagnostics>,
    },
    /// The policy has no such rule.
    #[error("the policy `{policy}` has no rule `{id}`")]
    UnknownRule {
        /// The name of the policy.
        policy: String,
        /// What was asked for.
        id: String,
        /// The rule that may be meant.
        near: Option<String>,
    },
    /// The test file is invalid.
    #[error("invalid test file {name}: {}", format_count(.found.len(), "error"))]
    InvalidTestFile {
        /// The file, for people.
        name: String,
        /// Every error in it.
        found: Box<Diagnostics>,
    },
    /// Two inputs want the one standard input.
    #[error("{0} and {1} cannot both come from standard input")]
    TwoFromStdin(&'static str, &'static str),
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Write(io::Error),
    /// Our own output could not be put into JSON.
    #[error("cannot write the result as JSON: {0}")]
    Json(serde_json::Error),
}

impl CliError {
    /// The exit code.
    pub const fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Read { .. }
            | Self::Write(_)
            | Self::Json(_)
            | Self::Connect(_)
            | Self::Credentials { .. }
            | Self::ListRegions(_) => ExitStatus::Failure,
            Self::Gzip { .. }
            | Self::Empty { .. }
            | Self::Utf16 { .. }
            | Self::InvalidGroups { .. }
            | Self::InvalidEvent { .. }
            | Self::NoLogFiles { .. }
            | Self::UnknownLocation { .. }
            | Self::NotUtf8 { .. }
            | Self::InvalidPolicy { .. }
            | Self::UnknownRule { .. }
            | Self::InvalidTestFile { .. }
            | Self::ManyRegions(_)
            | Self::BuiltWithoutAws
            | Self::NoRegion
            | Self::InvalidRegion(_)
            | Self::TwoFromStdin(..) => ExitStatus::BadInput,
        }
    }

    /// What is told before it: every mistake beside the text it is about. Styled.
    pub fn details(&self) -> Option<String> {
        if let Self::InvalidPolicy { found, .. } | Self::InvalidTestFile { found, .. } = self {
            Some(found.render_colored())
        } else {
            None
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path, or give `-` to read standard input"
            }
            Self::Read { .. } => {
                "check that it is a file you may read, or give `-` to read standard input"
            }
            Self::Gzip { .. } => {
                "the file may be cut off: fetch it again, or unpack it with `gunzip` first"
            }
            Self::Empty { .. } => {
                "the command that wrote it may have failed: run it again and look at what it says"
            }
            Self::Utf16 { .. } => "in PowerShell, write it with `... | Out-File -Encoding utf8`",
            Self::InvalidGroups { source, .. } => return Some(source.help()),
            Self::InvalidEvent { source, .. } => match source {
                DocumentError::NotJson { message, .. }
                    if message.contains("trailing characters") =>
                {
                    "there is something after the first JSON value: one event in one file"
                }
                DocumentError::NotJson { .. } | DocumentError::NotSecurityGroups { .. } => {
                    "give the event as EventBridge or CloudTrail wrote it, or a CloudTrail log file"
                }
            },
            Self::UnknownLocation {
                found: Some(found), ..
            } => return Some(found.clone()),
            Self::UnknownLocation { what: "region", .. } => {
                "give it with `--region`, or make the input with an AWS CLI that writes `SecurityGroupArn`"
            }
            Self::UnknownLocation { .. } => "give it with `--account`",
            Self::NoLogFiles { .. } => {
                "fetch the log files with `aws s3 sync`, or name the files themselves"
            }
            Self::NotUtf8 { .. } => "save it as UTF-8",
            Self::UnknownRule {
                near: Some(near), ..
            } => return Some(format!("did you mean `{near}`?")),
            Self::UnknownRule { near: None, .. } => "`portcullis rules` lists them",
            Self::TwoFromStdin(..) => "give one of them as a file",
            Self::ManyRegions(_) => {
                "split the input by region, or let `SecurityGroupArn` tell the region of each group"
            }
            Self::BuiltWithoutAws => {
                "give the groups with `--input`, or build it with the feature `aws`, which is on by default"
            }
            Self::NoRegion => {
                "name one with `--region`, take `--all-regions`, or give groups in a file with `--input`"
            }
            Self::InvalidRegion(_) => {
                "correct `AWS_REGION` or the profile, or name a region such as eu-central-1 with `--region`"
            }
            Self::Credentials { is_role: true, .. } => {
                "the keys you have need `sts:AssumeRole` on the role, and its trust policy must name whom they belong to; it may ask \
                 for `--external-id`. For a role that asks for a second factor, put keys into the environment with \
                 `aws configure export-credentials --format env`"
            }
            Self::Credentials { is_role: false, .. } => {
                "log in with the AWS CLI and name its profile with `--profile`, or put keys into the environment with \
                 `aws configure export-credentials --format env`"
            }
            Self::ListRegions(error) if error.kind == ErrorKind::Denied => {
                "allow `ec2:DescribeRegions`, or name the regions with `--region`; where the keys themselves are refused, log in again"
            }
            Self::ListRegions(error) => ec2_error_help(error.kind),
            Self::Connect(_)
            | Self::InvalidPolicy { .. }
            | Self::InvalidTestFile { .. }
            | Self::Write(_)
            | Self::Json(_) => {
                return None;
            }
        };
        Some(help.to_owned())
    }
}

/// What to do about a call to EC2 that failed.
pub(crate) const fn ec2_error_help(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "allow `ec2:DescribeSecurityGroups`, `ec2:DescribeSecurityGroupRules` and \
             `ec2:GetManagedPrefixListEntries` there, as AWS's managed policy `SecurityAudit` does; where the keys themselves are \
             refused, log in again; leave out a region that is not enabled for the account"
        }
        ErrorKind::Throttled => {
            "somebody else is using up EC2's request rate there: try again later"
        }
        ErrorKind::NoAnswer => {
            "check the name of the region, and whether there is a way to EC2 from here"
        }
        ErrorKind::GroupNotFound | ErrorKind::RuleNotFound | ErrorKind::Other => {
            "try again; if the keys have ended, log in first"
        }
    }
}

impl DocumentError {
    /// The words before the name of the input.
    const fn message_prefix(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "the input is not JSON: ",
            Self::NotSecurityGroups { .. } => "the input does not describe security groups: ",
        }
    }

    /// What to do about it.
    fn help(&self) -> String {
        match self {
            Self::NotJson { message, .. } if message.contains("trailing characters") => {
                "there is something after the first JSON value: join several outputs into one document, \
                 for example `jq -s '{SecurityGroups: map(.SecurityGroups) | add}' *.json`"
            }
            Self::NotJson { message, .. } if message.contains("EOF") => {
                "the document ends too early: was the command that wrote it cut off?"
            }
            Self::NotJson { .. } | Self::NotSecurityGroups { .. } => {
                "make the input with `aws ec2 describe-security-groups --output json` or \
                 `aws ec2 describe-security-group-rules --output json`, without `--query`"
            }
        }
        .to_owned()
    }
}
