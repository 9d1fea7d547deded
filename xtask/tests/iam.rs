//! The permissions in template.yaml are exactly those that the code needs, and those that change
//! something exist only in enforce mode.
//!
//! `portcullis_aws::iam` is next to the calls and is read as text, because linking it would compile
//! the AWS SDK. template.yaml is read line by line, which keeps its `!Ref`s and needs no YAML
//! parser. A line that is not understood fails the test.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Actions that AWS services perform for the function, not calls in our code: Lambda writes the log
/// and sends failed events to a queue, SNS encrypts the alerts.
const PLATFORM: [&str; 5] = [
    "kms:Decrypt",
    "kms:GenerateDataKey*",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:SendMessage",
];

/// The conditions that can only be true in enforce mode: of the remediator, and of a sweep that
/// remediates.
const ENFORCING: [&str; 2] = ["Enforcing", "SweepRemediates"];

/// Prefixes of actions that do not change a security group.
const READ_ONLY: [&str; 7] = [
    "ec2:Describe",
    "ec2:Get",
    "sns:GetTopicAttributes",
    "sns:Publish",
    "ssm:GetParameter",
    "kms:",
    "logs:",
];

type Actions = BTreeSet<String>;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The strings of `pub const NAME: &[&str] = &[...]`.
fn constant(source: &str, name: &str) -> Actions {
    let start = format!("pub const {name}: &[&str] = &[");
    let (_, rest) = source
        .split_once(&start)
        .unwrap_or_else(|| panic!("crates/aws/src/iam.rs has no `{start}`"));
    let (body, _) = rest.split_once("];").unwrap();
    let body: String = body
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    body.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// One resource of the template.
#[derive(Debug, Default, PartialEq)]
struct Resource {
    kind: String,
    condition: Option<String>,
    actions: Actions,
    lines: Vec<String>,
}

/// The resources by logical id.
fn resources(template: &str) -> BTreeMap<String, Resource> {
    let mut found: BTreeMap<String, Resource> = BTreeMap::new();
    let mut inside = false;
    let mut id = String::new();
    for line in template
        .lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
    {
        match indent(line) {
            0 => inside = line == "Resources:",
            2 if inside => line.trim().trim_end_matches(':').clone_into(&mut id),
            _ if inside => found
                .entry(id.clone())
                .or_default()
                .lines
                .push(line.to_owned()),
            _ => {}
        }
    }
    for resource in found.values_mut() {
        let field = |name: &str| {
            resource
                .lines
                .iter()
                .find_map(|line| line.strip_prefix(&format!("    {name}: ")))
        };
        resource.kind = field("Type").unwrap_or_default().to_owned();
        resource.condition = field("Condition").map(str::to_owned);
        resource.actions = actions(&resource.lines);
    }
    found
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The actions of all statements: `Action: a`, `Action: [a, b]` or a list on the lines below.
fn actions(lines: &[String]) -> Actions {
    let mut found = Actions::new();
    for (at, line) in lines.iter().enumerate() {
        let field = line.trim_start().trim_start_matches("- ");
        assert!(
            !field.starts_with("NotAction"),
            "NotAction allows more than it says"
        );
        let Some(value) = field.strip_prefix("Action:").map(str::trim) else {
            continue;
        };
        if value.is_empty() {
            // After `- `, `Action:` is indented by two more columns than its line.
            let column = line.len() - field.len();
            let below = lines[at + 1..]
                .iter()
                .take_while(|below| indent(below) > column);
            found.extend(
                below.map(|below| action(below.trim().strip_prefix("- ").unwrap_or(below))),
            );
        } else {
            found.extend(value.trim_matches(['[', ']']).split(',').map(action));
        }
    }
    found
}

/// An action in the form `service:Name`. Anything else is a failure.
fn action(text: &str) -> String {
    let text = text.trim().trim_matches('"');
    let (service, name) = text.split_once(':').unwrap_or_default();
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
    assert!(
        plain(service) && (name == "*" || plain(name.trim_end_matches('*'))),
        "not an action: {text:?}"
    );
    text.to_owned()
}

/// The actions that the functions may perform: in every mode, and only in enforce mode.
fn granted(resources: &BTreeMap<String, Resource>) -> (Actions, Actions) {
    let (mut always, mut enforcing) = (Actions::new(), Actions::new());
    for (id, resource) in resources
        .iter()
        .filter(|(_, resource)| resource.kind.starts_with("AWS::IAM::"))
    {
        let to = match resource.condition.as_deref() {
            Some(condition) if ENFORCING.contains(&condition) => &mut enforcing,
            None | Some("HasSlack") => &mut always,
            Some(other) => {
                panic!("{id}: this test does not know the condition {other}")
            }
        };
        to.extend(
            resource
                .actions
                .iter()
                .filter(|action| *action != "sts:AssumeRole")
                .cloned(),
        );
    }
    (always, enforcing)
}

fn template() -> BTreeMap<String, Resource> {
    let resources = resources(&read("template.yaml"));
    assert!(
        resources.contains_key("RemediatorFunction"),
        "template.yaml was not read"
    );
    resources
}

fn union(one: &Actions, other: &Actions) -> Actions {
    one | other
}

#[test]
fn the_template_grants_exactly_what_the_code_needs() {
    let source = read("crates/aws/src/iam.rs");
    let code = union(
        &constant(&source, "ACTIONS"),
        &constant(&source, "MUTATING"),
    );
    let code = union(&code, &constant(&source, "PARAMETER"));
    let code = union(&code, &constant(&source, "SUBSCRIPTIONS"));
    assert!(
        code.contains("ec2:RevokeSecurityGroupIngress"),
        "iam.rs was not read: {code:?}"
    );
    let platform = PLATFORM.into_iter().map(str::to_owned).collect();
    let (always, enforcing) = granted(&template());
    assert_eq!(union(&always, &enforcing), union(&code, &platform));
}

#[test]
fn monitor_mode_grants_no_changes() {
    let mutating = constant(&read("crates/aws/src/iam.rs"), "MUTATING");
    let (always, enforcing) = granted(&template());
    assert_eq!(enforcing, mutating);
    assert!(always.is_disjoint(&mutating), "{always:?}");
    // An action that is missing in the code's list must not be granted either.
    let suspicious: Vec<_> = always
        .iter()
        .filter(|action| {
            *action != "sqs:SendMessage"
                && !READ_ONLY.iter().any(|prefix| action.starts_with(prefix))
        })
        .collect();
    assert!(suspicious.is_empty(), "{suspicious:?}");
}

#[test]
fn both_functions_may_change_the_same_under_their_own_conditions() {
    let mutating = constant(&read("crates/aws/src/iam.rs"), "MUTATING");
    let resources = template();
    for (id, role, condition) in [
        ("RemediatorChangePolicy", "RemediatorRole", ENFORCING[0]),
        ("SweeperChangePolicy", "SweeperRole", ENFORCING[1]),
    ] {
        let policy = &resources[id];
        assert_eq!(
            (&policy.actions, policy.condition.as_deref()),
            (&mutating, Some(condition)),
            "{id}"
        );
        let roles: Vec<_> = policy
            .lines
            .iter()
            .filter(|line| line.contains("Roles:"))
            .collect();
        assert_eq!(roles, [&format!("      Roles: [!Ref {role}]")], "{id}");
    }
    let text = read("template.yaml");
    let sweep = "  SweepRemediates: !And\n    \
                 - !Condition Enforcing\n    \
                 - !Equals [!Ref SweepAction, remediate]\n";
    assert!(
        text.contains(sweep),
        "a sweep must not change anything in monitor mode"
    );
}

/// The only resources that may be tagged.
const TAGGED: &str = "Resource: !Sub \
    arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:security-group-rule/*";

#[test]
fn existing_resources_cannot_be_tagged() {
    let resources = template();
    for resource in resources
        .values()
        .filter(|one| one.actions.contains("ec2:CreateTags"))
    {
        let lines: Vec<String> = resource
            .lines
            .iter()
            .map(|line| line.trim().to_owned())
            .collect();
        let tagging: Vec<_> = lines
            .iter()
            .skip_while(|line| *line != "Action: ec2:CreateTags")
            .take(4)
            .collect();
        assert_eq!(
            tagging,
            [
                "Action: ec2:CreateTags",
                TAGGED,
                "Condition:",
                "StringEquals:",
            ]
        );
        assert_eq!(
            lines
                .iter()
                .filter(|line| *line == "ec2:CreateAction: AuthorizeSecurityGroupIngress")
                .count(),
            1
        );
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.contains("ec2:CreateTags"))
                .count(),
            1
        );
    }
    assert_eq!(
        resources
            .values()
            .filter(|one| one.actions.contains("ec2:CreateTags"))
            .count(),
        2
    );
}

#[test]
fn every_function_has_a_role_of_the_template() {
    let resources = template();
    let functions: Vec<_> = resources
        .iter()
        .filter(|(_, one)| one.kind == "AWS::Serverless::Function")
        .collect();
    assert!(!functions.is_empty());
    for (id, function) in functions {
        let role = function
            .lines
            .iter()
            .find_map(|line| line.strip_prefix("      Role: !GetAtt "));
        let role = role.unwrap_or_else(|| panic!("{id} has no Role, so SAM would generate one"));
        assert_eq!(
            resources[role.trim_end_matches(".Arn")].kind,
            "AWS::IAM::Role"
        );
        let managed = |line: &&String| {
            line.contains("ManagedPolicyArns") || line.starts_with("      Policies:")
        };
        assert_eq!(function.lines.iter().find(managed), None, "{id}");
    }
    let managed = resources
        .values()
        .flat_map(|one| &one.lines)
        .find(|line| line.contains("ManagedPolicyArns"));
    assert_eq!(
        managed, None,
        "this test cannot see what a managed policy grants"
    );
}

const EVERY_FORM: &str = r#"
Conditions:
  Enforcing: x
Resources:
  # Policy: no
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - Statement:
            - Action: sns:Publish
            - Effect: Allow
              Action: [ec2:DescribeSecurityGroups, "kms:GenerateDataKey*"]
  More:
    Type: AWS::IAM::Policy
    Condition: Enforcing
    Properties:
      Statement:
        - Action:
            # why
            - ec2:A
            - ec2:B
          Resource: "*"
Outputs:
  Action: nothing:Here
"#;

#[test]
fn every_form_of_an_action_is_read() {
    let resources = resources(EVERY_FORM);
    assert_eq!(resources.keys().collect::<Vec<_>>(), ["More", "Role"]);
    let (always, enforcing) = granted(&resources);
    assert_eq!(
        always.into_iter().collect::<Vec<_>>(),
        [
            "ec2:DescribeSecurityGroups",
            "kms:GenerateDataKey*",
            "sns:Publish"
        ]
    );
    assert_eq!(
        enforcing.into_iter().collect::<Vec<_>>(),
        ["ec2:A", "ec2:B"]
    );
}

#[test]
fn constants_are_read_on_one_line_or_many() {
    let source = r#"
pub const ACTIONS: &[&str] = &[
    // to "read"
    "ec2:A", // why
    "sns:B",
];
pub const MUTATING: &[&str] = &["ec2:C"];
"#;
    assert_eq!(
        constant(source, "ACTIONS").into_iter().collect::<Vec<_>>(),
        ["ec2:A", "sns:B"]
    );
    assert_eq!(
        constant(source, "MUTATING").into_iter().collect::<Vec<_>>(),
        ["ec2:C"]
    );
}
