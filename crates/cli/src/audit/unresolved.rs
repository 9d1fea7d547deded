//! Prefix lists without entries, and whether their entries decide if there is a finding.

use std::collections::BTreeSet;

use portcullis_rules::plan::SkipReason;
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{Context, Plan, Policy, PrefixLists, SecurityGroup, Source, evaluate};

use crate::describe::{Problem, ProblemCode};
use crate::text::quote_for_shell;

/// A problem for each unresolved prefix list of a group with which some policy rule would have a
/// finding if the list were open to the world.
pub(crate) fn deciding_lists(
    policy: &Policy,
    group: &SecurityGroup,
    lists: &PrefixLists,
    context: &Context,
) -> Vec<Problem> {
    let unresolved: BTreeSet<_> = used_lists(group)
        .filter(|id| lists.entries(id).is_none())
        .collect();
    let mut problems = Vec::new();
    for id in unresolved {
        let assumed = lists_with_open_list(group, lists, id);
        let evaluation = evaluate(policy, group, &assumed, context);
        let policy_rules: BTreeSet<_> = evaluation
            .findings
            .iter()
            .filter(|finding| is_from_list(&finding.ingress.source, id))
            .map(|finding| format!("`{}`", finding.policy_rule.id))
            .collect();
        if !policy_rules.is_empty() {
            let policy_rules: Vec<_> = policy_rules.into_iter().collect();
            let message = format!(
                "the entries of the prefix list `{id}` are unknown; if they are open to the world, \
                 the group has findings of {}",
                policy_rules.join(", ")
            );
            problems.push(Problem {
                group_id: Some(group.id.clone()),
                region: context.region.clone(),
                help: Some(entries_help(id, context.region.as_deref())),
                ..Problem::new(ProblemCode::PrefixListUnresolved, message)
            });
        }
    }
    problems
}

/// A problem for each trusted prefix list without entries that a plan would have to add.
pub(crate) fn unresolved_trusted_lists(plan: &Plan, context: &Context) -> Vec<Problem> {
    let skipped = plan.skipped_additions.iter();
    let unresolved: BTreeSet<_> = skipped
        .filter(|skipped| skipped.reason == SkipReason::TrustedListUnresolved)
        .filter_map(|skipped| skipped.ingress.source.prefix_list_id())
        .collect();
    let problem = |id| {
        let message = format!(
            "the entries of the prefix list `{id}` are unknown; the policy trusts it, and the plan \
             does not contain it"
        );
        Problem {
            group_id: Some(plan.group_id.clone()),
            region: context.region.clone(),
            help: Some(entries_help(id, context.region.as_deref())),
            ..Problem::new(ProblemCode::PrefixListUnresolved, message)
        }
    };
    unresolved.into_iter().map(problem).collect()
}

/// The command that adds the entries of a list to the input.
fn entries_help(id: &str, region: Option<&str>) -> String {
    let list = quote_for_shell(id);
    let region = match region {
        Some(region) => format!(" --region {}", quote_for_shell(region)),
        None => String::new(),
    };
    format!(
        "add its entries with `aws ec2 get-managed-prefix-list-entries{region} --prefix-list-id \
         {list} --output json > {list}.json` and `--input {list}.json`"
    )
}

/// The lists that the group uses, with this one open to the world.
fn lists_with_open_list(group: &SecurityGroup, lists: &PrefixLists, open: &str) -> PrefixLists {
    let mut assumed = PrefixLists::empty();
    let used: BTreeSet<_> = used_lists(group).collect();
    for id in used {
        if let Some(entries) = lists.entries(id) {
            assumed.insert(id, entries.iter().copied());
        }
    }
    let everything = ["0.0.0.0/0", "::/0"].into_iter();
    assumed.insert(open, everything.filter_map(|cidr| parse_cidr(cidr).ok()));
    assumed
}

fn used_lists(group: &SecurityGroup) -> impl Iterator<Item = &str> {
    group
        .rules
        .iter()
        .filter_map(|rule| rule.source.prefix_list_id())
}

fn is_from_list(source: &Source, list: &str) -> bool {
    source.prefix_list_id() == Some(list)
}
