//! The settings of a function, from its environment.

use std::fmt;
use std::path::{Path, PathBuf};

use portcullis_remediation::{AlertLink, AlertLinks, InvalidLink, Mode};

/// The settings of a function. The AWS SDK reads its own variables itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `PORTCULLIS_TOPIC_ARN`: the SNS topic for alerts.
    pub topic_arn: String,
    /// `PORTCULLIS_MODE`: `enforce` or `monitor`; if unset, the policy decides.
    pub mode: Option<Mode>,
    /// `PORTCULLIS_POLICY`: `preset:NAME`, `file:PATH` or `ssm:NAME`; if unset, the baseline.
    pub policy: PolicySource,
    /// `PORTCULLIS_ROLE_ARNS`: the roles of the functions that change groups, separated by commas.
    /// The remediator recognizes its own changes by them.
    pub role_arns: Vec<String>,
    /// `PORTCULLIS_RUNBOOK_URL` and `PORTCULLIS_POLICY_URL`: links in the alerts.
    pub links: AlertLinks,
}

/// Where the policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// A preset of Portcullis.
    Preset(String),
    /// A file. A relative path starts at the directory of the deployment package.
    File(PathBuf),
    /// A parameter of AWS Systems Manager. The name may end in a version:
    /// `/portcullis/policy:4`.
    Parameter(String),
}

/// An invalid setting. The function does not start with one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No topic.
    #[error("PORTCULLIS_TOPIC_ARN is not set: set it to the ARN of the SNS topic for alerts")]
    MissingTopic,
    /// Not the ARN of an SNS topic.
    #[error(
        "PORTCULLIS_TOPIC_ARN is `{0}`: expected the ARN of an SNS topic, \
         arn:aws:sns:REGION:ACCOUNT:NAME"
    )]
    InvalidTopic(String),
    /// An unknown mode.
    #[error("PORTCULLIS_MODE is `{0}`: expected `enforce` or `monitor`")]
    InvalidMode(String),
    /// Not the ARN of an IAM role.
    #[error(
        "PORTCULLIS_ROLE_ARNS contains `{0}`: expected ARNs of IAM roles, separated by commas, \
         arn:aws:iam::ACCOUNT:role/NAME"
    )]
    InvalidRole(String),
    /// An unknown kind of policy source.
    #[error(
        "PORTCULLIS_POLICY is `{0}`: expected `preset:NAME`, `file:PATH` or `ssm:NAME`, \
         or nothing for the built-in baseline"
    )]
    InvalidPolicy(String),
    /// Not a link that is safe in an alert.
    #[error("{name} is `{value}`: {error}")]
    InvalidLink {
        /// The name of the setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is expected.
        error: InvalidLink,
    },
}

impl Settings {
    /// Reads the settings. `variable` returns the value of an environment variable; an empty value
    /// counts as unset.
    ///
    /// # Errors
    /// When a setting is missing or invalid: the function fails instead of guessing.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let topic_arn = non_blank(variable("PORTCULLIS_TOPIC_ARN"));
        let mode = non_blank(variable("PORTCULLIS_MODE"));
        let policy = non_blank(variable("PORTCULLIS_POLICY"));
        let role_arns = non_blank(variable("PORTCULLIS_ROLE_ARNS"));
        let root = non_blank(variable("LAMBDA_TASK_ROOT")).unwrap_or_default();
        let links = AlertLinks {
            runbook: parse_link("PORTCULLIS_RUNBOOK_URL", &variable)?,
            policy: parse_link("PORTCULLIS_POLICY_URL", &variable)?,
        };
        Ok(Self {
            topic_arn: check_topic_arn(topic_arn)?,
            mode: parse_mode(mode.as_deref())?,
            policy: PolicySource::from_setting(policy, Path::new(&root))?,
            role_arns: parse_role_arns(role_arns.as_deref())?,
            links,
        })
    }
}

fn non_blank(value: Option<String>) -> Option<String> {
    value
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

fn check_topic_arn(value: Option<String>) -> Result<String, SettingsError> {
    let topic_arn = value.ok_or(SettingsError::MissingTopic)?;
    if topic_arn.starts_with("arn:") && topic_arn.contains(":sns:") {
        Ok(topic_arn)
    } else {
        Err(SettingsError::InvalidTopic(topic_arn))
    }
}

fn parse_role_arns(value: Option<&str>) -> Result<Vec<String>, SettingsError> {
    value
        .into_iter()
        .flat_map(|arns| arns.split(','))
        .map(str::trim)
        .map(|arn| {
            let is_role = arn.starts_with("arn:") && arn.contains(":role/");
            is_role
                .then(|| arn.to_owned())
                .ok_or_else(|| SettingsError::InvalidRole(arn.to_owned()))
        })
        .collect()
}

fn parse_link(
    name: &'static str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<AlertLink>, SettingsError> {
    let Some(value) = non_blank(variable(name)) else {
        return Ok(None);
    };
    match value.parse() {
        Ok(link) => Ok(Some(link)),
        Err(error) => Err(SettingsError::InvalidLink { name, value, error }),
    }
}

fn parse_mode(value: Option<&str>) -> Result<Option<Mode>, SettingsError> {
    match value {
        None => Ok(None),
        Some("enforce") => Ok(Some(Mode::Enforce)),
        Some("monitor") => Ok(Some(Mode::Monitor)),
        Some(other) => Err(SettingsError::InvalidMode(other.to_owned())),
    }
}

impl fmt::Display for PolicySource {
    /// As in the setting, with the whole path of a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(name) => write!(f, "preset:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Parameter(name) => write!(f, "ssm:{name}"),
        }
    }
}

impl PolicySource {
    fn from_setting(value: Option<String>, root: &Path) -> Result<Self, SettingsError> {
        let Some(setting) = value else {
            return Ok(Self::Preset("baseline".to_owned()));
        };
        match setting.split_once(':') {
            Some(("preset", name)) if !name.is_empty() => Ok(Self::Preset(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(root.join(path))),
            Some(("ssm", name)) if !name.trim().is_empty() => {
                Ok(Self::Parameter(name.trim().to_owned()))
            }
            Some(_) | None => Err(SettingsError::InvalidPolicy(setting)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alerts";

    fn settings_from(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
        Settings::from_env(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn with_topic(name: &str, value: &str) -> Result<Settings, SettingsError> {
        let root = ("LAMBDA_TASK_ROOT", "/var/task");
        settings_from(&[("PORTCULLIS_TOPIC_ARN", TOPIC), (name, value), root])
    }

    #[test]
    fn unset_settings_have_defaults() {
        let settings = settings_from(&[("PORTCULLIS_TOPIC_ARN", TOPIC)]).unwrap();
        let policy = PolicySource::Preset("baseline".to_owned());
        assert_eq!(
            settings,
            Settings {
                topic_arn: TOPIC.to_owned(),
                mode: None,
                policy,
                role_arns: Vec::new(),
                links: AlertLinks::default(),
            }
        );
        for name in [
            "PORTCULLIS_MODE",
            "PORTCULLIS_POLICY",
            "PORTCULLIS_ROLE_ARNS",
            "PORTCULLIS_RUNBOOK_URL",
            "PORTCULLIS_POLICY_URL",
        ] {
            assert_eq!(with_topic(name, " ").unwrap(), settings);
        }
    }

    #[test]
    fn the_mode_is_enforce_or_monitor() {
        for (value, mode) in [("enforce", Mode::Enforce), ("monitor", Mode::Monitor)] {
            assert_eq!(
                with_topic("PORTCULLIS_MODE", value).unwrap().mode,
                Some(mode)
            );
        }
        for invalid in ["Monitor", "dry-run"] {
            assert_eq!(
                with_topic("PORTCULLIS_MODE", invalid),
                Err(SettingsError::InvalidMode(invalid.into()))
            );
        }
    }

    #[test]
    fn roles_are_a_list_of_arns() {
        let roles = "arn:aws:iam::111122223333:role/a, arn:aws:iam::111122223333:role/path/b";
        assert_eq!(
            with_topic("PORTCULLIS_ROLE_ARNS", roles).unwrap().role_arns,
            [
                "arn:aws:iam::111122223333:role/a",
                "arn:aws:iam::111122223333:role/path/b"
            ]
        );
        assert_eq!(
            with_topic("PORTCULLIS_ROLE_ARNS", "portcullis"),
            Err(SettingsError::InvalidRole("portcullis".into()))
        );
    }

    #[test]
    fn links_are_https() {
        let link = "https://wiki.example.com/runbook#closed";
        let settings = with_topic("PORTCULLIS_RUNBOOK_URL", link).unwrap();
        let expected = AlertLinks {
            runbook: link.parse().ok(),
            policy: None,
        };
        assert_eq!(settings.links, expected);
        let settings = with_topic("PORTCULLIS_POLICY_URL", link).unwrap();
        assert_eq!(settings.links.policy, expected.runbook);
        for invalid in ["http://wiki.example.com", "wiki", "https://a|b"] {
            let error = with_topic("PORTCULLIS_POLICY_URL", invalid).unwrap_err();
            let text = error.to_string();
            let start = format!("PORTCULLIS_POLICY_URL is `{invalid}`: expected a link");
            assert!(text.starts_with(&start), "{text}");
        }
    }

    #[test]
    fn the_topic_must_be_an_sns_arn() {
        assert_eq!(settings_from(&[]), Err(SettingsError::MissingTopic));
        assert_eq!(
            settings_from(&[("PORTCULLIS_TOPIC_ARN", " ")]),
            Err(SettingsError::MissingTopic)
        );
        assert_eq!(
            settings_from(&[("PORTCULLIS_TOPIC_ARN", "alerts")]),
            Err(SettingsError::InvalidTopic("alerts".into()))
        );
    }

    #[test]
    fn a_policy_is_a_preset_a_file_or_a_parameter() {
        for (value, policy) in [
            (
                "preset:web-only",
                PolicySource::Preset("web-only".to_owned()),
            ),
            (
                "file:policy.yaml",
                PolicySource::File("/var/task/policy.yaml".into()),
            ),
            (
                "file:/opt/policy.yaml",
                PolicySource::File("/opt/policy.yaml".into()),
            ),
            (
                "ssm:/portcullis/policy",
                PolicySource::Parameter("/portcullis/policy".to_owned()),
            ),
            (
                "ssm:/portcullis/policy:4",
                PolicySource::Parameter("/portcullis/policy:4".to_owned()),
            ),
        ] {
            assert_eq!(
                with_topic("PORTCULLIS_POLICY", value).unwrap().policy,
                policy
            );
            assert_eq!(
                policy.to_string(),
                value.replace("file:policy", "file:/var/task/policy")
            );
        }
        for invalid in [
            "policy.yaml",
            "web-only",
            "ssm:",
            "file:",
            "preset:",
            "FILE:policy.yaml",
        ] {
            assert_eq!(
                with_topic("PORTCULLIS_POLICY", invalid),
                Err(SettingsError::InvalidPolicy(invalid.into()))
            );
        }
    }
}
