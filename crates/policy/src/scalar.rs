//! Single values: what a text means where a certain kind is expected.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use portcullis_rules::source::GroupSource;
use portcullis_rules::{PortRange, Protocol, Source};

use crate::code::Code;
use crate::keys::{AwsId, Choice, PatternSubject};
use crate::record::Value;
use crate::suggest::{did_you_mean, nearest_word};
use crate::text::{quote_list, quote_text};

/// Why a text is no value of the kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) expected: String,
    pub(crate) help: Option<String>,
}

type ScalarResult = Result<Value, Problem>;

fn scalar_problem(code: Code, message: String, expected: impl Into<String>) -> Problem {
    Problem {
        code,
        message,
        expected: expected.into(),
        help: None,
    }
}

impl Problem {
    fn with_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

/// A version of the language.
pub(crate) fn parse_version(text: &str) -> ScalarResult {
    if text == "1" {
        return Ok(Value::Count(1));
    }
    let message = format!("unsupported version {}", quote_text(text));
    let help = matches!(text, "1.0" | "v1" | "01").then(|| "write `version: 1`".to_owned());
    Err(scalar_problem(
        Code::UnsupportedVersion,
        message,
        "this program reads version 1",
    )
    .with_help(help))
}

pub(crate) fn parse_text(text: &str) -> ScalarResult {
    if text.trim().is_empty() {
        return Err(scalar_problem(
            Code::Nothing,
            "empty text".to_owned(),
            "expected some words",
        ));
    }
    Ok(Value::Text(text.to_owned()))
}

const EXPECTED_NAME: &str =
    "expected small letters, digits and dashes, such as `web-ports`, a letter first";

/// A name of the author's own.
pub(crate) fn parse_name(text: &str) -> Result<String, Problem> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    let better: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let better = better.trim_matches('-');
    let help = is_name(better).then(|| format!("`{better}` would do"));
    Err(scalar_problem(
        Code::BadName,
        format!("invalid name {}", quote_text(text)),
        EXPECTED_NAME,
    )
    .with_help(help))
}

/// `all` has a meaning of its own, and what begins like an id of AWS is one.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !["sg-", "pl-"].iter().any(|prefix| text.starts_with(prefix))
        && text != "all"
}

pub(crate) fn parse_choice(text: &str, what: &str, choices: &'static [Choice]) -> ScalarResult {
    if let Some(choice) = choices.iter().find(|choice| choice.word == text) {
        return Ok(Value::Choice(choice.word));
    }
    let words = || choices.iter().map(|choice| choice.word);
    let expected = format!("expected one of {}", quote_list(words(), "or"));
    let message = format!("unknown {what} {}", quote_text(text));
    Err(scalar_problem(Code::UnknownValue, message, expected)
        .with_help(did_you_mean(text, words())))
}

/// YAML 1.2 knows two words; the others are YAML 1.1.
pub(crate) fn parse_flag(text: &str) -> ScalarResult {
    let help = match text.to_ascii_lowercase().as_str() {
        "true" if text == "true" => return Ok(Value::Flag(true)),
        "false" if text == "false" => return Ok(Value::Flag(false)),
        "yes" | "on" | "y" | "true" | "1" => Some("write `true`".to_owned()),
        "no" | "off" | "n" | "false" | "0" => Some("write `false`".to_owned()),
        _ => None,
    };
    let message = format!("{} is neither true nor false", quote_text(text));
    Err(scalar_problem(Code::BadBoolean, message, "expected `true` or `false`").with_help(help))
}

pub(crate) fn parse_count(text: &str) -> ScalarResult {
    match parse_decimal(text).and_then(|number| usize::try_from(number).ok()) {
        Some(count) if count > 0 => Ok(Value::Count(count)),
        _ => {
            let help = (text == "0").then(|| "`mode: monitor` changes nothing at all".to_owned());
            let message = format!("invalid number {}", quote_text(text));
            Err(
                scalar_problem(Code::BadNumber, message, "expected a whole number from 1")
                    .with_help(help),
            )
        }
    }
}

/// A number as people write it: no sign, no leading zero, no other base.
fn parse_decimal(text: &str) -> Option<u32> {
    let plain = text.chars().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

const EXPECTED_PORTS: &str = "expected a port, a span such as 8000-8010, or `all`";

pub(crate) fn parse_ports(text: &str) -> ScalarResult {
    if text == "all" {
        return Ok(Value::Ports(PortRange::ALL));
    }
    let (from, to) = text
        .split_once('-')
        .map_or((text, text), |(from, to)| (from.trim(), to.trim()));
    let invalid = || {
        scalar_problem(
            Code::BadPort,
            format!("invalid port {}", quote_text(text)),
            EXPECTED_PORTS,
        )
    };
    let (Some(first), Some(last)) = (parse_decimal(from), parse_decimal(to)) else {
        return Err(invalid().with_help(port_help(text)));
    };
    let (Ok(low), Ok(high)) = (u16::try_from(first), u16::try_from(last)) else {
        let message = format!("port {} is out of range", quote_text(text));
        return Err(scalar_problem(
            Code::BadPort,
            message,
            "expected 0 to 65535",
        ));
    };
    PortRange::new(low, high).map(Value::Ports).ok_or_else(|| {
        let message = format!("span {} is the wrong way round", quote_text(text));
        scalar_problem(Code::BadPort, message, EXPECTED_PORTS)
            .with_help(Some(format!("write `{high}-{low}`")))
    })
}

/// What people write for ports, and what they mean.
pub(crate) fn port_help(text: &str) -> Option<String> {
    let services = [
        ("ssh", 22),
        ("rdp", 3389),
        ("http", 80),
        ("https", 443),
        ("mysql", 3306),
        ("postgres", 5432),
        ("dns", 53),
    ];
    let service = services
        .iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name));
    let zeros = text.trim_start_matches('0');
    if let Some((_, port)) = service {
        Some(format!(
            "write the number, `{port}`, or give it a name under `ports`"
        ))
    } else if text.starts_with('0') && parse_decimal(zeros).is_some() {
        Some(format!(
            "write `{zeros}`: some readers take a leading zero for an octal number"
        ))
    } else if let Some((from, to)) = text
        .split_once([':', '…'])
        .or_else(|| text.split_once(".."))
    {
        Some(format!(
            "a span has a dash: `{}-{}`",
            from.trim(),
            to.trim_matches(['.', ' ', '='])
        ))
    } else if matches!(text, "*" | "any" | "-1" | "ALL") {
        Some("write `all`".to_owned())
    } else if text.contains([',', ' ', '/']) {
        Some("write a list: `[80, 443]`; the protocol has a key of its own".to_owned())
    } else {
        None
    }
}

const EXPECTED_PROTOCOL: &str =
    "expected `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a number from 0 to 255";

pub(crate) fn parse_protocol(text: &str) -> ScalarResult {
    text.parse::<Protocol>().map(Value::Protocol).map_err(|_| {
        let known = ["tcp", "udp", "icmp", "icmpv6", "all"];
        let message = format!("unknown protocol {}", quote_text(text));
        scalar_problem(Code::BadProtocol, message, EXPECTED_PROTOCOL)
            .with_help(did_you_mean(text, known))
    })
}

pub(crate) fn parse_protocol_number(text: &str) -> ScalarResult {
    let refused = |help: Option<String>| {
        let expected = "expected a number from 0 to 255 that has no key of its own, or `all`";
        Err(scalar_problem(
            Code::BadProtocol,
            format!("{} is no other protocol", quote_text(text)),
            expected,
        )
        .with_help(help))
    };
    match text.parse::<Protocol>() {
        Ok(Protocol::All) if text == "all" => Ok(Value::Protocol(Protocol::All)),
        Ok(other @ Protocol::Other(_)) => Ok(Value::Protocol(other)),
        Ok(named @ (Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6)) => {
            refused(Some(format!("use the key `{named}`")))
        }
        Ok(Protocol::All) | Err(_) => refused(None),
    }
}

const EXPECTED_SOURCE: &str = "expected a CIDR, `pl-...` or `sg-...`";

pub(crate) fn parse_source(text: &str) -> ScalarResult {
    let (owner, id) = text
        .split_once('/')
        .map_or((None, text), |(owner, id)| (Some(owner), id));
    if id.starts_with("sg-") {
        parse_aws_id(id, AwsId::Group)?;
        owner
            .map(|owner| parse_aws_id(owner, AwsId::Account))
            .transpose()?;
        let owner_id = owner.map(str::to_owned);
        return Ok(Value::Source(Source::Group(GroupSource {
            group_id: id.to_owned(),
            owner_id,
        })));
    }
    if text.starts_with("pl-") {
        return if is_hex_id(text, "pl-") {
            Ok(Value::Source(Source::PrefixList(text.to_owned())))
        } else {
            let expected = "expected `pl-` and 8 to 17 hexadecimal digits";
            Err(scalar_problem(
                Code::BadAwsId,
                format!("invalid prefix list id {}", quote_text(text)),
                expected,
            ))
        };
    }
    Source::from_cidr(text).map(Value::Source).map_err(|_| {
        let code = if text.contains(['/', '.', ':']) {
            Code::BadCidr
        } else {
            Code::BadSource
        };
        let what = if code == Code::BadCidr {
            "CIDR"
        } else {
            "source"
        };
        scalar_problem(
            code,
            format!("invalid {what} {}", quote_text(text)),
            EXPECTED_SOURCE,
        )
        .with_help(source_help(text))
    })
}

fn source_help(text: &str) -> Option<String> {
    let small = text.to_ascii_lowercase();
    if small != text
        && ["sg-", "pl-"]
            .iter()
            .any(|prefix| small.starts_with(prefix))
    {
        return Some(format!("ids are written small: `{small}`"));
    }
    let (address, prefix) = text.split_once('/')?;
    let longest = if address.parse::<std::net::Ipv4Addr>().is_ok() {
        32
    } else if address.parse::<std::net::Ipv6Addr>().is_ok() {
        128
    } else {
        return None;
    };
    let too_long = prefix.parse::<u32>().is_ok_and(|prefix| prefix > longest);
    too_long.then(|| format!("the prefix is at most /{longest}"))
}

fn is_hex_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        (8..=17).contains(&digits.len())
            && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    })
}

fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    match parts.as_slice() {
        [words @ .., number] if (2..=3).contains(&words.len()) => {
            words.iter().all(|part| word(part))
                && parse_decimal(number).is_some_and(|number| number < 100)
        }
        _ => false,
    }
}

pub(crate) fn parse_aws_id(text: &str, id: AwsId) -> ScalarResult {
    let (sound, what, expected) = match id {
        AwsId::Account => {
            let sound = text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
            (sound, "account id", "expected 12 digits")
        }
        AwsId::Region => (
            is_region(text),
            "region",
            "expected a region such as eu-west-1",
        ),
        AwsId::Vpc => (
            is_hex_id(text, "vpc-"),
            "VPC id",
            "expected `vpc-` and 8 to 17 hexadecimal digits",
        ),
        AwsId::Group => (
            is_hex_id(text, "sg-"),
            "group id",
            "expected `sg-` and 8 to 17 hexadecimal digits",
        ),
    };
    if sound {
        return Ok(Value::Text(text.to_owned()));
    }
    let help = match id {
        AwsId::Account => text
            .contains('-')
            .then(|| format!("without dashes: \"{}\"", text.replace('-', ""))),
        AwsId::Vpc | AwsId::Group if text.contains('*') => {
            Some("patterns go under `names`".to_owned())
        }
        AwsId::Group if !text.starts_with("sg-") => {
            Some("names of groups go under `names`".to_owned())
        }
        AwsId::Region | AwsId::Vpc | AwsId::Group => None,
    };
    Err(scalar_problem(
        Code::BadAwsId,
        format!("invalid {what} {}", quote_text(text)),
        expected,
    )
    .with_help(help))
}

/// What EC2 allows in the name of a group and in a description, and our wildcards.
fn is_ec2_text_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*?".contains(c)
}

pub(crate) fn parse_pattern(text: &str, subject: PatternSubject) -> ScalarResult {
    let expected = "expected a text in which `*` is any text and `?` any one character";
    if text.is_empty() && subject != PatternSubject::Tag {
        return Err(scalar_problem(
            Code::BadPattern,
            "empty pattern".to_owned(),
            expected,
        ));
    }
    let (what, wrong) = match subject {
        PatternSubject::GroupName => (
            "the name of a group",
            text.chars().find(|c| !is_ec2_text_char(*c)),
        ),
        PatternSubject::Description => (
            "a description",
            text.chars().find(|c| !is_ec2_text_char(*c)),
        ),
        PatternSubject::Principal => (
            "an ARN",
            text.chars().find(|c| c.is_whitespace() || c.is_control()),
        ),
        PatternSubject::Tag => ("a tag", text.chars().find(|c| c.is_control())),
    };
    let Some(wrong) = wrong else {
        return Ok(Value::Text(text.to_owned()));
    };
    let help = ['^', '|', '\\']
        .contains(&wrong)
        .then(|| "a pattern is no regular expression".to_owned());
    let message = format!(
        "pattern {} can never match: {what} has no {}",
        quote_text(text),
        quote_text(&wrong.to_string())
    );
    Err(scalar_problem(Code::BadPattern, message, expected).with_help(help))
}

/// A day, to its end in UTC, or a moment.
pub(crate) fn parse_timestamp(text: &str) -> ScalarResult {
    let expected = "expected a day such as 2027-03-31, or a time such as 2027-03-31T18:00:00Z";
    let invalid = |help: &str| {
        let help = (!help.is_empty()).then(|| help.to_owned());
        Err(scalar_problem(
            Code::BadDate,
            format!("invalid date {}", quote_text(text)),
            expected,
        )
        .with_help(help))
    };
    let is_day = text.len() == 10
        && text.chars().zip("dddd-dd-dd".chars()).all(|(c, form)| {
            if form == 'd' {
                c.is_ascii_digit()
            } else {
                c == form
            }
        });
    if is_day {
        let end = text
            .parse::<Date>()
            .and_then(Date::tomorrow)
            .and_then(|day| day.to_zoned(TimeZone::UTC));
        return end.map_or_else(
            |_| invalid("there is no such day"),
            |end| Ok(Value::Timestamp(end.timestamp())),
        );
    }
    match text.parse::<Timestamp>() {
        Ok(moment) if moment.as_second() > 0 => Ok(Value::Timestamp(moment)),
        Ok(_) => invalid("it is before 1970"),
        Err(_) if text.contains(':') && !text.ends_with(['Z', 'z']) => {
            invalid("a time needs a zone: `Z` or `+01:00`")
        }
        Err(_) if text.contains(['/', '.']) => invalid("write year, month and day: 2027-03-31"),
        Err(_) if nearest_word(text, ["never", "none"]).is_some() => invalid("leave `expires` out"),
        Err(_) => invalid(""),
    }
}
