//! The entries of prefix lists, from what the AWS CLI prints about them.

use std::collections::BTreeSet;

use portcullis_rules::{PrefixLists, SecurityGroup, Source};

use super::problem::{Problem, ProblemCode};
use super::shapes::{CidrShape, EntryShape, PrefixListShape};

/// The prefix lists read so far.
#[derive(Debug, Default)]
pub(super) struct PrefixListCollector {
    resolved: PrefixLists,
    /// The lists that an input names without their entries.
    named: BTreeSet<String>,
    /// Entries without the id of their list: the response of `get-managed-prefix-list-entries` does
    /// not have it.
    unidentified: Vec<UnidentifiedEntries>,
}

/// Entries without the id of their list.
#[derive(Debug)]
pub(super) struct UnidentifiedEntries {
    /// The name of the input, as shown to the user.
    pub(super) input: String,
    pub(super) path: String,
    pub(super) entries: Vec<EntryShape>,
}

impl PrefixListCollector {
    /// Adds a list of `describe-prefix-lists` or `describe-managed-prefix-lists`, or one with its
    /// entries.
    pub(super) fn add_list(&mut self, shape: PrefixListShape) {
        if let Some(name) = shape.prefix_list_name {
            self.resolved.set_name(&shape.prefix_list_id, name);
        }
        if let Some(max_entries) = shape.max_entries.and_then(|it| usize::try_from(it).ok()) {
            self.resolved
                .set_max_entries(&shape.prefix_list_id, max_entries);
        }
        if shape.entries.is_none() && shape.cidrs.is_none() {
            self.named.insert(shape.prefix_list_id);
            return;
        }
        let entries = shape.entries.unwrap_or_default();
        let cidrs = shape.cidrs.unwrap_or_default();
        let blocks = entries.into_iter().map(|entry| entry.cidr).chain(cidrs);
        self.insert_blocks(shape.prefix_list_id, blocks);
    }

    /// Adds entries without the id of their list. The name of the input decides, if it contains the
    /// id; otherwise [`PrefixListCollector::finish`] does.
    pub(super) fn add_entries(&mut self, found: UnidentifiedEntries) {
        match find_list_id(&found.input) {
            Some(id) => {
                let blocks = found.entries.into_iter().map(|entry| entry.cidr);
                self.insert_blocks(id.to_owned(), blocks);
            }
            None => self.unidentified.push(found),
        }
    }

    /// The resolved lists. Entries without an id belong to the only list of the groups that is
    /// unresolved, which is added to `notes`. If there are several, they are a problem.
    pub(super) fn finish(
        mut self,
        groups: &[SecurityGroup],
        problems: &mut Vec<Problem>,
        notes: &mut Vec<String>,
    ) -> PrefixLists {
        let candidates = self.unresolved_lists(groups);
        let mut unidentified = std::mem::take(&mut self.unidentified);
        match (candidates.as_slice(), unidentified.pop()) {
            (_, None) => {}
            ([], Some(_)) => {
                notes.push("the input has entries of a prefix list that no group uses".to_owned());
            }
            ([id], Some(found)) if unidentified.is_empty() => {
                let input = &found.input;
                notes.push(format!(
                    "the entries in {input} are evaluated as those of `{id}`, the only prefix list \
                     without entries"
                ));
                let blocks = found.entries.into_iter().map(|entry| entry.cidr);
                self.insert_blocks(id.clone(), blocks);
            }
            (ids, Some(last)) => {
                unidentified.push(last);
                problems.extend(unidentified.iter().map(|found| found.problem(ids)));
            }
        }
        self.resolved
    }

    /// The lists that the groups use and that have no entries; if there are none, those that are
    /// named without entries.
    fn unresolved_lists(&self, groups: &[SecurityGroup]) -> Vec<String> {
        let used = groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter_map(|rule| match &rule.source {
                Source::PrefixList(id) => Some(id),
                Source::Cidr(_) | Source::Group(_) => None,
            });
        let used: BTreeSet<_> = used.filter(|id| !self.is_resolved(id)).collect();
        if used.is_empty() {
            let named = self.named.iter().filter(|id| !self.is_resolved(id));
            return named.cloned().collect();
        }
        used.into_iter().cloned().collect()
    }

    fn is_resolved(&self, id: &str) -> bool {
        self.resolved.entries(id).is_some()
    }

    fn insert_blocks(&mut self, id: String, blocks: impl IntoIterator<Item = CidrShape>) {
        let nets = blocks.into_iter().filter_map(|block| match block.0 {
            Source::Cidr(net) => Some(net),
            Source::PrefixList(_) | Source::Group(_) => None,
        });
        self.resolved.insert(id, nets);
    }
}

impl UnidentifiedEntries {
    fn problem(&self, candidates: &[String]) -> Problem {
        let lists: Vec<_> = candidates.iter().map(|id| format!("`{id}`")).collect();
        let message = format!(
            "the entries do not say which prefix list they belong to: {}",
            lists.join(", ")
        );
        Problem {
            path: Some(self.path.clone()),
            ..Problem::new(ProblemCode::PrefixListUnidentified, message)
        }
    }
}

/// The id of a prefix list in the name of an input: `pl-0123456789abcdef0.json`.
fn find_list_id(name: &str) -> Option<&str> {
    let start = name.rfind("pl-")?;
    let tail = name.get(start..)?;
    let is_id_byte = |byte: &u8| byte.is_ascii_hexdigit();
    let digits = tail.bytes().skip(3).take_while(is_id_byte).count();
    let id = tail.get(..digits.saturating_add(3))?;
    matches!(digits, 8 | 17).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_input_may_contain_the_id_of_a_list() {
        let id = "pl-0123456789abcdef0";
        for name in [
            "`pl-0123456789abcdef0.json`",
            "`lists/entries-pl-0123456789abcdef0.json.gz`",
        ] {
            assert_eq!(find_list_id(name), Some(id), "{name}");
        }
        assert_eq!(find_list_id("`pl-63a5400a.json`"), Some("pl-63a5400a"));
        for name in ["`entries.json`", "`pl-.json`", "`pl-0123.json`", "`pl-x`"] {
            assert_eq!(find_list_id(name), None, "{name}");
        }
    }
}
