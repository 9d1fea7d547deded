//! The size of a policy, and where a policy of this size can be kept.

use std::fmt;

use serde::Serialize;

/// The most bytes of a standard parameter of AWS Systems Manager.
const STANDARD_BYTES: usize = 4096;
/// The most bytes of an advanced parameter.
const ADVANCED_BYTES: usize = 8192;

/// Where a policy can be kept for the functions, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PolicyHome {
    StandardParameter,
    AdvancedParameter,
    LambdaLayer,
}

/// The size of a policy's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct PolicySize {
    bytes: usize,
    /// The first of `standard-parameter`, `advanced-parameter` and `lambda-layer` that is large
    /// enough.
    fits: PolicyHome,
}

impl PolicySize {
    pub(super) fn of_text(text: &str) -> Self {
        let bytes = text.len();
        let fits = if bytes <= STANDARD_BYTES {
            PolicyHome::StandardParameter
        } else if bytes <= ADVANCED_BYTES {
            PolicyHome::AdvancedParameter
        } else {
            PolicyHome::LambdaLayer
        };
        Self { bytes, fits }
    }
}

impl fmt::Display for PolicySize {
    /// Where the policy fits, with its size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes;
        match self.fits {
            PolicyHome::StandardParameter => write!(
                f,
                "size: {bytes} bytes; a standard SSM parameter holds {STANDARD_BYTES}"
            ),
            PolicyHome::AdvancedParameter => write!(
                f,
                "size: {bytes} bytes; needs an advanced SSM parameter ({ADVANCED_BYTES}), \
                 a standard one holds {STANDARD_BYTES}"
            ),
            PolicyHome::LambdaLayer => write!(
                f,
                "size: {bytes} bytes; needs a Lambda layer, a parameter holds {ADVANCED_BYTES}\n\
                 {:6}(how: docs/deploy.md, \"A Lambda layer\")",
                ""
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_fits_where_the_limits_allow_it() {
        for (bytes, fits, text) in [
            (
                4096,
                PolicyHome::StandardParameter,
                "size: 4096 bytes; a standard SSM parameter holds 4096",
            ),
            (
                4097,
                PolicyHome::AdvancedParameter,
                "size: 4097 bytes; needs an advanced SSM parameter (8192), a standard one holds 4096",
            ),
            (
                8192,
                PolicyHome::AdvancedParameter,
                "size: 8192 bytes; needs an advanced SSM parameter (8192), a standard one holds 4096",
            ),
            (
                8193,
                PolicyHome::LambdaLayer,
                "size: 8193 bytes; needs a Lambda layer, a parameter holds 8192\n      \
                 (how: docs/deploy.md, \"A Lambda layer\")",
            ),
        ] {
            let size = PolicySize::of_text(&"x".repeat(bytes));
            assert_eq!((size.fits, size.to_string().as_str()), (fits, text));
        }
    }
}
