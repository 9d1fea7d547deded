//! An in-memory EC2 with faults, changes by other principals and a call log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use portcullis_remediation::services::{
    AuthorizeIngress, AuthorizeResults, Authorized, ErrorKind, GroupAttachments, GroupReader,
    GroupRef, PrefixListState, RevokeIngress, RevokeResults, ServiceError, Snapshot,
};
use portcullis_rules::plan::Attachments;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup, Source};

/// A recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A group was read.
    Read(String),
    /// These rules of a group were revoked in one call.
    Revoke(String, Vec<String>),
    /// These rules of a group were authorized in one call.
    Authorize(String, Vec<String>),
    /// The attachments of a group were read.
    Attachments(String),
}

/// A fault of a call. Each fault affects one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next read fails.
    Read(ErrorKind),
    /// The next read returns the group as it was before the last change.
    StaleRead,
    /// Someone else adds this rule after the next read.
    OpenedAfterRead(IngressRule),
    /// Someone else removes all rules with this content after the next read.
    ClosedAfterRead(IngressRule),
    /// The next authorize call fails for every rule and changes nothing.
    Authorize(ErrorKind),
    /// The next authorize call adds the rules, but its response is lost.
    AuthorizeUnanswered,
    /// The next authorize call fails for rules with this source and adds the others.
    AuthorizeFrom(Source, ErrorKind),
    /// Someone else removes all rules with this content after the next authorize call.
    ClosedAfterAuthorize(IngressRule),
    /// The next read of attachments fails.
    Attachments(ErrorKind),
    /// The next revoke call fails for every rule and changes nothing.
    Revoke(ErrorKind),
    /// The next revoke call removes the rules, but its response is lost.
    RevokeUnanswered,
    /// The next revoke call fails for rules with this source and removes the others.
    RevokeFrom(Source, ErrorKind),
    /// The next revoke call reports success but changes nothing.
    RevokeIgnored,
    /// Someone else adds this rule after the next revoke call.
    OpenedAfterRevoke(IngressRule),
    /// Someone else removes all rules with this content after the next revoke call.
    ClosedAfterRevoke(IngressRule),
    /// The group is deleted after the next revoke call.
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
            Self::Authorize(_)
                | Self::AuthorizeUnanswered
                | Self::AuthorizeFrom(..)
                | Self::ClosedAfterAuthorize(_)
        )
    }
}

/// A change of prefix lists that takes effect after some reads of their state.
#[derive(Debug)]
struct PendingLists {
    reads_left: u32,
    changed: PrefixLists,
}

#[derive(Debug, Default)]
struct Ec2State {
    groups: BTreeMap<String, SecurityGroup>,
    previous_groups: BTreeMap<String, SecurityGroup>,
    prefix_lists: PrefixLists,
    /// The answers to reads of the state of a prefix list, and the entries from the last one on.
    pending_lists: Option<PendingLists>,
    attachments: GroupAttachments,
    /// The maximum number of rules of a group for each address family.
    rule_limit: Option<usize>,
    faults: VecDeque<Fault>,
    calls: Vec<Call>,
}

/// The fake EC2. Tests share it in an `Arc`.
#[derive(Debug, Default)]
pub struct FakeEc2(Mutex<Ec2State>);

impl FakeEc2 {
    /// A fake EC2 with these groups.
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

    /// Sets the entries of prefix lists.
    pub fn set_prefix_lists(&self, lists: PrefixLists) {
        self.state().prefix_lists = lists;
    }

    /// Changes prefix lists from version 1 to 2. The change takes effect after so many reads of the
    /// state of a list, as EC2 does it: asynchronously.
    pub fn change_prefix_lists_after(&self, reads: u32, lists: PrefixLists) {
        self.state().pending_lists = Some(PendingLists {
            reads_left: reads,
            changed: lists,
        });
    }

    /// Sets the attachments of every group.
    pub fn set_attachments(&self, attachments: Attachments) {
        self.state().attachments.guarded = attachments;
    }

    /// Sets the maximum number of rules of a group for each address family. The default is no
    /// limit.
    pub fn set_rule_limit(&self, limit: usize) {
        self.state().rule_limit = Some(limit);
    }

    /// The current rules of a group.
    pub fn ingress_rules(&self, group: &str) -> Vec<IngressRule> {
        self.state()
            .groups
            .get(group)
            .map(|group| group.rules.clone())
            .unwrap_or_default()
    }

    /// Adds faults. Calls of one kind use their faults in this order.
    pub fn inject_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// The current rules of a group as lines.
    pub fn rule_lines(&self, group: &str) -> Vec<String> {
        let state = self.state();
        state
            .groups
            .get(group)
            .map(|group| format_rule_lines(&group.rules))
            .unwrap_or_default()
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Adds a rule to a group, as another principal would.
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
    /// Takes the first fault that the predicate accepts.
    fn take_fault(&mut self, accepts: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let index = self.faults.iter().position(accepts)?;
        self.faults.remove(index)
    }

    /// Removes all rules with this content, as another principal would.
    fn remove_content(&mut self, group_id: &str, rule: &IngressRule) {
        if let Some(group) = self.groups.get_mut(group_id) {
            group.rules.retain(|known| !known.same_content(rule));
        }
    }

    fn prefix_list_state(&mut self) -> PrefixListState {
        let Some(mut pending) = self.pending_lists.take() else {
            return PrefixListState {
                version: 2,
                state: "modify-complete".to_owned(),
            };
        };
        if let Some(reads_left) = pending.reads_left.checked_sub(1) {
            pending.reads_left = reads_left;
            self.pending_lists = Some(pending);
            return PrefixListState {
                version: 1,
                state: "modify-in-progress".to_owned(),
            };
        }
        self.prefix_lists = pending.changed;
        self.prefix_list_state()
    }

    fn find_group(&self, group_ref: &GroupRef) -> Option<&SecurityGroup> {
        match group_ref {
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
        group.rules.retain(|known| !known.same_content(rule));
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
    ) -> Result<Authorized, ServiceError> {
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
        let exists = group.rules.iter().any(|known| known.same_content(rule));
        if !exists {
            let used = group
                .rules
                .iter()
                .filter(|known| shares_family(known, rule))
                .count();
            if limit.is_some_and(|limit| used >= limit) {
                return Err(ServiceError::new(
                    "AuthorizeSecurityGroupIngress",
                    ErrorKind::RulesQuota,
                    "RulesPerSecurityGroupLimitExceeded: \
                     The maximum number of rules per security group has been reached.",
                ));
            }
            let mut added = rule.clone();
            added.id = Some(format!("sgr-new{}", group.rules.len()));
            group.rules.push(added);
        }
        match fault {
            Some(Fault::AuthorizeUnanswered) => Err(authorize_error(ErrorKind::NoAnswer)),
            _ if exists => Ok(Authorized::AlreadyExists),
            _ => Ok(Authorized::Added),
        }
    }
}

fn shares_family(one: &IngressRule, other: &IngressRule) -> bool {
    match (&one.source, &other.source) {
        (Source::Cidr(one), Source::Cidr(other)) => one.addr().is_ipv4() == other.addr().is_ipv4(),
        _ => true,
    }
}

fn describe_error(kind: ErrorKind, message: &str) -> ServiceError {
    ServiceError::new("DescribeSecurityGroups", kind, message)
}

fn authorize_error(kind: ErrorKind) -> ServiceError {
    ServiceError::new("AuthorizeSecurityGroupIngress", kind, "injected")
}

fn revoke_error(kind: ErrorKind) -> ServiceError {
    ServiceError::new("RevokeSecurityGroupIngress", kind, "injected")
}

fn format_rule_lines(rules: &[IngressRule]) -> Vec<String> {
    rules.iter().map(format_rule_line).collect()
}

fn format_rule_line(rule: &IngressRule) -> String {
    rule.id
        .as_ref()
        .map_or(rule.to_string(), |id| format!("{id} {rule}"))
}

#[async_trait]
impl GroupReader for FakeEc2 {
    async fn read_group(&self, group_ref: &GroupRef) -> Result<Snapshot, ServiceError> {
        let mut state = self.state();
        state.calls.push(Call::Read(group_ref.to_string()));
        let fault = state.take_fault(Fault::affects_read);
        if let Some(Fault::Read(kind)) = fault {
            return Err(describe_error(kind, "injected"));
        }
        let not_found = describe_error(ErrorKind::GroupNotFound, &group_ref.to_string());
        let Some(id) = state.find_group(group_ref).map(|group| group.id.clone()) else {
            return Err(not_found);
        };
        let groups = if fault == Some(Fault::StaleRead) {
            &state.previous_groups
        } else {
            &state.groups
        };
        let group = groups.get(&id).cloned().ok_or(not_found)?;
        let sources = group.rules.iter().map(|rule| &rule.source);
        let listed = sources.filter_map(Source::prefix_list_id).collect();
        let snapshot = Snapshot {
            prefix_lists: state.prefix_lists.only(&listed),
            group,
        };
        if let Some(current) = state.groups.get_mut(&id) {
            match fault {
                Some(Fault::OpenedAfterRead(rule)) => current.rules.push(rule),
                Some(Fault::ClosedAfterRead(rule)) => {
                    current.rules.retain(|known| !known.same_content(&rule));
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
        let mut state = self.state();
        if let Some(Fault::Read(kind)) = state.take_fault(|fault| matches!(fault, Fault::Read(_))) {
            return Err(describe_error(kind, "injected"));
        }
        let source = Source::PrefixList(prefix_list.to_owned());
        Ok(state
            .groups
            .values()
            .filter(|group| group.rules.iter().any(|rule| rule.source == source))
            .map(|group| group.id.clone())
            .collect())
    }

    async fn read_prefix_list_state(
        &self,
        _prefix_list: &str,
    ) -> Result<Option<PrefixListState>, ServiceError> {
        Ok(Some(self.state().prefix_list_state()))
    }

    async fn read_prefix_lists(&self, ids: &BTreeSet<&str>) -> Result<PrefixLists, ServiceError> {
        Ok(self.state().prefix_lists.only(ids))
    }

    async fn read_attachments(
        &self,
        group: &SecurityGroup,
    ) -> Result<GroupAttachments, ServiceError> {
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
        let results = rules
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
            Some(Fault::ClosedAfterRevoke(rule)) => state.remove_content(group_id, &rule),
            _ => {}
        }
        results
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
        let results = rules
            .iter()
            .map(|rule| state.authorize_one(group_id, rule, fault.as_ref()))
            .collect();
        if let Some(Fault::ClosedAfterAuthorize(rule)) = fault {
            state.remove_content(group_id, &rule);
        }
        results
    }
}
