//! A member's permissions in a channel, computed from the cache as Discord computes them.

use protocol::cache::{CachedChannel, CachedGuild};
use serenity::model::{
    Permissions,
    channel::PermissionOverwriteType,
    id::{ChannelId, RoleId, UserId},
};
use std::cmp::Reverse;

/// What `user` with `roles` may do in `channel` of `guild`. The owner and administrators may do everything. Overwrites
/// apply in Discord's order: everyone, then the roles together (allow wins), then the member. A channel that is not
/// cached gives the guild-wide permissions.
pub fn in_channel(guild: &CachedGuild, channel: ChannelId, user: UserId, roles: &[RoleId]) -> Permissions {
    if guild.owner_id == user {
        return Permissions::all();
    }
    let everyone = RoleId::new(guild.id.get());
    let held = |role: RoleId| role == everyone || roles.contains(&role);
    let bits = guild.roles.iter().filter(|role| held(role.id)).fold(0, |bits, role| bits | role.permissions);
    let base = Permissions::from_bits_retain(bits);
    if base.administrator() {
        return Permissions::all();
    }
    overwritten(guild, channel).map_or(base, |channel| apply(base, channel, everyone, user, roles))
}

/// Whether `one` may act on `other` as far as ranks go (kick, ban, time out, change nickname or roles), each with their
/// roles: Discord compares the highest roles, of two in one position the one with the lower id is higher; the owner is above
/// everybody, and nobody is above themselves.
pub fn outranks(guild: &CachedGuild, one: (UserId, &[RoleId]), other: (UserId, &[RoleId])) -> bool {
    let rank = |roles: &[RoleId]| {
        let held = guild.roles.iter().filter(|role| roles.contains(&role.id));
        held.map(|role| (role.position, Reverse(role.id))).max()
    };
    one.0 != other.0 && other.0 != guild.owner_id && (one.0 == guild.owner_id || rank(one.1) > rank(other.1))
}

/// The channel whose overwrites count: a thread has none of its own.
fn overwritten(guild: &CachedGuild, id: ChannelId) -> Option<&CachedChannel> {
    let find = |id: ChannelId| guild.channels.binary_search_by_key(&id, |c| c.id).ok().map(|at| &*guild.channels[at]);
    let channel = find(id)?;
    let thread = channel.overwrites.is_empty() && is_thread(channel);
    if thread { channel.parent_id.and_then(find) } else { Some(channel) }
}

fn is_thread(channel: &CachedChannel) -> bool {
    use serenity::model::channel::ChannelType::{NewsThread, PrivateThread, PublicThread};
    matches!(channel.kind, NewsThread | PublicThread | PrivateThread)
}

fn apply(base: Permissions, channel: &CachedChannel, everyone: RoleId, user: UserId, roles: &[RoleId]) -> Permissions {
    let mut result = base;
    let (mut allow, mut deny) = (Permissions::empty(), Permissions::empty());
    let mut own = None;
    for overwrite in &channel.overwrites {
        match overwrite.kind {
            PermissionOverwriteType::Role(role) if role == everyone => {
                result = (result - overwrite.deny) | overwrite.allow;
            }
            PermissionOverwriteType::Role(role) if roles.contains(&role) => {
                allow |= overwrite.allow;
                deny |= overwrite.deny;
            }
            PermissionOverwriteType::Member(member) if member == user => own = Some(overwrite),
            _ => {}
        }
    }
    result = (result - deny) | allow;
    own.map_or(result, |own| (result - own.deny) | own.allow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::cache::CachedRole;
    use serenity::model::{
        channel::{ChannelType, PermissionOverwrite},
        id::GuildId,
    };
    use std::sync::Arc;

    const USER: UserId = UserId::new(7);
    const MODS: RoleId = RoleId::new(20);
    const MUTED: RoleId = RoleId::new(30);
    const SEND: Permissions = Permissions::SEND_MESSAGES;

    fn role(id: u64, permissions: Permissions) -> CachedRole {
        CachedRole { id: RoleId::new(id), name: "r".into(), position: 1, permissions: permissions.bits() }
    }

    fn overwrite(kind: PermissionOverwriteType, allow: Permissions, deny: Permissions) -> PermissionOverwrite {
        PermissionOverwrite { allow, deny, kind }
    }

    fn channel(id: u64, kind: ChannelType, parent: Option<u64>, all: Vec<PermissionOverwrite>) -> Arc<CachedChannel> {
        Arc::new(CachedChannel {
            id: ChannelId::new(id),
            name: "c".into(),
            kind,
            parent_id: parent.map(ChannelId::new),
            overwrites: all.into(),
        })
    }

    fn guild(channels: Vec<Arc<CachedChannel>>) -> CachedGuild {
        CachedGuild {
            id: GuildId::new(10),
            name: "g".into(),
            owner_id: UserId::new(1),
            member_count: 2,
            unavailable: false,
            roles: vec![
                role(10, SEND),
                role(20, Permissions::MANAGE_GUILD),
                role(30, Permissions::empty()),
                role(40, Permissions::ADMINISTRATOR),
            ]
            .into(),
            channels: channels.into(),
            own_roles: Arc::from([]),
            emoji_count: 0,
        }
    }

    #[test]
    fn roles_add_up_and_everyone_is_always_held() {
        let guild = guild(vec![]);
        let here = ChannelId::new(5);
        assert_eq!(in_channel(&guild, here, USER, &[]), SEND);
        assert_eq!(in_channel(&guild, here, USER, &[MODS]), SEND | Permissions::MANAGE_GUILD);
        assert_eq!(in_channel(&guild, here, USER, &[RoleId::new(40)]), Permissions::all());
        assert_eq!(in_channel(&guild, here, UserId::new(1), &[]), Permissions::all());
        assert_eq!(in_channel(&guild, here, USER, &[RoleId::new(77)]), SEND, "an unknown role gives nothing");
    }

    #[test]
    fn overwrites_apply_as_everyone_then_roles_then_member() {
        use PermissionOverwriteType::{Member, Role};
        let none = Permissions::empty();
        let rows = [
            (vec![overwrite(Role(RoleId::new(10)), none, SEND)], none),
            (vec![overwrite(Role(RoleId::new(10)), none, SEND), overwrite(Role(MODS), SEND, none)], SEND),
            (vec![overwrite(Role(MUTED), none, SEND), overwrite(Role(MODS), SEND, none)], SEND),
            (vec![overwrite(Member(USER), none, SEND), overwrite(Role(MODS), SEND, none)], none),
            (vec![overwrite(Member(UserId::new(8)), none, SEND)], SEND),
        ];
        for (overwrites, expected) in rows {
            let text = format!("{overwrites:?}");
            let guild = guild(vec![channel(5, ChannelType::Text, None, overwrites)]);
            let has = in_channel(&guild, ChannelId::new(5), USER, &[MODS, MUTED]);
            assert_eq!(has - Permissions::MANAGE_GUILD, expected, "{text}");
        }
    }

    #[test]
    fn the_higher_role_outranks_and_the_owner_everybody() {
        let mut guild = guild(vec![]);
        let positions = [(10, 0), (20, 3), (30, 3), (40, 9)];
        guild.roles = positions
            .map(|(id, position)| CachedRole { position, ..role(id, Permissions::empty()) })
            .into_iter()
            .collect();
        let (owner, other) = (guild.owner_id, UserId::new(8));
        let [low, high] = [[RoleId::new(30)], [RoleId::new(40)]];
        let above = |one, other| outranks(&guild, one, other);
        assert!(above((USER, &high), (other, &low)) && !above((other, &low), (USER, &high)));
        assert!(above((USER, &[MODS]), (other, &low)), "of one position the lower id is higher");
        assert!(!above((USER, &low), (other, &low)), "equals are not above each other");
        assert!(above((USER, &low), (other, &[])) && !above((USER, &[]), (other, &[])));
        assert!(above((owner, &[]), (USER, &high)) && !above((USER, &high), (owner, &[])));
        assert!(!above((owner, &[]), (owner, &[])) && !above((USER, &high), (USER, &low)));
        assert!(!above((USER, &[RoleId::new(77)]), (other, &[])), "a role that is gone gives no rank");
    }

    #[test]
    fn a_thread_follows_its_channel() {
        let deny = overwrite(PermissionOverwriteType::Role(RoleId::new(10)), Permissions::empty(), SEND);
        let parent = channel(5, ChannelType::Text, None, vec![deny]);
        let guild = guild(vec![parent, channel(6, ChannelType::PublicThread, Some(5), vec![])]);
        assert_eq!(in_channel(&guild, ChannelId::new(6), USER, &[]), Permissions::empty());
    }
}
