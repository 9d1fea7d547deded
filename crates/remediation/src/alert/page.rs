//! Plain text for mail: headings, paragraphs, tables and lists, wrapped.

/// How wide a line is. Commands and links are never broken, so they may be wider.
const WIDTH: usize = 76;
/// How wide the labels of a table are.
const LABEL: usize = 10;

/// A text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// A blank line and a heading.
    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        self.line(text);
        self.line(&"-".repeat(text.chars().count()));
    }

    /// A wrapped paragraph.
    pub(super) fn text(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    /// A wrapped paragraph, indented; the first line begins with `mark`.
    pub(super) fn item(&mut self, mark: &str, text: &str) {
        let indent = " ".repeat(mark.chars().count());
        self.wrapped(mark, &indent, text);
    }

    /// A line of a table; nothing when there is no value.
    pub(super) fn row(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.item(&format!("  {label:<LABEL$}"), value);
        }
    }

    /// A shell command, one word of it on each line, and so ready to be pasted.
    pub(super) fn command(&mut self, words: &[String]) {
        self.line(&format!("  {}", words.join(" \\\n      ")));
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A blank line, except right below a heading.
    pub(super) fn blank(&mut self) {
        if !self.0.ends_with("--\n") {
            self.0.push('\n');
        }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn wrapped(&mut self, first: &str, others: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_fresh = true;
        for word in text.split(' ') {
            let longer = line.chars().count().saturating_add(word.chars().count()).saturating_add(1);
            if !is_fresh && longer > WIDTH {
                self.line(line.trim_end());
                others.clone_into(&mut line);
                is_fresh = true;
            }
            if !is_fresh {
                line.push(' ');
            }
            line.push_str(word);
            is_fresh = false;
        }
        self.line(line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_and_long_words_are_not_broken() {
        let mut page = Page::default();
        page.item("  1. ", &format!("{} {} end", "word ".repeat(20).trim_end(), "x".repeat(90)));
        let text = page.finish();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("  1. word") && lines[1].starts_with("     word"));
        assert!(lines[0].len() <= WIDTH && lines[3] == "     end");
    }

    #[test]
    fn rows_without_a_value_are_left_out() {
        let mut page = Page::default();
        page.row("VPC", None);
        page.row("ARN", Some(""));
        page.row("Who", Some("alice"));
        assert_eq!(page.finish(), "  Who       alice\n");
    }
}
