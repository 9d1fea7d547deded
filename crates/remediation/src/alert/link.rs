//! Links to the AWS console, and the ARN of a group. Besides those of the settings, an alert has no
//! other links.

use crate::partition::Partition;
use crate::report::GroupReport;

/// The group's page in the console of its partition; `None` if the region or the id are unknown or
/// malformed.
pub(super) fn console_url(report: &GroupReport) -> Option<String> {
    group_console_url(report.origin.region.as_deref()?, &report.group.id)
}

/// The page of a group.
pub(super) fn group_console_url(region: &str, id: &str) -> Option<String> {
    let is_id = id.starts_with("sg-") && is_plain_identifier(id);
    if is_id {
        console_page_url("ec2", region, &format!("SecurityGroup:groupId={id}"))
    } else {
        None
    }
}

/// The event in the event history of CloudTrail. A sweep has none.
pub(super) fn event_console_url(report: &GroupReport) -> Option<String> {
    let origin = &report.origin;
    let region = origin.region.as_deref()?;
    let id = origin.event_id.as_deref()?;
    if origin.is_sweep() || !is_plain_identifier(id) {
        return None;
    }
    console_page_url("cloudtrailv2", region, &format!("/events?EventId={id}"))
}

/// The page of all groups of a region.
pub(super) fn groups_console_url(region: &str) -> Option<String> {
    console_page_url("ec2", region, "SecurityGroups:")
}

fn console_page_url(service: &str, region: &str, page: &str) -> Option<String> {
    let host = Partition::for_region(region).console_host?;
    is_plain_identifier(region)
        .then(|| format!("https://{region}.{host}/{service}/home?region={region}#{page}"))
}

/// The group's ARN.
pub(super) fn group_arn(report: &GroupReport) -> Option<String> {
    let region = report
        .origin
        .region
        .as_deref()
        .filter(|region| is_plain_identifier(region))?;
    let owner = report
        .group
        .owner_id
        .as_deref()
        .or(report.origin.account.as_deref());
    let account = owner.filter(|account| is_plain_identifier(account))?;
    let id = Some(report.group.id.as_str())
        .filter(|id| id.starts_with("sg-") && is_plain_identifier(id))?;
    Some(Partition::security_group_arn(region, account, id))
}

/// Whether a text has letters, digits and dashes only, and not too many.
pub(super) fn is_plain_identifier(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;
    use crate::report::samples;

    #[test]
    fn every_partition_has_its_host() {
        let mut report = samples::closed_report();
        let mut link_and_arn = |region: &str| {
            report.origin.region = Some(region.to_owned());
            console_url(&report).zip(group_arn(&report))
        };
        let (link, arn) = link_and_arn("eu-west-1").unwrap();
        assert_eq!(
            link,
            "https://eu-west-1.console.aws.amazon.com/ec2/home?region=eu-west-1\
             #SecurityGroup:groupId=sg-0123456789abcdef0"
        );
        assert_eq!(
            arn,
            "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0123456789abcdef0"
        );
        assert!(
            link_and_arn("cn-north-1")
                .unwrap()
                .0
                .starts_with("https://cn-north-1.console.amazonaws.cn/ec2/")
        );
        assert!(
            link_and_arn("us-gov-west-1")
                .unwrap()
                .0
                .starts_with("https://us-gov-west-1.console.amazonaws-us-gov.com/ec2/")
        );
        assert!(
            link_and_arn("us-gov-west-1")
                .unwrap()
                .1
                .starts_with("arn:aws-us-gov:ec2:")
        );
    }

    #[test]
    fn a_partition_without_a_public_console_has_no_link() {
        let mut report = samples::closed_report();
        report.origin.region = Some("us-iso-east-1".to_owned());
        assert_eq!(console_url(&report), None);
        let arn = group_arn(&report).unwrap();
        assert!(arn.starts_with("arn:aws-iso:ec2:us-iso-east-1:"), "{arn}");
    }

    #[test]
    fn an_event_is_found_by_its_id() {
        let mut report = samples::closed_report();
        assert_eq!(
            event_console_url(&report).unwrap(),
            "https://eu-west-1.console.aws.amazon.com/cloudtrailv2/home?region=eu-west-1\
             #/events?EventId=8f5c1c0e-6a3b-4d2e-9f10-0123456789ab"
        );
        report.origin.event_name = Origin::SWEEP.to_owned();
        assert_eq!(event_console_url(&report), None);
        report = samples::closed_report();
        report.origin.event_id = Some("x#<!here>".to_owned());
        assert_eq!(event_console_url(&report), None);
        report = samples::closed_report();
        report.origin.region = Some("us-iso-east-1".to_owned());
        assert_eq!(event_console_url(&report), None);
    }

    #[test]
    fn there_is_no_link_to_an_unknown_group() {
        let mut report = samples::closed_report();
        report.origin.region = Some("evil.example/#".to_owned());
        assert_eq!(console_url(&report), None);
        report.origin.region = None;
        assert_eq!(console_url(&report), None);
        report = samples::closed_report();
        report.group.id = String::new();
        assert_eq!(console_url(&report), None);
    }
}
