//! Against the stand-in for Discord, which nobody here wrote for this client.

use crate::{Access, Preflight, Rest, RestConfig, RestError, Send, preflight};
use futures_util::future::join_all;
use protocol::{Secret, ports::GatewayDirectory};
use sandbox::{Fault, Rate, Sandbox, SandboxConfig, Strict};
use serenity::{
    builder::{CreateCommand, CreateMessage, EditMessage},
    model::id::{ChannelId, GuildId, UserId},
};
use std::{path::PathBuf, time::Duration};

const POST: &str = "POST /channels/{channel_id}/messages";

fn access(sandbox: &Sandbox, token: &str) -> Access {
    Access { api_base: sandbox.api_base(), token: Secret::new(token), allow_hosts: vec!["127.0.0.1".to_owned()] }
}

/// Every request has to fit Discord's own OpenAPI description, where that is at hand.
fn start(change: impl FnOnce(&mut SandboxConfig)) -> (Strict, Rest) {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/discord-openapi.json");
    let description = std::env::var_os("IMPRESARIO_OPENAPI").map_or_else(|| beside.into(), PathBuf::from);
    if !description.is_file() {
        eprintln!("not judged: Discord's OpenAPI description is not at {}", description.display());
    }
    let mut config = SandboxConfig { description: Some(description), ..SandboxConfig::default() };
    change(&mut config);
    let sandbox = Strict::start(config).unwrap();
    let rest = RestConfig { global_per_second: 50, deadline_ms: 15_000, attempts: 3, invalid_limit: 5_000 };
    let rest = Rest::standalone(rest, &access(&sandbox, &sandbox.token())).unwrap();
    (sandbox, rest)
}

fn general(sandbox: &Sandbox) -> ChannelId {
    ChannelId::new(sandbox.general_id())
}

fn fault(sandbox: &Sandbox, fault: Fault) {
    sandbox.fault(fault);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_speaks_with_it() {
    let (sandbox, rest) = start(|_| {});
    let (channel, guild) = (general(&sandbox), GuildId::new(sandbox.guild_id()));
    let owner = UserId::new(sandbox.owner_id());
    let Preflight::Accepted { application } = preflight(&access(&sandbox, &sandbox.token())).await else {
        panic!("refused")
    };
    assert_eq!((application.id.get(), &application.owners[..]), (sandbox.application_id(), &[owner][..]));
    assert_eq!(preflight(&access(&sandbox, "wrong")).await, Preflight::Refused);
    assert_eq!(rest.current_application().await, Ok(application));
    assert_eq!(rest.current_user().await.unwrap().id.get(), sandbox.bot_user_id());
    let said =
        rest.create_message(channel, CreateMessage::new().content("@everyone hi"), Send::default()).await.unwrap();
    let edit = EditMessage::new().content("bye");
    assert_eq!(rest.edit_message(channel, said.id, edit, Send::default()).await.unwrap().content, "bye");
    rest.delete_message(channel, said.id, Send::default()).await.unwrap();
    let gone = rest.delete_message(channel, said.id, Send::default()).await;
    assert!(matches!(gone, Err(RestError::NotFound { code: 10008, .. })), "{gone:?}");
    assert_eq!(rest.get_channel(channel, Send::default()).await.unwrap().id(), channel);
    assert_eq!(rest.get_guild(guild, Send::default()).await.unwrap().id, guild);
    assert_eq!(rest.get_member(guild, owner, Send::default()).await.unwrap().user.id, owner);
    rest.application_emojis(Send::default()).await.unwrap();
    rest.guild_emojis(guild, Send::default()).await.unwrap();
    let commands = vec![CreateCommand::new("ping").description("answers")];
    assert_eq!(rest.set_global_commands(&commands).await.unwrap()[0].name, "ping");
    assert_eq!(rest.set_guild_commands(guild, &commands).await.unwrap()[0].guild_id, Some(guild));
    assert_eq!(rest.commands(None).await.unwrap()[0]["description"], "answers");
    assert_eq!(rest.commands(Some(guild)).await.unwrap().len(), 1);
    assert!(rest.gateway_bot().await.unwrap().url.starts_with("ws://127.0.0.1"));
    assert!(rest.ping(Duration::from_secs(5)).await.unwrap() > Duration::ZERO);
    assert_eq!(sandbox.stats().unimplemented, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_makes_one_message() {
    let (sandbox, rest) = start(|_| {});
    fault(&sandbox, Fault::RestCutBody { route: POST.to_owned(), times: 2 });
    rest.create_message(general(&sandbox), CreateMessage::new().content("once"), Send::default()).await.unwrap();
    assert_eq!(sandbox.bot_messages().len(), 1);
    assert_eq!(sandbox.stats().requests_by_route[POST], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_limits_are_kept_without_a_429() {
    let (sandbox, rest) = start(|config| config.message_bucket = Rate { requests: 5, window_ms: 300 });
    let channel = general(&sandbox);
    let texts: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let posts =
        texts.iter().map(|text| rest.create_message(channel, CreateMessage::new().content(text), Send::default()));
    assert!(join_all(posts).await.iter().all(Result::is_ok));
    let kept: Vec<String> = sandbox.bot_messages().into_iter().map(|message| message.content).collect();
    assert_eq!(kept, texts);
    assert_eq!(sandbox.stats().rate_limited, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_429s_are_waited_out() {
    let (sandbox, rest) = start(|_| {});
    for (scope, global) in [("user", false), ("shared", false), ("global", true)] {
        let (route, scope) = (POST.to_owned(), scope.to_owned());
        fault(&sandbox, Fault::Rest429 { route, retry_after_ms: 200, global, scope, html: false, times: 1 });
        rest.create_message(general(&sandbox), CreateMessage::new().content("x"), Send::default()).await.unwrap();
    }
    assert_eq!(sandbox.bot_messages().len(), 3);
    assert_eq!(rest.status().invalid_10_min, 2, "the shared one is not ours");
    let (route, scope) = (POST.to_owned(), "user".to_owned());
    fault(&sandbox, Fault::Rest429 { route, retry_after_ms: 200, global: false, scope, html: true, times: 1 });
    let edge = rest.create_message(general(&sandbox), CreateMessage::new().content("x"), Send::default()).await;
    assert!(
        matches!(edge, Err(RestError::RateLimited { retry_after }) if retry_after > Duration::from_secs(50)),
        "{edge:?}"
    );
    let before = sandbox.stats().requests;
    assert!(rest.current_user().await.is_err());
    assert_eq!(sandbox.stats().requests, before);
}
