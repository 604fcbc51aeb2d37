//! Payloads of every kind that the gateway sends, made by a small world of their own.

use std::sync::Arc;

use serde_json::json;

use crate::config::{SandboxConfig, SandboxError};
use crate::gateway::line::Outgoing;
use crate::seed;
use crate::shared::State;
use crate::world::command::Stamper;
use crate::world::draft::{Draft, Edit};
use crate::world::expressions::Shelf;
use crate::world::invoke::Invocation;
use crate::world::message::ReactionEmoji;

/// The time at which everything happens: the payloads are the same in every run.
const NOW_MS: u64 = 1_750_000_000_000;

/// Frames as a bot would get them that identifies with every intent and sees all that can happen.
pub(crate) fn frames() -> Vec<String> {
    // Nothing in it depends on anything from outside, so that it never fails; if it did, the corpus would be
    // shorter, which a test would notice.
    tour().unwrap_or_default()
}

fn tour() -> Result<Vec<String>, SandboxError> {
    let config = SandboxConfig {
        guilds: 1,
        members_per_guild: 6,
        roles_per_guild: 2,
        channels_per_guild: 2,
        emojis_per_guild: 2,
        ..SandboxConfig::default()
    };
    let world = seed::world(&config)?;
    let mut state = State::new(Arc::new(config), world, "ws://127.0.0.1:1".to_owned());
    state.now_ms = NOW_MS;
    let (connection, ..) = state.hub.open();
    state.hello(connection);
    let properties = json!({ "os": "linux", "browser": "corpus", "device": "corpus" });
    let identify = json!({ "token": state.config.token, "intents": state.config.allowed_intents,
        "properties": properties });
    state.frame(connection, &json!({ "op": 2, "d": identify }).to_string());
    let mut frames = Vec::new();
    drain(&mut state, connection, &mut frames);
    events(&mut state)?;
    let guild = state.world.default_guild;
    let ask = |data| json!({ "op": 8, "d": data }).to_string();
    for presences in [true, false] {
        let data = json!({ "guild_id": guild, "query": "", "limit": 0, "presences": presences, "nonce": "n" });
        state.frame(connection, &ask(data)); // the second one comes too soon
        drain(&mut state, connection, &mut frames);
    }
    state.frame(connection, &json!({ "op": 1, "d": 1 }).to_string());
    for (op, data) in [(1, json!(null)), (7, json!(null)), (9, json!(true)), (9, json!(false))] {
        state.hub.send_op(connection, op, &data);
    }
    state.world.lose_guild(guild, true)?;
    state.settle();
    drain(&mut state, connection, &mut frames);
    Ok(frames)
}

fn events(state: &mut State) -> Result<(), SandboxError> {
    let (guild, channel, alice) = (state.world.default_guild, state.world.default_channel, state.world.owner);
    let bob = state.present(guild, "bob")?;
    let dave = state.present(guild, "dave")?;
    let world = &mut state.world;
    let posted = world.post(alice, channel, Draft::text(&format!("hello <@{}> \u{1f44b}", bob.0)), NOW_MS)?;
    let message = posted.message.id;
    world.react(alice, channel, message, ReactionEmoji::parse("🔥"), true)?;
    world.react(alice, channel, message, ReactionEmoji::parse("🔥"), false)?;
    world.edit(channel, message, Edit::parse(&json!({ "content": "changed" }), Vec::new())?, NOW_MS)?;
    world.typing(bob, channel, NOW_MS)?;
    let direct = world.direct_channel(alice, NOW_MS)?;
    world.post(alice, direct, Draft::text("between us"), NOW_MS)?;
    world.add_emoji(Shelf::Guild(guild), "party", alice, NOW_MS)?;
    world.announce_presence(guild, bob, "idle")?;
    world.announce_member(guild, bob)?;
    world.leave(guild, dave)?;
    if let Some(role) = world.guild(guild)?.role_named("moderators").map(|role| role.id) {
        world.set_role_permissions(guild, role, 8)?;
    }
    let option = json!({ "type": 6, "name": "who", "description": "Whom", "required": true });
    let command = json!({ "name": "greet", "description": "Says hello", "options": [option] });
    let mut stamper = Stamper { ids: &mut world.ids, application: world.application, now_ms: NOW_MS };
    world.commands.upsert(None, &command, &mut stamper)?;
    let options = [("who".to_owned(), json!("bob"))];
    for focused in [None, Some("who")] {
        let invocation = Invocation { user: alice, guild, channel, command: "greet", options: &options, focused };
        world.invoke(&invocation, NOW_MS)?;
    }
    world.delete(channel, message)?;
    state.settle();
    Ok(())
}

/// Takes frames until there are none: READY, the greetings and members come one batch after the other.
fn drain(state: &mut State, connection: u64, frames: &mut Vec<String>) {
    loop {
        let batch = state.hub.take(connection, &state.world, &mut state.journal, &mut None, state.now_ms);
        if batch.frames.is_empty() {
            return;
        }
        frames.extend(batch.frames.into_iter().filter_map(|frame| match frame {
            Outgoing::Text(frame) => Some(frame.text.as_str().to_owned()),
            Outgoing::Binary(_) | Outgoing::Close(_) | Outgoing::Cut => None,
        }));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_corpus_has_every_kind_of_payload_and_is_always_the_same() {
        let made = frames();
        assert_eq!(made, frames());
        let mut names: Vec<String> = made
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap())
            .map(|frame| frame["t"].as_str().map_or_else(|| frame["op"].to_string(), str::to_owned))
            .collect();
        names.sort_unstable();
        names.dedup();
        let expected = [
            "1",
            "10",
            "11",
            "7",
            "9",
            "GUILD_CREATE",
            "GUILD_DELETE",
            "GUILD_EMOJIS_UPDATE",
            "GUILD_MEMBERS_CHUNK",
            "GUILD_MEMBER_ADD",
            "GUILD_MEMBER_REMOVE",
            "GUILD_MEMBER_UPDATE",
            "GUILD_ROLE_UPDATE",
            "INTERACTION_CREATE",
            "MESSAGE_CREATE",
            "MESSAGE_DELETE",
            "MESSAGE_REACTION_ADD",
            "MESSAGE_REACTION_REMOVE",
            "MESSAGE_UPDATE",
            "PRESENCE_UPDATE",
            "RATE_LIMITED",
            "READY",
            "TYPING_START",
        ];
        for name in expected {
            assert!(names.iter().any(|made| made == name), "{name} is not among {names:?}");
        }
    }
}
