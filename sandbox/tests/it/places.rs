//! Channels, overwrites, pins, bulk deletion, reactions and webhooks.

use reqwest::Method;
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::client::{ALL, Line, call, get, messages, post, start};

fn channels(sandbox: &Sandbox) -> String {
    format!("/guilds/{}/channels", sandbox.guild_id())
}

async fn make(sandbox: &Sandbox, body: Value) -> String {
    let (status, made) = post(sandbox, &channels(sandbox), body).await;
    assert_eq!(status, 201, "{made}");
    format!("/channels/{}", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn channels_are_made_changed_moved_and_deleted() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1).await;
    let path = make(&sandbox, json!({ "name": "new", "topic": "t", "rate_limit_per_user": 5 })).await;
    assert_eq!(line.event("CHANNEL_CREATE").await["name"], "new");
    let (status, changed) = call(&sandbox, Method::PATCH, &path, Some(json!({ "topic": null, "nsfw": true }))).await;
    assert_eq!((status, &changed["topic"], &changed["nsfw"]), (200, &Value::Null, &json!(true)));
    assert_eq!(line.event("CHANNEL_UPDATE").await["rate_limit_per_user"], 5);
    let places = json!([{ "id": changed["id"], "position": 7 }]);
    assert_eq!(call(&sandbox, Method::PATCH, &channels(&sandbox), Some(places)).await.0, 204);
    assert_eq!(line.event("CHANNEL_UPDATE").await["position"], 7);
    assert_eq!(post(&sandbox, &format!("{path}/messages"), json!({ "content": "here" })).await.0, 200);
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.0, 200);
    assert_eq!(line.event("CHANNEL_DELETE").await["id"], changed["id"]);
    assert_eq!(get(&sandbox, &path).await.1["code"], 10003);
    let bad = json!({ "name": "n".repeat(101), "parent_id": "abc", "rate_limit_per_user": 21_601 });
    let wrong = post(&sandbox, &channels(&sandbox), bad).await.1;
    assert_eq!((&wrong["code"], wrong["errors"].as_object().unwrap().len()), (&json!(50035), 3));
    let nowhere = json!({ "name": "x", "parent_id": sandbox.general_id().to_string() });
    assert_eq!(post(&sandbox, &channels(&sandbox), nowhere).await.1["code"], 50035);
}

#[tokio::test]
async fn overwrites_hide_a_channel_and_give_nothing_the_bot_has_not() {
    let sandbox = start();
    let path = make(&sandbox, json!({ "name": "secret" })).await;
    let everyone = format!("{path}/permissions/{}", sandbox.guild_id());
    let hide = json!({ "type": 0, "deny": "1024" });
    assert_eq!(call(&sandbox, Method::PUT, &everyone, Some(json!({ "type": 0, "allow": "8" }))).await.1["code"], 50013);
    assert_eq!(call(&sandbox, Method::PUT, &everyone, Some(hide.clone())).await.0, 204);
    assert_eq!(get(&sandbox, &path).await.1["code"], 50001, "hidden from the bot as well");
    assert_eq!(post(&sandbox, &format!("{path}/messages"), json!({ "content": "x" })).await.1["code"], 50001);

    let path = make(&sandbox, json!({ "name": "open" })).await;
    let own = format!("{path}/permissions/{}", sandbox.bot_user_id());
    let allow = json!({ "type": 1, "allow": "1024" });
    assert_eq!(call(&sandbox, Method::PUT, &own, Some(allow)).await.0, 204);
    let everyone = format!("{path}/permissions/{}", sandbox.guild_id());
    assert_eq!(call(&sandbox, Method::PUT, &everyone, Some(hide)).await.0, 204);
    assert_eq!(get(&sandbox, &path).await.1["permission_overwrites"].as_array().unwrap().len(), 2);
    assert_eq!(call(&sandbox, Method::DELETE, &everyone, None).await.0, 204);
    assert_eq!(call(&sandbox, Method::DELETE, &everyone, None).await.1["code"], 10009);
}

#[tokio::test]
async fn messages_are_deleted_together_within_limits() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 << 9).await;
    let path = format!("{}/bulk-delete", messages(&sandbox));
    let ids: Vec<String> = ["a", "b", "c"].map(|text| sandbox.say("alice", text).0.to_string()).into();
    for _ in &ids {
        line.event("MESSAGE_CREATE").await;
    }
    assert_eq!(post(&sandbox, &path, json!({ "messages": [ids[0]] })).await.1["code"], 50016);
    assert_eq!(post(&sandbox, &path, json!({ "messages": ["1", "2"] })).await.1["code"], 50034);
    assert_eq!(post(&sandbox, &path, json!({ "messages": "all" })).await.1["code"], 50035);
    assert_eq!(post(&sandbox, &path, json!({ "messages": ids[..2] })).await, (204, Value::Null));
    assert_eq!(line.event("MESSAGE_DELETE_BULK").await["ids"], json!(ids[..2]));
    assert_eq!(get(&sandbox, &messages(&sandbox)).await.1.as_array().unwrap().len(), 1);
    let guild = sandbox.guild_id();
    sandbox.set_role_permissions(guild, sandbox.role_id(guild, "impresario").unwrap(), 0).unwrap();
    assert_eq!(post(&sandbox, &path, json!({ "messages": ids })).await.1["code"], 50013);
}

#[tokio::test]
async fn pins_are_listed_newest_first_and_told() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1).await;
    let path = format!("{}/pins", messages(&sandbox));
    let (first, second) = (sandbox.say("alice", "one"), sandbox.say("alice", "two"));
    for message in [first, second] {
        assert_eq!(call(&sandbox, Method::PUT, &format!("{path}/{}", message.0), None).await.0, 204);
        assert!(line.event("CHANNEL_PINS_UPDATE").await["last_pin_timestamp"].is_string());
    }
    let (_, page) = get(&sandbox, &format!("{path}?limit=1")).await;
    assert_eq!((&page["items"][0]["message"]["content"], &page["has_more"]), (&json!("two"), &json!(true)));
    let old = format!("/channels/{}/pins", sandbox.general_id());
    assert_eq!(get(&sandbox, &old).await.1.as_array().unwrap().len(), 2);
    assert_eq!(call(&sandbox, Method::DELETE, &format!("{old}/{}", first.0), None).await.0, 204);
    assert_eq!(get(&sandbox, &path).await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(call(&sandbox, Method::PUT, &format!("{path}/1"), None).await.1["code"], 10008);
    let guild = sandbox.guild_id();
    sandbox.set_role_permissions(guild, sandbox.role_id(guild, "impresario").unwrap(), 0).unwrap();
    assert_eq!(call(&sandbox, Method::PUT, &format!("{path}/{}", first.0), None).await.1["code"], 50013);
}

#[tokio::test]
async fn reactions_are_listed_and_cleared() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 << 10).await;
    let message = sandbox.say("alice", "like this");
    for (user, emoji) in [("alice", "🔥"), ("bob", "🔥"), ("bob", "👍")] {
        sandbox.react(user, message, emoji).unwrap();
        line.event("MESSAGE_REACTION_ADD").await;
    }
    let path = format!("{}/{}/reactions", messages(&sandbox), message.0);
    let fire = format!("{path}/%F0%9F%94%A5");
    let (_, users) = get(&sandbox, &format!("{fire}?limit=1&after={}", sandbox.owner_id())).await;
    assert_eq!((users.as_array().unwrap().len(), &users[0]["username"]), (1, &json!("bob")));
    assert_eq!(call(&sandbox, Method::DELETE, &fire, None).await.0, 204);
    assert_eq!(line.event("MESSAGE_REACTION_REMOVE_EMOJI").await["emoji"]["name"], "🔥");
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.0, 204);
    line.event("MESSAGE_REACTION_REMOVE_ALL").await;
    assert_eq!(get(&sandbox, &format!("{}/{}", messages(&sandbox), message.0)).await.1.get("reactions"), None);
}

#[tokio::test]
async fn a_webhook_posts_under_its_own_name_with_its_token_alone() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let of_channel = format!("/channels/{}/webhooks", sandbox.general_id());
    assert_eq!(post(&sandbox, &of_channel, json!({ "name": "Discord news" })).await.1["code"], 50035);
    let (status, hook) = post(&sandbox, &of_channel, json!({ "name": "News" })).await;
    assert_eq!((status, &hook["type"]), (200, &json!(1)));
    line.event("WEBHOOKS_UPDATE").await;
    line.event("GUILD_AUDIT_LOG_ENTRY_CREATE").await;
    let (id, token) = (hook["id"].as_str().unwrap(), hook["token"].as_str().unwrap());
    let door = format!("/webhooks/{id}/{token}");
    assert_eq!(get(&sandbox, &of_channel).await.1[0]["id"], hook["id"]);
    assert_eq!(get(&sandbox, &format!("/guilds/{}/webhooks", sandbox.guild_id())).await.1[0]["id"], hook["id"]);
    assert_eq!(get(&sandbox, &format!("/webhooks/{id}")).await.1["name"], "News");
    let moved = json!({ "channel_id": "1" });
    assert_eq!(call(&sandbox, Method::PATCH, &format!("/webhooks/{id}"), Some(moved)).await.1["code"], 10003);
    assert_eq!(get(&sandbox, &door).await.1.get("user"), None);
    assert_eq!(get(&sandbox, &format!("/webhooks/{id}/wrong")).await.1["code"], 50027);
    assert_eq!(post(&sandbox, &door, json!({ "content": "quiet" })).await, (204, Value::Null));
    assert_eq!(line.event("MESSAGE_CREATE").await["author"]["username"], "News");
    let body = json!({ "content": "loud", "username": "Herald" });
    let (status, message) = post(&sandbox, &format!("{door}?wait=true"), body).await;
    assert_eq!((status, &message["author"]["username"], &message["webhook_id"]), (200, &json!("Herald"), &hook["id"]));
    let one = format!("{door}/messages/{}", message["id"].as_str().unwrap());
    assert_eq!(call(&sandbox, Method::PATCH, &one, Some(json!({ "content": "calm" }))).await.1["content"], "calm");
    assert_eq!(get(&sandbox, &one).await.1["content"], "calm");
    assert_eq!(call(&sandbox, Method::DELETE, &one, None).await.0, 204);
    assert_eq!(get(&sandbox, &one).await.1["code"], 10008);
    assert_eq!(call(&sandbox, Method::DELETE, &door, None).await.0, 204);
    assert_eq!(post(&sandbox, &door, json!({ "content": "x" })).await.1["code"], 10015);
    let hook = post(&sandbox, &of_channel, json!({ "name": "Again" })).await.1;
    assert_eq!(
        call(&sandbox, Method::DELETE, &format!("/webhooks/{}", hook["id"].as_str().unwrap()), None).await.0,
        204
    );
}
