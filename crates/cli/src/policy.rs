//! The policy that the arguments name: a file, standard input or a preset.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use portcullis_policy::{
    LoadedPolicy, PRESETS, PolicyReference, Preset, UnknownPreset, nearest_word, parse_policy,
};
use portcullis_rules::{Policy, Scope};

use crate::error::CliError;
use crate::input::Input;

/// Where a policy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyName {
    /// `preset:NAME`.
    Preset(Preset),
    /// A file, or standard input.
    Input(Input),
}

impl FromStr for PolicyName {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        Ok(match text {
            "-" => Self::Input(Input::Stdin),
            _ => Self::from_reference(text.parse()?, Path::new("")),
        })
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => write!(f, "`preset:{}`", preset.name),
            Self::Input(input) => write!(f, "{input}"),
        }
    }
}

impl PolicyName {
    /// The policy that a file in this folder refers to.
    pub fn from_reference(reference: PolicyReference, folder: &Path) -> Self {
        match reference {
            PolicyReference::Preset(preset) => Self::Preset(preset),
            PolicyReference::File(path) => Self::Input(Input::File(folder.join(path))),
        }
    }

    /// Whether it is read from standard input.
    pub fn is_stdin(&self) -> bool {
        *self == Self::Input(Input::Stdin)
    }

    /// The name of the policy file in diagnostics.
    pub fn display_name(&self) -> String {
        match self {
            Self::Preset(preset) => preset.name.to_owned(),
            Self::Input(input) => input.display_name(),
        }
    }

    /// The text of the policy.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_text(&self) -> Result<String, CliError> {
        match self {
            Self::Preset(preset) => Ok(preset.text.to_owned()),
            Self::Input(input) => input
                .read_text()
                .map_err(|error| self.explain_missing_file(error)),
        }
    }

    /// A more helpful error if the file does not exist and has the name of a preset.
    fn explain_missing_file(&self, error: CliError) -> CliError {
        let CliError::Read { name, source } = &error else {
            return error;
        };
        if source.kind() != io::ErrorKind::NotFound {
            return error;
        }
        let presets = PRESETS.iter().map(|preset| preset.name);
        match nearest_word(&self.display_name(), presets) {
            Some(preset) => CliError::PolicyNotFound {
                name: name.clone(),
                preset,
            },
            None => error,
        }
    }

    /// The policy.
    ///
    /// # Errors
    /// When it cannot be read or is invalid.
    pub fn load(&self) -> Result<LoadedPolicy, CliError> {
        parse_policy(&self.display_name(), &self.read_text()?).map_err(|found| {
            CliError::InvalidPolicy {
                name: self.to_string(),
                found: Box::new(found),
            }
        })
    }
}

/// Whether some part of the policy applies to certain regions only.
pub fn depends_on_region(policy: &Policy) -> bool {
    let exceptions = policy.exceptions.iter().map(|exception| &exception.scope);
    let overrides = policy.overrides.iter().map(|entry| &entry.scope);
    policy
        .rules
        .iter()
        .map(|rule| &rule.scope)
        .chain(exceptions)
        .chain(overrides)
        .chain(&policy.guardrails.protected)
        .any(|scope: &Scope| !scope.regions.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_name(text: &str) -> PolicyName {
        text.parse().unwrap()
    }

    #[test]
    fn every_preset_can_be_loaded() {
        for preset in PRESETS {
            let name = policy_name(&format!("preset:{}", preset.name));
            assert_eq!(name.load().unwrap().policy.name, preset.name);
        }
    }

    #[test]
    fn files_are_relative_to_the_file_that_refers_to_them() {
        let resolved = |text: &str| {
            let reference = text.parse().unwrap();
            PolicyName::from_reference(reference, Path::new("policies")).to_string()
        };
        assert_eq!(resolved("edge.yaml"), "`policies/edge.yaml`");
        assert_eq!(resolved("preset:hipaa"), "`preset:hipaa`");
        assert_eq!(policy_name("edge.yaml").to_string(), "`edge.yaml`");
        assert!(policy_name("-").is_stdin());
    }
}
