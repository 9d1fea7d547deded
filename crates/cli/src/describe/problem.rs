//! Problems of an input: what could not be evaluated, and why.

use serde::Serialize;

/// A part of an input or of the live account that could not be evaluated. Nothing can be concluded
/// from its absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The group it belongs to, when known.
    pub group_id: Option<String>,
    /// The region, when known.
    pub region: Option<String>,
    /// The kind of problem.
    pub code: ProblemCode,
    /// Where it is: `SecurityGroups[3].IpPermissions[0].IpRanges[1].CidrIp`, after the name of the
    /// input if there are several inputs. `None` if it is not about a value of an input.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The kinds of [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// A listing has more pages than the input.
    TruncatedListing,
    /// A group, or one of its rules, could not be read.
    GroupUnreadable,
    /// A prefix list, or one of its entries, could not be read.
    PrefixListUnreadable,
    /// The input has entries of a prefix list, but not the id of the list.
    PrefixListUnidentified,
    /// The entries of a prefix list are unknown, and they decide whether there is a finding.
    PrefixListUnresolved,
    /// The groups of a region could not be listed.
    RegionUnreadable,
    /// The ids and tags of rules could not be read.
    RuleIdsUnreadable,
}

impl Problem {
    /// A problem that is not about a certain group or place.
    pub(crate) fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self {
            group_id: None,
            region: None,
            code,
            path: None,
            message: message.into(),
            help: None,
        }
    }

    /// Adds what to do about a problem of an input.
    pub(super) fn add_help(&mut self) {
        self.help = problem_help(self).map(str::to_owned);
    }
}

/// What to do about a problem of an input.
fn problem_help(problem: &Problem) -> Option<&'static str> {
    if is_cut_by_powershell(problem) {
        return Some(
            "`ConvertTo-Json` cuts nested values: use `Get-EC2SecurityGroup | ConvertTo-Json \
             -Depth 10`",
        );
    }
    match problem.code {
        ProblemCode::TruncatedListing => Some(
            "run the command again without `--max-items` and `--no-paginate`, for example \
             `aws ec2 describe-security-groups --output json > groups.json`",
        ),
        ProblemCode::GroupUnreadable if is_missing_rules(problem) => Some(
            "keep `IpPermissions` under its own name: `--query \
             'SecurityGroups[].{GroupId:GroupId,IpPermissions:IpPermissions}'`, or add the rules \
             with a second `--input` of `aws ec2 describe-security-group-rules --output json`",
        ),
        ProblemCode::GroupUnreadable => Some(
            "groups with an unreadable value are not evaluated; write the input again with \
             `aws ec2 describe-security-groups --output json > groups.json`",
        ),
        ProblemCode::PrefixListUnreadable => Some(
            "write the entries again with `aws ec2 get-managed-prefix-list-entries \
             --prefix-list-id LIST --output json > LIST.json`",
        ),
        ProblemCode::PrefixListUnidentified => Some(
            "name the file after the list, such as `pl-0123456789abcdef0.json`: `aws ec2 \
             get-managed-prefix-list-entries --prefix-list-id LIST --output json > LIST.json`",
        ),
        ProblemCode::PrefixListUnresolved
        | ProblemCode::RegionUnreadable
        | ProblemCode::RuleIdsUnreadable => None,
    }
}

fn is_missing_rules(problem: &Problem) -> bool {
    problem
        .path
        .as_deref()
        .unwrap_or_default()
        .ends_with("IpPermissions")
}

/// Whether a value is the name of a .NET type or an empty text instead of a list, which is what
/// PowerShell writes below its maximum depth.
fn is_cut_by_powershell(problem: &Problem) -> bool {
    problem.message.contains("Amazon.EC2.Model")
        || problem
            .message
            .starts_with("invalid type: string \"\", expected a sequence")
}
