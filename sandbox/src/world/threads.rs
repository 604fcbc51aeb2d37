//! Threads: begun, changed, joined, left, listed (Discord documentation, "Threads"). A thread is a channel of its guild
//! that has its parent's permissions; what only threads have stands beside it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::World;
use super::audit::action;
use super::guild::{Channel, Guild, channel_type};
use super::ids::{Id, Stamp};
use super::permissions;
use crate::api_error::{ApiError, Unknown};

/// Threads of a guild that are not archived.
const ACTIVE_MAX: usize = 1_000;
/// The count of messages and members that Discord shows stops here.
const SHOWN_MAX: usize = 50;
/// Minutes of quiet after which a thread is archived, unless it says otherwise.
pub(crate) const ARCHIVE_AFTER: u64 = 1_440;

/// A thread.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub channel: Channel,
    pub owner: Id,
    pub made_at: Stamp,
    pub archived: bool,
    /// When it was last archived or taken up again.
    pub archive_changed: Stamp,
    pub archive_after: u64,
    pub locked: bool,
    /// Whether its members may bring others into it; of private ones only.
    pub invitable: bool,
    pub messages: usize,
    pub members: BTreeMap<Id, Stamp>,
}

/// What a request makes of a thread; `None` leaves it.
#[derive(Default)]
pub(crate) struct ThreadEdit {
    pub name: Option<String>,
    pub archived: Option<bool>,
    pub locked: Option<bool>,
    pub invitable: Option<bool>,
    pub archive_after: Option<u64>,
    pub slow_mode_s: Option<u16>,
}

/// Which threads a list is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Public ones that are archived.
    Public,
    /// Private ones that are archived.
    Private,
    /// Of those the ones that the bot has joined.
    Joined,
}

impl Thread {
    pub(crate) fn is_private(&self) -> bool {
        self.channel.kind == channel_type::PRIVATE_THREAD
    }

    pub(crate) fn parent(&self) -> Option<Id> {
        self.channel.parent_id
    }

    /// The thread object; `reader` sees whether it has joined.
    pub(crate) fn as_object(&self, reader: Id) -> Value {
        let Channel { id, kind, guild_id, name, parent_id, last_message_id, rate_limit_per_user, flags, .. } =
            &self.channel;
        let mut metadata = json!({
            "archived": self.archived, "archive_timestamp": self.archive_changed, "locked": self.locked,
            "auto_archive_duration": self.archive_after, "create_timestamp": self.made_at,
        });
        if self.is_private() {
            metadata["invitable"] = self.invitable.into();
        }
        let mut object = json!({
            "id": id, "type": kind, "guild_id": guild_id, "name": name, "parent_id": parent_id, "owner_id": self.owner,
            "last_message_id": last_message_id, "rate_limit_per_user": rate_limit_per_user, "flags": flags,
            "thread_metadata": metadata, "message_count": self.messages, "total_message_sent": self.messages,
            "member_count": self.members.len().min(SHOWN_MAX),
        });
        if let Some(member) = self.member(reader) {
            object["member"] = member;
        }
        object
    }

    /// The thread member object of one who is in it.
    pub(crate) fn member(&self, user: Id) -> Option<Value> {
        let since = self.members.get(&user)?;
        Some(json!({ "id": self.channel.id, "user_id": user, "join_timestamp": since, "flags": 0 }))
    }
}

impl Guild {
    pub(crate) fn thread(&self, id: Id) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.channel.id == id)
    }

    /// The threads that are not archived, as far as `reader` knows of them.
    pub(crate) fn active_threads(&self, reader: Id) -> Vec<Value> {
        let known = |thread: &&Thread| !thread.archived && permissions::sees(self, reader, thread.channel.id);
        self.threads.iter().filter(known).map(|thread| thread.as_object(reader)).collect()
    }
}

impl World {
    /// Begins a thread in a text channel, on a message of it or on its own; `owner` is in it. Of people nothing is asked.
    pub(crate) fn start_thread(
        &mut self,
        owner: Id,
        (parent, message): (Id, Option<Id>),
        private: bool,
        edit: ThreadEdit,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Value, ApiError> {
        let needed = if private { permissions::CREATE_PRIVATE_THREADS } else { permissions::CREATE_PUBLIC_THREADS };
        let home = self.guild_of(parent)?;
        let here = |home: &&Guild| home.channel(parent).is_some_and(|channel| channel.kind == channel_type::TEXT);
        let Some(home) = home.filter(here) else {
            return Err(ApiError::new(400, 50024, "Cannot execute action on this channel type"));
        };
        let guild = home.id;
        if home.threads.iter().filter(|thread| !thread.archived).count() >= ACTIVE_MAX {
            return Err(ApiError::new(400, 160_006, "Maximum number of active threads reached"));
        }
        let taken = message.is_some_and(|message| home.thread(message).is_some());
        if owner == self.bot {
            self.require(parent, needed)?;
        }
        if let Some(message) = message {
            self.message(parent, message)?;
            if taken {
                return Err(ApiError::new(400, 160_004, "A thread has already been created for this message"));
            }
        }
        let id = message.unwrap_or_else(|| self.ids.next(now_ms));
        let kind = if private { channel_type::PRIVATE_THREAD } else { channel_type::PUBLIC_THREAD };
        let mut thread = Thread {
            channel: Channel::new(id, guild, kind, "", 0, Some(parent)),
            owner,
            made_at: Stamp(now_ms),
            archived: false,
            archive_changed: Stamp(now_ms),
            archive_after: ARCHIVE_AFTER,
            locked: false,
            invitable: true,
            messages: 0,
            members: BTreeMap::from([(owner, Stamp(now_ms))]),
        };
        edit.apply(&mut thread, now_ms);
        let object = thread.as_object(self.bot);
        self.homes.insert(id, guild);
        self.guild_mut(guild)?.threads.push(thread);
        let mut event = object.clone();
        event["newly_created"] = true.into();
        self.outbox.guild_event("THREAD_CREATE", guild, &event);
        if owner == self.bot {
            self.audit(guild, action::THREAD_CREATE, id, reason, now_ms);
        }
        Ok(object)
    }

    /// Changes a thread: whoever began it may, and who manages threads; a locked one only the latter.
    pub(crate) fn edit_thread(
        &mut self,
        id: Id,
        edit: ThreadEdit,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Value, ApiError> {
        let bot = self.bot;
        self.require(id, 0)?;
        let manages = self.bot_permissions(id)? & permissions::MANAGE_THREADS != 0;
        let thread = self.thread_mut(id)?;
        let locking = edit.locked.is_some_and(|locked| locked != thread.locked);
        if !manages && (thread.owner != bot || thread.locked || locking) {
            return Err(ApiError::missing_permissions());
        }
        if thread.archived && edit.archived != Some(false) {
            return Err(archived());
        }
        edit.apply(thread, now_ms);
        let (object, guild) = (thread.as_object(bot), thread.channel.guild_id);
        self.outbox.guild_event("THREAD_UPDATE", guild, &object);
        self.audit(guild, action::THREAD_UPDATE, id, reason, now_ms);
        Ok(object)
    }

    pub(crate) fn delete_thread(&mut self, id: Id, reason: Option<&str>, now_ms: u64) -> Result<Value, ApiError> {
        self.require(id, permissions::MANAGE_THREADS)?;
        let thread = self.thread_mut(id)?.clone();
        let guild = thread.channel.guild_id;
        self.forget_threads(guild, |thread| thread.channel.id == id)?;
        let Channel { kind, parent_id, .. } = thread.channel;
        let body = json!({ "id": id, "guild_id": guild, "parent_id": parent_id, "type": kind });
        self.outbox.guild_event("THREAD_DELETE", guild, &body);
        self.audit(guild, action::THREAD_DELETE, id, reason, now_ms);
        Ok(thread.as_object(self.bot))
    }

    /// Drops threads with their messages; nobody is told.
    pub(crate) fn forget_threads(&mut self, guild: Id, gone: impl Fn(&Thread) -> bool) -> Result<(), ApiError> {
        let home = self.guild_mut(guild)?;
        let ids: Vec<Id> = home.threads.iter().filter(|thread| gone(thread)).map(|thread| thread.channel.id).collect();
        home.threads.retain(|thread| !gone(thread));
        for id in ids {
            self.homes.remove(&id);
            self.logs.remove(&id);
        }
        Ok(())
    }

    /// Brings somebody into a thread: the bot itself, or another member of the guild.
    pub(crate) fn join_thread(&mut self, id: Id, user: Id, now_ms: u64) -> Result<(), ApiError> {
        let bot = self.bot;
        self.require(id, if user == bot { 0 } else { permissions::SEND_MESSAGES_IN_THREADS })?;
        let manages = self.bot_permissions(id)? & permissions::MANAGE_THREADS != 0;
        let there = self.guild_of(id)?.is_some_and(|guild| guild.members.contains_key(&user));
        let thread = self.thread_mut(id)?;
        if thread.archived {
            return Err(archived());
        }
        if !there {
            return Err(ApiError::unknown(Unknown::Member));
        }
        if user != bot && thread.is_private() && !thread.invitable && !manages && thread.owner != bot {
            return Err(ApiError::missing_permissions());
        }
        self.enter(id, user, now_ms)
    }

    /// Takes somebody out of a thread: the bot itself; others whoever manages threads, and who began a private one.
    pub(crate) fn leave_thread(&mut self, id: Id, user: Id) -> Result<(), ApiError> {
        let bot = self.bot;
        self.require(id, 0)?;
        let manages = self.bot_permissions(id)? & permissions::MANAGE_THREADS != 0;
        let thread = self.thread_mut(id)?;
        if thread.archived {
            return Err(archived());
        }
        if user != bot && !manages && !(thread.is_private() && thread.owner == bot) {
            return Err(ApiError::missing_permissions());
        }
        if thread.members.remove(&user).is_some() {
            let body = json!({
                "id": id, "guild_id": thread.channel.guild_id, "member_count": thread.members.len().min(SHOWN_MAX),
                "removed_member_ids": [user],
            });
            let guild = thread.channel.guild_id;
            self.tell_of_members(guild, user, &body);
        }
        Ok(())
    }

    /// Whether something may be written in a channel, and the permission that it takes: a thread has one of its own.
    pub(crate) fn require_speech(&self, channel: Id) -> Result<(), ApiError> {
        let thread = self.guild_of(channel)?.and_then(|guild| guild.thread(channel));
        let Some(thread) = thread else { return self.require(channel, permissions::SEND_MESSAGES) };
        self.require(channel, permissions::SEND_MESSAGES_IN_THREADS)?;
        if thread.archived && thread.locked && self.bot_permissions(channel)? & permissions::MANAGE_THREADS == 0 {
            return Err(archived());
        }
        Ok(())
    }

    /// A message was written in a thread: it is counted, whoever wrote it is in the thread, and the thread is taken up again
    /// if it was archived. Of other channels nothing.
    pub(crate) fn spoken_in_thread(&mut self, channel: Id, author: Id, now_ms: u64) -> Result<(), ApiError> {
        let bot = self.bot;
        let Ok(thread) = self.thread_mut(channel) else { return Ok(()) };
        thread.messages += 1;
        if thread.archived {
            thread.archived = false;
            thread.archive_changed = Stamp(now_ms);
            let (object, guild) = (thread.as_object(bot), thread.channel.guild_id);
            self.outbox.guild_event("THREAD_UPDATE", guild, &object);
        }
        self.enter(channel, author, now_ms)
    }

    /// One page of archived threads of a channel, the last archived first, and whether there are more.
    pub(crate) fn archived_threads(
        &self,
        parent: Id,
        listed: Listed,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Value, ApiError> {
        let manage = if listed == Listed::Private { permissions::MANAGE_THREADS } else { 0 };
        self.require(parent, permissions::READ_MESSAGE_HISTORY | manage)?;
        let Some(guild) = self.guild_of(parent)? else {
            return Err(ApiError::new(403, 50003, "Cannot execute action on a DM channel"));
        };
        let fits = |thread: &&Thread| {
            let kind = thread.is_private() == (listed != Listed::Public);
            let joined = listed != Listed::Joined || thread.members.contains_key(&self.bot);
            let older = before.is_none_or(|before| thread.archive_changed.0 < before);
            thread.archived && thread.parent() == Some(parent) && kind && joined && older
        };
        let mut all: Vec<&Thread> = guild.threads.iter().filter(fits).collect();
        all.sort_by_key(|thread| std::cmp::Reverse(thread.archive_changed.0));
        let more = all.len() > limit;
        all.truncate(limit);
        Ok(self.list(&all, more))
    }

    /// Every thread of a guild that is not archived and that the bot may see.
    pub(crate) fn active_threads(&self, guild: Id) -> Result<Value, ApiError> {
        let home = self.guild(guild)?;
        let known = |thread: &&Thread| !thread.archived && permissions::sees(home, self.bot, thread.channel.id);
        let all: Vec<&Thread> = home.threads.iter().filter(known).collect();
        Ok(self.list(&all, false))
    }

    fn list(&self, threads: &[&Thread], has_more: bool) -> Value {
        let members: Vec<Value> = threads.iter().filter_map(|thread| thread.member(self.bot)).collect();
        let threads: Vec<Value> = threads.iter().map(|thread| thread.as_object(self.bot)).collect();
        json!({ "threads": threads, "members": members, "has_more": has_more })
    }

    /// A thread that the bot may see.
    pub(crate) fn thread(&self, id: Id) -> Result<&Thread, ApiError> {
        self.require(id, 0)?;
        let thread = self.guild_of(id)?.and_then(|guild| guild.thread(id));
        thread.ok_or_else(|| ApiError::unknown(Unknown::Channel))
    }

    pub(crate) fn is_thread(&self, id: Id) -> bool {
        self.guild_of(id).ok().flatten().is_some_and(|guild| guild.thread(id).is_some())
    }

    fn enter(&mut self, id: Id, user: Id, now_ms: u64) -> Result<(), ApiError> {
        let thread = self.thread_mut(id)?;
        if thread.members.contains_key(&user) {
            return Ok(());
        }
        thread.members.insert(user, Stamp(now_ms));
        let guild = thread.channel.guild_id;
        let body = json!({
            "id": id, "guild_id": guild, "member_count": thread.members.len().min(SHOWN_MAX),
            "added_members": [thread.member(user)],
        });
        self.tell_of_members(guild, user, &body);
        Ok(())
    }

    /// Others come and go unheard by a bot without the member intent.
    fn tell_of_members(&mut self, guild: Id, user: Id, body: &Value) {
        if user == self.bot {
            self.outbox.bot_event("THREAD_MEMBERS_UPDATE", guild, body);
        } else {
            self.outbox.guild_event("THREAD_MEMBERS_UPDATE", guild, body);
        }
    }

    fn thread_mut(&mut self, id: Id) -> Result<&mut Thread, ApiError> {
        let unknown = || ApiError::unknown(Unknown::Channel);
        let guild = self.homes.get(&id).copied().ok_or_else(unknown)?;
        self.guild_mut(guild)?.threads.iter_mut().find(|thread| thread.channel.id == id).ok_or_else(unknown)
    }
}

impl ThreadEdit {
    fn apply(self, thread: &mut Thread, now_ms: u64) {
        if let Some(name) = self.name {
            thread.channel.name = name;
        }
        if let Some(archived) = self.archived.filter(|archived| *archived != thread.archived) {
            thread.archived = archived;
            thread.archive_changed = Stamp(now_ms);
        }
        thread.locked = self.locked.unwrap_or(thread.locked);
        thread.invitable = self.invitable.unwrap_or(thread.invitable);
        thread.archive_after = self.archive_after.unwrap_or(thread.archive_after);
        thread.channel.rate_limit_per_user = self.slow_mode_s.unwrap_or(thread.channel.rate_limit_per_user);
    }
}

fn archived() -> ApiError {
    ApiError::new(400, 50083, "Thread is archived")
}
