//! Errors and warnings about a text, shown next to the lines they refer to.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use super::text::{Span, line_and_column, line_starts};
use crate::code::Code;

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    code: Code,
    message: String,
    primary_span: Span,
    label: String,
    related: Vec<(Span, String)>,
    help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            primary_span: span,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// The same at another position.
    #[must_use]
    pub(crate) fn with_span(self, span: Span) -> Self {
        Self {
            primary_span: span,
            ..self
        }
    }

    /// The text under the underlined part: what was expected.
    #[must_use]
    pub(crate) fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Another place that matters.
    #[must_use]
    pub(crate) fn with_related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// What is wrong, as a stable code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Where it is.
    pub(crate) const fn span(&self) -> Span {
        self.primary_span
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, if that is known.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn render(&self, file_name: &str, text: &str, renderer: &Renderer) -> String {
        let level = if self.code.is_warning() {
            Level::WARNING
        } else {
            Level::ERROR
        };
        // "warning[policy/no-match]: "
        let code_width = self.code.code().chars().count().saturating_add(11);
        let message = wrap_text(&self.message, WIDTH.saturating_sub(code_width));
        let title = level.primary_title(message).id(self.code.code());
        let mut group = Group::with_title(title);
        let label_fits = self.label_fits(text);
        if !text.trim().is_empty() {
            group = group.element(self.source_snippet(file_name, text, label_fits));
        }
        if !label_fits {
            group = group.element(Level::NOTE.message(wrap_text(&self.label, NOTE_WIDTH)));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(wrap_text(help, NOTE_WIDTH)));
        }
        renderer.render(&[group])
    }

    /// Whether the label fits to the right of the underlined text.
    fn label_fits(&self, text: &str) -> bool {
        let (_, column) = line_and_column(text, self.primary_span.end);
        let label_width = self.label.chars().count();
        self.label.is_empty() || column.saturating_add(label_width) <= LABEL_END
    }

    /// The lines that matter. The renderer gets only those, so that a thousand errors in a long
    /// file take no time.
    fn source_snippet<'a>(
        &'a self,
        file_name: &'a str,
        text: &'a str,
        with_label: bool,
    ) -> Snippet<'a, Annotation<'a>> {
        let window = self.line_window(text);
        let (line, _) = line_and_column(text, window.start);
        let primary = AnnotationKind::Primary
            .span(offset_in_window(self.primary_span, &window))
            .label((with_label && !self.label.is_empty()).then_some(&*self.label));
        let related = self.related.iter().map(|(span, label)| {
            let range = offset_in_window(*span, &window);
            AnnotationKind::Context.span(range).label(&**label)
        });
        let related: Vec<_> = related.collect();
        Snippet::source(text.get(window).unwrap_or_default())
            .path(file_name)
            .line_start(line)
            .annotation(primary)
            .annotations(related)
    }

    /// The bytes of the lines from the first to the last annotation.
    fn line_window(&self, text: &str) -> Range<usize> {
        let mut first = self.primary_span.start;
        let mut last = self.primary_span.end;
        for (span, _) in &self.related {
            first = first.min(span.start);
            last = last.max(span.end);
        }
        let before = text.get(..first).and_then(|before| before.rfind('\n'));
        let after = text.get(last..).and_then(|after| after.find('\n'));
        let start = before.map_or(0, |newline| newline.saturating_add(1));
        let end = after.map_or(text.len(), |newline| last.saturating_add(newline));
        start..end
    }
}

fn offset_in_window(span: Span, window: &Range<usize>) -> Range<usize> {
    let start = span.start.saturating_sub(window.start);
    let end = span.end.saturating_sub(window.start);
    start..end
}

/// How many columns the output has.
const WIDTH: usize = 80;
/// How many columns are left for a note or help.
const NOTE_WIDTH: usize = 66;
/// The last column of the source at which a label may end, left of which is the line number.
const LABEL_END: usize = 72;

/// The text in lines of at most this width, unless a word or a piece of code is longer.
fn wrap_text(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    let mut column: usize = 0;
    let mut is_code = false;
    let ends_word = |c: char| {
        is_code ^= c == '`';
        c == ' ' && !is_code
    };
    for word in text.split(ends_word) {
        let length = word.chars().count();
        let end = column.saturating_add(length).saturating_add(1);
        if column > 0 && end > width {
            wrapped.push('\n');
            column = length;
        } else if wrapped.is_empty() {
            column = length;
        } else {
            wrapped.push(' ');
            column = end;
        }
        wrapped.push_str(word);
    }
    wrapped
}

/// How many diagnostics are rendered with their lines. Nobody reads more, and log entries have a
/// maximum size.
const MAX_RENDERED: usize = 200;

/// Everything that is wrong with one text, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    file_name: String,
    text: Arc<str>,
    /// Where the lines of the text start, so that many positions take no time.
    line_starts: Vec<usize>,
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn new(file_name: &str, text: &Arc<str>, mut found: Vec<Diagnostic>) -> Self {
        found.sort_by_key(|diagnostic| (diagnostic.primary_span, diagnostic.code));
        // The content of an anchor is decoded once for each alias.
        found.dedup();
        Self {
            file_name: file_name.to_owned(),
            text: Arc::clone(text),
            line_starts: if found.is_empty() {
                Vec::new()
            } else {
                line_starts(text)
            },
            found,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Each of them, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// Line and column of a diagnostic, both from 1.
    pub fn position(&self, diagnostic: &Diagnostic) -> (usize, usize) {
        let start = diagnostic.primary_span.start;
        let line = self.line_starts.partition_point(|line| *line <= start);
        let line_start = self.line_starts.get(line.saturating_sub(1)).copied();
        let before = self.text.get(line_start.unwrap_or_default()..start);
        let column = before.unwrap_or_default().chars().count();
        (line, column.saturating_add(1))
    }

    /// The text that a diagnostic points at.
    pub fn underlined_text(&self, diagnostic: &Diagnostic) -> &str {
        let span = diagnostic.primary_span;
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Whether there are no errors among them, so that the policy is valid.
    pub fn only_warnings(&self) -> bool {
        self.found
            .iter()
            .all(|diagnostic| diagnostic.code.is_warning())
    }

    /// The same as `Display`, with colors for a terminal.
    pub fn render_colored(&self) -> String {
        self.render(Renderer::styled())
    }

    /// One line each, for a log: `policy.yaml:12:9: unknown action ...: did you mean ...?`.
    pub fn log_lines(&self) -> impl Iterator<Item = String> {
        self.found
            .iter()
            .map(|diagnostic| self.log_line(diagnostic))
    }

    fn log_line(&self, diagnostic: &Diagnostic) -> String {
        let (line, column) = self.position(diagnostic);
        let (file_name, message) = (&self.file_name, &diagnostic.message);
        match diagnostic.help_text() {
            Some(help) => format!("{file_name}:{line}:{column}: {message}: {help}"),
            None => format!("{file_name}:{line}:{column}: {message}"),
        }
    }

    fn render(&self, renderer: Renderer) -> String {
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH);
        let mut blocks: Vec<_> = self
            .found
            .iter()
            .take(MAX_RENDERED)
            .map(|diagnostic| diagnostic.render(&self.file_name, &self.text, &renderer))
            .collect();
        let omitted = self.found.len().saturating_sub(MAX_RENDERED);
        if omitted > 0 {
            blocks.push(format!("and {omitted} more"));
        }
        blocks.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    /// The first 200, each with its code, its position, the underlined text and help, separated by
    /// empty lines and without colors. [`Diagnostics::iter`] has all of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Renderer::plain()))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_but_not_in_code() {
        assert_eq!(wrap_text("one two three", 9), "one two\nthree");
        assert_eq!(wrap_text("use `a: [b]`, or c", 8), "use\n`a: [b]`,\nor c");
        assert_eq!(wrap_text("", 8), "");
    }

    #[test]
    fn the_output_fits_80_columns() {
        let text = format!("version: 1\n{}wrong: 1\n", "x".repeat(100));
        let start = text.find("wrong").unwrap();
        let span = Span {
            start,
            end: start.saturating_add(5),
        };
        let words = "some words about it ".repeat(10);
        let diagnostic = Diagnostic::new(Code::UnknownKey, span, words.trim())
            .with_label(words.trim())
            .with_help(words.trim().to_owned());
        let shown = Diagnostics::new("policy.yaml", &text.into(), vec![diagnostic]).to_string();
        let longest = shown.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{shown}");
    }
}
