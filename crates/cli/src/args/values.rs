//! Values that several commands accept.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::{Arg, ValueEnum};
use jiff::Timestamp;
use portcullis_policy::{REGIONS, is_known_region, nearest_region};
use portcullis_remediation::Mode;
use portcullis_rules::Severity;

use crate::describe::{is_account_id, is_region_name};
use crate::rule_pages::RULE_PAGES;

/// The second part of the names of regions.
const DIRECTIONS: [&str; 9] = [
    "central",
    "east",
    "north",
    "northeast",
    "northwest",
    "south",
    "southeast",
    "southwest",
    "west",
];

/// The output format of most commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Human-readable
    #[default]
    Human,
    /// JSON, schema version 1
    Json,
}

/// The output format of an audit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// Human-readable
    #[default]
    Human,
    /// JSON, schema version 1
    Json,
    /// For spreadsheets: comma-separated values, one row for each finding
    Csv,
    /// For readers and auditors: one page that needs no other file
    Html,
    /// For Security Hub: a JSON list in AWS Security Finding Format (ASFF)
    Asff,
    /// For data lakes and SIEMs: a JSON list in Open Cybersecurity Schema Framework (OCSF)
    Ocsf,
}

impl AuditFormat {
    /// The name of the format: `asff`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Asff => "asff",
            Self::Ocsf => "ocsf",
        }
    }
}

/// When to use color.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Applies the choice to the whole process.
    pub fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Accepts the name of a severity.
pub(super) fn severity_parser() -> impl TypedValueParser<Value = Severity> {
    let names = ["low", "medium", "high", "critical"];
    PossibleValuesParser::new(names).map(|name| match name.as_str() {
        "critical" => Severity::Critical,
        "high" => Severity::High,
        "medium" => Severity::Medium,
        _ => Severity::Low,
    })
}

/// Accepts the name of a mode.
pub(super) fn mode_parser() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(["enforce", "monitor"]).map(|name| match name.as_str() {
        "enforce" => Mode::Enforce,
        _ => Mode::Monitor,
    })
}

pub(super) fn parse_account_id(text: &str) -> Result<String, &'static str> {
    if is_account_id(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a 12-digit account id")
    }
}

/// Accepts any text, and lets shells complete it with these values.
pub(super) fn suggest(values: fn() -> Vec<&'static str>) -> Suggesting<StringValueParser> {
    Suggesting {
        parser: StringValueParser::new(),
        values,
    }
}

/// A parser with values for completions, which are not all that it accepts.
#[derive(Debug, Clone)]
pub(super) struct Suggesting<P> {
    parser: P,
    values: fn() -> Vec<&'static str>,
}

impl<P: TypedValueParser> TypedValueParser for Suggesting<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        self.parser.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            (self.values)().into_iter().map(PossibleValue::new),
        ))
    }
}

/// The ids of the rules that have a page.
pub(super) fn rule_ids() -> Vec<&'static str> {
    RULE_PAGES.iter().map(|(id, _)| *id).collect()
}

/// Accepts regions, and lets shells complete the known ones.
pub(super) fn region_parser() -> Suggesting<impl TypedValueParser<Value = String>> {
    Suggesting {
        parser: StringValueParser::new().try_map(|text| parse_region(&text)),
        values: || REGIONS.iter().map(|(region, _)| *region).collect(),
    }
}

/// Accepts known regions, and names that could be those of a new region.
fn parse_region(text: &str) -> Result<String, String> {
    if is_known_region(text) || has_form_of_region(text) {
        return Ok(text.to_owned());
    }
    if let Some(region) = nearest_region(text) {
        return Err(format!("there is no such region, did you mean {region}?"));
    }
    Err("expected a region such as eu-central-1".to_owned())
}

/// Whether a name consists of a known part of the world, a direction and a number.
fn has_form_of_region(text: &str) -> bool {
    let Some((place, number)) = text.rsplit_once('-') else {
        return false;
    };
    let Some((area, direction)) = place.rsplit_once('-') else {
        return false;
    };
    let is_number = number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_known_area = REGIONS.iter().any(|(known, _)| {
        let rest = known.strip_prefix(area);
        rest.is_some_and(|rest| rest.starts_with('-'))
    });
    is_region_name(text) && is_number && is_known_area && DIRECTIONS.contains(&direction)
}

pub(super) fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse()
        .map_err(|_| "expected a time such as 2027-03-01T00:00:00Z")
}

#[cfg(test)]
mod region_tests {
    use super::*;

    #[test]
    fn misspelled_regions_are_errors_and_new_ones_are_not() {
        for name in [
            "eu-central-1",
            "us-gov-west-1",
            "eusc-de-east-1",
            "eu-central-9",
        ] {
            assert_eq!(parse_region(name), Ok(name.to_owned()));
        }
        for (name, message) in [
            (
                "eu-centrl-1",
                "there is no such region, did you mean eu-central-1?",
            ),
            (
                "ue-west-1",
                "there is no such region, did you mean eu-west-1?",
            ),
            (
                "us-east-1a",
                "there is no such region, did you mean us-east-1?",
            ),
            ("moon", "expected a region such as eu-central-1"),
            ("EU", "expected a region such as eu-central-1"),
        ] {
            assert_eq!(parse_region(name), Err(message.to_owned()), "{name}");
        }
    }
}
