//! The core against the model of OTP's rules.

use super::{
    super::model::{Auto, Departures, Flags, Kind, Spec, Type},
    Explored, Violation,
    duo::{Case, Move, PERIOD},
    explore, wander,
};
use crate::tests::full_tier;
use std::time::Instant;

const KINDS: [Kind; 4] = [Kind::OneForOne, Kind::OneForAll, Kind::RestForOne, Kind::Simple];
const TYPES: [Type; 3] = [Type::Permanent, Type::Transient, Type::Temporary];

fn case(kind: Kind, auto: Auto, intensity: usize, types: &[Type]) -> Case {
    let specs = types.iter().enumerate().map(|(id, restart)| Spec {
        id,
        restart: *restart,
        significant: auto != Auto::Never && *restart != Type::Permanent,
        brutal: false,
    });
    Case {
        flags: Flags { kind, auto, intensity, period: PERIOD },
        specs: specs.collect(),
        spare: None,
        calls: None,
        in_turn: false,
        endless: false,
        departures: Departures::OURS,
    }
}

fn run(case: &Case, states_max: usize) -> Result<Explored, Violation<Move>> {
    let began = case.clone().begin().map_err(|what| Violation { what, way: Vec::new() })?;
    explore(began, states_max)
}

/// Runs them all and says how far it came.
#[track_caller]
fn all(what: &str, cases: impl IntoIterator<Item = Case>, states_max: usize) -> Explored {
    let begun = Instant::now();
    let mut total = Explored::default();
    for case in cases {
        match run(&case, states_max) {
            Ok(explored) => total.add(explored),
            Err(Violation { what, way }) => panic!("{case:#?}\n{way:#?}\n{what}"),
        }
    }
    println!("{what}: {total:?} in {:.1} s", begun.elapsed().as_secs_f64());
    total
}

/// Every way to give `n` children restart types.
fn combinations(n: usize) -> Vec<Vec<Type>> {
    (0..n).fold(vec![Vec::new()], |shorter, _| {
        let longer = |types: Vec<Type>| TYPES.map(|last| [types.clone(), vec![last]].concat());
        shorter.into_iter().flat_map(longer).collect()
    })
}

/// All strategies, intensities 0 to 2, and ways to end with significant children, for every combination of `n` types.
fn cases(n: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        for types in combinations(n) {
            let significant = kind != Kind::Simple && types.iter().any(|restart| *restart != Type::Permanent);
            let autos = if significant { &[Auto::Never, Auto::Any, Auto::All][..] } else { &[Auto::Never] };
            for auto in autos {
                cases.extend((0..3).map(|intensity| case(kind, *auto, intensity, &types)));
            }
        }
    }
    cases
}

fn with_spare(mut case: Case, restart: Type) -> Case {
    case.spare = Some(Spec { id: case.specs.len(), restart, significant: false, brutal: false });
    case
}

/// The first is killed without being asked.
fn brutally(mut case: Case) -> Case {
    case.specs[0].brutal = true;
    case
}

/// The quick run takes every so-manieth case, beginning anywhere; the full one ten times as many. With
/// `IMPRESARIO_EXPLORE=all` all of them are taken: docs/supervision.md has the figures, and why three and four children with
/// any number of calls have a bound even then. Intensities take turns, so an `every` that three divides sees one of them only.
fn some(cases: Vec<Case>, every: usize) -> Vec<Case> {
    if std::env::var("IMPRESARIO_EXPLORE").is_ok_and(|what| what == "all") {
        return cases;
    }
    let every = if full_tier() { (every / 10).max(1) } else { every };
    let from = rand::random::<u32>() as usize % every;
    println!("cases {from}, {}, … of {}", from + every, cases.len());
    cases.into_iter().skip(from).step_by(every).collect()
}

#[test]
fn one_and_two_children_do_what_otp_says_in_every_interleaving() {
    let total = all("1 child", some(cases(1), 6), usize::MAX);
    assert_eq!(total.complete, total.runs, "every state was seen");
    let total = all("2 children", some(cases(2), 130), usize::MAX);
    assert_eq!(total.complete, total.runs, "every state was seen");
}

#[test]
fn three_and_four_children_do_what_otp_says_as_far_as_it_was_explored() {
    let (one, two, three, four) = if full_tier() { (500, 200, 200, 150) } else { (150, 100, 100, 100) };
    let spare = |case| with_spare(case, Type::Transient);
    all("1 child and one that may be added", some(cases(1), 12).into_iter().map(spare), one);
    all("2 children and one that may be added", some(cases(2), 60).into_iter().map(spare), two);
    all("3 children, the first is killed unasked", some(cases(3), 100).into_iter().map(brutally), three);
    all("4 children", some(cases(4), 300), four);
}

#[test]
fn three_and_four_children_do_what_otp_says_on_long_ways_at_random() {
    let walks = if full_tier() { 20_000 } else { 200 };
    let first: u64 = rand::random();
    println!("seeds {first}..+{walks}");
    let cases = [cases(3), cases(4)].concat();
    let (mut moves, begun) = (0, Instant::now());
    for seed in (0..walks).map(|n| first.wrapping_add(n)) {
        let mut case = cases[usize::try_from(seed % cases.len() as u64).unwrap()].clone();
        (case.flags.intensity, case.endless) = (6, seed % 4 != 0); // so that it is not over so soon
        let began = with_spare(case.clone(), Type::Transient).begin().expect("it begins");
        match wander(began, seed, 200) {
            Ok(taken) => moves += taken,
            Err(Violation { what, way }) => panic!("seed {seed}\n{case:#?}\n{way:#?}\n{what}"),
        }
    }
    println!("{walks} ways, {moves} moves in {:.1} s", begun.elapsed().as_secs_f64());
}

/// With few calls there are few enough states: children that start, fail to start, end in any way, obey or are deaf, a
/// shutdown at any point, and callers that have so many `calls` between them.
#[track_caller]
fn with_calls(calls: usize, what: &str, cases: Vec<Case>) {
    let called = cases.into_iter().map(|case| Case { calls: Some(calls), ..case });
    let total = all(what, called, usize::MAX);
    assert_eq!(total.complete, total.runs, "every state was seen");
}

#[test]
fn three_children_that_nobody_orders_about_do_what_otp_says_in_every_interleaving() {
    with_calls(0, "3 children, no calls", some(cases(3), 60));
}

#[test]
fn four_children_that_nobody_orders_about_do_what_otp_says_in_every_interleaving() {
    with_calls(0, "4 children, no calls", some(cases(4), 600));
}

/// The elder that stays, the one that fails and the younger that is ordered about meanwhile are three.
#[test]
fn three_children_and_one_call_do_what_otp_says_in_every_interleaving() {
    with_calls(1, "3 children, 1 call", some(cases(3), 190));
}

#[test]
fn three_children_and_two_calls_do_what_otp_says_in_every_interleaving() {
    with_calls(2, "3 children, 2 calls", some(cases(3), 790));
}

#[test]
fn four_children_and_one_call_do_what_otp_says_in_every_interleaving() {
    with_calls(1, "4 children, 1 call", some(cases(4), 2_410));
}

/// In OTP's own schedule, where nothing happens while the supervisor waits, there is nothing to decide otherwise.
#[test]
fn in_otps_own_schedule_the_core_is_otp_without_a_departure() {
    let strict = |mut case: Case| {
        case.in_turn = true;
        case.departures = Departures { dynamic_children_have_names: true, ..Departures::NONE };
        case
    };
    let max = if full_tier() { 400 } else { 200 };
    all("3 children in turn", some(cases(3), 80).into_iter().map(strict), max);
    all("4 children in turn", some(cases(4), 240).into_iter().map(strict), max);
}

/// Each switch is needed, and the exploration finds what it is for.
#[test]
fn without_any_one_departure_a_difference_is_found() {
    let ways = [
        (Departures { serves_meanwhile: false, ..Departures::OURS }, Kind::OneForOne),
        (Departures { orders_under_way_hold: false, ..Departures::OURS }, Kind::OneForAll),
        (Departures { dynamic_children_have_names: false, ..Departures::OURS }, Kind::Simple),
    ];
    for (departures, kind) in ways {
        let mut case = case(kind, Auto::Never, 1, &[Type::Permanent, Type::Transient]);
        case.departures = departures;
        let Err(Violation { what, way }) = run(&case, 100_000) else { panic!("no difference: {departures:?}") };
        println!("{departures:?}\n  {way:?}\n  {}", what.replace('\n', "\n  "));
    }
}
