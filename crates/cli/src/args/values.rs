//! Values that several commands accept.

use clap::ValueEnum;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::describe::{is_account_id, is_region_name};

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
    /// For Security Hub: a JSON list in AWS Security Finding Format (ASFF)
    Asff,
    /// For data lakes and SIEMs: a JSON list in Open Cybersecurity Schema Framework (OCSF)
    Ocsf,
}

/// The output format of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// Human-readable
    #[default]
    Human,
    /// JSON, schema version 1
    Json,
    /// For a comment on a pull request
    Markdown,
}

/// When drafted exceptions expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// At the end of the day that is this many days from now.
    Days(u16),
    /// At the end of this day, in UTC.
    Date(Date),
}

impl Expiry {
    /// The last day on which the exceptions apply.
    pub fn last_day(self, now: Timestamp) -> Date {
        match self {
            Self::Days(days) => now
                .to_zoned(TimeZone::UTC)
                .date()
                .saturating_add(i64::from(days).days()),
            Self::Date(date) => date,
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

pub(super) fn parse_account_id(text: &str) -> Result<String, &'static str> {
    if is_account_id(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a 12-digit account id")
    }
}

pub(super) fn parse_region(text: &str) -> Result<String, &'static str> {
    if is_region_name(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a region such as eu-central-1")
    }
}

pub(super) fn parse_time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse()
        .map_err(|_| "expected a time such as 2027-03-01T00:00:00Z")
}

/// A number of days from now, such as `+90d`, or a date.
pub(super) fn parse_expiry(text: &str) -> Result<Expiry, &'static str> {
    let days = text
        .strip_prefix('+')
        .and_then(|rest| rest.strip_suffix('d'))
        .and_then(|number| number.parse().ok())
        .filter(|days| *days > 0);
    let date = || text.parse::<Date>().ok().map(Expiry::Date);
    days.map(Expiry::Days)
        .or_else(date)
        .ok_or("expected a number of days such as +90d, or a date such as 2027-03-31")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_dates_are_absolute_or_from_now() {
        let now = "2026-11-21T23:00:00Z".parse().unwrap();
        for (text, last_day) in [
            ("+90d", "2027-02-19"),
            ("+1d", "2026-11-22"),
            ("2027-03-31", "2027-03-31"),
        ] {
            let expiry = parse_expiry(text).unwrap();
            assert_eq!(expiry.last_day(now).to_string(), last_day, "{text}");
        }
        for text in [
            "",
            "90",
            "90d",
            "+0d",
            "+d",
            "+90000d",
            "2027-02-30",
            "never",
        ] {
            assert!(parse_expiry(text).is_err(), "{text}");
        }
    }
}
