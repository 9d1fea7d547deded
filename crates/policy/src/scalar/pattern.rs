//! Patterns with `*` and `?`.

use super::ids::{IdPlace, misplaced_id};
use super::problem::{Problem, ScalarResult};
use crate::code::Code;
use crate::record::Value;
use crate::schema_table::PatternSubject;
use crate::yaml::quote_text;

const EXPECTED_PATTERN: &str =
    "expected text, in which `*` matches any text and `?` any one character";

pub(crate) fn parse_pattern(text: &str, subject: PatternSubject) -> ScalarResult {
    if text.is_empty() && subject != PatternSubject::Tag {
        let problem = Problem::new(Code::BadPattern, "empty pattern", EXPECTED_PATTERN);
        return Err(problem);
    }
    if let Some(problem) = misplaced_text(text, subject) {
        return Err(problem);
    }
    let Some(invalid) = text.chars().find(|c| !can_contain(subject, *c)) else {
        return Ok(Value::Text(text.to_owned()));
    };
    let what = match subject {
        PatternSubject::GroupName => "a group name",
        PatternSubject::Description => "a description",
        PatternSubject::Principal => "an ARN",
        PatternSubject::Tag => "a tag",
    };
    let message = format!(
        "pattern {} can never match: {what} cannot contain {}",
        quote_text(text),
        quote_text(&invalid.to_string())
    );
    let help = match invalid {
        '^' | '|' | '\\' => Some("patterns are not regular expressions".to_owned()),
        '“' | '”' | '‘' | '’' => Some("use straight quotes: `\"`".to_owned()),
        _ => None,
    };
    Err(Problem::new(Code::BadPattern, message, EXPECTED_PATTERN).with_help(help))
}

/// Whether the pattern matches any text, except perhaps the empty one: `*`, `?*`.
pub(crate) fn matches_any_text(pattern: &str) -> bool {
    let is_wildcard = |c| matches!(c, '*' | '?');
    pattern.contains('*') && pattern.chars().all(is_wildcard) && pattern.matches('?').count() <= 1
}

/// The error if the text is an id where a pattern belongs.
fn misplaced_text(text: &str, subject: PatternSubject) -> Option<Problem> {
    match subject {
        PatternSubject::GroupName => misplaced_id(text, IdPlace::Names).or_else(|| {
            let message = format!(
                "pattern {} can never match: a group name cannot start with `sg-`",
                quote_text(text)
            );
            let help = "to select groups by their IDs, use the key `groups`".to_owned();
            text.starts_with("sg-").then(|| {
                Problem::new(Code::BadPattern, message, EXPECTED_PATTERN).with_help(Some(help))
            })
        }),
        PatternSubject::Principal => misplaced_id(text, IdPlace::Principals),
        PatternSubject::Description | PatternSubject::Tag => None,
    }
}

/// Whether AWS allows the character in the subject, or it is a wildcard.
fn can_contain(subject: PatternSubject, c: char) -> bool {
    match subject {
        PatternSubject::GroupName | PatternSubject::Description => {
            c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*?".contains(c)
        }
        PatternSubject::Principal => !c.is_whitespace() && !c.is_control(),
        PatternSubject::Tag => !c.is_control(),
    }
}
