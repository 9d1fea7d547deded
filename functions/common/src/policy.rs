//! The policy that the settings name: a preset, a file in the package, or a parameter of AWS Systems Manager.

use std::fs;
use std::io;
use std::path::Path;

use portcullis_policy::{Diagnostics, PRESETS, Preset};
use portcullis_remediation::{Mode, ServiceError};
use portcullis_rules::Policy;
use portcullis_rules::baseline::baseline_policy;

use crate::settings::{PolicySource, Settings};

/// A policy without which the function refuses to start.
#[derive(Debug, thiserror::Error)]
pub enum PolicyLoadError {
    /// Nothing to read.
    #[error("PORTCULLIS_POLICY names {path}, which cannot be read: {error}")]
    FileUnreadable {
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// No such parameter, or no permission.
    #[error("PORTCULLIS_POLICY names the parameter {name}, which cannot be read: {error}")]
    ParameterUnreadable {
        /// Its name.
        name: String,
        /// What Systems Manager said.
        error: ServiceError,
    },
    /// No such preset.
    #[error(
        "PORTCULLIS_POLICY is `preset:{name}`: there is no such preset, only {}",
        preset_names()
    )]
    UnknownPreset {
        /// As it was given.
        name: String,
    },
    /// The text is wrong. Every mistake was logged.
    #[error("the policy has {count} mistake(s), the first: {first}")]
    Invalid {
        /// How many there are.
        count: usize,
        /// The first, with file, line and column.
        first: String,
    },
}

/// The policy, and whether it may be enforced. `parameter` reads a parameter of AWS Systems Manager; it is asked only when
/// the settings name one.
///
/// # Errors
/// When there is no such policy, or its text is wrong. Each mistake is a line in the log, and so is each warning.
pub async fn load_policy<F>(
    settings: &Settings,
    parameter: impl FnOnce(String) -> F,
) -> Result<(Policy, Mode), PolicyLoadError>
where
    F: Future<Output = Result<String, ServiceError>>,
{
    // The default is built in as values, too: a cold start need not read it from its text.
    if settings.policy == PolicySource::Preset("baseline".to_owned()) {
        let policy = baseline_policy();
        let mode = effective_mode(settings.mode, &policy);
        return Ok((policy, mode));
    }
    let (name, text) = match &settings.policy {
        PolicySource::Preset(name) => read_preset(name)?,
        PolicySource::File(path) => read_policy_file(path)?,
        PolicySource::Parameter(name) => match parameter(name.clone()).await {
            Ok(text) => (format!("ssm:{name}"), text),
            Err(error) => {
                return Err(PolicyLoadError::ParameterUnreadable {
                    name: name.clone(),
                    error,
                });
            }
        },
    };
    let loaded = portcullis_policy::parse_policy(&name, &text)
        .map_err(|mistakes| log_policy_errors(&mistakes))?;
    for warning in loaded.warnings.log_lines() {
        tracing::warn!(%warning, "odd policy");
    }
    let mode = effective_mode(settings.mode, &loaded.policy);
    Ok((loaded.policy, mode))
}

fn read_preset(name: &str) -> Result<(String, String), PolicyLoadError> {
    let Preset { name, text } =
        portcullis_policy::find_preset(name).ok_or_else(|| PolicyLoadError::UnknownPreset {
            name: name.to_owned(),
        })?;
    Ok((format!("preset:{name}"), text.to_owned()))
}

fn read_policy_file(path: &Path) -> Result<(String, String), PolicyLoadError> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(PolicyLoadError::FileUnreadable { path: name, error }),
    }
}

fn log_policy_errors(mistakes: &Diagnostics) -> PolicyLoadError {
    for mistake in mistakes.log_lines() {
        tracing::error!(%mistake, "wrong policy");
    }
    PolicyLoadError::Invalid {
        count: mistakes.len(),
        first: mistakes.log_lines().next().unwrap_or_default(),
    }
}

/// The environment has the last word: whoever deploys decides, and the template grants the permissions by it.
fn effective_mode(given: Option<Mode>, policy: &Policy) -> Mode {
    match (given, policy.monitor) {
        (Some(Mode::Enforce), true) => {
            tracing::warn!(
                policy = policy.name,
                "the policy says monitor, PORTCULLIS_MODE says enforce: enforcing"
            );
            Mode::Enforce
        }
        (Some(mode), _) => mode,
        (None, true) => Mode::Monitor,
        (None, false) => Mode::Enforce,
    }
}

fn preset_names() -> String {
    PRESETS
        .map(|preset| format!("`{}`", preset.name))
        .join(", ")
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::path::PathBuf;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use portcullis_remediation::ErrorKind;

    use super::*;

    fn settings(policy: PolicySource, mode: Option<Mode>) -> Settings {
        Settings {
            topic_arn: "arn:aws:sns:eu-west-1:111122223333:alerts".to_owned(),
            mode,
            policy,
        }
    }

    /// Loads it. The one parameter there is holds a policy named `of-the-parameter`.
    #[expect(clippy::panic_in_result_fn, reason = "a test may fail loudly")]
    fn load(policy: PolicySource, mode: Option<Mode>) -> Result<(Policy, Mode), PolicyLoadError> {
        let there_is_one = |name: String| {
            ready(if name == "/portcullis/policy" {
                Ok("version: 1\nname: of-the-parameter\nextends: web-only\n".to_owned())
            } else {
                Err(ServiceError::new(
                    "GetParameter",
                    ErrorKind::Other,
                    "ParameterNotFound",
                ))
            })
        };
        let settings = settings(policy, mode);
        let mut loading = pin!(super::load_policy(&settings, there_is_one));
        match loading
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(loaded) => loaded,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    fn preset(name: &str, mode: Option<Mode>) -> Result<(Policy, Mode), PolicyLoadError> {
        load(PolicySource::Preset(name.to_owned()), mode)
    }

    #[test]
    fn a_parameter_is_as_good_as_a_file() {
        let parameter = |name: &str| load(PolicySource::Parameter(name.to_owned()), None);
        assert_eq!(
            parameter("/portcullis/policy").unwrap().0.name,
            "of-the-parameter"
        );
        let error = parameter("/portcullis/other").unwrap_err().to_string();
        assert!(
            error.contains("/portcullis/other") && error.contains("ParameterNotFound"),
            "{error}"
        );
    }

    #[test]
    fn every_preset_loads() {
        for known in PRESETS {
            let (policy, _) = preset(known.name, None).unwrap();
            assert_eq!(policy.name, known.name);
        }
    }

    #[test]
    fn the_preset_baseline_is_the_built_in_policy() {
        let preset = portcullis_policy::find_preset("baseline").unwrap();
        assert_eq!(
            portcullis_policy::parse_policy("baseline", preset.text)
                .unwrap()
                .policy,
            baseline_policy()
        );
        assert_eq!(self::preset("baseline", None).unwrap().0, baseline_policy());
    }

    #[test]
    fn the_policy_decides_about_the_mode_unless_the_environment_does() {
        assert_eq!(preset("monitor", None).unwrap().1, Mode::Monitor);
        assert_eq!(
            preset("monitor", Some(Mode::Enforce)).unwrap().1,
            Mode::Enforce
        );
        assert_eq!(preset("web-only", None).unwrap().1, Mode::Enforce);
        assert_eq!(
            preset("web-only", Some(Mode::Monitor)).unwrap().1,
            Mode::Monitor
        );
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let error = preset("web", None).unwrap_err().to_string();
        assert!(
            error.contains("`preset:web`") && error.contains("`web-only`"),
            "{error}"
        );
        let missing = PolicySource::File(PathBuf::from("/nonexistent/policy.yaml"));
        let error = load(missing, None).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/policy.yaml"), "{error}");
    }
}
