//! How evaluation and decision scale with the number of rules of a group.
//!
//! Prints the best time of several runs for groups of different shapes, policies and sizes, and how
//! much longer a group takes than the one before it in proportion to their sizes (1.0 is linear).
//! Fails if a decision about 1,000 rules takes longer than the limit.
//!
//! `cargo bench -p portcullis-rules` runs everything. Arguments after `--` are parts of names:
//! `cargo bench -p portcullis-rules -- evaluate halves`.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time, prints, and may fail loudly"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::check::Check;
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{
    Action, Context, IngressRule, PlanInput, Policy, PolicyRule, PortRange, PortSet, PrefixLists,
    Scope, SecurityGroup, Severity, Source, TrafficSet, decide, evaluate,
};

const SIZES: [u32; 4] = [60, 240, 1000, 4000];

/// How often each measurement is repeated at most, and for how long.
const MAX_RUNS: u32 = 20;
const MAX_TIME: Duration = Duration::from_secs(1);

/// The number of rules for which a decision is limited in time, and the limit.
const LIMITED_SIZE: u32 = 1000;
const LIMIT: Duration = Duration::from_millis(50);

/// A group of `count` rules.
type Shape = fn(count: u32) -> Vec<String>;

const SHAPES: [(&str, Shape); 10] = [
    ("private", |count| {
        lines(count, |n| format!("tcp {} 10.0.0.0/8", port(n)))
    }),
    ("ports-anywhere", |count| {
        lines(count, |n| format!("tcp {} 0.0.0.0/0", port(n)))
    }),
    ("all-traffic-blocks", |count| {
        lines(count, |n| format!("-1 - {}", block(n, count)))
    }),
    ("tcp-blocks", |count| {
        lines(count, |n| format!("tcp 22 {}", block(n, count)))
    }),
    ("nested-ranges", |count| {
        lines(count, |n| {
            format!("tcp {}-{} {}", n, 65_535 - n, block(n, count))
        })
    }),
    // Each broad rule is open to the world on every second port of its range.
    ("alternating-ports", |count| {
        lines(count, |n| match n % 2 {
            0 => format!("tcp {}-{} 0.0.0.0/1", n, 65_535 - n),
            _ => format!("tcp {} 128.0.0.0/1", n * 8),
        })
    }),
    ("halves", |count| {
        lines(count, |n| {
            let half = if n % 2 == 0 {
                "0.0.0.0/1"
            } else {
                "128.0.0.0/1"
            };
            format!("tcp {}-{} {half}", n / 2 * 8, n / 2 * 8 + 5)
        })
    }),
    ("lists", |count| {
        lines(count, |n| {
            let list = if n % 2 == 0 { "pl-low" } else { "pl-high" };
            format!("tcp {} {list}", n / 2 * 4)
        })
    }),
    ("all-traffic-and-ports", |count| {
        lines(count, |n| match n % 2 {
            0 => format!("-1 - {}", block(n, count)),
            _ => format!("tcp {} ::/0", port(n)),
        })
    }),
    ("icmp", |count| {
        lines(count, |n| match n % 3 {
            0 => format!("icmp - {}", block(n, count)),
            1 => format!("icmp {}/{} 128.0.0.0/1", n % 250, n / 250),
            _ => format!("icmp {}/-1 0.0.0.0/1", n % 250),
        })
    }),
];

fn lines(count: u32, line: impl Fn(u32) -> String) -> Vec<String> {
    (0..count).map(line).collect()
}

fn port(number: u32) -> u32 {
    1024 + number * 16
}

/// The block with this number, of `count` blocks that cover all IPv4 addresses.
fn block(number: u32, count: u32) -> String {
    let prefix_len = u8::try_from(count.next_power_of_two().trailing_zeros()).unwrap();
    let shift = 32 - u32::from(prefix_len);
    let double_blocks = (1 << prefix_len) - count;
    // The first blocks have twice the size, so that `count` blocks cover everything.
    if number < double_blocks {
        let address = std::net::Ipv4Addr::from((2 * number) << shift);
        format!("{address}/{}", prefix_len - 1)
    } else {
        let address = std::net::Ipv4Addr::from((number + double_blocks) << shift);
        format!("{address}/{prefix_len}")
    }
}

fn policies() -> Vec<(&'static str, Policy)> {
    let web_only = Check::OpenExcept(TrafficSet {
        icmp: true,
        icmpv6: true,
        ..TrafficSet::tcp([80, 443].into_iter().collect())
    });
    let high_ports = PortRange::new(1024, 40_000).unwrap();
    let ports = PortSet::from_iter([PortRange::single(22), high_ports]);
    let open_ports = Check::OpenPorts(TrafficSet::tcp_and_udp(ports));
    vec![
        ("baseline", baseline_policy()),
        ("web-only", single_rule_policy(web_only, Action::Narrow)),
        (
            "narrow-ports",
            single_rule_policy(open_ports.clone(), Action::Narrow),
        ),
        (
            "restrict-ports",
            single_rule_policy(open_ports, Action::Restrict),
        ),
        ("range-revoke", {
            single_rule_policy(Check::PortRangeInternal, Action::Revoke)
        }),
        ("broad-narrow", {
            single_rule_policy(Check::BroadSource, Action::Narrow)
        }),
        ("narrow-all", baseline_with(Action::Narrow)),
        ("restrict-all", baseline_with(Action::Restrict)),
    ]
}

/// The sources that policies with the action `restrict` trust.
fn trusted_sources() -> Vec<Source> {
    let trusted = [
        "8.8.8.0/24",
        "2001:db8::/32",
        "pl-offices",
        "sg-0123456789abcdef0",
    ];
    let sources = trusted.iter().map(|text| text.parse::<Source>().unwrap());
    sources.collect()
}

/// The baseline policy with another action for each of its rules.
fn baseline_with(action: Action) -> Policy {
    let baseline = baseline_policy();
    let rules = baseline.rules.iter().map(|rule| {
        Arc::new(PolicyRule {
            action,
            trusted: trusted_sources(),
            ..PolicyRule::clone(rule)
        })
    });
    Policy {
        rules: rules.collect(),
        ..baseline
    }
}

fn single_rule_policy(check: Check, action: Action) -> Policy {
    let rule = PolicyRule {
        id: "rule".to_owned(),
        forbids: "what the benchmark forbids".to_owned(),
        check,
        severity: Severity::High,
        action,
        references: Vec::new(),
        scope: Scope::default(),
        trusted: trusted_sources(),
    };
    Policy {
        name: "bench".to_owned(),
        rules: vec![Arc::new(rule)],
        ..Policy::default()
    }
}

fn prefix_lists() -> PrefixLists {
    let nines_of = |text: &str| parse_cidr(text).unwrap().subnets(9).unwrap().collect();
    // All over the address space, so that they are in different blocks of a group.
    let offices = (1..200).map(|n| parse_cidr(&format!("{n}.8.4.0/24")).unwrap());
    PrefixLists::from_iter([
        ("pl-low", nines_of("0.0.0.0/1")),
        ("pl-high", nines_of("128.0.0.0/1")),
        ("pl-offices", offices.collect()),
    ])
}

/// The best time of several runs.
fn measure(run: impl Fn()) -> Duration {
    let start = Instant::now();
    let mut best = Duration::MAX;
    for _ in 0..MAX_RUNS {
        let run_start = Instant::now();
        run();
        best = best.min(run_start.elapsed());
        if start.elapsed() > MAX_TIME {
            break;
        }
    }
    best
}

/// Prints the times of one row: one for each size, with the ratio to linear growth. Returns the
/// time for the limited size.
fn print_row(name: &str, time_of: impl Fn(u32) -> Duration) -> Option<Duration> {
    print!("{name:<44}");
    let mut previous: Option<(u32, Duration)> = None;
    let mut limited = None;
    for size in SIZES {
        if previous.is_some_and(|(_, time)| time > MAX_TIME) {
            print!(" (too slow)");
            break;
        }
        let time = time_of(size);
        let milliseconds = time.as_secs_f64() * 1e3;
        print!("{milliseconds:>10.3} ms");
        if let Some((smaller, smaller_time)) = previous {
            let growth = f64::from(size) / f64::from(smaller);
            let ratio = time.as_secs_f64() / smaller_time.as_secs_f64() / growth;
            print!(" ({ratio:>4.1})");
        }
        if size == LIMITED_SIZE {
            limited = Some(time);
        }
        previous = Some((size, time));
    }
    println!();
    limited
}

/// Prints the slowest decision about a group of the limited size. Fails if it took too long.
fn check_limit(slowest: Option<&(Duration, String)>) -> ExitCode {
    let Some((time, name)) = slowest else {
        return ExitCode::SUCCESS;
    };
    let milliseconds = time.as_secs_f64() * 1e3;
    let limit = LIMIT.as_millis();
    println!("slowest for {LIMITED_SIZE} rules: {name}, {milliseconds:.3} ms (limit {limit} ms)");
    // The limit is for optimized builds.
    if *time > LIMIT && !cfg!(debug_assertions) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The group of a shape with this many rules. The rules have all properties that EC2 returns.
fn group_of_shape(shape: Shape, size: u32) -> SecurityGroup {
    let lines = shape(size);
    let rules = lines.iter().enumerate().map(|(number, line)| {
        let mut rule: IngressRule = line.parse().unwrap();
        rule.id = Some(format!("sgr-{number:017x}"));
        rule.description = Some(format!("rule {number} of the benchmark"));
        rule.tags = [("team".to_owned(), "network".to_owned())].into();
        rule
    });
    SecurityGroup {
        id: "sg-0123456789abcdef0".to_owned(),
        rules: rules.collect(),
        ..SecurityGroup::default()
    }
}

fn decide_verified(input: &PlanInput<'_>) {
    let decision = black_box(decide(input));
    let violation = decision.violations.first();
    assert!(violation.is_none(), "{violation:?}");
}

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_selected = |name: &str| filters.iter().all(|filter| name.contains(filter));
    print!("{:<44}", "rules");
    for size in SIZES {
        print!("{size:>13}       ");
    }
    println!();
    let (lists, context) = (prefix_lists(), Context::default());
    let mut decisions: Vec<(Duration, String)> = Vec::new();
    for (shape_name, shape) in SHAPES {
        for (policy_name, policy) in policies() {
            let evaluate_name = format!("evaluate {shape_name} {policy_name}");
            if is_selected(&evaluate_name) {
                print_row(&evaluate_name, |size| {
                    let group = group_of_shape(shape, size);
                    measure(|| drop(black_box(evaluate(&policy, &group, &lists, &context))))
                });
            }
            let decide_name = format!("decide {shape_name} {policy_name}");
            if is_selected(&decide_name) {
                let time = print_row(&decide_name, |size| {
                    let group = group_of_shape(shape, size);
                    let input = PlanInput::new(&policy, &group, &lists, &context);
                    measure(|| decide_verified(&input))
                });
                decisions.extend(time.map(|time| (time, decide_name)));
            }
        }
    }
    check_limit(decisions.iter().max())
}
