//! What a command prints: results to standard output, messages to standard error.

use std::fmt;
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::exit::ExitStatus;

/// The result of a command.
#[derive(Debug)]
pub struct CommandOutput {
    /// The text for standard output. Styles are removed when they are not wanted there.
    pub data: String,
    /// The messages for standard error.
    pub messages: Vec<Message>,
    /// The exit status.
    pub exit: ExitStatus,
}

/// A message beside the results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The first word: `error`, `warning` or `note`.
    pub level: MessageLevel,
    /// One sentence, without a period.
    pub text: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Text printed before the message, such as diagnostics with source excerpts. Styled.
    pub details: Option<String>,
}

/// How serious a [`Message`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageLevel {
    /// Something could not be done.
    Error,
    /// The results may not be what they seem.
    Warning,
    /// Background information.
    Note,
}

/// The style of headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// The style of less important text.
pub(crate) const DIMMED: Style = Style::new().dimmed();
/// The style of code in a text.
pub(crate) const CODE: Style = AnsiColor::Cyan.on_default();
/// The style of success.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// The style of failure.
pub(crate) const RED: Style = AnsiColor::Red.on_default();

impl MessageLevel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Error => AnsiColor::Red.on_default().bold(),
            Self::Warning => AnsiColor::Yellow.on_default().bold(),
            Self::Note => BOLD,
        }
    }
}

impl Message {
    /// A message without help.
    pub fn new(level: MessageLevel, text: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            help: None,
            details: None,
        }
    }

    /// The same message with help.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        let help = Some(help.into());
        Self { help, ..self }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(details) = &self.details {
            writeln!(f, "{details}\n")?;
        }
        let style = self.level.style();
        writeln!(f, "{style}{}{style:#}: {}", self.level.as_str(), self.text)?;
        match &self.help {
            Some(help) => writeln!(f, "{BOLD} help{BOLD:#}: {help}"),
            None => Ok(()),
        }
    }
}

/// Prints the result of a command. A reader that closes the pipe early, such as `head`, is not an
/// error.
///
/// # Errors
/// When standard output cannot be written.
pub fn write_output(output: &CommandOutput) -> io::Result<()> {
    // Results first, so that a terminal shows the messages last.
    let written = write_data(&output.data);
    output.messages.iter().for_each(print_message);
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_data(data: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(data.as_bytes())?;
    stdout.flush()
}

/// Prints a message to standard error. An error of standard error itself is ignored: there is no
/// other place to report it.
pub fn print_message(message: &Message) {
    let _ = write!(anstream::stderr(), "{message}");
}

/// A document as indented JSON with a final newline.
///
/// # Errors
/// When the document cannot be serialized.
pub(crate) fn to_pretty_json(document: &impl Serialize) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}
