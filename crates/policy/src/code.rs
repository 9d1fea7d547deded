//! The codes of everything that can be wrong with a policy file.

/// What is wrong. The text of a code never changes; its documentation is under that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The text is no YAML.
    NotYaml,
    /// The file holds nothing.
    Empty,
    /// The file holds more than one YAML document.
    ManyDocuments,
    /// The file nests or repeats beyond reason.
    TooComplex,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// The version is not one that this program reads.
    UnsupportedVersion,
    /// A key has no meaning here.
    UnknownKey,
    /// A key that must be there is not.
    MissingKey,
    /// A value has the wrong shape.
    WrongType,
    /// Two keys that exclude each other.
    ConflictingKeys,
    /// A parameter that the check of the rule does not have.
    MisplacedParameter,
    /// A word that is not one of the known ones.
    UnknownValue,
    /// A name that nothing in the policy has.
    UnknownName,
    /// A name of the wrong form.
    BadName,
    /// Two entries of one id.
    DuplicateId,
    /// A text, list or scope with nothing in it.
    Nothing,
    /// A number of the wrong form or size.
    BadNumber,
    /// No port, span of ports or name of a set of ports.
    BadPort,
    /// No protocol, or one that cannot be used here.
    BadProtocol,
    /// No block of addresses, prefix list or group.
    BadSource,
    /// No block of addresses.
    BadCidr,
    /// No day and no moment.
    BadDate,
    /// Neither true nor false.
    BadBoolean,
    /// No pattern.
    BadPattern,
    /// No id or region as AWS writes it.
    BadAwsId,
    /// An exception without reason.
    MissingReason,
    /// An exception without owner.
    MissingOwner,
    /// An exception to everything, everywhere.
    LimitlessException,
    /// `restrict` without anybody to restrict to.
    RestrictWithoutTrusted,
    /// A trusted source that is the world.
    TrustedWorld,
    /// A policy that forbids nothing.
    NoRules,
    /// An exception that has ended.
    ExpiredException,
    /// An exception that another one makes needless.
    ShadowedException,
    /// An exception that whoever opens the port can give to themselves.
    SelfGranted,
    /// A rule that can never find anything.
    RuleNeverFires,
    /// A name that nothing uses.
    UnusedName,
    /// Trusted sources of a rule that never restricts.
    UnusedTrusted,
    /// A trusted source of very many addresses.
    BroadTrusted,
    /// A block of addresses with bits set behind its prefix.
    HostBits,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 39] = [
        Self::NotYaml,
        Self::Empty,
        Self::ManyDocuments,
        Self::TooComplex,
        Self::DuplicateKey,
        Self::UnsupportedVersion,
        Self::UnknownKey,
        Self::MissingKey,
        Self::WrongType,
        Self::ConflictingKeys,
        Self::MisplacedParameter,
        Self::UnknownValue,
        Self::UnknownName,
        Self::BadName,
        Self::DuplicateId,
        Self::Nothing,
        Self::BadNumber,
        Self::BadPort,
        Self::BadProtocol,
        Self::BadSource,
        Self::BadCidr,
        Self::BadDate,
        Self::BadBoolean,
        Self::BadPattern,
        Self::BadAwsId,
        Self::MissingReason,
        Self::MissingOwner,
        Self::LimitlessException,
        Self::RestrictWithoutTrusted,
        Self::TrustedWorld,
        Self::NoRules,
        Self::ExpiredException,
        Self::ShadowedException,
        Self::SelfGranted,
        Self::RuleNeverFires,
        Self::UnusedName,
        Self::UnusedTrusted,
        Self::BroadTrusted,
        Self::HostBits,
    ];

    /// The code and what it means.
    const fn code_and_description(self) -> (&'static str, &'static str) {
        match self {
            Self::NotYaml => ("policy/not-yaml", "the text is not YAML 1.2"),
            Self::Empty => ("policy/empty", "the file holds no policy"),
            Self::ManyDocuments => (
                "policy/many-documents",
                "the file holds more than one YAML document",
            ),
            Self::TooComplex => (
                "policy/too-complex",
                "the file nests or repeats itself beyond reason",
            ),
            Self::DuplicateKey => ("policy/duplicate-key", "a key stands twice in one mapping"),
            Self::UnsupportedVersion => (
                "policy/unsupported-version",
                "the version of the language is not known",
            ),
            Self::UnknownKey => ("policy/unknown-key", "a key has no meaning where it stands"),
            Self::MissingKey => ("policy/missing-key", "a key that must be there is not"),
            Self::WrongType => (
                "policy/wrong-type",
                "a value is a text, list or mapping where another is expected",
            ),
            Self::ConflictingKeys => (
                "policy/conflicting-keys",
                "two keys say the same thing in different ways",
            ),
            Self::MisplacedParameter => (
                "policy/misplaced-parameter",
                "the check of the rule has no such parameter",
            ),
            Self::UnknownValue => (
                "policy/unknown-value",
                "a word is not one of the few that are allowed",
            ),
            Self::UnknownName => (
                "policy/unknown-name",
                "a name refers to nothing in the policy",
            ),
            Self::BadName => (
                "policy/bad-name",
                "an id or name is not made of small letters, digits and dashes",
            ),
            Self::DuplicateId => (
                "policy/duplicate-id",
                "two rules or two exceptions have the same id",
            ),
            Self::Nothing => (
                "policy/nothing",
                "a text, list or scope is empty where that cannot be meant",
            ),
            Self::BadNumber => ("policy/bad-number", "a number is malformed or out of range"),
            Self::BadPort => (
                "policy/bad-port",
                "a port or span of ports is malformed, reversed or out of range",
            ),
            Self::BadProtocol => (
                "policy/bad-protocol",
                "a protocol is unknown, or has no place here",
            ),
            Self::BadSource => (
                "policy/bad-source",
                "a source is no CIDR, prefix list or security group",
            ),
            Self::BadCidr => ("policy/bad-cidr", "a block of addresses is malformed"),
            Self::BadDate => (
                "policy/bad-date",
                "a date or time is malformed, or no such day exists",
            ),
            Self::BadBoolean => ("policy/bad-boolean", "neither `true` nor `false`"),
            Self::BadPattern => (
                "policy/bad-pattern",
                "a pattern holds what its subject can never hold",
            ),
            Self::BadAwsId => (
                "policy/bad-aws-id",
                "an id or region is not as AWS writes it",
            ),
            Self::MissingReason => ("policy/missing-reason", "an exception does not say why"),
            Self::MissingOwner => (
                "policy/missing-owner",
                "an exception does not say who answers for it",
            ),
            Self::LimitlessException => (
                "policy/limitless-exception",
                "an exception frees everything, everywhere",
            ),
            Self::RestrictWithoutTrusted => (
                "policy/restrict-without-trusted",
                "`restrict` has no trusted sources to restrict to",
            ),
            Self::TrustedWorld => (
                "policy/trusted-world",
                "trusted sources are the whole world",
            ),
            Self::NoRules => ("policy/no-rules", "the policy forbids nothing"),
            Self::ExpiredException => (
                "policy/expired-exception",
                "an exception has ended and does nothing",
            ),
            Self::ShadowedException => (
                "policy/shadowed-exception",
                "an earlier exception frees all that this one does",
            ),
            Self::SelfGranted => (
                "policy/self-granted",
                "whoever opens the port can set what the policy goes by, and so be spared",
            ),
            Self::RuleNeverFires => ("policy/rule-never-fires", "a rule forbids nothing at all"),
            Self::UnusedName => ("policy/unused-name", "nothing uses this list"),
            Self::UnusedTrusted => (
                "policy/unused-trusted",
                "a rule with trusted sources never restricts",
            ),
            Self::BroadTrusted => (
                "policy/broad-trusted",
                "a trusted source holds very many addresses",
            ),
            Self::HostBits => (
                "policy/host-bits",
                "a block of addresses has bits set behind its prefix",
            ),
        }
    }

    /// Stable kebab-case code: `policy/unknown-key`.
    pub const fn code(self) -> &'static str {
        self.code_and_description().0
    }

    /// What it means, in one line.
    pub const fn description(self) -> &'static str {
        self.code_and_description().1
    }

    /// Whether the policy holds all the same.
    pub fn is_warning(self) -> bool {
        self >= Self::ExpiredException
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    #[expect(
        clippy::as_conversions,
        reason = "the place of a variant has no other name"
    )]
    fn codes_and_descriptions_are_unique_and_all_are_listed() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.code()).collect();
        let meanings: BTreeSet<_> = Code::ALL.iter().map(|code| code.description()).collect();
        assert_eq!(
            (codes.len(), meanings.len()),
            (Code::ALL.len(), Code::ALL.len())
        );
        for (place, code) in Code::ALL.iter().enumerate() {
            let name = code.code().strip_prefix("policy/").unwrap();
            assert!(
                name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "{name}"
            );
            assert_eq!(
                *code as usize, place,
                "{name} is out of order, or one before it is not listed"
            );
        }
        assert_eq!(
            Code::HostBits as usize,
            Code::ALL.len() - 1,
            "the last variant is the last listed"
        );
        assert!(!Code::NoRules.is_warning() && Code::ExpiredException.is_warning());
    }

    #[test]
    fn the_codes() {
        let lines: Vec<_> = Code::ALL
            .iter()
            .map(|code| format!("{:<32} {}", code.code(), code.description()))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
