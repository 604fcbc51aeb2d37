use super::fake::{access, config, message, preflight};
use crate::{Preflight, Rest, RestError, Send};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use protocol::ports::GatewayDirectory;
use serde_json::{Value, json};
use serenity::{builder::CreateMessage, model::id::ChannelId};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::{TcpListener, TcpSocket};

const CHANNEL: ChannelId = ChannelId::new(1);

/// A loopback server that answers everything by `script`, and remembers method, path and headers.
pub(super) async fn serve(
    script: impl Fn(&Request) -> Response + Clone + std::marker::Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let app = Router::new().fallback(move |request: Request| {
        notes.lock().unwrap().push(format!("{} {} {:?}", request.method(), request.uri(), request.headers()));
        let response = script(&request);
        async move { response }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/api/v10", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, seen)
}

pub(super) fn json_answer(body: &Value) -> Response {
    axum::Json(body.clone()).into_response()
}

async fn client(
    script: impl Fn(&Request) -> Response + Clone + std::marker::Send + Sync + 'static,
) -> (Rest, Arc<Mutex<Vec<String>>>) {
    let (base, seen) = serve(script).await;
    (Rest::standalone(config(), &access(&base)).unwrap(), seen)
}

pub(super) async fn post(rest: &Rest) -> Result<u64, RestError> {
    let message = CreateMessage::new().content("hello");
    rest.create_message(CHANNEL, message, Send::default()).await.map(|message| message.id.get())
}

#[tokio::test]
async fn a_message_goes_out_with_the_token_in_its_header_only() {
    let (rest, seen) = client(|_| json_answer(&message(9))).await;
    assert_eq!(post(&rest).await, Ok(9));
    let seen = seen.lock().unwrap().join("\n");
    assert!(seen.starts_with("POST /api/v10/channels/1/messages {"), "{seen}");
    assert!(seen.contains("DiscordBot (") && !seen.contains("serenity"), "{seen}");
    assert_eq!(seen.matches("canary-token").count(), 1, "{seen}");
}

#[tokio::test]
async fn redirects_are_refused() {
    let (rest, seen) =
        client(|_| (StatusCode::FOUND, [(LOCATION, "http://127.0.0.1:1/elsewhere")]).into_response()).await;
    assert!(matches!(post(&rest).await, Err(RestError::Rejected { status: 302, .. })));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn malformed_json_is_a_value_and_stops_nothing() {
    let (rest, seen) = client(|request| match request.method().as_str() {
        "POST" => "{\"id\": [[[".into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    assert!(matches!(post(&rest).await, Err(RestError::Malformed(_))));
    assert_eq!(rest.delete_message(CHANNEL, 2.into(), Send::default()).await, Ok(()));
    assert_eq!(seen.lock().unwrap().len(), 2, "a message that was made is not made again");
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let (rest, _) = client(|_| {
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
        Body::from_stream(endless).into_response()
    })
    .await;
    assert!(matches!(post(&rest).await, Err(RestError::Malformed(_))));
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_at_the_deadline() {
    let (rest, _) = client(|_| {
        Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>()).into_response()
    })
    .await;
    let send = Send::default().within(Duration::from_millis(200));
    let done = rest.create_message(CHANNEL, CreateMessage::new(), send).await;
    assert!(matches!(done, Err(RestError::Deadline)), "{done:?}");
}

#[tokio::test]
async fn errors_name_neither_address_nor_token() {
    // Held, so that nobody else gets the port, but nobody listens on it.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}/api/v10", closed.local_addr().unwrap());
    let rest = Rest::standalone(config(), &access(&base)).unwrap();
    let send = Send::default().within(Duration::from_secs(3));
    let edit = serenity::builder::EditInteractionResponse::new().content("x");
    let error = rest.edit_response(4.into(), "hunter2", edit, send).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(matches!(error, RestError::Unreachable(_)), "{said}");
    assert!(!said.contains("hunter2") && !said.contains("canary") && !said.contains("webhooks"), "{said}");
}

#[tokio::test]
async fn an_unlisted_host_is_never_dialled() {
    let (base, seen) = serve(|_| json_answer(&json!({"id": "1", "name": "bot"}))).await;
    let mut elsewhere = access(&base);
    elsewhere.allow_hosts = vec!["discord.com".to_owned()];
    assert!(elsewhere.check().is_err() && Rest::standalone(config(), &elsewhere).is_err());
    assert!(matches!(preflight(&elsewhere).await, Preflight::Unknown(reason) if reason.contains("allow_hosts")));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn preflight_tells_a_refused_token_from_everything_else() {
    let (good, _) = serve(|_| json_answer(&json!({"id": "1", "name": "bot", "owner": {"id": "5"}}))).await;
    let Preflight::Accepted { application } = preflight(&access(&good)).await else { panic!("refused") };
    assert_eq!((application.id.get(), application.owners[0].get()), (1, 5));
    let (bad, _) = serve(|_| StatusCode::UNAUTHORIZED.into_response()).await;
    assert_eq!(preflight(&access(&bad)).await, Preflight::Refused);
    for script in [
        |_: &Request| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |_: &Request| "not json".into_response(),
        |_: &Request| StatusCode::FORBIDDEN.into_response(),
    ] {
        let (odd, _) = serve(script).await;
        assert!(matches!(preflight(&access(&odd)).await, Preflight::Unknown(_)));
    }
}

#[tokio::test]
async fn the_gateway_is_found_and_trouble_says_when_to_ask_again() {
    let (rest, _) = client(|_| {
        let limit = json!({"total": 1000, "remaining": 997, "reset_after": 14_400_000, "max_concurrency": 1});
        json_answer(&json!({"url": "wss://gateway.discord.gg", "shards": 2, "session_start_limit": limit}))
    })
    .await;
    let found = rest.gateway_bot().await.unwrap();
    assert_eq!((found.shards, found.remaining, found.reset_after_ms, found.max_concurrency), (2, 997, 14_400_000, 1));
    let (rest, _) = client(|_| StatusCode::NOT_FOUND.into_response()).await;
    assert!(rest.gateway_bot().await.unwrap_err().retry_after > Duration::ZERO);
}
