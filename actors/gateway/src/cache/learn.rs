//! What events tell of members.

use super::{
    Cache,
    members::{Chunk, Listed, Told},
    slim::Member,
};
use chrono::DateTime;
use protocol::{
    Event,
    cache::CacheView as _,
    id::{GuildId, RoleId},
};
use serenity::model::{Timestamp, application::Interaction, channel::Message, guild};

impl Cache {
    /// A member has come or changed. Gives the guild, and if it is the bot itself its roles.
    pub(super) fn member_told(&self, data: &str) -> serde_json::Result<(GuildId, Option<Vec<RoleId>>)> {
        let Some(members) = self.members.get() else {
            let member: Member<'_> = serde_json::from_str(data)?;
            let own = self.own_id() == Some(member.user.id);
            return Ok((member.guild_id, if own { Some(member.roles()?) } else { None }));
        };
        let member = match serde_json::from_str::<Listed<'_>>(data) {
            Ok(member) => member,
            Err(error) => {
                // What is known of it is out of date now.
                if let Ok(member) = serde_json::from_str::<Member<'_>>(data) {
                    members.remove(member.guild_id, member.user.id);
                }
                return Err(error);
            }
        };
        let guild = member.guild_id.ok_or_else(|| serde::de::Error::missing_field("guild_id"))?;
        if self.guilds.contains_key(&guild) {
            members.put(guild, &member.told());
        }
        Ok((guild, (self.own_id() == Some(member.user())).then_some(member.roles)))
    }

    pub(super) fn members_chunk(&self, data: &str) -> serde_json::Result<()> {
        let Some(members) = self.members.get() else { return Ok(()) };
        let chunk: Chunk<'_> = serde_json::from_str(data)?;
        if self.guilds.contains_key(&chunk.guild_id) {
            for member in chunk.members() {
                members.put(chunk.guild_id, &member.told());
            }
            chunk.not_found.iter().for_each(|user| members.remove(chunk.guild_id, *user));
        }
        Ok(())
    }

    /// An event that was decoded for others tells who wrote a message or called a command.
    pub(crate) fn met(&self, event: &Event) {
        let Some(members) = self.members.get() else { return };
        let told = match event {
            Event::MessageCreate(created) => author(&created.message),
            Event::InteractionCreate(created) => match &created.interaction {
                Interaction::Command(command) => command.member.as_deref().map(caller),
                _ => None,
            },
            _ => None,
        };
        if let Some((guild, told)) = told
            && self.guilds.contains_key(&guild)
        {
            members.learn(guild, &told);
        }
    }
}

/// A message does not tell a member's flags.
fn author(message: &Message) -> Option<(GuildId, Told<'_>)> {
    let (guild, member) = (message.guild_id?, message.member.as_ref()?);
    let told = Told {
        user: message.author.id,
        name: &message.author.name,
        bot: message.author.bot,
        nick: Some(member.nick.as_deref()),
        roles: &member.roles,
        joined_at: member.joined_at.and_then(second),
        timeout_until: Some(None), // or it could not have written
        pending: Some(member.pending),
        flags: None,
    };
    message.webhook_id.is_none().then_some((guild, told))
}

fn caller(member: &guild::Member) -> (GuildId, Told<'_>) {
    let told = Told {
        user: member.user.id,
        name: &member.user.name,
        bot: member.user.bot,
        nick: Some(member.nick.as_deref()),
        roles: &member.roles,
        joined_at: member.joined_at.and_then(second),
        timeout_until: Some(member.communication_disabled_until.and_then(second)),
        pending: Some(member.pending),
        flags: Some((member.flags.bits() & u32::from(u16::MAX)) as u16),
    };
    (member.guild_id, told)
}

fn second(at: Timestamp) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp(at.unix_timestamp(), 0)
}
