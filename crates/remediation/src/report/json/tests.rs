//! The published JSON: its keys, its schemas, and what is shortened when it is too long.

mod report;
mod schema;
mod sweep;
