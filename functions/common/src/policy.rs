//! Loads the policy from the source in the settings: a preset, a file in the deployment package, or
//! a parameter of AWS Systems Manager.

use std::fs;
use std::io;
use std::path::Path;

use portcullis_policy::{Diagnostics, PRESETS, Preset};
use portcullis_remediation::{Mode, ServiceError};
use portcullis_rules::Policy;
use portcullis_rules::baseline::baseline_policy;

use crate::settings::{PolicySource, Settings};

/// Why a policy could not be loaded. The function does not start without one.
#[derive(Debug, thiserror::Error)]
pub enum PolicyLoadError {
    /// The file cannot be read.
    #[error("cannot read the policy file `{path}` (set in PORTCULLIS_POLICY): {error}")]
    FileUnreadable {
        /// The file.
        path: String,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The parameter does not exist, or may not be read.
    #[error("cannot read Systems Manager parameter `{name}` (set in PORTCULLIS_POLICY): {error}")]
    ParameterUnreadable {
        /// The name of the parameter.
        name: String,
        /// The error of Systems Manager.
        error: ServiceError,
    },
    /// There is no such preset.
    #[error(
        "unknown preset `preset:{name}` in PORTCULLIS_POLICY: expected one of {}",
        preset_names()
    )]
    UnknownPreset {
        /// The name in the setting.
        name: String,
    },
    /// The policy is invalid. Every error was logged.
    #[error("invalid policy ({count} error{}): {first}", plural_suffix(*.count))]
    Invalid {
        /// How many errors there are.
        count: usize,
        /// The first error, with file, line and column.
        first: String,
    },
}

/// Loads the policy, and determines the mode.
///
/// `read_parameter` reads a parameter of AWS Systems Manager. It is called only if the policy is in
/// one.
///
/// # Errors
/// When the policy cannot be read or is invalid. Each error and each warning is logged.
pub async fn load_policy<F>(
    settings: &Settings,
    read_parameter: impl FnOnce(String) -> F,
) -> Result<(Policy, Mode), PolicyLoadError>
where
    F: Future<Output = Result<String, ServiceError>>,
{
    // The default policy is also built in as values, so that a cold start does not parse it.
    if settings.policy == PolicySource::Preset("baseline".to_owned()) {
        let policy = baseline_policy();
        let mode = effective_mode(settings.mode, &policy);
        return Ok((policy, mode));
    }
    let (name, text) = match &settings.policy {
        PolicySource::Preset(name) => read_preset(name)?,
        PolicySource::File(path) => read_policy_file(path)?,
        PolicySource::Parameter(name) => {
            let result = read_parameter(name.clone()).await;
            policy_parameter(name, result)?
        }
    };
    let loaded = portcullis_policy::parse_policy(&name, &text)
        .map_err(|errors| log_policy_errors(&errors))?;
    for warning in loaded.warnings.log_lines() {
        tracing::warn!(%warning, "policy warning");
    }
    let mode = effective_mode(settings.mode, &loaded.policy);
    Ok((loaded.policy, mode))
}

/// The name and the text of a preset.
fn read_preset(name: &str) -> Result<(String, String), PolicyLoadError> {
    let Preset { name, text } =
        portcullis_policy::find_preset(name).ok_or_else(|| PolicyLoadError::UnknownPreset {
            name: name.to_owned(),
        })?;
    Ok((format!("preset:{name}"), text.to_owned()))
}

/// The path and the text of a file.
fn read_policy_file(path: &Path) -> Result<(String, String), PolicyLoadError> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(PolicyLoadError::FileUnreadable { path: name, error }),
    }
}

/// The source and the text of a parameter that was read.
fn policy_parameter(
    name: &str,
    result: Result<String, ServiceError>,
) -> Result<(String, String), PolicyLoadError> {
    match result {
        Ok(text) => Ok((format!("ssm:{name}"), text)),
        Err(error) => Err(PolicyLoadError::ParameterUnreadable {
            name: name.to_owned(),
            error,
        }),
    }
}

fn log_policy_errors(errors: &Diagnostics) -> PolicyLoadError {
    for error in errors.log_lines() {
        tracing::error!(%error, "policy error");
    }
    PolicyLoadError::Invalid {
        count: errors.len(),
        first: errors.log_lines().next().unwrap_or_default(),
    }
}

/// The environment takes precedence: whoever deploys decides, and the template grants the
/// permissions accordingly.
fn effective_mode(setting: Option<Mode>, policy: &Policy) -> Mode {
    match (setting, policy.monitor) {
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

const fn plural_suffix(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
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
            role_arns: Vec::new(),
        }
    }

    /// Loads a policy. The only parameter contains a policy named `from-parameter`.
    #[expect(clippy::panic_in_result_fn, reason = "a test may fail loudly")]
    fn load(policy: PolicySource, mode: Option<Mode>) -> Result<(Policy, Mode), PolicyLoadError> {
        let settings = settings(policy, mode);
        let mut loading = pin!(load_policy(&settings, |name| ready(read_parameter(&name))));
        let mut context = Context::from_waker(Waker::noop());
        match loading.as_mut().poll(&mut context) {
            Poll::Ready(loaded) => loaded,
            Poll::Pending => panic!("loading never waits"),
        }
    }

    fn read_parameter(name: &str) -> Result<String, ServiceError> {
        if name == "/portcullis/policy" {
            return Ok("version: 1\nname: from-parameter\nextends: web-only\n".to_owned());
        }
        let (operation, kind) = ("GetParameter", ErrorKind::Other);
        Err(ServiceError::new(operation, kind, "ParameterNotFound"))
    }

    fn load_preset(name: &str, mode: Option<Mode>) -> Result<(Policy, Mode), PolicyLoadError> {
        load(PolicySource::Preset(name.to_owned()), mode)
    }

    #[test]
    fn a_policy_is_read_from_a_parameter() {
        let load_parameter = |name: &str| load(PolicySource::Parameter(name.to_owned()), None);
        assert_eq!(
            load_parameter("/portcullis/policy").unwrap().0.name,
            "from-parameter"
        );
        let error = load_parameter("/portcullis/other").unwrap_err().to_string();
        assert!(
            error.contains("/portcullis/other") && error.contains("ParameterNotFound"),
            "{error}"
        );
    }

    #[test]
    fn every_preset_loads() {
        for expected in PRESETS {
            let (policy, _) = load_preset(expected.name, None).unwrap();
            assert_eq!(policy.name, expected.name);
        }
    }

    #[test]
    fn the_baseline_preset_is_the_built_in_policy() {
        let preset = portcullis_policy::find_preset("baseline").unwrap();
        assert_eq!(
            portcullis_policy::parse_policy("baseline", preset.text)
                .unwrap()
                .policy,
            baseline_policy()
        );
        assert_eq!(load_preset("baseline", None).unwrap().0, baseline_policy());
    }

    #[test]
    fn the_environment_overrides_the_mode_of_the_policy() {
        assert_eq!(load_preset("monitor", None).unwrap().1, Mode::Monitor);
        assert_eq!(
            load_preset("monitor", Some(Mode::Enforce)).unwrap().1,
            Mode::Enforce
        );
        assert_eq!(load_preset("web-only", None).unwrap().1, Mode::Enforce);
        assert_eq!(
            load_preset("web-only", Some(Mode::Monitor)).unwrap().1,
            Mode::Monitor
        );
    }

    #[test]
    fn an_unreadable_policy_is_an_error_with_its_source() {
        let error = load_preset("web", None).unwrap_err().to_string();
        assert!(
            error.contains("`preset:web`") && error.contains("`web-only`"),
            "{error}"
        );
        let missing = PolicySource::File(PathBuf::from("/nonexistent/policy.yaml"));
        let error = load(missing, None).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/policy.yaml"), "{error}");
    }
}
