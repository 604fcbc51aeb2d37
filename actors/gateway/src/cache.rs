//! The gateway's cache: guilds, roles, channels and counts, as snapshots that readers share without waiting.
//!
//! It reads its own slim view of each payload, so that a GUILD_CREATE costs one pass over its text and a few kilobytes,
//! not a tree of members and presences.

mod learn;
pub(crate) mod members;
pub(crate) mod saved;
mod slim;
#[cfg(test)]
mod tests;

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use members::Members;
use protocol::{
    EventKind, KindSet,
    cache::{CacheCounts, CacheView, CachedChannel, CachedGuild, CachedMember, CachedRole, GuildEmoji},
    id::{ChannelId, GuildId, RoleId, UserId},
};
use serenity::model::gateway::GatewayIntents;
use slim::{Channel, Emojis, GuildDelete, GuildSeed, GuildUpdate, Member, RoleDelete, RoleEvent, ThreadSync, User};
use std::sync::{Arc, OnceLock};

pub(crate) use slim::Ready;

/// What the gateway knows of the world. One writer per guild (its shard), any number of readers.
#[derive(Debug, Default)]
pub struct Cache {
    guilds: DashMap<GuildId, Arc<CachedGuild>>,
    /// Guilds that READY announced, or an outage took, and that have not come (back) yet.
    awaited: DashMap<GuildId, ()>,
    own: ArcSwapOption<Own>,
    /// Only if somebody asks for them.
    members: OnceLock<Members>,
}

/// What was read and is of use to others than the cache's readers.
#[derive(Debug)]
pub(crate) enum Passed {
    /// The emojis of a guild: read with it, kept by whoever is handed them.
    Emojis(GuildId, Vec<GuildEmoji>),
    /// Roles, a channel's overwrites or the bot's own roles have changed there.
    Permissions(GuildId),
}

#[derive(Debug)]
struct Own {
    id: UserId,
    name: Arc<str>,
}

impl Cache {
    const READS: KindSet = KindSet::of(&[
        EventKind::GuildCreate,
        EventKind::GuildUpdate,
        EventKind::GuildDelete,
        EventKind::GuildEmojisUpdate,
        EventKind::GuildRoleCreate,
        EventKind::GuildRoleUpdate,
        EventKind::GuildRoleDelete,
        EventKind::ChannelCreate,
        EventKind::ChannelUpdate,
        EventKind::ChannelDelete,
        EventKind::ThreadCreate,
        EventKind::ThreadUpdate,
        EventKind::ThreadDelete,
        EventKind::ThreadListSync,
        EventKind::GuildMemberAdd,
        EventKind::GuildMemberRemove,
        EventKind::GuildMemberUpdate,
        EventKind::UserUpdate,
    ]);

    /// Keeps members from now on, `max` of all guilds together. To be called before the first event, and only where
    /// Discord sends every member event (the intent GUILD_MEMBERS): what is kept without them would soon be wrong.
    pub(crate) fn keep_members(&self, max: usize) {
        self.members.get_or_init(|| Members::new(max));
    }

    /// From now on at most `max` members are kept, if any are; how many are known then.
    pub(crate) fn bound_members(&self, max: usize) -> Option<usize> {
        let members = self.members.get()?;
        members.bound(max);
        Some(members.len())
    }

    /// The event types it reads, whoever else subscribes to them.
    pub(crate) fn reads(&self) -> KindSet {
        match self.members.get() {
            Some(_) => Self::READS | KindSet::of(&[EventKind::GuildMembersChunk]),
            None => Self::READS,
        }
    }

    /// The intents it asks for. Member events need a privileged one: unless members are kept it takes those events where
    /// others asked for them; Discord sends GUILD_MEMBER_UPDATE for the bot itself in any case.
    pub(crate) fn intents(&self) -> GatewayIntents {
        match self.members.get() {
            Some(_) => GatewayIntents::GUILDS | GatewayIntents::GUILD_MEMBERS,
            None => GatewayIntents::GUILDS,
        }
    }

    /// Takes READY of one shard: who we are, and which guilds of that shard there are. Guilds that are no longer among
    /// them were left while the shard was away. Members of any may have changed: each guild is about to be told anew.
    pub(crate) fn ready(&self, ready: &Ready, shard: u32, total: u32) {
        self.own.store(Some(Arc::new(Own { id: ready.user.id, name: Arc::from(&*ready.user.username) })));
        let listed: std::collections::HashSet<GuildId> = ready.guilds.iter().map(|guild| guild.id).collect();
        if let Some(members) = self.members.get() {
            members.forget_where(|id| shard_of(id, total) == shard);
        }
        let left = |id: &GuildId| shard_of(*id, total) == shard && !listed.contains(id);
        self.guilds.retain(|id, _| !left(id));
        self.awaited.retain(|id, ()| !left(id));
        for id in listed.into_iter().filter(|id| !self.guilds.contains_key(id)) {
            self.awaited.insert(id, ());
        }
    }

    /// Takes one event. Kinds that it does not read change nothing. Gives what others have to be told of.
    ///
    /// # Errors
    /// What does not fit; the cache is then as before.
    pub(crate) fn apply(&self, kind: EventKind, data: &str) -> serde_json::Result<Option<Passed>> {
        match kind {
            EventKind::GuildCreate => return self.guild_create(data),
            EventKind::GuildUpdate => self.guild_update(serde_json::from_str(data)?),
            EventKind::GuildDelete => self.guild_delete(serde_json::from_str(data)?),
            EventKind::GuildEmojisUpdate => {
                let event: Emojis = serde_json::from_str(data)?;
                self.change(event.guild_id, |guild| guild.emoji_count = slim::count(&event.emojis));
            }
            EventKind::GuildRoleCreate | EventKind::GuildRoleUpdate => {
                let event: RoleEvent = serde_json::from_str(data)?;
                self.change(event.guild_id, |guild| put_role(guild, event.role.into()));
                return Ok(Some(Passed::Permissions(event.guild_id)));
            }
            EventKind::GuildRoleDelete => {
                let event: RoleDelete = serde_json::from_str(data)?;
                self.change(event.guild_id, |guild| remove_role(guild, event.role_id));
                if let Some(members) = self.members.get() {
                    members.forget_role(event.guild_id, event.role_id);
                }
                return Ok(Some(Passed::Permissions(event.guild_id)));
            }
            EventKind::ChannelCreate | EventKind::ChannelUpdate | EventKind::ThreadCreate | EventKind::ThreadUpdate => {
                return Ok(self.put_channel(serde_json::from_str(data)?));
            }
            EventKind::ChannelDelete | EventKind::ThreadDelete => {
                let channel: Channel = serde_json::from_str(data)?;
                if let Some(guild) = channel.guild_id {
                    self.change(guild, |guild| remove_channel(guild, channel.id));
                }
            }
            EventKind::ThreadListSync => self.thread_list_sync(serde_json::from_str(data)?),
            EventKind::GuildMemberAdd => {
                let guild = self.member_told(data)?.0;
                self.change(guild, |guild| guild.member_count = guild.member_count.saturating_add(1));
            }
            EventKind::GuildMemberRemove => {
                let member: Member<'_> = serde_json::from_str(data)?;
                self.change(member.guild_id, |guild| guild.member_count = guild.member_count.saturating_sub(1));
                if let Some(members) = self.members.get() {
                    members.remove(member.guild_id, member.user.id);
                }
            }
            EventKind::GuildMemberUpdate => {
                if let (guild, Some(roles)) = self.member_told(data)? {
                    self.change(guild, |guild| guild.own_roles = roles.into());
                    return Ok(Some(Passed::Permissions(guild)));
                }
            }
            EventKind::GuildMembersChunk => self.members_chunk(data)?,
            EventKind::UserUpdate => {
                let user: User = serde_json::from_str(data)?;
                self.own.store(Some(Arc::new(Own { id: user.id, name: Arc::from(user.username) })));
            }
            _ => {}
        }
        Ok(None)
    }

    fn guild_create(&self, data: &str) -> serde_json::Result<Option<Passed>> {
        let mut reader = serde_json::Deserializer::from_str(data);
        let mut listing = self.members.get().map(Members::listing);
        let seed = GuildSeed { own: self.own_id(), listing: listing.as_mut() };
        let read = serde::de::DeserializeSeed::deserialize(seed, &mut reader)?;
        reader.end()?;
        match read {
            slim::Created::Guild(guild, emojis) => {
                let id = guild.id;
                self.awaited.remove(&id);
                self.guilds.insert(id, Arc::new(guild));
                if let Some(listing) = listing {
                    listing.publish(id);
                }
                Ok(Some(Passed::Emojis(id, emojis)))
            }
            slim::Created::Unavailable(id) => {
                self.outage(id);
                Ok(None)
            }
        }
    }

    fn guild_update(&self, update: GuildUpdate) {
        self.change(update.id, |guild| {
            if let Some(name) = update.name {
                guild.name = name;
            }
            guild.owner_id = update.owner_id.unwrap_or(guild.owner_id);
            if let Some(roles) = update.roles {
                guild.roles = slim::roles(roles);
            }
            if let Some(emojis) = update.emojis {
                guild.emoji_count = slim::count(&emojis);
            }
        });
    }

    fn guild_delete(&self, gone: GuildDelete) {
        if gone.unavailable {
            self.outage(gone.id);
        } else {
            self.guilds.remove(&gone.id);
            self.awaited.remove(&gone.id);
            if let Some(members) = self.members.get() {
                members.forget(gone.id);
            }
        }
    }

    /// An outage is not a goodbye: what is known is kept.
    fn outage(&self, id: GuildId) {
        self.change(id, |guild| guild.unavailable = true);
        if !self.guilds.contains_key(&id) {
            self.awaited.insert(id, ());
        }
    }

    fn put_channel(&self, channel: Channel) -> Option<Passed> {
        let guild = channel.guild_id?;
        let (id, archived, inherits) = (channel.id, channel.is_archived(), channel.is_thread());
        self.change(guild, |guild| {
            if archived {
                remove_channel(guild, id); // Discord tells of it anew when somebody writes in it
            } else {
                put_channel(guild, Arc::new(channel.into()));
            }
        });
        (!inherits).then_some(Passed::Permissions(guild)) // a thread has its channel's
    }

    /// The active threads of some parents, or of all of the guild.
    fn thread_list_sync(&self, sync: ThreadSync) {
        self.change(sync.guild_id, |guild| {
            let synced = |channel: &CachedChannel| {
                slim::is_thread(channel.kind)
                    && sync.channel_ids.as_ref().is_none_or(|ids| channel.parent_id.is_some_and(|p| ids.contains(&p)))
            };
            let kept = guild.channels.iter().filter(|channel| !synced(channel)).cloned();
            let threads = sync.threads.into_iter().map(|thread| Arc::new(thread.into()));
            guild.channels = slim::sorted(kept.chain(threads).collect());
        });
    }

    /// Changes a known guild; readers keep the snapshot that they have.
    fn change(&self, id: GuildId, change: impl FnOnce(&mut CachedGuild)) {
        if let Some(mut guild) = self.guilds.get_mut(&id) {
            change(Arc::make_mut(guild.value_mut()));
        }
    }
}

impl CacheView for Cache {
    fn guild(&self, id: GuildId) -> Option<Arc<CachedGuild>> {
        self.guilds.get(&id).map(|guild| Arc::clone(&guild))
    }

    fn member(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        self.members.get()?.get(guild, user)
    }

    fn guild_ids(&self) -> Vec<GuildId> {
        self.guilds.iter().map(|entry| *entry.key()).collect()
    }

    fn own_id(&self) -> Option<UserId> {
        self.own.load().as_ref().map(|own| own.id)
    }

    fn own_name(&self) -> Option<Arc<str>> {
        self.own.load().as_ref().map(|own| Arc::clone(&own.name))
    }

    fn counts(&self) -> CacheCounts {
        let awaited = CacheCounts {
            unavailable_guilds: wide(self.awaited.len()),
            known_members: wide(self.members.get().map_or(0, Members::len)),
            ..CacheCounts::default()
        };
        self.guilds.iter().fold(awaited, |mut counts, guild| {
            match guild.unavailable {
                true => counts.unavailable_guilds += 1,
                false => counts.guilds += 1,
            }
            counts.channels += wide(guild.channels.len());
            counts.roles += wide(guild.roles.len());
            counts.members = counts.members.saturating_add(guild.member_count);
            counts
        })
    }
}

/// Discord's rule for which shard a guild is on.
pub(crate) fn shard_of(guild: GuildId, total: u32) -> u32 {
    let shard = (guild.get() >> 22) % u64::from(total.max(1));
    u32::try_from(shard).unwrap_or(u32::MAX) // less than `total`
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn put_role(guild: &mut CachedGuild, role: CachedRole) {
    let mut roles = guild.roles.to_vec();
    match roles.binary_search_by_key(&role.id, |known| known.id) {
        Ok(at) => roles[at] = role,
        Err(at) => roles.insert(at, role),
    }
    guild.roles = roles.into();
}

fn remove_role(guild: &mut CachedGuild, id: RoleId) {
    guild.roles = guild.roles.iter().filter(|role| role.id != id).cloned().collect();
    if guild.own_roles.contains(&id) {
        guild.own_roles = guild.own_roles.iter().copied().filter(|own| *own != id).collect();
    }
}

fn put_channel(guild: &mut CachedGuild, channel: Arc<CachedChannel>) {
    let mut channels = guild.channels.to_vec();
    match channels.binary_search_by_key(&channel.id, |known| known.id) {
        Ok(at) => channels[at] = channel,
        Err(at) => channels.insert(at, channel),
    }
    guild.channels = channels.into();
}

fn remove_channel(guild: &mut CachedGuild, id: ChannelId) {
    // The threads of a deleted channel go with it, and Discord does not say so.
    guild.channels =
        guild.channels.iter().filter(|known| known.id != id && !is_thread_of(known, id)).cloned().collect();
}

fn is_thread_of(channel: &CachedChannel, parent: ChannelId) -> bool {
    channel.parent_id == Some(parent) && slim::is_thread(channel.kind)
}
