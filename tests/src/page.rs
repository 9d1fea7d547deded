//! Parts of the documentation, for tests that run its commands or compare its tables with the
//! deployed stack.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};

use crate::binary::workspace_root;

/// The text of `docs/operate.md`.
///
/// # Errors
/// When the file cannot be read.
pub fn operate() -> Result<String> {
    fs::read_to_string(workspace_root().join("docs/operate.md"))
        .context("cannot read docs/operate.md")
}

/// The names in the first column of the table below a heading, up to the next heading.
pub fn table(page: &str, heading: &str) -> BTreeSet<String> {
    let below = page.lines().skip_while(|line| *line != heading).skip(1);
    let rows = below
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
        .collect()
}

/// The text of a page in `docs/`.
///
/// # Errors
/// When the file cannot be read.
pub fn read_page(name: &str) -> Result<String> {
    fs::read_to_string(workspace_root().join("docs").join(name))
        .with_context(|| format!("cannot read docs/{name}"))
}

/// The code blocks in this language below a heading, up to the next heading of any level.
pub fn blocks_below(page: &str, heading: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    let mut block: Option<(bool, String)> = None;
    for line in page.lines().skip_while(|line| *line != heading).skip(1) {
        match &mut block {
            Some(_) if line == "```" => blocks.extend(block.take()),
            Some((_, text)) => {
                text.push_str(line);
                text.push('\n');
            }
            None if line.starts_with('#') => break,
            None if line.starts_with("```") => block = Some((line == fence, String::new())),
            None => {}
        }
    }
    let wanted = blocks.into_iter().filter(|(is_wanted, _)| *is_wanted);
    wanted.map(|(_, text)| text).collect()
}
