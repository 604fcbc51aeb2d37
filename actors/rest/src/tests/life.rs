use super::{
    fake::{access, config, message},
    wire::{json_answer, post, serve},
};
use crate::{Past, Rest, RestConfig, RestError, Send, child};
use axum::{
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use serenity::{builder::CreateMessage, model::id::ChannelId};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use supervision::{ActorPath, AdminError, Flags, NoObserver, Planes, Strategy, Tree, Verb};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

struct Bot {
    rest: Rest,
    tree: Tree,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Bot {
    async fn start(
        config: RestConfig,
        script: impl Fn(&Request) -> Response + Clone + std::marker::Send + Sync + 'static,
    ) -> Self {
        let (base, seen) = serve(script).await;
        let (rest, spec) = child(config, access(&base), Past::none());
        let flags = Flags::new(Strategy::OneForOne);
        let tree = Tree::start(Planes::single(), flags, vec![spec], Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        Self { rest, tree, seen }
    }

    async fn order(&self, verb: Verb) {
        self.tree.order(&path(), verb, None, false).await.unwrap();
    }

    async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let look = async {
            while !wanted(self) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, look).await.unwrap();
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn unavailable(&self) -> Option<String> {
        self.tree.node(&path())?.mailbox?.unavailable
    }
}

fn path() -> ActorPath {
    ActorPath::from(crate::PATH)
}

#[tokio::test]
async fn a_stopped_client_fails_calls_at_once_and_serves_again_when_started() {
    let bot = Bot::start(config(), |request| match request.method().as_str() {
        "DELETE" => {
            Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>()).into_response()
        }
        _ => json_answer(&message(9)),
    })
    .await;
    assert_eq!(post(&bot.rest).await, Ok(9));
    let hanging = tokio::spawn({
        let rest = bot.rest.clone();
        async move { rest.delete_message(ChannelId::new(1), 2.into(), Send::default()).await }
    });
    bot.until(|bot| bot.seen() == 2).await;
    bot.order(Verb::Stop).await;
    let cut = timeout(Duration::from_secs(5), hanging).await.unwrap().unwrap();
    assert!(matches!(cut, Err(RestError::Unavailable { .. })), "{cut:?}");
    assert!(matches!(post(&bot.rest).await, Err(RestError::Unavailable { .. })));
    assert!(!bot.rest.status().available);
    bot.order(Verb::Start).await;
    assert_eq!(post(&bot.rest).await, Ok(9));
}

#[tokio::test]
async fn a_killed_client_is_back_and_remembers_what_it_learned() {
    let bot = Bot::start(config(), |request| {
        if request.uri().path().contains("channels/7") {
            let refusal = json!({"code": 50013, "message": "Missing Permissions"});
            return (StatusCode::FORBIDDEN, axum::Json(refusal)).into_response();
        }
        json_answer(&message(9))
    })
    .await;
    let forbidden = async || {
        let sent = bot.rest.create_message(ChannelId::new(7), CreateMessage::new(), Send::default()).await;
        assert!(matches!(sent, Err(RestError::Forbidden { code: 50013, .. })));
    };
    forbidden().await;
    bot.order(Verb::Kill).await;
    bot.until(|bot| bot.tree.node(&path()).is_some_and(|node| node.incarnation == 2) && bot.rest.status().available)
        .await;
    forbidden().await;
    assert_eq!(bot.seen(), 1, "the refusal was forgotten");
    assert_eq!(bot.rest.status().invalid_10_min, 1, "the invalid answer was forgotten");
    assert_eq!(post(&bot.rest).await, Ok(9));
}

#[tokio::test]
async fn a_refused_token_shows_in_the_tree_and_a_restart_tries_again() {
    let bot = Bot::start(config(), |_| StatusCode::UNAUTHORIZED.into_response()).await;
    for _ in 0..3 {
        assert_eq!(post(&bot.rest).await, Err(RestError::Unauthorized));
    }
    assert_eq!(bot.seen(), 1);
    bot.until(|bot| bot.unavailable().is_some_and(|reason| reason.contains("token"))).await;
    bot.order(Verb::Restart { force: true }).await;
    assert_eq!(post(&bot.rest).await, Err(RestError::Unauthorized));
    assert_eq!(bot.seen(), 2);
}

#[tokio::test]
async fn an_operator_sees_and_resets_the_breaker() {
    let config = RestConfig { invalid_limit: 3, ..config() };
    let bot = Bot::start(config, |request| match request.method().as_str() {
        "POST" => StatusCode::FORBIDDEN.into_response(),
        _ => json_answer(&json!({"url": "wss://gateway.discord.gg"})),
    })
    .await;
    for _ in 0..3 {
        assert!(matches!(post(&bot.rest).await, Err(RestError::Forbidden { .. })));
    }
    let tell = async |name| bot.tree.tell(&path(), name, serde_json::Value::Null, PATIENCE, None).await;
    let status = tell("status").await.unwrap();
    assert_eq!((&status["invalid_10_min"], &status["token_refused"]), (&json!(3), &json!(false)));
    assert!(status["breaker_silence_ms"].as_u64().is_some_and(|silence| silence > 50_000), "{status}");
    bot.until(|bot| bot.unavailable().is_some()).await;
    assert!(matches!(tell("ping").await, Err(AdminError::Refused { .. })));
    tell("reset_breaker").await.unwrap();
    assert!(tell("ping").await.unwrap()["round_trip_ms"].as_f64().is_some_and(|took| took > 0.0));
    bot.until(|bot| bot.unavailable().is_none()).await;
}

#[tokio::test]
async fn a_client_with_an_unlisted_host_parks_instead_of_dialling() {
    let (rest, spec) = child(
        config(),
        crate::Access { allow_hosts: vec!["discord.com".to_owned()], ..access("http://127.0.0.1:1/api/v10") },
        Past::none(),
    );
    let tree =
        Tree::start(Planes::single(), Flags::new(Strategy::OneForOne), vec![spec], Arc::new(NoObserver)).await.unwrap();
    tree.started().await.unwrap();
    assert!(matches!(post(&rest).await, Err(RestError::Unavailable { .. })));
    let exit = tree.node(&path()).and_then(|node| node.last_exit).map(|exit| exit.to_string());
    assert!(exit.as_ref().is_some_and(|exit| exit.contains("allow_hosts")), "{exit:?}");
}
