//! Random inputs in any order: whatever Discord, the network and the operator do, the invariants hold.

use super::*;
use rand::seq::IndexedRandom;

/// What must hold after each input.
#[derive(Default)]
struct Invariants {
    dialing: bool,
    connected: bool,
    asked: bool,
    identifies: u32,
    grants: u32,
    resumed: bool,
    over: bool,
    waits: bool,
}

impl Invariants {
    fn check(&mut self, input: &Input, actions: &[Action], phase: Phase) {
        if self.over {
            assert!(actions.is_empty(), "{input:?} after the end: {actions:?}");
            return;
        }
        match input {
            Input::Connected if self.dialing => (self.dialing, self.connected, self.resumed) = (false, true, false),
            Input::ConnectFailed { .. } => self.dialing = false,
            Input::Closed { .. } => self.connected = false,
            Input::IdentifyGranted if self.asked => (self.grants, self.asked) = (self.grants + 1, false),
            Input::IdentifyDenied { .. } => self.asked = false,
            _ => {}
        }
        for action in actions {
            match action {
                Action::Dial(_) => {
                    assert!(!self.dialing && !self.connected, "two connections at once");
                    (self.dialing, self.waits) = (true, false);
                }
                Action::AskIdentify => {
                    assert!(self.connected && !self.asked, "one request for a grant per connection");
                    self.asked = true;
                }
                Action::SendIdentify => {
                    self.identifies += 1;
                    assert!(self.connected && self.identifies <= self.grants, "an IDENTIFY without a grant");
                }
                Action::SendResume { .. } => {
                    assert!(self.connected && !self.resumed, "one RESUME per connection");
                    self.resumed = true;
                }
                Action::SendHeartbeat => assert!(self.connected, "a heartbeat without a connection"),
                Action::Close { code } => {
                    assert!(self.connected, "a close without a connection");
                    assert!([CLOSE_RESUMABLE, CLOSE_FINAL].contains(code));
                    (self.connected, self.asked) = (false, false);
                }
                Action::SetTimer { timer, after } => {
                    assert!(*after <= Duration::from_secs(86_400), "a wait of {after:?}");
                    self.waits |= timer.kind == TimerKind::Dial;
                }
                Action::Lost(loss) => {
                    assert!(loss.wait <= Duration::from_secs(86_400));
                    (self.connected, self.asked) = (false, false);
                }
                Action::Online { .. } => assert!(self.connected),
                Action::Park(_) => (self.over, self.connected) = (true, false),
                Action::Forget | Action::SlowDown => {}
            }
        }
        self.over |= *input == Input::Stop;
        if phase == Phase::Waiting {
            assert!(self.waits, "waits without a timer that ends it");
        }
    }
}

fn input(rng: &mut StdRng, timers: &[TimerId]) -> Input {
    let codes: Vec<Option<u16>> =
        [1000, 1001, 1006, 4000, 4001, 4002, 4003, 4005, 4007, 4008, 4009, 4999].map(Some).into();
    match rng.random_range(0..22) {
        21 if rng.random_bool(0.2) => Input::OutOfStep,
        0 => Input::Start,
        1..=3 => Input::Connected,
        4 => Input::ConnectFailed { refused: rng.random_bool(0.02) },
        5..=6 => Input::Hello { interval: Duration::from_millis(rng.random_range(0..100_000)) },
        7 => Input::Ack,
        8..=9 => Input::Ready(point()),
        10..=11 => Input::Resumed,
        12 => Input::HeartbeatRequested,
        13 => Input::ReconnectRequested,
        14 => Input::InvalidSession { resumable: rng.random() },
        15 => Input::Closed { code: codes.choose(rng).copied().flatten().filter(|_| rng.random_bool(0.8)) },
        16..=17 => Input::IdentifyGranted,
        18 => Input::IdentifyDenied { retry_after: Duration::from_secs(rng.random_range(0..7200)) },
        19 => match rng.random_range(0..400) {
            0 => Input::Stop,
            1 => Input::Closed { code: Some(4014) },
            odd if odd % 2 == 0 => Input::OperatorReconnect,
            _ => Input::OperatorReidentify,
        },
        _ => timers.choose(rng).copied().map_or(Input::Ack, Input::Timer),
    }
}

#[test]
fn the_invariants_hold_under_random_inputs() {
    let (mut steps, mut ended) = (0u32, 0u32);
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = rng.random_bool(0.3).then(point);
        let mut session = Session::new(timing(), seed, start);
        let (mut now, mut pulse) = (Instant::now(), Pulse::default());
        let mut timers = Vec::new();
        let mut invariants = Invariants::default();
        for _ in 0..1_000 {
            // Timers that count are the newest; older ones fire as stale ones do.
            let input = if rng.random_bool(0.4) && !timers.is_empty() {
                Input::Timer(timers[timers.len() - 1 - rng.random_range(0..timers.len().min(3))])
            } else {
                input(&mut rng, &timers)
            };
            now += Duration::from_millis(rng.random_range(0..30_000));
            pulse.frames += rng.random_range(0..2);
            pulse.fresh += rng.random_range(0..2);
            pulse.paused = rng.random_bool(0.1);
            let actions = session.on(input.clone(), pulse, now);
            for action in &actions {
                match action {
                    Action::SetTimer { timer, .. } => timers.push(*timer),
                    Action::Dial(_) => pulse = Pulse::default(),
                    _ => {}
                }
            }
            // What the session ignores is no input to the invariants either: the connection was not there.
            let ignored = actions.is_empty() && !matches!(input, Input::Connected | Input::IdentifyGranted);
            if !ignored || input == Input::Stop {
                invariants.check(&input, &actions, session.phase());
            }
            steps += 1;
        }
        ended += u32::from(invariants.over);
    }
    println!("{steps} steps, {ended} of 400 sessions ended for good");
    assert!(ended > 40 && ended < 400, "both kinds of runs must be exercised: {ended}");
}
