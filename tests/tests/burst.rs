//! Many events at once: a hundred, on forty groups, several on the same group while others are still at work on it.

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

/// How long the runs may take. They take ten seconds; a debug build on a busy machine needs more.
const LIMIT: Duration = Duration::from_mins(3);
const GROUPS: usize = 40;
/// Events on one group.
const MOST: usize = 4;
/// As many as EventBridge takes in one call.
const BATCH: usize = 10;

/// What the events of a group open, the first event the first: protocol, port and sources. No two have a rule in
/// common, so that each of them has to be removed, and told, for its own sake.
const HOLES: [(&str, u16, &[&str]); MOST] = [
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
    json!({"IpProtocol": protocol, "FromPort": port, "ToPort": port, "IpRanges": ipv4, "Ipv6Ranges": ipv6})
}

/// A group, what must stay of it, and what was opened.
struct Target {
    group: Group,
    innocent: Vec<String>,
    opened: BTreeSet<String>,
}

impl Target {
    fn create(aws: &LocalAws, vpc: &str, number: usize) -> Result<Self> {
        let group = Group::create_in(&aws.ec2(), vpc, &format!("burst-{number}"))?;
        let innocent = [
            permission("tcp", 22, &["10.0.0.0/8"]),
            permission("tcp", 443, &["0.0.0.0/0", "::/0"]),
        ];
        let rules = group.authorize(&json!(innocent))?;
        Ok(Self {
            group,
            innocent: rules.iter().map(rule_id).collect(),
            opened: BTreeSet::new(),
        })
    }

    /// Opens a hole; the record that CloudTrail makes of it.
    fn open(&mut self, aws: &LocalAws, hole: usize) -> Result<Value> {
        let (protocol, port, sources) = HOLES[hole];
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

/// Which hole of which group each event is about: 1, 2, 3 or 4 of a group. Those of every other four groups come one
/// right after the other, so that their runs start together; the rest comes in rounds, so that a run meets a group on
/// which an earlier one is still, or was just, at work.
fn schedule() -> Vec<(usize, usize)> {
    let (together, apart): (Vec<usize>, Vec<usize>) =
        (0..GROUPS).partition(|group| (group / MOST).is_multiple_of(2));
    let holes = |group: &usize| 0..=(group % MOST);
    let mut events: Vec<_> = together
        .iter()
        .flat_map(|group| holes(group).map(|hole| (*group, hole)))
        .collect();
    let rounds = (0..MOST).flat_map(|hole| apart.iter().map(move |group| (*group, hole)));
    events.extend(rounds.filter(|(group, hole)| holes(group).contains(hole)));
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
        aws.subscribe(stack.output("TopicArn")?, "sqs", "")?;
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

    /// Lets the next revokes wait this long each before they are carried out: who reads the group in the meantime plans
    /// to remove the same rules.
    fn slow(&self, delays: &[u64], times: u32) -> Result<()> {
        let ec2 = self.aws.ec2();
        let fault = |delay: &u64| {
            Fault::slow("RevokeSecurityGroupIngress", Duration::from_millis(*delay)).times(times)
        };
        Ok(delays
            .iter()
            .try_for_each(|delay| ec2.fault(&fault(delay)))?)
    }

    /// How many revokes there were so far; those that failed came late.
    fn revokes(&self, is_counted: impl Fn(&Call) -> bool) -> Result<usize> {
        let calls = self
            .aws
            .ec2()
            .calls()?
            .into_iter()
            .filter(|call| call.action == "RevokeSecurityGroupIngress");
        Ok(calls.filter(is_counted).count())
    }

    /// Nothing is left open, nothing innocent went, every removal was told, and no event is among the failed.
    fn all_is_well(&self) -> Result<()> {
        let told = self.told()?;
        for target in &self.targets {
            let name = &target.group.name;
            assert_eq!(
                told.get(&target.group.id),
                Some(&target.opened),
                "told of {name}"
            );
            assert_eq!(target.group.rule_ids()?, target.innocent, "left of {name}");
        }
        for queue in ["FailedEventsQueueUrl", "UndeliveredEventsQueueUrl"] {
            assert_eq!(self.letters(queue)?, "0", "{queue}");
        }
        Ok(())
    }

    /// Opens a hole of the only group and lets CloudTrail tell; the id of the event.
    fn open(&mut self, hole: usize) -> Result<String> {
        let target = self.targets.first_mut().context("no group")?;
        let record = target.open(&self.aws, hole)?;
        self.aws.put_event(&record)?;
        Ok(record["eventID"].as_str().context("no id")?.to_owned())
    }

    /// Opens everything, batch after batch, and lets CloudTrail tell. The ids of the events.
    fn fire(&mut self) -> Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for batch in schedule().chunks(BATCH) {
            let open = |(group, hole): &(usize, usize)| self.targets[*group].open(&self.aws, *hole);
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

    /// Waits until the function is done with all these events.
    fn wait_for(&self, events: &BTreeSet<String>) -> Result<()> {
        wait_until("the end of all events", LIMIT, || {
            // Looking takes time from the machine that is to do the work.
            std::thread::sleep(Duration::from_millis(200));
            Ok(self.done()?.is_superset(events).then_some(()))
        })
        .map_err(|error| error.context(self.says()))
    }

    /// The events whose last run left nothing open, whoever closed it.
    fn done(&self) -> Result<BTreeSet<String>> {
        let lines = self.aws.logs(self.stack.output("FunctionName")?)?;
        let lines = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let done =
            lines.filter(|line| line["message"] == "decided" && line["outcome"] != "incomplete");
        Ok(done
            .filter_map(|line| line["event.id"].as_str().map(str::to_owned))
            .collect())
    }

    /// The rules of which somebody was told that they were removed, by group.
    fn told(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for message in self.aws.inbox()? {
            let report = message.json()?;
            let group = told
                .entry(
                    report["group"]["id"]
                        .as_str()
                        .context("no group")?
                        .to_owned(),
                )
                .or_default();
            for rule in report["removed"]
                .as_array()
                .context("nothing about removals")?
            {
                let [protocol, source] =
                    ["protocol", "source"].map(|field| rule[field].as_str().unwrap_or_default());
                group.insert(format!("{protocol} {} {source}", rule["from_port"]));
            }
        }
        Ok(told)
    }

    /// How many messages are in a queue of the stack.
    fn letters(&self, output: &str) -> Result<String> {
        let args = json!({"QueueUrl": self.stack.output(output)?, "AttributeNames": ["All"]});
        let answer = self.aws.call("sqs", "get_queue_attributes", &args)?;
        let count = answer["Attributes"]["ApproximateNumberOfMessages"].as_str();
        Ok(count.context("no count")?.to_owned())
    }

    fn says(&self) -> String {
        let function = self.stack.output("FunctionName").unwrap_or_default();
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
fn the_schedule_is_a_hundred_events_with_one_to_four_on_a_group() {
    let events = schedule();
    assert_eq!(events.len(), 100);
    assert_eq!(events.iter().collect::<BTreeSet<_>>().len(), 100);
    for group in 0..GROUPS {
        assert_eq!(
            events.iter().filter(|(other, _)| *other == group).count(),
            group % MOST + 1
        );
    }
}

#[test]
fn a_burst_closes_every_group_and_loses_no_alert() -> Result<()> {
    let mut scene = Scene::new(GROUPS)?;
    scene.slow(&[300], 10_000)?;
    let events = scene.fire()?;
    scene.wait_for(&events)?;
    scene.all_is_well()?;
    let late = scene.revokes(|call| call.status == 400)?;
    assert!(
        late > 0,
        "no two runs met on a group: this has shown nothing"
    );
    Ok(())
}

/// The first run removes the first rule; before it gets to the second, the second run does. That one planned to remove
/// both, so EC2 refuses its call, and it has to find out which of them it removed itself.
#[test]
fn a_run_that_comes_late_for_one_rule_removes_and_tells_the_other() -> Result<()> {
    let mut scene = Scene::new(1)?;
    // The first call of the first run, the first of the second, the second of the first.
    scene.slow(&[3000, 4000, 7000], 1)?;
    let first = scene.open(0)?;
    let begun = || Ok((scene.revokes(|_| true)? == 1).then_some(()));
    wait_until("the first run to be about to revoke", LIMIT, begun)?;
    let second = scene.open(1)?;
    scene.wait_for(&BTreeSet::from([first, second]))?;
    scene.all_is_well()?;
    let had_three = |call: &Call| {
        call.status == 400 && call.parameters.get("IpPermissions.3.IpProtocol").is_some()
    };
    assert_eq!(
        scene.revokes(had_three)?,
        1,
        "the second run did not come late: this has shown nothing"
    );
    Ok(())
}
