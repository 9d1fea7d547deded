//! House rules no compiler knows: every module says what it is, no file grows without end, no test is skipped, no
//! version is chosen outside the workspace's own table.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file, without its unit tests.
const LONGEST_FILE: usize = 500;

/// Directories that are not ours.
const NOT_OURS: [&str; 4] = ["target", "node_modules", "cdk.out", "__pycache__"];

/// What must not be in a Rust source; put together here so that this file does not contain it.
const FORBIDDEN: [(&str, &str); 4] = [
    (
        concat!("#[", "ignore"),
        "a test that does not run proves nothing: repair or delete it",
    ),
    (concat!("#[", "should_panic"), "test the error instead"),
    (concat!("to", "do!("), "do it or leave it out"),
    (concat!("unimpl", "emented!("), "do it or leave it out"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// All files below a directory for which `wanted` says yes, in a fixed order.
fn files(directory: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_symlink() || name.starts_with('.') || NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files(&path, wanted, found);
        } else if wanted(&path) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    read_all(&|path| path.extension().is_some_and(|extension| extension == "rs"))
}

fn read_all(wanted: &dyn Fn(&Path) -> bool) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    files(&root, wanted, &mut found);
    let name = |path: &Path| {
        path.strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    found
        .iter()
        .map(|path| (name(path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// What is wrong with a source file.
fn complaints(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !says_what_it_is(text) {
        found.push(format!(
            "{name}: begins without `//!`: what is this module for?"
        ));
    }
    let lines = length(name, text);
    if lines > LONGEST_FILE {
        found.push(format!(
            "{name}: {lines} lines without tests, more than {LONGEST_FILE}: find the seam"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for (word, why) in FORBIDDEN {
            if line.contains(word) {
                found.push(format!("{name}:{number}: `{word}`: {why}"));
            }
        }
    }
    found
}

/// The first thing in the file, after inner attributes, is a `//!` with words in it, or documentation from a file.
fn says_what_it_is(text: &str) -> bool {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !is_plain_attribute(line));
    first.is_some_and(|line| {
        line.strip_prefix("//!")
            .is_some_and(|words| !words.trim().is_empty())
            || line.starts_with("#![doc = include_str!")
    })
}

fn is_plain_attribute(line: &str) -> bool {
    line.starts_with("#![") && !line.starts_with("#![doc")
}

/// Lines up to the unit tests. A file of nothing but unit tests has none.
fn length(name: &str, text: &str) -> usize {
    if name.ends_with("/tests.rs") || name.contains("/src/tests/") {
        return 0;
    }
    let lines: Vec<_> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

/// Dependencies and package fields of a member's manifest which are not taken from the workspace.
fn own_choices(name: &str, manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = "";
    for line in manifest
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']);
            if section.contains("dependencies.") {
                found.push(format!(
                    "{name}: [{section}]: write it as one line with `workspace = true`"
                ));
            }
            continue;
        }
        let inherited = line.contains(".workspace = true") || line.contains("{ workspace = true");
        let key = line.split([' ', '.', '=']).next().unwrap_or_default();
        let shared = ["version", "edition", "rust-version", "license", "publish"].contains(&key);
        if section.ends_with("dependencies") && !inherited {
            found.push(format!(
                "{name}: `{line}`: choose versions in the workspace's Cargo.toml"
            ));
        }
        if section == "package" && shared && !inherited {
            found.push(format!("{name}: `{line}`: the workspace decides this"));
        }
    }
    if !manifest.contains("[lints]\nworkspace = true") {
        found.push(format!("{name}: does not take the workspace's lints"));
    }
    found
}

#[test]
fn every_source_is_tidy() {
    let sources = sources();
    assert!(
        sources.len() > 10,
        "only {} sources were found",
        sources.len()
    );
    let found: Vec<_> = sources
        .iter()
        .flat_map(|(name, text)| complaints(name, text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn members_choose_no_versions() {
    let manifests = read_all(&|path| path.ends_with("Cargo.toml"));
    let members: Vec<_> = manifests
        .iter()
        .filter(|(_, text)| !text.contains("[workspace]"))
        .collect();
    assert!(
        members.len() > 5,
        "only {} members were found",
        members.len()
    );
    let found: Vec<_> = members
        .iter()
        .flat_map(|(name, text)| own_choices(name, text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_module_must_say_what_it_is() {
    assert!(says_what_it_is("//! Ports.\nuse std;"));
    assert!(says_what_it_is("#![forbid(unsafe_code)]\n\n//! Ports."));
    assert!(says_what_it_is("#![doc = include_str!(\"../README.md\")]"));
    assert!(!says_what_it_is("//!\nuse std;"));
    assert!(!says_what_it_is("// Ports.\n//! Late."));
    assert!(!says_what_it_is("use std;\n//! Late."));
    assert!(!says_what_it_is(""));
}

#[test]
fn unit_tests_do_not_count_as_length() {
    let text = "//! a\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
    assert_eq!(length("a/src/lib.rs", text), 2);
    assert_eq!(
        length(
            "a/src/lib.rs",
            "//! a\n#[cfg(test)]\nmod tests;\nfn a() {}\n"
        ),
        4
    );
    assert_eq!(length("a/src/judge/tests.rs", "//! a\n"), 0);
    let long = format!("//! a\n{}", "\n".repeat(LONGEST_FILE));
    assert_eq!(
        complaints("a.rs", &long),
        ["a.rs: 501 lines without tests, more than 500: find the seam"]
    );
}

#[test]
fn forbidden_words_are_found_with_their_line() {
    let text = format!(
        "//! a\n{} = \"slow\"]\n    {})",
        FORBIDDEN[0].0, FORBIDDEN[2].0
    );
    let found = complaints("a.rs", &text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a.rs:2: `#["), "{found:?}");
    assert!(found[1].starts_with("a.rs:3: "), "{found:?}");
}

#[test]
fn a_version_in_a_member_is_found() {
    let good = "[package]\nname = \"a\"\nversion.workspace = true\n[lints]\nworkspace = true\n\n[dependencies]\n\
                # why\nserde.workspace = true\ntokio = { workspace = true, features = [\"rt\"] }\n";
    assert_eq!(own_choices("a", good), Vec::<String>::new());
    for (bad, complaint) in [
        ("[dependencies]\nserde = \"1\"\n", "choose versions"),
        (
            "[dev-dependencies]\nserde = { version = \"1\" }\n",
            "choose versions",
        ),
        (
            "[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n",
            "choose versions",
        ),
        (
            "[dependencies.serde]\nversion = \"1\"\n",
            "write it as one line",
        ),
        ("[package]\nedition = \"2021\"\n", "the workspace decides"),
    ] {
        let found = own_choices("a", &format!("[lints]\nworkspace = true\n{bad}"));
        assert!(
            found.len() == 1 && found[0].contains(complaint),
            "{bad}: {found:?}"
        );
    }
    assert_eq!(
        own_choices("a", "[package]\nname = \"a\"\n"),
        ["a: does not take the workspace's lints"]
    );
}
