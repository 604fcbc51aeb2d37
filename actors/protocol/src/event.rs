//! Gateway events on their way from a shard to whoever subscribed.

mod backlog;
mod kind;

pub use backlog::{Backlog, Held, Unfinished};
pub use kind::{EventKind, KindSet};
pub use serenity::model::event::Event;

use crate::{BoxFuture, cache::GuildEmoji};
use serenity::model::id::GuildId;
use std::{fmt, sync::Arc};
use tokio::time::Instant;

/// A shard's number, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One decoded gateway event. Cloning it clones a few words: the event itself is shared.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// The shard it came over.
    pub shard: ShardId,
    /// Its sequence number in the gateway session.
    pub seq: u64,
    /// Its type.
    pub kind: EventKind,
    /// The guild it belongs to; none for direct messages and account-wide events.
    pub guild: Option<GuildId>,
    /// The event, in serenity's type.
    pub event: Arc<Event>,
    /// When the frame had been read.
    pub received: Instant,
    /// The books of its session.
    pub backlog: Arc<Backlog>,
}

impl Dispatch {
    /// Takes charge of it: for a sink that queues events. Until the returned [`Held`] has begun, a process that ends leaves
    /// it to the next one. A sink that holds nothing may be given the event again then, if another sink held it.
    pub fn hold(&self) -> Held {
        self.backlog.hold(self.seq)
    }
}

/// What became of a delivery: nothing to wait for, or a future that ends once there is room and the event is in.
pub type Delivery<'a> = Option<BoxFuture<'a, ()>>;

/// Takes events from a shard. The shard awaits the returned future before it reads its socket again: back-pressure.
pub trait EventSink: Send + Sync + 'static {
    /// The event types it wants; read when a shard starts, and it decides what is decoded and which intents are asked for.
    fn wants(&self) -> KindSet;

    /// Whether somebody behind it reads members from the gateway's cache; asked once. They take memory and the privileged
    /// intent for members, so nobody gets them unasked.
    fn wants_members(&self) -> bool {
        false
    }

    /// Asked before an event of a wanted type is decoded, with the text of its payload `d`: false means that it cannot
    /// concern this sink, and if no sink says otherwise it is not decoded. It must be cheap, and true wherever it is not
    /// sure, also for text that is no valid payload: the decoder then tells what is wrong with it. Rarely the text goes on
    /// after the payload's end (members that follow `d`).
    fn may_concern(&self, kind: EventKind, payload: &str) -> bool {
        let _ = (kind, payload);
        true
    }

    /// Takes the custom emojis of a guild that the gateway's cache has just read in GUILD_CREATE, so that nobody has to
    /// subscribe to that event for their sake. Never waits.
    fn guild_emojis(&self, guild: GuildId, emojis: &[GuildEmoji]) {
        let _ = (guild, emojis);
    }

    /// Is told that roles, a channel's overwrites or the bot's own roles have changed in a guild, or that it came anew with
    /// all of them (GUILD_CREATE), after the gateway's cache has taken that up: what was forbidden there may be allowed now.
    /// Never waits.
    fn permissions_changed(&self, guild: GuildId) {
        let _ = guild;
    }

    /// Takes one event. Returns `None` at once in the ordinary case.
    fn deliver(&self, dispatch: Dispatch) -> Delivery<'_>;
}

/// Gives each event to every sink that wants it.
pub struct FanOut {
    sinks: Vec<(KindSet, Arc<dyn EventSink>)>,
}

impl FanOut {
    /// A fan-out to `sinks`.
    pub fn new(sinks: Vec<Arc<dyn EventSink>>) -> Self {
        Self { sinks: sinks.into_iter().map(|sink| (sink.wants(), sink)).collect() }
    }
}

impl EventSink for FanOut {
    fn wants(&self) -> KindSet {
        self.sinks.iter().fold(KindSet::default(), |all, (wants, _)| all | *wants)
    }

    fn wants_members(&self) -> bool {
        self.sinks.iter().any(|(_, sink)| sink.wants_members())
    }

    fn may_concern(&self, kind: EventKind, payload: &str) -> bool {
        self.sinks.iter().any(|(wants, sink)| wants.contains(kind) && sink.may_concern(kind, payload))
    }

    fn guild_emojis(&self, guild: GuildId, emojis: &[GuildEmoji]) {
        for (_, sink) in &self.sinks {
            sink.guild_emojis(guild, emojis);
        }
    }

    fn permissions_changed(&self, guild: GuildId) {
        for (_, sink) in &self.sinks {
            sink.permissions_changed(guild);
        }
    }

    fn deliver(&self, dispatch: Dispatch) -> Delivery<'_> {
        let mut waits: Delivery<'_> = None;
        for (wants, sink) in &self.sinks {
            if !wants.contains(dispatch.kind) {
                continue;
            }
            if let Some(more) = sink.deliver(dispatch.clone()) {
                waits = Some(match waits.take() {
                    None => more,
                    Some(first) => Box::pin(async move {
                        futures_util::future::join(first, more).await;
                    }),
                });
            }
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Reads(bool);

    impl EventSink for Reads {
        fn wants(&self) -> KindSet {
            KindSet::default()
        }

        fn wants_members(&self) -> bool {
            self.0
        }

        fn deliver(&self, _: Dispatch) -> Delivery<'_> {
            None
        }
    }

    #[test]
    fn one_sink_that_reads_members_is_enough() {
        let fan = |reads: &[bool]| FanOut::new(reads.iter().map(|reads| Arc::new(Reads(*reads)) as _).collect());
        assert!(fan(&[false, true]).wants_members());
        assert!(!fan(&[false, false]).wants_members() && !fan(&[]).wants_members());
    }
}
