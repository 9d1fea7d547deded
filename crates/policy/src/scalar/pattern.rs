//! Patterns with `*` and `?`.

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
    let help = matches!(invalid, '^' | '|' | '\\')
        .then(|| "patterns are not regular expressions".to_owned());
    Err(Problem::new(Code::BadPattern, message, EXPECTED_PATTERN).with_help(help))
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
