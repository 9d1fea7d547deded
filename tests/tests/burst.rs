//! A hundred events at once on forty groups, with concurrent runs of the function on the same
//! group.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_e2e::{
    Call, Deployment, Fault, Group, LocalAws, Options, Stack, binary, cloudtrail, rule_id,
    wait_until,
};
use serde_json::{Value, json};

/// How long all runs may take. Usually they take ten seconds; a debug build on a busy machine needs
/// more.
const LIMIT: Duration = Duration::from_mins(3);
const GROUPS: usize = 40;
/// The most events on one group.
const MOST_EVENTS: usize = 4;
/// The most events that EventBridge accepts in one call.
const BATCH: usize = 10;

/// What each event of a group opens, in order: protocol, port and sources. They have no rule in
/// common, so each must be removed and reported separately.
const OPENINGS: [(&str, u16, &[&str]); MOST_EVENTS] = [
    ("tcp", 22, &["0.0.0.0/0"]),
    ("tcp", 3306, &["0.0.0.0/0", "::/0"]),
    ("udp", 8040, &["::/0"]),
    ("tcp", 3389, &["0.0.0.0/1", "128.0.0.0/1"]),
];

fn permission(protocol: &str, port: u16, sources: &[&str]) -> Value {
    let (ipv6, ipv4): (Vec<&str>, Vec<&str>) =
        sources.iter().partition(|source| source.contains(':'));
    let ipv4: Vec<Value> = ipv4
        .into_iter()
        .map(|source| json!({"CidrIp": source}))
        .collect();
    let ipv6: Vec<Value> = ipv6
        .into_iter()
        .map(|source| json!({"CidrIpv6": source}))
        .collect();
    json!({
        "IpProtocol": protocol, "FromPort": port, "ToPort": port,
        "IpRanges": ipv4, "Ipv6Ranges": ipv6,
    })
}

/// A group, its allowed rules, and what was opened.
struct Target {
    group: Group,
    allowed: Vec<String>,
    opened: BTreeSet<String>,
}

impl Target {
    fn create(aws: &LocalAws, vpc: &str, number: usize) -> Result<Self> {
        let group = Group::create_in(&aws.ec2(), vpc, &format!("burst-{number}"))?;
        let allowed = [
            permission("tcp", 22, &["10.0.0.0/8"]),
            permission("tcp", 443, &["0.0.0.0/0", "::/0"]),
        ];
        let rules = group.authorize(&json!(allowed))?;
        Ok(Self {
            group,
            allowed: rules.iter().map(rule_id).collect(),
            opened: BTreeSet::new(),
        })
    }

    /// Opens the group and returns CloudTrail's record of the call.
    fn open(&mut self, aws: &LocalAws, opening: usize) -> Result<Value> {
        let (protocol, port, sources) = OPENINGS[opening];
        let permissions = json!([permission(protocol, port, sources)]);
        let made = self.group.authorize(&permissions)?;
        self.opened.extend(
            sources
                .iter()
                .map(|source| format!("{protocol} {port} {source}")),
        );
        Ok(cloudtrail::authorize(aws, &self.group, &permissions, &made))
    }
}

/// The group and the opening of each event. A group has one to four events. For half of the groups,
/// the events of a group follow one another, so that their runs start together. The other events
/// come in rounds, so that a run can overlap with an earlier one on the same group.
fn schedule() -> Vec<(usize, usize)> {
    let (together, in_rounds): (Vec<usize>, Vec<usize>) =
        (0..GROUPS).partition(|group| (group / MOST_EVENTS).is_multiple_of(2));
    let openings = |group: &usize| 0..=(group % MOST_EVENTS);
    let mut events: Vec<_> = together
        .iter()
        .flat_map(|group| openings(group).map(|opening| (*group, opening)))
        .collect();
    let rounds =
        (0..MOST_EVENTS).flat_map(|opening| in_rounds.iter().map(move |group| (*group, opening)));
    events.extend(rounds.filter(|(group, opening)| openings(group).contains(opening)));
    events
}

struct Scene {
    aws: LocalAws,
    stack: Stack,
    targets: Vec<Target>,
}

impl Scene {
    fn new(groups: usize) -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        let stack = aws.deploy(&Deployment::of_this_project(&binary("remediator")?))?;
        aws.subscribe(stack.output("AlertTopicArn")?, "sqs", "")?;
        let vpc = aws
            .ec2()
            .call("create_vpc", &json!({"CidrBlock": "10.20.0.0/16"}))?;
        let vpc = vpc["Vpc"]["VpcId"].as_str().context("no VPC")?;
        let targets = (0..groups)
            .map(|number| Target::create(&aws, vpc, number))
            .collect::<Result<_>>()?;
        Ok(Self {
            aws,
            stack,
            targets,
        })
    }

    /// Delays the next revokes by these times. A run that reads the group in the meantime plans to
    /// remove the same rules.
    fn delay_revokes(&self, delays: &[u64], times: u32) -> Result<()> {
        let ec2 = self.aws.ec2();
        let fault = |delay: &u64| {
            Fault::slow("RevokeSecurityGroupIngress", Duration::from_millis(*delay)).times(times)
        };
        Ok(delays
            .iter()
            .try_for_each(|delay| ec2.fault(&fault(delay)))?)
    }

    /// How many revokes there were so far. A revoke fails if another run was faster.
    fn count_revokes(&self, is_counted: impl Fn(&Call) -> bool) -> Result<usize> {
        let calls = self
            .aws
            .ec2()
            .calls()?
            .into_iter()
            .filter(|call| call.action == "RevokeSecurityGroupIngress");
        Ok(calls.filter(is_counted).count())
    }

    /// Checks that only the allowed rules remain, every removal was reported, and no event failed.
    fn assert_all_closed(&self) -> Result<()> {
        let reported = self.reported_removals()?;
        for target in &self.targets {
            let name = &target.group.name;
            assert_eq!(
                reported.get(&target.group.id),
                Some(&target.opened),
                "reported for {name}"
            );
            assert_eq!(target.group.rule_ids()?, target.allowed, "rules of {name}");
        }
        for queue in ["FailedEventsQueueUrl", "UndeliveredEventsQueueUrl"] {
            assert_eq!(self.count_messages(queue)?, "0", "{queue}");
        }
        Ok(())
    }

    /// Opens the first group, puts the event on the event bus and returns its id.
    fn open(&mut self, opening: usize) -> Result<String> {
        let target = self.targets.first_mut().context("no group")?;
        let record = target.open(&self.aws, opening)?;
        self.aws.put_event(&record)?;
        Ok(record["eventID"].as_str().context("no id")?.to_owned())
    }

    /// Opens all groups, puts the events on the event bus in batches and returns their ids.
    fn open_all(&mut self) -> Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for batch in schedule().chunks(BATCH) {
            let open =
                |(group, opening): &(usize, usize)| self.targets[*group].open(&self.aws, *opening);
            let records = batch.iter().map(open).collect::<Result<Vec<_>>>()?;
            self.aws.put_events(&records)?;
            ids.extend(
                records
                    .iter()
                    .filter_map(|record| record["eventID"].as_str())
                    .map(str::to_owned),
            );
        }
        Ok(ids)
    }

    /// Waits until the function has handled all these events.
    fn wait_for(&self, events: &BTreeSet<String>) -> Result<()> {
        wait_until("all events to be handled", LIMIT, || {
            // Checking too often would slow the function down.
            std::thread::sleep(Duration::from_millis(200));
            Ok(self.handled_events()?.is_superset(events).then_some(()))
        })
        .map_err(|error| error.context(self.error_log()))
    }

    /// The events after which the group is closed, by this run or another one.
    fn handled_events(&self) -> Result<BTreeSet<String>> {
        let lines = self
            .aws
            .logs(self.stack.output("RemediatorFunctionName")?)?;
        let lines = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let handled = lines
            .filter(|line| line["message"] == "group evaluated" && line["outcome"] != "not-closed");
        Ok(handled
            .filter_map(|line| line["event.id"].as_str().map(str::to_owned))
            .collect())
    }

    /// The rules that were reported as removed, by group.
    fn reported_removals(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut removals: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for message in self.aws.inbox()? {
            let report = message.json()?;
            let group = report["group"]["id"].as_str().context("no group")?;
            let removed = removals.entry(group.to_owned()).or_default();
            for rule in report["rules"].as_array().context("no rules")? {
                if rule["status"] == "applied" {
                    let [protocol, source] = ["protocol", "source"]
                        .map(|field| rule[field].as_str().unwrap_or_default());
                    removed.insert(format!("{protocol} {} {source}", rule["from_port"]));
                }
            }
        }
        Ok(removals)
    }

    /// How many messages are in a queue of the stack.
    fn count_messages(&self, output: &str) -> Result<String> {
        let args = json!({"QueueUrl": self.stack.output(output)?, "AttributeNames": ["All"]});
        let answer = self.aws.call("sqs", "get_queue_attributes", &args)?;
        let count = answer["Attributes"]["ApproximateNumberOfMessages"].as_str();
        Ok(count.context("no count")?.to_owned())
    }

    fn error_log(&self) -> String {
        let function = self
            .stack
            .output("RemediatorFunctionName")
            .unwrap_or_default();
        let log = self.aws.logs(function).unwrap_or_default();
        let server = self.aws.server_log("cloud").unwrap_or_default();
        log.into_iter()
            .filter(|line| line.contains("ERROR"))
            .chain([server])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[test]
fn the_schedule_has_a_hundred_events_with_one_to_four_for_each_group() {
    let events = schedule();
    assert_eq!(events.len(), 100);
    assert_eq!(events.iter().collect::<BTreeSet<_>>().len(), 100);
    for group in 0..GROUPS {
        assert_eq!(
            events.iter().filter(|(other, _)| *other == group).count(),
            group % MOST_EVENTS + 1
        );
    }
}

#[test]
fn a_burst_closes_every_group_and_loses_no_alert() -> Result<()> {
    let mut scene = Scene::new(GROUPS)?;
    scene.delay_revokes(&[300], 10_000)?;
    let events = scene.open_all()?;
    scene.wait_for(&events)?;
    scene.assert_all_closed()?;
    let late = scene.count_revokes(|call| call.status == 400)?;
    assert!(late > 0, "no two runs overlapped, so this proves nothing");
    Ok(())
}

/// The first run removes the first rule, and the second run starts before that. It plans to remove
/// both rules, so EC2 rejects its call, and it has to find out which of them it removed itself.
#[test]
fn a_run_that_is_late_for_one_rule_removes_and_reports_the_other() -> Result<()> {
    let mut scene = Scene::new(1)?;
    // The first call of the first run, the first call of the second run, the second call of the
    // first run.
    scene.delay_revokes(&[3000, 4000, 7000], 1)?;
    let first = scene.open(0)?;
    let has_started = || Ok((scene.count_revokes(|_| true)? == 1).then_some(()));
    wait_until("the first run to revoke", LIMIT, has_started)?;
    let second = scene.open(1)?;
    scene.wait_for(&BTreeSet::from([first, second]))?;
    scene.assert_all_closed()?;
    let has_three_rules = |call: &Call| {
        call.status == 400 && call.parameters.get("IpPermissions.3.IpProtocol").is_some()
    };
    assert_eq!(
        scene.count_revokes(has_three_rules)?,
        1,
        "the second run was not late, so this proves nothing"
    );
    Ok(())
}
