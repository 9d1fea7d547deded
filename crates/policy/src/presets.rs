//! The built-in policies, as text, and how policies are referred to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::yaml::{nearest_word, quote_list, quote_text};

/// A built-in policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The name, as after `extends`.
    pub name: &'static str,
    /// The policy file, with comments that explain it.
    pub text: &'static str,
}

/// Every preset.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "baseline",
        text: include_str!("../presets/baseline.yaml"),
    },
    Preset {
        name: "web-only",
        text: include_str!("../presets/web-only.yaml"),
    },
    Preset {
        name: "monitor",
        text: include_str!("../presets/monitor.yaml"),
    },
    Preset {
        name: "hipaa",
        text: include_str!("../presets/hipaa.yaml"),
    },
];

/// The preset of this name.
pub fn find_preset(name: &str) -> Option<Preset> {
    PRESETS.into_iter().find(|preset| preset.name == name)
}

/// A policy as the command line and test files refer to it: `preset:NAME`, or the path of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyReference {
    /// A built-in policy.
    Preset(Preset),
    /// A policy file. The path is as written, so it may be relative.
    File(PathBuf),
}

impl FromStr for PolicyReference {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        let Some(name) = text.strip_prefix("preset:") else {
            return Ok(Self::File(text.into()));
        };
        find_preset(name)
            .map(Self::Preset)
            .ok_or_else(|| UnknownPreset {
                name: name.to_owned(),
            })
    }
}

/// A reference to a preset that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPreset {
    name: String,
}

impl UnknownPreset {
    /// The preset that was probably meant, or all of them.
    fn suggestion(&self) -> String {
        let names = PRESETS.map(|preset| preset.name);
        match nearest_word(&self.name, names) {
            Some(nearest) => format!("did you mean `preset:{nearest}`?"),
            None => format!("the presets are {}", quote_list(names, "and")),
        }
    }
}

impl fmt::Display for UnknownPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = quote_text(&self.name);
        write!(f, "unknown preset {name}: {}", self.suggestion())
    }
}

impl std::error::Error for UnknownPreset {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_preset_or_a_file() {
        for preset in PRESETS {
            let reference = format!("preset:{}", preset.name).parse();
            assert_eq!(reference, Ok(PolicyReference::Preset(preset)));
        }
        let file = PolicyReference::File("policies/edge.yaml".into());
        assert_eq!("policies/edge.yaml".parse(), Ok(file));
    }

    #[test]
    fn an_unknown_preset_is_rejected_with_a_suggestion() {
        let error = |text: &str| text.parse::<PolicyReference>().unwrap_err().to_string();
        assert_eq!(
            error("preset:basline"),
            "unknown preset `basline`: did you mean `preset:baseline`?"
        );
        assert_eq!(
            error("preset:x"),
            "unknown preset `x`: the presets are `baseline`, `web-only`, `monitor` and `hipaa`"
        );
    }
}
