use super::*;
use crate::send::{Mentions, Send};
use serde_json::{Value, json};
use serenity::{
    http::{LightMethod, Route},
    model::id::{ChannelId, InteractionId, UserId},
};

fn closed_body(route: Route<'_>, body: &str, send: &Send) -> Result<String, RestError> {
    let mut call = Call::new(LightMethod::Post, route)?;
    call.body = Some(body.as_bytes().to_vec());
    close(&mut call, send)?;
    Ok(String::from_utf8(call.body.unwrap_or_default()).unwrap())
}

fn post(body: &str, send: &Send) -> Result<String, RestError> {
    closed_body(Route::ChannelMessages { channel_id: ChannelId::new(1) }, body, send)
}

fn callback(body: &str) -> Value {
    let route = Route::InteractionResponse { interaction_id: InteractionId::new(7), token: "t" };
    serde_json::from_str(&closed_body(route, body, &Send::default()).unwrap()).unwrap()
}

/// Whatever comes last wins in most readers, whatever comes first in others: so a name of ours stands there once.
#[test]
fn names_that_are_ours_stand_there_once_however_they_were_written() {
    let body = concat!(
        r#"{"allowed_mentions":{"parse":["everyone"]},"content":"@everyone","\u0061llowed_mentions":null,"#,
        r#""allowed\u005fmentions":{"parse":["users"]},"nonce":"a","enforce_nonce":false,"nonce":7}"#
    );
    let send = Send::default().mentions(Mentions::Users(vec![UserId::new(8)]));
    let closed = post(body, &send).unwrap();
    for name in [r#""allowed_mentions":"#, r#""nonce":"#, r#""enforce_nonce":"#, r#""content":"#] {
        assert_eq!(closed.matches(name).count(), 1, "{name} in {closed}");
    }
    assert!(!closed.contains('\\'), "{closed}");
    let closed: Value = serde_json::from_str(&closed).unwrap();
    let expected = json!({
        "content": "@everyone", "allowed_mentions": {"parse": [], "users": ["8"]}, "nonce": "7", "enforce_nonce": true,
    });
    assert_eq!(closed, expected);
}

#[test]
fn what_should_be_a_message_and_is_no_object_is_refused() {
    for body in ["[1]", "\"x\"", "{", "7", r#"{"content":"x"}x"#] {
        let refused = post(body, &Send::default());
        assert!(matches!(refused, Err(RestError::Rejected { status: 0, .. })), "{body} passed");
    }
    let route = Route::InteractionResponse { interaction_id: InteractionId::new(7), token: "t" };
    assert!(closed_body(route, r#"{"type":4,"data":[1]}"#, &Send::default()).is_err());
    let route = Route::ChannelThreads { channel_id: ChannelId::new(1) };
    assert!(closed_body(route, r#"{"name":"x","message":7}"#, &Send::default()).is_err());
    let route = Route::ChannelMessagesBulkDelete { channel_id: ChannelId::new(1) };
    assert_eq!(closed_body(route, "[1]", &Send::default()).as_deref(), Ok("[1]"), "no message belongs there");
}

#[test]
fn no_body_becomes_an_object() {
    for body in ["null", ""] {
        let closed: Value = serde_json::from_str(&post(body, &Send::default().nonce("n")).unwrap()).unwrap();
        let expected = json!({"allowed_mentions": {"parse": []}, "nonce": "n", "enforce_nonce": true});
        assert_eq!(closed, expected, "{body}");
    }
}

#[test]
fn an_answer_is_closed_unless_it_surely_holds_no_message() {
    let closed = json!({"parse": []});
    assert_eq!(callback(r#"{"type":4,"data":{"content":"x"}}"#)["data"]["allowed_mentions"], closed);
    assert_eq!(callback(r#"{"type":5}"#)["data"]["allowed_mentions"], closed);
    assert_eq!(callback(r#"{"type":4,"data":null}"#)["data"]["allowed_mentions"], closed);
    assert_eq!(callback(r#"{"data":{}}"#)["data"]["allowed_mentions"], closed, "it has no type");
    assert_eq!(callback(r#"{"type":8,"type":4,"data":{}}"#)["data"]["allowed_mentions"], closed, "or two");
    assert_eq!(callback(r#"{"type":8,"data":{"choices":[]}}"#), json!({"type": 8, "data": {"choices": []}}));
    assert_eq!(callback(r#"{"type":1}"#), json!({"type": 1}));
}

#[test]
fn files_are_refused_wherever_they_are_named() {
    for body in [
        r#"{"attachments":[{"id":0}]}"#,
        r#"{"attachments":[],"attachments": [ {"id":0}]}"#,
        r#"{"message":{"attachments":[1]}}"#,
        r#"{"data":{"\u0061ttachments":[1]}}"#,
    ] {
        assert!(post(body, &Send::default()).is_err(), "{body} passed");
    }
    assert!(post(r#"{"attachments":[ ]}"#, &Send::default()).is_ok());
}

#[test]
fn a_nonce_keeps_discords_bounds() {
    assert!(post("{}", &Send::default().nonce("x".repeat(NONCE_MAX))).is_ok());
    assert!(post("{}", &Send::default().nonce("x".repeat(NONCE_MAX + 1))).is_err());
    assert!(post(r#"{"nonce":""}"#, &Send::default()).is_err());
    assert!(post(r#"{"nonce":"\"é"}"#, &Send::default()).unwrap().contains(r#""nonce":"\"é""#));
}
