//! Plain text for e-mail: wrapped headings, paragraphs, tables and lists.

/// The width of a line. Commands and links are never broken, so they can be wider.
const LINE_WIDTH: usize = 78;
/// The width of the labels of a table.
const LABEL_WIDTH: usize = 11;

/// A text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct PlainText {
    text: String,
    is_below_heading: bool,
}

impl PlainText {
    /// A blank line and a heading in capital letters.
    pub(super) fn push_heading(&mut self, text: &str) {
        self.push_blank_line();
        self.push_line(&text.to_uppercase());
        self.is_below_heading = true;
    }

    /// A blank line, and a wrapped paragraph that begins with a heading in capital letters.
    pub(super) fn push_section(&mut self, heading: &str, text: &str) {
        self.push_blank_line();
        self.push_paragraph(&format!("{}: {text}", heading.to_uppercase()));
    }

    /// A wrapped paragraph.
    pub(super) fn push_paragraph(&mut self, text: &str) {
        self.push_wrapped("", "", text.split(' '));
    }

    /// A wrapped paragraph, indented; the first line begins with `mark`.
    pub(super) fn push_item(&mut self, mark: &str, text: &str) {
        let indent = " ".repeat(mark.chars().count());
        self.push_wrapped(mark, &indent, text.split(' '));
    }

    /// Words that are wrapped as a whole, indented; the first line begins with `mark`.
    pub(super) fn push_words(&mut self, mark: &str, words: &[String]) {
        let indent = " ".repeat(mark.chars().count());
        self.push_wrapped(mark, &indent, words.iter().map(String::as_str));
    }

    /// A line of a table; nothing if there is no value.
    pub(super) fn push_row(&mut self, label: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push_item(&format!("  {label:<LABEL_WIDTH$}"), value);
        }
    }

    /// A shell command to paste, on one line, so that it arrives as it was sent.
    pub(super) fn push_command(&mut self, words: &[String]) {
        self.push_line(&words.join(" "));
    }

    /// A line as it is.
    pub(super) fn push_line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
        self.is_below_heading = false;
    }

    /// A blank line, except right below a heading.
    pub(super) fn push_blank_line(&mut self) {
        if !self.is_below_heading {
            self.text.push('\n');
        }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn push_wrapped<'a>(
        &mut self,
        first: &str,
        others: &str,
        words: impl Iterator<Item = &'a str>,
    ) {
        let mut line = first.to_owned();
        let mut is_fresh = true;
        for word in words {
            let longer = line
                .chars()
                .count()
                .saturating_add(word.chars().count())
                .saturating_add(1);
            if !is_fresh && longer > LINE_WIDTH {
                self.push_line(line.trim_end());
                others.clone_into(&mut line);
                is_fresh = true;
            }
            if !is_fresh {
                line.push(' ');
            }
            line.push_str(word);
            is_fresh = false;
        }
        self.push_line(line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_and_long_words_are_not_broken() {
        let mut page = PlainText::default();
        page.push_item(
            "  1. ",
            &format!("{} {} end", "word ".repeat(20).trim_end(), "x".repeat(90)),
        );
        let text = page.finish();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("  1. word") && lines[1].starts_with("     word"));
        assert!(lines[0].len() <= LINE_WIDTH && lines[3] == "     end");
    }

    #[test]
    fn rows_without_a_value_are_left_out() {
        let mut page = PlainText::default();
        page.push_row("VPC", None);
        page.push_row("ARN", Some(""));
        page.push_row("Who", Some("alice"));
        assert_eq!(page.finish(), "  Who        alice\n");
    }
}
