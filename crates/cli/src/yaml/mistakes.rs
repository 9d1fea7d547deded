//! What is wrong with a text, shown beside it.

use std::fmt;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A piece of a text, in bytes; the end is not part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlDiagnostic {
    span: Span,
    message: String,
    label: String,
    help: Option<String>,
}

impl YamlDiagnostic {
    /// A mistake at this place.
    pub fn new(at: Span, message: impl Into<String>) -> Self {
        Self {
            span: at,
            message: message.into(),
            label: String::new(),
            help: None,
        }
    }

    /// What is written under the text: what was expected.
    #[must_use]
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// Everything that is wrong with a text, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlDiagnostics {
    name: String,
    text: String,
    diagnostics: Vec<YamlDiagnostic>,
}

impl YamlDiagnostics {
    /// The mistakes of a text, which is told under this name.
    pub fn new(
        name: impl Into<String>,
        text: impl Into<String>,
        mut all: Vec<YamlDiagnostic>,
    ) -> Self {
        all.sort_by_key(|mistake| mistake.span);
        Self {
            name: name.into(),
            text: text.into(),
            diagnostics: all,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.diagnostics.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Each with the text it is about, with colours for a terminal.
    pub fn styled(&self) -> String {
        self.render(&Renderer::styled())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let renderer = renderer.clone().decor_style(DecorStyle::Ascii);
        let render = |mistake: &YamlDiagnostic| {
            let mut group = Group::with_title(Level::ERROR.primary_title(&*mistake.message));
            if !self.text.trim().is_empty() {
                let mut here = AnnotationKind::Primary.span(mistake.span.start..mistake.span.end);
                if !mistake.label.is_empty() {
                    here = here.label(&*mistake.label);
                }
                group = group.element(
                    Snippet::source(&*self.text)
                        .path(&*self.name)
                        .annotation(here),
                );
            }
            if let Some(help) = &mistake.help {
                group = group.element(Level::HELP.message(&**help));
            }
            renderer.render(&[group])
        };
        self.diagnostics
            .iter()
            .map(render)
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

impl fmt::Display for YamlDiagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain()))
    }
}
