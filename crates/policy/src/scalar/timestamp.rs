//! Dates and times.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::problem::{Problem, ScalarResult};
use crate::code::Code;
use crate::record::Value;
use crate::yaml::{nearest_word, quote_text};

/// When something expires: at the end of a day in UTC, or at a time.
pub(crate) fn parse_timestamp(text: &str) -> ScalarResult {
    if is_date_shaped(text) {
        let end_of_day = text
            .parse::<Date>()
            .and_then(Date::tomorrow)
            .and_then(|next_day| next_day.to_zoned(TimeZone::UTC));
        return match end_of_day {
            Ok(end) => Ok(Value::Timestamp(end.timestamp())),
            Err(_) => Err(invalid_date(text, Some("this date does not exist"))),
        };
    }
    match text.parse::<Timestamp>() {
        Ok(time) if time.as_second() > 0 => Ok(Value::Timestamp(time)),
        Ok(_) => Err(invalid_date(text, Some("use a time after 1970"))),
        Err(_) => Err(invalid_date(text, date_help(text))),
    }
}

fn invalid_date(text: &str, help: Option<&str>) -> Problem {
    let message = format!("invalid date {}", quote_text(text));
    let expected = "expected a date such as 2027-03-31, or a time such as 2027-03-31T18:00:00Z";
    Problem::new(Code::BadDate, message, expected).with_help(help.map(str::to_owned))
}

fn date_help(text: &str) -> Option<&'static str> {
    if text.contains(':') && !text.ends_with(['Z', 'z']) {
        Some("add a time zone: `Z` or an offset such as `+01:00`")
    } else if text.contains(['/', '.']) {
        Some("write year, month and day: 2027-03-31")
    } else if nearest_word(text, ["never", "none"]).is_some() {
        Some("omit `expires` for an exception that never expires")
    } else {
        None
    }
}

/// Whether it has the form `dddd-dd-dd`.
fn is_date_shaped(text: &str) -> bool {
    let form = "dddd-dd-dd";
    text.len() == form.len()
        && text
            .chars()
            .zip(form.chars())
            .all(|(c, expected)| match expected {
                'd' => c.is_ascii_digit(),
                _ => c == expected,
            })
}
