//! YAML in which everything knows where it stands, for files of our own that are not policies.

mod mistakes;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

pub use mistakes::{Span, YamlDiagnostic, YamlDiagnostics};

/// How deep a file may nest.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The place.
    pub span: Span,
    /// The value.
    pub content: Content,
}

/// A value. Single values keep their text: what they mean is for the reader to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(String),
    /// Nothing: `null`, `~`, or no text.
    Null,
    /// A list.
    List(Vec<Node>),
    /// A mapping; its keys are unique.
    Map(Vec<(MapKey, Node)>),
}

/// The key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapKey {
    /// The place.
    pub span: Span,
    /// The text.
    pub text: String,
}

/// Reads a text.
///
/// # Errors
/// With what is wrong with it.
pub fn read_yaml(text: &str) -> Result<Node, YamlDiagnostic> {
    let mut reader = YamlReader {
        offsets: text.char_indices().map(|(at, _)| at).collect(),
        end: text.len(),
        parser: Parser::new_from_str(text),
    };
    let mut document = None;
    while let Some((event, span)) = reader.next_event()? {
        let is_frame = matches!(
            event,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd
        );
        if event == Event::StreamEnd {
            break;
        } else if document.is_some() && !is_frame {
            return Err(YamlDiagnostic::new(
                span,
                "the file holds more than one YAML document",
            ));
        } else if !is_frame {
            document = Some(reader.read_node(event, span, 0)?);
        }
    }
    Ok(document.unwrap_or(Node {
        span: Span::default(),
        content: Content::Null,
    }))
}

struct YamlReader<'a> {
    /// The byte of each character, for the parser counts characters.
    offsets: Vec<usize>,
    end: usize,
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> YamlReader<'a> {
    fn next_event(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlDiagnostic> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((
                event,
                Span {
                    start: self.byte_offset(span.start.index()),
                    end: self.byte_offset(span.end.index()),
                },
            ))),
            Some(Err(error)) => {
                let start = self.byte_offset(error.marker().index());
                let message = format!("invalid YAML: {}", error.info().replace('`', "'"));
                Err(YamlDiagnostic::new(Span { start, end: start }, message))
            }
        }
    }

    fn byte_offset(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.end)
    }

    fn read_node(
        &mut self,
        event: Event<'a>,
        span: Span,
        depth: usize,
    ) -> Result<Node, YamlDiagnostic> {
        if depth > MAX_DEPTH {
            return Err(YamlDiagnostic::new(
                span,
                format!("more than {MAX_DEPTH} levels"),
            ));
        }
        if let Event::Scalar(text, style, 0, None) = event {
            let nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
            let content = if nothing {
                Content::Null
            } else {
                Content::Text(text.into_owned())
            };
            return Ok(Node { span, content });
        }
        if matches!(event, Event::SequenceStart(0, None)) {
            return self.read_list(span, depth);
        }
        if matches!(event, Event::MappingStart(0, None)) {
            return self.read_map(span, depth);
        }
        let message = "anchors, aliases and tags of YAML have no meaning here";
        Err(YamlDiagnostic::new(span, message)
            .with_help("quote a text that begins with `*`, `&` or `!`"))
    }

    fn read_list(&mut self, start: Span, depth: usize) -> Result<Node, YamlDiagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next_event()? {
                Some((Event::SequenceEnd, end)) => {
                    let first = items.first().map(|item: &Node| item.span);
                    return Ok(Node {
                        span: collection_span(start, end, first),
                        content: Content::List(items),
                    });
                }
                Some((event, span)) => {
                    items.push(self.read_node(event, span, depth.saturating_add(1))?)
                }
                None => {
                    return Err(YamlDiagnostic::new(
                        start,
                        "invalid YAML: the list does not end",
                    ));
                }
            }
        }
    }

    fn read_map(&mut self, start: Span, depth: usize) -> Result<Node, YamlDiagnostic> {
        let mut entries: Vec<(MapKey, Node)> = Vec::new();
        loop {
            let (event, span) = match self.next_event()? {
                Some((Event::MappingEnd, end)) => {
                    let first = entries.first().map(|(key, _)| key.span);
                    return Ok(Node {
                        span: collection_span(start, end, first),
                        content: Content::Map(entries),
                    });
                }
                Some(next) => next,
                None => {
                    return Err(YamlDiagnostic::new(
                        start,
                        "invalid YAML: the mapping does not end",
                    ));
                }
            };
            let Node {
                span,
                content: Content::Text(text),
            } = self.read_node(event, span, depth.saturating_add(1))?
            else {
                return Err(YamlDiagnostic::new(span, "a key must be a text"));
            };
            if entries.iter().any(|(key, _)| key.text == text) {
                return Err(YamlDiagnostic::new(
                    span,
                    format!("the key `{}` stands twice", printable_excerpt(&text)),
                ));
            }
            let Some((event, at)) = self.next_event()? else {
                return Err(YamlDiagnostic::new(
                    span,
                    "invalid YAML: a key without a value",
                ));
            };
            let value = self.read_node(event, at, depth.saturating_add(1))?;
            entries.push((MapKey { span, text }, value));
        }
    }
}

/// Brackets and all that is between them; of a block, which has none, the first thing in it.
fn collection_span(start: Span, end: Span, first: Option<Span>) -> Span {
    let brackets = start.end > start.start && end.end > end.start;
    match first {
        Some(first) if !brackets => first,
        _ => Span {
            start: start.start,
            end: end.end.max(start.end),
        },
    }
}

/// Somebody's text for a message: fit for a terminal, and not too long.
pub fn printable_excerpt(text: &str) -> String {
    let mut shown: String = crate::text::sanitize_text(text).chars().take(60).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// The known word that somebody most likely meant, if any is near enough: a third of its letters may differ.
pub fn nearest_word<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(node: &Node) -> &str {
        let Content::Text(text) = &node.content else {
            panic!("{node:?}")
        };
        text
    }

    #[test]
    fn everything_knows_where_it_stands() {
        let source = "é: [a, 'b c']\nd:\n  - e: 22\n    f: ~\n";
        let node = read_yaml(source).unwrap();
        let Content::Map(entries) = &node.content else {
            panic!("{node:?}")
        };
        let at = |span: Span| source.get(span.start..span.end).unwrap();
        let Content::List(items) = &entries[0].1.content else {
            panic!("{node:?}")
        };
        assert_eq!(
            (at(entries[0].0.span), at(entries[0].1.span)),
            ("é", "[a, 'b c']")
        );
        assert_eq!((text(&items[1]), at(items[1].span)), ("b c", "'b c'"));
        let Content::List(items) = &entries[1].1.content else {
            panic!("{node:?}")
        };
        let Content::Map(entries) = &items[0].content else {
            panic!("{node:?}")
        };
        assert_eq!((at(items[0].span), text(&entries[0].1)), ("e", "22"));
        assert_eq!(entries[1].1.content, Content::Null);
    }

    #[test]
    fn a_slip_is_understood_and_a_stranger_is_not() {
        assert_eq!(
            nearest_word("removal", ["removals", "additions"]),
            Some("removals")
        );
        assert_eq!(nearest_word("gone", ["removals", "additions"]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_its_place(text in "([a-z\\[\\]{}:,&*!|>'\" \n#~é-]|: |- ){0,60}") {
            if let Err(mistake) = read_yaml(&text) {
                let told = YamlDiagnostics::new("x.yaml", text, vec![mistake]).to_string();
                prop_assert!(told.starts_with("error: "));
            }
        }

        #[test]
        fn any_expectations_are_decoded_or_refused(text in "(policy: |cases:\n|  - name: |    group: |    expect: |rules|[a-z]|\n|\\[|\\]|\\{|\\}|tcp 22 |: ){0,30}") {
            if let Err(mistakes) = crate::expectations::decode_test_file("x.yaml", &text) {
                prop_assert!(!mistakes.is_empty() && mistakes.to_string().contains("error: "));
            }
        }
    }
}
