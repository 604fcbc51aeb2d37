//! What a shard sends: what cannot wait is only counted, what can waits for room, and nothing is larger than Discord
//! takes.

use super::{Shard, ShardMsg};
use crate::{
    members::Unsent,
    payload::{self, PAYLOAD_MAX_BYTES},
    presence::PresenceData,
    session::Phase,
    status::count,
};
use std::sync::atomic::Ordering::Relaxed;
use supervision::Ctx;

impl Shard {
    pub(super) fn send_identify(&mut self) {
        let presence = self.shared.presence.current();
        let intents = self.shared.intents(self.wants);
        self.keeper.identifies_with(intents.bits());
        let (token, keeper) = (&self.shared.token, &self.keeper);
        let identify =
            |shown: &PresenceData| payload::identify(token, keeper.shard(), keeper.total(), intents, &shown.payload());
        let mut text = identify(&presence);
        // Discord would close the connection (4002), and this IDENTIFY and all that follow would be spent for nothing.
        if text.len() > PAYLOAD_MAX_BYTES {
            tracing::warn!(shard.id = self.id(), bytes = text.len(), "IDENTIFY without the presence: it is too large");
            text = identify(&PresenceData::default());
        }
        self.shown = Some(presence);
        self.link.iter().for_each(|link| link.vitals.identified.store(true, Relaxed));
        count(&self.keeper.tally.identifies);
        metering::gateway::identify(self.id());
        tracing::info!(shard.id = self.id(), shard.total = self.keeper.total(), "IDENTIFY");
        self.send(text);
    }

    pub(super) fn send_resume(&mut self, session_id: &str) {
        let after = self.keeper.books().map_or(0, |books| books.resume_after());
        count(&self.keeper.tally.resumes);
        metering::gateway::resume(self.id());
        tracing::info!(shard.id = self.id(), seq = after, "RESUME");
        self.send(payload::resume(&self.shared.token, session_id, after));
    }

    /// Sends what cannot wait.
    pub(super) fn send(&mut self, text: String) {
        self.budget.book(self.shared.clock.monotonic());
        if !self.link.as_ref().is_some_and(|link| link.send(text)) {
            tracing::debug!(shard.id = self.id(), "the socket takes nothing; the next heartbeat finds it dead");
        }
    }

    /// Sends the presence, if Discord does not show it yet and there is room for it.
    pub(super) fn show_presence(&mut self, ctx: &Ctx<Self>) {
        let presence = self.shared.presence.current();
        let shown = self.shown.as_ref() == Some(&presence);
        if shown || self.waits_for_room || self.session.phase() != Phase::Online {
            return;
        }
        let text = payload::presence(&presence.payload());
        if text.len() > PAYLOAD_MAX_BYTES {
            tracing::warn!(shard.id = self.id(), bytes = text.len(), "the presence is larger than Discord takes");
            return;
        }
        match self.budget.try_book(self.shared.clock.monotonic()) {
            Ok(()) => {
                if self.link.as_ref().is_some_and(|link| link.send(text)) {
                    self.shown = Some(presence);
                }
            }
            Err(wait) => {
                metering::gateway::send_throttled(self.id());
                self.waits_for_room = true;
                self.keeper.tally.throttled.store(true, Relaxed);
                ctx.send_after(wait, ShardMsg::Room);
            }
        }
    }

    /// Sends what can wait, if there is room now.
    pub(super) fn send_if_room(&mut self, text: String) -> Result<(), Unsent> {
        if text.len() > PAYLOAD_MAX_BYTES {
            return Err(Unsent::TooLarge);
        }
        if self.session.phase() != Phase::Online {
            return Err(Unsent::Offline);
        }
        self.budget.try_book(self.shared.clock.monotonic()).map_err(|wait| {
            metering::gateway::send_throttled(self.id());
            Unsent::Wait(wait)
        })?;
        let sent = self.link.as_ref().is_some_and(|link| link.send(text));
        sent.then_some(()).ok_or(Unsent::Offline)
    }
}
