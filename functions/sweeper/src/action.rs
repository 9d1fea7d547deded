//! What a sweep does about its findings.

/// The setting `PORTCULLIS_SWEEP_ACTION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SweepAction {
    /// Report them. This is the default, so that the findings that exist at installation are seen
    /// before anything is closed.
    Report,
    /// Close them, in enforce mode.
    Remediate,
}

/// An invalid setting. The function does not start with one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "PORTCULLIS_SWEEP_ACTION is `{0}`: expected `report` or `remediate`, or nothing for `report`"
)]
pub(crate) struct InvalidSweepAction(String);

impl SweepAction {
    /// Reads the setting. `variable` returns the value of an environment variable; an empty value
    /// counts as unset.
    ///
    /// # Errors
    /// When the value is unknown.
    pub(crate) fn from_env(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidSweepAction> {
        let value = variable("PORTCULLIS_SWEEP_ACTION").unwrap_or_default();
        match value.trim() {
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

    fn action_from(value: Option<&str>) -> Result<SweepAction, InvalidSweepAction> {
        SweepAction::from_env(|name| {
            value
                .filter(|_| name == "PORTCULLIS_SWEEP_ACTION")
                .map(str::to_owned)
        })
    }

    #[test]
    fn a_sweep_reports_unless_the_setting_is_remediate() {
        for value in [None, Some(""), Some(" "), Some("report")] {
            assert_eq!(action_from(value), Ok(SweepAction::Report));
        }
        assert_eq!(action_from(Some("remediate")), Ok(SweepAction::Remediate));
        assert_eq!(
            action_from(Some("Remediate")),
            Err(InvalidSweepAction("Remediate".to_owned()))
        );
    }
}
