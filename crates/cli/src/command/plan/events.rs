//! The events of a file.

use serde_json::Value;

use crate::describe::DecodeError;
use crate::error::CliError;
use crate::input::Input;

/// The records of a CloudTrail log file, or the one event that the file is.
pub(super) fn records(input: &Input) -> Result<Vec<Value>, CliError> {
    let event: Value = serde_json::from_slice(&input.read()?).map_err(|error| {
        let (name, source) = (input.to_string(), DecodeError::not_json(&error));
        CliError::Event { name, source }
    })?;
    match event.get("Records").and_then(Value::as_array) {
        Some(records) => Ok(records.clone()),
        None => Ok(vec![event]),
    }
}
