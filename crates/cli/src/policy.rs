//! Where a policy comes from: a file, or one that comes with Portcullis.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use portcullis_policy::{LoadedPolicy, PRESETS, Preset, find_preset, parse_policy};
use portcullis_rules::{Policy, Scope};

use crate::error::CliError;
use crate::input::Input;
use crate::yaml::nearest_word;

/// How the arguments name a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyName {
    /// `preset:NAME`.
    Preset(Preset),
    /// A file, or standard input.
    Input(Input),
}

impl FromStr for PolicyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("preset:") {
            Some(name) => find_preset(name)
                .map(Self::Preset)
                .ok_or_else(|| unknown_preset_message(name)),
            None => Ok(Self::Input(text.parse().unwrap_or(Input::Stdin))),
        }
    }
}

fn unknown_preset_message(name: &str) -> String {
    let names = PRESETS.map(|preset| preset.name);
    match nearest_word(name, names) {
        Some(near) => format!("there is no such preset; did you mean `preset:{near}`?"),
        None => format!(
            "there is no such preset; there are {}",
            names.map(|name| format!("`{name}`")).join(", ")
        ),
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
    /// The same, with a file named as seen from a folder.
    #[must_use]
    pub fn resolve_in(self, folder: &Path) -> Self {
        match self {
            Self::Input(Input::File(ref path)) => Self::Input(Input::File(folder.join(path))),
            Self::Input(Input::Stdin) | Self::Preset(_) => self,
        }
    }

    /// Whether it wants the standard input.
    pub fn is_stdin(&self) -> bool {
        *self == Self::Input(Input::Stdin)
    }

    /// What its mistakes are told under.
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
            Self::Input(input) => input.read_text(),
        }
    }

    /// The policy.
    ///
    /// # Errors
    /// When it cannot be read or does not hold.
    pub fn load(&self) -> Result<LoadedPolicy, CliError> {
        parse_policy(&self.display_name(), &self.read_text()?).map_err(|found| {
            let (name, found) = (self.to_string(), Box::new(found));
            CliError::InvalidPolicy { name, found }
        })
    }
}

/// Whether something of the policy holds in some regions only.
pub fn depends_on_region(policy: &Policy) -> bool {
    let scopes = policy.rules.iter().map(|rule| &rule.scope);
    let scopes = scopes.chain(policy.exceptions.iter().map(|exception| &exception.scope));
    let scopes = scopes.chain(policy.overrides.iter().map(|other| &other.scope));
    scopes
        .chain(&policy.guardrails.protected)
        .any(|scope: &Scope| !scope.regions.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_as_text_is_the_one_of_the_engine() {
        let loaded = "preset:baseline"
            .parse::<PolicyName>()
            .unwrap()
            .load()
            .unwrap();
        assert_eq!(loaded.policy, portcullis_rules::baseline::baseline_policy());
    }

    #[test]
    fn every_preset_can_be_named_and_no_other() {
        for preset in PRESETS {
            assert!(
                format!("preset:{}", preset.name)
                    .parse::<PolicyName>()
                    .unwrap()
                    .load()
                    .is_ok()
            );
        }
        assert!(
            "preset:basline"
                .parse::<PolicyName>()
                .unwrap_err()
                .ends_with("did you mean `preset:baseline`?")
        );
        assert!(
            "preset:"
                .parse::<PolicyName>()
                .unwrap_err()
                .contains("`web-only`")
        );
    }

    #[test]
    fn a_file_is_named_from_where_it_is_named() {
        let name = |text: &str| {
            text.parse::<PolicyName>()
                .unwrap()
                .resolve_in(Path::new("policies"))
        };
        assert_eq!(name("edge.yaml").to_string(), "`policies/edge.yaml`");
        assert_eq!(name("preset:hipaa").to_string(), "`preset:hipaa`");
    }
}
