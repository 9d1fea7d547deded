//! "Did you mean": the known word nearest to an unknown one.

/// The known word that somebody most likely meant, if any is near enough: a third of its letters may differ, but at
/// least one.
pub(crate) fn nearest_word<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.trim().to_lowercase().replace(['_', ' '], "-");
    let wanted = plain(word);
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The same as a sentence of help.
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
    fn a_slip_is_understood_and_a_stranger_is_not() {
        let known = ["revoke", "restrict", "narrow", "notify", "off"];
        assert_eq!(nearest_word("revok", known), Some("revoke"));
        assert_eq!(nearest_word("Notfiy", known), Some("notify"));
        assert_eq!(
            nearest_word("max-removals", ["max_removals"]),
            Some("max_removals")
        );
        assert_eq!(nearest_word("delete", known), None);
        assert_eq!(nearest_word("on", known), None);
        assert_eq!(nearest_word("of", known), Some("off"));
    }
}
