//! The values that expectations are made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::yaml::{Content, MapKey, Node, Span, YamlDiagnostic, nearest_word, printable_excerpt};

/// Reads values and keeps what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub(super) diagnostics: Vec<YamlDiagnostic>,
}

/// The values of a mapping with known keys.
#[derive(Debug)]
pub(super) struct MappingFields<'n> {
    what: &'static str,
    span: Span,
    values: BTreeMap<&'n str, &'n Node>,
}

impl<'n> MappingFields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.values.get(key).copied()
    }
}

impl Decoder {
    fn report_wrong_type(&mut self, node: &Node, expected: &str) {
        let found = match &node.content {
            Content::Text(text) => format!("unexpected text `{}`", printable_excerpt(text)),
            Content::Null => "missing value".to_owned(),
            Content::List(_) => "unexpected list".to_owned(),
            Content::Map(_) => "unexpected mapping".to_owned(),
        };
        self.diagnostics
            .push(YamlDiagnostic::new(node.span, found).with_label(expected));
    }

    /// A mapping with known keys.
    pub(super) fn decode_fields<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&str],
    ) -> Option<MappingFields<'n>> {
        let Content::Map(entries) = &node.content else {
            self.report_wrong_type(
                node,
                &format!(
                    "expected {what}: a mapping with the keys {}",
                    quote_words(known)
                ),
            );
            return None;
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.text.as_str()))
        {
            let message = format!("unknown key `{}` in {what}", printable_excerpt(&key.text));
            let mistake = YamlDiagnostic::new(key.span, message)
                .with_label(format!("expected one of {}", quote_words(known)));
            let near = nearest_word(&key.text, known.iter().copied());
            self.diagnostics.push(match near {
                Some(near) => mistake.with_help(format!("did you mean `{near}`?")),
                None => mistake,
            });
        }
        let values = entries
            .iter()
            .map(|(key, node)| (key.text.as_str(), node))
            .collect();
        Some(MappingFields {
            what,
            span: node.span,
            values,
        })
    }

    /// The value of a key that must be there.
    pub(super) fn required_field<'n>(
        &mut self,
        fields: &MappingFields<'n>,
        key: &str,
    ) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            let mistake =
                YamlDiagnostic::new(fields.span, format!("{} without `{key}`", fields.what));
            self.diagnostics
                .push(mistake.with_label(format!("expected `{key}` beside this")));
        }
        found
    }

    pub(super) fn decode_text(&mut self, node: &Node, expected: &str) -> Option<String> {
        match &node.content {
            Content::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            Content::Text(_) | Content::Null | Content::List(_) | Content::Map(_) => {
                self.report_wrong_type(node, expected);
                None
            }
        }
    }

    /// The items of a list; nothing is an empty one.
    pub(super) fn decode_list<'n>(&mut self, node: &'n Node, expected: &str) -> Vec<&'n Node> {
        match &node.content {
            Content::List(items) => items.iter().collect(),
            Content::Null => Vec::new(),
            Content::Text(_) | Content::Map(_) => {
                self.report_wrong_type(node, expected);
                Vec::new()
            }
        }
    }

    /// The texts of a list, with their places; one text stands for a list of one.
    pub(super) fn decode_spanned_texts(
        &mut self,
        node: &Node,
        expected: &str,
    ) -> Vec<(Span, String)> {
        let items = match &node.content {
            Content::Text(_) => vec![node],
            Content::Null | Content::List(_) | Content::Map(_) => self.decode_list(node, expected),
        };
        items
            .into_iter()
            .filter_map(|item| Some((item.span, self.decode_text(item, "expected a text")?)))
            .collect()
    }

    pub(super) fn decode_texts(&mut self, node: &Node) -> Vec<String> {
        self.decode_spanned_texts(node, "expected a text or a list of texts")
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    }

    /// Words of which there are a few.
    pub(super) fn decode_known_words(
        &mut self,
        node: &Node,
        what: &str,
        known: &[&str],
    ) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for (at, word) in
            self.decode_spanned_texts(node, &format!("expected a list of {}", quote_words(known)))
        {
            if !known.contains(&word.as_str()) {
                let mistake = YamlDiagnostic::new(
                    at,
                    format!("unknown {what} `{}`", printable_excerpt(&word)),
                );
                let mistake = mistake.with_label(format!("expected one of {}", quote_words(known)));
                self.diagnostics
                    .push(match nearest_word(&word, known.iter().copied()) {
                        Some(near) => mistake.with_help(format!("did you mean `{near}`?")),
                        None => mistake,
                    });
            }
            words.insert(word);
        }
        words
    }

    pub(super) fn decode_entries<'n>(
        &mut self,
        node: &'n Node,
        expected: &str,
    ) -> &'n [(MapKey, Node)] {
        match &node.content {
            Content::Map(entries) => entries,
            Content::Null => &[],
            Content::Text(_) | Content::List(_) => {
                self.report_wrong_type(node, expected);
                &[]
            }
        }
    }

    /// Tags: any text, also an empty one.
    pub(super) fn decode_tags(&mut self, node: &Node) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for (key, node) in
            self.decode_entries(node, "expected a mapping from keys to values of tags")
        {
            match &node.content {
                Content::Text(text) => drop(tags.insert(key.text.clone(), text.clone())),
                Content::Null => drop(tags.insert(key.text.clone(), String::new())),
                Content::List(_) | Content::Map(_) => {
                    self.report_wrong_type(node, "expected a text")
                }
            }
        }
        tags
    }
}

fn quote_words(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
