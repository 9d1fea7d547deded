//! Warnings about a valid policy, including expired and redundant exceptions.

mod active_rules;
mod anchors;
mod exceptions;
mod rule_text;
mod scopes;
mod weakened;

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_rules::{Context, Exception};

use crate::code::Code;
use crate::coverage::exception_covers;
use crate::load::LoadedPolicy;
use crate::record::Record;
use crate::yaml::{Diagnostic, Diagnostics, quote_text, remove_accepted};
use anchors::AnchoredExceptions;
use exceptions::lint_exceptions;
use rule_text::lint_rule_texts;
use scopes::lint_scopes;
use weakened::lint_weakened_rules;

/// Every warning about a valid policy at this time.
///
/// It does not find exceptions that match nothing that exists, because the text cannot show that:
/// compare their ids with `Evaluation::exceptions_used`.
pub fn lint_policy(loaded: &LoadedPolicy, now: Timestamp) -> Diagnostics {
    let mut found: Vec<Diagnostic> = loaded.warnings.iter().cloned().collect();
    let context = Context {
        now: Some(now),
        ..Context::default()
    };
    let records: BTreeMap<&str, &Record> = loaded
        .record
        .list_records("exceptions")
        .filter_map(|record| Some((record.get_text("id")?, record)))
        .collect();
    let mut active = AnchoredExceptions::default();
    for exception in &loaded.policy.exceptions {
        let Some(record) = records.get(exception.id.as_str()) else {
            continue;
        };
        if exception.is_expired(&context) {
            found.push(expired_exception(exception, record));
            continue;
        }
        let mut covering = active
            .find_candidates(exception)
            .into_iter()
            .filter(|earlier| exception_covers(earlier, exception));
        if let Some(earlier) = covering.next() {
            let earlier_record = records.get(earlier.id.as_str());
            found.push(shadowed_exception(
                exception,
                record,
                earlier,
                earlier_record,
            ));
        }
        active.insert(exception);
    }
    found.extend(lint_exceptions(loaded, now));
    found.extend(lint_weakened_rules(loaded));
    found.extend(lint_scopes(&loaded.record));
    found.extend(lint_rule_texts(loaded));
    remove_accepted(&mut found, &loaded.text);
    Diagnostics::new(&loaded.file_name, &loaded.text, found)
}

fn expired_exception(exception: &Exception, record: &Record) -> Diagnostic {
    let message = format!("exception {} has expired", quote_text(&exception.id));
    let owner = quote_text(&exception.owner);
    let help = format!("remove it, or ask {owner} whether to extend it");
    let span = record.value_span("expires");
    Diagnostic::new(Code::ExpiredException, span, message).with_help(help)
}

fn shadowed_exception(
    exception: &Exception,
    record: &Record,
    earlier: &Exception,
    earlier_record: Option<&&Record>,
) -> Diagnostic {
    let message = format!(
        "exception {} is redundant: {} exempts the same",
        quote_text(&exception.id),
        quote_text(&earlier.id)
    );
    let diagnostic = Diagnostic::new(Code::ShadowedException, record.value_span("id"), message);
    match earlier_record {
        Some(earlier_record) => {
            let label = "exempts all of it, for at least as long";
            diagnostic.with_related(earlier_record.value_span("id"), label)
        }
        None => diagnostic,
    }
}
