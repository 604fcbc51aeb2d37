//! Members as payloads write them.

use super::{Listing, Told};
use chrono::{DateTime, Utc};
use protocol::id::{GuildId, RoleId, UserId};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// A member in a list, or (with a guild) an event about one.
#[derive(Deserialize)]
pub(in crate::cache) struct Listed<'a> {
    pub(in crate::cache) guild_id: Option<GuildId>,
    #[serde(borrow)]
    user: Who<'a>,
    #[serde(default, borrow, deserialize_with = "told")]
    nick: Option<Option<Text<'a>>>,
    pub(in crate::cache) roles: Vec<RoleId>,
    joined_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "told")]
    communication_disabled_until: Option<Option<DateTime<Utc>>>,
    pending: Option<bool>,
    flags: Option<u64>,
}

#[derive(Deserialize)]
struct Who<'a> {
    id: UserId,
    #[serde(borrow)]
    username: Text<'a>,
    #[serde(default)]
    bot: bool,
}

impl Listed<'_> {
    pub(in crate::cache) fn user(&self) -> UserId {
        self.user.id
    }

    pub(in crate::cache) fn told(&self) -> Told<'_> {
        Told {
            user: self.user.id,
            name: &self.user.username.0,
            bot: self.user.bot,
            nick: self.nick.as_ref().map(|nick| nick.as_ref().map(|nick| &*nick.0)),
            roles: &self.roles,
            joined_at: self.joined_at,
            timeout_until: self.communication_disabled_until,
            pending: self.pending,
            flags: self.flags.map(|flags| (flags & u64::from(u16::MAX)) as u16),
        }
    }
}

/// GUILD_MEMBERS_CHUNK.
#[derive(Deserialize)]
pub(in crate::cache) struct Chunk<'a> {
    pub(in crate::cache) guild_id: GuildId,
    #[serde(borrow)]
    members: Vec<&'a RawValue>,
    #[serde(default)]
    pub(in crate::cache) not_found: Vec<UserId>,
}

impl Chunk<'_> {
    /// Those that can be read.
    pub(in crate::cache) fn members(&self) -> impl Iterator<Item = Listed<'_>> {
        self.members.iter().filter_map(|text| serde_json::from_str(text.get()).ok())
    }
}

/// Reads a guild's list of members into a listing, and gives the roles of one of them. A member that cannot be read is
/// left out: it is not known.
pub(in crate::cache) struct MemberList<'a, 'm> {
    pub(in crate::cache) listing: &'a mut Listing<'m>,
    pub(in crate::cache) own: Option<UserId>,
}

impl<'de> DeserializeSeed<'de> for MemberList<'_, '_> {
    type Value = Vec<RoleId>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<RoleId>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for MemberList<'_, '_> {
    type Value = Vec<RoleId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of members")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut members: S) -> Result<Vec<RoleId>, S::Error> {
        let mut own_roles = Vec::new();
        while let Some(text) = members.next_element::<&'de RawValue>()? {
            let Ok(member) = serde_json::from_str::<Listed<'_>>(text.get()) else { continue };
            self.listing.push(&member.told());
            if self.own == Some(member.user()) {
                own_roles = member.roles;
            }
        }
        Ok(own_roles)
    }
}

/// Borrowed where nothing in it is escaped, which serde's `Option<Cow>` never is.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Tells a field that is null from one that is not there.
fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
