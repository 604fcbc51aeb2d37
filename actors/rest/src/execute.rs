//! The way of a request: judged, in line, permitted by its bucket, judged once more, sent, learned from, repeated if
//! that is harmless.

use crate::{
    answer::Answer,
    body,
    call::Call,
    conduct::{Scope, Seen, Target, Verdict, breaker::Pass},
    error::RestError,
    live::{Live, Shared},
    retry::{self, Trouble},
    send,
    transport::Broken,
};
use reqwest::{
    Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use std::{sync::Arc, time::Duration};
use supervision::guarded_sync;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};
use twilight_http_ratelimiting::{Endpoint, Method as LimiterMethod, Permit};

/// Sends `call` and returns a successful answer.
pub(crate) async fn execute(shared: &Arc<Shared>, mut call: Call, send: &send::Send) -> Result<Answer, RestError> {
    body::close(&mut call, send)?;
    let live = shared.live()?;
    let deadline = Instant::now() + send.deadline.unwrap_or_else(|| shared.config.deadline());
    let target = Target { own_token: call.has_own_token(), refusal_scope: call.refusal_scope() };
    let route = metering::Route::new(call.method.as_str(), &call.path);
    let way = Way { shared, live: &live, call: &call, target, deadline, route };
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
    target: Target,
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
        let exempt = self.target.own_token;
        let turn = self.shared.gate.turn(priority, self.call.lane(), exempt, self.deadline).await;
        let mut turn = turn.map_err(|retry_after| {
            metering::rest::refused("queue_full");
            RestError::RateLimited { retry_after }
        })?;
        metering::rest::admitted(priority.name(), began.elapsed().as_secs_f64());
        // The lane is kept to the end: what is repeated stays ahead of what came later.
        let repeatable = retry::is_repeatable(self.call);
        let mut attempts = 0;
        loop {
            let permit = self.permit().await?;
            let pass = self.admit().await?;
            attempts += 1;
            let setback = match self.attempt(permit, pass, &mut turn).await {
                Ok(done) => return done,
                Err(setback) => setback,
            };
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
        }
    }

    /// A permit of the request's bucket; none for routes with a token of their own, whose lane is their bucket.
    async fn permit(&self) -> Result<Option<Permit>, RestError> {
        if self.target.own_token {
            return Ok(None);
        }
        let method = match self.call.method.as_str() {
            "DELETE" => LimiterMethod::Delete,
            "PATCH" => LimiterMethod::Patch,
            "POST" => LimiterMethod::Post,
            "PUT" => LimiterMethod::Put,
            _ => LimiterMethod::Get,
        };
        let endpoint = Endpoint { method, path: self.call.lane().path };
        let deadline = self.deadline.into_std();
        let (too_late, wait) = oneshot::channel();
        let limiter = self.shared.limiter();
        let asked = guarded_sync(move || {
            limiter.acquire_if(endpoint, move |bucket| {
                let late = bucket.filter(|bucket| bucket.remaining == 0 && bucket.reset_at > deadline);
                match late {
                    Some(bucket) => too_late.send(bucket.reset_at).is_err(),
                    None => true,
                }
            })
        });
        let permit = match asked {
            Ok(asked) => asked.await,
            Err(_panicked) => None,
        };
        if let Some(permit) = permit {
            return Ok(Some(permit));
        }
        match wait.await {
            Ok(reset_at) => {
                metering::rest::refused("deadline");
                Err(RestError::RateLimited { retry_after: Instant::from_std(reset_at) - Instant::now() })
            }
            Err(_dropped) => {
                tracing::error!("the rate limiter's task has ended; it begins anew without what it knew");
                self.shared.renew_limiter();
                Err(Shared::gone())
            }
        }
    }

    /// The last look before sending.
    async fn admit(&self) -> Result<Pass, RestError> {
        loop {
            let verdict = self.shared.conduct().admit(Instant::now(), &self.target);
            match verdict {
                Verdict::Go(pass) => return Ok(pass),
                Verdict::No(error) => return Err(refused(error)),
                Verdict::Wait(until) => self.wait_until(until).await?,
            }
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

    async fn attempt(
        &self,
        permit: Option<Permit>,
        pass: Pass,
        turn: &mut crate::gate::Turn,
    ) -> Result<Result<Answer, RestError>, Setback> {
        let request = match self.request() {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let under_way = self.shared.under_way();
        let began = Instant::now();
        let carried = self.live.transport.carry(request).await;
        drop(under_way);
        let now = Instant::now();
        let status = carried.as_ref().ok().map(|answer| answer.status);
        metering::rest::request(&self.route, status, (now - began).as_secs_f64());
        let answer = match carried {
            Ok(answer) => answer,
            Err(Broken::TooLarge) => return Ok(Err(RestError::Malformed("it is larger than 8 MiB".to_owned()))),
            Err(Broken::NotSent(reason)) => {
                return Err(Setback { trouble: Trouble::NotSent, error: RestError::Unreachable(reason) });
            }
            Err(Broken::Lost(reason)) => {
                return Err(Setback { trouble: Trouble::Unknown, error: RestError::Unreachable(reason) });
            }
        };
        let bucket = answer.bucket(now);
        if self.target.own_token {
            let exhausted = bucket.as_ref().filter(|bucket| bucket.remaining == 0);
            turn.close_until(exhausted.map(|bucket| Instant::from_std(bucket.reset_at)));
        }
        if let Some(permit) = permit
            && guarded_sync(move || permit.complete(bucket)).is_err()
        {
            self.shared.renew_limiter();
        }
        self.learn(now, pass, answer)
    }

    fn learn(&self, now: Instant, pass: Pass, answer: Answer) -> Result<Result<Answer, RestError>, Setback> {
        let seen = answer.seen();
        let notices = self.shared.conduct().observe(now, &self.target, pass, &seen);
        self.shared.tell(notices);
        if let Seen::Limited { scope, retry_after } = seen {
            metering::rest::rate_limited(match scope {
                Scope::User => metering::rest::Scope::User,
                Scope::Global => metering::rest::Scope::Global,
                Scope::Shared => metering::rest::Scope::Shared,
                Scope::Edge => metering::rest::Scope::Unknown,
            });
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

    fn request(&self) -> Result<Request, RestError> {
        let query = self.call.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        let url = Url::parse(&format!("{}/{}{query}", self.live.base, self.call.path))
            .map_err(|_| RestError::refused_here("the route makes no URL"))?;
        let mut request = Request::new(self.call.method.clone(), url);
        request.headers_mut().extend(self.call.headers.clone());
        if !self.target.own_token {
            request.headers_mut().insert(AUTHORIZATION, self.live.authorization.clone());
        }
        if let Some(body) = &self.call.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        Ok(request)
    }
}

fn refused(error: RestError) -> RestError {
    metering::rest::refused(error.kind());
    error
}
