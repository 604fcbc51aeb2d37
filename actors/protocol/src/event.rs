//! Gateway events on their way from a shard to whoever subscribed.

mod kind;

pub use kind::{EventKind, KindSet};
pub use serenity::model::event::Event;

use crate::BoxFuture;
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

/// One decoded gateway event. Cloning it clones two words: the event itself is shared.
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
}

/// What became of a delivery: nothing to wait for, or a future that ends once there is room and the event is in.
pub type Delivery<'a> = Option<BoxFuture<'a, ()>>;

/// Takes events from a shard. The shard awaits the returned future before it reads its socket again: back-pressure.
pub trait EventSink: Send + Sync + 'static {
    /// The event types it wants; read when a shard starts, and it decides what is decoded and which intents are asked for.
    fn wants(&self) -> KindSet;

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
