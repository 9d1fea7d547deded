//! House rules that no compiler checks: every module has a description, files and lines stay short,
//! no test is skipped, versions and package fields come from the workspace's manifest, and retired
//! words stay retired.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of a source file, without its unit tests.
const LONGEST_FILE: usize = 500;

/// The most characters of a line.
const LONGEST_LINE: usize = 100;

/// Directories with generated files.
const GENERATED: [&str; 4] = ["target", "node_modules", "cdk.out", "__pycache__"];

/// Hidden directories with files of ours.
const HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];

/// What a Rust source must not contain. Each text is in two parts, so that this file does not
/// contain it either.
const FORBIDDEN: [(&str, &str); 4] = [
    (
        concat!("#[", "ignore"),
        "a test that does not run proves nothing: repair or delete it",
    ),
    (concat!("#[", "should_panic"), "test the error instead"),
    (concat!("to", "do!("), "finish it or leave it out"),
    (concat!("unimpl", "emented!("), "finish it or leave it out"),
];

/// The retired words, one a line, and what to write instead.
const RETIRED_WORDS: &str = include_str!("retired-words.txt");

/// Where retired words are searched, besides the sources of what is shipped. STYLE.md and
/// CHANGELOG.md may explain them.
const SEARCHED: [&str; 17] = [
    ".cargo/",
    ".ci/",
    ".github/",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.toml",
    "README.md",
    "SECURITY.md",
    "clippy",
    "deny.toml",
    "docs/",
    "events/README.md",
    "samconfig.toml",
    "schemas/",
    "template.yaml",
    "tests/",
    "xtask/",
];

/// The package fields that members take from the workspace's manifest.
const SHARED_FIELDS: [&str; 9] = [
    "version",
    "edition",
    "rust-version",
    "license",
    "publish",
    "repository",
    "homepage",
    "keywords",
    "categories",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// The files below a directory that are wanted, in a fixed order.
fn files(directory: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
        if path.is_symlink() || is_hidden || GENERATED.contains(&name.as_str()) {
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

/// The wanted files: their paths below the root and their texts.
fn read_all(wanted: &dyn Fn(&Path) -> bool) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    files(&root, wanted, &mut found);
    found
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy();
            (name.into_owned(), fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// What is wrong with a source file.
fn source_violations(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !has_description(text) {
        found.push(format!(
            "{name}: does not begin with `//!`: say what this module is for"
        ));
    }
    let lines = count_lines(name, text);
    if lines > LONGEST_FILE {
        found.push(format!(
            "{name}: {lines} lines without tests, more than {LONGEST_FILE}: split it"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let width = line.chars().count();
        // Tests quote what people read, and rustfmt does not break a string.
        if width > LONGEST_LINE && number <= lines && name.contains("src/") {
            found.push(format!(
                "{name}:{number}: {width} characters, more than {LONGEST_LINE}: wrap it"
            ));
        }
        for (word, why) in FORBIDDEN {
            if line.contains(word) {
                found.push(format!("{name}:{number}: `{word}`: {why}"));
            }
        }
    }
    found
}

/// Whether the file begins, after inner attributes, with a `//!` that is not empty or with
/// documentation from another file.
fn has_description(text: &str) -> bool {
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

/// The lines up to the unit tests. A file with nothing but unit tests has none.
fn count_lines(name: &str, text: &str) -> usize {
    if name.ends_with("/tests.rs") || name.contains("/src/tests/") {
        return 0;
    }
    let lines: Vec<_> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

/// Dependencies and package fields of a member's manifest that are not taken from the workspace.
fn manifest_violations(name: &str, manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = "";
    let lines = manifest.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']);
            if section.contains("dependencies.") {
                found.push(format!(
                    "{name}: [{section}]: write it as one line with `workspace = true`"
                ));
            }
            continue;
        }
        let is_inherited =
            line.contains(".workspace = true") || line.contains("{ workspace = true");
        if section.ends_with("dependencies") && !is_inherited {
            found.push(format!(
                "{name}: `{line}`: choose versions in the workspace's Cargo.toml"
            ));
        }
    }
    for field in SHARED_FIELDS {
        if !manifest.contains(&format!("\n{field}.workspace = true")) {
            found.push(format!("{name}: does not say `{field}.workspace = true`"));
        }
    }
    if !manifest.contains("[lints]\nworkspace = true") {
        found.push(format!("{name}: does not take the workspace's lints"));
    }
    found
}

/// The words of the list, each with what to write instead.
fn parse_retired_words(list: &str) -> Vec<(&str, &str)> {
    list.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(": ").unwrap())
        .collect()
}

/// The retired words in a file.
fn word_violations(name: &str, text: &str, retired: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (word, instead) in retired {
            if has_word(line, word) || has_word(line, &capitalize(word)) {
                found.push(format!("{name}:{number}: `{word}`: write {instead}"));
            }
        }
    }
    found
}

/// A lowercase word as it begins a sentence. Code and names stay as they are.
fn capitalize(word: &str) -> String {
    let is_name = word.contains(|c: char| !c.is_lowercase() && c != ' ');
    let (first, rest) = word.split_at(1);
    if is_name {
        word.to_owned()
    } else {
        first.to_uppercase() + rest
    }
}

/// Whether a line contains this word or phrase, and not only as a part of longer words.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    line.match_indices(word).any(|(start, _)| {
        let is_start = !line[..start].ends_with(is_part);
        let is_end = !line[start + word.len()..].starts_with(is_part);
        is_start && (is_end || word.ends_with('('))
    })
}

/// Whether a file is source code of what is shipped, or text that people read.
fn is_searched(name: &str) -> bool {
    let is_crate = name.starts_with("crates/") || name.starts_with("functions/");
    let is_source = is_crate && name.contains("/src/");
    is_source || SEARCHED.iter().any(|start| name.starts_with(start))
}

fn is_text(path: &Path) -> bool {
    let kinds = ["json", "md", "py", "rs", "run", "toml", "yaml", "yml"];
    let kind = path.extension().or(path.file_name()).unwrap();
    kinds.iter().any(|one| kind == *one)
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
        .flat_map(|(name, text)| source_violations(name, text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn members_inherit_versions_and_package_fields() {
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
        .flat_map(|(name, text)| manifest_violations(name, text))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_retired_word_is_used() {
    let mut texts = read_all(&is_text);
    texts.retain(|(name, _)| is_searched(name));
    for expected in ["README.md", "crates/rules/src/lib.rs", ".ci/run"] {
        let is_read = texts.iter().any(|(name, _)| name == expected);
        assert!(is_read, "{expected} was not searched");
    }
    let retired = parse_retired_words(RETIRED_WORDS);
    let found: Vec<_> = texts
        .iter()
        .flat_map(|(name, text)| word_violations(name, text, &retired))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_module_needs_a_description() {
    assert!(has_description("//! Ports.\nuse std;"));
    assert!(has_description("#![forbid(unsafe_code)]\n\n//! Ports."));
    assert!(has_description("#![doc = include_str!(\"../README.md\")]"));
    assert!(!has_description("//!\nuse std;"));
    assert!(!has_description("// Ports.\n//! Late."));
    assert!(!has_description("use std;\n//! Late."));
    assert!(!has_description(""));
}

#[test]
fn unit_tests_do_not_count_as_lines() {
    let inline_tests = "//! a\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
    assert_eq!(count_lines("a/src/lib.rs", inline_tests), 2);
    let declared_tests = "//! a\n#[cfg(test)]\nmod tests;\nfn a() {}\n";
    assert_eq!(count_lines("a/src/lib.rs", declared_tests), 4);
    assert_eq!(count_lines("a/src/plan/tests.rs", "//! a\n"), 0);
    let long = format!("//! a\n{}", "\n".repeat(LONGEST_FILE));
    assert_eq!(
        source_violations("a.rs", &long),
        ["a.rs: 501 lines without tests, more than 500: split it"]
    );
}

#[test]
fn long_lines_are_found() {
    let text = format!("//! a\n{}\n{}", "é".repeat(100), "e".repeat(101));
    assert_eq!(
        source_violations("src/a.rs", &text),
        ["src/a.rs:3: 101 characters, more than 100: wrap it"]
    );
}

#[test]
fn forbidden_words_are_found_with_their_line() {
    let text = format!(
        "//! a\n{} = \"slow\"]\n    {})",
        FORBIDDEN[0].0, FORBIDDEN[2].0
    );
    let found = source_violations("a.rs", &text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("a.rs:2: `#["), "{found:?}");
    assert!(found[1].starts_with("a.rs:3: "), "{found:?}");
}

#[test]
fn retired_words_are_found_as_whole_words() {
    let list = "# Why.\n\nold word: new\nOldName: NewName\nfn old(: a verb\n";
    let retired = parse_retired_words(list);
    for text in ["an old word.", "Old word", "`OldName`", "fn old(x: u8)"] {
        assert_eq!(word_violations("a", text, &retired).len(), 1, "{text}");
    }
    for text in [
        "cold word",
        "old wording",
        "old word-list",
        "OldNames",
        "fn older()",
    ] {
        assert_eq!(word_violations("a", text, &retired), [""; 0], "{text}");
    }
    assert_eq!(
        word_violations("a.md", "new\nold word", &retired),
        ["a.md:2: `old word`: write new"]
    );
}

#[test]
fn choices_of_a_member_are_found() {
    let fields = SHARED_FIELDS.map(|field| format!("{field}.workspace = true\n"));
    let start = format!(
        "[package]\nname = \"a\"\n{}[lints]\nworkspace = true\n",
        fields.concat()
    );
    let good = "[dependencies]\n# why\nserde.workspace = true\n\
                tokio = { workspace = true, features = [\"rt\"] }\n";
    assert_eq!(manifest_violations("a", &format!("{start}{good}")), [""; 0]);
    for (bad, violation) in [
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
    ] {
        let found = manifest_violations("a", &format!("{start}{bad}"));
        assert!(
            found.len() == 1 && found[0].contains(violation),
            "{bad}: {found:?}"
        );
    }
    for (inherited, own, violation) in [
        (
            "edition.workspace = true",
            "edition = \"2021\"",
            "a: does not say `edition.workspace = true`",
        ),
        (
            "[lints]\nworkspace = true",
            "",
            "a: does not take the workspace's lints",
        ),
    ] {
        let manifest = start.replace(inherited, own);
        assert_eq!(manifest_violations("a", &manifest), [violation]);
    }
}
