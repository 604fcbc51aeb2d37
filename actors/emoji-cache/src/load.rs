//! Reads emojis over REST: a few guilds at a time, behind everything else.

use crate::emoji::{Origin, Set, set};
use futures_util::{StreamExt, stream};
use rest::{Rest, RestError, Send};
use serenity::model::id::GuildId;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// Guilds that are read at once.
const AT_ONCE: usize = 4;
/// Results that may wait to be taken over.
const FOUND_MAX: usize = 32;
/// How long one read may take; the global budget may hold it back behind everything else.
const DEADLINE: Duration = Duration::from_secs(30);

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) application: bool,
    pub(crate) guilds: Vec<GuildId>,
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        !self.application && self.guilds.is_empty()
    }
}

/// What came of a part of the work.
#[derive(Debug)]
pub(crate) enum Found {
    Application(Result<Set, RestError>),
    Guild {
        id: GuildId,
        /// The last event there was when reading began.
        since: u64,
        emojis: Result<Set, RestError>,
    },
}

/// Reads `work`; the channel ends when everything has been tried. The future is to be run as a task.
pub(crate) fn load(
    rest: Rest,
    work: Work,
    events: Arc<AtomicU64>,
) -> (mpsc::Receiver<Found>, impl Future<Output = ()> + std::marker::Send + 'static) {
    let (found, results) = mpsc::channel(FOUND_MAX);
    let task = async move {
        if work.application {
            let read = rest.application_emojis(background()).await;
            let read = read.map(|emojis| set(&emojis, Origin::Application));
            if found.send(Found::Application(read)).await.is_err() {
                return;
            }
        }
        let reads = stream::iter(work.guilds).map(|id| {
            let (rest, since) = (rest.clone(), events.load(Relaxed));
            async move {
                let read = rest.guild_emojis(id, background()).await;
                Found::Guild { id, since, emojis: read.map(|emojis| set(&emojis, Origin::Guild(id))) }
            }
        });
        let mut reads = std::pin::pin!(reads.buffer_unordered(AT_ONCE));
        while let Some(read) = reads.next().await {
            if found.send(read).await.is_err() {
                return;
            }
        }
    };
    (results, task)
}

fn background() -> Send {
    Send::background().within(DEADLINE)
}
