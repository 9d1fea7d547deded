//! From text to policy.

use std::sync::Arc;

use portcullis_rules::Policy;

use crate::code::Code;
use crate::decode::Decoder;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::POLICY;
use crate::presets::find_preset;
use crate::record::Record;
use crate::resolve::{merge_policies, resolve_policy};
use crate::text::Span;
use crate::tree::{self, Content};

/// A policy that holds, with what is odd about its text.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// What can be told without knowing the time; [`check`](crate::check()) tells the rest too.
    pub warnings: Diagnostics,
    pub(crate) record: Record,
    pub(crate) file_name: String,
    pub(crate) text: Arc<str>,
}

/// Reads a policy. `name` is that of the file, for messages; without a `name` of its own the policy is called by it.
///
/// # Errors
/// With everything that is wrong with the text, at once; then there are no warnings among it.
pub fn parse_policy(name: &str, text: &str) -> Result<LoadedPolicy, Diagnostics> {
    let mut found = Vec::new();
    let resolved = decode_policy(text, None, &mut found).map(|own| {
        let merged = apply_extends(&own, &mut found);
        let policy = resolve_policy(&own, &merged, file_stem(name), &mut found);
        (policy, own)
    });
    let text: Arc<str> = text.into();
    let (warnings, errors): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|one| one.code().is_warning());
    match resolved {
        Some((policy, record)) if errors.is_empty() => {
            let warnings = Diagnostics::new(name, &text, warnings);
            Ok(LoadedPolicy {
                policy,
                warnings,
                record,
                file_name: name.to_owned(),
                text,
            })
        }
        _ => Err(Diagnostics::new(name, &text, errors)),
    }
}

/// The text held against the table of keys.
fn decode_policy(text: &str, place: Option<Span>, found: &mut Vec<Diagnostic>) -> Option<Record> {
    let before = found.len();
    match tree::parse_yaml(text, found) {
        Some(node) if !matches!(node.content, Content::Null) => Decoder {
            found,
            span_override: place,
        }
        .decode_section(&node, &POLICY),
        _ => {
            if found.len() == before {
                let help = "the shortest policy is `version: 1` and `extends: baseline`".to_owned();
                found.push(
                    Diagnostic::new(Code::Empty, Span::default(), "the file holds no policy")
                        .with_help(help),
                );
            }
            None
        }
    }
}

/// The policy laid over the one that it extends, whose values then stand where it is named. Presets extend presets only,
/// and none extends itself, so this ends.
fn apply_extends(own: &Record, found: &mut Vec<Diagnostic>) -> Record {
    let base = own.get_choice("extends").and_then(find_preset);
    let place = Some(own.value_span("extends"));
    match base.and_then(|base| decode_policy(base.text, place, found)) {
        Some(base) => merge_policies(&apply_extends(&base, found), own),
        None => own.clone(),
    }
}

/// The name of a file without its folders and its ending.
fn file_stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\', ':']).next().unwrap_or(name);
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
    fn a_policy_without_a_name_is_called_by_its_file() {
        for (name, stem_of) in [
            ("policies/edge.yaml", "edge"),
            ("ssm:/portcullis/policy", "policy"),
            ("a.yml", "a"),
            (".yaml", "policy"),
        ] {
            assert_eq!(file_stem(name), stem_of);
        }
    }
}
