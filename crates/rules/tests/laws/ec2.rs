//! A model of what EC2 does with the rules of one group: refuses twins, what is not there, and what is beyond the
//! quota. It numbers the rules it creates. It shares no code with the engine.

use portcullis_rules::plan::ApplyOrder;
use portcullis_rules::{IngressRule, Plan, PrefixLists, Protocol, Quota, SecurityGroup, Source};

/// What EC2 tells two rules apart by.
pub(crate) fn content(rule: &IngressRule) -> String {
    let ports = rule.ec2_ports();
    let (from, to) = (ports.from.unwrap_or(-1), ports.to.unwrap_or(-1));
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

/// The error codes of EC2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
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

    pub(crate) fn authorize(&mut self, rule: &IngressRule) -> Result<(), Refused> {
        let new = content(rule);
        if self.group.rules.iter().any(|there| content(there) == new) {
            return Err(Refused::Duplicate(new));
        }
        for (v6, most) in [(false, self.quota.v4), (true, self.quota.v6)] {
            let used: usize = self
                .group
                .rules
                .iter()
                .map(|there| self.weight(there, v6))
                .sum();
            let more = self.weight(rule, v6);
            if more > 0 && used + more > most {
                return Err(Refused::LimitExceeded(new));
            }
        }
        self.created += 1;
        let mut rule = rule.clone();
        rule.id = Some(format!("sgr-new-{}", self.created));
        self.group.rules.push(rule);
        Ok(())
    }

    pub(crate) fn revoke(&mut self, rule: &IngressRule) -> Result<(), Refused> {
        let old = content(rule);
        let place = self
            .group
            .rules
            .iter()
            .position(|there| content(there) == old)
            .ok_or(Refused::NotFound(old))?;
        self.group.rules.remove(place);
        Ok(())
    }

    pub(crate) fn carry_out(&mut self, plan: &Plan) -> Result<(), Refused> {
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

    /// How many rules it counts for a family: a group one for each, a list its entries, one that is not known one.
    fn weight(&self, rule: &IngressRule, v6: bool) -> usize {
        match &rule.source {
            Source::Cidr(net) => usize::from(net.addr().is_ipv6() == v6),
            Source::Group(_) => 1,
            Source::PrefixList(id) => {
                let entries = self.lists.entries(id).unwrap_or_default();
                let of = |v6: bool| {
                    entries
                        .iter()
                        .filter(|net| net.addr().is_ipv6() == v6)
                        .count()
                };
                if entries.is_empty() && !v6 { 1 } else { of(v6) }
            }
        }
    }
}
