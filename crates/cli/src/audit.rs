//! Judging every group of a description, or of the live account.

pub mod wire;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_remediation::ServiceError;
use portcullis_rules::{Context, Exception, Finding, Policy, PrefixLists, SecurityGroup, evaluate};

use crate::describe::{DescribedGroups, GroupArn, Problem};
use wire::AuditV1;

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The name of the policy.
    pub policy: String,
    /// How many groups were judged.
    pub groups: usize,
    /// How many ingress rules were judged.
    pub rules: usize,
    /// The groups with findings, ordered by id.
    pub findings: Vec<(SecurityGroup, Vec<Finding>)>,
    /// The ARNs of the groups whose description tells them, by group id.
    pub arns: BTreeMap<String, GroupArn>,
    /// Whether the region of every group is known.
    pub regions_known: bool,
    /// Prefix lists that were judged as not the world, because their entries are not known.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// Exceptions that freed something.
    pub exceptions_used: BTreeSet<String>,
    /// Exceptions that would have freed something and have ended.
    pub exceptions_expired: BTreeSet<String>,
    /// What could not be understood, and was left out.
    pub problems: Vec<Problem>,
    /// The regions of the live account that were read, in the order of their names; none for an input.
    pub regions: Vec<RegionSummary>,
}

/// A region of the live account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSummary {
    /// `eu-central-1`.
    pub name: String,
    /// How many of its groups were judged.
    pub groups: usize,
    /// How many ingress rules these have.
    pub rules: usize,
    /// How many of its groups could not be understood; each is a [`Problem`].
    pub unreadable_groups: usize,
    /// Why its groups were not listed to the end.
    pub listing_error: Option<ServiceError>,
    /// Why some of its rules have no ids and tags here.
    pub rule_ids_error: Option<ServiceError>,
}

impl RegionSummary {
    /// Whether all of its groups were judged.
    pub const fn is_complete(&self) -> bool {
        self.unreadable_groups == 0 && self.listing_error.is_none()
    }

    /// What could not be read but single groups.
    pub fn errors(&self) -> impl Iterator<Item = &ServiceError> {
        self.listing_error.iter().chain(&self.rule_ids_error)
    }
}

impl Audit {
    /// Nothing judged yet.
    pub fn new(policy: &Policy) -> Self {
        Self {
            policy: policy.name.clone(),
            groups: 0,
            rules: 0,
            findings: Vec::new(),
            arns: BTreeMap::new(),
            regions_known: true,
            unresolved_prefix_lists: BTreeSet::new(),
            exceptions_used: BTreeSet::new(),
            exceptions_expired: BTreeSet::new(),
            problems: Vec::new(),
            regions: Vec::new(),
        }
    }

    /// Holds a policy against the groups. The account and region of the context are those of groups that do not tell
    /// theirs.
    pub fn from_groups(policy: &Policy, described: DescribedGroups, context: &Context) -> Self {
        let DescribedGroups {
            groups,
            arns,
            prefix_lists,
            problems,
        } = described;
        let all_tell =
            !groups.is_empty() && groups.iter().all(|group| arns.contains_key(&group.id));
        let mut audit = Self {
            groups: groups.len(),
            rules: groups
                .iter()
                .fold(0, |sum, group| sum.saturating_add(group.rules.len())),
            arns,
            regions_known: context.region.is_some() || all_tell,
            problems,
            ..Self::new(policy)
        };
        for group in groups {
            audit.evaluate_group(policy, group, &prefix_lists, context);
        }
        audit
    }

    /// Takes in what another audit by the same policy found in other groups. The findings want [`Audit::sort`] in the end.
    pub fn merge(&mut self, other: Self) {
        self.groups = self.groups.saturating_add(other.groups);
        self.rules = self.rules.saturating_add(other.rules);
        self.findings.extend(other.findings);
        self.arns.extend(other.arns);
        self.regions_known &= other.regions_known;
        self.unresolved_prefix_lists
            .extend(other.unresolved_prefix_lists);
        self.exceptions_used.extend(other.exceptions_used);
        self.exceptions_expired.extend(other.exceptions_expired);
        self.problems.extend(other.problems);
        self.regions.extend(other.regions);
    }

    /// Puts groups and regions in their order, whatever order they came in. A group that was on two pages is one.
    pub fn sort_and_dedup(&mut self) {
        self.findings
            .sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        self.findings
            .dedup_by(|(one, _), (other, _)| one.id == other.id);
        self.regions.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Whether something of the live account could not be read.
    pub fn is_incomplete(&self) -> bool {
        self.regions
            .iter()
            .any(|region| !region.is_complete() || region.rule_ids_error.is_some())
    }

    fn evaluate_group(
        &mut self,
        policy: &Policy,
        group: SecurityGroup,
        lists: &PrefixLists,
        context: &Context,
    ) {
        let arn = self.arns.get(&group.id);
        let account = group
            .owner_id
            .clone()
            .or_else(|| arn.map(|arn| arn.account.clone()));
        let region = arn.map(|arn| arn.region.clone());
        let context = Context {
            account: account.or_else(|| context.account.clone()),
            region: region.or_else(|| context.region.clone()),
            ..context.clone()
        };
        let judgement = evaluate(policy, &group, lists, &context);
        self.unresolved_prefix_lists
            .extend(judgement.unresolved_prefix_lists);
        self.exceptions_used.extend(judgement.exceptions_used);
        self.exceptions_expired.extend(judgement.exceptions_expired);
        if !judgement.findings.is_empty() {
            self.findings.push((group, judgement.findings));
        }
    }

    /// The exceptions that free nothing in the groups, in the order of the policy. Those that ask who made a change are
    /// not among them: outside of an event nobody is known.
    pub fn stale_exceptions<'p>(&self, policy: &'p Policy) -> Vec<&'p Exception> {
        let is_known = |exception: &Exception| {
            exception.principals.is_empty()
                && (exception.scope.regions.is_empty() || self.regions_known)
        };
        let matched =
            |id: &String| self.exceptions_used.contains(id) || self.exceptions_expired.contains(id);
        let all = policy.exceptions.iter().map(AsRef::as_ref);
        all.filter(|exception| is_known(exception) && !matched(&exception.id))
            .collect()
    }

    /// Each finding with its group, ordered by group, protocol, ports, source and rule.
    pub fn iter_findings(&self) -> impl Iterator<Item = (&SecurityGroup, &Finding)> {
        self.findings
            .iter()
            .flat_map(|(group, findings)| findings.iter().map(move |finding| (group, finding)))
    }

    /// The audit as it is printed for programs.
    pub fn to_document(&self) -> AuditV1<'_> {
        AuditV1::new(self)
    }
}
