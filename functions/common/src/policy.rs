//! Loads the policy from the source in the settings: a preset, a file in the deployment package, or
//! a parameter of AWS Systems Manager.

use std::fs;
use std::io;
use std::path::Path;

use portcullis_aws::Parameter;
use portcullis_policy::{Diagnostics, PRESETS, Preset, render_policy};
use portcullis_remediation::report::PolicyIdentity;
use portcullis_remediation::{Mode, ServiceError};
use portcullis_rules::Policy;
use portcullis_rules::baseline::baseline_policy;
use sha2::{Digest as _, Sha256};

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

/// The policy of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionPolicy {
    /// The policy.
    pub policy: Policy,
    /// Its name, version and hash.
    pub identity: PolicyIdentity,
    /// Whether groups are changed.
    pub mode: Mode,
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
) -> Result<FunctionPolicy, PolicyLoadError>
where
    F: Future<Output = Result<Parameter, ServiceError>>,
{
    let (policy, version, hash) = match &settings.policy {
        PolicySource::Preset(name) => {
            let policy = load_preset(name)?;
            let hash = hash_text(&render_policy(&policy));
            (policy, None, hash)
        }
        PolicySource::File(path) => {
            let (name, text) = read_policy_file(path)?;
            (parse_policy(&name, &text)?, None, hash_text(&text))
        }
        PolicySource::Parameter(name) => {
            let result = read_parameter(name.clone()).await;
            let Parameter { value, version } = check_parameter(name, result)?;
            let policy = parse_policy(&format!("ssm:{name}"), &value)?;
            (policy, version, hash_text(&value))
        }
    };
    let identity = PolicyIdentity {
        version,
        hash: Some(hash),
        ..PolicyIdentity::from_policy(&policy)
    };
    Ok(FunctionPolicy {
        mode: effective_mode(settings.mode, &policy),
        identity,
        policy,
    })
}

fn load_preset(name: &str) -> Result<Policy, PolicyLoadError> {
    // The default policy is also built in as values, so that a cold start does not parse it.
    if name == "baseline" {
        return Ok(baseline_policy());
    }
    let Preset { name, text } =
        portcullis_policy::find_preset(name).ok_or_else(|| PolicyLoadError::UnknownPreset {
            name: name.to_owned(),
        })?;
    parse_policy(&format!("preset:{name}"), text)
}

/// The path and the text of a file.
fn read_policy_file(path: &Path) -> Result<(String, String), PolicyLoadError> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(PolicyLoadError::FileUnreadable { path: name, error }),
    }
}

fn check_parameter(
    name: &str,
    result: Result<Parameter, ServiceError>,
) -> Result<Parameter, PolicyLoadError> {
    result.map_err(|error| PolicyLoadError::ParameterUnreadable {
        name: name.to_owned(),
        error,
    })
}

/// Parses a policy. Each error and each warning is logged.
fn parse_policy(name: &str, text: &str) -> Result<Policy, PolicyLoadError> {
    let loaded =
        portcullis_policy::parse_policy(name, text).map_err(|errors| log_policy_errors(&errors))?;
    for warning in loaded.warnings.log_lines() {
        tracing::warn!(%warning, "policy warning");
    }
    Ok(loaded.policy)
}

/// The SHA-256 hash in hexadecimal, as `sha256sum` prints it.
fn hash_text(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"))
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
                policy.name = policy.name,
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

    use portcullis_remediation::{AlertLinks, ErrorKind};

    use super::*;

    const FROM_PARAMETER: &str = "version: 1\nname: from-parameter\nextends: web-only\n";

    fn settings(policy: PolicySource, mode: Option<Mode>) -> Settings {
        Settings {
            topic_arn: "arn:aws:sns:eu-west-1:111122223333:alerts".to_owned(),
            mode,
            policy,
            role_arns: Vec::new(),
            links: AlertLinks::default(),
        }
    }

    /// Loads a policy. The only parameter contains a policy named `from-parameter`.
    #[expect(clippy::panic_in_result_fn, reason = "a test may fail loudly")]
    fn load(policy: PolicySource, mode: Option<Mode>) -> Result<FunctionPolicy, PolicyLoadError> {
        let settings = settings(policy, mode);
        let mut loading = pin!(load_policy(&settings, |name| ready(read_parameter(&name))));
        let mut context = Context::from_waker(Waker::noop());
        match loading.as_mut().poll(&mut context) {
            Poll::Ready(loaded) => loaded,
            Poll::Pending => panic!("loading never waits"),
        }
    }

    fn read_parameter(name: &str) -> Result<Parameter, ServiceError> {
        if name == "/portcullis/policy" {
            return Ok(Parameter {
                value: FROM_PARAMETER.to_owned(),
                version: Some(4),
            });
        }
        let (operation, kind) = ("GetParameter", ErrorKind::Other);
        Err(ServiceError::new(operation, kind, "ParameterNotFound"))
    }

    fn load_preset_in(name: &str, mode: Option<Mode>) -> Result<FunctionPolicy, PolicyLoadError> {
        load(PolicySource::Preset(name.to_owned()), mode)
    }

    #[test]
    fn a_policy_is_read_from_a_parameter() {
        let load_parameter = |name: &str| load(PolicySource::Parameter(name.to_owned()), None);
        assert_eq!(
            load_parameter("/portcullis/policy").unwrap().policy.name,
            "from-parameter"
        );
        let error = load_parameter("/portcullis/other").unwrap_err().to_string();
        assert!(
            error.contains("/portcullis/other") && error.contains("ParameterNotFound"),
            "{error}"
        );
    }

    #[test]
    fn a_policy_has_a_version_and_a_hash() {
        let parameter = PolicySource::Parameter("/portcullis/policy".to_owned());
        let identity = load(parameter, None).unwrap().identity;
        assert_eq!(identity.name, "from-parameter");
        assert_eq!(identity.version, Some(4));
        assert_eq!(identity.hash, Some(hash_text(FROM_PARAMETER)));

        for preset in PRESETS {
            let loaded = load_preset_in(preset.name, None).unwrap();
            let parsed = portcullis_policy::parse_policy(preset.name, preset.text).unwrap();
            assert_eq!(loaded.identity.version, None);
            let effective = render_policy(&parsed.policy);
            assert_eq!(loaded.identity.hash, Some(hash_text(&effective)));
        }
    }

    #[test]
    fn a_hash_is_that_of_sha256sum() {
        assert_eq!(
            hash_text("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn every_preset_loads() {
        for expected in PRESETS {
            let loaded = load_preset_in(expected.name, None).unwrap();
            assert_eq!(loaded.policy.name, expected.name);
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
        assert_eq!(
            load_preset_in("baseline", None).unwrap().policy,
            baseline_policy()
        );
    }

    #[test]
    fn the_environment_overrides_the_mode_of_the_policy() {
        assert_eq!(load_preset_in("monitor", None).unwrap().mode, Mode::Monitor);
        assert_eq!(
            load_preset_in("monitor", Some(Mode::Enforce)).unwrap().mode,
            Mode::Enforce
        );
        assert_eq!(
            load_preset_in("web-only", None).unwrap().mode,
            Mode::Enforce
        );
        assert_eq!(
            load_preset_in("web-only", Some(Mode::Monitor))
                .unwrap()
                .mode,
            Mode::Monitor
        );
    }

    #[test]
    fn an_unreadable_policy_is_an_error_with_its_source() {
        let error = load_preset_in("web", None).unwrap_err().to_string();
        assert!(
            error.contains("`preset:web`") && error.contains("`web-only`"),
            "{error}"
        );
        let missing = PolicySource::File(PathBuf::from("/nonexistent/policy.yaml"));
        let error = load(missing, None).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/policy.yaml"), "{error}");
    }
}
