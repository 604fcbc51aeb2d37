//! A session in virtual time: Discord and the network are a script that answers what the session does. Hours pass in
//! milliseconds, and no timer fires before its time, as would happen to real sockets under a paused clock.

use super::*;

/// What the script is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sees {
    Dial,
    Connect,
    /// The same, at the address that READY gave.
    ConnectToResume,
    Identify,
    Resume,
    Beat,
}

/// What it lets come, and after how long.
#[derive(Debug, Clone)]
pub(super) enum Comes {
    Input(Input),
    /// A dispatch that has not been seen before.
    Event,
}

/// What has happened, each with its time since the start.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) dials: Vec<Duration>,
    /// Those of them that went to the address that READY gave.
    pub(super) dials_to_resume: Vec<Duration>,
    pub(super) identifies: Vec<Duration>,
    pub(super) resumes: Vec<Duration>,
    pub(super) beats: Vec<Duration>,
    pub(super) losses: Vec<(Duration, Loss)>,
    pub(super) parked: Option<(Duration, Fatal)>,
}

pub(super) struct World<S> {
    session: Session,
    start: Instant,
    now: Instant,
    pulse: Pulse,
    timers: Vec<(Instant, TimerId)>,
    /// With the connection that they come over.
    coming: Vec<(Instant, u32, Comes)>,
    connection: u32,
    to_resume: bool,
    script: S,
    pub(super) log: Log,
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// Discord's interval.
pub(super) const INTERVAL: Duration = Duration::from_millis(41_250);

pub(super) fn after(millis: u64, input: Input) -> (Duration, Comes) {
    (Duration::from_millis(millis), Comes::Input(input))
}

/// A Discord that lets everybody in: what is not the script's business.
pub(super) fn polite(sees: Sees) -> Vec<(Duration, Comes)> {
    match sees {
        Sees::Dial => vec![after(20, Input::Connected)],
        Sees::Connect | Sees::ConnectToResume => vec![after(20, Input::Hello { interval: INTERVAL })],
        Sees::Identify => vec![after(200, Input::Ready(point()))],
        Sees::Resume => vec![after(100, Input::Resumed)],
        Sees::Beat => vec![after(50, Input::Ack)],
    }
}

impl<S: FnMut(Sees, Duration) -> Vec<(Duration, Comes)>> World<S> {
    pub(super) fn new(seed: u64, script: S) -> Self {
        let start = Instant::now();
        Self {
            session: Session::new(timing(), seed, None),
            start,
            now: start,
            pulse: Pulse::default(),
            timers: Vec::new(),
            coming: Vec::new(),
            connection: 0,
            to_resume: false,
            script,
            log: Log::default(),
        }
    }

    /// Lets `time` pass from the start.
    pub(super) fn run(mut self, time: Duration) -> Log {
        let end = self.start + time;
        self.input(Input::Start);
        loop {
            let timer = self.timers.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(nth, (at, _))| (*at, nth));
            let comes =
                self.coming.iter().enumerate().min_by_key(|(_, (at, ..))| *at).map(|(nth, (at, ..))| (*at, nth));
            let next = [timer.map(|(at, _)| at), comes.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { return self.log };
            self.now = next;
            match comes.filter(|(at, _)| *at == next) {
                Some((_, nth)) => self.comes(nth),
                None => {
                    let Some((_, nth)) = timer else { continue };
                    let (_, timer) = self.timers.swap_remove(nth);
                    self.input(Input::Timer(timer));
                }
            }
        }
    }

    fn comes(&mut self, nth: usize) {
        let (_, connection, comes) = self.coming.swap_remove(nth);
        if connection != self.connection {
            return; // over a connection that is closed
        }
        self.pulse.frames += 1;
        match comes {
            Comes::Event => {
                self.pulse.fresh += 1;
                self.pulse.live += u64::from(self.session.phase() == Phase::Online);
            }
            Comes::Input(input) => self.input(input),
        }
    }

    fn input(&mut self, input: Input) {
        let connects = input == Input::Connected;
        for action in self.session.on(input, self.pulse, self.now) {
            self.act(action);
        }
        if connects {
            self.sees(if self.to_resume { Sees::ConnectToResume } else { Sees::Connect });
        }
    }

    fn act(&mut self, action: Action) {
        let since = self.now - self.start;
        match action {
            Action::Dial(target) => {
                self.to_resume = target != Target::Base;
                self.log.dials_to_resume.extend(self.to_resume.then_some(since));
                (self.connection, self.pulse) = (self.connection + 1, Pulse::default());
                self.log.dials.push(since);
                self.sees(Sees::Dial);
            }
            Action::AskIdentify => self.coming.push((self.now, self.connection, Comes::Input(Input::IdentifyGranted))),
            Action::SendIdentify => {
                self.log.identifies.push(since);
                self.sees(Sees::Identify);
            }
            Action::SendResume { .. } => {
                self.log.resumes.push(since);
                self.sees(Sees::Resume);
            }
            Action::SendHeartbeat => {
                self.log.beats.push(since);
                self.sees(Sees::Beat);
            }
            Action::SetTimer { timer, after } => {
                self.timers.retain(|(_, set)| set.kind != timer.kind);
                self.timers.push((self.now + after, timer));
            }
            Action::Lost(loss) => {
                self.connection += 1;
                self.log.losses.push((since, loss));
            }
            Action::Park(fatal) => self.log.parked = Some((since, fatal)),
            Action::Close { .. } | Action::Forget | Action::Online { .. } | Action::SlowDown => {}
        }
    }

    fn sees(&mut self, sees: Sees) {
        let answers = (self.script)(sees, self.now - self.start);
        let (now, connection) = (self.now, self.connection);
        self.coming.extend(answers.into_iter().map(|(after, comes)| (now + after, connection, comes)));
    }
}

/// The most of `times` in any `window`.
pub(super) fn most_within(times: &[Duration], window: Duration) -> usize {
    // They are in order.
    let within = |(nth, from): (usize, &Duration)| times[nth..].partition_point(|at| *at < *from + window);
    times.iter().enumerate().map(within).max().unwrap_or(0)
}
