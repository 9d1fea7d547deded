//! The order of the parts of the e-mail.

use super::writer::EmailWriter;
use crate::alert::summary::AlertSummary;

/// The whole text. Lists of rules have at most `max_entries` of them.
pub(in crate::alert) fn compose_email(summary: &AlertSummary<'_>, max_entries: usize) -> String {
    let mut email = EmailWriter::new(summary, max_entries);
    email.write_headline();
    email.write_next_steps();
    email.write_lost_access();
    email.write_rules();
    email.write_exempt_rules();
    email.write_expired_exceptions();
    email.write_principal();
    email.write_location();
    email.write_connections();
    email.write_undo();
    email.write_exception_advice();
    email.write_unresolved_prefix_lists();
    email.write_footer();
    email.page.finish()
}
