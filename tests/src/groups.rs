//! Security groups for tests.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::moto::Moto;

/// A security group in a VPC of its own.
#[derive(Clone, Debug)]
pub struct Group {
    ec2: Moto,
    /// `sg-...`
    pub id: String,
    /// Its name.
    pub name: String,
    /// `vpc-...`
    pub vpc: String,
}

impl Group {
    /// Creates a VPC and a group without ingress rules in it.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn create(ec2: &Moto, name: &str) -> Result<Self> {
        let vpc = ec2.call("create_vpc", &json!({"CidrBlock": "10.20.0.0/16"}))?;
        let vpc = text_at(&vpc, "/Vpc/VpcId")?;
        Self::create_in(ec2, &vpc, name)
    }

    /// Creates a group without ingress rules in this VPC.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn create_in(ec2: &Moto, vpc: &str, name: &str) -> Result<Self> {
        let args =
            json!({"GroupName": name, "Description": format!("{name} of the tests"), "VpcId": vpc});
        let group = ec2.call("create_security_group", &args)?;
        let id = text_at(&group, "/GroupId")?;
        Ok(Self {
            ec2: ec2.clone(),
            id,
            name: name.to_owned(),
            vpc: vpc.to_owned(),
        })
    }

    /// The group of this name, which something else created.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(ec2: &Moto, name: &str) -> Result<Self> {
        let filters = json!({"Filters": [{"Name": "group-name", "Values": [name]}]});
        let groups = ec2.call("describe_security_groups", &filters)?;
        Ok(Self {
            ec2: ec2.clone(),
            id: text_at(&groups, "/SecurityGroups/0/GroupId")?,
            name: name.to_owned(),
            vpc: text_at(&groups, "/SecurityGroups/0/VpcId")?,
        })
    }

    /// Adds permissions (a list of `IpPermission`) in one call and returns the new rules. They are
    /// read back, because moto returns only the last one.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn authorize(&self, permissions: &Value) -> Result<Vec<Value>> {
        let before = self.rules()?;
        let args = json!({"GroupId": self.id, "IpPermissions": permissions});
        self.ec2.call("authorize_security_group_ingress", &args)?;
        Ok(self
            .rules()?
            .into_iter()
            .filter(|rule| !before.contains(rule))
            .collect())
    }

    /// Its ingress rules, ordered by id.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn rules(&self) -> Result<Vec<Value>> {
        Ok(self.ec2.rules(&self.id)?)
    }

    /// The ids of its ingress rules, in order.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn rule_ids(&self) -> Result<Vec<String>> {
        Ok(self.rules()?.iter().map(rule_id).collect())
    }
}

/// The id of a rule, `sgr-...`.
pub fn rule_id(rule: &Value) -> String {
    crate::driver::text(rule, "SecurityGroupRuleId")
}

/// The text at a JSON pointer of a response.
fn text_at(answer: &Value, pointer: &str) -> Result<String> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("no {pointer} in {answer}"))?
        .to_owned())
}
