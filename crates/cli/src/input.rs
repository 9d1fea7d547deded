//! Input files: a file or standard input, plain or compressed with gzip.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::string::FromUtf8Error;

use flate2::read::MultiGzDecoder;

use crate::error::CliError;
use crate::text::sanitize_text;

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input, given as `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl FromStr for Input {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "-" => Self::Stdin,
            path => Self::File(path.into()),
        })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(_) => write!(f, "`{}`", self.display_name()),
        }
    }
}

impl Input {
    /// The name in diagnostics: `policy.yaml`.
    pub fn display_name(&self) -> String {
        match self {
            Self::Stdin => "<stdin>".to_owned(),
            Self::File(path) => sanitize_text(&path.display().to_string()),
        }
    }

    /// The whole input as text, without a byte order mark; it may be empty.
    ///
    /// # Errors
    /// When it cannot be read or is not UTF-8.
    pub fn read_text(&self) -> Result<String, CliError> {
        let bytes = self.read_raw()?;
        self.reject_utf16(&bytes)?;
        let text = String::from_utf8(bytes).map_err(|error| self.not_utf8(&error))?;
        match text.strip_prefix('\u{feff}') {
            Some(stripped) => Ok(stripped.to_owned()),
            None => Ok(text),
        }
    }

    /// The whole input, decompressed, without a byte order mark.
    ///
    /// # Errors
    /// When it cannot be read or decompressed, or is empty.
    pub fn read_bytes(&self) -> Result<Vec<u8>, CliError> {
        let raw = self.read_raw()?;
        let bytes = decompress_gzip(raw).map_err(|source| CliError::Gzip {
            name: self.to_string(),
            source,
        })?;
        self.reject_utf16(&bytes)?;
        let content = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        if content.iter().all(u8::is_ascii_whitespace) {
            let name = self.to_string();
            return Err(CliError::Empty { name });
        }
        if content.len() == bytes.len() {
            return Ok(bytes);
        }
        Ok(content.to_vec())
    }

    fn read_raw(&self) -> Result<Vec<u8>, CliError> {
        let bytes = match self {
            Self::File(path) => fs::read(path),
            Self::Stdin => read_stdin(),
        };
        bytes.map_err(|source| CliError::Read {
            name: self.to_string(),
            source,
        })
    }

    fn reject_utf16(&self, bytes: &[u8]) -> Result<(), CliError> {
        if matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) {
            let name = self.to_string();
            return Err(CliError::Utf16 { name });
        }
        Ok(())
    }

    /// The error for bytes that are not UTF-8, with the line of the first one.
    fn not_utf8(&self, error: &FromUtf8Error) -> CliError {
        let valid = error.utf8_error().valid_up_to();
        let newlines = error
            .as_bytes()
            .iter()
            .take(valid)
            .filter(|byte| **byte == b'\n')
            .count();
        CliError::NotUtf8 {
            name: self.to_string(),
            line: newlines.saturating_add(1),
        }
    }
}

fn read_stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The content of a gzip file; any other bytes are returned as they are.
fn decompress_gzip(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        return Ok(bytes);
    }
    let mut content = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut content)?;
    Ok(content)
}
