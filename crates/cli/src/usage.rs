//! Tips for command lines that are not understood.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Adds a tip to a usage error if a file was given without `--input`.
pub(crate) fn add_tips(error: &mut clap::Error) {
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let is_audit = usage.is_some_and(|usage| usage.contains("portcullis audit"));
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return;
    };
    if is_audit && !argument.starts_with('-') {
        let tip = format!("to audit a file, use '--input {argument}'");
        let tips = vec![StyledStr::from(tip)];
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
}
