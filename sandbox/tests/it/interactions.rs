//! Interactions: answered once, in time, and changed afterwards.

use reqwest::Method;
use sandbox::{ReplyKind, Sandbox, SandboxEvent};
use serde_json::{Value, json};

use crate::client::{ALL, Line, call, get, post, start, start_with};
use crate::commands::path;

/// A sandbox with /ping registered, a connection, and one use of /ping.
async fn asked(sandbox: &Sandbox) -> (Line, Asked) {
    post(sandbox, &path(sandbox), json!({ "name": "ping", "description": "Pong" })).await;
    let mut line = Line::ready(sandbox, ALL).await;
    sandbox.slash("alice", "ping", &[]).unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    (line, Asked::new(sandbox, &event))
}

struct Asked {
    id: u64,
    callback: String,
    webhook: String,
}

impl Asked {
    fn new(sandbox: &Sandbox, event: &Value) -> Asked {
        let (id, token) = (event["id"].as_str().unwrap(), event["token"].as_str().unwrap());
        Asked {
            id: id.parse().unwrap(),
            callback: format!("/interactions/{id}/{token}/callback"),
            webhook: format!("/webhooks/{}/{token}", sandbox.application_id()),
        }
    }
}

fn replies(sandbox: &Sandbox) -> Vec<(ReplyKind, String, bool)> {
    let reply = |event| match event {
        SandboxEvent::InteractionReply { kind, content, ephemeral, .. } => Some((kind, content, ephemeral)),
        _ => None,
    };
    sandbox.log().into_iter().filter_map(reply).collect()
}

#[tokio::test]
async fn an_interaction_is_answered_once() {
    let sandbox = start();
    let (mut line, asked) = asked(&sandbox).await;
    let pong = json!({ "type": 4, "data": { "content": "pong" } });
    let (status, answer) = post(&sandbox, &format!("{}?with_response=true", asked.callback), pong.clone()).await;
    assert_eq!((status, &answer["resource"]["message"]["content"]), (200, &json!("pong")));
    let message = line.event("MESSAGE_CREATE").await;
    assert_eq!((&message["type"], &message["interaction_metadata"]["user"]["username"]), (&json!(20), &json!("alice")));
    let (status, again) = post(&sandbox, &asked.callback, pong).await;
    assert_eq!((status, &again["code"]), (400, &json!(40060)));
    assert_eq!(replies(&sandbox), [(ReplyKind::Message, "pong".to_owned(), false)]);
    assert!(sandbox.wait_answered(asked.id, crate::client::SOON));
    assert!(sandbox.bot_messages().is_empty(), "answers are not messages of the bot's own");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_or_to_nothing_is_10062() {
    let sandbox = start_with(|config| config.interaction_deadline_ms = 0);
    let (_line, asked) = asked(&sandbox).await;
    // The clock of the sandbox counts milliseconds, so that a deadline of zero passes with the next one.
    let pong = json!({ "type": 4, "data": { "content": "pong" } });
    let before = std::time::Instant::now();
    while before.elapsed().as_millis() < 2 {
        tokio::task::yield_now().await;
    }
    let (status, late) = post(&sandbox, &asked.callback, pong.clone()).await;
    assert_eq!((status, &late["code"]), (404, &json!(10062)));
    let (status, unknown) = post(&sandbox, "/interactions/1/token/callback", pong).await;
    assert_eq!((status, &unknown["code"]), (404, &json!(10062)));
    let (status, no_webhook) = get(&sandbox, &format!("{}/messages/@original", asked.webhook)).await;
    assert_eq!((status, &no_webhook["code"]), (404, &json!(10015)));
}

#[tokio::test]
async fn a_deferred_answer_is_filled_in_and_followed_up() {
    let sandbox = start();
    let (mut line, asked) = asked(&sandbox).await;
    assert_eq!(post(&sandbox, &asked.callback, json!({ "type": 5 })).await.0, 204);
    assert_eq!(line.event("MESSAGE_CREATE").await["flags"], 128);
    let original = format!("{}/messages/@original", asked.webhook);
    let (status, filled) = call(&sandbox, Method::PATCH, &original, Some(json!({ "content": "done" }))).await;
    assert_eq!((status, &filled["content"], &filled["flags"]), (200, &json!("done"), &json!(0)));
    assert_eq!(line.event("MESSAGE_UPDATE").await["content"], "done");
    let (_, more) = post(&sandbox, &asked.webhook, json!({ "content": "more", "flags": 64 })).await;
    assert_eq!(more["flags"], 64);
    let one = format!("{}/messages/{}", asked.webhook, more["id"].as_str().unwrap());
    assert_eq!(call(&sandbox, Method::PATCH, &one, Some(json!({ "content": "less" }))).await.1["content"], "less");
    assert_eq!(call(&sandbox, Method::DELETE, &one, None).await.0, 204);
    assert_eq!(get(&sandbox, &one).await.1["code"], 10008);
    assert_eq!(get(&sandbox, &original).await.1["content"], "done");
    assert_eq!(get(&sandbox, &original.replace('@', "%40")).await.1["content"], "done");
    assert_eq!(call(&sandbox, Method::DELETE, &original, None).await.0, 204);
    assert_eq!(line.event("MESSAGE_DELETE").await["id"], filled["id"], "nothing was heard of the ephemeral one");
    use ReplyKind::{Deferred, Delete, Edit, Followup};
    let kinds: Vec<_> = replies(&sandbox).into_iter().map(|(kind, content, _)| (kind, content)).collect();
    let expected =
        [(Deferred, ""), (Edit, "done"), (Followup, "more"), (Edit, "less"), (Delete, "less"), (Delete, "done")];
    assert_eq!(kinds, expected.map(|(kind, content)| (kind, content.to_owned())));
}

#[tokio::test]
async fn the_first_follow_up_fills_a_deferred_answer_in() {
    let sandbox = start();
    let (_line, asked) = asked(&sandbox).await;
    post(&sandbox, &asked.callback, json!({ "type": 5, "data": { "flags": 64 } })).await;
    post(&sandbox, &asked.webhook, json!({ "content": "late" })).await;
    let original = get(&sandbox, &format!("{}/messages/@original", asked.webhook)).await.1;
    assert_eq!((&original["content"], &original["flags"]), (&json!("late"), &json!(64)));
}

#[tokio::test]
async fn a_callback_that_does_not_fit_is_refused_and_the_interaction_stays_open() {
    let sandbox = start();
    let (_line, asked) = asked(&sandbox).await;
    for kind in [6, 7, 8, 99] {
        let (status, refused) =
            post(&sandbox, &asked.callback, json!({ "type": kind, "data": { "choices": [] } })).await;
        assert_eq!((status, &refused["code"]), (400, &json!(50035)), "type {kind}");
    }
    let (_, empty) = post(&sandbox, &asked.callback, json!({ "type": 4, "data": {} })).await;
    assert_eq!(empty["code"], 50006);
    assert_eq!(post(&sandbox, &asked.callback, json!({ "type": 4, "data": { "content": "ok" } })).await.0, 204);
}

#[tokio::test]
async fn components_autocompletion_and_modals_go_round() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let find = json!({ "name": "find", "description": "d",
        "options": [{ "type": 3, "name": "what", "description": "d", "autocomplete": true }] });
    post(&sandbox, &path(&sandbox), find).await;
    let typed = [("what".to_owned(), json!("ab"))];
    sandbox.autocomplete("alice", "find", &typed, "what").unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    assert_eq!((&event["type"], &event["data"]["options"][0]["focused"]), (&json!(4), &json!(true)));
    for wrong in [json!(null), json!([{ "name": "", "value": 1 }]), json!([{ "name": "n" }]), json!(vec![0; 26])] {
        let choices = json!({ "type": 8, "data": { "choices": wrong } });
        let refused = post(&sandbox, &Asked::new(&sandbox, &event).callback, choices).await.1;
        assert_eq!((&refused["code"], refused["errors"]["data"]["choices"].is_object()), (&json!(50035), true));
    }
    let choices = json!({ "type": 8, "data": { "choices": [{ "name": "abc", "value": "abc" }] } });
    assert_eq!(post(&sandbox, &Asked::new(&sandbox, &event).callback, choices).await.0, 204);

    let row = json!([{ "type": 1, "components": [{ "type": 2, "style": 1, "label": "go", "custom_id": "go" }] }]);
    let (_, message) =
        post(&sandbox, &crate::client::messages(&sandbox), json!({ "content": "b", "components": row })).await;
    line.event("MESSAGE_CREATE").await;
    let id = sandbox::MessageId(message["id"].as_str().unwrap().parse().unwrap());
    assert!(sandbox.press("bob", sandbox.general_id(), id, "stop", &[]).is_err());
    let pressed = sandbox.press("bob", sandbox.general_id(), id, "go", &[]).unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    assert_eq!((&event["type"], &event["message"]["id"]), (&json!(3), &message["id"]));
    let empty = json!({ "type": 9, "data": { "custom_id": "m", "title": "T", "components": [] } });
    assert_eq!(post(&sandbox, &Asked::new(&sandbox, &event).callback, empty).await.1["code"], 50035);
    let input = json!({ "type": 4, "custom_id": "field", "style": 1, "label": "L" });
    let rows = json!([{ "type": 1, "components": [input] }]);
    let modal = json!({ "type": 9, "data": { "custom_id": "m", "title": "T", "components": rows } });
    assert_eq!(post(&sandbox, &Asked::new(&sandbox, &event).callback, modal).await.0, 204);

    sandbox.submit_modal(pressed, "m", &[("field".to_owned(), "text".to_owned())]).unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    assert_eq!(event["data"]["components"][0]["components"][0]["value"], "text");
    let update = json!({ "type": 7, "data": { "content": "updated", "components": [] } });
    assert_eq!(post(&sandbox, &Asked::new(&sandbox, &event).callback, update).await.0, 204);
    assert_eq!(line.event("MESSAGE_UPDATE").await["content"], "updated");
    let kinds: Vec<_> = replies(&sandbox).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, [ReplyKind::Autocomplete, ReplyKind::Modal, ReplyKind::Update]);
}

#[tokio::test]
async fn what_waits_for_an_answer_is_counted() {
    let sandbox = start();
    let (mut line, asked) = asked(&sandbox).await;
    assert_eq!(sandbox.unanswered(), 1);
    let data = json!({ "content": format!("<@{}>", sandbox.owner_id()), "allowed_mentions": { "parse": [] } });
    post(&sandbox, &asked.callback, json!({ "type": 4, "data": data })).await;
    line.event("MESSAGE_CREATE").await;
    assert_eq!((sandbox.unanswered(), sandbox.undelivered()), (0, 0));
    let answered = |event: &SandboxEvent| matches!(event, SandboxEvent::InteractionReply { pings, .. } if !pings.any());
    assert!(sandbox.log().iter().any(answered));
}

#[tokio::test]
async fn components_without_an_id_are_given_one() {
    let sandbox = start();
    let button = |id: Option<u64>| {
        let mut button = json!({ "type": 2, "style": 1, "label": "go", "custom_id": format!("{id:?}") });
        if let Some(id) = id {
            button["id"] = json!(id);
        }
        button
    };
    let rows = json!([{ "type": 1, "components": [button(Some(2)), button(None)] }]);
    let (_, message) = post(&sandbox, &crate::client::messages(&sandbox), json!({ "components": rows })).await;
    let row = &message["components"][0];
    assert_eq!(
        (&row["id"], &row["components"][0]["id"], &row["components"][1]["id"]),
        (&json!(1), &json!(2), &json!(3))
    );
}

/// A message of the bot's with these rows, and the id to press it by.
async fn with_components(sandbox: &Sandbox, line: &mut Line, rows: Value) -> (Value, sandbox::MessageId) {
    let body = json!({ "content": "choose", "components": rows });
    let (status, message) = post(sandbox, &crate::client::messages(sandbox), body).await;
    assert_eq!(status, 200, "{message}");
    line.event("MESSAGE_CREATE").await;
    let id = sandbox::MessageId(message["id"].as_str().unwrap().parse().unwrap());
    (message, id)
}

#[tokio::test]
async fn a_menu_takes_what_it_offers_and_describes_whom_it_names() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let options =
        json!([{ "label": "A", "value": "a" }, { "label": "B", "value": "b" }, { "label": "C", "value": "c" }]);
    let rows = json!([
        { "type": 1, "components": [{ "type": 3, "custom_id": "letters", "max_values": 2, "options": options }] },
        { "type": 1, "components": [{ "type": 5, "custom_id": "people" }] },
        { "type": 1, "components": [{ "type": 2, "style": 1, "label": "no", "custom_id": "off", "disabled": true }] },
    ]);
    let (_, id) = with_components(&sandbox, &mut line, rows).await;
    let general = sandbox.general_id();
    let press = |custom_id: &str, values: &[&str]| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        sandbox.press("alice", general, id, custom_id, &values)
    };
    for (custom_id, values) in [("letters", &[][..]), ("letters", &["a", "b", "c"]), ("letters", &["d"]), ("off", &[])]
    {
        let refused = press(custom_id, values);
        assert!(matches!(refused, Err(sandbox::SandboxError::BadOption { .. })), "{custom_id}: {refused:?}");
    }
    press("letters", &["a", "c"]).unwrap();
    assert_eq!(line.event("INTERACTION_CREATE").await["data"]["values"], json!(["a", "c"]));
    press("people", &["bob"]).unwrap();
    let data = line.event("INTERACTION_CREATE").await["data"].take();
    let bob = sandbox.user_id("bob").unwrap().to_string();
    assert_eq!((&data["values"], &data["resolved"]["users"][&bob]["username"]), (&json!([bob]), &json!("bob")));
}

#[tokio::test]
async fn a_modal_is_sent_once_with_its_own_fields() {
    let sandbox = start();
    let (mut line, asked) = asked(&sandbox).await;
    let field = |name: &str, required: bool| {
        json!({ "type": 1, "components": [{ "type": 4, "custom_id": name, "style": 1, "label": "L", "required": required,
            "max_length": 5 }] })
    };
    let data = json!({ "custom_id": "m", "title": "T", "components": [field("name", true), field("note", false)] });
    assert_eq!(post(&sandbox, &asked.callback, json!({ "type": 9, "data": data })).await.0, 204);
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let send = |custom_id: &str, fields: &[(String, String)]| sandbox.submit_modal(asked.id, custom_id, fields);
    assert!(send("other", &[pair("name", "x")]).is_err());
    for wrong in [vec![], vec![pair("name", "too long")], vec![pair("name", "x"), pair("extra", "x")]] {
        assert!(send("m", &wrong).is_err(), "{wrong:?}");
    }
    send("m", &[pair("name", "x")]).unwrap();
    let event = line.event("INTERACTION_CREATE").await;
    let sent = |at: usize| event["data"]["components"][at]["components"][0]["value"].clone();
    assert_eq!((&event["type"], sent(0), sent(1)), (&json!(5), json!("x"), json!("")));
    assert!(send("m", &[pair("name", "x")]).is_err(), "it was sent");
    let reply = json!({ "type": 4, "data": { "content": "thanks" } });
    assert_eq!(post(&sandbox, &Asked::new(&sandbox, &event).callback, reply).await.0, 204);
    assert_eq!(line.event("MESSAGE_CREATE").await["content"], "thanks");
}

#[tokio::test]
async fn a_token_that_is_too_old_answers_nothing_any_more() {
    let sandbox = start_with(|config| config.interaction_token_ms = 0);
    let (_line, asked) = asked(&sandbox).await;
    assert_eq!(post(&sandbox, &asked.callback, json!({ "type": 5 })).await.0, 204);
    let before = std::time::Instant::now();
    while before.elapsed().as_millis() < 2 {
        tokio::task::yield_now().await;
    }
    let original = format!("{}/messages/@original", asked.webhook);
    let (status, late) = call(&sandbox, Method::PATCH, &original, Some(json!({ "content": "late" }))).await;
    assert_eq!((status, &late["code"]), (401, &json!(50027)));
    assert_eq!(post(&sandbox, &asked.webhook, json!({ "content": "late" })).await.1["code"], 50027);
}

#[tokio::test]
async fn components_that_discord_refuses_are_refused() {
    let sandbox = start();
    let button = |id: &str| json!({ "type": 2, "style": 1, "label": "x", "custom_id": id });
    let row = |buttons: Vec<Value>| json!({ "type": 1, "components": buttons });
    let cases = [
        json!([row(vec![button("same"), button("same")])]),
        json!([row(vec![button(&"x".repeat(101))])]),
        Value::Array((0..6).map(|n| row(vec![button(&n.to_string())])).collect()),
    ];
    for components in cases {
        let body = json!({ "content": "x", "components": components });
        assert_eq!(post(&sandbox, &crate::client::messages(&sandbox), body).await.1["code"], 50035, "{components}");
    }
}
