//! The values that expectations are made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::yaml::{Content, Key, Mistake, Node, Span, nearest, shown};

/// Reads values and keeps what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub(super) mistakes: Vec<Mistake>,
}

/// The values of a mapping with known keys.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    what: &'static str,
    span: Span,
    values: BTreeMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.values.get(key).copied()
    }
}

impl Decoder {
    fn wrong(&mut self, node: &Node, expected: &str) {
        let found = match &node.content {
            Content::Text(text) => format!("unexpected text `{}`", shown(text)),
            Content::Nothing => "missing value".to_owned(),
            Content::List(_) => "unexpected list".to_owned(),
            Content::Map(_) => "unexpected mapping".to_owned(),
        };
        self.mistakes.push(Mistake::new(node.span, found).label(expected));
    }

    /// A mapping with known keys.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &'static str, known: &[&str]) -> Option<Fields<'n>> {
        let Content::Map(entries) = &node.content else {
            self.wrong(node, &format!("expected {what}: a mapping with the keys {}", listed(known)));
            return None;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            let message = format!("unknown key `{}` in {what}", shown(&key.text));
            let mistake = Mistake::new(key.span, message).label(format!("expected one of {}", listed(known)));
            let near = nearest(&key.text, known.iter().copied());
            self.mistakes.push(match near {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake,
            });
        }
        let values = entries.iter().map(|(key, node)| (key.text.as_str(), node)).collect();
        Some(Fields { what, span: node.span, values })
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            let mistake = Mistake::new(fields.span, format!("{} without `{key}`", fields.what));
            self.mistakes.push(mistake.label(format!("expected `{key}` beside this")));
        }
        found
    }

    pub(super) fn text(&mut self, node: &Node, expected: &str) -> Option<String> {
        match &node.content {
            Content::Text(text) if !text.trim().is_empty() => Some(text.clone()),
            Content::Text(_) | Content::Nothing | Content::List(_) | Content::Map(_) => {
                self.wrong(node, expected);
                None
            }
        }
    }

    /// The items of a list; nothing is an empty one.
    pub(super) fn list<'n>(&mut self, node: &'n Node, expected: &str) -> Vec<&'n Node> {
        match &node.content {
            Content::List(items) => items.iter().collect(),
            Content::Nothing => Vec::new(),
            Content::Text(_) | Content::Map(_) => {
                self.wrong(node, expected);
                Vec::new()
            }
        }
    }

    /// The texts of a list, with their places; one text stands for a list of one.
    pub(super) fn spanned(&mut self, node: &Node, expected: &str) -> Vec<(Span, String)> {
        let items = match &node.content {
            Content::Text(_) => vec![node],
            Content::Nothing | Content::List(_) | Content::Map(_) => self.list(node, expected),
        };
        items.into_iter().filter_map(|item| Some((item.span, self.text(item, "expected a text")?))).collect()
    }

    pub(super) fn texts(&mut self, node: &Node) -> Vec<String> {
        self.spanned(node, "expected a text or a list of texts").into_iter().map(|(_, text)| text).collect()
    }

    /// Words of which there are a few.
    pub(super) fn words(&mut self, node: &Node, what: &str, known: &[&str]) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for (at, word) in self.spanned(node, &format!("expected a list of {}", listed(known))) {
            if !known.contains(&word.as_str()) {
                let mistake = Mistake::new(at, format!("unknown {what} `{}`", shown(&word)));
                let mistake = mistake.label(format!("expected one of {}", listed(known)));
                self.mistakes.push(match nearest(&word, known.iter().copied()) {
                    Some(near) => mistake.help(format!("did you mean `{near}`?")),
                    None => mistake,
                });
            }
            words.insert(word);
        }
        words
    }

    pub(super) fn map<'n>(&mut self, node: &'n Node, expected: &str) -> &'n [(Key, Node)] {
        match &node.content {
            Content::Map(entries) => entries,
            Content::Nothing => &[],
            Content::Text(_) | Content::List(_) => {
                self.wrong(node, expected);
                &[]
            }
        }
    }

    /// Tags: any text, also an empty one.
    pub(super) fn tags(&mut self, node: &Node) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for (key, node) in self.map(node, "expected a mapping from keys to values of tags") {
            match &node.content {
                Content::Text(text) => drop(tags.insert(key.text.clone(), text.clone())),
                Content::Nothing => drop(tags.insert(key.text.clone(), String::new())),
                Content::List(_) | Content::Map(_) => self.wrong(node, "expected a text"),
            }
        }
        tags
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
