//! The audit of one region.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_remediation::{
    Clock, ErrorKind, GroupLister, GroupPage, ServiceError, next_page_checked,
};
use portcullis_rules::{Context, Policy, PrefixLists, SecurityGroup, evaluate};

use crate::audit::{Audit, RegionSummary};
use crate::describe::{DescribedGroups, GroupArn, Problem, ProblemCode, is_account_id};

/// The delay before the first retry of a call that failed after the SDK's retries. Each further
/// delay is twice as long.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(2);

/// What to evaluate in a region.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegionTarget<'a> {
    /// The name of the region.
    pub(super) name: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// Reads and evaluates the groups of a region. Calls `on_page` with the results of each page.
///
/// After an error, the audit has the groups read before it, and the error in its [`RegionSummary`].
pub(super) async fn audit_region(
    lister: &dyn GroupLister,
    clock: &dyn Clock,
    target: &RegionTarget<'_>,
    on_page: &(dyn Fn(&Audit) + Sync),
) -> Audit {
    let mut auditor = RegionAuditor {
        lister,
        clock,
        audit: Audit::new(target.policy),
        rule_ids_error: None,
    };
    let listing_error = auditor.audit_pages(target, on_page).await.err();
    let RegionAuditor {
        mut audit,
        rule_ids_error,
        ..
    } = auditor;
    audit.regions.push(RegionSummary {
        name: target.name.to_owned(),
        groups: audit.groups,
        rules: audit.rules,
        unreadable_groups: audit.problems.len(),
        listing_error,
        rule_ids_error,
    });
    audit
}

/// The state of an audit between two pages.
struct RegionAuditor<'a> {
    lister: &'a dyn GroupLister,
    clock: &'a dyn Clock,
    audit: Audit,
    /// The last error that left rules without IDs.
    rule_ids_error: Option<ServiceError>,
}

impl RegionAuditor<'_> {
    async fn audit_pages(
        &mut self,
        target: &RegionTarget<'_>,
        on_page: &(dyn Fn(&Audit) + Sync),
    ) -> Result<(), ServiceError> {
        let mut token: Option<String> = None;
        let mut tokens = BTreeSet::new();
        loop {
            let mut page = call_with_retries(self.clock, async || {
                next_page_checked(self.lister, token.as_deref(), &mut tokens).await
            })
            .await?;
            let next_token = page.next_token.take();
            let page_audit = self.audit_page(target, page).await;
            on_page(&page_audit);
            self.audit.merge(page_audit);
            if next_token.is_none() {
                return Ok(());
            }
            token = next_token;
        }
    }

    /// Evaluates a page. Groups with findings are evaluated again with the ids and tags of their
    /// rules, which the listing does not have: exceptions can match tags.
    async fn audit_page(&mut self, target: &RegionTarget<'_>, page: GroupPage) -> Audit {
        let GroupPage {
            groups,
            prefix_lists,
            unreadable_groups,
            next_token: _,
        } = page;
        let (with_findings, mut groups): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| target.has_findings(group, &prefix_lists));
        let arns = with_findings
            .iter()
            .filter_map(|group| Some((group.id.clone(), target.group_arn(group)?)))
            .collect();
        groups.extend(self.add_rule_ids(with_findings).await);
        let problems = unreadable_groups
            .iter()
            .map(|(group, error)| target.unreadable_group(group, error))
            .collect();
        let described = DescribedGroups {
            groups,
            arns,
            prefix_lists,
            problems,
            ..DescribedGroups::default()
        };
        Audit::from_groups(target.policy, described, &target.evaluation_context())
    }

    /// The groups with the ids of their rules; unchanged if the ids cannot be read. Without tags,
    /// there are more findings, never fewer. If access is denied, later pages do not try again.
    async fn add_rule_ids(&mut self, groups: Vec<SecurityGroup>) -> Vec<SecurityGroup> {
        let is_denied = self
            .rule_ids_error
            .as_ref()
            .is_some_and(|error| error.kind == ErrorKind::Denied);
        if groups.is_empty() || is_denied {
            return groups;
        }
        let result = call_with_retries(self.clock, async || {
            self.lister.with_rule_ids(groups.clone()).await
        })
        .await;
        match result {
            Ok(groups_with_ids) => groups_with_ids,
            Err(error) => {
                self.rule_ids_error = Some(error);
                groups
            }
        }
    }
}

impl RegionTarget<'_> {
    fn evaluation_context(&self) -> Context {
        Context {
            now: Some(self.now),
            region: Some(self.name.to_owned()),
            ..Context::default()
        }
    }

    fn has_findings(&self, group: &SecurityGroup, lists: &PrefixLists) -> bool {
        let context = Context {
            account: group.owner_id.clone(),
            ..self.evaluation_context()
        };
        let evaluation = evaluate(self.policy, group, lists, &context);
        !evaluation.findings.is_empty()
    }

    fn unreadable_group(&self, group: &SecurityGroup, error: &ServiceError) -> Problem {
        Problem {
            group_id: Some(group.id.clone()),
            region: Some(self.name.to_owned()),
            ..Problem::new(ProblemCode::GroupUnreadable, error.to_string())
        }
    }

    fn group_arn(&self, group: &SecurityGroup) -> Option<GroupArn> {
        let owner = group.owner_id.as_ref()?;
        is_account_id(owner).then(|| GroupArn::new(self.name, owner, &group.id))
    }
}

/// Retries a call while EC2 throttles it, and once if there was no answer. Each of these calls
/// already includes the retries of the client.
pub(super) async fn call_with_retries<T>(
    clock: &dyn Clock,
    mut call: impl AsyncFnMut() -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    let mut delay = FIRST_RETRY_DELAY;
    let mut retries = 0;
    loop {
        match call().await {
            Err(error) if retries < max_retries(error.kind) => clock.sleep(delay).await,
            result => return result,
        }
        retries = retries.saturating_add(1);
        delay = delay.saturating_mul(2);
    }
}

/// EC2's request token buckets refill within seconds (EC2 API Reference, "Request throttling"),
/// unless other callers keep them empty. No answer usually means a wrong region name or no network
/// connection, so one retry is enough.
const fn max_retries(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Throttled => 4,
        ErrorKind::NoAnswer => 1,
        ErrorKind::Denied
        | ErrorKind::GroupNotFound
        | ErrorKind::RuleNotFound
        | ErrorKind::RulesQuota
        | ErrorKind::Other => 0,
    }
}

#[cfg(test)]
mod tests;
