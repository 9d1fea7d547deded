//! Single values: what a text means where a certain kind of value is expected.

mod basic;
mod ids;
mod pattern;
mod ports;
mod problem;
mod timestamp;

pub(crate) use basic::{is_name, parse_count, parse_flag, parse_name, parse_text, parse_version};
pub(crate) use ids::{parse_aws_id, parse_source};
pub(crate) use pattern::{matches_any_text, parse_pattern};
pub(crate) use ports::{parse_ports, parse_protocol, parse_protocol_number, port_help};
pub(crate) use problem::{Problem, ScalarResult};
pub(crate) use timestamp::parse_timestamp;
