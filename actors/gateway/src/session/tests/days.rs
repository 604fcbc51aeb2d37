//! The rows of the fault table that take hours, in virtual time: zombies, storms of invalid sessions, useless resumes,
//! fatal codes, a gateway that is not there. Each prints its figure.

use super::{world::*, *};

const SEEDS: u64 = 40;

fn most(logs: &[Log], times: fn(&Log) -> &Vec<Duration>, window: Duration) -> usize {
    logs.iter().map(|log| most_within(times(log), window)).max().unwrap_or(0)
}

/// G3 with Discord's own interval.
#[test]
fn acknowledgements_that_stop_are_noticed_one_interval_after_the_first_that_is_missing() {
    let mut worst = Duration::ZERO;
    for seed in 0..SEEDS {
        let silent = Duration::from_secs(600 + seed * 7);
        let mut cut = false;
        let log = World::new(seed, move |sees, now| match sees {
            Sees::Beat if now >= silent && !cut => Vec::new(),
            Sees::Resume => {
                cut = true;
                polite(sees)
            }
            _ => polite(sees),
        })
        .run(HOUR);
        let [(at, loss)] = &log.losses[..] else { panic!("seed {seed}: {:?}", log.losses) };
        assert_eq!((loss.cause, loss.resume, log.identifies.len()), (Cause::Zombie, true, 1));
        let unanswered = log.beats.iter().find(|beat| **beat >= silent).unwrap();
        worst = worst.max(*at - *unanswered);
    }
    println!("G3 detection_ms={} interval_ms={}", worst.as_millis(), world::INTERVAL.as_millis());
    assert!(worst <= world::INTERVAL + Duration::from_secs(5), "{worst:?}");
}

/// G4 with Discord's own interval.
#[test]
fn acknowledgements_behind_a_backlog_of_events_are_no_zombie() {
    let mut lost = 0;
    for seed in 0..SEEDS {
        // No heartbeat is answered for an hour; an event comes every 30 s.
        let events = |upto: u64| (1..upto).map(|nth| (Duration::from_secs(nth * 30), Comes::Event)).collect::<Vec<_>>();
        let log = World::new(seed, move |sees, _| match sees {
            Sees::Beat => Vec::new(),
            Sees::Identify => [polite(sees), events(122)].concat(),
            _ => polite(sees),
        })
        .run(HOUR);
        lost += log.losses.len();
        assert!(log.beats.len() > 80);
    }
    println!("G4 false_reconnects={lost}");
    assert_eq!(lost, 0);
}

/// G6: the waits before a new session.
#[test]
fn invalid_sessions_wait_one_to_five_seconds_each_its_own_time() {
    let waits: Vec<f64> = (0..400)
        .map(|seed| {
            let mut told = false;
            let log = World::new(seed, move |sees, _| match sees {
                Sees::Beat if !std::mem::replace(&mut told, true) => {
                    vec![after(10, Input::InvalidSession { resumable: false })]
                }
                _ => polite(sees),
            })
            .run(HOUR);
            assert_eq!((log.identifies.len(), log.resumes.len()), (2, 0), "seed {seed}");
            log.losses[0].1.wait.as_secs_f64()
        })
        .collect();
    let (least, most) = waits.iter().fold((f64::MAX, 0f64), |(least, most), wait| (least.min(*wait), most.max(*wait)));
    println!("G6 identifies=1 wait_min_s={least:.2} wait_max_s={most:.2}");
    assert!(least >= 1.0 && most <= 5.0, "{least} {most}");
    assert!(least < 1.2 && most > 4.8, "spread over all of it: {least} {most}");
}

/// G7: every IDENTIFY is answered with an invalid session, for a day.
#[test]
fn a_day_of_invalid_sessions_costs_at_most_twelve_identifies_an_hour() {
    let logs: Vec<Log> = (0..SEEDS)
        .map(|seed| {
            World::new(seed, |sees, _| match sees {
                Sees::Identify => vec![after(50, Input::InvalidSession { resumable: false })],
                _ => polite(sees),
            })
            .run(24 * HOUR)
        })
        .collect();
    let (hour, day) = (most(&logs, |log| &log.identifies, HOUR), most(&logs, |log| &log.identifies, 24 * HOUR));
    let waits = logs.iter().flat_map(|log| log.losses.iter().skip(4)).map(|(_, loss)| loss.wait);
    let cap = waits.min().unwrap_or_default();
    println!("G7 identifies_per_hour_max={hour} identifies_per_day_max={day} cap_least_s={}", cap.as_secs());
    assert!(hour <= 12 && cap >= Duration::from_secs(300), "{hour} an hour, {cap:?}");
}

/// G8: a session that resumes and dies, and whose successors do the same.
#[test]
fn resumes_that_lead_nowhere_are_given_up_after_three_and_the_day_stays_within_the_budget() {
    let logs: Vec<Log> = (0..SEEDS)
        .map(|seed| {
            World::new(seed, |sees, _| match sees {
                Sees::Resume => [polite(sees), vec![after(101, Input::Closed { code: Some(4000) })]].concat(),
                Sees::Identify => [polite(sees), vec![after(300, Input::Closed { code: None })]].concat(),
                _ => polite(sees),
            })
            .run(24 * HOUR)
        })
        .collect();
    for log in &logs {
        let second = log.identifies[1];
        assert_eq!(log.resumes.iter().filter(|at| **at < second).count(), 3, "tries before a new session");
    }
    let (hour, day) = (most(&logs, |log| &log.identifies, HOUR), most(&logs, |log| &log.identifies, 24 * HOUR));
    println!("G8 tries=3 identifies_per_hour_max={hour} identifies_per_day_max={day}");
    assert!(hour <= 12 && day <= 900);
}

/// G9 and G10: fatal codes, as the first answer and in a running session.
#[test]
fn after_a_fatal_code_nothing_is_tried_for_ten_minutes() {
    let (mut attempts, mut identifies) = (0, 0);
    for code in [4004, 4010, 4011, 4012, 4013, 4014] {
        for online in [false, true] {
            let log = World::new(u64::from(code), move |sees, _| match sees {
                Sees::Identify if !online => vec![after(50, Input::Closed { code: Some(code) })],
                Sees::Beat if online => vec![after(50, Input::Closed { code: Some(code) })],
                _ => polite(sees),
            })
            .run(HOUR);
            let (at, fatal) = log.parked.unwrap();
            assert!(at < HOUR - Duration::from_secs(600) && fatal.code == Some(code));
            attempts += log.dials.iter().filter(|dial| **dial > at).count();
            identifies = identifies.max(log.identifies.len());
        }
    }
    // 4003 has one more try, in a new session.
    let log = World::new(3, |sees, _| match sees {
        Sees::Beat => vec![after(50, Input::Closed { code: Some(4003) })],
        _ => polite(sees),
    })
    .run(HOUR);
    let (at, _) = log.parked.unwrap();
    attempts += log.dials.iter().filter(|dial| **dial > at).count();
    println!("G9/G10 identifies_max={identifies} identifies_4003={} attempts_after={attempts}", log.identifies.len());
    assert_eq!((identifies, log.identifies.len(), attempts), (1, 2, 0));
}

/// G13: an unknown code after each READY and each RESUMED.
#[test]
fn an_unknown_close_code_for_ever_backs_off() {
    let logs: Vec<Log> = (0..SEEDS)
        .map(|seed| {
            World::new(seed, |sees, _| match sees {
                Sees::Identify | Sees::Resume => {
                    [polite(sees), vec![after(1_000, Input::Closed { code: Some(4999) })]].concat()
                }
                _ => polite(sees),
            })
            .run(24 * HOUR)
        })
        .collect();
    let (hour, minute) = (most(&logs, |log| &log.identifies, HOUR), most(&logs, |log| &log.dials, HOUR / 60));
    let last = logs.iter().filter_map(|log| log.losses.last()).map(|(_, loss)| loss.wait).min().unwrap_or_default();
    println!("G13 identifies_per_hour_max={hour} connections_per_minute_max={minute} last_wait_s={}", last.as_secs());
    assert!(hour <= 12 && minute <= 10 && last >= Duration::from_secs(100), "{hour} {minute} {last:?}");
}

/// G22: nothing answers at the gateway's address, with the times of the shipped configuration.
#[test]
fn a_gateway_that_is_not_there_is_tried_ever_more_rarely() {
    let logs: Vec<Log> = (0..SEEDS)
        .map(|seed| {
            World::new(seed, |sees, _| match sees {
                Sees::Dial => vec![after(5, Input::ConnectFailed { refused: false })],
                _ => polite(sees),
            })
            .run(6 * HOUR)
        })
        .collect();
    let minute = most(&logs, |log| &log.dials, HOUR / 60);
    let late = logs.iter().map(|log| log.dials.iter().filter(|at| **at >= 5 * HOUR).count()).max().unwrap_or(0);
    println!("G22 attempts_first_minute_max={minute} attempts_sixth_hour_max={late}");
    assert!(minute <= 9 && late <= 25, "{minute} {late}");
}

/// The worst day that a script makes up at random: the session asks for no more than the budget allows by a wide
/// margin, whatever happens to it, unless sessions live for a minute and die.
#[test]
fn a_random_day_of_faults_ends_and_is_bounded() {
    let logs: Vec<Log> = (0..SEEDS)
        .map(|seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            World::new(seed, move |sees, _| {
                let fault = match rng.random_range(0..8) {
                    0 => Input::Closed { code: None },
                    1 => Input::Closed { code: Some(4000) },
                    2 => Input::Closed { code: Some(4009) },
                    3 => Input::InvalidSession { resumable: true },
                    4 => Input::InvalidSession { resumable: false },
                    5 => Input::ReconnectRequested,
                    6 => return if sees == Sees::Dial { polite(sees) } else { Vec::new() },
                    _ => return polite(sees),
                };
                if sees == Sees::Dial {
                    return vec![after(5, Input::ConnectFailed { refused: false })];
                }
                [polite(sees), vec![after(rng.random_range(1..20_000), fault)]].concat()
            })
            .run(24 * HOUR)
        })
        .collect();
    let day = most(&logs, |log| &log.identifies, 24 * HOUR);
    let connections = logs.iter().map(|log| log.dials.len()).max().unwrap_or(0);
    println!("worst random day: identifies={day} connections={connections}");
    assert!(day <= 900, "{day}");
}
