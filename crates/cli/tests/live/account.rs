//! The account of the tests: groups in several regions of moto.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use portcullis_e2e::{Group, Moto};
use serde_json::{Value, json};

use crate::common::{Folder, Run, command, finish};

/// The regions with groups.
pub(super) const REGIONS: [&str; 3] = ["eu-central-1", "eu-west-1", "us-east-1"];

/// The account of all tests. Each of three regions has two groups with findings and one without.
pub(super) struct Account {
    pub(super) ec2: Moto,
    /// The groups with findings, by region.
    pub(super) open: BTreeMap<&'static str, Vec<Group>>,
}

/// The account, locked for one test at a time: recorded calls and faults are shared by the server.
pub(super) fn account() -> MutexGuard<'static, Account> {
    static ACCOUNT: OnceLock<Mutex<Account>> = OnceLock::new();
    let account = ACCOUNT.get_or_init(|| Mutex::new(Account::create()));
    let account = account.lock().unwrap_or_else(PoisonError::into_inner);
    account.ec2.reset().unwrap();
    account
}

pub(super) fn tcp(port: u16, source: &Value) -> Value {
    let mut permission = json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port});
    permission
        .as_object_mut()
        .unwrap()
        .extend(source.as_object().unwrap().clone());
    permission
}

pub(super) fn open_to_world() -> Value {
    json!({"IpRanges": [{"CidrIp": "0.0.0.0/0"}]})
}

impl Account {
    fn create() -> Self {
        let ec2 = Moto::start().unwrap();
        let open = REGIONS.map(|region| (region, create_groups(&ec2.in_region(region))));
        Self {
            ec2,
            open: open.into(),
        }
    }

    /// The command, with the credentials of the account and no other environment.
    pub(super) fn command(&self, args: &str) -> Command {
        let mut command = command(&args.split_whitespace().collect::<Vec<_>>());
        let credentials = [
            ("AWS_ACCESS_KEY_ID", "AKIDFROMENV"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        command
            .envs(credentials)
            .env("AWS_ENDPOINT_URL", self.ec2.url())
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("HOME", "/nonexistent");
        command
    }

    pub(super) fn run(&self, args: &str) -> Run {
        finish(self.command(args), b"")
    }

    /// The audit of everything that boto3 reads in a region, as an input.
    pub(super) fn audit_offline(&self, region: &str) -> Value {
        let ec2 = self.ec2.in_region(region);
        let mut document = ec2.call("describe_security_groups", &json!({})).unwrap();
        let rules = ec2
            .call("describe_security_group_rules", &json!({}))
            .unwrap();
        let lists = ec2
            .call("describe_managed_prefix_lists", &json!({}))
            .unwrap();
        let lists = lists["PrefixLists"].as_array().unwrap().iter().map(|list| {
            let id = json!({"PrefixListId": list["PrefixListId"]});
            let entries = ec2.call("get_managed_prefix_list_entries", &id).unwrap();
            json!({"PrefixListId": list["PrefixListId"], "Entries": entries["Entries"]})
        });
        document["PrefixLists"] = lists.collect();
        document["SecurityGroupRules"] = rules["SecurityGroupRules"].clone();
        let folder = Folder::new().with("groups.json", document.to_string());
        folder.run("audit --input groups.json --format json").json()
    }
}

/// Creates `shop-web` with SSH open to the world, `shop-db` with SSH open to a prefix list that
/// covers the internet, and `quiet` without findings.
fn create_groups(ec2: &Moto) -> Vec<Group> {
    let web = Group::create(ec2, "shop-web").unwrap();
    let tags = json!([{"Key": "Owner", "Value": "shop@example.com"}]);
    ec2.call("create_tags", &json!({"Resources": [web.id], "Tags": tags}))
        .unwrap();
    let private = json!({"IpRanges": [{"CidrIp": "10.0.0.0/8"}]});
    web.authorize(&json!([
        tcp(22, &open_to_world()),
        tcp(443, &open_to_world()),
        tcp(22, &private)
    ]))
    .unwrap();
    let list = json!({
        "PrefixListName": "halves", "AddressFamily": "IPv4", "MaxEntries": 2,
        "Entries": [{"Cidr": "0.0.0.0/1"}, {"Cidr": "128.0.0.0/1"}],
    });
    let list = ec2.call("create_managed_prefix_list", &list).unwrap();
    let list = json!({"PrefixListIds": [{"PrefixListId": list["PrefixList"]["PrefixListId"]}]});
    let db = Group::create_in(ec2, &web.vpc, "shop-db").unwrap();
    db.authorize(&json!([tcp(22, &list)])).unwrap();
    Group::create_in(ec2, &web.vpc, "quiet")
        .unwrap()
        .authorize(&json!([tcp(443, &open_to_world())]))
        .unwrap();
    vec![web, db]
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn region<'a>(document: &'a Value, name: &str) -> &'a Value {
    list(&document["regions"])
        .iter()
        .find(|region| region["region"] == name)
        .unwrap()
}
