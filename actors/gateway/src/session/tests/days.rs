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

/// Who talks while a server misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    Nobody,
    /// Each RESUME has something to send again that was not seen before.
    Replayed,
    /// Something comes right behind each READY and RESUMED, as it happens.
    Live,
}

impl Traffic {
    const ALL: [Self; 3] = [Self::Nobody, Self::Replayed, Self::Live];

    /// What comes over a connection on which READY or RESUMED comes after `millis`.
    fn comes(self, millis: u64) -> Vec<(Duration, Comes)> {
        let event = |millis| vec![(Duration::from_millis(millis), Comes::Event)];
        match self {
            Self::Nobody => Vec::new(),
            Self::Replayed => event(millis - 1),
            Self::Live => event(millis + 1),
        }
    }
}

/// G8: a session that resumes and dies, and whose successors do the same, whoever talks meanwhile.
#[test]
fn resumes_that_lead_nowhere_are_given_up_after_three_and_the_day_stays_within_the_budget() {
    for traffic in Traffic::ALL {
        let logs: Vec<Log> = (0..SEEDS)
            .map(|seed| {
                World::new(seed, move |sees, _| match sees {
                    Sees::Resume => {
                        let closed = after(102, Input::Closed { code: Some(4000) });
                        [polite(sees), traffic.comes(100), vec![closed]].concat()
                    }
                    Sees::Identify => {
                        [polite(sees), traffic.comes(200), vec![after(300, Input::Closed { code: None })]].concat()
                    }
                    _ => polite(sees),
                })
                .run(24 * HOUR)
            })
            .collect();
        let tries = if traffic == Traffic::Live { 6 } else { 3 };
        for log in &logs {
            let second = log.identifies.get(1).copied().unwrap_or(Duration::MAX);
            let tried = log.resumes.iter().filter(|at| **at < second).count();
            assert_eq!(tried, tries, "tries before a new session, {traffic:?}");
        }
        let (hour, day) = (most(&logs, |log| &log.identifies, HOUR), most(&logs, |log| &log.identifies, 24 * HOUR));
        let minute = most(&logs, |log| &log.dials, HOUR / 60);
        println!(
            "G8 traffic={traffic:?} tries={tries} identifies_per_hour_max={hour} identifies_per_day_max={day} \
             connections_per_minute_max={minute}"
        );
        assert!(hour <= 12 && day <= 900 && minute <= 10, "{traffic:?}: {hour} {day} {minute}");
    }
}

/// A long absence: each RESUME is answered by half a minute of what was missed, and the connection closed before RESUMED. The
/// next one goes on where this one came to, so none of them is useless.
#[test]
fn a_replay_that_comes_on_a_piece_in_each_connection_keeps_its_session() {
    for seed in 0..SEEDS {
        let mut resumes = 0;
        let log = World::new(seed, move |sees, _| match sees {
            Sees::Resume if resumes < 8 => {
                resumes += 1;
                let mut replay: Vec<_> = (1..=30).map(|second| (Duration::from_secs(second), Comes::Event)).collect();
                replay.push(after(30_500, Input::Closed { code: Some(4000) }));
                replay
            }
            Sees::Identify => [polite(sees), vec![after(300, Input::Closed { code: None })]].concat(),
            _ => polite(sees),
        })
        .run(HOUR);
        assert!(log.resumes.len() >= 9, "seed {seed}: {} resumes", log.resumes.len());
        assert_eq!(log.identifies.len(), 1, "seed {seed}: the session was given up");
    }
}

/// G1 and G8: the network, not Discord, ends each connection at once, while people talk. The session is good and is kept,
/// the first cuts cost no more than a second each, and a network that never stops is asked ever more rarely.
#[test]
fn connections_that_are_cut_for_ever_keep_the_session_and_back_off() {
    for traffic in [Traffic::Replayed, Traffic::Live] {
        let logs: Vec<Log> = (0..SEEDS)
            .map(|seed| {
                World::new(seed, move |sees, _| match sees {
                    Sees::Resume => {
                        [polite(sees), traffic.comes(100), vec![after(102, Input::Closed { code: None })]].concat()
                    }
                    Sees::Identify => [polite(sees), vec![after(300, Input::Closed { code: None })]].concat(),
                    _ => polite(sees),
                })
                .run(24 * HOUR)
            })
            .collect();
        let first = logs.iter().flat_map(|log| log.losses.iter().take(24)).map(|(_, loss)| loss.wait).max();
        let late = logs.iter().map(|log| log.dials.iter().filter(|at| **at >= 23 * HOUR).count()).max().unwrap_or(0);
        let (first, minute) = (first.unwrap_or_default(), most(&logs, |log| &log.dials, HOUR / 60));
        println!(
            "G1 cuts at once, traffic={traffic:?}: first_24_waits_max_ms={} connections_per_minute_max={minute} \
             connections_last_hour_max={late}",
            first.as_millis()
        );
        assert!(logs.iter().all(|log| log.identifies.len() == 1), "a good session was given up");
        assert!(first <= Duration::from_secs(1) && late <= 25, "{first:?} {late}");
    }
}

/// A network that cuts every half minute is no reason to be away for longer than it takes.
#[test]
fn a_connection_that_brings_something_and_lives_for_a_while_is_followed_at_once() {
    for code in [None, Some(4000)] {
        let log = World::new(1, move |sees, _| match sees {
            Sees::Identify | Sees::Resume => {
                let event = vec![(Duration::from_secs(10), Comes::Event)];
                [polite(sees), event, vec![after(30_000, Input::Closed { code })]].concat()
            }
            _ => polite(sees),
        })
        .run(24 * HOUR);
        let worst = log.losses.iter().map(|(_, loss)| loss.wait).max().unwrap_or_default();
        assert!(log.losses.len() > 2_000 && worst <= Duration::from_millis(500), "{code:?}: {worst:?}");
        assert_eq!(log.identifies.len(), 1, "{code:?}");
    }
}

/// G22: whatever answers at the address that READY gave takes connections and closes them before HELLO.
#[test]
fn a_resume_address_that_closes_before_hello_is_left_for_the_general_one_after_three() {
    for code in [None, Some(4000)] {
        let logs: Vec<Log> = (0..SEEDS)
            .map(|seed| {
                let mut cut = false;
                World::new(seed, move |sees, _| match sees {
                    Sees::ConnectToResume => vec![after(20, Input::Closed { code })],
                    Sees::Beat if !std::mem::replace(&mut cut, true) => vec![after(10, Input::Closed { code: None })],
                    _ => polite(sees),
                })
                .run(HOUR)
            })
            .collect();
        for log in &logs {
            assert_eq!((log.dials_to_resume.len(), log.dials.len()), (3, 5), "{code:?}");
            assert_eq!((log.resumes.len(), log.identifies.len()), (1, 1), "resumed at the general address");
        }
        let back = logs.iter().map(|log| log.resumes[0] - log.losses[0].0).max().unwrap_or_default();
        println!(
            "G22 resume address closes before HELLO ({code:?}): attempts there 3, back_after_ms_max={}",
            back.as_millis()
        );
        assert!(back <= Duration::from_secs(10), "{back:?}");
    }
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

/// G13: an unknown code after each READY and each RESUMED, whoever talks meanwhile.
#[test]
fn an_unknown_close_code_for_ever_backs_off() {
    for traffic in Traffic::ALL {
        let logs: Vec<Log> = (0..SEEDS)
            .map(|seed| {
                World::new(seed, move |sees, _| match sees {
                    Sees::Identify | Sees::Resume => {
                        let online = if sees == Sees::Resume { 100 } else { 200 };
                        let closed = after(1_000, Input::Closed { code: Some(4999) });
                        [polite(sees), traffic.comes(online), vec![closed]].concat()
                    }
                    _ => polite(sees),
                })
                .run(24 * HOUR)
            })
            .collect();
        let (hour, minute) = (most(&logs, |log| &log.identifies, HOUR), most(&logs, |log| &log.dials, HOUR / 60));
        let last = logs.iter().filter_map(|log| log.losses.last()).map(|(_, loss)| loss.wait).min().unwrap_or_default();
        println!(
            "G13 traffic={traffic:?} identifies_per_hour_max={hour} connections_per_minute_max={minute} last_wait_s={}",
            last.as_secs()
        );
        assert!(hour <= 12 && minute <= 10 && last >= Duration::from_secs(100), "{traffic:?} {hour} {minute} {last:?}");
    }
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
