//! Commands being registered, and options being typed by their definitions.

use reqwest::Method;
use sandbox::{Sandbox, SandboxError, SandboxEvent};
use serde_json::{Value, json};

use crate::client::{Line, call, get, post, start};

pub(crate) fn path(sandbox: &Sandbox) -> String {
    format!("/applications/{}/commands", sandbox.application_id())
}

fn option(name: &str, value: impl Into<Value>) -> (String, Value) {
    (name.to_owned(), value.into())
}

#[tokio::test]
async fn registering_again_keeps_ids_and_replacing_forgets_the_rest() {
    let sandbox = start();
    let quiet = json!({ "type": 3, "name": "text", "description": "d", "min_length": null, "autocomplete": null });
    let ping = json!({ "name": "ping", "description": "Pong", "options": [quiet] });
    let help = json!({ "name": "help", "description": "Help", "type": 1 });
    let (status, first) = post(&sandbox, &path(&sandbox), ping.clone()).await;
    assert_eq!((status, &first["type"]), (201, &json!(1)));
    assert_eq!(first["options"][0], json!({ "type": 3, "name": "text", "description": "d" }), "null is left out");
    let (status, second) = post(&sandbox, &path(&sandbox), ping.clone()).await;
    assert_eq!((status, &second["id"]), (200, &first["id"]));
    let (status, both) = call(&sandbox, Method::PUT, &path(&sandbox), Some(json!([help, ping]))).await;
    assert_eq!((status, &both[1]["id"]), (200, &first["id"]));
    assert_eq!(get(&sandbox, &path(&sandbox)).await.1, both);
    let one = format!("{}/{}", path(&sandbox), first["id"].as_str().unwrap());
    let (_, changed) = call(&sandbox, Method::PATCH, &one, Some(json!({ "description": "New" }))).await;
    assert_eq!((&changed["name"], &changed["description"]), (&json!("ping"), &json!("New")));
    assert_eq!(call(&sandbox, Method::DELETE, &one, None).await.0, 204);
    assert_eq!(get(&sandbox, &one).await.1["code"], 10063);
    let last = sandbox.log().into_iter().rev().find(|event| matches!(event, SandboxEvent::CommandsRegistered { .. }));
    assert_eq!(last, Some(SandboxEvent::CommandsRegistered { guild: None, n: 1 }));
}

#[tokio::test]
async fn bad_definitions_are_refused_and_change_nothing() {
    let sandbox = start();
    let good = json!({ "name": "good", "description": "d" });
    let bad = [
        json!({ "name": "Bad", "description": "capitals" }),
        json!({ "name": "two words", "description": "d" }),
        json!({ "name": "x", "description": "" }),
        json!({ "name": "x", "description": "d", "options": [{ "name": "o", "type": 99, "description": "d" }] }),
        json!({ "name": "x", "description": "d", "options": [
            { "name": "a", "type": 3, "description": "d" }, { "name": "b", "type": 3, "description": "d", "required": true }] }),
    ];
    for bad in bad {
        let (status, answer) = call(&sandbox, Method::PUT, &path(&sandbox), Some(json!([good, bad]))).await;
        assert_eq!(
            (status, &answer["code"], answer["errors"]["1"].is_object()),
            (400, &json!(50035), true),
            "{answer}"
        );
    }
    assert_eq!(get(&sandbox, &path(&sandbox)).await.1, json!([]));
    assert_eq!(get(&sandbox, "/applications/1/commands").await.1["code"], 10002);
}

#[tokio::test]
async fn options_are_typed_by_the_definition() {
    let sandbox = start();
    let option_of = |kind: u8, name: &str| json!({ "type": kind, "name": name, "description": "d" });
    let mut many: Vec<Value> =
        [(3, "text"), (4, "whole"), (5, "flag"), (6, "user"), (7, "channel"), (8, "role"), (10, "number")]
            .map(|(kind, name)| option_of(kind, name))
            .into();
    many.push(json!({ "type": 4, "name": "choice", "description": "d", "choices": [{ "name": "two", "value": 2 }] }));
    many[1]["min_value"] = json!(3);
    post(&sandbox, &path(&sandbox), json!({ "name": "all", "description": "d", "options": many })).await;
    let mut line = Line::ready(&sandbox, 1).await;
    let typed = [
        option("text", "hi"),
        option("whole", "42"),
        option("flag", true),
        option("user", "bob"),
        option("channel", "#random"),
        option("role", "moderators"),
        option("number", 1.5),
        option("choice", "two"),
    ];
    sandbox.slash("alice", "all", &typed).unwrap();
    let data = line.event("INTERACTION_CREATE").await["data"].take();
    let value = |name: &str| {
        let options = data["options"].as_array().unwrap();
        options.iter().find(|option| option["name"] == name).unwrap()["value"].clone()
    };
    let bob = sandbox.user_id("bob").unwrap().to_string();
    let role = sandbox.role_id(sandbox.guild_id(), "moderators").unwrap().to_string();
    assert_eq!((value("text"), value("whole"), value("flag")), (json!("hi"), json!(42), json!(true)));
    assert_eq!(
        (value("user"), value("role"), value("number"), value("choice")),
        (json!(bob), json!(role), json!(1.5), json!(2))
    );
    assert_eq!(data["resolved"]["users"][&bob]["username"], "bob");
    assert_eq!(data["resolved"]["members"][&bob]["roles"], json!([role]));
    for bad in
        [option("whole", "many"), option("whole", 1), option("user", "nobody"), option("choice", 3), option("extra", 1)]
    {
        let refused = sandbox.slash("alice", "all", std::slice::from_ref(&bad));
        assert!(matches!(refused, Err(SandboxError::BadOption { .. })), "{bad:?}");
    }
}

#[tokio::test]
async fn subcommands_permissions_and_unknown_commands() {
    let sandbox = start();
    let set = json!({ "type": 1, "name": "set", "description": "d",
        "options": [{ "type": 3, "name": "to", "description": "d", "required": true }] });
    let prefix = json!({ "name": "prefix", "description": "d", "options": [set], "default_member_permissions": "32" });
    post(&sandbox, &path(&sandbox), prefix).await;
    let mut line = Line::ready(&sandbox, 1).await;
    sandbox.slash("alice", "prefix set", &[option("to", "?")]).unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    assert_eq!(event["data"]["options"][0]["options"][0]["value"], "?");
    assert!(matches!(sandbox.slash("alice", "prefix set", &[]), Err(SandboxError::BadOption { .. })));
    assert!(matches!(sandbox.slash("alice", "prefix", &[]), Err(SandboxError::UnknownCommand(_))));
    assert!(matches!(sandbox.slash("alice", "nothing", &[]), Err(SandboxError::UnknownCommand(_))));
    assert!(matches!(sandbox.slash("carol", "prefix set", &[option("to", "?")]), Err(SandboxError::NotAllowed(_))));
}

#[tokio::test]
async fn a_guilds_command_hides_the_global_one_of_its_name() {
    let sandbox = start();
    let of_guild = format!("/applications/{}/guilds/{}/commands", sandbox.application_id(), sandbox.guild_id());
    post(&sandbox, &path(&sandbox), json!({ "name": "ping", "description": "global" })).await;
    let (_, local) = post(&sandbox, &of_guild, json!({ "name": "ping", "description": "local" })).await;
    let mut line = Line::ready(&sandbox, 1).await;
    sandbox.slash("bob", "ping", &[]).unwrap();
    assert_eq!(line.event("INTERACTION_CREATE").await["data"]["id"], local["id"]);
}

#[tokio::test]
async fn commands_of_the_menu_name_their_target() {
    let sandbox = start();
    for (kind, name) in [(2, "Who is this"), (3, "Report")] {
        let (status, made) = post(&sandbox, &path(&sandbox), json!({ "name": name, "type": kind })).await;
        assert_eq!((status, &made["description"]), (201, &json!("")));
    }
    let mut line = Line::ready(&sandbox, 1).await;
    sandbox.use_on_user("alice", "Who is this", "bob").unwrap();
    let data = line.event("INTERACTION_CREATE").await["data"].take();
    let bob = sandbox.user_id("bob").unwrap().to_string();
    assert_eq!((&data["type"], &data["target_id"]), (&json!(2), &json!(bob)));
    assert_eq!(data["resolved"]["users"][&bob]["username"], "bob");
    let said = sandbox.say("carol", "spam");
    sandbox.use_on_message("alice", "Report", sandbox.general_id(), said).unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    let callback =
        format!("/interactions/{}/{}/callback", event["id"].as_str().unwrap(), event["token"].as_str().unwrap());
    let reply = json!({ "type": 4, "data": { "content": "thanks" } });
    let (_, answer) = post(&sandbox, &format!("{callback}?with_response=true"), reply).await;
    assert_eq!(answer["resource"]["message"]["type"], 23);
    let data = &event["data"];
    assert_eq!(data["resolved"]["messages"][said.0.to_string()]["content"], "spam");
    assert!(matches!(sandbox.use_on_user("alice", "Report", "bob"), Err(SandboxError::UnknownCommand(_))));
}
