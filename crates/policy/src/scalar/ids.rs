//! Sources and AWS ids.

use std::net::{Ipv4Addr, Ipv6Addr};

use portcullis_rules::Source;
use portcullis_rules::source::GroupSource;

use super::basic::parse_decimal;
use super::problem::{Problem, ScalarResult};
use crate::code::Code;
use crate::record::Value;
use crate::regions::{is_known_region, nearest_region};
use crate::schema_table::AwsId;
use crate::yaml::quote_text;

const EXPECTED_SOURCE: &str = "expected a CIDR, `pl-...` or `sg-...`";

pub(crate) fn parse_source(text: &str) -> ScalarResult {
    let (owner, id) = text
        .split_once('/')
        .map_or((None, text), |(owner, id)| (Some(owner), id));
    if id.starts_with("sg-") {
        return parse_group_source(owner, id);
    }
    if text.starts_with("pl-") {
        return parse_prefix_list(text);
    }
    if let Some(problem) = misplaced_id(text, IdPlace::Sources) {
        return Err(problem);
    }
    Source::from_cidr(text).map(Value::Source).map_err(|_| {
        let (code, what) = if text.contains(['/', '.', ':']) {
            (Code::BadCidr, "CIDR")
        } else {
            (Code::BadSource, "source")
        };
        let message = format!("invalid {what} {}", quote_text(text));
        Problem::new(code, message, EXPECTED_SOURCE).with_help(source_help(text))
    })
}

fn parse_group_source(owner: Option<&str>, id: &str) -> ScalarResult {
    parse_aws_id(id, AwsId::Group)?;
    if let Some(owner) = owner {
        parse_aws_id(owner, AwsId::Account)?;
    }
    Ok(Value::Source(Source::Group(GroupSource {
        group_id: id.to_owned(),
        owner_id: owner.map(str::to_owned),
    })))
}

fn parse_prefix_list(text: &str) -> ScalarResult {
    if is_hex_id(text, "pl-") {
        return Ok(Value::Source(Source::PrefixList(text.to_owned())));
    }
    let message = format!("invalid prefix list id {}", quote_text(text));
    let expected = "expected `pl-` and 8 to 17 hexadecimal digits";
    Err(Problem::new(Code::BadAwsId, message, expected))
}

fn source_help(text: &str) -> Option<String> {
    let lowercase = text.to_ascii_lowercase();
    let is_id = lowercase.starts_with("sg-") || lowercase.starts_with("pl-");
    if is_id && lowercase != text {
        return Some(format!("write ids in lowercase: `{lowercase}`"));
    }
    let (address, prefix) = text.split_once('/')?;
    let longest = if address.parse::<Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<Ipv6Addr>().is_ok() {
        128
    } else {
        return None;
    };
    let is_too_long = prefix.parse::<u32>().is_ok_and(|prefix| prefix > longest);
    is_too_long.then(|| format!("the longest prefix is /{longest}"))
}

fn is_hex_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        (8..=17).contains(&digits.len())
            && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    })
}

fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    match parts.as_slice() {
        [words @ .., number] if (2..=3).contains(&words.len()) => {
            words.iter().all(|word| is_lowercase_word(word))
                && parse_decimal(number).is_some_and(|number| number < 100)
        }
        _ => false,
    }
}

fn is_lowercase_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.chars().all(|c| c.is_ascii_digit())
}

pub(crate) fn parse_aws_id(text: &str, id: AwsId) -> ScalarResult {
    let is_valid = match id {
        AwsId::Account => is_account(text),
        AwsId::Region => is_region(text),
        AwsId::Vpc => is_hex_id(text, "vpc-"),
        AwsId::Group => is_hex_id(text, "sg-"),
    };
    if is_valid {
        return Ok(Value::Text(text.to_owned()));
    }
    let place = match id {
        AwsId::Account => IdPlace::Accounts,
        AwsId::Region => IdPlace::Regions,
        AwsId::Vpc => IdPlace::Vpcs,
        AwsId::Group => IdPlace::Groups,
    };
    if let Some(problem) = misplaced_id(text, place) {
        return Err(problem);
    }
    let (what, expected) = match id {
        AwsId::Account => ("account id", "expected 12 digits"),
        AwsId::Region => ("region", "expected a region such as eu-west-1"),
        AwsId::Vpc => ("VPC id", "expected `vpc-` and 8 to 17 hexadecimal digits"),
        AwsId::Group => (
            "security group id",
            "expected `sg-` and 8 to 17 hexadecimal digits",
        ),
    };
    let message = format!("invalid {what} {}", quote_text(text));
    Err(Problem::new(Code::BadAwsId, message, expected).with_help(aws_id_help(text, id)))
}

fn aws_id_help(text: &str, id: AwsId) -> Option<String> {
    if let Some(id) = id_of_arn(text) {
        return Some(format!("write the id only: `{id}`"));
    }
    match id {
        AwsId::Region => nearest_region(text).map(|region| format!("did you mean `{region}`?")),
        AwsId::Account if text.contains('-') => {
            Some(format!("omit the dashes: \"{}\"", text.replace('-', "")))
        }
        AwsId::Vpc | AwsId::Group if text.contains('*') => {
            Some("patterns are allowed under `names`".to_owned())
        }
        AwsId::Group if !text.starts_with("sg-") => {
            Some("use the key `names` for group names".to_owned())
        }
        AwsId::Account | AwsId::Vpc | AwsId::Group => None,
    }
}

/// The id of a security group or VPC at the end of its ARN.
fn id_of_arn(text: &str) -> Option<&str> {
    let (_, id) = text.strip_prefix("arn:")?.rsplit_once('/')?;
    (is_hex_id(id, "sg-") || is_hex_id(id, "vpc-")).then_some(id)
}

/// The places where an id may be written, by their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdPlace {
    Names,
    Groups,
    Vpcs,
    Accounts,
    Regions,
    Sources,
    Principals,
}

/// The error if the text is an id of another kind than what belongs in this place.
pub(super) fn misplaced_id(text: &str, place: IdPlace) -> Option<Problem> {
    let (what, key, belongs_in) = if is_hex_id(text, "sg-") {
        ("a security group ID", "groups", IdPlace::Groups)
    } else if is_hex_id(text, "vpc-") {
        ("a VPC ID", "vpcs", IdPlace::Vpcs)
    } else if is_account(text) {
        ("an account ID", "accounts", IdPlace::Accounts)
    } else if is_hex_id(text, "pl-") && place != IdPlace::Names {
        ("a prefix list ID", "sources", IdPlace::Sources)
    } else if is_known_region(text) && place != IdPlace::Names {
        ("a region", "regions", IdPlace::Regions)
    } else {
        return None;
    };
    if place == belongs_in {
        return None;
    }
    let id = quote_text(text);
    let message = format!("{id} is {what}, which is in the wrong place");
    let expected = format!("expected {}", expected_in_place(place));
    let help = if place == IdPlace::Sources {
        format!("groups are selected by `match`: `match: {{ {key}: [{text}] }}`")
    } else if belongs_in == IdPlace::Sources {
        "prefix lists are sources: use the key `sources` of an exception".to_owned()
    } else {
        format!("use the key `{key}`: `{key}: [{text}]`")
    };
    Some(Problem::new(Code::MisplacedId, message, expected).with_help(Some(help)))
}

const fn expected_in_place(place: IdPlace) -> &'static str {
    match place {
        IdPlace::Names => "the name of a group",
        IdPlace::Groups => "the ID of a security group",
        IdPlace::Vpcs => "the ID of a VPC",
        IdPlace::Accounts => "the ID of an account",
        IdPlace::Regions => "a region",
        IdPlace::Sources => "a CIDR, `pl-...` or `sg-...`",
        IdPlace::Principals => "the ARN of a principal",
    }
}
