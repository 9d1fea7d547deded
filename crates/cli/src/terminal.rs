//! The width of the terminal.

use std::env;
use std::io;

use terminal_size::{Width, terminal_size_of};

/// The width of an output that is not a terminal.
const DEFAULT_WIDTH: usize = 80;

/// The least width that output is fitted to. Narrower terminals wrap lines by themselves.
const MIN_WIDTH: usize = 60;

/// How many columns a line of standard output should have at most: `COLUMNS`, or else the width of
/// the terminal, or else 80.
pub(crate) fn output_width() -> usize {
    let columns = env::var("COLUMNS").ok();
    let terminal = terminal_size_of(io::stdout());
    let terminal_width = terminal.map(|(Width(width), _)| usize::from(width));
    choose_width(columns.as_deref(), terminal_width)
}

fn choose_width(columns: Option<&str>, terminal_width: Option<usize>) -> usize {
    let width = columns
        .and_then(|columns| columns.trim().parse().ok())
        .filter(|width| *width > 0)
        .or(terminal_width);
    width.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_precedes_the_terminal() {
        assert_eq!(choose_width(None, None), 80);
        assert_eq!(choose_width(None, Some(132)), 132);
        assert_eq!(choose_width(Some("100"), Some(132)), 100);
        assert_eq!(choose_width(Some("wide"), Some(132)), 132);
        assert_eq!(choose_width(Some("0"), None), 80);
        assert_eq!(choose_width(Some("20"), Some(132)), 60);
    }
}
