//! The table of all keys of a policy file and their values. The decoder follows it and the JSON
//! Schema is generated from it, so the two always accept the same keys.

mod choices;
mod kinds;
mod rule_sections;
mod scope_sections;
mod top_level;

pub(crate) use choices::{CHECKS_WITH_TRAFFIC, TRAFFIC_KEYS, parse_action, parse_severity};
pub(crate) use kinds::{AwsId, Choice, Key, Kind, MapKey, MinItems, PatternSubject, Section};
pub(crate) use top_level::POLICY;
