//! Reading inputs: a file or standard input, plain or packed with gzip.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::str::FromStr;

use flate2::read::MultiGzDecoder;

use crate::error::CliError;

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl FromStr for Input {
    type Err = std::convert::Infallible;

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
            Self::File(path) => write!(
                f,
                "`{}`",
                crate::output::sanitize_text(&path.display().to_string())
            ),
        }
    }
}

impl Input {
    /// What mistakes in its text are told under: `policy.yaml`.
    pub fn display_name(&self) -> String {
        match self {
            Self::Stdin => "<stdin>".to_owned(),
            Self::File(path) => crate::output::sanitize_text(&path.display().to_string()),
        }
    }

    /// All of it as text, without a byte order mark; it may be empty.
    ///
    /// # Errors
    /// When it cannot be read, or is not UTF-8.
    pub fn read_text(&self) -> Result<String, CliError> {
        let name = self.to_string();
        let bytes = match self.read_raw() {
            Ok(bytes) => bytes,
            Err(source) => return Err(CliError::Read { name, source }),
        };
        if matches!(bytes.as_slice(), [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) {
            return Err(CliError::Utf16 { name });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = error
                .as_bytes()
                .iter()
                .take(error.utf8_error().valid_up_to());
            let line = before
                .filter(|byte| **byte == b'\n')
                .count()
                .saturating_add(1);
            CliError::NotUtf8 { name, line }
        })?;
        Ok(text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text))
    }

    /// All of it, unpacked, without a byte order mark.
    ///
    /// # Errors
    /// When it cannot be read or unpacked, or holds nothing.
    pub fn read_bytes(&self) -> Result<Vec<u8>, CliError> {
        let name = self.to_string();
        let bytes = self.read_raw().map_err(|source| {
            let name = name.clone();
            CliError::Read { name, source }
        })?;
        let bytes = unpack_gzip(bytes).map_err(|source| {
            let name = name.clone();
            CliError::Gzip { name, source }
        })?;
        match bytes.as_slice() {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(CliError::Utf16 { name }),
            [0xEF, 0xBB, 0xBF, rest @ ..] => require_nonempty(rest.to_vec(), name),
            _ => require_nonempty(bytes, name),
        }
    }

    fn read_raw(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => fs::read(path),
            Self::Stdin => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

fn require_nonempty(bytes: Vec<u8>, name: String) -> Result<Vec<u8>, CliError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(CliError::Empty { name });
    }
    Ok(bytes)
}

fn unpack_gzip(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}
