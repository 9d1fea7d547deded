//! The paths in the pages exist, so that a moved file does not leave a stale reference.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the repository whose files are referred to.
const FOLDERS: [&str; 8] = [
    "crates/",
    "docs/",
    "events/",
    "functions/",
    "schemas/",
    "tests/",
    "xtask/",
    ".github/",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown pages in a folder and its folders. Those of `peers` quote paths of other projects.
fn collect_pages(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_skipped = name.starts_with('.') || ["target", "peers"].contains(&name.as_str());
        if path.is_dir() && !is_skipped {
            collect_pages(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

/// The texts between backticks that are paths of files or folders. Placeholders are none.
fn quoted_paths(page: &str) -> Vec<&str> {
    let quoted = page
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted
        .filter(|text| FOLDERS.iter().any(|folder| text.starts_with(folder)))
        .filter(|text| !text.contains([' ', '*', '<', '{']))
        .collect()
}

#[test]
fn quoted_paths_exist() {
    let mut pages = Vec::new();
    collect_pages(&root(), &mut pages);
    assert!(pages.len() > 15, "{pages:?}");
    let mut missing = Vec::new();
    let mut found = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for path in quoted_paths(&text) {
            found = usize::saturating_add(found, 1);
            if !root().join(path).exists() {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(found > 40, "only {found} paths");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn placeholders_and_commands_are_no_paths() {
    let page = "`docs/rules/<ID>.md`, `crates/*/src`, `tests/tests/burst.rs` and `cargo test`";
    assert_eq!(quoted_paths(page), ["tests/tests/burst.rs"]);
}
