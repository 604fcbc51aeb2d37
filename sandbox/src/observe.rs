//! Looking at what the bot did, and waiting for it without sleeping.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;

use crate::events::{BotMessage, SandboxEvent};
use crate::handle::Sandbox;
use crate::journal::SandboxStats;
use crate::shared::State;

/// A place in the history of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Sandbox {
    /// A live stream of events from now on. It holds 4,096 of them; who reads more slowly is told by the
    /// stream how many it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<SandboxEvent> {
        self.shared.with(|state| state.journal.subscribe())
    }

    /// The last `events_kept` events, oldest first.
    pub fn log(&self) -> Vec<SandboxEvent> {
        self.shared.with(|state| state.journal.log().iter().cloned().collect())
    }

    /// The present end of the history.
    pub fn mark(&self) -> Mark {
        self.shared.with(|state| Mark(state.journal.recorded))
    }

    /// The kept events after `mark`, oldest first.
    pub fn log_since(&self, mark: Mark) -> Vec<SandboxEvent> {
        self.shared.with(|state| since(state, mark).cloned().collect())
    }

    /// Counters since the start.
    pub fn stats(&self) -> SandboxStats {
        self.shared.with(|state| state.journal.stats.clone())
    }

    /// Requests of the last ten minutes that were answered 401, 403 or, unless the limit was a shared one, 429.
    /// Discord's proxy refuses everything after 10,000 of them.
    pub fn invalid_requests(&self) -> u32 {
        self.shared.with(|state| state.limits.invalid(state.now_ms))
    }

    /// The last `events_kept` messages that the bot wrote in channels, oldest first. Its answers to
    /// interactions are events of their own.
    pub fn bot_messages(&self) -> Vec<BotMessage> {
        self.shared.with(|state| state.journal.messages().iter().cloned().collect())
    }

    /// Frames that are queued for connections but not yet written, GUILD_CREATEs still to come included.
    pub fn undelivered(&self) -> usize {
        self.shared.with(|state| state.hub.undelivered())
    }

    /// Interactions that wait for their first answer and still may have it.
    pub fn unanswered(&self) -> usize {
        let deadline_ms = self.config.interaction_deadline_ms;
        self.shared.with(|state| state.world.interactions.waiting(state.now_ms, deadline_ms))
    }

    /// Commands that the bot registered: global ones, or those of one guild, as Discord would list them.
    pub fn commands(&self, guild: Option<u64>) -> Vec<Value> {
        let scope = guild.map(crate::world::ids::Id);
        self.shared.with(|state| state.world.commands.of(scope).into_iter().cloned().collect())
    }

    /// Shards that are connected and have a session, in ascending order, once per session.
    pub fn connected_shards(&self) -> Vec<u32> {
        self.shared.with(|state| {
            let connected = state.hub.sessions.values().filter(|session| session.connection.is_some());
            let mut shards: Vec<u32> = connected.map(|session| session.shard).collect();
            shards.sort_unstable();
            shards
        })
    }

    /// Blocks until an event fits, looking at the kept history first; `None` when the time is over.
    pub fn wait_for(&self, within: Duration, fits: impl FnMut(&SandboxEvent) -> bool) -> Option<SandboxEvent> {
        self.wait_after(Mark(0), within, fits)
    }

    /// As [`Sandbox::wait_for`], looking only at events after `mark`.
    pub fn wait_after(
        &self,
        mark: Mark,
        within: Duration,
        mut fits: impl FnMut(&SandboxEvent) -> bool,
    ) -> Option<SandboxEvent> {
        let mut from = mark;
        self.shared.wait(within, |state| {
            let found = since(state, from).find(|event| fits(event)).cloned();
            from = Mark(state.journal.recorded);
            found
        })
    }

    /// Blocks until the counters and the bot's messages fit; false when the time is over.
    pub fn wait_until(&self, within: Duration, mut fits: impl FnMut(&SandboxStats, &[BotMessage]) -> bool) -> bool {
        let found = self.shared.wait(within, |state| {
            let (front, back) = state.journal.messages().as_slices();
            let fit = if back.is_empty() {
                fits(&state.journal.stats, front)
            } else {
                fits(&state.journal.stats, &[front, back].concat())
            };
            fit.then_some(())
        });
        found.is_some()
    }

    /// As [`Sandbox::wait_for`] for async code: gives way instead of blocking. It has no deadline of its
    /// own; drop it or put it under a timeout.
    pub async fn seen(&self, mut fits: impl FnMut(&SandboxEvent) -> bool) -> SandboxEvent {
        let mut watch = self.shared.watch();
        let mut from = Mark(0);
        loop {
            let found = self.shared.with(|state| {
                let found = since(state, from).find(|event| fits(event)).cloned();
                from = Mark(state.journal.recorded);
                found
            });
            if let Some(event) = found {
                return event;
            }
            if watch.changed().await.is_err() {
                // The sender lives as long as this handle, so this is never reached; waiting is harmless.
                std::future::pending::<()>().await;
            }
        }
    }
}

fn since(state: &State, mark: Mark) -> impl Iterator<Item = &SandboxEvent> {
    let log = state.journal.log();
    let fresh = usize::try_from(state.journal.recorded.saturating_sub(mark.0)).unwrap_or(usize::MAX);
    log.iter().skip(log.len().saturating_sub(fresh))
}
