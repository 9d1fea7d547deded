//! The scenario of the demo: a security group, its allowed rules, and the call that opens it.

use anyhow::{Context as _, Result};
use portcullis_e2e::{Group, LocalAws, cloudtrail, rule_id};
use serde_json::{Value, json};

/// A rule of the scenario. In `source`, GROUP and LIST stand for the ids of resources that are
/// created later.
#[derive(Clone, Copy, Debug)]
struct RuleSpec {
    protocol: &'static str,
    ports: Option<(i32, i32)>,
    source: &'static str,
    description: &'static str,
    forbidden: bool,
}

/// The rules of the group at first, all of them allowed.
const BEFORE: [RuleSpec; 4] = [
    allowed("tcp", Some((22, 22)), "10.0.0.0/8", "ssh from the offices"),
    allowed(
        "tcp",
        Some((5432, 5432)),
        "GROUP",
        "database, for the web servers",
    ),
    allowed("tcp", Some((443, 443)), "LIST", "partners"),
    allowed("icmp", Some((8, -1)), "0.0.0.0/0", "ping"),
];

/// The rules that one call then adds: one allowed and six forbidden ones.
const CHANGE: [RuleSpec; 7] = [
    allowed("tcp", Some((443, 443)), "0.0.0.0/0", "the shop"),
    forbidden("tcp", Some((22, 22)), "0.0.0.0/0", "just for a minute"),
    forbidden("tcp", Some((8040, 8040)), "0.0.0.0/0", "new admin page"),
    forbidden("tcp", Some((8040, 8040)), "::/0", "new admin page"),
    forbidden("tcp", Some((3306, 3306)), "0.0.0.0/1", "not 0.0.0.0/0 :-)"),
    forbidden(
        "tcp",
        Some((3306, 3306)),
        "128.0.0.0/1",
        "not 0.0.0.0/0 :-)",
    ),
    forbidden("-1", None, "::/0", "debugging"),
];

const fn allowed(
    protocol: &'static str,
    ports: Option<(i32, i32)>,
    source: &'static str,
    description: &'static str,
) -> RuleSpec {
    RuleSpec {
        protocol,
        ports,
        source,
        description,
        forbidden: false,
    }
}

const fn forbidden(
    protocol: &'static str,
    ports: Option<(i32, i32)>,
    source: &'static str,
    description: &'static str,
) -> RuleSpec {
    RuleSpec {
        forbidden: true,
        ..allowed(protocol, ports, source, description)
    }
}

impl RuleSpec {
    /// The rule as an `IpPermission`.
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

/// A security group rule as a row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleRow {
    pub(super) id: String,
    pub(super) protocol: String,
    pub(super) ports: String,
    pub(super) source: String,
    pub(super) description: String,
}

impl RuleRow {
    /// The row of a rule as `DescribeSecurityGroupRules` describes it.
    pub(super) fn from_rule(rule: &Value) -> Self {
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
            ports: format_ports(protocol, number("FromPort"), number("ToPort")),
            source: sources
                .into_iter()
                .find_map(text)
                .unwrap_or_default()
                .to_owned(),
            description: text("/Description").unwrap_or_default().to_owned(),
        }
    }
}

fn format_ports(protocol: &str, from: i64, to: i64) -> String {
    match protocol {
        "-1" => "all".to_owned(),
        "icmp" | "icmpv6" => format!("type {from}"),
        _ if from == to => from.to_string(),
        _ => format!("{from}-{to}"),
    }
}

/// The security group and what should become of its rules.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) group: Group,
    /// A group that a rule refers to.
    source_group: String,
    prefix_list: String,
    /// All rules, in the order in which they were created.
    pub(super) rules: Vec<DemoRule>,
}

/// A security group rule and whether it should be removed.
#[derive(Debug)]
pub(super) struct DemoRule {
    pub(super) row: RuleRow,
    /// Whether the call that opens the group added it.
    pub(super) new: bool,
    pub(super) forbidden: bool,
}

impl Scenario {
    /// Creates the group with its allowed rules.
    pub(super) fn create(aws: &LocalAws) -> Result<Self> {
        let ec2 = aws.ec2();
        let group = Group::create(&ec2, "shop-web")?;
        let source_group = Group::create_in(&ec2, &group.vpc, "shop-lb")?.id;
        let created = ec2.call(
            "create_managed_prefix_list",
            &json!({
                "PrefixListName": "partners", "AddressFamily": "IPv4", "MaxEntries": 5,
                "Entries": [{"Cidr": "198.51.100.0/24"}, {"Cidr": "203.0.113.7/32"}],
            }),
        )?;
        let prefix_list = created
            .pointer("/PrefixList/PrefixListId")
            .and_then(Value::as_str)
            .context("EC2 returned no prefix list")?;
        let mut scenario = Self {
            source_group,
            prefix_list: prefix_list.to_owned(),
            group,
            rules: Vec::new(),
        };
        scenario.authorize(&BEFORE, false)?;
        Ok(scenario)
    }

    /// Opens the group and returns CloudTrail's record of the call.
    pub(super) fn open(&mut self, aws: &LocalAws) -> Result<Value> {
        let (permissions, rules) = self.authorize(&CHANGE, true)?;
        let record = cloudtrail::authorize(aws, &self.group, &permissions, &rules);
        Ok(record)
    }

    /// Adds rules in one call. Returns the permissions of the call and the rules that EC2 created.
    fn authorize(&mut self, specs: &[RuleSpec], new: bool) -> Result<(Value, Vec<Value>)> {
        let permissions: Value = specs
            .iter()
            .map(|spec| spec.permission(&self.source(spec)))
            .collect();
        let mut created = self.group.authorize(&permissions)?;
        created.sort_by_key(|rule| specs.iter().position(|spec| self.matches(spec, rule)));
        for rule in &created {
            let spec = specs
                .iter()
                .find(|spec| self.matches(spec, rule))
                .context("EC2 created a rule that is not in the call")?;
            self.rules.push(DemoRule {
                row: RuleRow::from_rule(rule),
                new,
                forbidden: spec.forbidden,
            });
        }
        Ok((permissions, created))
    }

    fn source(&self, spec: &RuleSpec) -> String {
        spec.source
            .replace("GROUP", &self.source_group)
            .replace("LIST", &self.prefix_list)
    }

    fn matches(&self, spec: &RuleSpec, rule: &Value) -> bool {
        let row = RuleRow::from_rule(rule);
        let (from, to) = spec.ports.unwrap_or((-1, -1));
        let ports = format_ports(spec.protocol, from.into(), to.into());
        row.source == self.source(spec) && row.ports == ports
    }

    /// The rules as they are now.
    pub(super) fn rules(&self) -> Result<Vec<Value>> {
        self.group.rules()
    }

    /// Whether all forbidden rules have been removed.
    pub(super) fn is_closed(&self) -> Result<bool> {
        let ids = self.group.rule_ids()?;
        let mut forbidden = self.rules.iter().filter(|rule| rule.forbidden);
        Ok(!forbidden.any(|rule| ids.contains(&rule.row.id)))
    }
}
