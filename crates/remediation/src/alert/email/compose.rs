//! The order of the parts of the e-mail.

use super::writer::EmailWriter;
use crate::alert::options::AlertLinks;
use crate::alert::summary::AlertSummary;

/// The whole text. Lists of rules have at most `max_entries` of them.
pub(in crate::alert) fn compose_email(
    summary: &AlertSummary<'_>,
    links: &AlertLinks,
    max_entries: usize,
) -> String {
    let mut email = EmailWriter::new(summary, links, max_entries);
    email.write_head();
    email.write_next_steps();
    email.write_lost_access();
    email.write_rules();
    email.write_policy_rules();
    email.write_exempt_rules();
    email.write_expired_exceptions();
    email.write_unresolved_prefix_lists();
    email.write_connections();
    email.write_details();
    email.write_exception();
    email.write_undo();
    email.page.finish()
}
