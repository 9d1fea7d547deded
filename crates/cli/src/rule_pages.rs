//! The pages about policy rules that come with Portcullis.

macro_rules! pages {
    ($($id:literal),+ $(,)?) => {
        [$(($id, include_str!(concat!("../../../docs/rules/", $id, ".md")))),+]
    };
}

/// The pages about the rules of the presets, in the order of the presets.
pub const RULE_PAGES: [(&str, &str); 10] = pages![
    "all-traffic",
    "restricted-common-ports",
    "high-risk-ports",
    "uncommon-ports",
    "port-range",
    "port-range-internal",
    "broad-source",
    "other-protocols",
    "web-only",
    "databases",
];
