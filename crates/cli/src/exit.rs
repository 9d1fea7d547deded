//! Exit codes.

use std::process::ExitCode;

/// How a command ended. The order is by severity: of several, the greatest one is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// No enforced findings.
    Clean,
    /// Enforced findings; with `--strict`, any findings.
    Findings,
    /// Wrong usage, or an input or policy that is invalid.
    BadInput,
    /// An AWS or I/O error.
    Failure,
}

impl ExitStatus {
    /// The exit code of the process.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::BadInput => 2,
            Self::Failure => 3,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(exit: ExitStatus) -> Self {
        Self::from(exit.code())
    }
}
