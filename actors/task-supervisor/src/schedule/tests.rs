//! Tables for what is hard about calendars, and a property for the rest.

use super::*;
use chrono::TimeZone;
use rand::{Rng, SeedableRng, rngs::StdRng};

const S: fn(u64) -> Duration = Duration::from_secs;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn at(mono: u64) -> Moment {
    Moment { mono: S(mono), wall: Utc.timestamp_opt(1_700_000_000, 0).unwrap() + TimeDelta::seconds(mono as i64) }
}

fn cron(expression: &str, zone: &str) -> Calendar {
    Calendar::read(expression, zone).unwrap()
}

fn next(table: &Timetable, start: bool, dealt: Option<u64>, now: u64, jitter: u64) -> Option<(u64, u32)> {
    let past = Past { first_up: at(100), dealt: dealt.map(at) };
    table.next(start, past, at(now), S(jitter)).map(|next| (next.wait.as_secs(), next.missed))
}

#[test]
fn a_period_counts_from_the_beginning_of_the_run_and_is_never_made_up_for() {
    let every = Timetable::Every(S(10));
    assert_eq!(next(&every, true, None, 100, 3), Some((0, 0)));
    assert_eq!(next(&every, false, None, 100, 3), Some((13, 0)));
    assert_eq!(next(&every, false, None, 104, 0), Some((6, 0)), "a restart before the first run moves nothing");
    assert_eq!(next(&every, false, Some(110), 112, 0), Some((8, 0)));
    assert_eq!(next(&every, false, Some(110), 145, 0), Some((0, 2)), "late: once, at once; two are left out");
}

#[test]
fn once_is_once() {
    let once = Timetable::Once(S(5));
    assert_eq!(next(&once, true, None, 100, 0), Some((5, 0)), "after its delay, whatever run_at_start says");
    assert_eq!(next(&once, true, Some(106), 107, 0), None);
}

/// Berlin 2025: at 02:00 on 30 March clocks go forward to 03:00 (01:00 UTC); at 03:00 on 26 October back to 02:00.
#[test]
fn changes_of_clocks() {
    let table: [(&str, &str, &str, &[&str]); 7] = [
        // a daily time in the gap is made up for at its end, once
        ("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00Z", &["2025-03-30T01:00:00Z", "2025-03-31T00:30:00Z"]),
        // a daily time that comes twice counts once, the first time
        ("30 2 * * *", "Europe/Berlin", "2025-10-25T12:00:00Z", &["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"]),
        // what goes by what the clock shows leaves the gap out …
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2025-03-30T00:29:00Z",
            &["2025-03-30T00:30:00Z", "2025-03-30T01:00:00Z", "2025-03-30T01:30:00Z"],
        ),
        // … and goes on through the hour that comes twice: no hour without a run
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2025-10-26T00:01:00Z",
            &["2025-10-26T00:30:00Z", "2025-10-26T01:00:00Z", "2025-10-26T01:30:00Z", "2025-10-26T02:00:00Z"],
        ),
        // half an hour of change (Lord Howe, 2025-04-06 02:00 back to 01:30)
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2025-04-05T00:00:00Z",
            &["2025-04-05T14:45:00Z", "2025-04-06T15:15:00Z"],
        ),
        // no change of clocks at all
        ("0 4 * * *", "UTC", "2025-03-30T03:59:59Z", &["2025-03-30T04:00:00Z", "2025-03-31T04:00:00Z"]),
        // a date that comes every four years
        ("0 0 29 2 *", "UTC", "2025-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
    ];
    for (expression, zone, from, expected) in table {
        let calendar = cron(expression, zone);
        let mut after = utc(from);
        for expected in expected {
            after = calendar.following(after).unwrap();
            assert_eq!(after, utc(expected), "{expression} {zone} from {from}");
        }
    }
}

#[test]
fn a_clock_that_is_set_repeats_nothing_and_loses_at_most_the_catching_up() {
    let hourly = cron("0 * * * *", "UTC");
    let dealt = utc("2025-06-01T10:00:00Z");
    let wait = |now: &str| hourly.next(dealt, utc(now), Duration::ZERO).map(|next| (next.wait.as_secs(), next.missed));
    assert_eq!(wait("2025-06-01T10:20:00Z"), Some((2_400, 0)));
    assert_eq!(wait("2025-06-01T11:00:00Z"), Some((0, 0)), "due");
    assert_eq!(wait("2025-06-01T15:30:00Z"), Some((0, 4)), "set forward, or asleep: one run for five");
    assert_eq!(
        wait("2025-06-01T09:30:00Z"),
        Some((5_400, 0)),
        "set back half an hour: the run of 10:00 is not repeated"
    );
    assert_eq!(wait("2025-05-31T10:00:00Z"), Some((90_000, 0)), "set back a day: still not repeated");
    assert_eq!(wait("2024-06-01T09:30:00Z"), Some((1_800, 0)), "set back a year: the clock was wrong before");
    assert_eq!(wait("2099-01-01T00:00:00Z"), Some((0, MISSED_MAX)));
}

#[test]
fn jitter_is_waited_out_once() {
    let hourly = cron("0 * * * *", "UTC");
    let wait = |now: &str| hourly.next(utc("2025-06-01T10:00:20Z"), utc(now), S(30)).unwrap().wait.as_secs();
    assert_eq!(wait("2025-06-01T10:59:00Z"), 90);
    assert_eq!(wait("2025-06-01T11:00:10Z"), 20);
    assert_eq!(wait("2025-06-01T11:00:30Z"), 0);
}

#[test]
fn what_makes_no_sense_is_refused_in_one_sentence() {
    let refused = |schedule: Schedule| Timetable::read(&schedule).unwrap_err();
    for (schedule, words) in [
        (Schedule::Every(Duration::ZERO), "period is zero"),
        (Schedule::Every(Duration::MAX), "ten years"),
        (Schedule::Once(Duration::MAX), "ten years"),
        (Schedule::cron("0 0 30 2 *", "UTC"), "never fires"),
        (Schedule::cron("0 25 * * *", "UTC"), "cannot be read"),
        (Schedule::cron("", "UTC"), "cannot be read"),
        (Schedule::cron("whenever", "UTC"), "cannot be read"),
        (Schedule::cron("0 0 * * *", "Europe/Atlantis"), "no time zone \"Europe/Atlantis\""),
        (Schedule::daily(24, 0, "UTC"), "24:00 is no time of day"),
        (Schedule::daily(3, 60, "UTC"), "03:60 is no time of day"),
    ] {
        let said = refused(schedule);
        assert!(said.contains(words), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
    assert!(Timetable::read(&Schedule::daily(23, 59, "Asia/Kathmandu")).is_ok());
    assert!(Timetable::read(&Schedule::cron("*/20 * * * * *", "UTC")).is_ok(), "with seconds in front");
}

#[test]
fn the_period_of_a_calendar_is_the_time_between_two_runs() {
    let period = |schedule| Timetable::read(&schedule).unwrap().period(utc("2025-06-01T10:10:00Z"));
    assert_eq!(period(Schedule::daily(4, 0, "Europe/Berlin")), S(86_400));
    assert_eq!(period(Schedule::cron("*/15 * * * *", "UTC")), S(900));
    assert_eq!(period(Schedule::Once(S(5))), S(60));
}

/// A task on a calendar under a clock that jumps both ways: it never runs before an occurrence, never twice for one, and
/// catches up with one run at once.
#[test]
fn whatever_the_clock_does_no_occurrence_is_run_twice_and_none_is_left_out_for_good() {
    let seed: u64 = 0x7A5C;
    println!("seed {seed:#x}");
    let mut rng = StdRng::seed_from_u64(seed);
    let zones =
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"];
    for _ in 0..300 {
        let minute = rng.random_range(0..60);
        let expression = match rng.random_range(0..5) {
            0 => format!("{minute} {} * * *", rng.random_range(0..24)),
            1 => format!("*/{} * * * *", rng.random_range(1..60)),
            2 => format!("{minute} */{} * * *", rng.random_range(1..24)),
            3 => format!("{minute} {} * * {}", rng.random_range(0..24), rng.random_range(0..7)),
            _ => format!("{minute} {} {} * *", rng.random_range(0..24), rng.random_range(1..29)),
        };
        let calendar = cron(&expression, zones[rng.random_range(0..zones.len())]);
        let mut wall = utc("2025-01-01T00:00:00Z") + TimeDelta::minutes(rng.random_range(0..525_600));
        let (mut dealt, mut ran): (_, Option<DateTime<Utc>>) = (wall, None);
        for _ in 0..60 {
            let next = calendar.next(dealt, wall, Duration::ZERO).unwrap();
            if next.wait.is_zero() {
                let occurrence = calendar.following(dealt).unwrap();
                assert!(occurrence <= wall, "{expression}: ran at {wall}, before {occurrence}");
                assert!(ran.is_none_or(|ran| occurrence > ran), "{expression}: {occurrence} ran twice");
                ran = Some(occurrence.max(wall));
                dealt = dealt.max(wall);
                assert!(!calendar.next(dealt, wall, Duration::ZERO).unwrap().wait.is_zero(), "one run catches up");
            }
            // Time passes, up to the due time and beyond it; now and then somebody sets the clock.
            let wait = next.wait.as_secs().max(1) as i64;
            wall += TimeDelta::seconds(rng.random_range(1..=wait + 600));
            match rng.random_range(0..12) {
                0 => wall -= TimeDelta::minutes(rng.random_range(1..180)),
                1 => wall += TimeDelta::hours(rng.random_range(1..100)),
                _ => {}
            }
        }
    }
}
