//! Connects the use cases to AWS.

use std::sync::Arc;

use portcullis_aws::{Aws, SystemClock};
use portcullis_remediation::{IngressEditor, Mode, Services};

/// The services of a function that publishes to this SNS topic.
///
/// In monitor mode, no editor is constructed, so nothing can change a group.
pub fn build_services(aws: &Aws, topic_arn: String, mode: Mode) -> Services {
    let editor: Option<Arc<dyn IngressEditor>> = match mode {
        Mode::Enforce => Some(Arc::new(aws.ingress_editor())),
        Mode::Monitor => None,
    };
    Services {
        reader: Arc::new(aws.group_reader()),
        editor,
        publisher: Arc::new(aws.alert_publisher(topic_arn)),
        clock: Arc::new(SystemClock),
    }
}
