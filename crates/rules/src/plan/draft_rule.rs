//! The rules of a drafted group and where they come from.

use super::types::Purpose;
use crate::group::IngressRule;

/// A rule of a drafted group.
#[derive(Debug, Clone)]
pub(super) struct DraftRule {
    pub(super) ingress: IngressRule,
    pub(super) origin: Origin,
}

/// Where a rule of a drafted group comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// The index in the original group of this rule, or of the rule that it replaces.
    pub(super) index: usize,
    /// The purpose of an added rule; `None` for a rule of the original group.
    pub(super) added_for: Option<Purpose>,
    /// Whether an exception names traffic of an added rule.
    pub(super) is_excepted: bool,
}
