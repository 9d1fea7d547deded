//! Reading a file of expectations: every mistake at once.

mod values;

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::plan::{Attachments, LossReason, RefusalReason};
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, PrefixLists, SecurityGroup};

use super::{ByRule, Case, Event, Expect, Expectations};
use crate::policy::PolicyName;
use crate::yaml::{Content, Mistake, Mistakes, Node, Span, read, shown};
use values::Decoder;

/// Reads a file of expectations, which is told under this name.
///
/// # Errors
/// With everything that is wrong with it.
pub fn decode(name: &str, text: &str) -> Result<Expectations, Mistakes> {
    let mut decoder = Decoder::default();
    let expectations = match read(text) {
        Ok(Node { content: Content::Nothing, span }) => {
            let help = "the shortest has `policy: preset:baseline` and `cases:` with one case";
            decoder.mistakes.push(Mistake::new(span, "the file holds no expectations").help(help));
            None
        }
        Ok(node) => decoder.file(&node),
        Err(mistake) => {
            decoder.mistakes.push(mistake);
            None
        }
    };
    match expectations {
        Some(expectations) if decoder.mistakes.is_empty() => Ok(expectations),
        _ => Err(Mistakes::new(name, text, decoder.mistakes)),
    }
}

const RULE: &str = "expected a rule in one line, such as `tcp 22 0.0.0.0/0`";

impl Decoder {
    fn file(&mut self, node: &Node) -> Option<Expectations> {
        let fields = self.fields(node, "a file of expectations", &["policy", "now", "cases"])?;
        let policy = self.required(&fields, "policy").and_then(|node| self.policy(node));
        let now = fields.get("now").and_then(|node| self.moment(node));
        let mut cases = Vec::new();
        let mut names = BTreeSet::new();
        if let Some(node) = self.required(&fields, "cases") {
            for item in self.list(node, "expected a list of cases: begin each with `- name: `") {
                cases.extend(self.case(item, &mut names));
            }
            if matches!(&node.content, Content::List(items) if items.is_empty()) {
                self.mistakes.push(Mistake::new(node.span, "no cases: this tests nothing"));
            }
        }
        Some(Expectations { policy: policy?, now, cases })
    }

    fn policy(&mut self, node: &Node) -> Option<PolicyName> {
        let expected = "expected a file, as seen from here, or `preset:NAME`";
        let text = self.text(node, expected)?;
        match text.parse() {
            Ok(PolicyName::Text(crate::input::Input::Stdin)) => {
                self.mistakes.push(Mistake::new(node.span, "the policy of a test is a file").label(expected));
                None
            }
            Ok(policy) => Some(policy),
            Err(message) => {
                self.mistakes.push(Mistake::new(node.span, message).label(expected));
                None
            }
        }
    }

    fn moment(&mut self, node: &Node) -> Option<Timestamp> {
        let expected = "expected a time such as 2027-03-01T00:00:00Z";
        let text = self.text(node, expected)?;
        let moment = text.parse().ok();
        if moment.is_none() {
            self.mistakes.push(Mistake::new(node.span, format!("invalid time `{}`", shown(&text))).label(expected));
        }
        moment
    }

    fn case(&mut self, node: &Node, names: &mut BTreeSet<String>) -> Option<Case> {
        let fields = self.fields(node, "a case", &["name", "group", "prefix_lists", "event", "expect"])?;
        let name = self.required(&fields, "name").and_then(|node| {
            let name = self.text(node, "expected some words: what the case is about")?;
            if !names.insert(name.clone()) {
                self.mistakes.push(Mistake::new(node.span, format!("two cases are called `{}`", shown(&name))));
            }
            Some(name)
        });
        let group = self.required(&fields, "group").and_then(|node| self.group(node));
        let prefix_lists = fields.get("prefix_lists").map(|node| self.prefix_lists(node)).unwrap_or_default();
        let event = fields.get("event").map(|node| self.event(node)).unwrap_or_default();
        let expect = self.required(&fields, "expect");
        let (group, attachments) = group?;
        let expect = self.expect(expect?, &group)?;
        Some(Case { name: name?, group, attachments, prefix_lists, event, expect })
    }

    fn event(&mut self, node: &Node) -> Event {
        let Some(fields) = self.fields(node, "an event", &["principal", "account", "region", "time"]) else {
            return Event::default();
        };
        let principals = fields.get("principal").map(|node| self.texts(node)).unwrap_or_default();
        let account = fields.get("account").and_then(|node| self.text(node, "expected an account id"));
        let region = fields.get("region").and_then(|node| self.text(node, "expected a region"));
        let time = fields.get("time").and_then(|node| self.moment(node));
        Event { principals, account, region, time }
    }

    fn group(&mut self, node: &Node) -> Option<(SecurityGroup, Attachments)> {
        let fields = self.fields(node, "a group", &["id", "name", "tags", "vpc", "attached", "rules"])?;
        let mut text = |key| fields.get(key).and_then(|node| self.text(node, "expected a text"));
        let id = text("id").unwrap_or_else(|| "sg-0123456789abcdef0".to_owned());
        let (name, vpc_id) = (text("name"), text("vpc"));
        let tags = fields.get("tags").map(|node| self.tags(node)).unwrap_or_default();
        let attachments = fields.get("attached").map(|node| self.attachments(node)).unwrap_or_default();
        let rules = self.required(&fields, "rules")?;
        let rules =
            self.list(rules, "expected a list of rules").into_iter().filter_map(|item| self.rule(item)).collect();
        Some((SecurityGroup { id, name, vpc_id, tags, rules, ..SecurityGroup::default() }, attachments))
    }

    fn attachments(&mut self, node: &Node) -> Attachments {
        let words = self.words(node, "attachment", &["aws-service", "load-balancer"]);
        Attachments { service_managed: words.contains("aws-service"), load_balancer: words.contains("load-balancer") }
    }

    /// A rule in one line, or with what it has beside that.
    fn rule(&mut self, node: &Node) -> Option<IngressRule> {
        if !matches!(node.content, Content::Map(_)) {
            return self.line(node);
        }
        let fields = self.fields(node, "a rule", &["rule", "id", "description", "tags"])?;
        let mut rule = self.required(&fields, "rule").and_then(|node| self.line(node))?;
        rule.id = fields.get("id").and_then(|node| self.text(node, "expected a text"));
        rule.description = fields.get("description").and_then(|node| self.text(node, "expected a text"));
        rule.tags = fields.get("tags").map(|node| self.tags(node)).unwrap_or_default();
        Some(rule)
    }

    fn line(&mut self, node: &Node) -> Option<IngressRule> {
        let text = self.text(node, RULE)?;
        self.parsed(node.span, &text)
    }

    fn parsed(&mut self, at: Span, text: &str) -> Option<IngressRule> {
        match text.parse() {
            Ok(rule) => Some(rule),
            Err(error) => {
                let error: portcullis_rules::notation::InvalidRule = error;
                self.mistakes.push(Mistake::new(at, crate::output::clean(&error.to_string())).label(RULE));
                None
            }
        }
    }

    fn prefix_lists(&mut self, node: &Node) -> PrefixLists {
        let mut lists = PrefixLists::none();
        for (key, node) in self.map(node, "expected a mapping from `pl-...` to CIDRs") {
            lists.insert(key.text.clone(), []);
            for (at, text) in self.spanned(node, "expected a list of CIDRs") {
                match parse_cidr(&text) {
                    Ok(net) => lists.insert(key.text.clone(), [net]),
                    Err(error) => self.mistakes.push(Mistake::new(at, crate::output::clean(&error.to_string()))),
                }
            }
        }
        lists
    }

    fn expect(&mut self, node: &Node, group: &SecurityGroup) -> Option<Expect> {
        let known = ["findings", "exempt", "removals", "additions", "after", "refusals", "losses"];
        let fields = self.fields(node, "`expect`", &known)?;
        let findings = fields.get("findings").map(|node| self.by_rule(node, group));
        let exempt = fields.get("exempt").map(|node| self.by_rule(node, group));
        let after = fields.get("after").map(|node| self.lines(node, None));
        // What the group is in the end says it all; without it, what is not named must not happen.
        let unnamed = || after.is_none().then(Vec::new);
        let mut removals = unnamed();
        let mut additions = unnamed();
        if let Some(node) = fields.get("removals") {
            removals = Some(self.lines(node, Some(group)));
        }
        if let Some(node) = fields.get("additions") {
            additions = Some(self.lines(node, None));
        }
        let refusals = RefusalReason::ALL.map(RefusalReason::code);
        let refusals = fields.get("refusals").map(|node| self.words(node, "refusal", &refusals)).unwrap_or_default();
        let losses = LossReason::ALL.map(LossReason::code);
        let losses = fields.get("losses").map(|node| self.words(node, "loss", &losses)).unwrap_or_default();
        Some(Expect { findings, exempt, removals, additions, after, refusals, losses })
    }

    /// Rules in their canonical lines; of the group, if one is given.
    fn lines(&mut self, node: &Node, group: Option<&SecurityGroup>) -> Vec<String> {
        let mut lines = Vec::new();
        for (at, text) in self.spanned(node, "expected a list of rules") {
            let Some(rule) = self.parsed(at, &text) else { continue };
            if let Some(group) = group {
                self.must_have(group, &rule, at);
            }
            lines.push(rule.to_string());
        }
        lines
    }

    fn by_rule(&mut self, node: &Node, group: &SecurityGroup) -> ByRule {
        let mut all = ByRule::new();
        for (key, node) in self.map(node, "expected a mapping from rules in one line to ids") {
            let ids = self.texts(node);
            let Some(rule) = self.parsed(key.span, &key.text) else { continue };
            self.must_have(group, &rule, key.span);
            all.entry(rule.to_string()).or_default().extend(ids);
        }
        all.retain(|_, ids| !ids.is_empty());
        all
    }

    fn must_have(&mut self, group: &SecurityGroup, rule: &IngressRule, at: Span) {
        if !group.rules.iter().any(|own| own.same_content(rule)) {
            let message = format!("the group of this case has no rule `{rule}`");
            self.mistakes.push(Mistake::new(at, message).help("list it under `rules` of the group"));
        }
    }
}
