//! What to do about an error.

use std::io;

use portcullis_remediation::ErrorKind;

use crate::describe::DocumentError;

/// Help for an input that cannot be read.
pub(super) fn read_help(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::NotFound {
        "check the path, or use `-` to read standard input"
    } else {
        "check that it is a file and that you may read it, or use `-` to read standard input"
    }
}

/// Help for an input of security groups that cannot be decoded.
pub(super) fn groups_help(error: &DocumentError) -> &'static str {
    if error.is_truncated() {
        "the document is cut off: check the command that wrote it, and run it again"
    } else if error.is_other_json() {
        "create the input with `aws ec2 describe-security-groups --output json > groups.json` or \
         `aws ec2 describe-security-group-rules --output json > rules.json`; a `--query` must keep \
         `GroupId` and `IpPermissions`"
    } else {
        "create the input with `aws ec2 describe-security-groups --output json > groups.json`"
    }
}

/// Help for an input that is not an event.
pub(crate) const EVENT_HELP: &str = "use events from EventBridge, CloudTrail records or log files, \
    messages from SQS, or CloudWatch Logs, as JSON or with one JSON value in each line; for \
    example `aws cloudtrail lookup-events --lookup-attributes \
    AttributeKey=EventName,AttributeValue=AuthorizeSecurityGroupIngress --output json > \
    events.json`";

/// Help for a group whose `account` or `region` is unknown.
pub(super) fn location_help(what: &str) -> &'static str {
    if what == "region" {
        "set it with `--region`, or create the input with an AWS CLI that writes `SecurityGroupArn`"
    } else {
        "set it with `--account`"
    }
}

/// Help for missing or rejected credentials.
pub(super) const fn credentials_help(is_role: bool) -> &'static str {
    if is_role {
        "your credentials need `sts:AssumeRole` on the role, and its trust policy must allow them; \
         it may also require `--external-id`. For a role that requires MFA, export credentials to \
         the environment with `aws configure export-credentials --format env`"
    } else {
        "log in with the AWS CLI and select its profile with `--profile`, or export credentials to \
         the environment with `aws configure export-credentials --format env`"
    }
}

/// Help for a list of regions that cannot be read.
pub(super) fn list_regions_help(kind: ErrorKind) -> &'static str {
    if kind == ErrorKind::Denied {
        "allow `ec2:DescribeRegions`, or specify the regions with `--region`; if the credentials \
         are rejected, log in again"
    } else {
        ec2_error_help(kind)
    }
}

/// Help for a failed call to EC2.
pub(crate) const fn ec2_error_help(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Denied => {
            "allow `ec2:DescribeSecurityGroups`, `ec2:DescribeSecurityGroupRules` and \
             `ec2:GetManagedPrefixListEntries`, as AWS's managed policy `SecurityAudit` does; \
             if the credentials are rejected, log in again; leave out regions that are not enabled \
             for the account"
        }
        ErrorKind::Throttled => {
            "other callers are using up the EC2 request rate of this region: try again later"
        }
        ErrorKind::NoAnswer => "check the name of the region and the network connection to EC2",
        ErrorKind::GroupNotFound
        | ErrorKind::RuleNotFound
        | ErrorKind::RulesQuota
        | ErrorKind::Other => "try again; if the credentials have expired, log in first",
    }
}

/// Help for a rule that the policy does not have.
pub(super) fn unknown_rule_help(near: Option<&str>, preset: Option<&str>) -> String {
    match (near, preset) {
        (_, Some(preset)) => {
            format!("the preset `{preset}` has it: add `--policy preset:{preset}`")
        }
        (Some(near), None) => format!("did you mean `{near}`?"),
        (None, None) => "run `portcullis rules` to list them".to_owned(),
    }
}

/// Help for an option that a format of `audit` does not support.
pub(super) fn unsupported_option_help(format: &str) -> &'static str {
    if format == "csv" {
        "sort the rows in the spreadsheet"
    } else {
        "the format has all findings, because a finding that is missing counts as closed: filter \
         with `jq`"
    }
}
