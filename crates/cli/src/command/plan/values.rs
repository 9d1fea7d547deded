//! The JSON values of an event file: one, several, or one in each line.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::describe::DocumentError;

/// A JSON value of a file, and its line if the file has several.
#[derive(Debug)]
pub(super) struct FileValue {
    pub(super) line: Option<usize>,
    pub(super) value: Result<Value, DocumentError>,
}

/// Splits a file into its JSON values.
///
/// # Errors
/// When the file starts with neither a JSON value nor a line with one.
pub(super) fn split_values(bytes: &[u8]) -> Result<Vec<FileValue>, DocumentError> {
    let stream = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    match stream.collect::<Result<Vec<_>, _>>() {
        Ok(mut values) if values.len() == 1 => Ok(values
            .drain(..)
            .map(|value| FileValue {
                line: None,
                value: Ok(value),
            })
            .collect()),
        Ok(values) => Ok(number_values(bytes, values)),
        Err(error) => split_lines(bytes).ok_or_else(|| DocumentError::from_json_error(&error)),
    }
}

/// The values with the lines in which they begin.
fn number_values(bytes: &[u8], values: Vec<Value>) -> Vec<FileValue> {
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    let mut numbered = Vec::new();
    let mut line = 1_usize;
    let mut counted = 0_usize;
    for value in values {
        let start = skip_blanks(bytes, stream.byte_offset());
        let passed = bytes.get(counted..start).unwrap_or_default();
        let lines = passed.split(|byte| *byte == b'\n').count();
        line = line.saturating_add(lines).saturating_sub(1);
        counted = start;
        stream.next();
        numbered.push(FileValue {
            line: Some(line),
            value: Ok(value),
        });
    }
    numbered
}

/// The offset of the next byte that is not blank.
fn skip_blanks(bytes: &[u8], offset: usize) -> usize {
    let rest = bytes.get(offset..).unwrap_or_default();
    let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
    offset.saturating_add(blanks.count())
}

/// The values of a file with one in each line; `None` if the first line has none. A line that
/// cannot be read does not hide the others.
fn split_lines(bytes: &[u8]) -> Option<Vec<FileValue>> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let mut values = Vec::new();
    for (index, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let json = without_timestamp(line.trim_ascii());
        let value = serde_json::from_slice(json);
        values.push(FileValue {
            line: Some(index.saturating_add(1)),
            value: value.map_err(|error| DocumentError::from_json_error(&error)),
        });
    }
    let is_first_readable = values.first()?.value.is_ok();
    is_first_readable.then_some(values)
}

/// A line without the time at which CloudWatch Logs starts the lines that it exports to S3.
fn without_timestamp(line: &[u8]) -> &[u8] {
    let Some(blank) = line.iter().position(|byte| *byte == b' ') else {
        return line;
    };
    let (time, rest) = line.split_at(blank);
    let text = str::from_utf8(time).unwrap_or_default();
    match text.parse::<Timestamp>() {
        Ok(_) => rest,
        Err(_) => line,
    }
}
