//! What people see.

/// One message, worded for each kind of subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// At most 99 printable ASCII characters, outcome first.
    pub subject: String,
    /// The text for people: e-mail, and whoever has no wording of their own.
    pub email: String,
    /// The custom notification of Amazon Q Developer in chat applications, as JSON.
    pub chat: String,
    /// The full report, as JSON.
    pub report: String,
    /// Message attributes for filter policies, name and value, ascending.
    pub attributes: Vec<(String, String)>,
}
