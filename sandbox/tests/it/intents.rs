//! Intents: each lets its events through and no other.

use std::collections::BTreeSet;

use sandbox::Fault;
use serde_json::json;

use crate::client::{ALL, Line, messages, post, start};

/// Everything a line hears until now: names, with `@` before those of direct messages.
async fn heard(line: &mut Line) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    line.say(json!({ "op": 1, "d": null })).await;
    loop {
        let frame = line.frame().await;
        match frame["t"].as_str() {
            None if frame["op"] == 11 => return names,
            None => {}
            Some(name) => {
                let direct = frame["d"].get("channel_id").is_some() && frame["d"].get("guild_id").is_none();
                names.insert(format!("{}{name}", if direct { "@" } else { "" }));
            }
        }
    }
}

#[tokio::test]
async fn without_an_intent_exactly_its_events_are_missing() {
    let sandbox = start();
    let cases: [(u64, &[&str]); 9] = [
        (0, &["GUILD_ROLE_UPDATE", "GUILD_DELETE", "GUILD_CREATE"]),
        (1, &["GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE"]),
        (3, &["GUILD_EMOJIS_UPDATE"]),
        (8, &["PRESENCE_UPDATE"]),
        (9, &["MESSAGE_CREATE"]),
        (10, &["MESSAGE_REACTION_ADD"]),
        (11, &["TYPING_START"]),
        (12, &["@MESSAGE_CREATE"]),
        (6, &[]),
    ];
    let mut full = Line::ready(&sandbox, ALL).await;
    let mut lines = Vec::new();
    for (bit, _) in cases {
        lines.push(Line::ready(&sandbox, ALL & !(1 << bit)).await);
    }
    let guild = sandbox.guild_id();
    let said = sandbox.say("alice", "hello");
    sandbox.say_directly("alice", "hello").unwrap();
    sandbox.react("alice", said, "🔥").unwrap();
    sandbox.types("alice").unwrap();
    sandbox.upload_emoji(Some(guild), "party").unwrap();
    sandbox.set_presence(guild, "bob", "idle").unwrap();
    sandbox.join(guild, "dave").unwrap();
    sandbox.set_roles(guild, "dave", &[]).unwrap();
    sandbox.leave(guild, "dave").unwrap();
    sandbox.set_role_permissions(guild, sandbox.role_id(guild, "moderators").unwrap(), 8).unwrap();
    sandbox.remove_guild(guild, true).unwrap();
    assert!(sandbox.restore_guild(guild));
    let all = heard(&mut full).await;
    assert_eq!(all.len(), 12, "{all:?}");
    for ((bit, missing), line) in cases.iter().zip(&mut lines) {
        let heard = heard(line).await;
        let lacks: BTreeSet<&str> = all.difference(&heard).map(String::as_str).collect();
        assert_eq!(lacks, missing.iter().copied().collect(), "without intent {bit}");
        assert!(heard.is_subset(&all));
    }
}

#[tokio::test]
async fn guilds_name_their_members_only_to_those_who_see_presences() {
    let sandbox = start();
    for (intents, members, presences) in [(1, 1, 0), (1 | 1 << 1, 1, 0), (1 | 1 << 8, 4, 4)] {
        let mut line = Line::open(&sandbox).await;
        line.identify(intents, json!([0, 1])).await;
        line.event("READY").await;
        let guild = line.event("GUILD_CREATE").await;
        let count = |field: &str| guild[field].as_array().unwrap().len();
        assert_eq!((count("members"), count("presences"), &guild["member_count"]), (members, presences, &json!(4)));
    }
}

#[tokio::test]
async fn an_outage_is_not_a_removal_and_ends_with_the_guild_anew() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let guild = sandbox.guild_id();
    sandbox.remove_guild(guild, true).unwrap();
    assert_eq!(line.event("GUILD_DELETE").await["unavailable"], true);
    let mut other = Line::open(&sandbox).await;
    other.identify(ALL, json!([0, 1])).await;
    assert_eq!(other.event("READY").await["guilds"][0], json!({ "id": guild.to_string(), "unavailable": true }));
    assert_eq!(other.beat().await["op"], 11, "no GUILD_CREATE during the outage");
    assert!(sandbox.restore_guild(guild));
    for line in [&mut line, &mut other] {
        assert_eq!(line.event("GUILD_CREATE").await["unavailable"], false);
    }
    sandbox.remove_guild(guild, false).unwrap();
    assert_eq!(line.event("GUILD_DELETE").await.get("unavailable"), None);
}

#[tokio::test]
async fn content_is_shown_without_its_intent_where_the_bot_is_meant() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 << 9 | 1 << 12).await;
    let mention = format!("<@{}> look", sandbox.bot_user_id());
    sandbox.say("alice", "for others");
    sandbox.say("alice", &mention);
    sandbox.say_directly("alice", "between us").unwrap();
    post(&sandbox, &messages(&sandbox), json!({ "content": "its own", "embeds": [{ "title": "t" }] })).await;
    for (content, embeds) in [("", 0), (mention.as_str(), 0), ("between us", 0), ("its own", 1)] {
        let message = line.event("MESSAGE_CREATE").await;
        assert_eq!((&message["content"], message["embeds"].as_array().unwrap().len()), (&json!(content), embeds));
    }
}

#[tokio::test]
async fn content_stays_blank_in_a_replay() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 << 9).await;
    sandbox.fault(Fault::CutConnection { shard: None });
    sandbox.say("alice", "secret");
    line = Line::resumed(&sandbox, &line).await;
    assert_eq!(line.event("MESSAGE_CREATE").await["content"], "");
}
