//! Whether a request may be sent at all: refused token, breaker, global stop, known refusals. Pure; it outlives the
//! actor, so that a restart forgets none of it.

pub(crate) mod breaker;
mod flights;
pub(crate) mod gone;
pub(crate) mod left;
mod memory;
pub(crate) mod permissions;
pub(crate) mod refusals;
mod saving;
pub(crate) mod stop;

use crate::{call::LaneKey, config::RestConfig, error::RestError};
use breaker::{Breaker, Change, Pass};
use gone::Gone;
use left::Left;
use refusals::{Place, Refusals};
use saving::Saving;
use std::{sync::Arc, time::Duration};
use stop::GlobalStop;
use tokio::time::Instant;

/// What must be known of a request to judge it.
pub(crate) struct Target<'a> {
    /// Outside the global limit, and sent without the bot's token.
    pub(crate) own_token: bool,
    /// Where a refusal would apply again.
    pub(crate) place: Option<Place>,
    /// The channel or webhook it is about, as the beginning of its path.
    pub(crate) about: Option<&'a str>,
}

impl Target<'_> {
    /// A request with the bot's token that nothing was ever said of.
    pub(crate) const PLAIN: Self = Target { own_token: false, place: None, about: None };
}

/// Whether a request may go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go(Pass),
    Wait(Instant),
    No(RestError),
}

/// What an answer was, as far as conduct goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing that counts against us.
    Valid,
    /// It was carried out.
    Success,
    /// A 400 whose code says what is wrong with it.
    Faulty,
    Unauthorized,
    Forbidden {
        code: u32,
        message: String,
    },
    /// A 404.
    NotFound {
        code: u32,
        message: String,
    },
    Limited {
        scope: Scope,
        retry_after: Option<Duration>,
    },
}

/// Whose limit a 429 speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This bot's, on one bucket.
    User,
    /// This bot's, on everything.
    Global,
    /// Everybody's, on one thing: not counted as ours.
    Shared,
    /// Discord's edge answered in the API's place.
    Edge,
}

/// What an operator has to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    TokenRefused,
    BreakerOpened {
        invalid: usize,
    },
    BreakerClosed,
    Stopped {
        until: Instant,
        edge: bool,
    },
    /// A channel or webhook (the kind, and its id) is there no more.
    Gone {
        kind: &'static str,
        id: u64,
    },
    /// The bot is believed to lack what it takes to do this in a guild (method and path).
    Missing {
        method: String,
        route: Arc<str>,
    },
}

pub(crate) struct Conduct {
    pub(crate) stop: GlobalStop,
    pub(crate) breaker: Breaker,
    pub(crate) refusals: Refusals,
    pub(crate) gone: Gone,
    pub(crate) saving: Saving,
    unauthorized: bool,
    /// Until when the silence lasts that the process before was in.
    from_before: Option<Instant>,
}

impl Conduct {
    pub(crate) fn new(config: &RestConfig) -> Self {
        let limit = usize::try_from(config.invalid_limit).unwrap_or(usize::MAX);
        Self {
            stop: GlobalStop::default(),
            breaker: Breaker::new(limit),
            refusals: Refusals::default(),
            gone: Gone::default(),
            saving: Saving::default(),
            unauthorized: false,
            from_before: None,
        }
    }

    /// What the next process has to know, all of which counts as written from now on.
    pub(crate) fn leave(&mut self, now: Instant) -> Left {
        self.saving.begun(now);
        let (invalid, breaker) = self.breaker.leave(now);
        Left { invalid, breaker, edge: self.stop.leave(now) }
    }

    /// Takes over what the process before left so long ago.
    pub(crate) fn take_over(&mut self, now: Instant, passed: Duration, left: &Left) {
        self.breaker.take_over(now, passed, &left.invalid, left.breaker);
        if let Some(edge) = left.edge {
            self.stop.take_over(now, passed, edge);
        }
        self.from_before = self.silence(now).map(|silence| now + silence);
    }

    /// How long nothing at all may be sent, interactions included; none when something may.
    pub(crate) fn silence(&self, now: Instant) -> Option<Duration> {
        self.breaker.silence(now).max(self.stop.until(now, true).map(|until| until - now))
    }

    /// How much of that is left of a silence that the process before was in.
    pub(crate) fn silence_from_before(&self, now: Instant) -> Option<Duration> {
        let left = self.from_before?.checked_duration_since(now)?;
        self.silence(now).map(|silence| silence.min(left)).filter(|left| !left.is_zero())
    }

    /// Judges a request that has yet to wait for its turn; changes nothing.
    pub(crate) fn judge(&self, now: Instant, target: &Target<'_>) -> Result<Option<Instant>, RestError> {
        if self.unauthorized {
            return Err(RestError::Unauthorized);
        }
        if let Some(retry_after) = self.breaker.silence(now) {
            return Err(RestError::Breaker { retry_after });
        }
        let known = target.place.as_ref().and_then(|place| self.refusals.recall(now, place));
        if let Some((code, message)) = known {
            return Err(RestError::Forbidden { code, message });
        }
        let gone = target.about.and_then(|about| self.gone.recall(now, about));
        if let Some((code, message)) = gone {
            return Err(RestError::NotFound { code, message });
        }
        Ok(self.stop.until(now, target.own_token))
    }

    /// Judges a request whose turn it is; a `Go` must be followed by sending it, and that by [`Self::ended`].
    pub(crate) fn admit(&mut self, now: Instant, target: &Target<'_>) -> Verdict {
        match self.judge(now, target) {
            Err(error) => Verdict::No(error),
            Ok(Some(until)) => Verdict::Wait(until),
            Ok(None) => match self.breaker.admit(now) {
                Ok(pass) => {
                    if pass.probe {
                        self.saving.changed(); // the next one may go once another silence is over
                    }
                    if let Some(place) = &target.place {
                        self.refusals.admit(now, place);
                    }
                    Verdict::Go(pass)
                }
                Err(retry_after) => Verdict::No(RestError::Breaker { retry_after }),
            },
        }
    }

    /// Takes an answer.
    pub(crate) fn observe(&mut self, now: Instant, target: &Target<'_>, pass: Pass, seen: &Seen) -> Vec<Notice> {
        let mut notices = Vec::new();
        let strikes = self.stop.strikes();
        let invalid = match seen {
            Seen::Valid => false,
            Seen::Success => {
                if let Some(place) = &target.place {
                    self.refusals.succeeded(place);
                }
                false
            }
            Seen::Faulty => {
                self.answered(target);
                false
            }
            Seen::Unauthorized => {
                // A route with a token of its own says nothing about the bot's.
                if !target.own_token && !self.unauthorized {
                    self.unauthorized = true;
                    notices.push(Notice::TokenRefused);
                }
                true
            }
            Seen::Forbidden { code, message } => {
                let place = target.place.as_ref();
                let believed = place.filter(|place| self.refusals.note(now, place, *code, message));
                notices.extend(believed.and_then(|place| place.permission()).map(missing));
                true
            }
            Seen::NotFound { code, message } => {
                self.answered(target);
                let about = target.about.filter(|about| self.gone.note(now, about, *code, message));
                notices.extend(about.map(gone));
                false
            }
            Seen::Limited { scope: Scope::User, .. } => true,
            Seen::Limited { scope: Scope::Shared, .. } => false,
            Seen::Limited { scope: Scope::Global, retry_after } => {
                let silent = self.stop.until(now, false).is_some();
                let until = self.stop.global(now, retry_after.unwrap_or(Duration::from_secs(1)));
                // Those that were on their way when the stop began are answered alike: it is told once.
                notices.extend((!silent).then_some(Notice::Stopped { until, edge: false }));
                true
            }
            Seen::Limited { scope: Scope::Edge, retry_after } => {
                let before = self.stop.until(now, true);
                let until = self.stop.edge(now, *retry_after);
                notices.extend((before != Some(until)).then_some(Notice::Stopped { until, edge: true }));
                true
            }
        };
        if !matches!(seen, Seen::Limited { scope: Scope::Edge, .. }) {
            self.stop.answered(now);
        }
        if invalid {
            self.saving.counted();
        }
        if pass.probe || self.stop.strikes() != strikes {
            self.saving.changed();
        }
        match self.breaker.observe(now, pass, invalid) {
            Some(Change::Opened) => {
                self.saving.changed();
                notices.push(Notice::BreakerOpened { invalid: self.breaker.count(now) });
            }
            Some(Change::Closed) => notices.push(Notice::BreakerClosed),
            None => {}
        }
        notices
    }

    fn answered(&mut self, target: &Target<'_>) {
        if let Some(place) = &target.place {
            self.refusals.answered(place);
        }
    }

    /// A request that was let through is under way no more, whatever became of it.
    pub(crate) fn ended(&mut self, now: Instant, target: &Target<'_>) -> Option<Notice> {
        let believed = target.place.as_ref().filter(|place| self.refusals.ended(now, place))?;
        believed.permission().map(missing)
    }

    /// Whether Discord refuses the token.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.unauthorized
    }

    /// A new incarnation may have a new token: it is worth one more try.
    pub(crate) fn forget_unauthorized(&mut self) {
        self.unauthorized = false;
    }

    /// An operator has mended the cause.
    pub(crate) fn reset(&mut self) {
        self.breaker.reset();
        self.stop.reset();
        self.refusals.reset();
        self.gone.reset();
        self.from_before = None;
        self.saving.changed();
    }
}

fn missing(permission: &LaneKey) -> Notice {
    Notice::Missing { method: permission.method.to_string(), route: Arc::clone(&permission.path) }
}

/// Names the target without the token that its path may hold.
fn gone(about: &str) -> Notice {
    let mut path = about.split('/');
    let kind = if path.next() == Some("webhooks") { "webhook" } else { "channel" };
    Notice::Gone { kind, id: path.next().and_then(|id| id.parse().ok()).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conduct(invalid_limit: u32) -> Conduct {
        Conduct::new(&RestConfig { global_per_second: 50, deadline_ms: 1_000, attempts: 3, invalid_limit })
    }

    const BOT: Target<'static> = Target { own_token: false, place: None, about: None };
    const INTERACTION: Target<'static> = Target { own_token: true, place: None, about: None };
    const PASS: Pass = Pass { probe: false };

    #[test]
    fn a_refused_token_stops_everything_until_it_is_forgotten() {
        let now = Instant::now();
        let mut conduct = conduct(5_000);
        assert_eq!(conduct.observe(now, &INTERACTION, PASS, &Seen::Unauthorized), []);
        assert_eq!(conduct.admit(now, &BOT), Verdict::Go(PASS), "a webhook's token is not the bot's");
        assert_eq!(conduct.observe(now, &BOT, PASS, &Seen::Unauthorized), [Notice::TokenRefused]);
        assert_eq!(conduct.admit(now, &BOT), Verdict::No(RestError::Unauthorized));
        assert_eq!(conduct.admit(now, &INTERACTION), Verdict::No(RestError::Unauthorized));
        conduct.forget_unauthorized();
        assert_eq!(conduct.admit(now, &BOT), Verdict::Go(PASS));
    }

    #[test]
    fn shared_limits_are_not_counted_as_ours() {
        let now = Instant::now();
        let mut conduct = conduct(2);
        let shared = Seen::Limited { scope: Scope::Shared, retry_after: None };
        let ours = Seen::Limited { scope: Scope::User, retry_after: None };
        for _ in 0..100 {
            assert_eq!(conduct.observe(now, &BOT, PASS, &shared), []);
        }
        conduct.observe(now, &BOT, PASS, &ours);
        assert_eq!(conduct.observe(now, &BOT, PASS, &ours), [Notice::BreakerOpened { invalid: 2 }]);
    }

    #[test]
    fn a_stop_is_told_once_however_many_answers_bring_it() {
        let now = Instant::now();
        for (scope, retry_after) in [(Scope::Edge, None), (Scope::Global, Some(Duration::from_secs(3)))] {
            let mut conduct = conduct(5_000);
            let seen = Seen::Limited { scope, retry_after };
            let told: usize = (0..30).map(|_| conduct.observe(now, &BOT, PASS, &seen).len()).sum();
            println!("R4 scope={scope:?} answers=30 notices={told}");
            assert_eq!(told, 1);
        }
    }
}
