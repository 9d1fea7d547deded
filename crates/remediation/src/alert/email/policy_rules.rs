//! The policy rules that were violated, each explained once.

use portcullis_rules::PolicyRule;

use super::writer::EmailWriter;
use crate::alert::sanitize::sanitize_line;

/// How many policy rules are explained.
const MAX_POLICY_RULES: usize = 20;

impl EmailWriter<'_> {
    /// What each policy rule forbids, below the rules, which refer to them by id.
    pub(super) fn write_policy_rules(&mut self) {
        let mut policy_rules: Vec<&PolicyRule> = Vec::new();
        for outcome in self.summary.entries.iter().take(self.max_entries) {
            for finding in &outcome.findings {
                let policy_rule = finding.policy_rule.as_ref();
                if !policy_rules.iter().any(|known| known.id == policy_rule.id) {
                    policy_rules.push(policy_rule);
                }
            }
        }
        if policy_rules.is_empty() {
            return;
        }
        for policy_rule in policy_rules.iter().take(MAX_POLICY_RULES) {
            self.page
                .push_item("  * ", &describe_policy_rule(policy_rule));
        }
        let omitted = policy_rules.len().saturating_sub(MAX_POLICY_RULES);
        if omitted > 0 {
            self.page.push_line(&format!("  * and {omitted} more"));
        }
    }
}

/// `common-ports (high, HIPAA) forbids: TCP or UDP ports 20, ... open to the world.`
fn describe_policy_rule(policy_rule: &PolicyRule) -> String {
    let references = policy_rule.references.join(", ");
    let references = match sanitize_line(&references, 100) {
        none if none.is_empty() => none,
        references => format!(", {references}"),
    };
    format!(
        "{} ({}{references}) forbids {}.",
        sanitize_line(&policy_rule.id, 64),
        policy_rule.severity,
        sanitize_line(&policy_rule.forbids, 200)
    )
}
