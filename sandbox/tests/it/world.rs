//! What people do, as the bot hears it.

use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::client::{ALL, Line, get, post, start, start_with};

#[tokio::test]
async fn emojis_of_the_guild_are_announced_and_those_of_the_application_are_not() {
    let sandbox = start();
    let guild = sandbox.guild_id();
    let mut line = Line::ready(&sandbox, 1 << 3).await;
    let names = |event: &Value| -> Vec<String> {
        event["emojis"].as_array().unwrap().iter().map(|emoji| emoji["name"].as_str().unwrap().to_owned()).collect()
    };
    let id = sandbox.upload_emoji(Some(guild), "party").unwrap();
    assert_eq!(names(&line.event("GUILD_EMOJIS_UPDATE").await), ["sandbox", "party"]);
    sandbox.rename_emoji(Some(guild), id, "fete").unwrap();
    assert_eq!(names(&line.event("GUILD_EMOJIS_UPDATE").await), ["sandbox", "fete"]);
    sandbox.delete_emoji(Some(guild), id).unwrap();
    assert_eq!(names(&line.event("GUILD_EMOJIS_UPDATE").await), ["sandbox"]);
    sandbox.upload_emoji(None, "mine").unwrap();
    assert!(sandbox.upload_emoji(None, "mine").is_err(), "names of application emojis are unique");
    assert_eq!(line.beat().await["op"], 11);
    let (_, items) = get(&sandbox, &format!("/applications/{}/emojis", sandbox.application_id())).await;
    let names: Vec<_> = items["items"].as_array().unwrap().iter().map(|emoji| emoji["name"].clone()).collect();
    assert_eq!(names, ["impresario", "mine"]);
    let image = json!({ "name": "rest", "image": "data:image/png;base64,AA" });
    assert_eq!(post(&sandbox, &format!("/guilds/{guild}/emojis"), image).await.0, 201);
}

#[tokio::test]
async fn an_outage_is_not_a_removal() {
    let sandbox = start();
    let guild = sandbox.guild_id();
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.remove_guild(guild, true).unwrap();
    assert_eq!(line.event("GUILD_DELETE").await, json!({ "id": guild.to_string(), "unavailable": true }));
    assert_eq!(get(&sandbox, &format!("/guilds/{guild}")).await.0, 404);
    sandbox.say("alice", "unheard");
    assert!(sandbox.restore_guild(guild));
    assert_eq!(line.event("GUILD_CREATE").await["id"], guild.to_string());
    sandbox.remove_guild(guild, false).unwrap();
    assert_eq!(line.event("GUILD_DELETE").await, json!({ "id": guild.to_string() }));
    let new = sandbox.add_guild("Another").unwrap();
    let event = line.event("GUILD_CREATE").await;
    assert_eq!((&event["id"], &event["name"]), (&json!(new.to_string()), &json!("Another")));
}

#[tokio::test]
async fn a_new_name_joins_before_it_speaks() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.say("dave", "hello");
    assert_eq!(line.event("GUILD_MEMBER_ADD").await["user"]["username"], "dave");
    let message = line.event("MESSAGE_CREATE").await;
    assert_eq!((&message["author"]["username"], message["member"]["user"].is_null()), (&json!("dave"), true));
    sandbox.leave(sandbox.guild_id(), "dave").unwrap();
    assert_eq!(line.event("GUILD_MEMBER_REMOVE").await["user"]["username"], "dave");
    sandbox.set_presence(sandbox.guild_id(), "bob", "dnd").unwrap();
    assert_eq!(line.event("PRESENCE_UPDATE").await["status"], "dnd");
}

#[tokio::test]
async fn direct_messages_have_no_guild_and_show_their_content() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 << 12).await;
    sandbox.say_directly("carol", "psst").unwrap();
    let message = line.event("MESSAGE_CREATE").await;
    assert_eq!((&message["content"], message.get("guild_id")), (&json!("psst"), None));
    let carol = sandbox.user_id("carol").unwrap().to_string();
    let (_, channel) = post(&sandbox, "/users/@me/channels", json!({ "recipient_id": carol })).await;
    assert_eq!(channel["id"], message["channel_id"]);
    let path = format!("/channels/{}/messages", channel["id"].as_str().unwrap());
    assert_eq!(post(&sandbox, &path, json!({ "content": "yes?" })).await.0, 200);
    assert_eq!(line.event("MESSAGE_CREATE").await["content"], "yes?");
}

#[test]
fn the_first_ids_are_the_same_in_every_run() {
    let ids =
        |sandbox: &Sandbox| (sandbox.guild_ids(), sandbox.general_id(), sandbox.owner_id(), sandbox.bot_user_id());
    let many = || start_with(|config| config.guilds = 3);
    assert_eq!(ids(&many()), ids(&many()));
}

#[test]
fn the_history_is_bounded_and_the_counters_are_not() {
    let sandbox = start_with(|config| config.events_kept = 4);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for _ in 0..10 {
            get(&sandbox, "/users/@me").await;
        }
    });
    assert_eq!((sandbox.log().len(), sandbox.stats().requests, sandbox.stats().events_forgotten), (4, 10, 6));
}

#[tokio::test]
async fn sandboxes_beside_each_other_do_not_meet_and_stop_when_dropped() {
    let (one, other) = (start(), start());
    let address = one.api_base();
    post(&one, &crate::client::messages(&one), json!({ "content": "x" })).await;
    assert_eq!((one.bot_messages().len(), other.bot_messages().len()), (1, 0));
    drop(one);
    assert!(reqwest::get(format!("{address}/gateway")).await.is_err());
}
