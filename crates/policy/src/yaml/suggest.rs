//! Suggestions for misspelled words.

/// The known word that was most likely meant, if one is close enough: a third of its characters may
/// differ, and always one. Case and the choice between `_`, `-` and a space do not count.
pub fn nearest_word<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normalize_word(word);
    known
        .into_iter()
        .map(|candidate| {
            let distance = strsim::osa_distance(&wanted, &normalize_word(candidate));
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= max_distance(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn normalize_word(word: &str) -> String {
    word.trim().to_lowercase().replace(['_', ' '], "-")
}

fn max_distance(candidate: &str) -> usize {
    (candidate.chars().count() / 3).max(1)
}

/// The nearest known word as help for a diagnostic.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest_word(word, known).map(|known| format!("did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_are_corrected_and_unrelated_words_are_not() {
        let known = ["revoke", "restrict", "narrow", "notify", "off"];
        assert_eq!(nearest_word("revok", known), Some("revoke"));
        assert_eq!(nearest_word("Notfiy", known), Some("notify"));
        let keys = ["max_removals", "protected"];
        assert_eq!(nearest_word("max-removals", keys), Some("max_removals"));
        assert_eq!(nearest_word("delete", known), None);
        assert_eq!(nearest_word("on", known), None);
        assert_eq!(nearest_word("of", known), Some("off"));
    }
}
