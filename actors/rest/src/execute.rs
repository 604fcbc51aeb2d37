//! The way of a request: judged, in line until budget, bucket and order let it go, judged once more, sent, learned from,
//! repeated if that is harmless.

use crate::{
    answer::Answer,
    body,
    buckets::Told,
    call::{Call, LaneKey},
    conduct::{Scope, Seen, Target, Verdict, breaker::Pass},
    error::RestError,
    gate::{NoTurn, Turn},
    line::Place,
    live::{Live, Shared},
    retry::{self, Trouble},
    send,
    transport::{self, Arrival, Broken, Outgoing},
};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout_at};

/// When to try again after the line was full.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// Sends `call` and returns a successful answer.
pub(crate) async fn execute(shared: &Arc<Shared>, mut call: Call, send: &send::Send) -> Result<Answer, RestError> {
    body::close(&mut call, send)?;
    let live = shared.live()?;
    let deadline = Instant::now() + send.deadline.unwrap_or_else(|| shared.config.deadline());
    let lane = call.lane();
    let target = Target { own_token: call.has_own_token(), place: call.place(&lane), about: call.about() };
    let route = metering::Route::new(call.method.as_str(), &call.path);
    let way = Way { shared, live: &live, call: &call, lane, target, deadline, route };
    let done = tokio::select! {
        biased;
        () = live.gone.cancelled() => Err(Shared::gone()),
        done = timeout_at(deadline, way.go(send.priority)) => done.unwrap_or(Err(RestError::Deadline)),
    };
    if let Err(error) = &done {
        tracing::debug!(route = %call.pattern, method = %call.method, error = error.kind(), "request failed");
    }
    done
}

struct Way<'a> {
    shared: &'a Arc<Shared>,
    live: &'a Live,
    call: &'a Call,
    lane: LaneKey,
    target: Target<'a>,
    deadline: Instant,
    route: metering::Route,
}

/// An attempt that did not succeed: what may be done about it, and what it is called if nothing may.
struct Setback {
    trouble: Trouble,
    error: RestError,
}

impl Way<'_> {
    async fn go(&self, priority: send::Priority) -> Result<Answer, RestError> {
        let began = Instant::now();
        let judged = self.shared.conduct().judge(began, &self.target);
        if let Some(until) = judged.map_err(refused)? {
            self.wait_until(until).await?;
        }
        let place = Place {
            priority,
            order: self.call.order(&self.lane),
            route: self.lane.clone(),
            exempt: self.target.own_token,
            deadline: self.deadline,
        };
        let mut turn = self.shared.gate.turn(place).await.map_err(too_late)?;
        metering::rest::admitted(priority.name(), began.elapsed().as_secs_f64());
        // Its order is held to the end: what is repeated stays ahead of what came later.
        let repeatable = retry::is_repeatable(self.call);
        let mut attempts = 0;
        loop {
            // The last look before sending; what waits out a stop then passes the budget once more, or all would burst out
            // together at its end.
            let verdict = self.shared.admit(&self.target);
            let pass = match verdict {
                Verdict::Go(pass) => pass,
                Verdict::No(error) => {
                    turn.give_back();
                    return Err(refused(error));
                }
                Verdict::Wait(until) => {
                    turn.unused();
                    self.wait_until(until).await?;
                    turn = turn.again().await.map_err(too_late)?;
                    continue;
                }
            };
            attempts += 1;
            let flight = Flight(self);
            let setback = match self.attempt(pass, &mut turn).await {
                Ok(done) => return done,
                Err(setback) => setback,
            };
            drop(flight);
            let dice = rand::random();
            let Some(pause) = retry::wait(repeatable, setback.trouble, attempts, self.shared.config.attempts, dice)
            else {
                return Err(setback.error);
            };
            let again_at = Instant::now() + pause;
            if again_at >= self.deadline {
                return Err(setback.error);
            }
            metering::rest::retried(&self.route);
            sleep_until(again_at).await;
            turn = turn.again().await.map_err(too_late)?;
        }
    }

    /// Waits out a stop, unless the deadline comes first.
    async fn wait_until(&self, until: Instant) -> Result<(), RestError> {
        if until >= self.deadline {
            metering::rest::refused("global_stop");
            return Err(RestError::RateLimited { retry_after: until.saturating_duration_since(Instant::now()) });
        }
        sleep_until(until).await;
        Ok(())
    }

    async fn attempt(&self, pass: Pass, turn: &mut Turn) -> Result<Result<Answer, RestError>, Setback> {
        let request = match self.request() {
            Ok(request) => request,
            Err(error) => {
                turn.unused();
                return Ok(Err(error));
            }
        };
        let _under_way = self.shared.under_way();
        let began = Instant::now();
        match self.live.transport.carry(request).await {
            Ok(Arrival { status, headers, body }) => {
                let mut answer = Answer { status, headers, body: Vec::new(), body_lost: true };
                let unfinished = Unfinished { way: self, began, pass, turn, head: Some(&answer) };
                let body = body.await;
                unfinished.finished();
                let lost = match body {
                    Ok(body) => {
                        (answer.body, answer.body_lost) = (body, false);
                        None
                    }
                    Err(broken) => Some(broken),
                };
                let now = Instant::now();
                let seen = self.learn(now, began, pass, turn, &answer);
                match lost {
                    Some(broken) if answer.is_success() => unanswered(broken),
                    // What was refused and how long to wait stands in the head: it holds without the explanation.
                    _ => self.outcome(now, answer, &seen),
                }
            }
            Err(broken) => {
                metering::rest::request(&self.route, None, began.elapsed().as_secs_f64());
                turn.settle(Told::Nothing);
                unanswered(broken)
            }
        }
    }

    /// Takes what the answer says of limits, refusals and the token.
    fn learn(&self, now: Instant, began: Instant, pass: Pass, turn: &mut Turn, answer: &Answer) -> Seen {
        // Of a success whose body is lost nobody has what was asked for.
        let status = (!answer.body_lost || !answer.is_success()).then_some(answer.status);
        metering::rest::request(&self.route, status, (now - began).as_secs_f64());
        turn.settle(answer.bucket(now));
        let seen = answer.seen();
        self.shared.observe(now, &self.target, pass, &seen);
        if let Seen::Limited { scope, .. } = seen {
            metering::rest::rate_limited(match scope {
                Scope::User => metering::rest::Scope::User,
                Scope::Global => metering::rest::Scope::Global,
                Scope::Shared => metering::rest::Scope::Shared,
                Scope::Edge => metering::rest::Scope::Unknown,
            });
        }
        seen
    }

    /// What an answer comes to for its caller.
    fn outcome(&self, now: Instant, answer: Answer, seen: &Seen) -> Result<Result<Answer, RestError>, Setback> {
        if let Seen::Limited { retry_after, .. } = seen {
            let stopped = self.shared.conduct().stop.until(now, self.target.own_token);
            let after =
                retry_after.unwrap_or(Duration::from_secs(1)).max(stopped.map_or(Duration::ZERO, |at| at - now));
            let error = RestError::RateLimited { retry_after: after };
            return Err(Setback { trouble: Trouble::Limited(after), error });
        }
        match answer.failure() {
            None => Ok(Ok(answer)),
            Some(error @ RestError::Unreachable(_)) => Err(Setback { trouble: Trouble::Unknown, error }),
            Some(error) => Ok(Err(error)),
        }
    }

    fn request(&self) -> Result<Outgoing, RestError> {
        let path = transport::target(&self.live.base, &self.call.path, self.call.query.as_deref())
            .ok_or_else(|| RestError::refused_here("the route makes no URL"))?;
        let mut headers = self.call.headers.clone();
        if !self.target.own_token {
            headers.insert(AUTHORIZATION, self.live.authorization.clone());
        }
        if self.call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Outgoing { method: self.call.method.clone(), path, headers, body: self.call.body.clone() })
    }
}

/// A request that was let through, until it has ended.
struct Flight<'a, 'w>(&'a Way<'w>);

impl Drop for Flight<'_, '_> {
    fn drop(&mut self) {
        self.0.shared.ended(&self.0.target);
    }
}

/// An answer whose head is there. If its request ends before the body does (the deadline comes, the caller gives up), the head
/// alone is learned from: a 401 or a 429 that stalls counts with Discord as any other.
struct Unfinished<'a, 'w> {
    way: &'a Way<'w>,
    began: Instant,
    pass: Pass,
    turn: &'a mut Turn,
    head: Option<&'a Answer>,
}

impl Unfinished<'_, '_> {
    fn finished(mut self) {
        self.head = None;
    }
}

impl Drop for Unfinished<'_, '_> {
    fn drop(&mut self) {
        // What was said to an incarnation that is over may concern the token it had.
        if let Some(head) = self.head.filter(|_| !self.way.live.gone.is_cancelled()) {
            self.way.learn(Instant::now(), self.began, self.pass, self.turn, head);
        }
    }
}

fn unanswered(broken: Broken) -> Result<Result<Answer, RestError>, Setback> {
    match broken {
        Broken::TooLarge => Ok(Err(RestError::Malformed("it is larger than 8 MiB".to_owned()))),
        Broken::Untrusted(reason) => Ok(Err(RestError::Unreachable(reason))),
        Broken::NotSent(reason) => Err(Setback { trouble: Trouble::NotSent, error: RestError::Unreachable(reason) }),
        Broken::Lost(reason) => Err(Setback { trouble: Trouble::Unknown, error: RestError::Unreachable(reason) }),
    }
}

fn too_late(reason: NoTurn) -> RestError {
    let (word, retry_after) = match reason {
        NoTurn::Full => ("queue_full", WHEN_FULL),
        NoTurn::TooLate(wait) => ("deadline", wait),
    };
    metering::rest::refused(word);
    RestError::RateLimited { retry_after }
}

fn refused(error: RestError) -> RestError {
    metering::rest::refused(error.kind());
    error
}
