//! The services that a remediator and a sweeper are built with.

use std::fmt;
use std::sync::Arc;

use crate::services::{AlertPublisher, Clock, GroupReader, IngressEditor};

/// The services of a use case. Without an editor it cannot change anything: that is monitor mode.
#[derive(Clone)]
pub struct Services {
    /// Reads groups.
    pub reader: Arc<dyn GroupReader>,
    /// Removes and adds rules; `None` in monitor mode.
    pub editor: Option<Arc<dyn IngressEditor>>,
    /// Publishes alerts.
    pub publisher: Arc<dyn AlertPublisher>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("has_editor", &self.editor.is_some())
            .finish_non_exhaustive()
    }
}
