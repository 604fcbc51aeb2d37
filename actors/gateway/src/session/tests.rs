//! The session as Discord's documentation has it, input by input, and its invariants under random inputs.

mod days;
mod random;
mod world;

use super::{heart::EXCUSED_MAX, loss::STABLE, *};

fn timing() -> Timing {
    Timing {
        reconnect_min: Duration::from_millis(500),
        reconnect_max: Duration::from_secs(300),
        hello: Duration::from_secs(10),
    }
}

fn point() -> ResumePoint {
    ResumePoint { session_id: "s1".into(), url: "wss://resume".into() }
}

/// A session driven by hand: keeps the time, the pulse and the timers that are set.
struct Drive {
    session: Session,
    now: Instant,
    pulse: Pulse,
    timers: Vec<(Instant, TimerId)>,
    last: Vec<Action>,
}

impl Drive {
    fn new(seed: u64, point: Option<ResumePoint>) -> Self {
        let session = Session::new(timing(), seed, point);
        Self { session, now: Instant::now(), pulse: Pulse::default(), timers: Vec::new(), last: Vec::new() }
    }

    fn on(&mut self, input: Input) -> &[Action] {
        self.last = self.session.on(input, self.pulse, self.now);
        for action in &self.last {
            match action {
                Action::SetTimer { timer, after } => self.timers.push((self.now + *after, *timer)),
                Action::Dial(_) => self.pulse = Pulse::default(),
                _ => {}
            }
        }
        &self.last
    }

    /// Lets time pass until the timer of `kind` that counts fires; other timers do not fire.
    fn fire(&mut self, kind: TimerKind) -> &[Action] {
        let (at, timer) = *self.timers.iter().rfind(|(_, timer)| timer.kind == kind).unwrap();
        self.now = self.now.max(at);
        self.on(Input::Timer(timer))
    }

    /// From waiting to just before READY or RESUMED.
    fn connect(&mut self) -> &[Action] {
        self.fire(TimerKind::Dial);
        assert!(matches!(self.last[..], [Action::Dial(_)]), "{:?}", self.last);
        self.on(Input::Connected);
        self.on(Input::Hello { interval: Duration::from_secs(40) });
        if self.last.contains(&Action::AskIdentify) {
            self.on(Input::IdentifyGranted);
        }
        &self.last
    }

    /// A session that has been online long enough to count as healthy.
    fn online(seed: u64) -> Self {
        let mut drive = Self::new(seed, None);
        drive.on(Input::Start);
        drive.connect();
        drive.on(Input::Ready(point()));
        for _ in 0..2 {
            drive.fire(TimerKind::Beat);
            drive.pulse.frames += 1;
        }
        drive.pass(STABLE / 3);
        drive
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.pulse.frames += 1;
    }

    fn loss(&self) -> &Loss {
        let loss = self.last.iter().find_map(|action| match action {
            Action::Lost(loss) => Some(loss),
            _ => None,
        });
        loss.unwrap_or_else(|| panic!("nothing was lost: {:?}", self.last))
    }

    fn resumes(&self) -> bool {
        self.last.iter().any(|action| matches!(action, Action::SendResume { .. }))
    }
}

#[test]
fn a_new_session_identifies_once_it_may() {
    let mut drive = Drive::new(1, None);
    drive.on(Input::Start);
    assert_eq!(drive.fire(TimerKind::Dial), [Action::Dial(Target::Base)]);
    drive.on(Input::Connected);
    assert_eq!(drive.on(Input::Hello { interval: Duration::from_secs(40) }).last(), Some(&Action::AskIdentify));
    assert_eq!(drive.on(Input::IdentifyGranted)[0], Action::SendIdentify);
    assert!(drive.on(Input::IdentifyGranted).is_empty(), "one grant, one IDENTIFY");
    assert_eq!(drive.on(Input::Ready(point())), [Action::Online { resumed: false }]);
}

#[test]
fn a_kept_session_resumes_at_its_own_address() {
    let mut drive = Drive::new(1, Some(point()));
    drive.on(Input::Start);
    assert_eq!(drive.fire(TimerKind::Dial), [Action::Dial(Target::Resume("wss://resume".into()))]);
    drive.on(Input::Connected);
    drive.on(Input::Hello { interval: Duration::from_secs(40) });
    assert!(drive.resumes());
    assert_eq!(drive.on(Input::Resumed), [Action::Online { resumed: true }]);
}

#[test]
fn the_first_heartbeat_comes_at_a_random_share_of_the_interval() {
    let first = |seed| {
        let mut drive = Drive::new(seed, None);
        drive.on(Input::Start);
        drive.fire(TimerKind::Dial);
        drive.on(Input::Connected);
        drive.on(Input::Hello { interval: Duration::from_secs(40) });
        let (at, _) = *drive.timers.iter().rfind(|(_, timer)| timer.kind == TimerKind::Beat).unwrap();
        (at - drive.now).as_secs_f64() / 40.0
    };
    let shares: Vec<f64> = (0..200).map(first).collect();
    let mean = shares.iter().sum::<f64>() / 200.0;
    assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
    assert!((0.4..0.6).contains(&mean), "mean share {mean}");
}

#[test]
fn any_frame_between_two_heartbeats_is_a_sign_of_life() {
    let mut drive = Drive::online(2);
    drive.fire(TimerKind::Beat);
    for _ in 0..5 {
        drive.pulse.frames += 1; // events, no acknowledgement
        assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat);
    }
}

#[test]
fn silence_between_two_heartbeats_closes_resumably_and_resumes() {
    let mut drive = Drive::online(3);
    assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat);
    let sent = drive.now;
    assert_eq!(drive.fire(TimerKind::Beat)[0], Action::Close { code: CLOSE_RESUMABLE });
    assert_eq!((drive.loss().cause, drive.loss().resume), (Cause::Zombie, true));
    assert_eq!(drive.now - sent, Duration::from_secs(40), "found within one interval");
    drive.connect();
    assert!(drive.resumes());
}

/// X6: the process was stopped for five minutes. All its timers are due at once, and the socket still holds what came before.
#[test]
fn who_overslept_resumes_at_once_and_once() {
    let mut drive = Drive::online(21);
    drive.fire(TimerKind::Beat);
    drive.pulse.frames += 1; // its answer
    drive.now += Duration::from_secs(300);
    let before = drive.timers.len();
    drive.fire(TimerKind::Beat);
    assert_eq!(drive.last[0], Action::Close { code: CLOSE_RESUMABLE }, "not one more heartbeat into a dead connection");
    let lost: Vec<&Action> = drive.last.iter().filter(|action| matches!(action, Action::Lost(_))).collect();
    assert_eq!((lost.len(), drive.timers.len() - before), (1, 1), "one connection is lost, one is planned");
    assert_eq!((drive.loss().cause, drive.loss().resume), (Cause::Overslept, true));
    assert!(drive.loss().wait <= Duration::from_millis(500), "{:?}", drive.loss().wait);
    drive.connect();
    assert!(drive.resumes());
    drive.on(Input::Resumed);
    drive.pulse.frames += 1;
    assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat, "the new connection beats as usual");
}

/// X6: the machine slept, and with it the clock that timers go by.
#[test]
fn a_machine_that_slept_resumes_with_the_first_heartbeat_after_it() {
    let mut drive = Drive::online(24);
    drive.pulse.asleep = Duration::from_secs(30);
    assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat, "less than an interval");
    drive.pulse.frames += 1;
    drive.pulse.asleep = Duration::from_secs(300);
    assert_eq!(drive.fire(TimerKind::Beat)[0], Action::Close { code: CLOSE_RESUMABLE });
    assert_eq!((drive.loss().cause, drive.loss().resume), (Cause::Overslept, true));
}

/// X8: threads that are held up for three intervals, while somebody else keeps the connection alive.
#[test]
fn who_was_starved_while_a_stand_in_kept_the_connection_alive_goes_on_with_it() {
    let mut drive = Drive::online(23);
    drive.fire(TimerKind::Beat);
    drive.now += Duration::from_secs(120);
    drive.pulse.stood_in = Some(drive.now - Duration::from_secs(5));
    // Nothing was read either: the answers wait in the socket.
    assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat);
    assert_eq!(
        drive.fire(TimerKind::Beat)[0],
        Action::Close { code: CLOSE_RESUMABLE },
        "silence after that is silence"
    );
    assert_eq!(drive.loss().cause, Cause::Zombie);
}

#[test]
fn silence_is_excused_twice_in_a_row_and_no_more() {
    let mut drive = Drive::online(23);
    drive.fire(TimerKind::Beat);
    for round in 1..=3 {
        drive.pulse.stood_in = Some(drive.now + Duration::from_secs(1));
        let excused = drive.fire(TimerKind::Beat)[0] == Action::SendHeartbeat;
        assert_eq!(excused, round <= EXCUSED_MAX, "round {round}");
    }
    assert_eq!(drive.loss().cause, Cause::Zombie);
}

#[test]
fn a_resume_that_is_sent_what_it_knows_already_waits_for_its_answer() {
    let mut drive = Drive::online(23);
    drive.on(Input::Closed { code: None });
    drive.fire(TimerKind::Dial);
    drive.on(Input::Connected);
    drive.on(Input::Hello { interval: Duration::from_secs(600) });
    for _ in 0..3 {
        drive.pulse.again += 1;
        assert!(matches!(drive.fire(TimerKind::Answer)[0], Action::SetTimer { .. }));
    }
    drive.fire(TimerKind::Answer);
    assert_eq!(drive.loss().cause, Cause::AnswerTimeout);
}

#[test]
fn a_heartbeat_that_is_late_by_less_than_an_interval_goes_out() {
    let mut drive = Drive::online(22);
    for _ in 0..20 {
        drive.pass(Duration::from_secs(39));
        assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat);
    }
}

#[test]
fn a_reader_that_waits_for_the_sink_is_no_zombie() {
    let mut drive = Drive::online(4);
    drive.pulse.paused = true;
    for _ in 0..5 {
        assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat);
    }
}

#[test]
fn a_heartbeat_that_discord_asks_for_goes_out_at_once() {
    assert_eq!(Drive::online(5).on(Input::HeartbeatRequested), [Action::SendHeartbeat]);
}

/// Its acknowledgement cannot have come when a beat is due a moment later: that is no silence.
#[test]
fn a_heartbeat_out_of_turn_makes_no_zombie() {
    let mut drive = Drive::online(5);
    for _ in 0..5 {
        assert_eq!(drive.fire(TimerKind::Beat)[0], Action::SendHeartbeat);
        drive.pulse.frames += 1;
        drive.on(Input::Ack);
        assert_eq!(drive.on(Input::HeartbeatRequested), [Action::SendHeartbeat]);
    }
}

#[test]
fn latency_is_from_heartbeat_to_acknowledgement() {
    let mut drive = Drive::online(5);
    drive.fire(TimerKind::Beat);
    drive.now += Duration::from_millis(70);
    drive.on(Input::Ack);
    drive.now += Duration::from_millis(500);
    drive.on(Input::Ack);
    assert_eq!(drive.session.latency(), Some(Duration::from_millis(70)), "a second ACK acknowledges nothing");
}

#[test]
fn a_request_to_reconnect_resumes_without_identify() {
    let mut drive = Drive::online(6);
    for _ in 0..20 {
        assert_eq!(drive.on(Input::ReconnectRequested)[0], Action::Close { code: CLOSE_RESUMABLE });
        drive.connect();
        assert!(drive.resumes());
        drive.on(Input::Resumed);
    }
}

#[test]
fn an_invalid_session_resumes_or_begins_anew_after_one_to_five_seconds() {
    let mut drive = Drive::online(7);
    drive.on(Input::InvalidSession { resumable: true });
    assert!(drive.loss().resume);
    for seed in 0..50 {
        let mut drive = Drive::online(seed);
        drive.on(Input::InvalidSession { resumable: false });
        assert!(drive.last.contains(&Action::Forget) && !drive.loss().resume);
        let wait = drive.loss().wait.as_secs_f64();
        assert!((1.0..=5.0).contains(&wait), "seed {seed}: {wait} s");
        drive.connect();
        assert!(drive.last.contains(&Action::SendIdentify));
    }
}

#[test]
fn a_storm_of_invalid_sessions_waits_five_minutes_and_more() {
    let mut drive = Drive::new(8, None);
    drive.on(Input::Start);
    let mut waits = Vec::new();
    for _ in 0..8 {
        drive.connect();
        drive.on(Input::InvalidSession { resumable: false });
        waits.push(drive.loss().wait);
    }
    assert!(waits[0] >= Duration::from_secs(1) && waits[0] <= Duration::from_secs(5), "{waits:?}");
    assert!(waits.iter().skip(4).all(|wait| *wait >= Duration::from_secs(300)), "{waits:?}");
}

#[test]
fn each_close_code_has_its_consequence() {
    for (code, resumes) in [
        (None, true),
        (Some(4000), true),
        (Some(4001), true),
        (Some(4002), true),
        (Some(4005), true),
        (Some(4008), true),
        (Some(4999), true),
        (Some(1000), false),
        (Some(1001), false),
        (Some(4003), false),
        (Some(4007), false),
        (Some(4009), false),
    ] {
        let mut drive = Drive::online(9);
        drive.on(Input::Closed { code });
        assert_eq!(drive.loss().resume, resumes, "{code:?}");
        assert_eq!(drive.last.contains(&Action::Forget), !resumes, "{code:?}");
        assert_eq!(drive.last.contains(&Action::SlowDown), code == Some(4008), "{code:?}");
        assert!(drive.loss().wait <= Duration::from_millis(500), "{code:?}: the first reconnect is quick");
        drive.connect();
        assert_eq!(drive.resumes(), resumes, "{code:?}");
    }
}

#[test]
fn a_fatal_close_is_the_end() {
    for code in [4004, 4010, 4011, 4012, 4013, 4014] {
        let mut drive = Drive::online(10);
        drive.on(Input::Closed { code: Some(code) });
        let parked = drive.last.iter().any(|action| matches!(action, Action::Park(fatal) if fatal.code == Some(code)));
        assert!(parked, "{code}: {:?}", drive.last);
        for (_, timer) in drive.timers.clone() {
            assert!(drive.on(Input::Timer(timer)).is_empty());
        }
        assert!(drive.on(Input::OperatorReconnect).is_empty());
        assert_eq!(drive.session.phase(), Phase::Parked);
    }
}

#[test]
fn an_unauthenticated_session_begins_anew_once() {
    let mut drive = Drive::online(11);
    drive.on(Input::Closed { code: Some(4003) });
    drive.connect();
    assert!(drive.last.contains(&Action::SendIdentify));
    drive.on(Input::Closed { code: Some(4003) });
    assert_eq!(drive.session.phase(), Phase::Parked);

    let mut drive = Drive::online(11);
    drive.on(Input::Closed { code: Some(4003) });
    drive.connect();
    drive.on(Input::Ready(point()));
    drive.pass(STABLE);
    drive.on(Input::Closed { code: Some(4003) });
    assert!(!drive.loss().resume, "a healthy time in between makes it the first again");
}

#[test]
fn three_useless_resumes_give_the_session_up() {
    let mut drive = Drive::online(12);
    drive.on(Input::Closed { code: None });
    for useless in 1..=3 {
        drive.connect();
        assert!(drive.resumes());
        drive.on(Input::Resumed);
        drive.on(Input::Closed { code: Some(4000) });
        assert_eq!(drive.loss().resume, useless < 3, "after {useless}");
    }
    drive.connect();
    assert!(drive.last.contains(&Action::SendIdentify));
}

#[test]
fn a_session_that_the_network_cuts_again_and_again_is_kept_for_longer() {
    let mut drive = Drive::online(14);
    drive.on(Input::Closed { code: None });
    for useless in 1..=12 {
        drive.connect();
        assert!(drive.resumes());
        drive.on(Input::Resumed);
        drive.on(Input::Closed { code: None });
        assert_eq!(drive.loss().resume, useless < 12, "after {useless}");
    }
}

#[test]
fn a_resume_that_brought_an_event_and_was_cut_is_not_useless_and_hardly_slows_the_next_down() {
    let mut drive = Drive::online(13);
    drive.on(Input::Closed { code: None });
    for nth in 0..100 {
        drive.connect();
        assert!(drive.resumes(), "the session is good");
        drive.pulse.fresh = 1;
        drive.on(Input::Resumed);
        drive.on(Input::Closed { code: None });
        let most = if nth < 23 { Duration::from_secs(1) } else { timing().reconnect_max };
        assert!(drive.loss().wait <= most, "{nth}: {:?}", drive.loss().wait);
    }
    assert!(drive.loss().wait >= Duration::from_secs(30), "without end it does: {:?}", drive.loss().wait);
}

/// Whoever says anything anywhere gives each RESUME something to bring: that tells nothing of the connection.
#[test]
fn what_a_resume_brings_does_not_excuse_that_discord_closes_at_once() {
    for (live, tries) in [(0, 3), (1, 6)] {
        let mut drive = Drive::online(13);
        drive.on(Input::Closed { code: None });
        for nth in 1..=tries {
            drive.connect();
            assert!(drive.resumes());
            drive.pulse.fresh = 1;
            drive.on(Input::Resumed);
            drive.pulse.live = live;
            drive.on(Input::Closed { code: Some(4000) });
            let wait = drive.loss().wait;
            assert!(wait >= Duration::from_millis(250) * 2u32.pow(nth - 1), "{nth}: {wait:?}");
            assert_eq!(drive.loss().resume, nth < tries, "after {nth}");
        }
    }
}

#[test]
fn failing_connections_back_off_and_leave_the_resume_address() {
    let mut drive = Drive::online(14);
    drive.on(Input::Closed { code: None });
    let (mut targets, mut waits) = (Vec::new(), Vec::new());
    for _ in 0..14 {
        drive.fire(TimerKind::Dial);
        targets.extend(drive.last.iter().filter_map(|action| match action {
            Action::Dial(target) => Some(target.clone()),
            _ => None,
        }));
        drive.on(Input::ConnectFailed { refused: false });
        waits.push(drive.loss().wait);
    }
    let resume = Target::Resume("wss://resume".into());
    assert_eq!(targets[..4], [resume.clone(), resume.clone(), resume, Target::Base]);
    assert!(waits[0] <= Duration::from_secs(1) && waits[13] >= Duration::from_secs(150), "{waits:?}");
    drive.connect();
    assert!(drive.resumes(), "the session is resumed at the general address");
}

#[test]
fn a_forbidden_address_parks_a_forbidden_resume_address_does_not() {
    let mut drive = Drive::new(15, Some(point()));
    drive.on(Input::Start);
    drive.fire(TimerKind::Dial);
    drive.on(Input::ConnectFailed { refused: true });
    assert_eq!(drive.fire(TimerKind::Dial), [Action::Dial(Target::Base)]);
    drive.on(Input::ConnectFailed { refused: true });
    assert_eq!(drive.session.phase(), Phase::Parked);
}

#[test]
fn hello_and_ready_are_not_waited_for_without_end() {
    let mut drive = Drive::new(16, None);
    drive.on(Input::Start);
    drive.fire(TimerKind::Dial);
    drive.on(Input::Connected);
    drive.fire(TimerKind::Hello);
    assert_eq!(drive.loss().cause, Cause::HelloTimeout);

    drive.connect();
    drive.pulse.fresh = 5;
    drive.fire(TimerKind::Answer);
    assert!(matches!(drive.last[..], [Action::SetTimer { .. }]), "events still come: {:?}", drive.last);
    drive.fire(TimerKind::Answer);
    assert_eq!(drive.loss().cause, Cause::AnswerTimeout);
}

#[test]
fn a_denied_identify_disconnects_until_it_makes_sense_again() {
    let mut drive = Drive::new(17, None);
    drive.on(Input::Start);
    drive.fire(TimerKind::Dial);
    drive.on(Input::Connected);
    drive.on(Input::Hello { interval: Duration::from_secs(40) });
    drive.on(Input::IdentifyDenied { retry_after: Duration::from_secs(3600) });
    assert_eq!(drive.last[0], Action::Close { code: CLOSE_RESUMABLE });
    let wait = drive.loss().wait;
    assert!((3600..3960).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn operators_reconnect_with_resume_and_reidentify_without() {
    let mut drive = Drive::online(18);
    drive.on(Input::OperatorReconnect);
    assert_eq!(drive.last[0], Action::Close { code: CLOSE_RESUMABLE });
    assert_eq!(drive.loss().wait, Duration::ZERO);
    drive.connect();
    assert!(drive.resumes());
    drive.on(Input::Resumed);
    drive.on(Input::OperatorReidentify);
    assert_eq!(drive.last[..2], [Action::Close { code: CLOSE_FINAL }, Action::Forget]);
    drive.connect();
    assert!(drive.last.contains(&Action::SendIdentify));
}

#[test]
fn an_order_to_reconnect_spends_no_second_identify_while_one_is_under_way() {
    let mut drive = Drive::new(18, None);
    drive.on(Input::Start);
    drive.fire(TimerKind::Dial);
    drive.on(Input::Connected);
    drive.on(Input::Hello { interval: Duration::from_secs(40) });
    drive.on(Input::IdentifyGranted);
    assert!(drive.last.contains(&Action::SendIdentify));
    assert!(drive.on(Input::OperatorReconnect).is_empty());
    assert_eq!(drive.session.phase(), Phase::Identifying);
}

#[test]
fn an_order_while_waiting_cuts_the_wait_short() {
    let mut drive = Drive::online(19);
    drive.on(Input::Closed { code: None });
    let dials = |drive: &Drive| drive.timers.iter().filter(|(_, timer)| timer.kind == TimerKind::Dial).count();
    let before = dials(&drive);
    drive.on(Input::OperatorReconnect);
    assert_eq!(dials(&drive), before + 1);
    let (_, stale) = *drive.timers.iter().filter(|(_, timer)| timer.kind == TimerKind::Dial).nth(before - 1).unwrap();
    assert!(drive.on(Input::Timer(stale)).is_empty(), "the replaced timer does nothing");
}

#[test]
fn a_stop_closes_resumably_and_keeps_the_session() {
    let mut drive = Drive::online(20);
    assert_eq!(drive.on(Input::Stop), [Action::Close { code: CLOSE_RESUMABLE }]);
    assert!(drive.on(Input::Closed { code: None }).is_empty());
}
