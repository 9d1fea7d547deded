//! A model of EC2 for the rules of one group.
//!
//! Like EC2, it rejects duplicates, missing rules and rules over the quota, and assigns ids to new
//! rules. It shares no code with the engine.

use portcullis_rules::plan::ApplyOrder;
use portcullis_rules::{IngressRule, Plan, PrefixLists, Protocol, Quota, SecurityGroup, Source};

/// The content of a rule, by which EC2 recognizes duplicates.
pub(crate) fn content(rule: &IngressRule) -> String {
    let fields = rule.ec2_ports();
    let (from, to) = (fields.from.unwrap_or(-1), fields.to.unwrap_or(-1));
    let ports = match rule.protocol() {
        Protocol::All | Protocol::Other(_) => String::new(),
        Protocol::Tcp | Protocol::Udp if (from, to) == (-1, -1) => "0-65535".to_owned(),
        Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6 => format!("{from}-{to}"),
    };
    let source = match &rule.source {
        Source::Cidr(net) => net.to_string(),
        Source::PrefixList(id) => id.clone(),
        Source::Group(group) => group.group_id.clone(),
    };
    format!("{} {ports} {source}", rule.protocol().as_ec2())
}

/// The errors of EC2, with the content of the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ec2Error {
    Duplicate(String),
    NotFound(String),
    LimitExceeded(String),
}

pub(crate) struct Ec2<'a> {
    pub(crate) group: SecurityGroup,
    pub(crate) quota: Quota,
    pub(crate) lists: &'a PrefixLists,
    created: usize,
}

impl<'a> Ec2<'a> {
    pub(crate) fn new(group: &SecurityGroup, quota: Quota, lists: &'a PrefixLists) -> Self {
        Self {
            group: group.clone(),
            quota,
            lists,
            created: 0,
        }
    }

    pub(crate) fn authorize(&mut self, rule: &IngressRule) -> Result<(), Ec2Error> {
        let new_content = content(rule);
        let rules = &self.group.rules;
        if rules.iter().any(|known| content(known) == new_content) {
            return Err(Ec2Error::Duplicate(new_content));
        }
        for (v6, limit) in [(false, self.quota.v4), (true, self.quota.v6)] {
            let used: usize = rules.iter().map(|known| self.usage(known, v6)).sum();
            let added = self.usage(rule, v6);
            if added > 0 && used + added > limit {
                return Err(Ec2Error::LimitExceeded(new_content));
            }
        }
        self.created += 1;
        let mut created = rule.clone();
        created.id = Some(format!("sgr-new-{}", self.created));
        self.group.rules.push(created);
        Ok(())
    }

    pub(crate) fn revoke(&mut self, rule: &IngressRule) -> Result<(), Ec2Error> {
        let old_content = content(rule);
        let index = self
            .group
            .rules
            .iter()
            .position(|known| content(known) == old_content)
            .ok_or(Ec2Error::NotFound(old_content))?;
        self.group.rules.remove(index);
        Ok(())
    }

    pub(crate) fn apply_plan(&mut self, plan: &Plan) -> Result<(), Ec2Error> {
        if plan.order == ApplyOrder::AddFirst {
            plan.additions
                .iter()
                .try_for_each(|addition| self.authorize(&addition.ingress))?;
        }
        plan.removals
            .iter()
            .try_for_each(|removal| self.revoke(&removal.ingress))?;
        if plan.order == ApplyOrder::RemoveFirst {
            plan.additions
                .iter()
                .try_for_each(|addition| self.authorize(&addition.ingress))?;
        }
        Ok(())
    }

    /// How many rules EC2 counts for a family: one for a security group, the maximum number of
    /// entries of a prefix list, if known, or else its entries. For a list without entries the
    /// family is not known, so one is counted for both.
    fn usage(&self, rule: &IngressRule, v6: bool) -> usize {
        match &rule.source {
            Source::Cidr(net) => usize::from(net.addr().is_ipv6() == v6),
            Source::Group(_) => 1,
            Source::PrefixList(id) => {
                let entries = self.lists.entries(id).unwrap_or_default();
                if entries.is_empty() {
                    return 1;
                }
                let is_counted = entries.iter().any(|net| net.addr().is_ipv6() == v6);
                let weight = self.lists.max_entries(id).unwrap_or(entries.len());
                if is_counted { weight } else { 0 }
            }
        }
    }

    /// The quota that the group proves to have, at least.
    pub(crate) fn proven_quota(&self) -> Quota {
        let used = |v6| {
            let rules = self.group.rules.iter();
            rules.map(|rule| self.usage(rule, v6)).sum::<usize>()
        };
        Quota {
            v4: self.quota.v4.max(used(false)),
            v6: self.quota.v6.max(used(true)),
        }
    }
}
