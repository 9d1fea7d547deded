//! What the function is told by its environment.

use std::fmt;
use std::path::{Path, PathBuf};

use portcullis_remediation::Mode;

/// The settings. The AWS SDK reads its own variables by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `PORTCULLIS_TOPIC_ARN`: where alerts go.
    pub topic_arn: String,
    /// `PORTCULLIS_MODE`: `enforce` or `monitor`; when absent, what the policy says.
    pub mode: Option<Mode>,
    /// `PORTCULLIS_POLICY`: `preset:NAME`, `file:PATH` or `ssm:NAME`; when absent, the baseline.
    pub policy: PolicySource,
}

/// Where the policy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// One that comes with Portcullis.
    Preset(String),
    /// A file; a path that is not absolute begins where the package was unpacked.
    File(PathBuf),
    /// A parameter of AWS Systems Manager by its name, which may end in a version: `/portcullis/policy:4`.
    Parameter(String),
}

/// A setting without which the function refuses to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No topic.
    #[error("PORTCULLIS_TOPIC_ARN is not set: give the ARN of the SNS topic that alerts go to")]
    MissingTopic,
    /// Not the ARN of a topic.
    #[error(
        "PORTCULLIS_TOPIC_ARN is `{0}`: expected the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME"
    )]
    InvalidTopic(String),
    /// Neither mode.
    #[error("PORTCULLIS_MODE is `{0}`: expected `enforce` or `monitor`")]
    InvalidMode(String),
    /// Neither a preset nor a file nor a parameter.
    #[error(
        "PORTCULLIS_POLICY is `{0}`: expected `preset:NAME`, `file:PATH` or `ssm:NAME`, or nothing for the built-in baseline"
    )]
    InvalidPolicy(String),
}

impl Settings {
    /// Reads the settings through a function that knows the environment. An empty value is an absent one.
    ///
    /// # Errors
    /// When a setting is missing or means nothing: better not to start than to start with a guess.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let given = |name| {
            variable(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let topic_arn = given("PORTCULLIS_TOPIC_ARN").ok_or(SettingsError::MissingTopic)?;
        if !(topic_arn.starts_with("arn:") && topic_arn.contains(":sns:")) {
            return Err(SettingsError::InvalidTopic(topic_arn));
        }
        let mode = match given("PORTCULLIS_MODE").as_deref() {
            None => None,
            Some("enforce") => Some(Mode::Enforce),
            Some("monitor") => Some(Mode::Monitor),
            Some(other) => return Err(SettingsError::InvalidMode(other.to_owned())),
        };
        let root = given("LAMBDA_TASK_ROOT").unwrap_or_default();
        let policy = PolicySource::from_setting(given("PORTCULLIS_POLICY"), Path::new(&root))?;
        Ok(Self {
            topic_arn,
            mode,
            policy,
        })
    }
}

impl fmt::Display for PolicySource {
    /// As the setting has it; of a file the whole path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(name) => write!(f, "preset:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Parameter(name) => write!(f, "ssm:{name}"),
        }
    }
}

impl PolicySource {
    fn from_setting(given: Option<String>, root: &Path) -> Result<Self, SettingsError> {
        let Some(given) = given else {
            return Ok(Self::Preset("baseline".to_owned()));
        };
        match given.split_once(':') {
            Some(("preset", name)) if !name.is_empty() => Ok(Self::Preset(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(root.join(path))),
            Some(("ssm", name)) if !name.trim().is_empty() => {
                Ok(Self::Parameter(name.trim().to_owned()))
            }
            Some(_) | None => Err(SettingsError::InvalidPolicy(given)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alerts";

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name);
        Settings::from_env(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn with_topic(name: &str, value: &str) -> Result<Settings, SettingsError> {
        let root = ("LAMBDA_TASK_ROOT", "/var/task");
        read(&[("PORTCULLIS_TOPIC_ARN", TOPIC), (name, value), root])
    }

    #[test]
    fn what_is_not_said_is_left_to_the_policy_and_that_to_the_baseline() {
        let settings = read(&[("PORTCULLIS_TOPIC_ARN", TOPIC)]).unwrap();
        let policy = PolicySource::Preset("baseline".to_owned());
        assert_eq!(
            settings,
            Settings {
                topic_arn: TOPIC.to_owned(),
                mode: None,
                policy
            }
        );
        for name in ["PORTCULLIS_MODE", "PORTCULLIS_POLICY"] {
            assert_eq!(with_topic(name, " ").unwrap(), settings);
        }
    }

    #[test]
    fn the_mode_is_one_of_two() {
        for (given, mode) in [("enforce", Mode::Enforce), ("monitor", Mode::Monitor)] {
            assert_eq!(
                with_topic("PORTCULLIS_MODE", given).unwrap().mode,
                Some(mode)
            );
        }
        for wrong in ["Monitor", "dry-run"] {
            assert_eq!(
                with_topic("PORTCULLIS_MODE", wrong),
                Err(SettingsError::InvalidMode(wrong.into()))
            );
        }
    }

    #[test]
    fn the_topic_must_be_one() {
        assert_eq!(read(&[]), Err(SettingsError::MissingTopic));
        assert_eq!(
            read(&[("PORTCULLIS_TOPIC_ARN", " ")]),
            Err(SettingsError::MissingTopic)
        );
        assert_eq!(
            read(&[("PORTCULLIS_TOPIC_ARN", "alerts")]),
            Err(SettingsError::InvalidTopic("alerts".into()))
        );
    }

    #[test]
    fn a_policy_is_a_preset_or_a_file_of_the_package_or_a_parameter() {
        for (given, policy) in [
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
                with_topic("PORTCULLIS_POLICY", given).unwrap().policy,
                policy
            );
            assert_eq!(
                policy.to_string(),
                given.replace("file:policy", "file:/var/task/policy")
            );
        }
        for wrong in [
            "policy.yaml",
            "web-only",
            "ssm:",
            "file:",
            "preset:",
            "FILE:policy.yaml",
        ] {
            assert_eq!(
                with_topic("PORTCULLIS_POLICY", wrong),
                Err(SettingsError::InvalidPolicy(wrong.into()))
            );
        }
    }
}
