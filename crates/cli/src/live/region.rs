//! The audit of one region.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_remediation::{Clock, ErrorKind, GroupPage, ListGroups, PortError, turn};
use portcullis_rules::{Context, Policy, SecurityGroup, judge};

use crate::audit::{Audit, Region};
use crate::describe::{Described, GroupArn, Problem, is_account};

/// The first pause after a call that the client has given up on; it doubles from one to the next.
const PAUSE: Duration = Duration::from_secs(2);

/// What is judged, by what, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The region.
    pub(super) name: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
}

/// Reads and judges the groups of a region. `seen` is told of each page.
///
/// What was read before a failure stands; the failure stands with the region.
pub(super) async fn audit(
    lister: &dyn ListGroups,
    clock: &dyn Clock,
    place: &Place<'_>,
    seen: &(dyn Fn(&Audit) + Sync),
) -> Audit {
    let mut walk = Walk { lister, clock, audit: Audit::begin(place.policy), unnamed: None };
    let unread = walk.pages(place, seen).await.err();
    let Walk { mut audit, unnamed, .. } = walk;
    audit.regions.push(Region {
        name: place.name.to_owned(),
        groups: audit.groups,
        rules: audit.rules,
        unread_groups: audit.problems.len(),
        unread,
        unnamed,
    });
    audit
}

/// On the way through the pages.
struct Walk<'a> {
    lister: &'a dyn ListGroups,
    clock: &'a dyn Clock,
    audit: Audit,
    /// Why the rules of some groups have no ids.
    unnamed: Option<PortError>,
}

impl Walk<'_> {
    async fn pages(&mut self, place: &Place<'_>, seen: &(dyn Fn(&Audit) + Sync)) -> Result<(), PortError> {
        let mut token: Option<String> = None;
        let mut tokens = BTreeSet::new();
        loop {
            let mut page =
                patiently(self.clock, async || turn(self.lister, token.as_deref(), &mut tokens).await).await?;
            let next = page.next.take();
            let judged = self.page(place, page).await;
            seen(&judged);
            self.audit.absorb(judged);
            match next {
                None => return Ok(()),
                Some(next) => token = Some(next),
            }
        }
    }

    /// Judges a page. Groups with findings are judged once more with what a listing does not know of their rules: ids,
    /// and tags that an exception may ask for.
    async fn page(&mut self, place: &Place<'_>, page: GroupPage) -> Audit {
        let context = place.context();
        let GroupPage { groups, prefix_lists, unread, next: _ } = page;
        let is_bad = |group: &SecurityGroup| {
            let context = Context { account: group.owner_id.clone(), ..context.clone() };
            !judge(place.policy, group, &prefix_lists, &context).findings.is_empty()
        };
        let (bad, mut groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_bad);
        let arns = bad.iter().filter_map(|group| Some((group.id.clone(), place.arn(group)?))).collect();
        groups.extend(self.identified(bad).await);
        let problems = unread.iter().map(|(group, error)| place.problem(group, error)).collect();
        Audit::of(place.policy, Described { groups, arns, prefix_lists, problems }, &context)
    }

    /// The groups with the ids of their rules; as they are, where these cannot be read: without tags too much is found,
    /// never too little. Who may not read them is not asked again.
    async fn identified(&mut self, groups: Vec<SecurityGroup>) -> Vec<SecurityGroup> {
        let is_denied = self.unnamed.as_ref().is_some_and(|error| error.kind == ErrorKind::Denied);
        if groups.is_empty() || is_denied {
            return groups;
        }
        match patiently(self.clock, async || self.lister.identified(groups.clone()).await).await {
            Ok(identified) => identified,
            Err(error) => {
                self.unnamed = Some(error);
                groups
            }
        }
    }
}

impl Place<'_> {
    fn context(&self) -> Context {
        Context { now: Some(self.now), region: Some(self.name.to_owned()), ..Context::default() }
    }

    fn problem(&self, group: &SecurityGroup, error: &PortError) -> Problem {
        Problem { group_id: Some(group.id.clone()), path: self.name.to_owned(), message: error.to_string() }
    }

    fn arn(&self, group: &SecurityGroup) -> Option<GroupArn> {
        let owner = group.owner_id.as_ref().filter(|owner| is_account(owner))?;
        Some(GroupArn::new(self.name, owner, &group.id))
    }
}

/// A call, again and again while EC2 is busy, and once more when it was silent. The client has tried a few times by
/// itself each time.
pub(super) async fn patiently<T>(
    clock: &dyn Clock,
    mut call: impl AsyncFnMut() -> Result<T, PortError>,
) -> Result<T, PortError> {
    let (mut pause, mut pauses) = (PAUSE, 0);
    loop {
        match call().await {
            Err(error) if pauses < most_pauses(error.kind) => clock.sleep(pause).await,
            answer => return answer,
        }
        pauses = pauses.saturating_add(1);
        pause = pause.saturating_mul(2);
    }
}

/// EC2's buckets of requests fill up again within seconds (EC2 API Reference, "Request throttling"), unless somebody else
/// keeps them empty. Silence is more often a wrong name or no way than an accident.
const fn most_pauses(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Throttled => 4,
        ErrorKind::NoAnswer => 1,
        ErrorKind::Denied | ErrorKind::GroupNotFound | ErrorKind::RuleNotFound | ErrorKind::Other => 0,
    }
}

#[cfg(test)]
mod tests;
