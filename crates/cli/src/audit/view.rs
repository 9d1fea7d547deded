//! The part of an audit that is shown.

use super::Audit;
use super::filter::FindingFilter;
use super::grouping::{GroupBy, Section, group_findings};
use super::known::NewFindings;
use super::opening::{GroupFinding, collect_openings};

/// The findings of an audit that are shown, and why others are not.
#[derive(Debug)]
pub struct AuditView<'a> {
    /// The whole audit.
    pub audit: &'a Audit,
    /// The findings that are shown, in the order of the audit.
    pub findings: Vec<GroupFinding<'a>>,
    /// The filter.
    pub filter: FindingFilter,
    /// How many findings the filter hides.
    pub filtered_out: usize,
    /// The comparison with an earlier audit.
    pub known: Option<KnownCounts>,
    /// What findings are grouped by.
    pub group_by: Option<GroupBy>,
}

/// The comparison with an earlier audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCounts {
    /// The file of the earlier audit, as shown to the user.
    pub file: String,
    /// How many findings are hidden because they are known.
    pub hidden: usize,
    /// How many known findings are gone; `None` if it cannot be decided.
    pub gone: Option<usize>,
}

/// How to show an audit.
#[derive(Debug, Clone, Default)]
pub struct ViewOptions {
    /// The filter.
    pub filter: FindingFilter,
    /// What findings are grouped by.
    pub group_by: Option<GroupBy>,
    /// The file of the earlier audit, as shown to the user.
    pub known_file: Option<String>,
}

impl<'a> AuditView<'a> {
    /// The part of an audit to show. `new` has all of its findings if there is no earlier audit.
    pub fn new(audit: &'a Audit, new: NewFindings<'a>, options: ViewOptions) -> Self {
        let ViewOptions {
            filter,
            group_by,
            known_file,
        } = options;
        let (hidden, gone) = (new.hidden, new.gone);
        let new_count = new.findings.len();
        let mut findings = new.findings;
        findings.retain(|found| filter.shows(found.finding));
        Self {
            audit,
            filtered_out: new_count.saturating_sub(findings.len()),
            findings,
            filter,
            known: known_file.map(|file| KnownCounts { file, hidden, gone }),
            group_by,
        }
    }

    /// The findings in sections; one without a name if they are not grouped.
    pub fn sections(&self) -> Vec<Section<'a>> {
        match self.group_by {
            Some(group_by) => group_findings(&self.findings, group_by, &self.audit.arns),
            None => vec![Section {
                name: None,
                openings: collect_openings(self.findings.iter().copied()),
                findings: self.findings.len(),
            }],
        }
    }

    /// The region of a group, when known.
    pub fn region_of(&self, group_id: &str) -> Option<&'a str> {
        let arn = self.audit.arns.get(group_id);
        arn.map(|arn| arn.region.as_str())
    }
}
