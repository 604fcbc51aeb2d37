//! The cache as it can be written down: the one place that knows how. Whoever changes what a guild holds changes the
//! rows here and raises [`FORMAT`].
//!
//! Members are not written down. They would be most of the file, and a process that takes over knows nobody rather than
//! somebody wrongly: it learns them from the events that follow, the replayed ones first.

use super::{Cache, Own, shard_of};
use protocol::{
    cache::{CacheView, CachedChannel, CachedGuild, CachedRole},
    id::{ChannelId, GuildId, RoleId, UserId},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeSeq};
use serenity::model::{
    Permissions,
    channel::{ChannelType, PermissionOverwrite, PermissionOverwriteType},
};
use std::{num::NonZeroU64, sync::Arc};

/// Which rows are written. A reader of another number takes none of them.
pub(crate) const FORMAT: u32 = 1;

/// What the cache held at one moment; the guilds are shared with it, not copied.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SavedCache {
    own: Option<(NonZeroU64, Box<str>)>,
    awaited: Vec<NonZeroU64>,
    #[serde(serialize_with = "write_guilds", deserialize_with = "read_guilds")]
    guilds: Vec<Arc<CachedGuild>>,
}

impl Cache {
    /// What the cache holds of the guilds that `keep` says.
    pub(crate) fn save(&self, keep: impl Fn(GuildId) -> bool) -> SavedCache {
        let own = self.own.load();
        SavedCache {
            own: own.as_ref().map(|own| (own.id.into(), Box::from(&*own.name))),
            awaited: self.awaited.iter().map(|entry| *entry.key()).filter(|id| keep(*id)).map(Into::into).collect(),
            guilds: self.guild_ids().into_iter().filter(|id| keep(*id)).filter_map(|id| self.guild(id)).collect(),
        }
    }

    /// Takes what was written down of the guilds that `keep` says. Returns how many guilds that were.
    pub(crate) fn restore(&self, saved: SavedCache, keep: impl Fn(GuildId) -> bool) -> usize {
        if let Some((id, name)) = saved.own {
            self.own.store(Some(Arc::new(Own { id: UserId::from(id), name: Arc::from(name) })));
        }
        for id in saved.awaited.into_iter().map(GuildId::from).filter(|id| keep(*id)) {
            self.awaited.insert(id, ());
        }
        let mut restored = 0;
        for guild in saved.guilds.into_iter().filter(|guild| keep(guild.id)) {
            self.guilds.insert(guild.id, guild);
            restored += 1;
        }
        restored
    }

    /// Forgets the guilds of one shard: what was restored for it turned out to be of no session.
    pub(crate) fn forget_shard(&self, shard: u32, total: u32) {
        self.guilds.retain(|id, _| shard_of(*id, total) != shard);
        self.awaited.retain(|id, ()| shard_of(*id, total) != shard);
        if let Some(members) = self.members.get() {
            members.forget_where(|id| shard_of(id, total) == shard);
        }
    }
}

type RoleRow<'a> = (NonZeroU64, &'a str, u16, u64);
/// Kind (0 role, 1 member), id, allow, deny.
type OverwriteRow = (u8, NonZeroU64, u64, u64);
type ChannelRow<'a> = (NonZeroU64, &'a str, u8, Option<NonZeroU64>, Vec<OverwriteRow>);
type ReadRole = (NonZeroU64, Box<str>, u16, u64);
type ReadChannel = (NonZeroU64, Box<str>, u8, Option<NonZeroU64>, Vec<OverwriteRow>);
/// Id, name, owner, members, unavailable, roles, channels, own roles, emojis.
type ReadGuild = (NonZeroU64, Box<str>, NonZeroU64, u64, bool, Vec<ReadRole>, Vec<ReadChannel>, Vec<NonZeroU64>, u32);

fn write_guilds<S: Serializer>(guilds: &[Arc<CachedGuild>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut rows = serializer.serialize_seq(Some(guilds.len()))?;
    for guild in guilds {
        let roles: Vec<RoleRow<'_>> =
            guild.roles.iter().map(|role| (role.id.into(), &*role.name, role.position, role.permissions)).collect();
        let channels: Vec<ChannelRow<'_>> = guild.channels.iter().map(|channel| channel_row(channel)).collect();
        let own: Vec<NonZeroU64> = guild.own_roles.iter().copied().map(Into::into).collect();
        rows.serialize_element(&(
            NonZeroU64::from(guild.id),
            &*guild.name,
            NonZeroU64::from(guild.owner_id),
            guild.member_count,
            guild.unavailable,
            roles,
            channels,
            own,
            guild.emoji_count,
        ))?;
    }
    rows.end()
}

fn channel_row(channel: &CachedChannel) -> ChannelRow<'_> {
    let overwrites = channel.overwrites.iter().filter_map(|overwrite| {
        let (kind, id) = match overwrite.kind {
            PermissionOverwriteType::Role(id) => (0, id.into()),
            PermissionOverwriteType::Member(id) => (1, id.into()),
            _ => return None, // it cannot matter to a permission check
        };
        Some((kind, id, overwrite.allow.bits(), overwrite.deny.bits()))
    });
    let parent = channel.parent_id.map(Into::into);
    (channel.id.into(), &channel.name, channel.kind.into(), parent, overwrites.collect())
}

fn read_guilds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<CachedGuild>>, D::Error> {
    let rows = Vec::<ReadGuild>::deserialize(deserializer)?;
    rows.into_iter().map(|row| guild(row).map(Arc::new).map_err(D::Error::custom)).collect()
}

fn guild(row: ReadGuild) -> Result<CachedGuild, &'static str> {
    let (id, name, owner_id, member_count, unavailable, roles, channels, own_roles, emoji_count) = row;
    let roles: Vec<CachedRole> = roles
        .into_iter()
        .map(|(id, name, position, permissions)| CachedRole { id: id.into(), name, position, permissions })
        .collect();
    let channels: Vec<Arc<CachedChannel>> = channels.into_iter().map(|row| Arc::new(channel(row))).collect();
    // Readers search both by id: what is out of order would be there and not be found.
    if !roles.is_sorted_by_key(|role| role.id) || !channels.is_sorted_by_key(|channel| channel.id) {
        return Err("roles or channels are not in order");
    }
    Ok(CachedGuild {
        id: id.into(),
        name,
        owner_id: owner_id.into(),
        member_count,
        unavailable,
        roles: roles.into(),
        channels: channels.into(),
        own_roles: own_roles.into_iter().map(RoleId::from).collect(),
        emoji_count,
    })
}

fn channel((id, name, kind, parent, overwrites): ReadChannel) -> CachedChannel {
    let overwrites = overwrites.into_iter().map(|(kind, id, allow, deny)| PermissionOverwrite {
        allow: Permissions::from_bits_truncate(allow),
        deny: Permissions::from_bits_truncate(deny),
        kind: match kind {
            0 => PermissionOverwriteType::Role(id.into()),
            _ => PermissionOverwriteType::Member(id.into()),
        },
    });
    let parent_id = parent.map(ChannelId::from);
    CachedChannel { id: id.into(), name, kind: ChannelType::from(kind), parent_id, overwrites: overwrites.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::EventKind;
    use serde_json::json;

    fn filled(guilds: impl IntoIterator<Item = u64>) -> Cache {
        let cache = Cache::default();
        let ready = json!({
            "user": {"id": "900", "username": "bot"}, "guilds": [{"id": "8388608"}, {"id": "4194305"}],
            "session_id": "s", "resume_gateway_url": "wss://r",
        });
        cache.ready(&serde_json::from_value(ready).unwrap(), 0, 1);
        for id in guilds {
            let data = json!({
                "id": id.to_string(), "name": "Gu\"ild", "owner_id": "7", "member_count": 3,
                "roles": [{"id": "5", "name": "r", "position": 2, "permissions": "8"},
                    {"id": "4", "name": "q", "position": 1, "permissions": "0"}],
                "channels": [{"id": "9", "type": 0, "name": "c", "parent_id": "8", "permission_overwrites": [
                    {"id": "5", "type": 0, "allow": "1024", "deny": "0"},
                    {"id": "6", "type": 1, "allow": "0", "deny": "2048"}]}, {"id": "8", "type": 200, "name": "odd"}],
                "emojis": [{"id": "1", "name": "e"}], "members": [{"user": {"id": "900"}, "roles": ["5"]}],
            });
            cache.apply(EventKind::GuildCreate, &data.to_string()).unwrap();
        }
        cache
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let cache = filled([4_194_304]);
        let text = serde_json::to_string(&cache.save(|_| true)).unwrap();
        let next = Cache::default();
        assert_eq!(next.restore(serde_json::from_str(&text).unwrap(), |_| true), 1);
        let guild = |cache: &Cache| format!("{:?}", cache.guild(GuildId::new(4_194_304)).unwrap());
        assert_eq!(guild(&next), guild(&cache));
        assert_eq!((next.own_id(), next.own_name()), (cache.own_id(), cache.own_name()));
        assert_eq!(next.counts(), cache.counts());
        assert_eq!(next.counts().unavailable_guilds, 2, "guilds that had not come yet are still awaited");
        let bytes = text.len();
        println!("{bytes} bytes for a guild of 2 roles and 2 channels");
    }

    #[test]
    fn only_the_shards_that_are_asked_for_are_kept_and_forgotten() {
        let cache = filled([4_194_304, 8_388_609]);
        let first = |id| shard_of(id, 2) == 1;
        let next = Cache::default();
        assert_eq!(next.restore(cache.save(|_| true), first), 1);
        assert_eq!(next.guild_ids(), [GuildId::new(4_194_304)]);
        assert_eq!(next.counts().unavailable_guilds, 1);
        assert_eq!(cache.save(first).guilds.len(), 1);
        cache.forget_shard(0, 2);
        assert_eq!(cache.guild_ids(), [GuildId::new(4_194_304)]);
    }

    #[test]
    fn rows_that_readers_could_not_search_are_refused() {
        let text = serde_json::to_string(&filled([4_194_304]).save(|_| true)).unwrap();
        let swapped = text.replacen("[4,\"q\"", "[6,\"q\"", 1);
        assert_ne!(swapped, text);
        assert!(serde_json::from_str::<SavedCache>(&swapped).is_err());
        assert!(serde_json::from_str::<SavedCache>(&text.replacen("[4,\"q\"", "[0,\"q\"", 1)).is_err(), "no id is 0");
    }

    /// What a stop costs: a thousand guilds of 20 channels and 15 roles.
    #[test]
    fn a_thousand_guilds_are_written_and_read() {
        let cache = Cache::default();
        for nth in 1..=1_000u64 {
            let id = |low: u64| (nth << 22 | low).to_string();
            let role = |low| json!({"id": id(low), "name": "a role", "position": low, "permissions": "1071698660929"});
            let channel = |low| {
                let everyone = json!({"id": id(0), "type": 0, "allow": "0", "deny": "1024"});
                json!({"id": id(low), "type": 0, "name": "a-channels-name", "permission_overwrites": [everyone]})
            };
            let data = json!({
                "id": id(0), "name": "a guild's name", "owner_id": "7", "member_count": 50,
                "roles": (0..15).map(role).collect::<Vec<_>>(),
                "channels": (100..120).map(channel).collect::<Vec<_>>(),
            });
            cache.apply(EventKind::GuildCreate, &data.to_string()).unwrap();
        }
        let start = std::time::Instant::now();
        let text = serde_json::to_vec(&cache.save(|_| true)).unwrap();
        let (written, start) = (start.elapsed(), std::time::Instant::now());
        let next = Cache::default();
        assert_eq!(next.restore(serde_json::from_slice(&text).unwrap(), |_| true), 1_000);
        println!(
            "1,000 guilds: {} bytes each, written in {written:?}, read in {:?}",
            text.len() / 1_000,
            start.elapsed()
        );
        assert_eq!(next.counts(), cache.counts());
        assert!(text.len() < 5_000_000, "{}", text.len());
    }
}
