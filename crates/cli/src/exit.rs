//! Exit codes.

use std::process::ExitCode;

/// How the command ended, for scripts. The order is that of concern: the greatest of several wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// Nothing was found that an enforcing rule forbids.
    Clean,
    /// Something was found that an enforcing rule forbids; with `--strict`, anything at all.
    Findings,
    /// Wrong usage, or input that could not be understood.
    BadInput,
    /// Something outside failed: a file, a stream, AWS.
    Failure,
}

impl ExitStatus {
    /// The number.
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
