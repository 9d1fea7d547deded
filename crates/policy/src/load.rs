//! Parses the text of a policy.

use std::sync::Arc;

use portcullis_rules::Policy;

use crate::code::Code;
use crate::decode::Decoder;
use crate::presets::find_preset;
use crate::record::Record;
use crate::resolve::{merge_policies, resolve_policy};
use crate::schema_table::POLICY;
use crate::yaml::{Content, Diagnostic, Diagnostics, Span, parse_yaml, remove_accepted};

/// A valid policy with the warnings about its text.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// The warnings that do not depend on the time. [`lint_policy`](crate::lint_policy) returns
    /// these and the others.
    pub warnings: Diagnostics,
    pub(crate) record: Record,
    pub(crate) file_name: String,
    pub(crate) text: Arc<str>,
}

/// Parses a policy. `file_name` appears in diagnostics; it is also the name of a policy that has no
/// `name`.
///
/// # Errors
/// Every error in the text. Warnings are not included then.
pub fn parse_policy(file_name: &str, text: &str) -> Result<LoadedPolicy, Diagnostics> {
    let mut found = Vec::new();
    let resolved = decode_policy(text, None, &mut found).map(|own| {
        let merged = apply_extends(&own, &mut found);
        let policy = resolve_policy(&own, &merged, file_stem(file_name), &mut found);
        (policy, own)
    });
    let text: Arc<str> = text.into();
    let (mut warnings, errors): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|diagnostic| diagnostic.code().is_warning());
    remove_accepted(&mut warnings, &text);
    match resolved {
        Some((policy, record)) if errors.is_empty() => Ok(LoadedPolicy {
            policy,
            warnings: Diagnostics::new(file_name, &text, warnings),
            record,
            file_name: file_name.to_owned(),
            text,
        }),
        _ => Err(Diagnostics::new(file_name, &text, errors)),
    }
}

fn decode_policy(
    text: &str,
    span_override: Option<Span>,
    found: &mut Vec<Diagnostic>,
) -> Option<Record> {
    let errors_before = found.len();
    match parse_yaml(text, found) {
        Some(node) if !matches!(node.content, Content::Null) => {
            let mut decoder = Decoder {
                found,
                span_override,
            };
            decoder.decode_section(&node, &POLICY)
        }
        _ => {
            if found.len() == errors_before {
                found.push(empty_policy());
            }
            None
        }
    }
}

fn empty_policy() -> Diagnostic {
    let help = "a minimal policy is `version: 1` and `extends: baseline`".to_owned();
    Diagnostic::new(Code::EmptyFile, Span::default(), "the policy is empty").with_help(help)
}

/// Merges the policy with the preset that it extends. Diagnostics about the preset's values point
/// at the name of the preset. This ends because presets extend only presets, and none extends
/// itself.
fn apply_extends(own: &Record, found: &mut Vec<Diagnostic>) -> Record {
    let preset = own.get_choice("extends").and_then(find_preset);
    let span = Some(own.value_span("extends"));
    match preset.and_then(|preset| decode_policy(preset.text, span, found)) {
        Some(base) => merge_policies(&apply_extends(&base, found), own),
        None => own.clone(),
    }
}

/// The name of a file without folders and extension.
fn file_stem(file_name: &str) -> &str {
    let file = file_name
        .rsplit(['/', '\\', ':'])
        .next()
        .unwrap_or(file_name);
    let stem = file
        .strip_suffix(".yaml")
        .or_else(|| file.strip_suffix(".yml"))
        .unwrap_or(file);
    if stem.trim().is_empty() {
        "policy"
    } else {
        stem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_without_a_name_is_named_after_its_file() {
        for (file_name, expected) in [
            ("policies/edge.yaml", "edge"),
            ("ssm:/portcullis/policy", "policy"),
            ("a.yml", "a"),
            (".yaml", "policy"),
        ] {
            assert_eq!(file_stem(file_name), expected);
        }
    }
}
