//! The audit of one region.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_remediation::{
    Clock, ErrorKind, GroupLister, GroupPage, ServiceError, next_page_checked,
};
use portcullis_rules::{Context, Policy, SecurityGroup, evaluate};

use crate::audit::{Audit, RegionSummary};
use crate::describe::{DescribedGroups, GroupArn, Problem, is_account_id};

/// The first pause after a call that the client has given up on; it doubles from one to the next.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(2);

/// What is judged, by what, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegionTarget<'a> {
    /// The region.
    pub(super) name: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// Reads and judges the groups of a region. `seen` is told of each page.
///
/// What was read before a failure stands; the failure stands with the region.
pub(super) async fn audit_region(
    lister: &dyn GroupLister,
    clock: &dyn Clock,
    place: &RegionTarget<'_>,
    seen: &(dyn Fn(&Audit) + Sync),
) -> Audit {
    let mut walk = RegionAuditor {
        lister,
        clock,
        audit: Audit::new(place.policy),
        rule_ids_error: None,
    };
    let listing_error = walk.audit_pages(place, seen).await.err();
    let RegionAuditor {
        mut audit,
        rule_ids_error,
        ..
    } = walk;
    audit.regions.push(RegionSummary {
        name: place.name.to_owned(),
        groups: audit.groups,
        rules: audit.rules,
        unreadable_groups: audit.problems.len(),
        listing_error,
        rule_ids_error,
    });
    audit
}

/// On the way through the pages.
struct RegionAuditor<'a> {
    lister: &'a dyn GroupLister,
    clock: &'a dyn Clock,
    audit: Audit,
    /// Why the rules of some groups have no ids.
    rule_ids_error: Option<ServiceError>,
}

impl RegionAuditor<'_> {
    async fn audit_pages(
        &mut self,
        place: &RegionTarget<'_>,
        seen: &(dyn Fn(&Audit) + Sync),
    ) -> Result<(), ServiceError> {
        let mut token: Option<String> = None;
        let mut tokens = BTreeSet::new();
        loop {
            let mut page = call_with_retries(self.clock, async || {
                next_page_checked(self.lister, token.as_deref(), &mut tokens).await
            })
            .await?;
            let next = page.next_token.take();
            let judged = self.audit_page(place, page).await;
            seen(&judged);
            self.audit.merge(judged);
            match next {
                None => return Ok(()),
                Some(next) => token = Some(next),
            }
        }
    }

    /// Judges a page. Groups with findings are judged once more with what a listing does not know of their rules: ids,
    /// and tags that an exception may ask for.
    async fn audit_page(&mut self, place: &RegionTarget<'_>, page: GroupPage) -> Audit {
        let context = place.evaluation_context();
        let GroupPage {
            groups,
            prefix_lists,
            unreadable_groups,
            next_token: _,
        } = page;
        let is_bad = |group: &SecurityGroup| {
            let context = Context {
                account: group.owner_id.clone(),
                ..context.clone()
            };
            !evaluate(place.policy, group, &prefix_lists, &context)
                .findings
                .is_empty()
        };
        let (bad, mut groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_bad);
        let arns = bad
            .iter()
            .filter_map(|group| Some((group.id.clone(), place.group_arn(group)?)))
            .collect();
        groups.extend(self.add_rule_ids(bad).await);
        let problems = unreadable_groups
            .iter()
            .map(|(group, error)| place.unreadable_group(group, error))
            .collect();
        Audit::from_groups(
            place.policy,
            DescribedGroups {
                groups,
                arns,
                prefix_lists,
                problems,
            },
            &context,
        )
    }

    /// The groups with the ids of their rules; as they are, where these cannot be read: without tags too much is found,
    /// never too little. Who may not read them is not asked again.
    async fn add_rule_ids(&mut self, groups: Vec<SecurityGroup>) -> Vec<SecurityGroup> {
        let is_denied = self
            .rule_ids_error
            .as_ref()
            .is_some_and(|error| error.kind == ErrorKind::Denied);
        if groups.is_empty() || is_denied {
            return groups;
        }
        match call_with_retries(self.clock, async || {
            self.lister.with_rule_ids(groups.clone()).await
        })
        .await
        {
            Ok(identified) => identified,
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

    fn unreadable_group(&self, group: &SecurityGroup, error: &ServiceError) -> Problem {
        Problem {
            group_id: Some(group.id.clone()),
            path: self.name.to_owned(),
            message: error.to_string(),
        }
    }

    fn group_arn(&self, group: &SecurityGroup) -> Option<GroupArn> {
        let owner = group
            .owner_id
            .as_ref()
            .filter(|owner| is_account_id(owner))?;
        Some(GroupArn::new(self.name, owner, &group.id))
    }
}

/// A call, again and again while EC2 is busy, and once more when it was silent. The client has tried a few times by
/// itself each time.
pub(super) async fn call_with_retries<T>(
    clock: &dyn Clock,
    mut call: impl AsyncFnMut() -> Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    let (mut pause, mut pauses) = (FIRST_RETRY_DELAY, 0);
    loop {
        match call().await {
            Err(error) if pauses < max_retries(error.kind) => clock.sleep(pause).await,
            answer => return answer,
        }
        pauses = pauses.saturating_add(1);
        pause = pause.saturating_mul(2);
    }
}

/// EC2's buckets of requests fill up again within seconds (EC2 API Reference, "Request throttling"), unless somebody else
/// keeps them empty. Silence is more often a wrong name or no way than an accident.
const fn max_retries(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Throttled => 4,
        ErrorKind::NoAnswer => 1,
        ErrorKind::Denied
        | ErrorKind::GroupNotFound
        | ErrorKind::RuleNotFound
        | ErrorKind::Other => 0,
    }
}

#[cfg(test)]
mod tests;
