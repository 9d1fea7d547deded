//! The policies that come with Portcullis, as text: readable, and to be copied.

/// A policy that comes with Portcullis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The word after `extends`.
    pub name: &'static str,
    /// The policy file, with comments that teach.
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
