//! The alert that a publisher sends.

use serde_json::json;

/// One alert, with a text for each kind of subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// At most 99 printable ASCII characters, with the outcome first.
    pub subject: String,
    /// The text for e-mail, and for every protocol without a separate text.
    pub email: String,
    /// The custom notification of Amazon Q Developer in chat applications, as JSON.
    pub chat: String,
    /// One line of at most 140 printable ASCII characters, for text messages.
    pub sms: String,
    /// The report, as JSON.
    pub report: String,
    /// Message attributes for filter policies: name and value, sorted by name.
    pub attributes: Vec<(String, String)>,
}

impl Alert {
    /// The `Message` of an SNS `Publish` call with `MessageStructure` `json`.
    ///
    /// It has one text for each protocol. All values are strings, because SNS ignores a key whose
    /// value is anything else (Amazon SNS API Reference, `Publish`, `MessageStructure`).
    pub fn sns_message(&self) -> String {
        json!({
            "default": self.email,
            "email": self.email,
            "https": self.chat,
            "lambda": self.report,
            "sms": self.sms,
            "sqs": self.report,
        })
        .to_string()
    }
}
