//! The tables of openings.

use portcullis_rules::Finding;

use super::escape::escape_html;
use crate::audit::opening::Opening;
use crate::audit::owner::group_owner;
use crate::audit::view::AuditView;
use crate::command::findings::{describe_policy_rule, describe_traffic, opening_action};
use crate::text::format_count;

/// A table with a row for each opening.
pub(super) fn openings_table(view: &AuditView<'_>, openings: &[Opening<'_>]) -> String {
    let caption = format_count(openings.len(), "opening");
    let rows: String = openings
        .iter()
        .map(|opening| opening_row(view, opening))
        .collect();
    format!(
        "<div class=\"scroll\"><table class=\"openings\">\n<caption>{caption}</caption>\n\
         <thead><tr>\
         <th scope=\"col\">Severity</th><th scope=\"col\">Group</th><th scope=\"col\">Owner</th>\
         <th scope=\"col\">Allows</th><th scope=\"col\">Description</th>\
         <th scope=\"col\">Forbidden by</th><th scope=\"col\">Action</th></tr></thead>\n<tbody>\n\
         {rows}</tbody>\n</table></div>\n"
    )
}

fn opening_row(view: &AuditView<'_>, opening: &Opening<'_>) -> String {
    let severity = opening
        .severity()
        .map_or(String::new(), |severity| severity.to_string());
    let owner = group_owner(opening.group).unwrap_or_default();
    let description = opening.ingress.description.as_deref();
    format!(
        "<tr><td class=\"severity {severity}\">{severity}</td><th scope=\"row\">{}</th>\
         <td>{}</td><td>{}</td><td>{}</td><td><ul>{}</ul></td><td>{}</td></tr>\n",
        group_cell(view, opening),
        escape_html(&owner),
        traffic_cell(opening),
        escape_html(description.unwrap_or_default()),
        policy_rules_cell(opening),
        escape_html(&opening_action(opening)),
    )
}

/// The name, the id and the region of a group.
fn group_cell(view: &AuditView<'_>, opening: &Opening<'_>) -> String {
    let group = opening.group;
    let mut html = match &group.name {
        Some(name) => escape_html(name),
        None => String::new(),
    };
    let region = view.region_of(&group.id);
    for line in [Some(group.id.as_str()), region].into_iter().flatten() {
        html.extend([format!(
            "<span class=\"line id\">{}</span>",
            escape_html(line)
        )]);
    }
    html
}

/// The traffic, the source and the id of a security group rule.
fn traffic_cell(opening: &Opening<'_>) -> String {
    let ingress = opening.ingress;
    let traffic = escape_html(&describe_traffic(ingress));
    let source = escape_html(&ingress.source.to_string());
    let id = match &ingress.id {
        Some(id) => format!("<span class=\"line id\">{}</span>", escape_html(id)),
        None => String::new(),
    };
    format!("{traffic} <span class=\"line\">from {source}</span>{id}")
}

fn policy_rules_cell(opening: &Opening<'_>) -> String {
    opening
        .findings
        .iter()
        .map(|finding| policy_rule_item(opening, finding))
        .collect()
}

fn policy_rule_item(opening: &Opening<'_>, finding: &Finding) -> String {
    let id = escape_html(&finding.policy_rule.id);
    let text = describe_policy_rule(opening, finding);
    let without_id = text.strip_prefix(&finding.policy_rule.id);
    let notes = escape_html(without_id.unwrap_or_default());
    format!("<li><a href=\"#rule-{id}\">{id}</a>{notes}</li>")
}
