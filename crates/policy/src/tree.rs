//! YAML as a tree that knows where everything stands.
//!
//! Values keep their text: whether `22` is a port and `no` a name is for the table of keys to say, not for YAML.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::text::{Span, Spanned, quote_text};

/// How deep a file may nest. A policy needs six levels.
const MAX_DEPTH: usize = 32;
/// How many values a file may hold with its aliases written out. A thousand exceptions need thirty thousand.
const MAX_NODES: usize = 500_000;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    pub(crate) span: Span,
    pub(crate) content: Content<'a>,
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Content<'a> {
    /// A text; nothing at all where YAML has `null`.
    Text(Cow<'a, str>),
    /// Nothing: `null`, `~`, or no text.
    Null,
    List(Vec<Node<'a>>),
    /// Keys are unique.
    Map(Vec<(Spanned<Cow<'a, str>>, Node<'a>)>),
}

/// How much of a text a piece of advice repeats.
const MAX_WORD_CHARS: usize = 40;

/// Reads a text. What is wrong with it is added to `found`; without a tree nothing more can be said of the text.
pub(crate) fn parse_yaml<'a>(text: &'a str, found: &mut Vec<Diagnostic>) -> Option<Node<'a>> {
    match YamlReader::new(text, found).read_document() {
        Ok(node) => node,
        Err(stop) => {
            found.push(*stop);
            None
        }
    }
}

/// What ends the reading. Boxed, for it is large and rare.
type FatalDiagnostic = Box<Diagnostic>;

struct YamlReader<'a, 'f> {
    text: &'a str,
    /// The byte of each character, for the parser counts characters; none where they are the same.
    offsets: Option<Vec<usize>>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, (Node<'a>, usize)>,
    /// How many values were read so far.
    node_count: usize,
    found: &'f mut Vec<Diagnostic>,
}

impl<'a, 'f> YamlReader<'a, 'f> {
    fn new(text: &'a str, found: &'f mut Vec<Diagnostic>) -> Self {
        let offsets =
            (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect());
        let (parser, anchors) = (Parser::new_from_str(text), BTreeMap::new());
        Self {
            text,
            offsets,
            parser,
            anchors,
            node_count: 0,
            found,
        }
    }

    fn read_document(mut self) -> Result<Option<Node<'a>>, FatalDiagnostic> {
        self.reject_control_characters()?;
        let mut document = None;
        while let Some((event, span)) = self.next_event()? {
            match event {
                Event::StreamEnd | Event::SequenceEnd | Event::MappingEnd => break,
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                Event::Scalar(..)
                | Event::Alias(_)
                | Event::SequenceStart(..)
                | Event::MappingStart(..)
                    if document.is_some() =>
                {
                    let message = "the file holds more than one YAML document";
                    let help = "a policy is one document: remove the line `---`".to_owned();
                    return Err(Box::new(
                        Diagnostic::new(Code::ManyDocuments, span, message).with_help(help),
                    ));
                }
                Event::Scalar(..)
                | Event::Alias(_)
                | Event::SequenceStart(..)
                | Event::MappingStart(..) => {
                    document = Some(self.read_node(event, span, 0)?);
                }
            }
        }
        Ok(document)
    }

    /// YAML forbids control characters, and some readers take a NUL for the end of the text.
    fn reject_control_characters(&self) -> Result<(), FatalDiagnostic> {
        let bad = |c: &char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        match self.text.char_indices().find(|(_, c)| bad(c)) {
            None => Ok(()),
            Some((start, c)) => {
                let span = Span {
                    start,
                    end: start.saturating_add(c.len_utf8()),
                };
                let message = format!("control character U+{:04X} in the text", u32::from(c));
                Err(Box::new(
                    Diagnostic::new(Code::NotYaml, span, message).with_label("YAML forbids it"),
                ))
            }
        }
    }

    fn next_event(&mut self) -> Result<Option<(Event<'a>, Span)>, FatalDiagnostic> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((
                event,
                Span {
                    start: self.byte_offset(span.start.index()),
                    end: self.byte_offset(span.end.index()),
                },
            ))),
            Some(Err(error)) => Err(Box::new(self.syntax_error(&error))),
        }
    }

    fn byte_offset(&self, character: usize) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.text.len()),
            None => character.min(self.text.len()),
        }
    }

    fn read_node(
        &mut self,
        event: Event<'a>,
        span: Span,
        depth: usize,
    ) -> Result<Node<'a>, FatalDiagnostic> {
        self.node_count = self.node_count.saturating_add(1);
        if depth > MAX_DEPTH || self.node_count > MAX_NODES {
            return Err(Box::new(too_complex(span)));
        }
        let before = self.node_count;
        let (anchor, tag, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, tag, scalar_node(text, style, span))
            }
            Event::SequenceStart(anchor, tag) => (anchor, tag, self.read_list(span, depth)?),
            Event::MappingStart(anchor, tag) => (anchor, tag, self.read_map(span, depth)?),
            Event::Alias(anchor) => return self.resolve_alias(anchor, span),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => (
                0,
                None,
                Node {
                    span,
                    content: Content::Null,
                },
            ),
        };
        self.reject_unknown_tag(tag.as_deref(), span);
        if anchor > 0 {
            let size = self.node_count.saturating_sub(before).saturating_add(1);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    /// What the anchor stands for. It counts as often as it is used, so that a few lines cannot fill the memory.
    fn resolve_alias(&mut self, anchor: usize, span: Span) -> Result<Node<'a>, FatalDiagnostic> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let message = "an anchor that refers to itself";
            return Err(Box::new(Diagnostic::new(Code::NotYaml, span, message)));
        };
        self.node_count = self.node_count.saturating_add(*size);
        if self.node_count > MAX_NODES {
            Err(Box::new(too_complex(span)))
        } else {
            Ok(node.clone())
        }
    }

    fn read_list(&mut self, start: Span, depth: usize) -> Result<Node<'a>, FatalDiagnostic> {
        let mut items = Vec::new();
        let mut end = start;
        while let Some((event, span)) = self.next_event()? {
            if event == Event::SequenceEnd {
                end = span;
                break;
            }
            items.push(self.read_node(event, span, depth.saturating_add(1))?);
        }
        let first = items.first().map(|item: &Node<'_>| item.span);
        Ok(Node {
            span: self.collection_span(start, end, first),
            content: Content::List(items),
        })
    }

    fn read_map(&mut self, start: Span, depth: usize) -> Result<Node<'a>, FatalDiagnostic> {
        let mut entries: Vec<(Spanned<Cow<'a, str>>, Node<'a>)> = Vec::new();
        let mut seen: BTreeMap<Cow<'a, str>, Span> = BTreeMap::new();
        let (mut end, mut first) = (start, None);
        while let Some((event, span)) = self.next_event()? {
            if event == Event::MappingEnd {
                end = span;
                break;
            }
            let key = self.read_node(event, span, depth.saturating_add(1))?;
            first.get_or_insert(key.span);
            let Some((event, span)) = self.next_event()? else {
                break;
            };
            let value = self.read_node(event, span, depth.saturating_add(1))?;
            let Some(key) = self.read_key(key) else {
                continue;
            };
            match seen.insert(key.value.clone(), key.span) {
                Some(earlier) => self.found.push(duplicate_key(&key, earlier)),
                None => entries.push((key, value)),
            }
        }
        Ok(Node {
            span: self.collection_span(start, end, first),
            content: Content::Map(entries),
        })
    }

    /// The text of a key.
    fn read_key(&mut self, key: Node<'a>) -> Option<Spanned<Cow<'a, str>>> {
        let message = match key.content {
            Content::Text(text) if text == "<<" => "merge keys are not part of YAML 1.2",
            Content::Text(text) => return Some(Spanned::new(text, key.span)),
            Content::Null => "a key without text",
            Content::List(_) | Content::Map(_) => "a list or mapping as a key",
        };
        let code = if message.starts_with("merge") {
            Code::NotYaml
        } else {
            Code::WrongType
        };
        self.found.push(
            Diagnostic::new(code, key.span, message).with_label("expected the name of a key"),
        );
        None
    }

    fn reject_unknown_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            let message = format!(
                "unknown YAML tag {}",
                quote_text(&format!("{}{}", tag.handle, tag.suffix))
            );
            let help = "quote a text that begins with `!`".to_owned();
            self.found
                .push(Diagnostic::new(Code::NotYaml, span, message).with_help(help));
        }
    }

    /// Brackets and all that is between them; of a block, which has none, the first thing in it.
    fn collection_span(&self, start: Span, end: Span, first: Option<Span>) -> Span {
        match self
            .text
            .get(start.start..start.end)
            .map(|text| text.ends_with(['[', '{']))
        {
            Some(true) if end.end > start.start => Span {
                start: start.start,
                end: end.end,
            },
            _ => first.unwrap_or(start),
        }
    }

    /// What the parser says, and what is mostly behind it.
    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        let start = self.byte_offset(error.marker().index());
        let rest = self.text.get(start..).unwrap_or_default();
        let end = start.saturating_add(
            rest.chars()
                .next()
                .filter(|c| *c != '\n')
                .map_or(0, char::len_utf8),
        );
        let word: String = rest
            .chars()
            .take_while(|c| !",]}\r\n#".contains(*c))
            .take(MAX_WORD_CHARS)
            .collect();
        let word = word.trim();
        let help = if error.info().contains("unknown anchor") || error.info().contains("alias") {
            Some(format!(
                "`*` begins an alias in YAML: write \"{word}\" with quotes"
            ))
        } else if error.info().contains("tab") {
            Some("indent with blanks: YAML forbids tabs there".to_owned())
        } else if rest.starts_with(['@', '`', '%', '&', '!', '|', '>']) {
            Some(format!(
                "a text that begins like this needs quotes: \"{word}\""
            ))
        } else if error.info().contains("mapping values are not allowed") {
            Some("a text with `: ` in it needs quotes".to_owned())
        } else {
            None
        };
        let message = format!("invalid YAML: {}", error.info().replace('`', "'"));
        Diagnostic::new(Code::NotYaml, Span { start, end }, message).with_help(help)
    }
}

fn scalar_node(text: Cow<'_, str>, style: ScalarStyle, span: Span) -> Node<'_> {
    let nothing =
        style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
    Node {
        span,
        content: if nothing {
            Content::Null
        } else {
            Content::Text(text)
        },
    }
}

fn duplicate_key(key: &Spanned<Cow<'_, str>>, earlier: Span) -> Diagnostic {
    let message = format!("key {} stands twice", quote_text(&key.value));
    Diagnostic::new(Code::DuplicateKey, key.span, message)
        .with_label("again here")
        .with_related(earlier, "first here")
}

fn too_complex(span: Span) -> Diagnostic {
    let message = format!("more than {MAX_DEPTH} levels or {MAX_NODES} values");
    Diagnostic::new(Code::TooComplex, span, message).with_label("no policy needs that")
}
