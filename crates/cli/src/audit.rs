//! Evaluating every security group of an input, or of the live account.

pub mod allowed;
pub mod filter;
pub mod grouping;
pub mod json;
pub mod known;
pub mod opening;
pub(crate) mod owner;
pub(crate) mod unresolved;
pub mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use portcullis_remediation::ServiceError;
use portcullis_rules::{Context, Exception, Finding, Policy, PrefixLists, SecurityGroup, evaluate};

use crate::describe::{DescribedGroups, GroupArn, Problem, ProblemCode};
use allowed::OpenAndAllowed;
use unresolved::deciding_lists;

/// The result of an audit.
#[derive(Debug)]
pub struct Audit {
    /// The name of the policy.
    pub policy: String,
    /// How many groups were evaluated.
    pub groups: usize,
    /// How many ingress rules were evaluated.
    pub rules: usize,
    /// The groups with findings, ordered by id.
    pub findings: Vec<(SecurityGroup, Vec<Finding>)>,
    /// What is open to the world and forbidden by no policy rule.
    pub open_and_allowed: OpenAndAllowed,
    /// The known ARNs of the groups, by group id.
    pub arns: BTreeMap<String, GroupArn>,
    /// Whether the region of every group is known.
    pub regions_known: bool,
    /// The prefix lists that were evaluated as private because their entries are unknown.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// The exceptions that exempt a finding.
    pub exceptions_used: BTreeSet<String>,
    /// The expired exceptions that would exempt a finding.
    pub exceptions_expired: BTreeSet<String>,
    /// What could not be evaluated, apart from the errors of regions.
    pub problems: Vec<Problem>,
    /// The regions of the live account that were read, ordered by name; empty for an input.
    pub regions: Vec<RegionSummary>,
}

/// The audit of one region of the live account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSummary {
    /// The name: `eu-central-1`.
    pub name: String,
    /// How many of its groups were evaluated.
    pub groups: usize,
    /// How many ingress rules these groups have.
    pub rules: usize,
    /// How many of its groups could not be read; each is a [`Problem`].
    pub unreadable_groups: usize,
    /// The error that ended the listing of its groups early.
    pub listing_error: Option<ServiceError>,
    /// The error because of which some rules have no ids and tags here.
    pub rule_ids_error: Option<ServiceError>,
}

impl RegionSummary {
    /// Whether all of its groups were evaluated.
    pub const fn is_complete(&self) -> bool {
        self.unreadable_groups == 0 && self.listing_error.is_none()
    }

    /// What could not be evaluated, apart from single groups.
    fn problems(&self) -> impl Iterator<Item = Problem> {
        let listing = self
            .listing_error
            .iter()
            .map(|error| (ProblemCode::RegionUnreadable, error));
        let rule_ids = self
            .rule_ids_error
            .iter()
            .map(|error| (ProblemCode::RuleIdsUnreadable, error));
        listing.chain(rule_ids).map(|(code, error)| Problem {
            region: Some(self.name.clone()),
            ..Problem::new(code, error.to_string())
        })
    }

    /// The failed calls, apart from those about a single group.
    pub fn errors(&self) -> impl Iterator<Item = &ServiceError> {
        self.listing_error.iter().chain(&self.rule_ids_error)
    }
}

impl Audit {
    /// An audit of no groups.
    pub fn new(policy: &Policy) -> Self {
        Self {
            policy: policy.name.clone(),
            groups: 0,
            rules: 0,
            findings: Vec::new(),
            open_and_allowed: OpenAndAllowed::default(),
            arns: BTreeMap::new(),
            regions_known: true,
            unresolved_prefix_lists: BTreeSet::new(),
            exceptions_used: BTreeSet::new(),
            exceptions_expired: BTreeSet::new(),
            problems: Vec::new(),
            regions: Vec::new(),
        }
    }

    /// Evaluates groups against a policy. The account and region of the context apply to groups
    /// that do not have their own. A prefix list without entries does not exist and admits nothing.
    pub fn from_groups(policy: &Policy, described: DescribedGroups, context: &Context) -> Self {
        let DescribedGroups {
            groups,
            arns,
            prefix_lists,
            problems,
            descriptions: _,
            notes: _,
        } = described;
        let mut audit = Self {
            groups: groups.len(),
            rules: count_rules(&groups),
            regions_known: context.region.is_some() || have_arns(&groups, &arns),
            arns,
            problems,
            ..Self::new(policy)
        };
        for group in groups {
            audit.evaluate_group(policy, group, &prefix_lists, context);
        }
        audit
    }

    /// Evaluates the groups of an input, as [`Audit::from_groups`] does. A prefix list without
    /// entries is unknown: where its entries decide whether there is a finding, that is a problem.
    pub fn from_input(policy: &Policy, described: DescribedGroups, context: &Context) -> Self {
        let mut problems = Vec::new();
        for group in &described.groups {
            let arn = described.arns.get(&group.id);
            let group_context = context_of_group(context, group, arn);
            let lists = &described.prefix_lists;
            problems.extend(deciding_lists(policy, group, lists, &group_context));
        }
        let mut audit = Self::from_groups(policy, described, context);
        audit.problems.extend(problems);
        for problem in &mut audit.problems {
            if problem.region.is_none() {
                problem.region.clone_from(&context.region);
            }
        }
        audit
    }

    /// Adds the results for other groups under the same policy. Call [`Audit::sort_and_dedup`]
    /// after the last one.
    pub fn merge(&mut self, other: Self) {
        self.groups = self.groups.saturating_add(other.groups);
        self.rules = self.rules.saturating_add(other.rules);
        self.findings.extend(other.findings);
        self.open_and_allowed.merge(other.open_and_allowed);
        self.arns.extend(other.arns);
        self.regions_known &= other.regions_known;
        self.unresolved_prefix_lists
            .extend(other.unresolved_prefix_lists);
        self.exceptions_used.extend(other.exceptions_used);
        self.exceptions_expired.extend(other.exceptions_expired);
        self.problems.extend(other.problems);
        self.regions.extend(other.regions);
    }

    /// Sorts groups and regions, and removes groups that were on two pages of a listing.
    pub fn sort_and_dedup(&mut self) {
        self.findings
            .sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        self.findings
            .dedup_by(|(one, _), (other, _)| one.id == other.id);
        self.regions.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Everything that could not be evaluated: of single groups, listings and prefix lists, and of
    /// whole regions.
    pub fn all_problems(&self) -> impl Iterator<Item = Cow<'_, Problem>> {
        let regions = self.regions.iter().flat_map(RegionSummary::problems);
        self.problems
            .iter()
            .map(Cow::Borrowed)
            .chain(regions.map(Cow::Owned))
    }

    /// Whether something could not be evaluated, so that nothing can be concluded from the absence
    /// of a finding.
    pub fn is_incomplete(&self) -> bool {
        self.all_problems().next().is_some()
    }

    fn evaluate_group(
        &mut self,
        policy: &Policy,
        group: SecurityGroup,
        lists: &PrefixLists,
        context: &Context,
    ) {
        let arn = self.arns.get(&group.id);
        let group_context = context_of_group(context, &group, arn);
        let evaluation = evaluate(policy, &group, lists, &group_context);
        self.unresolved_prefix_lists
            .extend(evaluation.unresolved_prefix_lists);
        self.exceptions_used.extend(evaluation.exceptions_used);
        self.exceptions_expired
            .extend(evaluation.exceptions_expired);
        let allowed = evaluation.open_and_allowed.values();
        self.open_and_allowed.add_group(&group.id, allowed);
        if !evaluation.findings.is_empty() {
            self.findings.push((group, evaluation.findings));
        }
    }

    /// The exceptions that exempt nothing in the groups, in the order of the policy.
    ///
    /// Exceptions by principal are left out, because an audit does not know who made a change; so
    /// are exceptions by region, if the region of a group is unknown.
    pub fn stale_exceptions<'p>(&self, policy: &'p Policy) -> Vec<&'p Exception> {
        policy
            .exceptions
            .iter()
            .map(AsRef::as_ref)
            .filter(|exception| self.is_stale(exception))
            .collect()
    }

    fn is_stale(&self, exception: &Exception) -> bool {
        let is_decidable = exception.principals.is_empty()
            && (exception.scope.regions.is_empty() || self.regions_known);
        let id = &exception.id;
        is_decidable && !self.exceptions_used.contains(id) && !self.exceptions_expired.contains(id)
    }

    /// Each finding with its group, ordered by group, protocol, ports, source and policy rule.
    pub fn iter_findings(&self) -> impl Iterator<Item = (&SecurityGroup, &Finding)> {
        self.findings
            .iter()
            .flat_map(|(group, findings)| findings.iter().map(move |finding| (group, finding)))
    }
}

/// The context with the account and region of a group, where they are known.
fn context_of_group(context: &Context, group: &SecurityGroup, arn: Option<&GroupArn>) -> Context {
    let arn_account = arn.map(|arn| arn.account.clone());
    let arn_region = arn.map(|arn| arn.region.clone());
    let account = group.owner_id.clone().or(arn_account);
    Context {
        account: account.or_else(|| context.account.clone()),
        region: arn_region.or_else(|| context.region.clone()),
        ..context.clone()
    }
}

fn count_rules(groups: &[SecurityGroup]) -> usize {
    groups
        .iter()
        .fold(0, |sum, group| sum.saturating_add(group.rules.len()))
}

/// Whether all groups have an ARN, and there is at least one group.
fn have_arns(groups: &[SecurityGroup], arns: &BTreeMap<String, GroupArn>) -> bool {
    !groups.is_empty() && groups.iter().all(|group| arns.contains_key(&group.id))
}
