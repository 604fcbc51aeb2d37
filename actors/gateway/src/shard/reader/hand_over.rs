//! What a dispatch is handed to: the cache, and the sink if it wants it.

use super::{Reader, oddities::without_values, place};
use crate::{books::Books, cache::Passed, decode::decode, scan::Header, status::count};
use chrono::{DateTime, TimeDelta, Utc};
use metering::gateway::DropReason;
use protocol::{Dispatch, Event, EventKind};
use std::sync::{Arc, atomic::Ordering::Relaxed};
use supervision::guarded_sync;

/// Discord waits three seconds for the first answer to an interaction; the rest is for clocks that differ. Only replayed ones
/// are measured: what comes as it happens is not old, whatever the clocks say.
const INTERACTION_MAX: TimeDelta = TimeDelta::seconds(10);
/// The first moment of 2015, from which ids count milliseconds above their lowest 22 bits.
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

impl Reader {
    /// To the cache, and to the sink if it wants it. A panic in a decoder or in the sink costs this one event. False: the
    /// process stops and nobody took it; whoever resumes the session gets it again.
    pub(super) async fn hand_over(&mut self, seq: u64, kind: EventKind, header: &Header<'_>, books: &Books) -> bool {
        let (cached, wanted) = (self.reads.contains(kind), self.wants.contains(kind));
        if !cached && !wanted {
            if matches!(kind, EventKind::Ready | EventKind::Resumed) {
                return true; // the session wanted it
            }
            count(&self.keeper.tally.unwanted);
            self.counters.dropped(place(kind), DropReason::Unwanted);
            return true;
        }
        let this = &*self;
        let decoded = guarded_sync(|| {
            if cached && books.apply(seq) {
                match header.decode_with(|data| this.cache.apply(kind, data))? {
                    Some(Passed::Emojis(guild, emojis)) => {
                        this.sink.guild_emojis(guild, &emojis);
                        // The guild came anew with all its roles: a new invitation, a new session.
                        this.sink.permissions_changed(guild);
                    }
                    Some(Passed::Permissions(guild)) => this.sink.permissions_changed(guild),
                    None => {}
                }
            }
            if !wanted || header.data().is_some_and(|data| !this.sink.may_concern(kind, data)) {
                return Ok(None);
            }
            let received = this.clock.monotonic(); // before decoding, and only for what is decoded: it is not free
            let decoded = header.decode_with(|data| decode(kind, data))?;
            this.cache.met(&decoded.0);
            Ok(Some((received, decoded)))
        });
        let (received, (event, guild)) = match decoded {
            Ok(Ok(Some(decoded))) => decoded,
            Ok(Ok(None)) => {
                if !cached {
                    count(&self.keeper.tally.unwanted);
                    self.counters.dropped(place(kind), DropReason::Unwanted);
                }
                return true;
            }
            // serde's messages name fields and types; where one quotes a value it is cut off.
            Ok(Err(error)) => {
                self.malformed(kind.name(), Some(&without_values(&error)));
                return true;
            }
            Err(panic) => {
                self.malformed(kind.name(), Some(&panic.to_string()));
                return true;
            }
        };
        // Asked in this order: once caught up no event costs a look at the clock.
        if !self.caught_up
            && let Some(age) = age(&event, self.clock.now()).filter(|age| *age > INTERACTION_MAX)
        {
            self.expired(seq, age, books);
            self.counters.dropped(place(kind), DropReason::Expired);
            return true;
        }
        let shard = self.keeper.shard();
        let dispatch = Dispatch { shard, seq, kind, guild, event, received, backlog: Arc::clone(books.backlog()) };
        match guarded_sync(|| self.sink.deliver(dispatch)) {
            Ok(None) => {}
            Ok(Some(room)) => {
                count(&self.keeper.tally.pushbacks);
                self.pause();
                let taken = tokio::select! {
                    biased;
                    () = room => true,
                    () = self.stopped() => false,
                };
                self.unpause();
                if !taken {
                    self.counters.dropped(place(kind), DropReason::Draining);
                    return false;
                }
            }
            Err(panic) => tracing::error!(shard.id = shard.0, event.r#type = kind.name(), "the sink panicked: {panic}"),
        }
        count(&self.keeper.tally.delivered);
        true
    }

    /// An interaction that was sent again can no longer be answered: nobody waits for what it would do.
    fn expired(&mut self, seq: u64, age: TimeDelta, books: &Books) {
        if seq <= books.accepted() {
            self.keeper.lost(1); // the process before has left it to this one
        }
        if !std::mem::replace(&mut self.told_expired, true) {
            let (shard, age) = (self.keeper.shard().0, age.as_seconds_f64());
            tracing::warn!(
                shard.id = shard,
                age_seconds = age,
                "an interaction that came again after a RESUME is {age:.0} s old by this machine's clock and is let alone: \
                 Discord takes no answer to it any more (an age that cannot be is a clock that runs ahead); more of them \
                 are counted only"
            );
        }
    }

    /// Ends when the connection is given up because the process stops. (One that is merely cut waits on: its successor
    /// goes on behind what is delivered here.)
    async fn stopped(&self) {
        self.over.cancelled().await;
        if !self.draining.load(Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// How long ago Discord made `event`, if it is an interaction.
fn age(event: &Event, now: DateTime<Utc>) -> Option<TimeDelta> {
    let Event::InteractionCreate(created) = event else { return None };
    let millis = DISCORD_EPOCH_MS.saturating_add_unsigned(created.interaction.id().get() >> 22);
    Some(TimeDelta::milliseconds(now.timestamp_millis().saturating_sub(millis)))
}
