//! The rules of the story, and the group they are in.

use anyhow::{Context as _, Result};
use portcullis_e2e::{Group, LocalAws, cloudtrail, rule_id};
use serde_json::{Value, json};

/// A rule as the story needs it. In `source` the words GROUP and LIST stand for ids that exist only later.
#[derive(Clone, Copy, Debug)]
struct Line {
    protocol: &'static str,
    ports: Option<(i32, i32)>,
    source: &'static str,
    description: &'static str,
    offends: bool,
}

/// Before: what a decent group looks like.
const BEFORE: [Line; 4] = [
    fine("tcp", Some((22, 22)), "10.0.0.0/8", "ssh from the offices"),
    fine(
        "tcp",
        Some((5432, 5432)),
        "GROUP",
        "database, for the web servers",
    ),
    fine("tcp", Some((443, 443)), "LIST", "partners"),
    fine("icmp", Some((8, -1)), "0.0.0.0/0", "ping"),
];

/// Then somebody is in a hurry: one call, one good rule and six bad ones.
const CHANGE: [Line; 7] = [
    fine("tcp", Some((443, 443)), "0.0.0.0/0", "the shop"),
    bad("tcp", Some((22, 22)), "0.0.0.0/0", "just for a minute"),
    bad("tcp", Some((8040, 8040)), "0.0.0.0/0", "new admin page"),
    bad("tcp", Some((8040, 8040)), "::/0", "new admin page"),
    bad("tcp", Some((3306, 3306)), "0.0.0.0/1", "not 0.0.0.0/0 :-)"),
    bad(
        "tcp",
        Some((3306, 3306)),
        "128.0.0.0/1",
        "not 0.0.0.0/0 :-)",
    ),
    bad("-1", None, "::/0", "debugging"),
];

const fn fine(
    protocol: &'static str,
    ports: Option<(i32, i32)>,
    source: &'static str,
    description: &'static str,
) -> Line {
    Line {
        protocol,
        ports,
        source,
        description,
        offends: false,
    }
}

const fn bad(
    protocol: &'static str,
    ports: Option<(i32, i32)>,
    source: &'static str,
    description: &'static str,
) -> Line {
    Line {
        offends: true,
        ..fine(protocol, ports, source, description)
    }
}

impl Line {
    /// The rule as one `IpPermission`.
    fn permission(&self, source: &str) -> Value {
        let (list, key) = match source.get(..3) {
            Some("sg-") => ("UserIdGroupPairs", "GroupId"),
            Some("pl-") => ("PrefixListIds", "PrefixListId"),
            _ if source.contains(':') => ("Ipv6Ranges", "CidrIpv6"),
            _ => ("IpRanges", "CidrIp"),
        };
        let mut permission = json!({"IpProtocol": self.protocol});
        if let (Some((from, to)), Some(fields)) = (self.ports, permission.as_object_mut()) {
            fields.insert("FromPort".to_owned(), json!(from));
            fields.insert("ToPort".to_owned(), json!(to));
        }
        if let Some(fields) = permission.as_object_mut() {
            fields.insert(
                list.to_owned(),
                json!([{key: source, "Description": self.description}]),
            );
        }
        permission
    }
}

/// A rule as a row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) protocol: String,
    pub(super) ports: String,
    pub(super) source: String,
    pub(super) description: String,
}

impl Row {
    /// A rule of `DescribeSecurityGroupRules`.
    pub(super) fn of(rule: &Value) -> Self {
        let text = |pointer: &str| rule.pointer(pointer).and_then(Value::as_str);
        let number = |field: &str| rule.get(field).and_then(Value::as_i64).unwrap_or(-1);
        let protocol = text("/IpProtocol").unwrap_or_default();
        let sources = [
            "/CidrIpv4",
            "/CidrIpv6",
            "/PrefixListId",
            "/ReferencedGroupInfo/GroupId",
        ];
        Self {
            id: rule_id(rule),
            protocol: if protocol == "-1" { "all" } else { protocol }.to_owned(),
            ports: ports(protocol, number("FromPort"), number("ToPort")),
            source: sources
                .into_iter()
                .find_map(text)
                .unwrap_or_default()
                .to_owned(),
            description: text("/Description").unwrap_or_default().to_owned(),
        }
    }
}

fn ports(protocol: &str, from: i64, to: i64) -> String {
    match protocol {
        "-1" => "all".to_owned(),
        "icmp" | "icmpv6" => format!("type {from}"),
        _ if from == to => from.to_string(),
        _ => format!("{from}-{to}"),
    }
}

/// The group and what is expected of it.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) group: Group,
    helper: String,
    list: String,
    /// The rules once the group was opened.
    pub(super) opened: Vec<Entry>,
}

/// A rule and what is expected of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) row: Row,
    /// It came with the change.
    pub(super) new: bool,
    pub(super) offends: bool,
}

impl Story {
    /// Makes the group with its decent rules.
    pub(super) fn begin(aws: &LocalAws) -> Result<Self> {
        let ec2 = aws.ec2();
        let group = Group::create(&ec2, "shop-web")?;
        let helper = Group::create_in(&ec2, &group.vpc, "shop-lb")?.id;
        let list = ec2.call(
            "create_managed_prefix_list",
            &json!({
                "PrefixListName": "partners", "AddressFamily": "IPv4", "MaxEntries": 5,
                "Entries": [{"Cidr": "198.51.100.0/24"}, {"Cidr": "203.0.113.7/32"}],
            }),
        )?;
        let list = list
            .pointer("/PrefixList/PrefixListId")
            .and_then(Value::as_str)
            .context("no prefix list")?;
        let mut story = Self {
            helper,
            list: list.to_owned(),
            group,
            opened: Vec::new(),
        };
        story.authorize(&BEFORE, false)?;
        Ok(story)
    }

    /// Opens the group and returns CloudTrail's record of it.
    pub(super) fn open(&mut self, aws: &LocalAws) -> Result<Value> {
        let (permissions, rules) = self.authorize(&CHANGE, true)?;
        Ok(cloudtrail::authorize(
            aws,
            &self.group,
            &permissions,
            &rules,
        ))
    }

    fn authorize(&mut self, lines: &[Line], new: bool) -> Result<(Value, Vec<Value>)> {
        let permissions: Value = lines
            .iter()
            .map(|line| line.permission(&self.source(line)))
            .collect();
        let mut rules = self.group.authorize(&permissions)?;
        rules.sort_by_key(|rule| lines.iter().position(|line| self.is(line, rule)));
        for rule in &rules {
            let line = lines
                .iter()
                .find(|line| self.is(line, rule))
                .context("EC2 made a rule nobody asked for")?;
            let (row, offends) = (Row::of(rule), line.offends);
            self.opened.push(Entry { row, new, offends });
        }
        Ok((permissions, rules))
    }

    fn source(&self, line: &Line) -> String {
        line.source
            .replace("GROUP", &self.helper)
            .replace("LIST", &self.list)
    }

    fn is(&self, line: &Line, rule: &Value) -> bool {
        let row = Row::of(rule);
        let (from, to) = line.ports.unwrap_or((-1, -1));
        row.source == self.source(line) && row.ports == ports(line.protocol, from.into(), to.into())
    }

    /// The rules as they are now.
    pub(super) fn rules(&self) -> Result<Vec<Value>> {
        self.group.rules()
    }

    /// Whether all offending rules are gone.
    pub(super) fn is_closed(&self) -> Result<bool> {
        let ids = self.group.rule_ids()?;
        Ok(!self
            .opened
            .iter()
            .any(|entry| entry.offends && ids.contains(&entry.row.id)))
    }
}
