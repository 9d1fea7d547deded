//! What the sweep may do about what it finds.

/// `PORTCULLIS_SWEEP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SweepAction {
    /// Tell it. What an account holds on the day of installation should be seen before anything closes it.
    Report,
    /// Close it, in enforce mode.
    Remediate,
}

/// A setting without which the function refuses to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("PORTCULLIS_SWEEP is `{0}`: expected `report` or `remediate`, or nothing for `report`")]
pub(crate) struct InvalidSweepAction(String);

impl SweepAction {
    /// Reads the setting through a function that knows the environment. An empty value is an absent one.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn from_env(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidSweepAction> {
        match variable("PORTCULLIS_SWEEP").unwrap_or_default().trim() {
            "" | "report" => Ok(Self::Report),
            "remediate" => Ok(Self::Remediate),
            other => Err(InvalidSweepAction(other.to_owned())),
        }
    }

    /// `report` or `remediate`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Remediate => "remediate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Option<&str>) -> Result<SweepAction, InvalidSweepAction> {
        SweepAction::from_env(|name| {
            value
                .filter(|_| name == "PORTCULLIS_SWEEP")
                .map(str::to_owned)
        })
    }

    #[test]
    fn a_sweep_only_reports_unless_it_is_told_to_remediate() {
        for value in [None, Some(""), Some(" "), Some("report")] {
            assert_eq!(read(value), Ok(SweepAction::Report));
        }
        assert_eq!(read(Some("remediate")), Ok(SweepAction::Remediate));
        assert_eq!(
            read(Some("Remediate")),
            Err(InvalidSweepAction("Remediate".to_owned()))
        );
    }
}
