//! The picture of the demo in the README: one screen of its output as an SVG.
//!
//! Every word is a text element with a position of its own, so that all renderers draw the same
//! picture, whatever the width of their monospaced font.

use std::fmt::Write as _;

/// The advance of a character and the height of a line, in pixels, at the font size below.
const CELL: (f64, f64) = (8.4, 19.0);
const FONT_SIZE: u32 = 14;
/// The space around the text, and the height of the title bar.
const MARGIN: f64 = 18.0;
const TITLE_BAR: f64 = 34.0;

const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d7dae0";
const GRAY: &str = "#868c98";
const RED: &str = "#ff6b6b";
const GREEN: &str = "#6fcf7f";

/// How a piece of text looks. The escape codes of the demo select it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    dim: bool,
    color: Option<&'static str>,
}

impl Look {
    /// The look after an SGR escape code, given without `ESC [` and `m`.
    fn apply(self, code: &str) -> Self {
        match code {
            "1" => Self { bold: true, ..self },
            "2" => Self { dim: true, ..self },
            "31" => Self {
                color: Some(RED),
                ..self
            },
            "32" => Self {
                color: Some(GREEN),
                ..self
            },
            _ => Self::default(),
        }
    }

    fn fill(self) -> &'static str {
        let plain = if self.dim { GRAY } else { FOREGROUND };
        self.color.unwrap_or(plain)
    }
}

/// A word, the column that it begins in, and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    column: u32,
    text: String,
    look: Look,
}

/// The words of a line of terminal output.
fn split_words(line: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut column, mut look) = (0_u32, Look::default());
    let mut continues = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            let code: String = chars.by_ref().skip(1).take_while(|c| *c != 'm').collect();
            look = code.split(';').fold(look, Look::apply);
            continues = false;
            continue;
        }
        // A line of a table would drift in a font with another advance: each part has its place.
        continues &= !is_box_drawing(c);
        match words.last_mut() {
            Some(word) if continues && c != ' ' => word.text.push(c),
            _ if c != ' ' => words.push(Word {
                column,
                text: c.to_string(),
                look,
            }),
            _ => {}
        }
        continues = c != ' ' && !is_box_drawing(c);
        column = column.saturating_add(1);
    }
    words
}

const fn is_box_drawing(c: char) -> bool {
    matches!(c, '\u{2500}'..='\u{257f}')
}

/// Draws terminal output, escape codes included, as an SVG document.
pub(super) fn draw_svg(title: &str, lines: &[String]) -> String {
    let rows: Vec<Vec<Word>> = lines.iter().map(|line| split_words(line)).collect();
    let columns = rows
        .iter()
        .flatten()
        .map(end_of_word)
        .max()
        .unwrap_or_default();
    let row_count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let width = f64::from(columns).mul_add(CELL.0, 2.0 * MARGIN);
    let height = f64::from(row_count).mul_add(CELL.1, 2.0f64.mul_add(MARGIN, TITLE_BAR));
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"{FONT_SIZE}\">"
    );
    for (index, color) in [RED, "#f2c14e", GREEN].into_iter().enumerate() {
        let index = u32::try_from(index).unwrap_or_default();
        let x = f64::from(index).mul_add(20.0, MARGIN + 6.0);
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.0}\" cy=\"20\" r=\"6\" fill=\"{color}\"/>"
        );
    }
    let mut baseline = TITLE_BAR + MARGIN + CELL.1 / 2.0;
    for row in &rows {
        for word in row {
            push_word(&mut svg, word, baseline);
        }
        baseline += CELL.1;
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn end_of_word(word: &Word) -> u32 {
    let length = u32::try_from(word.text.chars().count()).unwrap_or(u32::MAX);
    word.column.saturating_add(length)
}

fn push_word(svg: &mut String, word: &Word, baseline: f64) {
    let x = f64::from(word.column).mul_add(CELL.0, MARGIN);
    let fill = word.look.fill();
    let weight = if word.look.bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let text = word
        .text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{baseline:.1}\" fill=\"{fill}\"{weight}>{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(column: u32, text: &str, look: Look) -> Word {
        Word {
            column,
            text: text.to_owned(),
            look,
        }
    }

    #[test]
    fn words_know_their_column_and_look() {
        let bold = Look {
            bold: true,
            ..Look::default()
        };
        let red = Look {
            color: Some(RED),
            ..bold
        };
        assert_eq!(
            split_words("  a \u{1b}[1mbc\u{1b}[31m d\u{1b}[0me"),
            [
                word(2, "a", Look::default()),
                word(4, "bc", bold),
                word(7, "d", red),
                word(8, "e", Look::default()),
            ]
        );
    }

    #[test]
    fn text_is_escaped_and_positioned() {
        let svg = draw_svg("demo", &["x  <&>".to_owned()]);
        assert!(svg.contains(">&lt;&amp;&gt;</text>"), "{svg}");
        assert!(svg.contains("<text x=\"43.2\" y=\"61.5\""), "{svg}");
        assert!(
            !svg.contains("textLength") && !svg.contains('\u{a0}'),
            "{svg}"
        );
    }
}
