//! What the function is told by its environment.

use portcullis_remediation::Mode;

/// The settings. The AWS SDK reads its own variables by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `PORTCULLIS_TOPIC_ARN`: where alerts go.
    pub(crate) topic_arn: String,
    /// `PORTCULLIS_MODE`: `enforce` (also when absent) or `monitor`.
    pub(crate) mode: Mode,
}

/// A setting without which the function refuses to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSettings {
    /// No topic.
    #[error("PORTCULLIS_TOPIC_ARN is not set: give the ARN of the SNS topic that alerts go to")]
    NoTopic,
    /// Not the ARN of a topic.
    #[error("PORTCULLIS_TOPIC_ARN is `{0}`: expected the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME")]
    Topic(String),
    /// Neither mode.
    #[error("PORTCULLIS_MODE is `{0}`: expected `enforce` or `monitor`")]
    Mode(String),
}

impl Settings {
    /// Reads the settings through a function that knows the environment. An empty value is an absent one.
    ///
    /// # Errors
    /// When a setting is missing or means nothing: better not to start than to start with a guess.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let given = |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let topic_arn = given("PORTCULLIS_TOPIC_ARN").ok_or(InvalidSettings::NoTopic)?;
        if !(topic_arn.starts_with("arn:") && topic_arn.contains(":sns:")) {
            return Err(InvalidSettings::Topic(topic_arn));
        }
        let mode = match given("PORTCULLIS_MODE").as_deref() {
            None | Some("enforce") => Mode::Enforce,
            Some("monitor") => Mode::Monitor,
            Some(other) => return Err(InvalidSettings::Mode(other.to_owned())),
        };
        Ok(Self { topic_arn, mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alerts";

    fn read(topic: Option<&str>, mode: Option<&str>) -> Result<Settings, InvalidSettings> {
        Settings::read(|name| match name {
            "PORTCULLIS_TOPIC_ARN" => topic.map(str::to_owned),
            "PORTCULLIS_MODE" => mode.map(str::to_owned),
            _ => None,
        })
    }

    #[test]
    fn the_mode_is_enforce_unless_it_is_said_to_be_monitor() {
        for (given, mode) in [
            (None, Mode::Enforce),
            (Some(""), Mode::Enforce),
            (Some("enforce"), Mode::Enforce),
            (Some("monitor"), Mode::Monitor),
        ] {
            assert_eq!(read(Some(TOPIC), given).unwrap(), Settings { topic_arn: TOPIC.to_owned(), mode });
        }
    }

    #[test]
    fn a_setting_that_means_nothing_is_no_setting() {
        assert_eq!(read(None, None), Err(InvalidSettings::NoTopic));
        assert_eq!(read(Some(" "), None), Err(InvalidSettings::NoTopic));
        assert_eq!(read(Some("alerts"), None), Err(InvalidSettings::Topic("alerts".into())));
        assert_eq!(read(Some(TOPIC), Some("Monitor")), Err(InvalidSettings::Mode("Monitor".into())));
        assert_eq!(read(Some(TOPIC), Some("dry-run")), Err(InvalidSettings::Mode("dry-run".into())));
    }
}
