//! Threads: begun, talked in, joined, archived, listed, deleted.

use reqwest::Method;
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::client::{Line, call, get, messages, post, start};

const GUILDS_AND_MEMBERS: u64 = 1 | 1 << 1;

async fn begin(sandbox: &Sandbox, body: Value) -> Value {
    let (status, thread) = post(sandbox, &format!("/channels/{}/threads", sandbox.general_id()), body).await;
    assert_eq!(status, 201, "{thread}");
    thread
}

fn path(thread: &Value) -> String {
    format!("/channels/{}", thread["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_thread_on_a_message_has_its_id_and_is_begun_once() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, GUILDS_AND_MEMBERS).await;
    let said = sandbox.say("alice", "let us talk");
    let here = format!("{}/{}/threads", messages(&sandbox), said.0);
    let (status, thread) = post(&sandbox, &here, json!({ "name": "talk", "auto_archive_duration": 60 })).await;
    assert_eq!((status, &thread["id"], &thread["type"]), (201, &json!(said.0.to_string()), &json!(11)));
    assert_eq!(thread["thread_metadata"]["auto_archive_duration"], 60);
    let told = line.event("THREAD_CREATE").await;
    assert_eq!((&told["id"], &told["newly_created"]), (&thread["id"], &json!(true)));
    assert_eq!(post(&sandbox, &here, json!({ "name": "again" })).await.1["code"], 160_004);
    assert_eq!(post(&sandbox, &here, json!({ "name": "", "auto_archive_duration": 7 })).await.1["code"], 50035);
    let unknown = format!("{}/1/threads", messages(&sandbox));
    assert_eq!(post(&sandbox, &unknown, json!({ "name": "nowhere" })).await.1["code"], 10008);
    let inside = format!("{}/threads", path(&thread));
    assert_eq!(post(&sandbox, &inside, json!({ "name": "deeper", "type": 11 })).await.1["code"], 50024);
}

#[tokio::test]
async fn talking_in_a_thread_counts_brings_people_in_and_takes_it_up_again() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, GUILDS_AND_MEMBERS | 1 << 9).await;
    let thread = begin(&sandbox, json!({ "name": "talk", "type": 11 })).await;
    line.event("THREAD_CREATE").await;
    let id: u64 = thread["id"].as_str().unwrap().parse().unwrap();
    sandbox.say_in(sandbox.guild_id(), id, "bob", "in here").unwrap();
    assert_eq!(line.event("MESSAGE_CREATE").await["channel_type"], 11);
    let joined = line.event("THREAD_MEMBERS_UPDATE").await;
    let bob = sandbox.user_id("bob").unwrap().to_string();
    assert_eq!((&joined["member_count"], &joined["added_members"][0]["user_id"]), (&json!(2), &json!(bob)));

    let archive = json!({ "archived": true });
    assert_eq!(call(&sandbox, Method::PATCH, &path(&thread), Some(archive)).await.0, 200);
    assert_eq!(line.event("THREAD_UPDATE").await["thread_metadata"]["archived"], true);
    let rename = json!({ "name": "other" });
    assert_eq!(call(&sandbox, Method::PATCH, &path(&thread), Some(rename)).await.1["code"], 50083);
    let (status, said) = post(&sandbox, &format!("{}/messages", path(&thread)), json!({ "content": "more" })).await;
    assert_eq!((status, &said["channel_id"]), (200, &thread["id"]));
    line.event("MESSAGE_CREATE").await;
    assert_eq!(line.event("THREAD_UPDATE").await["thread_metadata"]["archived"], false);
    let (_, now) = get(&sandbox, &path(&thread)).await;
    assert_eq!(
        (&now["message_count"], &now["member_count"], &now["last_message_id"]),
        (&json!(2), &json!(2), &said["id"])
    );
    assert_eq!(get(&sandbox, &format!("{}/messages", path(&thread))).await.1.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn members_come_and_go() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, GUILDS_AND_MEMBERS).await;
    let mut unprivileged = Line::ready(&sandbox, 1).await;
    let thread = begin(&sandbox, json!({ "name": "club", "type": 12, "invitable": false })).await;
    line.event("THREAD_CREATE").await;
    unprivileged.event("THREAD_CREATE").await;
    let (bob, members) = (sandbox.user_id("bob").unwrap(), format!("{}/thread-members", path(&thread)));
    assert_eq!(call(&sandbox, Method::PUT, &format!("{members}/{bob}"), None).await.0, 204);
    assert_eq!(line.event("THREAD_MEMBERS_UPDATE").await["added_members"][0]["user_id"], bob.to_string());
    let (_, one) = get(&sandbox, &format!("{members}/{bob}?with_member=true")).await;
    assert_eq!((&one["user_id"], &one["member"]["user"]["username"]), (&json!(bob.to_string()), &json!("bob")));
    assert_eq!(get(&sandbox, &members).await.1.as_array().unwrap().len(), 2);
    assert_eq!(get(&sandbox, &format!("{members}?limit=1")).await.1.as_array().unwrap().len(), 1);
    assert_eq!(call(&sandbox, Method::DELETE, &format!("{members}/{bob}"), None).await.0, 204);
    assert_eq!(line.event("THREAD_MEMBERS_UPDATE").await["removed_member_ids"], json!([bob.to_string()]));
    assert_eq!(get(&sandbox, &format!("{members}/{bob}")).await.1["code"], 10007);
    assert_eq!(call(&sandbox, Method::DELETE, &format!("{members}/@me"), None).await.0, 204);
    let own = json!([sandbox.bot_user_id().to_string()]);
    assert_eq!(line.event("THREAD_MEMBERS_UPDATE").await["removed_member_ids"], own);
    assert_eq!(
        unprivileged.event("THREAD_MEMBERS_UPDATE").await["removed_member_ids"],
        own,
        "of others it hears nothing"
    );
    assert_eq!(call(&sandbox, Method::PUT, &format!("{members}/@me"), None).await.0, 204);
    assert_eq!(call(&sandbox, Method::PUT, &format!("{members}/1"), None).await.1["code"], 10007);
}

#[tokio::test]
async fn a_private_thread_is_hidden_from_those_outside_it() {
    let sandbox = start();
    let guild = sandbox.guild_id();
    let thread = begin(&sandbox, json!({ "name": "secret" })).await;
    assert_eq!(thread["type"], 12, "without a type it is private");
    sandbox.set_role_permissions(guild, sandbox.role_id(guild, "impresario").unwrap(), 0).unwrap();
    assert_eq!(get(&sandbox, &path(&thread)).await.0, 200, "the bot is in it");
    let me = format!("{}/thread-members/@me", path(&thread));
    assert_eq!(call(&sandbox, Method::DELETE, &me, None).await.0, 204);
    assert_eq!(get(&sandbox, &path(&thread)).await.1["code"], 50001);
    assert_eq!(
        post(&sandbox, &format!("{}/messages", path(&thread)), json!({ "content": "x" })).await.1["code"],
        50001
    );
    let (_, active) = get(&sandbox, &format!("/guilds/{guild}/threads/active")).await;
    assert_eq!(active["threads"], json!([]));
    let private = format!("/channels/{}/threads/archived/private", sandbox.general_id());
    assert_eq!(get(&sandbox, &private).await.1["code"], 50013);
}

#[tokio::test]
async fn archived_threads_are_listed_the_last_first_and_active_ones_with_the_guild() {
    let sandbox = start();
    let general = format!("/channels/{}", sandbox.general_id());
    let mut made = Vec::new();
    for (name, kind) in [("one", 11), ("two", 11), ("three", 11), ("four", 12), ("five", 11)] {
        let thread = begin(&sandbox, json!({ "name": name, "type": kind })).await;
        if name != "five" {
            let archive = json!({ "archived": true, "locked": name == "one" });
            assert_eq!(call(&sandbox, Method::PATCH, &path(&thread), Some(archive)).await.0, 200);
        }
        made.push(thread);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // another millisecond, by which they are sorted
    }
    let names = |list: &Value| -> Vec<String> {
        list["threads"].as_array().unwrap().iter().map(|thread| thread["name"].as_str().unwrap().to_owned()).collect()
    };
    let (_, page) = get(&sandbox, &format!("{general}/threads/archived/public?limit=2")).await;
    assert_eq!((names(&page), &page["has_more"]), (vec!["three".to_owned(), "two".to_owned()], &json!(true)));
    let before = page["threads"][1]["thread_metadata"]["archive_timestamp"].as_str().unwrap().replace('+', "%2B");
    let (_, rest) = get(&sandbox, &format!("{general}/threads/archived/public?before={before}")).await;
    assert_eq!((names(&rest), &rest["has_more"]), (vec!["one".to_owned()], &json!(false)));
    for place in ["threads/archived/private", "users/@me/threads/archived/private"] {
        let (_, private) = get(&sandbox, &format!("{general}/{place}")).await;
        assert_eq!((names(&private), private["members"].as_array().unwrap().len()), (vec!["four".to_owned()], 1));
    }
    let (_, active) = get(&sandbox, &format!("/guilds/{}/threads/active", sandbox.guild_id())).await;
    assert_eq!(names(&active), ["five"]);
    let mut line = Line::open(&sandbox).await;
    line.identify(1, json!([0, 1])).await;
    line.event("READY").await;
    assert_eq!(names(&line.event("GUILD_CREATE").await), ["five"]);
    assert_eq!(call(&sandbox, Method::DELETE, &path(&made[4]), None).await.0, 200);
    let gone = line.event("THREAD_DELETE").await;
    assert_eq!((&gone["id"], &gone["parent_id"]), (&made[4]["id"], &json!(sandbox.general_id().to_string())));
    assert_eq!(get(&sandbox, &path(&made[4])).await.1["code"], 10003);
}
