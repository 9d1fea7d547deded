//! The layers of ARCHITECTURE.md as a test: which crate may depend on which, and what a pure crate
//! must never reach.
//!
//! A new package fails until it has a row here, so that somebody decides what it may depend on.
//! `tests/modules` checks the modules inside each crate.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand};

/// One crate of the workspace and what it may depend on.
#[derive(Clone, Copy)]
struct Layer {
    name: &'static str,
    kind: Kind,
    /// The other crates of the workspace that it may use.
    uses: &'static [&'static str],
    /// The other crates of the workspace that only its tests may use.
    tests_use: &'static [&'static str],
    /// Crates from outside that it must not use, beyond what its kind forbids.
    forbidden: &'static [&'static str],
}

impl Layer {
    const fn new(name: &'static str, kind: Kind, uses: &'static [&'static str]) -> Self {
        Self {
            name,
            kind,
            uses,
            tests_use: &[],
            forbidden: &[],
        }
    }

    const fn tests_use(self, tests_use: &'static [&'static str]) -> Self {
        Self { tests_use, ..self }
    }

    const fn forbid(self, forbidden: &'static [&'static str]) -> Self {
        Self { forbidden, ..self }
    }
}

/// What a crate may reach outside the workspace.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// No AWS, no async runtime, no network, not even through other crates.
    Pure,
    /// The only crate that calls AWS.
    Aws,
    /// A Lambda function.
    Function,
    /// None of these.
    Plain,
}

const RULES: &str = "portcullis-rules";
const POLICY: &str = "portcullis-policy";
const REMEDIATION: &str = "portcullis-remediation";
const AWS: &str = "portcullis-aws";
const CLI: &str = "portcullis-cli";
const TESTKIT: &str = "portcullis-testkit";
const E2E: &str = "portcullis-e2e";
const FUNCTION: &str = "portcullis-function";

/// The table of ARCHITECTURE.md.
const LAYERS: &[Layer] = &[
    // Serialization is left to the crates that read and write JSON or YAML.
    Layer::new(RULES, Kind::Pure, &[]).forbid(&["serde", "serde_json"]),
    Layer::new(POLICY, Kind::Pure, &[RULES]),
    Layer::new(REMEDIATION, Kind::Pure, &[RULES]).tests_use(&[TESTKIT]),
    Layer::new(AWS, Kind::Aws, &[RULES, REMEDIATION]).tests_use(&[TESTKIT]),
    Layer::new(CLI, Kind::Plain, &[RULES, POLICY, REMEDIATION, AWS]).tests_use(&[TESTKIT, E2E]),
    Layer::new(TESTKIT, Kind::Plain, &[RULES, REMEDIATION]),
    // What the functions share: settings, services, logging, metrics and errors.
    Layer::new(FUNCTION, Kind::Function, &[RULES, POLICY, REMEDIATION, AWS]),
    Layer::new("remediator", Kind::Function, &[FUNCTION, REMEDIATION, AWS])
        .tests_use(&[TESTKIT, E2E]),
    Layer::new("sweeper", Kind::Function, &[FUNCTION, REMEDIATION, AWS]).tests_use(&[TESTKIT, E2E]),
    // End-to-end tests run the product as processes and read its files; they never use its types.
    Layer::new(E2E, Kind::Plain, &[]).tests_use(&[RULES, REMEDIATION, TESTKIT]),
    Layer::new("xtask", Kind::Plain, &[E2E]),
];

/// A package and what it depends on.
#[derive(Default)]
struct Package {
    member: bool,
    normal: BTreeSet<String>,
    build: BTreeSet<String>,
    dev: BTreeSet<String>,
}

/// The packages by name. Two versions of a crate count as one, because the layers do not depend on
/// versions.
type Graph = BTreeMap<String, Package>;

/// Whether a pure crate must not reach this one.
fn is_impure(name: &str) -> bool {
    let families = [
        "aws", "lambda", "tokio", "hyper", "reqwest", "mio", "socket2", "rustls",
    ];
    families
        .iter()
        .filter_map(|family| name.strip_prefix(family))
        .any(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

/// Every dependency that the layers forbid.
fn violations(layers: &[Layer], graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (name, package) in graph.iter().filter(|(_, package)| package.member) {
        match layers.iter().find(|layer| layer.name == name) {
            Some(layer) => {
                found.extend(workspace_violations(layer, package, graph));
                found.extend(external_violations(layer, package, graph));
            }
            None => found.push(format!("{name} has no row in the table of layers")),
        }
    }
    found
}

/// Dependencies on other crates of the workspace that the table does not allow.
fn workspace_violations(layer: &Layer, package: &Package, graph: &Graph) -> Vec<String> {
    let is_member = |name: &&String| graph.get(*name).is_some_and(|package| package.member);
    let mut found = Vec::new();
    for other in package.normal.union(&package.build).filter(is_member) {
        if !layer.uses.contains(&other.as_str()) {
            found.push(format!("{} must not depend on {other}", layer.name));
        }
    }
    for other in package.dev.iter().filter(is_member) {
        let allowed = [layer.uses, layer.tests_use].concat();
        // A package may depend on itself, to turn on features for its tests.
        if !allowed.contains(&other.as_str()) && layer.name != *other {
            found.push(format!(
                "the tests of {} must not depend on {other}",
                layer.name
            ));
        }
    }
    found
}

/// Crates from outside the workspace that this crate must not use or reach.
fn external_violations(layer: &Layer, package: &Package, graph: &Graph) -> Vec<String> {
    let name = layer.name;
    let mut found = Vec::new();
    for other in package.normal.union(&package.build).chain(&package.dev) {
        if other.starts_with("aws-") && layer.kind != Kind::Aws {
            found.push(format!("{name} must not use {other}: only {AWS} calls AWS"));
        }
        if other.starts_with("lambda_") && layer.kind != Kind::Function {
            found.push(format!(
                "{name} must not use {other}: only functions run in Lambda"
            ));
        }
    }
    for other in layer.forbidden {
        if package.normal.contains(*other) {
            found.push(format!("{name} must not use {other}"));
        }
    }
    if layer.kind == Kind::Pure
        && let Some(path) = path_to_impure(name, graph)
    {
        let path = path.join(" -> ");
        found.push(format!("{name} is pure and must not reach {path}"));
    }
    found
}

/// The shortest path from a crate to an impure one, through what is linked into the product.
fn path_to_impure(from: &str, graph: &Graph) -> Option<Vec<String>> {
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut queue = VecDeque::from([vec![from.to_owned()]]);
    while let Some(path) = queue.pop_front() {
        let package = graph.get(path.last()?)?;
        for next in &package.normal {
            let mut longer = path.clone();
            longer.push(next.clone());
            if is_impure(next) {
                longer.remove(0);
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                queue.push_back(longer);
            }
        }
    }
    None
}

/// The platform that this runs on. Without it, cargo would download the crates of every other
/// platform.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

/// The graph of this workspace as cargo resolves it, with the default features or with those given.
fn workspace(features: Option<CargoOpt>) -> Graph {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let options = [
        "--locked".to_owned(),
        "--filter-platform".to_owned(),
        host(),
    ];
    let mut command = MetadataCommand::new();
    features.map(|features| command.features(features));
    let metadata = command
        .manifest_path(manifest)
        .other_options(options)
        .exec()
        .unwrap();
    let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|package| (&package.id, package.name.to_string()))
        .collect();
    let mut graph = Graph::new();
    for node in &metadata.resolve.as_ref().unwrap().nodes {
        let package = graph.entry(names[&node.id].clone()).or_default();
        package.member |= members.contains(&node.id);
        for dependency in &node.deps {
            let name = &names[&dependency.pkg];
            for kind in &dependency.dep_kinds {
                match kind.kind {
                    DependencyKind::Normal => package.normal.insert(name.clone()),
                    DependencyKind::Build => package.build.insert(name.clone()),
                    DependencyKind::Development => package.dev.insert(name.clone()),
                    other => panic!("unknown kind of dependency: {other:?}"),
                };
            }
        }
    }
    graph
}

#[test]
fn the_workspace_respects_its_layers() {
    let graph = workspace(None);
    // A graph that was not read would pass every check.
    assert!(
        graph[AWS].normal.contains("aws-sdk-ec2"),
        "the graph is not the workspace's"
    );
    assert!(
        path_to_impure(AWS, &graph).is_some(),
        "the graph has no edges"
    );
    assert_eq!(violations(LAYERS, &graph), Vec::<String>::new());
}

#[test]
fn the_cli_without_default_features_is_offline() {
    assert!(
        path_to_impure(CLI, &workspace(None)).is_some(),
        "the feature is on by default"
    );
    assert_eq!(
        path_to_impure(CLI, &workspace(Some(CargoOpt::NoDefaultFeatures))),
        None
    );
}

#[test]
fn the_functions_do_not_compile_what_only_the_cli_needs() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--target", &host()])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    let packages: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    for expected in ["remediator", "sweeper", "aws-sdk-ec2"] {
        assert!(packages.contains(expected), "{expected} is not in {tree}");
    }
    for unwanted in [
        "aws-sdk-sso",
        "aws-sdk-ssooidc",
        "indicatif",
        "portcullis-cli",
    ] {
        assert!(
            !packages.contains(unwanted),
            "`sam build` would compile {unwanted} into the functions"
        );
    }
}

/// A made-up graph, one package a line: `name: normal | build | dev`. A name with `*` is a member
/// of the workspace.
fn graph(lines: &[&str]) -> Graph {
    let mut graph = Graph::new();
    for line in lines {
        let (name, rest) = line.split_once(':').unwrap();
        let mut parts = rest
            .split('|')
            .map(|part| part.split_whitespace().map(str::to_owned).collect());
        let mut next = || parts.next().unwrap_or_default();
        let package = Package {
            member: name.ends_with('*'),
            normal: next(),
            build: next(),
            dev: next(),
        };
        graph.insert(name.trim_end_matches('*').to_owned(), package);
    }
    graph
}

#[track_caller]
fn check(lines: &[&str], expected: &[&str]) {
    assert_eq!(violations(LAYERS, &graph(lines)), expected);
}

#[test]
fn a_valid_graph_passes() {
    check(
        &[
            "portcullis-rules*: ipnet jiff | | proptest",
            "portcullis-remediation*: portcullis-rules serde | | portcullis-testkit tokio",
            "portcullis-testkit*: portcullis-remediation portcullis-rules",
            "portcullis-aws*: portcullis-remediation portcullis-rules aws-sdk-ec2 tokio",
            "remediator*: portcullis-aws lambda_runtime | | portcullis-testkit portcullis-e2e",
            "portcullis-e2e*: anyhow",
            "xtask*: portcullis-e2e",
            "ipnet:",
            "jiff:",
            "proptest:",
            "serde:",
            "anyhow:",
            "tokio: mio",
            "mio:",
            "aws-sdk-ec2: tokio",
            "lambda_runtime: tokio hyper",
            "hyper:",
        ],
        &[],
    );
}

#[test]
fn a_package_without_a_row_fails() {
    check(
        &["portcullis-extras*:"],
        &["portcullis-extras has no row in the table of layers"],
    );
}

#[test]
fn a_dependency_that_is_not_in_the_table_fails() {
    check(
        &[
            "portcullis-rules*: portcullis-remediation",
            "portcullis-remediation*:",
        ],
        &["portcullis-rules must not depend on portcullis-remediation"],
    );
    check(
        &[
            "portcullis-rules*: | portcullis-remediation",
            "portcullis-remediation*:",
        ],
        &["portcullis-rules must not depend on portcullis-remediation"],
    );
}

#[test]
fn the_testkit_is_for_tests_only() {
    check(
        &["remediator*: portcullis-testkit", "portcullis-testkit*:"],
        &["remediator must not depend on portcullis-testkit"],
    );
    check(
        &[
            "portcullis-rules*: | | portcullis-testkit",
            "portcullis-testkit*:",
        ],
        &["the tests of portcullis-rules must not depend on portcullis-testkit"],
    );
}

#[test]
fn a_pure_crate_must_not_reach_an_impure_one_through_others() {
    check(
        &[
            "portcullis-rules*: outer",
            "outer: inner",
            "inner: tokio",
            "tokio:",
        ],
        &["portcullis-rules is pure and must not reach outer -> inner -> tokio"],
    );
    check(
        &[
            "portcullis-remediation*: portcullis-rules",
            "portcullis-rules*: hyper-util",
            "hyper-util:",
        ],
        &[
            "portcullis-remediation is pure and must not reach portcullis-rules -> hyper-util",
            "portcullis-rules is pure and must not reach hyper-util",
        ],
    );
}

#[test]
fn build_and_test_dependencies_of_a_pure_crate_may_be_impure() {
    check(&["portcullis-rules*: | | tokio", "tokio:"], &[]);
    check(
        &[
            "portcullis-rules*: outer",
            "outer: | cc | tokio",
            "cc: tokio",
            "tokio:",
        ],
        &[],
    );
}

#[test]
fn only_the_aws_crate_calls_aws_and_only_functions_run_in_lambda() {
    check(
        &["remediator*: aws-config", "aws-config:"],
        &["remediator must not use aws-config: only portcullis-aws calls AWS"],
    );
    check(
        &[
            "portcullis-testkit*: | | aws-smithy-mocks",
            "aws-smithy-mocks:",
        ],
        &["portcullis-testkit must not use aws-smithy-mocks: only portcullis-aws calls AWS"],
    );
    check(
        &["portcullis-cli*: lambda_runtime", "lambda_runtime:"],
        &["portcullis-cli must not use lambda_runtime: only functions run in Lambda"],
    );
}

#[test]
fn the_rules_crate_does_not_use_serde() {
    check(
        &["portcullis-rules*: serde", "serde:"],
        &["portcullis-rules must not use serde"],
    );
}

#[test]
fn a_family_of_crates_does_not_include_similar_names() {
    for name in [
        "aws-config",
        "lambda_runtime",
        "tokio",
        "tokio-util",
        "hyper",
        "hyper-rustls",
        "reqwest",
        "rustls",
    ] {
        assert!(is_impure(name), "{name}");
    }
    for name in [
        "awsome",
        "tokioish",
        "hyperloglog",
        "futures-util",
        "tracing",
        "mior",
    ] {
        assert!(!is_impure(name), "{name}");
    }
}
