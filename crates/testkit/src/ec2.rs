//! An in-memory EC2: groups, faults, other actors and a log of calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use portcullis_remediation::services::{
    AuthorizeIngress, AuthorizeResults, ErrorKind, GroupReader, GroupRef, RevokeIngress,
    RevokeResults, ServiceError, Snapshot,
};
use portcullis_rules::plan::Attachments;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup, Source};

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A group was read.
    Read(String),
    /// These boxes were revoked, in one call.
    Revoke(String, Vec<String>),
    /// These boxes were added, in one call.
    Authorize(String, Vec<String>),
    /// It was asked what the group is attached to.
    Attachments(String),
}

/// What a call does instead of working. Each is used up by one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next read fails.
    Read(ErrorKind),
    /// The next read answers what was true before the last change.
    StaleRead,
    /// The next read works, and then this rule is added by somebody else.
    OpenedAfterRead(IngressRule),
    /// The next read works, and then somebody else removes every rule of this content.
    ClosedAfterRead(IngressRule),
    /// The next authorize fails for every box and changes nothing.
    Authorize(ErrorKind),
    /// The next authorize happens, and its answer is lost.
    AuthorizeUnanswered,
    /// The next authorize fails for the boxes from this source and works for the others.
    AuthorizeFrom(Source, ErrorKind),
    /// The next question after attachments fails.
    Attachments(ErrorKind),
    /// The next revoke fails for every box and changes nothing.
    Revoke(ErrorKind),
    /// The next revoke happens, and its answer is lost.
    RevokeUnanswered,
    /// The next revoke fails for the boxes from this source and works for the others.
    RevokeFrom(Source, ErrorKind),
    /// The next revoke claims success and changes nothing.
    RevokeIgnored,
    /// The next revoke works, and then this rule is added by somebody else.
    OpenedAfterRevoke(IngressRule),
    /// The next revoke works, and then the whole group is deleted.
    DeletedAfterRevoke,
}

impl Fault {
    fn affects_read(&self) -> bool {
        matches!(
            self,
            Self::Read(_) | Self::StaleRead | Self::OpenedAfterRead(_) | Self::ClosedAfterRead(_)
        )
    }

    fn affects_revoke(&self) -> bool {
        !self.affects_read() && !self.affects_authorize() && !matches!(self, Self::Attachments(_))
    }

    fn affects_authorize(&self) -> bool {
        matches!(
            self,
            Self::Authorize(_) | Self::AuthorizeUnanswered | Self::AuthorizeFrom(..)
        )
    }
}

#[derive(Debug, Default)]
struct Ec2State {
    groups: BTreeMap<String, SecurityGroup>,
    previous_groups: BTreeMap<String, SecurityGroup>,
    prefix_lists: PrefixLists,
    attachments: Attachments,
    /// How many boxes a group may have for each family; a group as a source counts for both.
    rule_limit: Option<usize>,
    faults: VecDeque<Fault>,
    calls: Vec<Call>,
}

/// The fake. Shared through an `Arc`.
#[derive(Debug, Default)]
pub struct FakeEc2(Mutex<Ec2State>);

impl FakeEc2 {
    /// An EC2 with these groups.
    pub fn with_groups(groups: impl IntoIterator<Item = SecurityGroup>) -> Self {
        let groups: BTreeMap<_, _> = groups
            .into_iter()
            .map(|group| (group.id.clone(), group))
            .collect();
        Self(Mutex::new(Ec2State {
            previous_groups: groups.clone(),
            groups,
            ..Ec2State::default()
        }))
    }

    /// The entries of prefix lists.
    pub fn set_prefix_lists(&self, lists: PrefixLists) {
        self.state().prefix_lists = lists;
    }

    /// What every group is attached to.
    pub fn set_attachments(&self, attachments: Attachments) {
        self.state().attachments = attachments;
    }

    /// How many rules each group may have, for IPv4 and for IPv6. Without it there is no limit.
    pub fn set_rule_limit(&self, limit: usize) {
        self.state().rule_limit = Some(limit);
    }

    /// The boxes of a group now, with all that they have.
    pub fn ingress_rules(&self, group: &str) -> Vec<IngressRule> {
        self.state()
            .groups
            .get(group)
            .map(|group| group.rules.clone())
            .unwrap_or_default()
    }

    /// Plans a fault. Faults of one kind of call are used in the order they were planned.
    pub fn inject_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// The rules of a group now, as lines.
    pub fn rule_lines(&self, group: &str) -> Vec<String> {
        let state = self.state();
        state
            .groups
            .get(group)
            .map(|group| format_rule_lines(&group.rules))
            .unwrap_or_default()
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Somebody opens a group.
    pub fn add_rule(&self, group: &str, rule: IngressRule) {
        if let Some(group) = self.state().groups.get_mut(group) {
            group.rules.push(rule);
        }
    }

    fn state(&self) -> MutexGuard<'_, Ec2State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ec2State {
    /// Takes the first planned fault of which this is true.
    fn take_fault(&mut self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let place = self.faults.iter().position(fits)?;
        self.faults.remove(place)
    }

    fn find_group(&self, named: &GroupRef) -> Option<&SecurityGroup> {
        match named {
            GroupRef::Id(id) => self.groups.get(id),
            GroupRef::Name(name) => self
                .groups
                .values()
                .find(|group| group.name.as_deref() == Some(name)),
        }
    }

    fn revoke_one(
        &mut self,
        id: &str,
        rule: &IngressRule,
        fault: Option<&Fault>,
    ) -> Result<(), ServiceError> {
        match fault {
            Some(Fault::Revoke(kind)) => return Err(revoke_error(*kind)),
            Some(Fault::RevokeFrom(source, kind)) if rule.source == *source => {
                return Err(revoke_error(*kind));
            }
            Some(Fault::RevokeIgnored) => return Ok(()),
            _ => {}
        }
        let group = self
            .groups
            .get_mut(id)
            .ok_or_else(|| revoke_error(ErrorKind::GroupNotFound))?;
        let count = group.rules.len();
        group.rules.retain(|there| !there.same_content(rule));
        match fault {
            Some(Fault::RevokeUnanswered) => Err(revoke_error(ErrorKind::NoAnswer)),
            _ if group.rules.len() == count => Err(revoke_error(ErrorKind::RuleNotFound)),
            _ => Ok(()),
        }
    }

    fn authorize_one(
        &mut self,
        id: &str,
        rule: &IngressRule,
        fault: Option<&Fault>,
    ) -> Result<(), ServiceError> {
        match fault {
            Some(Fault::Authorize(kind)) => return Err(authorize_error(*kind)),
            Some(Fault::AuthorizeFrom(source, kind)) if rule.source == *source => {
                return Err(authorize_error(*kind));
            }
            _ => {}
        }
        let limit = self.rule_limit;
        let group = self
            .groups
            .get_mut(id)
            .ok_or_else(|| authorize_error(ErrorKind::GroupNotFound))?;
        if !group.rules.iter().any(|there| there.same_content(rule)) {
            let akin = group
                .rules
                .iter()
                .filter(|there| shares_family(there, rule))
                .count();
            if limit.is_some_and(|limit| akin >= limit) {
                return Err(ServiceError::new(
                    "AuthorizeSecurityGroupIngress",
                    ErrorKind::Other,
                    "RulesPerSecurityGroupLimitExceeded: The maximum number of rules per security group has been reached.",
                ));
            }
            let mut added = rule.clone();
            added.id = Some(format!("sgr-new{}", group.rules.len()));
            group.rules.push(added);
        }
        if fault == Some(&Fault::AuthorizeUnanswered) {
            Err(authorize_error(ErrorKind::NoAnswer))
        } else {
            Ok(())
        }
    }
}

fn shares_family(one: &IngressRule, other: &IngressRule) -> bool {
    match (&one.source, &other.source) {
        (Source::Cidr(one), Source::Cidr(other)) => one.addr().is_ipv4() == other.addr().is_ipv4(),
        _ => true,
    }
}

fn authorize_error(kind: ErrorKind) -> ServiceError {
    ServiceError::new("AuthorizeSecurityGroupIngress", kind, "injected")
}

fn revoke_error(kind: ErrorKind) -> ServiceError {
    ServiceError::new("RevokeSecurityGroupIngress", kind, "injected")
}

fn format_rule_lines(rules: &[IngressRule]) -> Vec<String> {
    let line = |rule: &IngressRule| {
        rule.id
            .as_ref()
            .map_or(rule.to_string(), |id| format!("{id} {rule}"))
    };
    rules.iter().map(line).collect()
}

#[async_trait]
impl GroupReader for FakeEc2 {
    async fn read_group(&self, named: &GroupRef) -> Result<Snapshot, ServiceError> {
        let mut state = self.state();
        state.calls.push(Call::Read(named.to_string()));
        let fault = state.take_fault(Fault::affects_read);
        if let Some(Fault::Read(kind)) = fault {
            return Err(ServiceError::new(
                "DescribeSecurityGroups",
                kind,
                "injected",
            ));
        }
        let not_found = || {
            ServiceError::new(
                "DescribeSecurityGroups",
                ErrorKind::GroupNotFound,
                named.to_string(),
            )
        };
        let id = state
            .find_group(named)
            .map(|group| group.id.clone())
            .ok_or_else(not_found)?;
        let from = if fault == Some(Fault::StaleRead) {
            &state.previous_groups
        } else {
            &state.groups
        };
        let group = from.get(&id).cloned().ok_or_else(not_found)?;
        let snapshot = Snapshot {
            group,
            prefix_lists: state.prefix_lists.clone(),
        };
        if let Some(now) = state.groups.get_mut(&id) {
            match fault {
                Some(Fault::OpenedAfterRead(rule)) => now.rules.push(rule),
                Some(Fault::ClosedAfterRead(rule)) => {
                    now.rules.retain(|there| !there.same_content(&rule))
                }
                _ => {}
            }
        }
        Ok(snapshot)
    }

    async fn groups_using_prefix_list(
        &self,
        prefix_list: &str,
    ) -> Result<Vec<String>, ServiceError> {
        let uses = |rule: &IngressRule| rule.source == Source::PrefixList(prefix_list.to_owned());
        let mut state = self.state();
        if let Some(Fault::Read(kind)) = state.take_fault(|fault| matches!(fault, Fault::Read(_))) {
            return Err(ServiceError::new(
                "DescribeSecurityGroups",
                kind,
                "injected",
            ));
        }
        Ok(state
            .groups
            .values()
            .filter(|group| group.rules.iter().any(uses))
            .map(|group| group.id.clone())
            .collect())
    }

    async fn read_attachments(&self, group: &SecurityGroup) -> Result<Attachments, ServiceError> {
        let mut state = self.state();
        state.calls.push(Call::Attachments(group.id.clone()));
        if let Some(Fault::Attachments(kind)) =
            state.take_fault(|fault| matches!(fault, Fault::Attachments(_)))
        {
            return Err(ServiceError::new(
                "DescribeNetworkInterfaces",
                kind,
                "injected",
            ));
        }
        Ok(state.attachments)
    }
}

#[async_trait]
impl RevokeIngress for FakeEc2 {
    async fn revoke_rules(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults {
        let mut state = self.state();
        state
            .calls
            .push(Call::Revoke(group_id.to_owned(), format_rule_lines(rules)));
        let fault = state.take_fault(Fault::affects_revoke);
        state.previous_groups = state.groups.clone();
        let answers = rules
            .iter()
            .map(|rule| state.revoke_one(group_id, rule, fault.as_ref()))
            .collect();
        match fault {
            Some(Fault::DeletedAfterRevoke) => drop(state.groups.remove(group_id)),
            Some(Fault::OpenedAfterRevoke(rule)) => {
                state
                    .groups
                    .entry(group_id.to_owned())
                    .and_modify(|group| group.rules.push(rule));
            }
            _ => {}
        }
        answers
    }
}

#[async_trait]
impl AuthorizeIngress for FakeEc2 {
    async fn authorize_rules(&self, group_id: &str, rules: &[IngressRule]) -> AuthorizeResults {
        let mut state = self.state();
        state.calls.push(Call::Authorize(
            group_id.to_owned(),
            format_rule_lines(rules),
        ));
        let fault = state.take_fault(Fault::affects_authorize);
        state.previous_groups = state.groups.clone();
        rules
            .iter()
            .map(|rule| state.authorize_one(group_id, rule, fault.as_ref()))
            .collect()
    }
}
