//! Who made a call. The shape of `userIdentity` differs by type and has changed over the years, so
//! a missing or unexpected value is never an error.

use serde_json::Value;

use super::record::non_empty_text;

/// Who made a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// CloudTrail's `userIdentity.type`: `IAMUser`, `AssumedRole`, `Root`.
    pub kind: Option<String>,
    /// A name that a colleague would recognize: `alice@example.com (role Developer)`.
    pub who: Option<String>,
    /// The ARN.
    pub arn: Option<String>,
    /// The ARN of the role, if the caller is an assumed-role session.
    pub issuer: Option<String>,
    /// The AWS service that made the call on behalf of the caller: `cloudformation.amazonaws.com`.
    pub invoked_by: Option<String>,
    /// Whether it is Portcullis: the event does not say so itself, the remediator knows its roles.
    pub is_portcullis: bool,
}

impl Actor {
    /// The names that exceptions and guardrails for principals match. None for Portcullis itself,
    /// because the rules that it adds are parts of rules that other principals opened.
    pub(super) fn principals(&self) -> Vec<String> {
        if self.is_portcullis {
            return Vec::new();
        }
        [&self.arn, &self.issuer, &self.who]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

/// Decodes `userIdentity` of a record on a best-effort basis.
pub(super) fn decode_actor(record: &Value) -> Actor {
    let Some(identity) = record.get("userIdentity") else {
        return Actor::default();
    };
    let kind = non_empty_text(identity, "/type");
    let invoked_by = non_empty_text(identity, "/invokedBy");
    let who = actor_display_name(identity, kind.as_deref())
        .or_else(|| invoked_by.clone())
        .or_else(|| non_empty_text(identity, "/arn"));
    let issuer = non_empty_text(identity, "/sessionContext/sessionIssuer/arn");
    Actor {
        kind,
        who,
        arn: non_empty_text(identity, "/arn"),
        issuer,
        invoked_by,
        is_portcullis: false,
    }
}

fn actor_display_name(identity: &Value, kind: Option<&str>) -> Option<String> {
    match kind {
        Some("Root") => Some(match non_empty_text(identity, "/accountId") {
            Some(account) => format!("the root user of account {account}"),
            None => "the root user".to_owned(),
        }),
        Some("AssumedRole" | "Role") => assumed_role_name(identity),
        Some("WebIdentityUser" | "SAMLUser") => {
            let user = non_empty_text(identity, "/userName")?;
            Some(
                non_empty_text(identity, "/identityProvider")
                    .map_or(user.clone(), |from| format!("{user} (signed in by {from})")),
            )
        }
        Some("IdentityCenterUser") => non_empty_text(identity, "/onBehalfOf/userId")
            .map(|user| format!("Identity Center user {user}")),
        Some("AWSService") => non_empty_text(identity, "/invokedBy"),
        Some("AWSAccount") => {
            non_empty_text(identity, "/accountId").map(|account| format!("account {account}"))
        }
        _ => non_empty_text(identity, "/userName"),
    }
}

/// `session (role Name)`; for a permission set of Identity Center `session (permission set Name)`.
fn assumed_role_name(identity: &Value) -> Option<String> {
    let arn = non_empty_text(identity, "/arn");
    let mut parts = arn.as_deref().unwrap_or_default().split('/').skip(1);
    let from_arn = parts.next().map(str::to_owned);
    let session = parts.next().map(str::to_owned);
    let role = non_empty_text(identity, "/sessionContext/sessionIssuer/userName").or(from_arn);
    let described = role.map(|role| {
        match role
            .strip_prefix("AWSReservedSSO_")
            .and_then(|set| set.rsplit_once('_'))
        {
            Some((set, _)) => format!("permission set {set}"),
            None => format!("role {role}"),
        }
    });
    match (session, described) {
        (Some(session), Some(role)) => Some(format!("{session} ({role})")),
        (session, role) => session.or(role),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn who(identity: &Value) -> Option<String> {
        decode_actor(&json!({ "userIdentity": identity })).who
    }

    #[test]
    fn every_identity_type_has_a_name() {
        let role = "arn:aws:sts::111122223333:assumed-role/Developer/alice@example.com";
        assert_eq!(
            who(&json!({"type": "AssumedRole", "arn": role})).unwrap(),
            "alice@example.com (role Developer)"
        );
        let sso =
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/bob";
        assert_eq!(
            who(&json!({"type": "AssumedRole", "arn": sso})).unwrap(),
            "bob (permission set Admin)"
        );
        assert_eq!(
            who(&json!({"type": "IAMUser", "userName": "carol"})).unwrap(),
            "carol"
        );
        assert_eq!(
            who(&json!({"type": "Root", "accountId": "1"})).unwrap(),
            "the root user of account 1"
        );
        assert_eq!(
            who(&json!({"type": "WebIdentityUser", "userName": "u", "identityProvider": "p"}))
                .unwrap(),
            "u (signed in by p)"
        );
        let service = json!({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"});
        assert_eq!(who(&service).unwrap(), "autoscaling.amazonaws.com");
        let center = json!({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "u-1"}});
        assert_eq!(who(&center).unwrap(), "Identity Center user u-1");
    }

    #[test]
    fn unexpected_shapes_are_tolerated() {
        for identity in &[
            json!(null),
            json!("x"),
            json!([]),
            json!({"type": 7, "arn": {}}),
            json!({"type": "AssumedRole", "sessionContext": {}}),
            json!({
                "type": "AssumedRole",
                "sessionContext": {
                    "sessionIssuer": {},
                    "webIdFederationData": {"attributes": {}},
                },
            }),
            json!({"type": "Unknown"}),
        ] {
            assert_eq!(who(identity), None, "{identity}");
        }
        assert_eq!(decode_actor(&json!({})), Actor::default());
        let issuer = json!({
            "type": "AssumedRole",
            "sessionContext": {"sessionIssuer": {"userName": "userName"}},
            "invokedBy": "cloudformation.amazonaws.com",
        });
        assert_eq!(who(&issuer).unwrap(), "role userName");
    }
}
