//! The tables of `docs/operate.md`, for tests that compare them with the deployed stack.

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
