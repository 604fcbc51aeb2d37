//! What a full lane gives up, and when: first what has a newer successor anyway, then what its guild can do without;
//! commands and whatever moderation stands on wait for room, however long that takes. What is given up is counted by class.

use super::{LANES_MAX, LaneKey, Lanes, Work};
use protocol::{Delivery, EventKind};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// How long a full lane may hold up its shard for an ordinary event. A shard has thousands of guilds: one whose commands
/// hang must not keep the others waiting for their deadlines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// What happens to an event that finds its lane full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It is dropped: there is always a newer one. So it is when half of all that may wait in all lanes waits.
    Fleeting(&'static str),
    /// It waits for [`PATIENCE`] and is dropped then; until there is room again those after it are dropped at once. So is
    /// one that finds three quarters of all that may wait in all lanes waiting.
    Ordinary(&'static str),
    /// It waits for room, and the shard with it.
    Lasting,
}

impl Class {
    /// The class of an event of `kind`; `command`: that could be a command.
    pub(crate) fn of(kind: EventKind, command: bool) -> Self {
        use EventKind::{
            InviteCreate, InviteDelete, MessageCreate, MessageReactionAdd, MessageReactionRemove, MessageUpdate,
            PresenceUpdate, TypingStart, VoiceStateUpdate,
        };
        match kind {
            PresenceUpdate => Self::Fleeting("presence"),
            TypingStart => Self::Fleeting("typing"),
            MessageCreate if command => Self::Lasting,
            MessageCreate | MessageUpdate => Self::Ordinary("message"),
            MessageReactionAdd | MessageReactionRemove => Self::Ordinary("reaction"),
            VoiceStateUpdate => Self::Ordinary("voice"),
            InviteCreate | InviteDelete => Self::Ordinary("invite"),
            // Interactions, members, bans, deletions, audit log, roles, channels: commands and moderation.
            _ => Self::Lasting,
        }
    }
}

/// Lanes that have been full for longer than [`PATIENCE`].
#[derive(Default)]
pub(super) struct Stuck {
    /// How many there are: nearly always none, and then nothing is locked.
    count: AtomicUsize,
    keys: Mutex<HashSet<LaneKey>>,
}

impl Stuck {
    fn keys(&self) -> MutexGuard<'_, HashSet<LaneKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, key: &LaneKey) -> bool {
        self.count.load(Relaxed) > 0 && self.keys().contains(key)
    }

    fn note(&self, key: LaneKey) {
        let mut keys = self.keys();
        if keys.len() >= LANES_MAX {
            keys.clear(); // of guilds that say nothing any more: they would be noted again
        }
        keys.insert(key);
        self.count.store(keys.len(), Relaxed);
    }

    fn forget(&self, key: &LaneKey) {
        if self.count.load(Relaxed) > 0 {
            let mut keys = self.keys();
            keys.remove(key);
            self.count.store(keys.len(), Relaxed);
        }
    }
}

impl<W: Work> Lanes<W> {
    /// Puts `work` into the lane of `key`, as its class allows. A future means that there was no room: it ends once the
    /// work is in, or is given up.
    pub(crate) fn offer_as(self: &Arc<Self>, class: Class, key: LaneKey, work: W) -> Delivery<'static> {
        let class = match class {
            Class::Lasting => return self.offer(key, work),
            Class::Fleeting(class) => {
                if !self.has_spare(2) || !self.offer_or_drop(key, work) {
                    metering::lanes::shed(class);
                }
                return None;
            }
            Class::Ordinary(class) => class,
        };
        if !self.has_spare(4) {
            metering::lanes::shed(class);
            return None;
        }
        let Err((queued, sender)) = self.try_offer(key, self.queued(work)) else {
            self.stuck.forget(&key);
            return None;
        };
        if queued.room.is_none() || self.stuck.has(&key) {
            metering::lanes::shed(class);
            return None;
        }
        metering::lanes::full();
        let this = Arc::clone(self);
        Some(Box::pin(async move {
            let room = tokio::time::timeout(PATIENCE, Arc::clone(&this).wait(key, queued, sender));
            if room.await.is_err() {
                this.stuck.note(key);
                metering::lanes::shed(class);
                tracing::warn!(?key, class, "a lane is stuck: ordinary events of it are dropped until it has room");
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_moderation_are_never_given_up() {
        let lasting = [
            EventKind::InteractionCreate,
            EventKind::GuildBanAdd,
            EventKind::GuildMemberAdd,
            EventKind::GuildMemberUpdate,
            EventKind::GuildAuditLogEntryCreate,
            EventKind::AutoModerationActionExecution,
            EventKind::MessageDelete,
            EventKind::GuildRoleDelete,
        ];
        assert!(lasting.into_iter().all(|kind| Class::of(kind, false) == Class::Lasting));
        assert_eq!(Class::of(EventKind::MessageCreate, true), Class::Lasting);
        assert_eq!(Class::of(EventKind::MessageCreate, false), Class::Ordinary("message"));
        assert_eq!(Class::of(EventKind::TypingStart, false), Class::Fleeting("typing"));
    }
}
