//! The stream: guilds and events as Discord writes them, made from a seed.
//!
//! Guilds have 50 members, 20 channels, 15 roles, 10 emojis and 20 presences (about 49 KB of JSON). Events come in fixed
//! shares: MESSAGE_CREATE 55 %, PRESENCE_UPDATE 20, TYPING_START 10, MESSAGE_REACTION_ADD 5, GUILD_MEMBER_UPDATE 5,
//! VOICE_STATE_UPDATE 3, MESSAGE_UPDATE 2; about 994 bytes on average.

use serde_json::{Value, json};

/// The user id of the bot that is measured.
pub const BOT: u64 = 900_000_000_000_000_000;
const MEMBERS: u64 = 50;
const CHANNELS: u64 = 20;
const ROLES: u64 = 15;
const EMOJIS: u64 = 10;
const PRESENCES: u64 = 20;
/// Ids of one guild's things follow the guild's own, this far apart from the next guild's.
const GUILD_STEP: u64 = 1 << 22;
const FIRST_GUILD: u64 = 100_000_000_000 * GUILD_STEP;
const WHEN: &str = "2026-01-01T12:00:00.123000+00:00";

/// A splitmix64 sequence: the same seed gives the same stream on every machine.
pub struct Random(u64);

impl Random {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn words(&mut self, letters: u64) -> String {
        const WORDS: [&str; 12] =
            ["the", "bot", "went", "over", "there", "and", "said", "something", "quite", "nice", "today", "ok"];
        let mut text = String::new();
        while (text.len() as u64) < letters {
            text.push_str(WORDS[usize::try_from(self.below(12)).unwrap_or(0)]);
            text.push(' ');
        }
        text
    }

    fn hash(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

/// The id of guild number `n`.
pub fn guild_id(n: u64) -> u64 {
    FIRST_GUILD + n * GUILD_STEP
}

fn text(id: u64) -> String {
    id.to_string()
}

fn user(id: u64, random: &mut Random) -> Value {
    json!({
        "id": text(id), "username": format!("somebody{}", id % 100_000), "discriminator": "0",
        "global_name": format!("Some Body {}", id % 1000), "avatar": random.hash(), "public_flags": 0,
        "avatar_decoration_data": null, "primary_guild": null,
    })
}

fn member(guild: u64, random: &mut Random) -> Value {
    json!({
        "roles": [text(guild + 101 + random.below(5)), text(guild + 106 + random.below(5))], "nick": null, "avatar": null,
        "joined_at": WHEN, "premium_since": null, "deaf": false, "mute": false, "pending": false, "flags": 0,
        "communication_disabled_until": null, "banner": null,
    })
}

fn presence(user: u64, guild: Option<u64>, random: &mut Random) -> Value {
    let mut presence = json!({
        "user": {"id": text(user)}, "status": "online", "client_status": {"desktop": "online"},
        "activities": [{
            "name": "A Game", "type": 0, "id": format!("{:x}", random.next()), "created_at": 1_767_000_000_000_u64,
            "details": random.words(if guild.is_some() { 20 } else { 60 }),
        }],
    });
    if let Some(guild) = guild {
        presence["guild_id"] = text(guild).into();
        presence["activities"][0]["state"] = random.words(60).into();
        presence["activities"][0]["timestamps"] = json!({"start": 1_767_000_000_000_u64});
        presence["activities"][0]["assets"] = json!({"large_image": random.hash(), "large_text": random.words(30)});
    }
    presence
}

/// The payload of GUILD_CREATE of guild number `n`.
pub fn guild(n: u64) -> String {
    let (id, mut random) = (guild_id(n), Random::new(n));
    let members: Vec<Value> = (0..MEMBERS)
        .map(|at| {
            let mut member = member(id, &mut random);
            member["user"] = user(if at == MEMBERS / 2 { BOT } else { member_id(n, at) }, &mut random);
            for more in ["accent_color", "banner", "clan", "collectibles", "display_name_styles"] {
                member["user"][more] = Value::Null;
            }
            member["user"]["bot"] = (at == MEMBERS / 2).into();
            member["user"]["system"] = false.into();
            member
        })
        .collect();
    let roles: Vec<Value> = (0..ROLES)
        .map(|at| {
            json!({
                "id": text(if at == 0 { id } else { id + 100 + at }), "name": format!("role number {at}"), "color": 0,
                "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null}, "hoist": false,
                "icon": null, "unicode_emoji": null, "position": at, "permissions": "1071698660929", "managed": false,
                "mentionable": false, "flags": 0,
            })
        })
        .collect();
    let channels: Vec<Value> = (0..CHANNELS)
        .map(|at| {
            json!({
                "id": text(id + 1 + at), "type": if at == 0 { 4 } else if at > 17 { 2 } else { 0 },
                "name": format!("channel-{at}"), "position": at, "nsfw": false, "topic": random.words(110),
                "parent_id": if at == 0 { Value::Null } else { text(id + 1).into() }, "rate_limit_per_user": 0,
                "last_message_id": text(id + 5000), "flags": 0,
                "permission_overwrites": [{"id": text(id + 101), "type": 0, "allow": "1024", "deny": "0"}],
            })
        })
        .collect();
    let emojis: Vec<Value> = (0..EMOJIS)
        .map(|at| {
            json!({
                "id": text(id + 500 + at), "name": format!("emoji_{at}"), "roles": [], "require_colons": true,
                "managed": false, "animated": false, "available": true,
            })
        })
        .collect();
    let presences: Vec<Value> = (0..PRESENCES).map(|at| presence(member_id(n, at), None, &mut random)).collect();
    json!({
        "id": text(id), "name": format!("A guild of friends, number {n}"), "icon": random.hash(), "splash": null,
        "owner_id": text(member_id(n, 0)), "region": "deprecated", "afk_timeout": 300, "afk_channel_id": null,
        "verification_level": 1, "default_message_notifications": 1, "explicit_content_filter": 2, "mfa_level": 0,
        "features": ["COMMUNITY", "NEWS"], "system_channel_id": text(id + 2), "system_channel_flags": 0,
        "rules_channel_id": null, "max_members": 500_000, "vanity_url_code": null, "description": null, "banner": null,
        "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US", "nsfw_level": 0,
        "public_updates_channel_id": null, "premium_progress_bar_enabled": false, "application_id": null,
        "roles": roles, "channels": channels, "emojis": emojis, "members": members, "presences": presences,
        "threads": [], "voice_states": [], "stickers": [], "stage_instances": [], "guild_scheduled_events": [],
        "soundboard_sounds": [], "member_count": MEMBERS, "large": false, "unavailable": false, "lazy": true,
        "joined_at": WHEN,
    })
    .to_string()
}

fn member_id(guild: u64, at: u64) -> u64 {
    500_000_000_000_000_000 + guild * MEMBERS + at
}

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Discord's name of its type.
    pub kind: &'static str,
    /// Its payload.
    pub data: String,
}

/// `count` events in `guilds` guilds. `commands` in a thousand messages are `!ping`.
pub fn stream(seed: u64, count: u64, guilds: u64, commands: u64) -> Vec<Event> {
    let mut random = Random::new(seed);
    (0..count).map(|at| event(at, guilds, commands, &mut random)).collect()
}

/// `count` messages that say `!ping`, in `guilds` guilds.
pub fn pings(seed: u64, count: u64, guilds: u64) -> Vec<Event> {
    let mut random = Random::new(seed);
    let ping = |at| {
        let n = at % guilds.max(1);
        let (guild, who) = (guild_id(n), member_id(n, random.below(MEMBERS / 2)));
        let member = member(guild, &mut random);
        let data = message(at, [guild, guild + 2 + random.below(16), who], true, member, &mut random);
        Event { kind: "MESSAGE_CREATE", data: data.to_string() }
    };
    (0..count).map(ping).collect()
}

fn event(at: u64, guilds: u64, commands: u64, random: &mut Random) -> Event {
    let n = random.below(guilds);
    let (guild, who) = (guild_id(n), member_id(n, random.below(MEMBERS / 2)));
    let channel = guild + 2 + random.below(17);
    let mut member = member(guild, random);
    let (kind, data) = match random.below(100) {
        0..55 => {
            let command = random.below(1000) < commands;
            ("MESSAGE_CREATE", message(at, [guild, channel, who], command, member, random))
        }
        55..75 => ("PRESENCE_UPDATE", presence(who, Some(guild), random)),
        75..85 => {
            member["user"] = user(who, random);
            let data = json!({
                "user_id": text(who), "channel_id": text(channel), "guild_id": text(guild), "timestamp": 1_767_000_000,
                "member": member,
            });
            ("TYPING_START", data)
        }
        85..90 => {
            member["user"] = user(who, random);
            let data = json!({
                "user_id": text(who), "channel_id": text(channel), "guild_id": text(guild), "type": 0, "burst": false,
                "message_id": text(guild + 5000 + at), "message_author_id": text(member_id(n, 3)), "member": member,
                "emoji": {"id": text(guild + 500), "name": "emoji_0", "animated": false}, "burst_colors": [],
            });
            ("MESSAGE_REACTION_ADD", data)
        }
        90..95 => {
            member["user"] = user(who, random);
            member["guild_id"] = text(guild).into();
            ("GUILD_MEMBER_UPDATE", member)
        }
        95..98 => {
            member["user"] = user(who, random);
            let data = json!({
                "user_id": text(who), "channel_id": text(guild + 19), "guild_id": text(guild), "member": member,
                "session_id": random.hash(), "deaf": false, "mute": false, "self_deaf": false, "self_mute": true,
                "self_video": false, "suppress": false, "request_to_speak_timestamp": null,
            });
            ("VOICE_STATE_UPDATE", data)
        }
        _ => {
            let mut data = message(at, [guild, channel, who], false, member, random);
            data["edited_timestamp"] = WHEN.into();
            ("MESSAGE_UPDATE", data)
        }
    };
    Event { kind, data: data.to_string() }
}

fn message(at: u64, [guild, channel, who]: [u64; 3], command: bool, member: Value, random: &mut Random) -> Value {
    let letters = 20 + random.below(560);
    let content = if command { "!ping".to_owned() } else { random.words(letters) };
    json!({
        "id": text(guild + 5000 + at), "channel_id": text(channel), "guild_id": text(guild), "content": content,
        "author": user(who, random), "member": member, "timestamp": WHEN, "edited_timestamp": null, "tts": false,
        "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "components": [], "pinned": false, "flags": 0, "nonce": text(random.next() >> 1), "type": 0,
        "channel_type": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_has_the_sizes_and_shares_that_the_figures_are_for() -> Result<(), std::num::TryFromIntError> {
        let events = stream(1, 20_000, 1000, 10);
        let bytes = events.iter().map(|event| event.data.len() + event.kind.len() + 40).sum::<usize>() / events.len();
        assert!((944..=1044).contains(&bytes), "{bytes} bytes on average");
        let share = |kind| events.iter().filter(|event| event.kind == kind).count() * 1000 / events.len();
        assert!((535..=565).contains(&share("MESSAGE_CREATE")), "{}", share("MESSAGE_CREATE"));
        assert!((185..=215).contains(&share("PRESENCE_UPDATE")), "{}", share("PRESENCE_UPDATE"));
        let commands = events.iter().filter(|event| event.data.contains("\"!ping\"")).count();
        assert!((50..=170).contains(&commands), "{commands} commands");
        let guild = guild(3).len();
        assert!((46_000..=52_000).contains(&guild), "{guild} bytes in a guild");
        Ok(())
    }

    #[test]
    fn the_same_seed_makes_the_same_stream() {
        let all = |seed| stream(seed, 50, 10, 10).into_iter().map(|event| event.data).collect::<Vec<_>>();
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
    }

    #[test]
    fn every_payload_is_what_the_decoder_expects() -> Result<(), crate::Failure> {
        for event in stream(1, 500, 10, 10) {
            let kind = protocol::EventKind::from_name(event.kind).ok_or("an unknown kind")?;
            gateway::decode::decode(kind, &event.data).map_err(|error| format!("{}: {error}", event.kind))?;
        }
        gateway::decode::decode(protocol::EventKind::GuildCreate, &guild(1))?;
        Ok(())
    }
}
