//! Texts, names, flags and numbers.

use super::problem::{Problem, ScalarResult};
use crate::code::Code;
use crate::record::Value;
use crate::yaml::quote_text;

/// The version of the policy language.
pub(crate) fn parse_version(text: &str) -> ScalarResult {
    if text == "1" {
        return Ok(Value::Count(1));
    }
    let message = format!("unsupported version {}", quote_text(text));
    let help = matches!(text, "1.0" | "v1" | "01").then(|| "write `version: 1`".to_owned());
    let expected = "only version 1 is supported";
    Err(Problem::new(Code::UnsupportedVersion, message, expected).with_help(help))
}

pub(crate) fn parse_text(text: &str) -> ScalarResult {
    if text.trim().is_empty() {
        return Err(Problem::new(
            Code::EmptyValue,
            "empty text",
            "expected text",
        ));
    }
    Ok(Value::Text(text.to_owned()))
}

const EXPECTED_NAME: &str = "expected lowercase letters, digits and dashes, starting with a letter";

/// A name that the author of the policy chose.
pub(crate) fn parse_name(text: &str) -> Result<String, Problem> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    let message = format!("invalid name {}", quote_text(text));
    Err(Problem::new(Code::BadName, message, EXPECTED_NAME).with_help(name_help(text)))
}

fn name_help(text: &str) -> Option<String> {
    if text == "all" {
        return Some("`all` is reserved".to_owned());
    }
    let dashed: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let better = dashed.trim_matches('-');
    is_name(better).then(|| format!("try `{better}`"))
}

/// Whether it is a name: `all` has a meaning of its own, and text that starts with the prefix of an
/// AWS id is one.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !["sg-", "pl-"].iter().any(|prefix| text.starts_with(prefix))
        && text != "all"
}

/// YAML 1.2 has two booleans; the other words were booleans in YAML 1.1.
pub(crate) fn parse_flag(text: &str) -> ScalarResult {
    let help = match text.to_ascii_lowercase().as_str() {
        "true" if text == "true" => return Ok(Value::Flag(true)),
        "false" if text == "false" => return Ok(Value::Flag(false)),
        "yes" | "on" | "y" | "true" | "1" => Some("write `true`".to_owned()),
        "no" | "off" | "n" | "false" | "0" => Some("write `false`".to_owned()),
        _ => None,
    };
    let message = format!("invalid boolean {}", quote_text(text));
    Err(Problem::new(Code::BadBoolean, message, "expected `true` or `false`").with_help(help))
}

pub(crate) fn parse_count(text: &str) -> ScalarResult {
    match parse_decimal(text).and_then(|number| usize::try_from(number).ok()) {
        Some(count) if count > 0 => Ok(Value::Count(count)),
        _ => {
            let help =
                (text == "0").then(|| "to prevent every change, write `mode: monitor`".to_owned());
            let message = format!("invalid number {}", quote_text(text));
            let expected = "expected a whole number of at least 1";
            Err(Problem::new(Code::BadNumber, message, expected).with_help(help))
        }
    }
}

/// A decimal number without a sign and without leading zeros.
pub(super) fn parse_decimal(text: &str) -> Option<u32> {
    let is_decimal = text.chars().all(|c| c.is_ascii_digit());
    let has_leading_zero = text.starts_with('0') && text != "0";
    (is_decimal && !has_leading_zero)
        .then(|| text.parse().ok())
        .flatten()
}
