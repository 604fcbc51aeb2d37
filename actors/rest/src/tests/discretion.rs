use super::fake::{access, config, message};
use super::wire::{json_answer, serve};
use crate::{Rest, RestError, Send};
use axum::{http::StatusCode, response::IntoResponse};
use serde_json::json;
use serenity::{
    builder::{
        CreateAttachment, CreateInteractionResponse, CreateInteractionResponseMessage, CreateMessage,
        EditInteractionResponse,
    },
    http::{LightMethod, Request, Route},
    model::id::{ApplicationId, ChannelId},
};
use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_token_and_no_text_is_logged_above_trace() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let _quiet = tracing::subscriber::set_default(subscriber);
    let (base, _) = serve(|request| match request.uri().path() {
        path if path.contains("channels/1/") => json_answer(&message(9)),
        path if path.contains("channels/2/") => {
            let limit = json!({"message": "You are being rate limited.", "retry_after": 60.0});
            (StatusCode::TOO_MANY_REQUESTS, axum::Json(limit)).into_response()
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
    .await;
    let rest = Rest::standalone(config(), &access(&base)).unwrap();
    let send = || Send::default().within(Duration::from_millis(600));
    let said = || CreateMessage::new().content("canary-text");
    rest.create_message(ChannelId::new(1), said(), send()).await.unwrap();
    rest.create_message(ChannelId::new(2), said(), send()).await.unwrap_err();
    let data = CreateInteractionResponseMessage::new().content("canary-text");
    let answer = CreateInteractionResponse::Message(data.clone());
    rest.respond(3.into(), "canary-interaction", answer, send()).await.unwrap_err();
    let edit = EditInteractionResponse::new().content("canary-text");
    rest.edit_response(4.into(), "canary-interaction", edit, send()).await.unwrap_err();
    let route = Route::WebhookFollowupMessages { application_id: ApplicationId::new(4), token: "canary-interaction" };
    let body = serde_json::to_vec(&data).unwrap();
    let request = Request::new(route, LightMethod::Post).body(Some(body));
    rest.request::<()>(request, send()).await.unwrap_err();
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("request failed"), "nothing was logged at all: {logged}");
    assert!(!logged.contains("canary"), "{logged}");
}

#[tokio::test]
async fn a_builder_with_files_is_refused_before_anything_is_sent() {
    let (base, seen) = serve(|_| json_answer(&message(9))).await;
    let rest = Rest::standalone(config(), &access(&base)).unwrap();
    let with_file = CreateMessage::new().add_file(CreateAttachment::bytes(b"x".to_vec(), "x.txt"));
    let refused = rest.create_message(ChannelId::new(1), with_file, Send::default()).await;
    assert!(matches!(refused, Err(RestError::Rejected { status: 0, .. })));
    assert!(seen.lock().unwrap().is_empty());
}
