//! What the Lambda would decide about a group, without the Lambda.

use portcullis_rules::inspect::Objection;
use portcullis_rules::plan::{Attachments, RefusalReason, refusals};
use portcullis_rules::{
    Context, Judgement, Plan, Policy, PrefixLists, Quota, SecurityGroup, Situation, inspect, judge, plan,
};

/// All that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The group as it is.
    pub group: &'a SecurityGroup,
    /// The entries of prefix lists.
    pub lists: &'a PrefixLists,
    /// Time and place.
    pub context: &'a Context,
    /// Whether the group belongs to another account.
    pub foreign: bool,
    /// What the group is attached to.
    pub attachments: Attachments,
}

/// What is found and what is to be done about it.
#[derive(Debug)]
pub struct Decision {
    /// What the policy finds.
    pub judgement: Judgement,
    /// What is to be done.
    pub plan: Plan,
    /// What the checker of plans says against the plan that was made first; then nothing is to be done.
    pub objections: Vec<Objection>,
}

/// Judges, plans, and has the plan checked.
pub fn decide(question: &Question<'_>) -> Decision {
    let &Question { policy, group, lists, context, foreign, attachments } = question;
    let judgement = judge(policy, group, lists, context);
    let situation = Situation { policy, group, lists, context, foreign, attachments, quota: Quota::default() };
    let mut made = plan(&situation, &judgement);
    let objections = if made.is_empty() { Vec::new() } else { inspect(policy, group, lists, context, &made) };
    if !objections.is_empty() {
        let refusals = refusals(&judgement, RefusalReason::Unsound);
        made = Plan { group_id: group.id.clone(), refusals, ..Plan::default() };
    }
    Decision { judgement, plan: made, objections }
}
