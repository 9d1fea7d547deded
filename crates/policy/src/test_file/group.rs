//! Decodes the group of a case and its prefix lists.

use portcullis_rules::notation::InvalidRule;
use portcullis_rules::plan::Attachments;
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup};

use super::values::TestFileDecoder;
use crate::code::Code;
use crate::yaml::{Content, Diagnostic, Node, Span, quote_text, sanitize_text};

/// The id of a group that has none.
const DEFAULT_GROUP_ID: &str = "sg-0123456789abcdef0";

impl TestFileDecoder {
    pub(super) fn decode_group(&mut self, node: &Node<'_>) -> Option<(SecurityGroup, Attachments)> {
        let keys = ["id", "name", "tags", "vpc", "attached", "rules"];
        let fields = self.decode_fields(node, "a group", &keys)?;
        let id = self.optional_text(&fields, "id");
        let mut group = SecurityGroup {
            id: id.unwrap_or_else(|| DEFAULT_GROUP_ID.to_owned()),
            name: self.optional_text(&fields, "name"),
            vpc_id: self.optional_text(&fields, "vpc"),
            ..SecurityGroup::default()
        };
        if let Some(tags) = fields.get("tags") {
            group.tags = self.decode_tags(tags);
        }
        let attachments = fields
            .get("attached")
            .map(|node| self.decode_attachments(node))
            .unwrap_or_default();
        let rules = self.required_field(&fields, "rules")?;
        for item in self.decode_list(rules, "expected a list of rules") {
            group.rules.extend(self.decode_rule(item));
        }
        Some((group, attachments))
    }

    fn decode_attachments(&mut self, node: &Node<'_>) -> Attachments {
        let known = ["aws-service", "load-balancer"];
        let words = self.decode_known_words(node, "attachment", &known);
        Attachments {
            service_managed: words.contains("aws-service"),
            load_balancer: words.contains("load-balancer"),
        }
    }

    /// A rule in one line, or a mapping with the rule and its other properties.
    fn decode_rule(&mut self, node: &Node<'_>) -> Option<IngressRule> {
        if !matches!(node.content, Content::Map(_)) {
            return self.decode_rule_line(node);
        }
        let fields = self.decode_fields(node, "a rule", &["rule", "id", "description", "tags"])?;
        let line = self.required_field(&fields, "rule")?;
        let mut rule = self.decode_rule_line(line)?;
        rule.id = self.optional_text(&fields, "id");
        rule.description = self.optional_text(&fields, "description");
        if let Some(tags) = fields.get("tags") {
            rule.tags = self.decode_tags(tags);
        }
        Some(rule)
    }

    fn decode_rule_line(&mut self, node: &Node<'_>) -> Option<IngressRule> {
        let text = self.decode_text(node, "expected a rule such as `tcp 22 0.0.0.0/0`")?;
        self.parse_rule(node.span, &text)
    }

    pub(super) fn parse_rule(&mut self, span: Span, text: &str) -> Option<IngressRule> {
        let error: InvalidRule = match text.parse() {
            Ok(rule) => return Some(rule),
            Err(error) => error,
        };
        let message = format!("invalid rule {}", quote_text(text));
        let diagnostic = Diagnostic::new(Code::BadRule, span, message)
            .with_label(sanitize_text(&error.to_string()));
        self.report(diagnostic);
        None
    }

    pub(super) fn decode_prefix_lists(&mut self, node: &Node<'_>) -> PrefixLists {
        let mut lists = PrefixLists::empty();
        let expected = "expected a mapping of prefix list IDs (`pl-...`) to CIDRs";
        for (id, entries) in self.decode_entries(node, expected) {
            lists.insert(&*id.value, []);
            for cidr in self.decode_texts(entries, "expected a list of CIDRs") {
                match parse_cidr(&cidr.value) {
                    Ok(net) => lists.insert(&*id.value, [net]),
                    Err(_) => self.report_invalid_cidr(cidr.span, &cidr.value),
                }
            }
        }
        lists
    }

    fn report_invalid_cidr(&mut self, span: Span, text: &str) {
        let message = format!("invalid CIDR {}", quote_text(text));
        let expected = "expected a CIDR such as 203.0.113.0/24 or 2001:db8::/32";
        let diagnostic = Diagnostic::new(Code::BadCidr, span, message).with_label(expected);
        self.report(diagnostic);
    }
}
