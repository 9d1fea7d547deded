//! Reading a file of expectations: every mistake at once.

mod values;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::plan::{Attachments, RefusalReason, SkipReason};
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup};

use super::{ExpectedOutcome, IdsByRule, TestCase, TestEvent, TestFile};
use crate::policy::PolicyName;
use crate::yaml::{
    Content, Node, Span, YamlDiagnostic, YamlDiagnostics, printable_excerpt, read_yaml,
};
use values::Decoder;

/// Reads a file of expectations, which is told under this name.
///
/// # Errors
/// With everything that is wrong with it.
pub fn decode_test_file(name: &str, text: &str) -> Result<TestFile, YamlDiagnostics> {
    let mut decoder = Decoder::default();
    let expectations = match read_yaml(text) {
        Ok(Node {
            content: Content::Null,
            span,
        }) => {
            let help = "the shortest has `policy: preset:baseline` and `cases:` with one case";
            decoder
                .diagnostics
                .push(YamlDiagnostic::new(span, "the file holds no expectations").with_help(help));
            None
        }
        Ok(node) => decoder.decode_file(&node),
        Err(mistake) => {
            decoder.diagnostics.push(mistake);
            None
        }
    };
    match expectations {
        Some(expectations) if decoder.diagnostics.is_empty() => Ok(expectations),
        _ => Err(YamlDiagnostics::new(name, text, decoder.diagnostics)),
    }
}

const EXPECTED_RULE: &str = "expected a rule in one line, such as `tcp 22 0.0.0.0/0`";

impl Decoder {
    fn decode_file(&mut self, node: &Node) -> Option<TestFile> {
        let fields =
            self.decode_fields(node, "a file of expectations", &["policy", "now", "cases"])?;
        let policy = self
            .required_field(&fields, "policy")
            .and_then(|node| self.decode_policy(node));
        let now = fields.get("now").and_then(|node| self.decode_time(node));
        let mut cases = Vec::new();
        let mut names = BTreeSet::new();
        if let Some(node) = self.required_field(&fields, "cases") {
            for item in
                self.decode_list(node, "expected a list of cases: begin each with `- name: `")
            {
                cases.extend(self.decode_case(item, &mut names));
            }
            if matches!(&node.content, Content::List(items) if items.is_empty()) {
                self.diagnostics.push(YamlDiagnostic::new(
                    node.span,
                    "no cases: this tests nothing",
                ));
            }
        }
        Some(TestFile {
            policy: policy?,
            now,
            cases,
        })
    }

    fn decode_policy(&mut self, node: &Node) -> Option<PolicyName> {
        let expected = "expected a file, as seen from here, or `preset:NAME`";
        let text = self.decode_text(node, expected)?;
        match text.parse() {
            Ok(PolicyName::Input(crate::input::Input::Stdin)) => {
                self.diagnostics.push(
                    YamlDiagnostic::new(node.span, "the policy of a test is a file")
                        .with_label(expected),
                );
                None
            }
            Ok(policy) => Some(policy),
            Err(message) => {
                self.diagnostics
                    .push(YamlDiagnostic::new(node.span, message).with_label(expected));
                None
            }
        }
    }

    fn decode_time(&mut self, node: &Node) -> Option<Timestamp> {
        let expected = "expected a time such as 2027-03-01T00:00:00Z";
        let text = self.decode_text(node, expected)?;
        let moment = text.parse().ok();
        if moment.is_none() {
            self.diagnostics.push(
                YamlDiagnostic::new(
                    node.span,
                    format!("invalid time `{}`", printable_excerpt(&text)),
                )
                .with_label(expected),
            );
        }
        moment
    }

    fn decode_case(&mut self, node: &Node, names: &mut BTreeSet<String>) -> Option<TestCase> {
        let fields = self.decode_fields(
            node,
            "a case",
            &["name", "group", "prefix_lists", "event", "expect"],
        )?;
        let name = self.required_field(&fields, "name").and_then(|node| {
            let name = self.decode_text(node, "expected some words: what the case is about")?;
            if !names.insert(name.clone()) {
                self.diagnostics.push(YamlDiagnostic::new(
                    node.span,
                    format!("two cases are called `{}`", printable_excerpt(&name)),
                ));
            }
            Some(name)
        });
        let group = self
            .required_field(&fields, "group")
            .and_then(|node| self.decode_group(node));
        let prefix_lists = fields
            .get("prefix_lists")
            .map(|node| self.decode_prefix_lists(node))
            .unwrap_or_default();
        let event = fields
            .get("event")
            .map(|node| self.decode_event(node))
            .unwrap_or_default();
        let expect = self.required_field(&fields, "expect");
        let (group, attachments) = group?;
        let expect = self.decode_expected_outcome(expect?, &group)?;
        Some(TestCase {
            name: name?,
            group,
            attachments,
            prefix_lists,
            event,
            expected: expect,
        })
    }

    fn decode_event(&mut self, node: &Node) -> TestEvent {
        let Some(fields) = self.decode_fields(
            node,
            "an event",
            &["principal", "account", "region", "time"],
        ) else {
            return TestEvent::default();
        };
        let principals = fields
            .get("principal")
            .map(|node| self.decode_texts(node))
            .unwrap_or_default();
        let account = fields
            .get("account")
            .and_then(|node| self.decode_text(node, "expected an account id"));
        let region = fields
            .get("region")
            .and_then(|node| self.decode_text(node, "expected a region"));
        let time = fields.get("time").and_then(|node| self.decode_time(node));
        TestEvent {
            principals,
            account,
            region,
            time,
        }
    }

    fn decode_group(&mut self, node: &Node) -> Option<(SecurityGroup, Attachments)> {
        let fields = self.decode_fields(
            node,
            "a group",
            &["id", "name", "tags", "vpc", "attached", "rules"],
        )?;
        let mut text = |key| {
            fields
                .get(key)
                .and_then(|node| self.decode_text(node, "expected a text"))
        };
        let id = text("id").unwrap_or_else(|| "sg-0123456789abcdef0".to_owned());
        let (name, vpc_id) = (text("name"), text("vpc"));
        let tags = fields
            .get("tags")
            .map(|node| self.decode_tags(node))
            .unwrap_or_default();
        let attachments = fields
            .get("attached")
            .map(|node| self.decode_attachments(node))
            .unwrap_or_default();
        let rules = self.required_field(&fields, "rules")?;
        let rules = self
            .decode_list(rules, "expected a list of rules")
            .into_iter()
            .filter_map(|item| self.decode_rule(item))
            .collect();
        Some((
            SecurityGroup {
                id,
                name,
                vpc_id,
                tags,
                rules,
                ..SecurityGroup::default()
            },
            attachments,
        ))
    }

    fn decode_attachments(&mut self, node: &Node) -> Attachments {
        let words = self.decode_known_words(node, "attachment", &["aws-service", "load-balancer"]);
        Attachments {
            service_managed: words.contains("aws-service"),
            load_balancer: words.contains("load-balancer"),
        }
    }

    /// A rule in one line, or with what it has beside that.
    fn decode_rule(&mut self, node: &Node) -> Option<IngressRule> {
        if !matches!(node.content, Content::Map(_)) {
            return self.decode_rule_line(node);
        }
        let fields = self.decode_fields(node, "a rule", &["rule", "id", "description", "tags"])?;
        let mut rule = self
            .required_field(&fields, "rule")
            .and_then(|node| self.decode_rule_line(node))?;
        rule.id = fields
            .get("id")
            .and_then(|node| self.decode_text(node, "expected a text"));
        rule.description = fields
            .get("description")
            .and_then(|node| self.decode_text(node, "expected a text"));
        rule.tags = fields
            .get("tags")
            .map(|node| self.decode_tags(node))
            .unwrap_or_default();
        Some(rule)
    }

    fn decode_rule_line(&mut self, node: &Node) -> Option<IngressRule> {
        let text = self.decode_text(node, EXPECTED_RULE)?;
        self.parse_rule(node.span, &text)
    }

    fn parse_rule(&mut self, at: Span, text: &str) -> Option<IngressRule> {
        match text.parse() {
            Ok(rule) => Some(rule),
            Err(error) => {
                let error: portcullis_rules::notation::InvalidRule = error;
                self.diagnostics.push(
                    YamlDiagnostic::new(at, crate::text::sanitize_text(&error.to_string()))
                        .with_label(EXPECTED_RULE),
                );
                None
            }
        }
    }

    fn decode_prefix_lists(&mut self, node: &Node) -> PrefixLists {
        let mut lists = PrefixLists::empty();
        for (key, node) in self.decode_entries(node, "expected a mapping from `pl-...` to CIDRs") {
            lists.insert(key.text.clone(), []);
            for (at, text) in self.decode_spanned_texts(node, "expected a list of CIDRs") {
                match parse_cidr(&text) {
                    Ok(net) => lists.insert(key.text.clone(), [net]),
                    Err(error) => self.diagnostics.push(YamlDiagnostic::new(
                        at,
                        crate::text::sanitize_text(&error.to_string()),
                    )),
                }
            }
        }
        lists
    }

    fn decode_expected_outcome(
        &mut self,
        node: &Node,
        group: &SecurityGroup,
    ) -> Option<ExpectedOutcome> {
        let known = [
            "findings",
            "exempt",
            "removals",
            "additions",
            "after",
            "refusals",
            "losses",
        ];
        let fields = self.decode_fields(node, "`expect`", &known)?;
        let findings = fields
            .get("findings")
            .map(|node| self.decode_ids_by_rule(node, group));
        let exempt = fields
            .get("exempt")
            .map(|node| self.decode_ids_by_rule(node, group));
        let after = fields
            .get("after")
            .map(|node| self.decode_rule_lines(node, None));
        // What the group is in the end says it all; without it, what is not named must not happen.
        let unnamed = || after.is_none().then(Vec::new);
        let mut removals = unnamed();
        let mut additions = unnamed();
        if let Some(node) = fields.get("removals") {
            removals = Some(self.decode_rule_lines(node, Some(group)));
        }
        if let Some(node) = fields.get("additions") {
            additions = Some(self.decode_rule_lines(node, None));
        }
        let refusals = RefusalReason::ALL.map(RefusalReason::code);
        let refusals = fields
            .get("refusals")
            .map(|node| self.decode_known_words(node, "refusal", &refusals))
            .unwrap_or_default();
        let losses = SkipReason::ALL.map(SkipReason::code);
        let losses = fields
            .get("losses")
            .map(|node| self.decode_known_words(node, "loss", &losses))
            .unwrap_or_default();
        Some(ExpectedOutcome {
            findings,
            exempt,
            removals,
            additions,
            after,
            refusals,
            skipped_additions: losses,
        })
    }

    /// Rules in their canonical lines; of the group, if one is given.
    fn decode_rule_lines(&mut self, node: &Node, group: Option<&SecurityGroup>) -> Vec<String> {
        let mut lines = Vec::new();
        for (at, text) in self.decode_spanned_texts(node, "expected a list of rules") {
            let Some(rule) = self.parse_rule(at, &text) else {
                continue;
            };
            if let Some(group) = group {
                self.require_group_rule(group, &rule, at);
            }
            lines.push(rule.to_string());
        }
        lines
    }

    fn decode_ids_by_rule(&mut self, node: &Node, group: &SecurityGroup) -> IdsByRule {
        let mut all = IdsByRule::new();
        for (key, node) in
            self.decode_entries(node, "expected a mapping from rules in one line to ids")
        {
            let ids = self.decode_texts(node);
            let Some(rule) = self.parse_rule(key.span, &key.text) else {
                continue;
            };
            self.require_group_rule(group, &rule, key.span);
            all.entry(rule.to_string()).or_default().extend(ids);
        }
        all.retain(|_, ids| !ids.is_empty());
        all
    }

    fn require_group_rule(&mut self, group: &SecurityGroup, rule: &IngressRule, at: Span) {
        if !group.rules.iter().any(|own| own.same_content(rule)) {
            let message = format!("the group of this case has no rule `{rule}`");
            self.diagnostics.push(
                YamlDiagnostic::new(at, message).with_help("list it under `rules` of the group"),
            );
        }
    }
}
