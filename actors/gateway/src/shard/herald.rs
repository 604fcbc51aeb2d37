//! What a shard says of itself: published status, log lines, failure reports, metrics.

use crate::{
    keeper::Keeper,
    session::{Cause, Fatal, Loss, Phase},
    stability::{Change, WINDOW},
    status::{Disconnect, Published, count},
};
use protocol::{
    Clock,
    ports::{Capture, Report, ReportLevel},
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

/// Speaks for one incarnation of a shard.
pub(super) struct Herald {
    pub(super) keeper: Arc<Keeper>,
    pub(super) capture: Arc<dyn Capture>,
    pub(super) clock: Arc<dyn Clock>,
    /// What the network or Discord said about the loss that is about to be told of.
    pub(super) detail: String,
}

impl Herald {
    /// READY or RESUMED has come.
    pub(super) fn online(&self, resumed: bool) {
        let (id, now) = (self.id(), self.clock.now());
        match resumed {
            true => metering::gateway::resumed(id),
            false => metering::gateway::connected(id),
        }
        self.publish(|published| {
            published.parked = None;
            published.session_since = match resumed {
                // A session without a known beginning counts from here: others go by whether there is one.
                true => published.session_since.or(published.restored_since).or(Some(now)),
                false => Some(now),
            };
            published.restored_since = None;
        });
        tracing::info!(shard.id = id, "{}", if resumed { "RESUMED" } else { "READY" });
        self.keeper.mark_ready();
    }

    /// Events that the process before left will not come again.
    pub(super) fn gave_up(&self, lost: usize, why: &str) {
        if lost > 0 {
            tracing::warn!(
                shard.id = self.id(),
                lost,
                "{lost} event(s) that the process before had not begun are lost: {why}"
            );
        }
    }

    /// A connection is lost, or could not be opened.
    pub(super) fn lost(&mut self, loss: &Loss) {
        let (id, now, wait_ms) = (self.id(), self.clock.now(), protocol::millis(loss.wait));
        metering::gateway::reconnect(id, word(loss.cause));
        if loss.cause == Cause::ConnectFailed {
            count(&self.keeper.tally.dials_failed);
        } else {
            count(&self.keeper.tally.disconnects);
            metering::gateway::disconnected(id, loss.code);
        }
        let detail = std::mem::take(&mut self.detail);
        self.publish(|published| {
            let detail = Some(detail.clone()).filter(|detail| !detail.is_empty());
            published.last_disconnect = Some(Disconnect { at: now, cause: loss.cause, code: loss.code, detail });
        });
        let code = loss.code.map(|code| format!(" with {code}")).unwrap_or_default();
        let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
        let next = if loss.resume { "will resume" } else { "will begin a new session" };
        let message = format!("not connected ({}{code}{detail}); {next} in {wait_ms} ms", loss.cause);
        // Discord asks for reconnects several times a day, and an operator's own order is no surprise.
        if matches!(loss.cause, Cause::ReconnectRequested | Cause::Operator) {
            tracing::info!(shard.id = id, close.code = loss.code, wait_ms, "{message}");
        } else {
            tracing::warn!(shard.id = id, close.code = loss.code, wait_ms, "{message}");
        }
        self.report(ReportLevel::Warning, message, word(loss.cause), loss.code);
        // What was never open was not lost, and what we close ourselves for a reason says nothing about the connection.
        if !matches!(loss.cause, Cause::ConnectFailed | Cause::IdentifyDenied | Cause::Operator | Cause::Overslept) {
            self.unsettled(loss);
        }
    }

    /// One more connection lost: too many of them are told of once, and degrade the shard until it is calm again.
    fn unsettled(&self, loss: &Loss) {
        let mut stability = self.keeper.published.load().stability.clone();
        let change = stability.lose(self.clock.monotonic());
        self.publish(|published| published.stability = stability.clone());
        let Some(Change::Unstable(lost)) = change else { return };
        let code = loss.code.map(|code| format!(" with {code}")).unwrap_or_default();
        let minutes = WINDOW.as_secs() / 60;
        let sentence = format!("{lost} connections lost within {minutes} minutes, the last one {}{code}", loss.cause);
        tracing::warn!(shard.id = self.id(), close.code = loss.code, "unstable: {sentence}");
        self.report(ReportLevel::Error, format!("unstable: {sentence}"), "unstable", loss.code);
        self.publish(|published| published.unstable = Some(sentence.clone()));
    }

    /// Looks whether the shard is stable again; when to look next, if it is not.
    pub(super) fn calm(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        let mut stability = self.keeper.published.load().stability.clone();
        if stability.look(now) == Some(Change::Stable) {
            tracing::info!(shard.id = self.id(), "stable again");
            self.publish(|published| (published.stability, published.unstable) = (stability.clone(), None));
        }
        stability.looks_in(now)
    }

    /// Nothing but an operator helps. Returns the sentence for them; the supervisor logs it.
    pub(super) fn parked(&self, fatal: &Fatal) -> String {
        let sentence = fatal.to_string();
        let now = self.clock.now();
        count(&self.keeper.tally.disconnects);
        metering::gateway::disconnected(self.id(), fatal.code);
        self.publish(|published| {
            published.parked = Some(sentence.clone());
            published.last_disconnect =
                Some(Disconnect { at: now, cause: Cause::Closed, code: fatal.code, detail: None });
        });
        self.report(ReportLevel::Fatal, sentence.clone(), "fatal", fatal.code);
        sentence
    }

    /// HELLO has told how often to send heartbeats.
    pub(super) fn beats(&self, every: Duration) {
        self.publish(|published| published.pulse.every = Some(every));
    }

    /// A heartbeat was answered.
    pub(super) fn answered(&self) {
        let now = self.clock.monotonic();
        self.publish(|published| published.pulse.answered = Some(now));
    }

    /// Where the session stands.
    pub(super) fn stands(&self, state: Phase, latency: Option<Duration>) {
        let published = self.keeper.published.load();
        if published.state != Some(state) || published.latency != latency {
            self.publish(|published| (published.state, published.latency) = (Some(state), latency));
        }
    }

    fn report(&self, level: ReportLevel, message: String, what: &'static str, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.capture.capture(Report {
            level,
            message: format!("shard {}: {message}", self.id()),
            fingerprint: vec!["gateway".into(), what.into(), code.clone()],
            tags: vec![("shard", self.id().to_string()), ("close_code", code)],
        });
    }

    fn publish(&self, change: impl Fn(&mut Published)) {
        self.keeper.published.rcu(|published| {
            let mut published = Published::clone(published);
            change(&mut published);
            published
        });
    }

    fn id(&self) -> u32 {
        self.keeper.shard().0
    }
}

impl Drop for Herald {
    /// However the incarnation ends, nobody must read that it is online.
    fn drop(&mut self) {
        self.keeper.tally.pushed_back.store(false, Relaxed);
        self.keeper.tally.throttled.store(false, Relaxed);
        self.publish(|published| {
            published.state = published.state.filter(|state| matches!(state, Phase::Parked | Phase::Stopped));
        });
    }
}

fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::Closed => "closed",
        Cause::Cut => "cut",
        Cause::ConnectFailed => "connect",
        Cause::HelloTimeout => "hello",
        Cause::AnswerTimeout => "answer",
        Cause::Zombie => "zombie",
        Cause::Overslept => "overslept",
        Cause::OutOfStep => "step",
        Cause::ReconnectRequested => "op7",
        Cause::InvalidSession => "op9",
        Cause::IdentifyDenied => "denied",
        Cause::Operator => "operator",
    }
}
