//! The rooms (ARCHITECTURE.md) as a test: who may depend on whom, and what a pure room must never reach.
//!
//! A new package fails until it has a row here. That is the point: the row is the decision.

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

/// One room and its doors.
#[derive(Clone, Copy)]
struct Room {
    name: &'static str,
    /// Other rooms it may use.
    may: &'static [&'static str],
    /// Other rooms that only its tests may use.
    tests_may: &'static [&'static str],
    /// Crates from outside it must not name, beyond what its kind forbids.
    must_not: &'static [&'static str],
    kind: Kind,
}

/// What a room may reach outside the workspace.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// No AWS, no runtime, no network, however far away.
    Pure,
    /// The one that speaks AWS.
    Aws,
    /// Knows that it is a Lambda function.
    Function,
    /// Neither.
    Plain,
}

const RULES: &str = "portcullis-rules";
const POLICY: &str = "portcullis-policy";
const REMEDIATION: &str = "portcullis-remediation";
const AWS: &str = "portcullis-aws";
const TESTKIT: &str = "portcullis-testkit";
const E2E: &str = "portcullis-e2e";
const FUNCTION: &str = "portcullis-function";

/// The table of ARCHITECTURE.md.
const ROOMS: &[Room] = &[
    // Its types are the domain's own; bytes are the business of the edges.
    Room {
        name: RULES,
        may: &[],
        tests_may: &[],
        must_not: &["serde", "serde_json"],
        kind: Kind::Pure,
    },
    Room {
        name: POLICY,
        may: &[RULES],
        tests_may: &[],
        must_not: &[],
        kind: Kind::Pure,
    },
    Room {
        name: REMEDIATION,
        may: &[RULES],
        tests_may: &[TESTKIT],
        must_not: &[],
        kind: Kind::Pure,
    },
    Room {
        name: AWS,
        may: &[RULES, REMEDIATION],
        tests_may: &[TESTKIT],
        must_not: &[],
        kind: Kind::Aws,
    },
    Room {
        name: "portcullis-cli",
        may: &[RULES, POLICY, REMEDIATION, AWS],
        tests_may: &[TESTKIT, E2E],
        must_not: &[],
        kind: Kind::Plain,
    },
    Room {
        name: TESTKIT,
        may: &[RULES, REMEDIATION],
        tests_may: &[],
        must_not: &[],
        kind: Kind::Plain,
    },
    // What the functions share: settings, services, logging, metrics and errors.
    Room {
        name: FUNCTION,
        may: &[RULES, POLICY, REMEDIATION, AWS],
        tests_may: &[],
        must_not: &[],
        kind: Kind::Function,
    },
    Room {
        name: "remediator",
        may: &[FUNCTION, REMEDIATION, AWS],
        tests_may: &[TESTKIT, E2E],
        must_not: &[],
        kind: Kind::Function,
    },
    Room {
        name: "sweeper",
        may: &[FUNCTION, REMEDIATION, AWS],
        tests_may: &[TESTKIT, E2E],
        must_not: &[],
        kind: Kind::Function,
    },
    // They look at the product from outside: through processes and files, never through its types.
    Room {
        name: E2E,
        may: &[],
        tests_may: &[RULES, REMEDIATION, TESTKIT],
        must_not: &[],
        kind: Kind::Plain,
    },
    Room {
        name: "xtask",
        may: &[E2E],
        tests_may: &[],
        must_not: &[],
        kind: Kind::Plain,
    },
];

/// A package and what it depends on.
#[derive(Default)]
struct Package {
    member: bool,
    normal: BTreeSet<String>,
    build: BTreeSet<String>,
    dev: BTreeSet<String>,
}

/// The packages by name (two versions of one crate count as one: a wall does not ask for the version).
type Graph = BTreeMap<String, Package>;

/// What no pure room may reach.
fn is_impure(name: &str) -> bool {
    let of = |family: &str| {
        name == family
            || name
                .strip_prefix(family)
                .is_some_and(|rest| rest.starts_with(['-', '_']))
    };
    [
        "aws", "lambda", "tokio", "hyper", "reqwest", "mio", "socket2", "rustls",
    ]
    .into_iter()
    .any(of)
}

/// Every broken rule, in words.
fn violations(rooms: &[Room], graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (name, package) in graph.iter().filter(|(_, package)| package.member) {
        match rooms.iter().find(|room| room.name == name) {
            Some(room) => found.extend(
                arrows(room, package, graph)
                    .into_iter()
                    .chain(outside(room, package, graph)),
            ),
            None => found.push(format!("{name} has no row in the table of rooms")),
        }
    }
    found
}

/// Dependencies on other rooms which the table does not have.
fn arrows(room: &Room, package: &Package, graph: &Graph) -> Vec<String> {
    let is_room = |name: &&String| graph.get(*name).is_some_and(|package| package.member);
    let product = package.normal.union(&package.build).filter(is_room);
    let tests = package.dev.iter().filter(is_room);
    let bad_product = product.filter(|other| !room.may.contains(&other.as_str()));
    let bad_tests = tests.filter(|other| {
        let allowed =
            room.may.contains(&other.as_str()) || room.tests_may.contains(&other.as_str());
        // A package may name itself, to turn on features for its tests.
        !allowed && room.name != *other
    });
    bad_product
        .map(|other| format!("{} must not depend on {other}", room.name))
        .chain(
            bad_tests.map(|other| format!("the tests of {} must not depend on {other}", room.name)),
        )
        .collect()
}

/// Crates from outside the workspace which this room must not name or reach.
fn outside(room: &Room, package: &Package, graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for other in package.normal.union(&package.build).chain(&package.dev) {
        if other.starts_with("aws-") && room.kind != Kind::Aws {
            found.push(format!(
                "{} must not name {other}: only {AWS} speaks AWS",
                room.name
            ));
        }
        if other.starts_with("lambda_") && room.kind != Kind::Function {
            found.push(format!(
                "{} must not name {other}: only the functions are Lambdas",
                room.name
            ));
        }
    }
    for other in room
        .must_not
        .iter()
        .filter(|other| package.normal.contains(**other))
    {
        found.push(format!("{} must not name {other}", room.name));
    }
    if room.kind == Kind::Pure
        && let Some(path) = path_to_impure(room.name, graph)
    {
        found.push(format!(
            "{} is pure and must not reach {}",
            room.name,
            path.join(" -> ")
        ));
    }
    found
}

/// The shortest way from a room to something impure, through what is linked into the product.
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

/// The platform we run on; without it cargo would want to download the crates of every other one.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

/// The graph of this workspace, as cargo resolves it: with the features that are on by default, or with none.
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
                    other => panic!("an unknown kind of dependency: {other:?}"),
                };
            }
        }
    }
    graph
}

#[test]
fn the_rooms_stand() {
    let graph = workspace(None);
    // The reader of the graph must have read something, or everything passes.
    assert!(
        graph[AWS].normal.contains("aws-sdk-ec2"),
        "the graph is not the workspace's"
    );
    assert!(
        path_to_impure(AWS, &graph).is_some(),
        "the graph has no edges"
    );
    assert_eq!(violations(ROOMS, &graph), Vec::<String>::new());
}

#[test]
fn the_command_without_its_feature_is_offline() {
    const CLI: &str = "portcullis-cli";
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
fn a_lambda_does_not_know_how_people_log_in() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--target",
            &host(),
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let has = |name: &str| {
        tree.lines()
            .any(|line| line.split(' ').next() == Some(name))
    };
    assert!(
        has("remediator") && has("sweeper") && has("aws-sdk-ec2"),
        "the tree is not that of the functions: {tree}"
    );
    for not_ours in [
        "aws-sdk-sso",
        "aws-sdk-ssooidc",
        "indicatif",
        "portcullis-cli",
    ] {
        assert!(
            !has(not_ours),
            "`sam build` would compile {not_ours} into the functions"
        );
    }
}

/// A made-up graph: `name: normal | build | dev`; a name with `*` is a member.
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
    assert_eq!(violations(ROOMS, &graph(lines)), expected);
}

#[test]
fn a_sound_graph_passes() {
    check(
        &[
            "portcullis-rules*: ipnet jiff | | proptest",
            "portcullis-remediation*: portcullis-rules serde | | portcullis-testkit tokio",
            "portcullis-testkit*: portcullis-remediation portcullis-rules",
            "portcullis-aws*: portcullis-remediation portcullis-rules aws-sdk-ec2 tokio",
            "remediator*: portcullis-aws portcullis-remediation lambda_runtime tokio | | portcullis-testkit portcullis-e2e",
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
        &["portcullis-extras has no row in the table of rooms"],
    );
}

#[test]
fn an_arrow_that_is_not_in_the_table_fails() {
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
fn a_pure_room_reaches_nothing_impure_even_through_others() {
    check(
        &[
            "portcullis-rules*: innocent",
            "innocent: harmless",
            "harmless: tokio",
            "tokio:",
        ],
        &["portcullis-rules is pure and must not reach innocent -> harmless -> tokio"],
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
fn what_only_builds_or_tests_a_pure_room_may_be_impure() {
    check(&["portcullis-rules*: | | tokio", "tokio:"], &[]);
    check(
        &[
            "portcullis-rules*: innocent",
            "innocent: | cc | tokio",
            "cc: tokio",
            "tokio:",
        ],
        &[],
    );
}

#[test]
fn only_the_adapter_names_aws_and_only_functions_name_lambda() {
    check(
        &["remediator*: aws-config", "aws-config:"],
        &["remediator must not name aws-config: only portcullis-aws speaks AWS"],
    );
    check(
        &[
            "portcullis-testkit*: | | aws-smithy-mocks",
            "aws-smithy-mocks:",
        ],
        &["portcullis-testkit must not name aws-smithy-mocks: only portcullis-aws speaks AWS"],
    );
    check(
        &["portcullis-cli*: lambda_runtime", "lambda_runtime:"],
        &["portcullis-cli must not name lambda_runtime: only the functions are Lambdas"],
    );
}

#[test]
fn the_rules_know_no_bytes() {
    check(
        &["portcullis-rules*: serde", "serde:"],
        &["portcullis-rules must not name serde"],
    );
}

#[test]
fn families_are_told_from_names_that_only_begin_alike() {
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
