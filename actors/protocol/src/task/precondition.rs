//! What must hold before a run begins.

use crate::cache::{CacheView, CachedGuild};
use serenity::model::{
    Permissions,
    id::{GuildId, RoleId, UserId},
};

/// Something that must hold when a run is due. What does not hold makes the run skipped, with the reason; it is no
/// failure, and the next run is planned as ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The bot is ready.
    Ready,
    /// The bot is in this guild, and Discord reports no outage for it.
    Guild(GuildId),
    /// The bot has these permissions in this guild, by its roles.
    Permissions {
        /// The guild.
        guild: GuildId,
        /// All of these.
        needed: Permissions,
    },
}

impl Precondition {
    /// Why it does not hold, as one sentence without a full stop; none when it does. Without a `cache` nothing is known of
    /// any guild.
    pub fn unmet(&self, ready: bool, cache: Option<&dyn CacheView>) -> Option<String> {
        let known = |id: GuildId| cache.and_then(|cache| cache.guild(id));
        match *self {
            Self::Ready => (!ready).then(|| "the bot is not ready".to_owned()),
            Self::Guild(id) => match known(id) {
                None => Some(format!("the bot is not in guild {id}")),
                Some(guild) => guild.unavailable.then(|| format!("guild {id} is unavailable: Discord has an outage")),
            },
            Self::Permissions { guild: id, needed } => {
                let Some(guild) = known(id) else { return Some(format!("the bot is not in guild {id}")) };
                let own = cache.and_then(CacheView::own_id);
                let missing = needed - held(&guild, own);
                let names = missing.get_permission_names().join(", ");
                (!missing.is_empty()).then(|| format!("the bot lacks {names} in guild {id}"))
            }
        }
    }
}

/// What the bot may do in all of `guild`: its owner and administrators everything, else what its roles add up to.
fn held(guild: &CachedGuild, own: Option<UserId>) -> Permissions {
    let everyone = RoleId::new(guild.id.get());
    let has = |role: RoleId| role == everyone || guild.own_roles.contains(&role);
    let bits = guild.roles.iter().filter(|role| has(role.id)).fold(0, |bits, role| bits | role.permissions);
    let held = Permissions::from_bits_retain(bits);
    if own == Some(guild.owner_id) || held.administrator() { Permissions::all() } else { held }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheCounts, CachedRole};
    use std::sync::Arc;

    struct One(CachedGuild);

    impl CacheView for One {
        fn guild(&self, id: GuildId) -> Option<Arc<CachedGuild>> {
            (id == self.0.id).then(|| Arc::new(self.0.clone()))
        }
        fn guild_ids(&self) -> Vec<GuildId> {
            vec![self.0.id]
        }
        fn own_id(&self) -> Option<UserId> {
            Some(UserId::new(9))
        }
        fn own_name(&self) -> Option<Arc<str>> {
            None
        }
        fn counts(&self) -> CacheCounts {
            CacheCounts::default()
        }
    }

    fn guild() -> CachedGuild {
        let role = |id: u64, permissions: Permissions| CachedRole {
            id: RoleId::new(id),
            name: "r".into(),
            position: 1,
            permissions: permissions.bits(),
        };
        CachedGuild {
            id: GuildId::new(7),
            name: "g".into(),
            owner_id: UserId::new(1),
            member_count: 1,
            unavailable: false,
            roles: vec![role(7, Permissions::SEND_MESSAGES), role(8, Permissions::MANAGE_ROLES)].into(),
            channels: Arc::default(),
            own_roles: Arc::default(),
            emoji_count: 0,
        }
    }

    #[test]
    fn what_does_not_hold_says_why() {
        let here = Precondition::Guild(GuildId::new(7));
        let (send, manage) = (Permissions::SEND_MESSAGES, Permissions::MANAGE_ROLES);
        let needs = |needed| Precondition::Permissions { guild: GuildId::new(7), needed };
        let cache = One(guild());
        assert_eq!(Precondition::Ready.unmet(true, None), None);
        assert_eq!(Precondition::Ready.unmet(false, None).as_deref(), Some("the bot is not ready"));
        assert_eq!(here.unmet(true, Some(&cache)), None);
        assert_eq!(here.unmet(true, None).as_deref(), Some("the bot is not in guild 7"));
        let elsewhere = Precondition::Guild(GuildId::new(8));
        assert_eq!(elsewhere.unmet(true, Some(&cache)).as_deref(), Some("the bot is not in guild 8"));
        assert_eq!(needs(send).unmet(true, Some(&cache)), None);
        let lacking = needs(send | manage).unmet(true, Some(&cache));
        assert_eq!(lacking.as_deref(), Some("the bot lacks Manage Roles in guild 7"));
        let with_role = One(CachedGuild { own_roles: vec![RoleId::new(8)].into(), ..guild() });
        assert_eq!(needs(send | manage).unmet(true, Some(&with_role)), None);
        let owner = One(CachedGuild { owner_id: UserId::new(9), ..guild() });
        assert_eq!(needs(manage).unmet(true, Some(&owner)), None);
        let down = One(CachedGuild { unavailable: true, ..guild() });
        assert!(here.unmet(true, Some(&down)).unwrap().contains("outage"));
    }
}
