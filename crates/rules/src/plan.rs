//! Planning: from findings to what is removed, and why something is not.

use std::collections::BTreeMap;

use crate::group::{IngressRule, SecurityGroup};
use crate::judge::Finding;

/// What is to be done to one security group. It leaves no choice to whoever carries it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The group.
    pub group_id: String,
    /// The boxes that go, in the order of the findings.
    pub removals: Vec<Removal>,
    /// What the policy demands and the plan does not do.
    pub refusals: Vec<Refusal>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty()
    }
}

/// One box that goes: the exact permission that was judged, which is also all that restores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The box.
    pub ingress: IngressRule,
    /// The ids of the enforcing rules that it breaks.
    pub because: Vec<String>,
}

/// Something the policy demands and the plan does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The box that stays.
    pub ingress: IngressRule,
    /// Why.
    pub reason: RefusalReason,
}

/// Why something the policy demands is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// The group belongs to another account (a shared VPC): it can be described from here and not changed.
    ForeignGroup,
}

impl RefusalReason {
    /// Stable kebab-case code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ForeignGroup => "foreign-group",
        }
    }

    /// A sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ForeignGroup => {
                "The group belongs to another account, which alone may change it: install Portcullis there."
            }
        }
    }
}

/// Plans the remediation of a group. `account` is the one we act in, when known.
pub fn plan(group: &SecurityGroup, findings: &[Finding], account: Option<&str>) -> Plan {
    let foreign = group.owner_id.as_deref().zip(account).is_some_and(|(owner, own)| owner != own);
    let mut plan = Plan { group_id: group.id.clone(), ..Plan::default() };
    for removal in removals(findings) {
        if foreign {
            plan.refusals.push(Refusal { ingress: removal.ingress, reason: RefusalReason::ForeignGroup });
        } else {
            plan.removals.push(removal);
        }
    }
    plan
}

/// One removal for each box with a finding of an enforcing rule.
fn removals(findings: &[Finding]) -> Vec<Removal> {
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let mut removals: Vec<Removal> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.enforces()) {
        let place = *places.entry(finding.index).or_insert(removals.len());
        match removals.get_mut(place) {
            Some(removal) => removal.because.push(finding.rule.id.clone()),
            None => removals.push(Removal { ingress: finding.ingress.clone(), because: vec![finding.rule.id.clone()] }),
        }
    }
    removals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::baseline;
    use crate::group::tests::{group, rule};
    use crate::judge::judge;
    use crate::source::PrefixLists;

    fn planned(group: &SecurityGroup, account: Option<&str>) -> Plan {
        plan(group, &judge(&baseline(), group, &PrefixLists::none()).findings, account)
    }

    #[test]
    fn the_box_goes_once_whatever_many_rules_it_breaks() {
        let plan = planned(&group(&["tcp 20-25 0.0.0.0/0", "tcp 22 10.0.0.0/8", "tcp 8000-8010 10.0.0.0/8"]), None);
        let because = ["port-range", "restricted-common-ports", "uncommon-ports"].map(str::to_owned).to_vec();
        assert_eq!(plan.removals, [Removal { ingress: rule("tcp 20-25 0.0.0.0/0"), because }]);
        assert!(plan.refusals.is_empty());
    }

    #[test]
    fn what_is_only_told_stays() {
        assert!(planned(&group(&["tcp 8000-8010 10.0.0.0/8", "tcp 22 52.0.0.0/8"]), None).is_empty());
    }

    #[test]
    fn a_group_of_another_account_is_refused_and_said_so() {
        let mut shared = group(&["tcp 22 0.0.0.0/0"]);
        shared.owner_id = Some("111122223333".to_owned());
        let refused = planned(&shared, Some("444455556666"));
        assert!(refused.is_empty());
        assert_eq!(refused.refusals.len(), 1);
        assert_eq!(refused.refusals[0].reason.code(), "foreign-group");
        assert_eq!(planned(&shared, Some("111122223333")).removals.len(), 1);
        assert_eq!(planned(&shared, None).removals.len(), 1);
    }
}
