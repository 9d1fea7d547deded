//! Decodes a test file. Every error is reported, not only the first.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use portcullis_rules::SecurityGroup;

use super::model::{TestCase, TestEvent, TestFile};
use super::values::TestFileDecoder;
use crate::code::Code;
use crate::presets::PolicyReference;
use crate::yaml::{Content, Diagnostic, Diagnostics, Node, Span, parse_yaml, quote_text};

/// Decodes a test file. `file_name` appears in diagnostics.
///
/// # Errors
/// Every error in the text.
pub fn decode_test_file(file_name: &str, text: &str) -> Result<TestFile, Diagnostics> {
    let mut decoder = TestFileDecoder::default();
    let test_file = match parse_yaml(text, &mut decoder.found) {
        Some(node) if !matches!(node.content, Content::Null) => decoder.decode_file(&node),
        _ => {
            if decoder.found.is_empty() {
                decoder.report(empty_test_file());
            }
            None
        }
    };
    match test_file {
        Some(test_file) if decoder.found.is_empty() => Ok(test_file),
        _ => Err(Diagnostics::new(file_name, &Arc::from(text), decoder.found)),
    }
}

fn empty_test_file() -> Diagnostic {
    let help = "a test file needs a `policy`, such as `preset:baseline`, \
                and `cases` with at least one case";
    Diagnostic::new(Code::EmptyFile, Span::default(), "the test file is empty")
        .with_help(help.to_owned())
}

/// The names of the cases so far, with their positions.
type CaseNames = BTreeMap<String, Span>;

impl TestFileDecoder {
    fn decode_file(&mut self, node: &Node<'_>) -> Option<TestFile> {
        let fields = self.decode_fields(node, "a test file", &["policy", "now", "cases"])?;
        let policy = self
            .required_field(&fields, "policy")
            .and_then(|node| self.decode_policy(node));
        let now = fields.get("now").and_then(|node| self.decode_time(node));
        let cases = self
            .required_field(&fields, "cases")
            .map(|node| self.decode_cases(node))
            .unwrap_or_default();
        Some(TestFile {
            policy: policy?,
            now,
            cases,
        })
    }

    fn decode_policy(&mut self, node: &Node<'_>) -> Option<PolicyReference> {
        let expected = "expected `preset:NAME` or a path relative to this file";
        let text = self.decode_text(node, expected)?;
        let message = match text.parse::<PolicyReference>() {
            Ok(_) if text == "-" => "standard input cannot be the policy of a test file".to_owned(),
            Ok(reference) => return Some(reference),
            Err(error) => error.to_string(),
        };
        let diagnostic =
            Diagnostic::new(Code::BadPolicyName, node.span, message).with_label(expected);
        self.report(diagnostic);
        None
    }

    fn decode_time(&mut self, node: &Node<'_>) -> Option<Timestamp> {
        let expected = "expected a time such as 2027-03-01T00:00:00Z";
        let text = self.decode_text(node, expected)?;
        if let Ok(time) = text.parse() {
            return Some(time);
        }
        let message = format!("invalid time {}", quote_text(&text));
        let diagnostic = Diagnostic::new(Code::BadDate, node.span, message).with_label(expected);
        self.report(diagnostic);
        None
    }

    fn decode_cases(&mut self, node: &Node<'_>) -> Vec<TestCase> {
        if matches!(&node.content, Content::List(items) if items.is_empty()) {
            let message = "the test file has no cases";
            self.report(Diagnostic::new(Code::NoCases, node.span, message));
        }
        let mut names = CaseNames::new();
        let mut cases = Vec::new();
        let expected = "expected a list of cases; start each with `- name: `";
        for item in self.decode_list(node, expected) {
            cases.extend(self.decode_case(item, &mut names));
        }
        cases
    }

    fn decode_case(&mut self, node: &Node<'_>, names: &mut CaseNames) -> Option<TestCase> {
        let keys = ["name", "group", "prefix_lists", "event", "expect"];
        let fields = self.decode_fields(node, "a case", &keys)?;
        let name = self
            .required_field(&fields, "name")
            .and_then(|node| self.decode_case_name(node, names));
        let group = self
            .required_field(&fields, "group")
            .and_then(|node| self.decode_group(node));
        let prefix_lists = fields
            .get("prefix_lists")
            .map(|node| self.decode_prefix_lists(node))
            .unwrap_or_default();
        let expect = self.required_field(&fields, "expect");
        let (group, attachments) = group?;
        let event = fields
            .get("event")
            .and_then(|node| self.decode_event(node, &group))
            .unwrap_or_default();
        let expected = self.decode_expected_outcome(expect?, &group)?;
        Some(TestCase {
            name: name?,
            group,
            attachments,
            prefix_lists,
            event,
            expected,
        })
    }

    fn decode_case_name(&mut self, node: &Node<'_>, names: &mut CaseNames) -> Option<String> {
        let name = self.decode_text(node, "expected text that describes the case")?;
        if let Some(earlier) = names.insert(name.clone(), node.span) {
            let message = format!("duplicate case name {}", quote_text(&name));
            let diagnostic = Diagnostic::new(Code::DuplicateId, node.span, message)
                .with_label("used again here")
                .with_related(earlier, "first used here");
            self.report(diagnostic);
        }
        Some(name)
    }

    fn decode_event(&mut self, node: &Node<'_>, group: &SecurityGroup) -> Option<TestEvent> {
        let keys = ["principal", "account", "region", "time", "opened"];
        let fields = self.decode_fields(node, "an event", &keys)?;
        let mut event = TestEvent {
            account: self.optional_text(&fields, "account"),
            region: self.optional_text(&fields, "region"),
            time: fields.get("time").and_then(|node| self.decode_time(node)),
            principals: Vec::new(),
            opened: fields
                .get("opened")
                .map(|node| self.decode_rules_of_group(node, group)),
        };
        if let Some(node) = fields.get("principal") {
            let principals = self.decode_texts(node, "expected an ARN or a list of ARNs");
            event
                .principals
                .extend(principals.into_iter().map(|arn| arn.value));
        }
        Some(event)
    }
}
