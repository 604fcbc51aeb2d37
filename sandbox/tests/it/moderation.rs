//! Bans, kicks, timeouts, nicknames and roles: who may do what to whom, and what everybody hears of it.

use reqwest::Method;
use sandbox::{Sandbox, SandboxError, SandboxEvent};
use serde_json::{Value, json};

use crate::client::{Line, call, get, post, start};

const BAN_MEMBERS: u64 = 1 << 2;
const ADMINISTRATOR: u64 = 1 << 3;

fn guild(sandbox: &Sandbox, rest: &str) -> String {
    format!("/guilds/{}{rest}", sandbox.guild_id())
}

fn member(sandbox: &Sandbox, name: &str) -> String {
    guild(sandbox, &format!("/members/{}", sandbox.user_id(name).unwrap()))
}

fn ban(sandbox: &Sandbox, name: &str) -> String {
    guild(sandbox, &format!("/bans/{}", sandbox.user_id(name).unwrap()))
}

fn take_from_bot(sandbox: &Sandbox) {
    let role = sandbox.role_id(sandbox.guild_id(), "impresario").unwrap();
    sandbox.set_role_permissions(sandbox.guild_id(), role, 0).unwrap();
}

async fn put(sandbox: &Sandbox, path: &str, body: Value) -> (u16, Value) {
    call(sandbox, Method::PUT, path, Some(body)).await
}

async fn patch(sandbox: &Sandbox, path: &str, body: Value) -> (u16, Value) {
    call(sandbox, Method::PATCH, path, Some(body)).await
}

#[tokio::test]
async fn a_ban_removes_deletes_and_lasts_until_it_is_lifted() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 | 1 << 1 | 1 << 2 | 1 << 9).await;
    let said = sandbox.say("carol", "spam");
    line.event("MESSAGE_CREATE").await;
    let path = ban(&sandbox, "carol");
    assert_eq!(get(&sandbox, &path).await.1["code"], 10026);
    assert_eq!(put(&sandbox, &path, json!({ "delete_message_seconds": 60 })).await, (204, Value::Null));
    assert_eq!(line.event("GUILD_MEMBER_REMOVE").await["user"]["username"], "carol");
    assert_eq!(line.event("MESSAGE_DELETE_BULK").await["ids"], json!([said.0.to_string()]));
    assert_eq!(line.event("GUILD_BAN_ADD").await["user"]["username"], "carol");
    assert_eq!(line.event("GUILD_AUDIT_LOG_ENTRY_CREATE").await["action_type"], 22);
    let (status, one) = get(&sandbox, &path).await;
    assert_eq!((status, &one["user"]["username"], &one["reason"]), (200, &json!("carol"), &Value::Null));
    assert_eq!(get(&sandbox, &guild(&sandbox, "/bans?limit=10")).await.1, json!([one]));
    let back = sandbox.join(sandbox.guild_id(), "carol");
    assert!(matches!(back, Err(SandboxError::Refused { code: 40007, .. })), "{back:?}");
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.0, 204);
    assert_eq!(line.event("GUILD_BAN_REMOVE").await["user"]["username"], "carol");
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.1["code"], 10026);
    sandbox.join(sandbox.guild_id(), "carol").unwrap();
}

#[tokio::test]
async fn the_reason_in_the_header_reaches_the_audit_log() {
    let sandbox = start();
    let url = format!("{}{}", sandbox.api_base(), ban(&sandbox, "carol"));
    let request = reqwest::Client::new().put(url).header("Authorization", format!("Bot {}", sandbox.token()));
    let request = request.header("X-Audit-Log-Reason", "too%20loud%20%F0%9F%94%8A").json(&json!({}));
    assert_eq!(request.send().await.unwrap().status(), 204);
    assert_eq!(get(&sandbox, &ban(&sandbox, "carol")).await.1["reason"], "too loud 🔊");
    let (_, log) = get(&sandbox, &guild(&sandbox, "/audit-logs?action_type=22&limit=5")).await;
    let entry = &log["audit_log_entries"][0];
    assert_eq!(
        (&entry["reason"], &entry["user_id"]),
        (&json!("too loud 🔊"), &json!(sandbox.bot_user_id().to_string()))
    );
    let seen = |event: &SandboxEvent| matches!(event, SandboxEvent::Moderated { action: 22, reason: Some(reason), .. } if reason == "too loud 🔊");
    assert!(sandbox.log().iter().any(seen));
}

#[tokio::test]
async fn nobody_is_moderated_who_stands_as_high_as_the_bot() {
    let sandbox = start();
    let path = guild(&sandbox, "/members/1");
    assert_eq!(call(&sandbox, Method::DELETE, &path, None).await.1["code"], 10013);
    let bot = guild(&sandbox, &format!("/members/{}", sandbox.bot_user_id()));
    let impresario = sandbox.role_id(sandbox.guild_id(), "impresario").unwrap();
    sandbox.set_roles(sandbox.guild_id(), "bob", &[impresario]).unwrap();
    for target in [member(&sandbox, "alice"), member(&sandbox, "bob"), bot.clone()] {
        assert_eq!(call(&sandbox, Method::DELETE, &target, None).await, refused(50013), "{target}");
    }
    for target in ["alice", "bob"] {
        assert_eq!(put(&sandbox, &ban(&sandbox, target), json!({})).await, refused(50013), "{target}");
        let timeout = json!({ "communication_disabled_until": in_ms(60_000) });
        assert_eq!(patch(&sandbox, &member(&sandbox, target), timeout).await, refused(50013), "{target}");
        assert_eq!(patch(&sandbox, &member(&sandbox, target), json!({ "nick": "x" })).await, refused(50013));
    }
    assert_eq!(call(&sandbox, Method::DELETE, &member(&sandbox, "carol"), None).await.0, 204);
    assert_eq!(call(&sandbox, Method::DELETE, &member(&sandbox, "carol"), None).await.1["code"], 10007);
}

#[tokio::test]
async fn without_the_permission_nothing_is_done() {
    let sandbox = start();
    let role = sandbox.role_id(sandbox.guild_id(), "moderators").unwrap();
    let one = post(&sandbox, &guild(&sandbox, "/roles"), json!({ "name": "made" })).await.1;
    take_from_bot(&sandbox);
    let timeout = json!({ "communication_disabled_until": in_ms(60_000) });
    let cases = [
        (Method::PUT, ban(&sandbox, "carol"), json!({})),
        (Method::GET, guild(&sandbox, "/bans"), Value::Null),
        (Method::DELETE, ban(&sandbox, "carol"), Value::Null),
        (Method::DELETE, member(&sandbox, "carol"), Value::Null),
        (Method::PATCH, member(&sandbox, "carol"), timeout),
        (Method::PATCH, member(&sandbox, "carol"), json!({ "nick": "x" })),
        (Method::PATCH, member(&sandbox, "carol"), json!({ "roles": [role.to_string()] })),
        (Method::PUT, format!("{}/roles/{role}", member(&sandbox, "carol")), Value::Null),
        (Method::POST, guild(&sandbox, "/roles"), json!({ "name": "x" })),
        (Method::PATCH, guild(&sandbox, &format!("/roles/{}", one["id"].as_str().unwrap())), json!({ "name": "x" })),
        (Method::DELETE, guild(&sandbox, &format!("/roles/{}", one["id"].as_str().unwrap())), Value::Null),
        (Method::POST, guild(&sandbox, "/channels"), json!({ "name": "x" })),
        (Method::GET, guild(&sandbox, "/audit-logs"), Value::Null),
        (Method::GET, guild(&sandbox, "/webhooks"), Value::Null),
        (Method::PATCH, guild(&sandbox, ""), json!({ "name": "Mine" })),
        (Method::POST, crate::client::messages(&sandbox), json!({ "content": "x", "tts": true })),
    ];
    for (method, path, body) in cases {
        let body = (!body.is_null()).then_some(body);
        assert_eq!(call(&sandbox, method, &path, body).await, refused(50013), "{path}");
    }
    assert_eq!(patch(&sandbox, &guild(&sandbox, "/members/@me"), json!({ "nick": "Bot" })).await.1["nick"], "Bot");
}

#[tokio::test]
async fn a_timeout_is_told_lasts_28_days_at_most_and_is_lifted() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 | 1 << 1).await;
    let carol = member(&sandbox, "carol");
    let until = in_ms(60_000);
    let (status, changed) = patch(&sandbox, &carol, json!({ "communication_disabled_until": until })).await;
    assert_eq!((status, changed["communication_disabled_until"].is_string()), (200, true));
    assert!(line.event("GUILD_MEMBER_UPDATE").await["communication_disabled_until"].is_string());
    let silent = sandbox.say_in(sandbox.guild_id(), sandbox.general_id(), "carol", "hm");
    assert!(matches!(silent, Err(SandboxError::Refused { code: 50013, .. })), "{silent:?}");
    let (status, changed) = patch(&sandbox, &carol, json!({ "communication_disabled_until": null })).await;
    assert_eq!((status, &changed["communication_disabled_until"]), (200, &Value::Null));
    sandbox.say_in(sandbox.guild_id(), sandbox.general_id(), "carol", "ah").unwrap();
    let too_long = json!({ "communication_disabled_until": in_ms(29 * 24 * 60 * 60 * 1_000), "nick": "n".repeat(33) });
    let (status, answer) = patch(&sandbox, &carol, too_long).await;
    assert_eq!((status, &answer["code"]), (400, &json!(50035)));
    let wrong: Vec<&String> = answer["errors"].as_object().unwrap().keys().collect();
    assert_eq!(wrong, ["communication_disabled_until", "nick"], "all faults at once");
    let moderators = sandbox.role_id(sandbox.guild_id(), "moderators").unwrap();
    sandbox.set_role_permissions(sandbox.guild_id(), moderators, ADMINISTRATOR).unwrap();
    let bob = json!({ "communication_disabled_until": in_ms(60_000) });
    assert_eq!(patch(&sandbox, &member(&sandbox, "bob"), bob).await, refused(50013), "an administrator");
}

#[tokio::test]
async fn roles_are_given_and_taken_below_the_bots_own() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1 | 1 << 1).await;
    let (moderators, own) = (
        sandbox.role_id(sandbox.guild_id(), "moderators").unwrap(),
        sandbox.role_id(sandbox.guild_id(), "impresario").unwrap(),
    );
    let of_carol = |role: u64| format!("{}/roles/{role}", member(&sandbox, "carol"));
    assert_eq!(call(&sandbox, Method::PUT, &of_carol(moderators), None).await.0, 204);
    assert_eq!(line.event("GUILD_MEMBER_UPDATE").await["roles"], json!([moderators.to_string()]));
    assert_eq!(call(&sandbox, Method::PUT, &of_carol(moderators), None).await.0, 204, "twice changes nothing");
    assert_eq!(call(&sandbox, Method::DELETE, &of_carol(moderators), None).await.0, 204);
    assert_eq!(line.event("GUILD_MEMBER_UPDATE").await["roles"], json!([]));
    assert_eq!(call(&sandbox, Method::PUT, &of_carol(own), None).await, refused(50013));
    assert_eq!(call(&sandbox, Method::PUT, &of_carol(1), None).await.1["code"], 10011);
}

#[tokio::test]
async fn roles_are_made_changed_moved_and_deleted_in_bounds() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, 1).await;
    let roles = guild(&sandbox, "/roles");
    let wanted = json!({ "name": "muted", "color": 0xFF0000, "hoist": true, "permissions": "1024" });
    let (status, made) = post(&sandbox, &roles, wanted).await;
    assert_eq!((status, &made["name"], &made["position"]), (200, &json!("muted"), &json!(1)));
    assert_eq!(line.event("GUILD_ROLE_CREATE").await["role"]["permissions"], "1024");
    let one = format!("{roles}/{}", made["id"].as_str().unwrap());
    assert_eq!(patch(&sandbox, &one, json!({ "mentionable": true })).await.1["mentionable"], true);
    assert_eq!(line.event("GUILD_ROLE_UPDATE").await["role"]["mentionable"], true);
    let beyond = json!({ "permissions": ADMINISTRATOR.to_string() });
    assert_eq!(patch(&sandbox, &one, beyond.clone()).await, refused(50013), "it has not that permission itself");
    assert_eq!(post(&sandbox, &roles, beyond).await, refused(50013));
    let place = |position: u16| json!([{ "id": made["id"], "position": position }]);
    assert_eq!(patch(&sandbox, &roles, place(2)).await.0, 200);
    assert_eq!(line.event("GUILD_ROLE_UPDATE").await["role"]["position"], 2);
    assert_eq!(patch(&sandbox, &roles, place(9)).await, refused(50013));
    let counts = get(&sandbox, &format!("{roles}/member-counts")).await.1;
    assert_eq!(counts[made["id"].as_str().unwrap()], 0);
    let everyone = format!("{roles}/{}", sandbox.guild_id());
    assert_eq!(call(&sandbox, Method::DELETE, &everyone, None).await.1["code"], 50028);
    assert_eq!(call(&sandbox, Method::DELETE, &one, None).await.0, 204);
    assert_eq!(line.event("GUILD_ROLE_DELETE").await["role_id"], made["id"]);
    assert_eq!(call(&sandbox, Method::DELETE, &one, None).await.1["code"], 10011);
    let bad = json!({ "name": "", "color": 0x100_0000 });
    assert_eq!(post(&sandbox, &roles, bad).await.1["errors"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn many_are_banned_at_once_and_those_that_cannot_be_are_named() {
    let sandbox = start();
    let path = guild(&sandbox, "/bulk-ban");
    let (alice, carol) = (sandbox.owner_id().to_string(), sandbox.user_id("carol").unwrap().to_string());
    let both = json!({ "user_ids": [alice, carol] });
    assert_eq!(post(&sandbox, &path, both.clone()).await, refused(50013), "MANAGE_GUILD is needed too");
    let role = sandbox.role_id(sandbox.guild_id(), "impresario").unwrap();
    sandbox.set_role_permissions(sandbox.guild_id(), role, BAN_MEMBERS | 1 << 5).unwrap();
    let (status, done) = post(&sandbox, &path, both.clone()).await;
    assert_eq!((status, done), (200, json!({ "banned_users": [carol], "failed_users": [alice] })));
    assert_eq!(post(&sandbox, &path, both).await.1["code"], 500_000);
}

#[tokio::test]
async fn a_guild_is_renamed_with_the_right_to_it() {
    let sandbox = start();
    let role = sandbox.role_id(sandbox.guild_id(), "impresario").unwrap();
    sandbox.set_role_permissions(sandbox.guild_id(), role, 1 << 5).unwrap();
    let mut line = Line::ready(&sandbox, 1).await;
    let renamed = patch(&sandbox, &guild(&sandbox, ""), json!({ "name": "New" })).await;
    assert_eq!((renamed.0, &renamed.1["name"]), (200, &json!("New")));
    assert_eq!(line.event("GUILD_UPDATE").await["name"], "New");
    assert_eq!(patch(&sandbox, &guild(&sandbox, ""), json!({ "name": "n" })).await.1["code"], 50035);
    assert_eq!(patch(&sandbox, &guild(&sandbox, ""), json!({ "description": "d" })).await.0, 501);
}

#[tokio::test]
async fn the_list_of_members_is_as_privileged_as_their_events() {
    let sandbox = crate::client::start_with(|config| config.allowed_intents &= !(1 << 1));
    assert_eq!(get(&sandbox, &guild(&sandbox, "/members?limit=5")).await.1["code"], 50001);
    assert_eq!(get(&sandbox, &member(&sandbox, "alice")).await.0, 200);
}

fn refused(code: u32) -> (u16, Value) {
    assert_eq!(code, 50013);
    (403, json!({ "message": "Missing Permissions", "code": code }))
}

/// The time in so many milliseconds, as Discord writes it.
fn in_ms(millis: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::milliseconds(millis)).to_rfc3339()
}
