//! Values that several commands accept.

use clap::ValueEnum;
use jiff::Timestamp;

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
