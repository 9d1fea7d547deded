//! What goes out: data to standard output, talk to standard error.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, presets};
use portcullis_rules::Severity;
use serde::Serialize;

use crate::error::CliError;
use crate::exit::ExitStatus;

/// What a command did.
#[derive(Debug)]
pub struct CommandOutput {
    /// For standard output. Styled; the styles are taken off where they are not wanted.
    pub data: String,
    /// For standard error.
    pub messages: Vec<Message>,
    /// How it ended.
    pub exit: ExitStatus,
}

/// Something to tell beside the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How it begins: `error`, `warning`, `note`.
    pub level: MessageLevel,
    /// One sentence, without a period.
    pub text: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What is shown before it: mistakes beside the text they are about. Styled.
    pub details: Option<String>,
}

/// How serious a [`Message`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageLevel {
    /// Something was not done.
    Error,
    /// Something may not be what it seems.
    Warning,
    /// Worth knowing.
    Note,
}

/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIMMED: Style = Style::new().dimmed();
/// What is as it should be.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// What is not.
pub(crate) const RED: Style = AnsiColor::Red.on_default();

/// How a row of a table looks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowStyle {
    /// Its first word is coloured by a severity.
    Severity(Severity),
    /// It does not count.
    Dimmed,
}

/// The style of a severity.
pub(crate) const fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
    }
}

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
    /// Talk without help.
    pub fn new(label: MessageLevel, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            level: label,
            text: message,
            help: None,
            details: None,
        }
    }

    /// The same with help.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        let help = Some(help.into());
        Self { help, ..self }
    }
}

impl From<&CliError> for Message {
    fn from(error: &CliError) -> Self {
        let (help, details) = (error.help(), error.details());
        Self {
            help,
            details,
            ..Self::new(MessageLevel::Error, error.to_string())
        }
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

/// Writes what a command did. A reader that goes away early, such as `head`, is no failure.
///
/// # Errors
/// When standard output cannot be written.
pub fn write_output(done: &CommandOutput) -> Result<(), CliError> {
    // Data first, so that talk about it is read last on a terminal.
    let mut stdout = anstream::stdout().lock();
    let written = stdout
        .write_all(done.data.as_bytes())
        .and_then(|()| stdout.flush());
    done.messages.iter().for_each(print_message);
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Write(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes to standard error. When even that fails, there is nobody left to tell.
pub fn print_message(talk: &Message) {
    let _ = write!(anstream::stderr(), "{talk}");
}

/// A document of ours as JSON text.
///
/// # Errors
/// Never for what we write; the serialiser wants it.
pub(crate) fn to_pretty_json(document: &impl Serialize) -> Result<String, CliError> {
    let mut text = serde_json::to_string_pretty(document).map_err(CliError::Json)?;
    text.push('\n');
    Ok(text)
}

/// Text from outside, fit for a terminal: no control characters, no changes of writing direction.
pub(crate) fn sanitize_text(text: &str) -> String {
    let unfit = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if unfit(c) { '\u{fffd}' } else { c })
        .collect()
}

/// `1 group`, `2 groups`.
pub(crate) fn format_count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A table without lines. Columns that hold nothing but `-` are left out.
pub(crate) fn format_table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = (RowStyle, [String; N])>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.map(str::to_uppercase));
    let mut looks = Vec::new();
    let mut is_told = [false; N];
    for (look, row) in rows {
        looks.push(look);
        for (is_told, cell) in is_told.iter_mut().zip(&row) {
            *is_told |= cell != "-";
        }
        table.add_row(row.map(Cell::new));
    }
    for (column, is_told) in table.column_iter_mut().zip(is_told) {
        column.set_padding((0, 2));
        if !is_told {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    let mut text = String::new();
    let looks = std::iter::once(None).chain(looks.into_iter().map(Some));
    for (line, look) in table.lines().zip(looks) {
        let line = line.trim_end();
        let (style, end) = match look {
            None => (BOLD, None),
            Some(RowStyle::Dimmed) => (DIMMED, None),
            Some(RowStyle::Severity(severity)) => (severity_style(severity), line.find(' ')),
        };
        let (first, rest) = line
            .split_at_checked(end.unwrap_or(line.len()))
            .unwrap_or((line, ""));
        let _ = writeln!(text, "{style}{first}{style:#}{rest}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_drive_a_terminal() {
        assert_eq!(
            sanitize_text("a\u{1b}[31mb\r\n\u{202e}c é"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c é"
        );
    }

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let row = |name: &str| {
            (
                RowStyle::Severity(Severity::High),
                ["high", name, "-", "x"].map(str::to_owned),
            )
        };
        let text = format_table(["severity", "name", "id", "end"], [row("é"), row("日本")]);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            plain,
            "SEVERITY  NAME  END\nhigh      é     x\nhigh      日本  x\n"
        );
    }
}
