//! What is wrong with a policy text, shown beside the text it is about.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::code::Code;
use crate::text::{Span, line_and_column};

/// One mistake, or one warning.
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
    pub(crate) fn new(code: Code, at: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            primary_span: at,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// What is written under the text: what was expected.
    #[must_use]
    pub(crate) fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Another place that has to do with it.
    #[must_use]
    pub(crate) fn with_related(mut self, at: Span, label: impl Into<String>) -> Self {
        self.related.push((at, label.into()));
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

    /// What is wrong, in a line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do, where that is known.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn render(&self, name: &str, text: &str, renderer: &Renderer) -> String {
        let level = if self.code.is_warning() {
            Level::WARNING
        } else {
            Level::ERROR
        };
        let mut group = Group::with_title(level.primary_title(&*self.message).id(self.code.code()));
        if !text.trim().is_empty() {
            group = group.element(self.source_snippet(name, text));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(&**help));
        }
        renderer.render(&[group])
    }

    /// The lines that matter. Only those are handed over, so that a thousand errors in a long file stay quick.
    fn source_snippet<'a>(
        &'a self,
        name: &'a str,
        text: &'a str,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let places = || {
            self.related
                .iter()
                .map(|(span, _)| *span)
                .chain([self.primary_span])
        };
        let first = places().map(|span| span.start).min().unwrap_or_default();
        let last = places().map(|span| span.end).max().unwrap_or_default();
        let start = text
            .get(..first)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |line| line.saturating_add(1));
        let rest = text.get(last..).and_then(|after| after.find('\n'));
        let end = rest.map_or(text.len(), |line| last.saturating_add(line));
        let window = text.get(start..end).unwrap_or_default();
        let inside = |span: Span| span.start.saturating_sub(start)..span.end.saturating_sub(start);
        let mut here = AnnotationKind::Primary.span(inside(self.primary_span));
        if !self.label.is_empty() {
            here = here.label(&*self.label);
        }
        let also = self
            .related
            .iter()
            .map(|(span, label)| AnnotationKind::Context.span(inside(*span)).label(&**label));
        let (line, _) = line_and_column(text, start);
        Snippet::source(window)
            .path(name)
            .line_start(line)
            .annotation(here)
            .annotations(also)
    }
}

/// How many are shown with the text they are about. Nobody reads more, and a log entry has an end.
const MAX_RENDERED: usize = 200;

/// Everything that is wrong with one policy text, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    file_name: String,
    text: Arc<str>,
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    pub(crate) fn new(name: &str, text: &Arc<str>, mut found: Vec<Diagnostic>) -> Self {
        found.sort_by_key(|one| (one.primary_span, one.code));
        // What an alias stands for is looked at wherever it is used.
        found.dedup();
        Self {
            file_name: name.to_owned(),
            text: Arc::clone(text),
            found,
        }
    }

    /// Whether nothing is wrong.
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

    /// Line and column of one of them, both from one.
    pub fn position(&self, diagnostic: &Diagnostic) -> (usize, usize) {
        line_and_column(&self.text, diagnostic.primary_span.start)
    }

    /// Whether all of them are warnings, so that the policy holds.
    pub fn only_warnings(&self) -> bool {
        self.found
            .iter()
            .all(|diagnostic| diagnostic.code.is_warning())
    }

    /// The same as `Display`, with colours for a terminal.
    pub fn render_colored(&self) -> String {
        self.render(&Renderer::styled())
    }

    /// One line for each, for a log: `policy.yaml:12:9: unknown action ...: did you mean ...?`.
    pub fn log_lines(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(|diagnostic| {
            let (line, column) = self.position(diagnostic);
            let help = diagnostic
                .help_text()
                .map(|help| format!(": {help}"))
                .unwrap_or_default();
            format!(
                "{}:{line}:{column}: {}{help}",
                self.file_name, diagnostic.message
            )
        })
    }

    fn render(&self, renderer: &Renderer) -> String {
        let renderer = renderer.clone().decor_style(DecorStyle::Ascii);
        let mut shown: Vec<_> = self
            .found
            .iter()
            .take(MAX_RENDERED)
            .map(|one| one.render(&self.file_name, &self.text, &renderer))
            .collect();
        match self.found.len().saturating_sub(MAX_RENDERED) {
            0 => {}
            more => shown.push(format!("and {more} more")),
        }
        shown.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    /// Each with its code, its place, the text underlined and what helps, parted by empty lines; no colours. The
    /// first two hundred: [`Diagnostics::iter`] has all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}

impl std::error::Error for Diagnostics {}
