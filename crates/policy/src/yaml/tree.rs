//! YAML as a tree in which every value has its position.
//!
//! Values keep their text: whether `22` is a port and `no` a name is decided by the decoders, not
//! by YAML.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::diagnostic::Diagnostic;
use super::slips::{find_slip, is_odd_quote, is_odd_space, odd_quotes, odd_space};
use super::syntax::explain_syntax_error;
use super::text::{Span, Spanned, quote_text};
use crate::code::Code;

/// How deep a file may nest. A policy needs six levels.
const MAX_DEPTH: usize = 32;
/// How many values a file may have once its aliases are expanded. A thousand exceptions need thirty
/// thousand.
const MAX_NODES: usize = 500_000;

/// A value with its position.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    pub(crate) span: Span,
    pub(crate) content: Content<'a>,
}

/// The entries of a mapping. Keys are unique.
pub(crate) type Mapping<'a> = Vec<(Spanned<Cow<'a, str>>, Node<'a>)>;

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Content<'a> {
    Text(Cow<'a, str>),
    /// `null`, `~`, or nothing at all.
    Null,
    List(Vec<Node<'a>>),
    Map(Mapping<'a>),
}

/// Parses a text. Errors are added to `found`; without a tree there is nothing else to report.
pub(crate) fn parse_yaml<'a>(text: &'a str, found: &mut Vec<Diagnostic>) -> Option<Node<'a>> {
    match YamlReader::new(text, found).read_document() {
        Ok(node) => node,
        Err(fatal) => {
            found.push(*fatal);
            None
        }
    }
}

/// An error that ends parsing. Boxed because it is large and rare.
type FatalDiagnostic = Box<Diagnostic>;

struct YamlReader<'a, 'f> {
    text: &'a str,
    /// The byte offset of each character, because the parser counts characters; none if the text is
    /// ASCII.
    offsets: Option<Vec<usize>>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, (Node<'a>, usize)>,
    /// How many values have been read.
    node_count: usize,
    found: &'f mut Vec<Diagnostic>,
}

impl<'a, 'f> YamlReader<'a, 'f> {
    fn new(text: &'a str, found: &'f mut Vec<Diagnostic>) -> Self {
        let offsets =
            (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).collect());
        Self {
            text,
            offsets,
            parser: Parser::new_from_str(text),
            anchors: BTreeMap::new(),
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
                    return Err(Box::new(second_document(span)));
                }
                Event::Scalar(..)
                | Event::Alias(_)
                | Event::SequenceStart(..)
                | Event::MappingStart(..) => {
                    document = Some(self.read_node(event, span, 0)?);
                }
            }
        }
        // A slip on the only line makes the whole file one text.
        if let Some(node) = &document
            && matches!(node.content, Content::Text(_))
            && let Some(slip) = find_slip(self.text, self.text.len())
        {
            return Err(Box::new(slip));
        }
        Ok(document)
    }

    /// YAML does not allow control characters, and some parsers treat NUL as the end of the text.
    fn reject_control_characters(&self) -> Result<(), FatalDiagnostic> {
        let found = self
            .text
            .char_indices()
            .find(|(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'));
        let Some((start, c)) = found else {
            return Ok(());
        };
        let end = start.saturating_add(c.len_utf8());
        let message = format!("invalid control character U+{:04X}", u32::from(c));
        let diagnostic = Diagnostic::new(Code::InvalidYaml, Span { start, end }, message)
            .with_label("not allowed in YAML");
        Err(Box::new(diagnostic))
    }

    fn next_event(&mut self) -> Result<Option<(Event<'a>, Span)>, FatalDiagnostic> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let start = self.byte_offset(span.start.index());
                let parser_end = self.byte_offset(span.end.index());
                // The parser's spans include the space after quotes and brackets.
                let source = self.text.get(start..parser_end).unwrap_or_default();
                let end = start.saturating_add(source.trim_ascii_end().len());
                Ok(Some((event, Span { start, end })))
            }
            Some(Err(error)) => {
                let position = self.byte_offset(error.marker().index());
                Err(Box::new(explain_syntax_error(self.text, &error, position)))
            }
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
                let node = self.scalar_node(text, style, span);
                (anchor, tag, node)
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
            | Event::MappingEnd => {
                let content = Content::Null;
                (0, None, Node { span, content })
            }
        };
        self.reject_unknown_tag(tag.as_deref(), span);
        if anchor > 0 {
            let size = self.node_count.saturating_sub(before).saturating_add(1);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    /// The content of the anchor. Its values count for each alias, so that a few lines cannot
    /// exhaust the memory.
    fn resolve_alias(&mut self, anchor: usize, span: Span) -> Result<Node<'a>, FatalDiagnostic> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let message = "the anchor refers to itself";
            return Err(Box::new(Diagnostic::new(Code::InvalidYaml, span, message)));
        };
        self.node_count = self.node_count.saturating_add(*size);
        if self.node_count > MAX_NODES {
            Err(Box::new(too_complex(span)))
        } else {
            Ok(node.clone())
        }
    }

    fn read_list(&mut self, start: Span, depth: usize) -> Result<Node<'a>, FatalDiagnostic> {
        let mut items: Vec<Node<'a>> = Vec::new();
        let mut end = start;
        while let Some((event, span)) = self.next_event()? {
            if event == Event::SequenceEnd {
                end = span;
                break;
            }
            items.push(self.read_node(event, span, depth.saturating_add(1))?);
        }
        let first = items.first().map(|item| item.span);
        Ok(Node {
            span: self.collection_span(start, end, first),
            content: Content::List(items),
        })
    }

    fn read_map(&mut self, start: Span, depth: usize) -> Result<Node<'a>, FatalDiagnostic> {
        let mut entries: Mapping<'a> = Vec::new();
        let mut seen: BTreeMap<Cow<'a, str>, Span> = BTreeMap::new();
        let mut first = None;
        let mut end = start;
        while let Some((event, span)) = self.next_event()? {
            if event == Event::MappingEnd {
                end = span;
                break;
            }
            let key_node = self.read_node(event, span, depth.saturating_add(1))?;
            first.get_or_insert(key_node.span);
            let Some((value_event, value_span)) = self.next_event()? else {
                break;
            };
            let value = self.read_node(value_event, value_span, depth.saturating_add(1))?;
            let Some(key) = self.read_key(key_node) else {
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

    fn read_key(&mut self, key: Node<'a>) -> Option<Spanned<Cow<'a, str>>> {
        let (code, message) = match key.content {
            Content::Text(text) if text == "<<" => {
                (Code::InvalidYaml, "merge keys (`<<`) are not supported")
            }
            Content::Text(text) => return Some(self.visible_key(text, key.span)),
            Content::Null => (Code::WrongType, "empty key"),
            Content::List(_) | Content::Map(_) => {
                (Code::WrongType, "a key cannot be a list or mapping")
            }
        };
        let diagnostic =
            Diagnostic::new(code, key.span, message).with_label("expected the name of a key");
        self.found.push(diagnostic);
        None
    }

    /// The key without invisible characters and the like, which are reported.
    fn visible_key(&mut self, text: Cow<'a, str>, span: Span) -> Spanned<Cow<'a, str>> {
        let Some(c) = text.chars().find(|c| is_odd_space(*c)) else {
            return Spanned::new(text, span);
        };
        self.found.push(odd_space(c, span));
        Spanned::new(text.replace(is_odd_space, "").into(), span)
    }

    fn reject_unknown_tag(&mut self, tag: Option<&Tag>, span: Span) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            let name = format!("{}{}", tag.handle, tag.suffix);
            let message = format!("unknown YAML tag {}", quote_text(&name));
            let help = "quote text that starts with `!`".to_owned();
            let diagnostic = Diagnostic::new(Code::InvalidYaml, span, message).with_help(help);
            self.found.push(diagnostic);
        }
    }

    /// From the opening to the closing bracket; of a block, which has none, the first value in it.
    fn collection_span(&self, start: Span, end: Span, first: Option<Span>) -> Span {
        let opening = self.text.get(start.start..start.end).unwrap_or_default();
        if opening.ends_with(['[', '{']) && end.end > start.start {
            Span {
                start: start.start,
                end: end.end,
            }
        } else {
            first.unwrap_or(start)
        }
    }

    fn scalar_node(&mut self, text: Cow<'a, str>, style: ScalarStyle, span: Span) -> Node<'a> {
        if style != ScalarStyle::Plain {
            let content = Content::Text(text);
            return Node { span, content };
        }
        let trimmed = self.trim_odd_spaces(text, span);
        let content = if matches!(&*trimmed, "" | "~" | "null" | "Null" | "NULL") {
            Content::Null
        } else {
            Content::Text(self.remove_odd_quotes(trimmed, span))
        };
        Node { span, content }
    }

    /// The text without characters around it that only look like spaces, which are reported.
    fn trim_odd_spaces(&mut self, text: Cow<'a, str>, span: Span) -> Cow<'a, str> {
        let first = text.chars().next().filter(|c| is_odd_space(*c));
        let last = text.chars().next_back().filter(|c| is_odd_space(*c));
        if let Some(c) = first {
            let end = span.start.saturating_add(c.len_utf8());
            self.found.push(odd_space(c, Span { end, ..span }));
        } else if let Some(c) = last {
            let start = span.end.saturating_sub(c.len_utf8());
            self.found.push(odd_space(c, Span { start, ..span }));
        } else {
            return text;
        }
        text.trim_matches(is_odd_space).to_owned().into()
    }

    /// The text without the curly quotes around it, which are reported.
    fn remove_odd_quotes(&mut self, text: Cow<'a, str>, span: Span) -> Cow<'a, str> {
        let is_quoted = text.chars().count() > 1
            && text.starts_with(is_odd_quote)
            && text.ends_with(is_odd_quote);
        if !is_quoted {
            return text;
        }
        self.found.push(odd_quotes(span));
        text.trim_matches(is_odd_quote).to_owned().into()
    }
}

fn second_document(span: Span) -> Diagnostic {
    let message = "the file contains more than one YAML document";
    let help = "remove the line `---`: only one document is supported".to_owned();
    Diagnostic::new(Code::MultipleDocuments, span, message).with_help(help)
}

fn duplicate_key(key: &Spanned<Cow<'_, str>>, earlier: Span) -> Diagnostic {
    let message = format!("duplicate key {}", quote_text(&key.value));
    Diagnostic::new(Code::DuplicateKey, key.span, message)
        .with_label("defined again here")
        .with_related(earlier, "first defined here")
}

fn too_complex(span: Span) -> Diagnostic {
    let message = format!("more than {MAX_DEPTH} levels of nesting or {MAX_NODES} values");
    Diagnostic::new(Code::TooComplex, span, message).with_label("limit exceeded here")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Node<'_> {
        let mut found = Vec::new();
        let node = parse_yaml(text, &mut found);
        assert_eq!(found, []);
        node.unwrap()
    }

    fn entries<'n, 'a>(node: &'n Node<'a>) -> &'n Mapping<'a> {
        let Content::Map(entries) = &node.content else {
            panic!("{node:?}")
        };
        entries
    }

    fn items<'n, 'a>(node: &'n Node<'a>) -> &'n [Node<'a>] {
        let Content::List(items) = &node.content else {
            panic!("{node:?}")
        };
        items
    }

    fn text<'n>(node: &'n Node<'_>) -> &'n str {
        let Content::Text(text) = &node.content else {
            panic!("{node:?}")
        };
        text
    }

    #[test]
    fn every_value_has_its_position() {
        let source = "é: [a, 'b c']\nd:\n  - e: 22\n    f: ~\n";
        let spanned = |span: Span| source.get(span.start..span.end).unwrap();
        let root = parse(source);
        let [(first_key, first), (_, second)] = entries(&root).as_slice() else {
            panic!("{root:?}")
        };
        assert_eq!(spanned(first_key.span), "é");
        assert_eq!(spanned(first.span), "[a, 'b c']");
        assert_eq!(text(&items(first)[1]), "b c");
        assert_eq!(spanned(items(first)[1].span), "'b c'");
        let inner = &items(second)[0];
        assert_eq!(spanned(inner.span), "e");
        assert_eq!(text(&entries(inner)[0].1), "22");
        assert!(matches!(entries(inner)[1].1.content, Content::Null));
    }
}
