//! YAML in which everything knows where it stands, for files of our own that are not policies.

mod mistakes;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

pub use mistakes::{Mistake, Mistakes, Span};

/// How deep a file may nest.
const DEEPEST: usize = 32;

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
    Nothing,
    /// A list.
    List(Vec<Node>),
    /// A mapping; its keys are unique.
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The place.
    pub span: Span,
    /// The text.
    pub text: String,
}

/// Reads a text.
///
/// # Errors
/// With what is wrong with it.
pub fn read(text: &str) -> Result<Node, Mistake> {
    let mut reader = Reader {
        bytes: text.char_indices().map(|(at, _)| at).collect(),
        end: text.len(),
        parser: Parser::new_from_str(text),
    };
    let mut document = None;
    while let Some((event, span)) = reader.next()? {
        let is_frame =
            matches!(event, Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd);
        if event == Event::StreamEnd {
            break;
        } else if document.is_some() && !is_frame {
            return Err(Mistake::new(span, "the file holds more than one YAML document"));
        } else if !is_frame {
            document = Some(reader.node(event, span, 0)?);
        }
    }
    Ok(document.unwrap_or(Node { span: Span::default(), content: Content::Nothing }))
}

struct Reader<'a> {
    /// The byte of each character, for the parser counts characters.
    bytes: Vec<usize>,
    end: usize,
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Mistake> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                Ok(Some((event, Span { start: self.byte(span.start.index()), end: self.byte(span.end.index()) })))
            }
            Some(Err(error)) => {
                let start = self.byte(error.marker().index());
                let message = format!("invalid YAML: {}", error.info().replace('`', "'"));
                Err(Mistake::new(Span { start, end: start }, message))
            }
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.end)
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Mistake> {
        if depth > DEEPEST {
            return Err(Mistake::new(span, format!("more than {DEEPEST} levels")));
        }
        if let Event::Scalar(text, style, 0, None) = event {
            let nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
            let content = if nothing { Content::Nothing } else { Content::Text(text.into_owned()) };
            return Ok(Node { span, content });
        }
        if matches!(event, Event::SequenceStart(0, None)) {
            return self.list(span, depth);
        }
        if matches!(event, Event::MappingStart(0, None)) {
            return self.map(span, depth);
        }
        let message = "anchors, aliases and tags of YAML have no meaning here";
        Err(Mistake::new(span, message).help("quote a text that begins with `*`, `&` or `!`"))
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Mistake> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, end)) => {
                    let first = items.first().map(|item: &Node| item.span);
                    return Ok(Node { span: extent(start, end, first), content: Content::List(items) });
                }
                Some((event, span)) => items.push(self.node(event, span, depth.saturating_add(1))?),
                None => return Err(Mistake::new(start, "invalid YAML: the list does not end")),
            }
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Mistake> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = match self.next()? {
                Some((Event::MappingEnd, end)) => {
                    let first = entries.first().map(|(key, _)| key.span);
                    return Ok(Node { span: extent(start, end, first), content: Content::Map(entries) });
                }
                Some(next) => next,
                None => return Err(Mistake::new(start, "invalid YAML: the mapping does not end")),
            };
            let Node { span, content: Content::Text(text) } = self.node(event, span, depth.saturating_add(1))? else {
                return Err(Mistake::new(span, "a key must be a text"));
            };
            if entries.iter().any(|(key, _)| key.text == text) {
                return Err(Mistake::new(span, format!("the key `{}` stands twice", shown(&text))));
            }
            let Some((event, at)) = self.next()? else {
                return Err(Mistake::new(span, "invalid YAML: a key without a value"));
            };
            let value = self.node(event, at, depth.saturating_add(1))?;
            entries.push((Key { span, text }, value));
        }
    }
}

/// Brackets and all that is between them; of a block, which has none, the first thing in it.
fn extent(start: Span, end: Span, first: Option<Span>) -> Span {
    let brackets = start.end > start.start && end.end > end.start;
    match first {
        Some(first) if !brackets => first,
        _ => Span { start: start.start, end: end.end.max(start.end) },
    }
}

/// Somebody's text for a message: fit for a terminal, and not too long.
pub fn shown(text: &str) -> String {
    let mut shown: String = crate::output::clean(text).chars().take(60).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// The known word that somebody most likely meant, if any is near enough: a third of its letters may differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
        let Content::Text(text) = &node.content else { panic!("{node:?}") };
        text
    }

    #[test]
    fn everything_knows_where_it_stands() {
        let source = "é: [a, 'b c']\nd:\n  - e: 22\n    f: ~\n";
        let node = read(source).unwrap();
        let Content::Map(entries) = &node.content else { panic!("{node:?}") };
        let at = |span: Span| source.get(span.start..span.end).unwrap();
        let Content::List(items) = &entries[0].1.content else { panic!("{node:?}") };
        assert_eq!((at(entries[0].0.span), at(entries[0].1.span)), ("é", "[a, 'b c']"));
        assert_eq!((text(&items[1]), at(items[1].span)), ("b c", "'b c'"));
        let Content::List(items) = &entries[1].1.content else { panic!("{node:?}") };
        let Content::Map(entries) = &items[0].content else { panic!("{node:?}") };
        assert_eq!((at(items[0].span), text(&entries[0].1)), ("e", "22"));
        assert_eq!(entries[1].1.content, Content::Nothing);
    }

    #[test]
    fn a_slip_is_understood_and_a_stranger_is_not() {
        assert_eq!(nearest("removal", ["removals", "additions"]), Some("removals"));
        assert_eq!(nearest("gone", ["removals", "additions"]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_its_place(text in "([a-z\\[\\]{}:,&*!|>'\" \n#~é-]|: |- ){0,60}") {
            if let Err(mistake) = read(&text) {
                let told = Mistakes::new("x.yaml", text, vec![mistake]).to_string();
                prop_assert!(told.starts_with("error: "));
            }
        }

        #[test]
        fn any_expectations_are_decoded_or_refused(text in "(policy: |cases:\n|  - name: |    group: |    expect: |rules|[a-z]|\n|\\[|\\]|\\{|\\}|tcp 22 |: ){0,30}") {
            if let Err(mistakes) = crate::expectations::decode("x.yaml", &text) {
                prop_assert!(!mistakes.is_empty() && mistakes.to_string().contains("error: "));
            }
        }
    }
}
