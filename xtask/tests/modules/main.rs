//! The modules inside each crate: no import cycle, and no import from a lower layer to a higher
//! one.
//!
//! A parent module may declare its children and re-export their items (`mod x; pub use x::Y;`)
//! without importing them. What two modules share belongs in a third one that both can import.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

mod graph;
mod imports;

use std::fs;
use std::path::{Path, PathBuf};

use graph::{ImportGraph, Layers};

/// The layers of the larger crates, lowest first.
const LAYERS: &[(&str, Layers)] = &[
    (
        "crates/rules",
        &[
            &[
                "address", "group", "notation", "ports", "protocol", "source", "traffic",
            ],
            &["exposure"],
            &["baseline", "check", "exception", "policy", "scope"],
            &["evaluate"],
            &["plan"],
            &["verify"],
            &["decide"],
        ],
    ),
    (
        "crates/policy",
        &[
            &["code", "coverage"],
            &["yaml"],
            &["presets", "record", "regions", "schema_table"],
            &["scalar"],
            &["decode", "json_schema", "render", "resolve", "test_file"],
            &["load"],
            &["edit", "lint"],
        ],
    ),
    (
        "crates/remediation",
        &[
            &["partition", "services"],
            &["event"],
            &["report"],
            &["alert", "remediator"],
            &["sweeper"],
        ],
    ),
    (
        "crates/aws",
        &[
            &["clock", "config", "convert", "error", "iam"],
            &["call", "edit", "http"],
            &[
                "attachments",
                "authorize",
                "merge",
                "parameter",
                "prefix_lists",
                "publish",
                "revoke",
                "subscriptions",
            ],
            &["list", "read"],
            &["client", "session"],
        ],
    ),
    (
        "crates/cli",
        &[
            &["exit", "rule_pages", "terminal", "text", "usage", "wrap"],
            &["describe", "output"],
            &["audit", "error", "table"],
            &["input"],
            &["policy"],
            &["args"],
            &["live"],
            &["command"],
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates of the workspace: their directories below the root.
fn crates() -> Vec<String> {
    let mut found = vec!["tests".to_owned(), "xtask".to_owned()];
    for parent in ["crates", "functions"] {
        for entry in fs::read_dir(root().join(parent)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            found.push(format!("{parent}/{name}"));
        }
    }
    found.sort();
    found
}

/// The Rust files below a directory: their paths below `top` and their texts.
fn read_sources(directory: &Path, top: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, top, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).unwrap().to_string_lossy();
            found.push((name.into_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}

fn read_crate(directory: &str) -> Result<ImportGraph, String> {
    let source_directory = root().join(directory).join("src");
    let mut files = Vec::new();
    read_sources(&source_directory, &source_directory, &mut files);
    ImportGraph::read(&files)
}

fn layers_of(directory: &str) -> Option<Layers> {
    let row = LAYERS.iter().find(|(name, _)| *name == directory);
    row.map(|(_, layers)| *layers)
}

#[test]
fn modules_have_no_cycles_and_import_no_higher_layer() {
    let (mut modules, mut imports) = (0, 0);
    let mut violations = Vec::new();
    for directory in crates() {
        let graph = read_crate(&directory).unwrap_or_else(|error| panic!("{directory}: {error}"));
        modules += graph.module_count();
        imports += graph.import_count();
        let mut found = graph.cycles();
        if let Some(layers) = layers_of(&directory) {
            found.extend(graph.layer_violations(layers));
        }
        violations.extend(
            found
                .iter()
                .map(|violation| format!("{directory}: {violation}")),
        );
    }
    // A check that read nothing would always pass.
    assert!(modules > 100, "only {modules} modules were read");
    assert!(imports > 200, "only {imports} imports were found");
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A small crate of two layers.
const SMALL: Layers = &[&["low"], &["high"]];

/// What is wrong with a made-up crate.
fn violations(files: &[(&str, &str)]) -> Vec<String> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let files: Vec<_> = files.iter().map(owned).collect();
    let graph = ImportGraph::read(&files).unwrap();
    [graph.cycles(), graph.layer_violations(SMALL)].concat()
}

#[track_caller]
fn assert_violations(high: &str, low: &str, expected: &[&str]) {
    let root = ("lib.rs", "mod high;\nmod low;\npub use high::High;");
    let found = violations(&[root, ("high.rs", high), ("low.rs", low)]);
    assert_eq!(found, expected);
}

#[test]
fn downward_imports_pass() {
    assert_violations(
        "use crate::low::Low;\nuse super::low;\npub struct High(Low);\nfn f() { low::g() }",
        "use std::fmt;\npub struct Low;\npub fn g() {}",
        &[],
    );
}

#[test]
fn a_parent_may_declare_and_reexport_its_children() {
    let parent = "mod child;\nmod other;\npub use child::{self, Child};\npub(crate) use other::*;";
    let found = violations(&[
        ("lib.rs", "mod high;\nmod low;"),
        ("low.rs", parent),
        (
            "low/child.rs",
            "use super::other::Other;\npub struct Child(Other);",
        ),
        ("low/other.rs", "pub struct Other;"),
        ("high/mod.rs", "use crate::low::{Child, child};"),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_binary_beside_a_library_is_another_crate() {
    let found = violations(&[
        ("lib.rs", "mod high;\nmod low;"),
        ("main.rs", "use small::High;"),
        ("high.rs", ""),
        ("low.rs", ""),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_cycle_is_found_however_the_import_is_written() {
    let cycle = "import cycle: high (line 1) -> low (line 1) -> high";
    let upward = "low (line 1) imports high, which is in a higher layer";
    for import in [
        "use crate::high::High;",
        "use super::high;",
        "use {std::fmt, super::{high::{self as other}}};",
        "fn f() -> crate::high::High { todo() }",
        "fn f() { super::high::g() }",
        "fn f() -> String { format!(\"{}\", crate::high::NAME) }",
        "fn f() { use super::high::*; }",
        "mod inner { use super::super::high::High; }",
        // By way of the crate root, which only re-exports it.
        "use crate::High;",
        "#[cfg(not(test))] use crate::high::High;",
    ] {
        assert_violations("use crate::low::Low;", import, &[cycle, upward]);
    }
}

#[test]
fn a_cycle_between_parent_and_child_is_found() {
    let found = violations(&[
        ("lib.rs", "mod high;\nmod low;"),
        ("high.rs", ""),
        (
            "low.rs",
            "mod child;\npub use child::Child;\npub fn make() -> Child { Child(Low) }\nstruct Low;",
        ),
        ("low/child.rs", "use super::Low;\npub struct Child(Low);"),
    ]);
    assert_eq!(
        found,
        ["import cycle: low (line 3) -> low::child (line 1) -> low"]
    );
}

#[test]
fn longer_cycles_are_found_and_named_once() {
    let found = violations(&[
        ("lib.rs", "mod high;\nmod low;"),
        ("high.rs", ""),
        ("low/a.rs", "\nuse super::b;"),
        ("low/b.rs", "use super::c;"),
        ("low/c.rs", "use super::a;"),
        ("low.rs", "mod a;\nmod b;\nmod c;"),
    ]);
    assert_eq!(
        found,
        ["import cycle: low::a (line 2) -> low::b (line 1) -> low::c (line 1) -> low::a"]
    );
}

#[test]
fn an_upward_import_is_found_without_a_cycle() {
    assert_violations(
        "",
        "\nuse crate::high::High;",
        &["low (line 2) imports high, which is in a higher layer"],
    );
}

#[test]
fn code_that_only_tests_compile_is_ignored() {
    let import = "use crate::high::High;";
    for test_code in [
        format!("#[cfg(test)]\n{import}"),
        format!("#[cfg(test)]\nmod tests {{ {import} }}"),
        format!("#[cfg(all(test, unix))]\nfn f() {{ {import} }}"),
        format!("struct A;\nimpl A {{ #[cfg(test)] fn f() {{ {import} }} }}"),
    ] {
        assert_violations("use crate::low::Low;", &test_code, &[]);
    }
    let found = violations(&[
        ("lib.rs", "mod high;\nmod low;"),
        ("high.rs", ""),
        (
            "low.rs",
            "#[cfg(test)]\nmod fakes;\n#[cfg(test)]\nmod tests;",
        ),
        ("low/fakes.rs", import),
        ("low/fakes/more.rs", import),
        ("low/tests.rs", import),
        ("low/samples.rs", import),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_table_of_layers_and_the_modules_must_agree() {
    assert_eq!(
        violations(&[
            ("lib.rs", "mod extra;\nmod high;"),
            ("extra.rs", ""),
            ("high.rs", "")
        ]),
        ["extra has no layer", "low has a layer and does not exist"]
    );
}

#[test]
fn a_file_that_cannot_be_parsed_is_an_error() {
    let files = [("low.rs".to_owned(), "fn {".to_owned())];
    let error = ImportGraph::read(&files).unwrap_err();
    assert!(error.starts_with("cannot parse low.rs: "), "{error}");
}
