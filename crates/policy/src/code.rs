//! The stable codes of everything that can be wrong with a policy file or a policy test file.

/// Declares [`Code`] from one table, so that a code cannot lack a name or a description.
macro_rules! codes {
    (
        errors { $($error:ident $error_code:literal $error_description:literal;)+ }
        warnings { $($warning:ident $warning_code:literal $warning_description:literal;)+ }
    ) => {
        /// What is wrong with a policy file or a policy test file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $error_description] $error,)+
            $(#[doc = $warning_description] $warning,)+
        }

        impl Code {
            /// Every code, errors before warnings.
            pub const ALL: &'static [Self] = &[$(Self::$error,)+ $(Self::$warning,)+];

            /// Stable kebab-case code: `policy/unknown-key`.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$error => $error_code,)+
                    $(Self::$warning => $warning_code,)+
                }
            }

            /// What it means, in one line.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$error => $error_description,)+
                    $(Self::$warning => $warning_description,)+
                }
            }

            /// Whether the policy is valid despite it.
            pub const fn is_warning(self) -> bool {
                matches!(self, $(Self::$warning)|+)
            }
        }
    };
}

codes! {
    errors {
        InvalidYaml "policy/invalid-yaml"
            "the text is not valid YAML 1.2";
        EmptyFile "policy/empty-file"
            "the file is empty";
        MultipleDocuments "policy/multiple-documents"
            "the file contains more than one YAML document";
        TooComplex "policy/too-complex"
            "the file has too many values or is nested too deeply";
        LookAlike "policy/look-alike-character"
            "a character only looks like a space, a quote or a colon";
        DuplicateKey "policy/duplicate-key"
            "a mapping contains the same key twice";
        UnsupportedVersion "policy/unsupported-version"
            "the version of the policy language is not supported";
        UnknownKey "policy/unknown-key"
            "a key is unknown, or not allowed in this mapping";
        MissingKey "policy/missing-key"
            "a required key is missing";
        WrongType "policy/wrong-type"
            "a value is text, a list or a mapping where another type is expected";
        ConflictingKeys "policy/conflicting-keys"
            "two keys cannot be used together";
        MisplacedParameter "policy/misplaced-parameter"
            "the check of the rule does not take this parameter";
        UnknownValue "policy/unknown-value"
            "a value is not one of the allowed words";
        UnknownName "policy/unknown-name"
            "a name or id refers to nothing in the policy";
        BadName "policy/bad-name"
            "an id or name is reserved, or not made of lowercase letters, digits and dashes";
        DuplicateId "policy/duplicate-id"
            "two rules, two exceptions or two test cases have the same id or name";
        EmptyValue "policy/empty-value"
            "a text, list or mapping is empty where a value is required";
        BadNumber "policy/bad-number"
            "a number is malformed or out of range";
        BadPort "policy/bad-port"
            "a port or port range is malformed, reversed or out of range";
        BadProtocol "policy/bad-protocol"
            "a protocol is unknown, or not allowed here";
        BadSource "policy/bad-source"
            "a source is not a CIDR, prefix list or security group";
        BadCidr "policy/bad-cidr"
            "a CIDR is malformed";
        BadDate "policy/bad-date"
            "a date or time is malformed or does not exist";
        BadBoolean "policy/bad-boolean"
            "a value is neither `true` nor `false`";
        BadPattern "policy/bad-pattern"
            "a pattern is empty, or contains a character that its subject cannot contain";
        BadAwsId "policy/bad-aws-id"
            "an AWS id or region is malformed";
        MisplacedId "policy/misplaced-id"
            "an AWS id is in the wrong place";
        MissingReason "policy/missing-reason"
            "an exception has no reason";
        MissingOwner "policy/missing-owner"
            "an exception has no owner";
        UnlimitedException "policy/unlimited-exception"
            "an exception exempts everything everywhere";
        RestrictWithoutTrusted "policy/restrict-without-trusted"
            "a rule with the action `restrict` has no trusted sources";
        TrustedWorld "policy/trusted-world"
            "trusted sources cover the whole internet";
        NoRules "policy/no-rules"
            "the policy has no rules";
        BadPolicyName "policy/bad-policy-name"
            "a test file names neither a policy file nor a preset";
        NoCases "policy/no-cases"
            "a test file has no cases";
        BadRule "policy/bad-rule"
            "a security group rule in a test file is malformed";
        UnlistedRule "policy/unlisted-rule"
            "a test case expects something of a rule that its group does not have";
    }
    warnings {
        ExpiredException "policy/expired-exception"
            "an exception has expired";
        ShadowedException "policy/shadowed-exception"
            "an earlier exception exempts everything that this one does";
        NoExpiry "policy/no-expiry"
            "an exception never expires, or only in many years";
        NoMatch "policy/no-match"
            "an exception applies to every group";
        ExemptsEverything "policy/exempts-everything"
            "an exception exempts everything that a rule forbids";
        UselessException "policy/useless-exception"
            "an exception can never exempt anything";
        SelfGranted "policy/self-granted"
            "an exemption depends on something that anyone who opens the port can set";
        WeakenedPreset "policy/weakened-preset"
            "a rule of a preset is off, only notifies, or applies to fewer groups";
        NoActiveRules "policy/no-active-rules"
            "every rule is off";
        ProtectsEverything "policy/protects-everything"
            "a guardrail protects every group";
        ContradictedText "policy/contradicted-text"
            "what a rule says that it forbids contradicts its parameters";
        RuleNeverFires "policy/rule-never-fires"
            "a rule can never match";
        UnusedName "policy/unused-name"
            "a port set or list of trusted sources is never used";
        UnusedTrusted "policy/unused-trusted"
            "a rule has trusted sources but never restricts";
        BroadTrusted "policy/broad-trusted"
            "a trusted source is very broad";
        UnknownRegion "policy/unknown-region"
            "a region is not known";
        HostBits "policy/host-bits"
            "a CIDR has host bits set";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_descriptions_are_unique() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.code()).collect();
        let descriptions: BTreeSet<_> = Code::ALL.iter().map(|code| code.description()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        assert_eq!(descriptions.len(), Code::ALL.len());
        for code in codes {
            let name = code.strip_prefix("policy/").unwrap();
            assert!(
                name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "{name}"
            );
        }
    }

    #[test]
    fn codes_and_their_descriptions() {
        let line = |code: &Code| {
            let level = if code.is_warning() {
                "warning"
            } else {
                "error"
            };
            format!("{level:<7} {:<32} {}", code.code(), code.description())
        };
        let lines: Vec<_> = Code::ALL.iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
