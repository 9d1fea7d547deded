//! YAML text in block and flow style.

use std::fmt::Display;
use std::net::Ipv4Addr;

/// Lines of YAML.
#[derive(Default)]
pub(super) struct YamlWriter {
    pub(super) text: String,
    /// Whether the next line starts an entry of a list.
    starts_entry: bool,
}

impl YamlWriter {
    pub(super) fn write_line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        if std::mem::take(&mut self.starts_entry) {
            self.text.truncate(self.text.len().saturating_sub(2));
            self.text.push_str("- ");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(super) fn write_pair(&mut self, depth: usize, key: &str, value: &str) {
        self.write_line(depth, &format!("{key}: {value}"));
    }

    pub(super) fn write_optional(&mut self, depth: usize, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.write_pair(depth, key, &value);
        }
    }

    /// A list of mappings; nothing if it is empty.
    pub(super) fn write_list<T>(&mut self, key: &str, items: &[T], write: impl Fn(&mut Self, &T)) {
        if !items.is_empty() {
            self.write_line(0, &format!("{key}:"));
        }
        for item in items {
            self.starts_entry = true;
            write(self, item);
        }
    }
}

/// A flow mapping; none if it has no entries.
pub(super) fn flow_mapping(entries: &[String]) -> Option<String> {
    (!entries.is_empty()).then(|| format!("{{{}}}", entries.join(", ")))
}

pub(super) fn flow_sequence<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// A flow sequence of texts; none if there are no texts.
pub(super) fn text_sequence<T: Display>(items: &[T]) -> Option<String> {
    let texts = items.iter().map(|item| format_text(&item.to_string()));
    (!items.is_empty()).then(|| flow_sequence(texts))
}

/// Words that YAML 1.1 or 1.2 reads as something other than text.
const RESERVED_WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// Text as a YAML scalar: plain if no parser can mistake it, in double quotes otherwise.
pub(super) fn format_text(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let escaped: String = text.chars().map(escape_char).collect();
    format!("\"{escaped}\"")
}

fn escape_char(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        _ if c.is_alphanumeric() => c.to_string(),
        _ => format!("\\U{:08X}", u32::from(c)),
    }
}

fn is_plain(text: &str) -> bool {
    let starts_with_letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    text.split(' ').all(is_plain_word)
        && (starts_with_letter || is_ipv4_cidr(text))
        && !RESERVED_WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// A word may not start with a dash, because a single dash starts an entry of a list.
fn is_plain_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
}

fn is_ipv4_cidr(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(address, _)| address.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_unless_it_is_plain() {
        assert_eq!(format_text("more than one port"), "more than one port");
        assert_eq!(format_text("203.0.113.0/24"), "203.0.113.0/24");
        assert_eq!(format_text("no"), "\"no\"");
        assert_eq!(format_text("111122223333"), "\"111122223333\"");
        assert_eq!(
            format_text("a: b # \"c\"\n"),
            "\"a: b # \\\"c\\\"\\U0000000A\""
        );
        assert_eq!(format_text("ä \u{85}"), "\"ä \\U00000085\"");
    }
}
