//! Against the stand-in for Discord, which nobody here wrote for this client.

use super::fake::preflight;
use crate::{Access, Preflight, Rest, RestConfig, RestError, Send};
use futures_util::future::join_all;
use protocol::{Secret, ports::GatewayDirectory};
use sandbox::{Fault, Rate, Sandbox, SandboxConfig, Strict, description_at};
use serenity::{
    builder::{CreateCommand, CreateMessage, EditMessage},
    http::{LightMethod, Request, Route},
    model::id::{ChannelId, GuildId, UserId},
};
use std::time::{Duration, Instant};

const POST: &str = "POST /channels/{channel_id}/messages";

fn access(sandbox: &Sandbox, token: &str) -> Access {
    Access { api_base: sandbox.api_base(), token: Secret::new(token), allow_hosts: vec!["127.0.0.1".to_owned()] }
}

/// Every request has to fit Discord's own OpenAPI description, where that is at hand.
fn start(change: impl FnOnce(&mut SandboxConfig)) -> (Strict, Rest) {
    let description = description_at(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/discord-openapi.json"));
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

/// So many posts to a channel, one after another; what the last one came to.
async fn posts(rest: &Rest, channel: ChannelId, times: usize) -> Result<(), RestError> {
    let mut last = Ok(());
    for _ in 0..times {
        last = rest.create_message(channel, CreateMessage::new().content("x"), Send::default()).await.map(|_| ());
    }
    last
}

/// R3, R5: a limit of others that lasts 1,337 s, and a hundred requests at once for a bucket that nobody knows yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_shared_limit_fails_everybody_at_once_and_a_burst_brings_no_429() {
    let (sandbox, rest) = start(|config| config.bucket = Rate { requests: 10, window_ms: 200 });
    let channel = general(&sandbox);
    let burst = (0..100).map(|_| rest.get_channel(channel, Send::default()));
    assert!(join_all(burst).await.iter().all(Result::is_ok));
    assert_eq!(sandbox.stats().rate_limited, 0, "R5");

    let (route, scope) = (POST.to_owned(), "shared".to_owned());
    fault(&sandbox, Fault::Rest429 { route, retry_after_ms: 1_337_000, global: false, scope, html: false, times: 1 });
    let callers = (0..50).map(|_| posts(&rest, channel, 1));
    let limited = |done: &Result<(), RestError>| matches!(done, Err(RestError::RateLimited { retry_after }) if retry_after.as_secs() > 1_300);
    assert!(join_all(callers).await.iter().all(limited));
    assert_eq!((sandbox.stats().requests_by_route[POST], rest.status().invalid_10_min), (1, 0), "R3");
}

/// R8, R9, R10: what is refused for good, by somebody who refuses it of their own accord, is asked for once.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_refuses_for_good_is_asked_for_once() {
    let (sandbox, rest) = start(|_| {});
    let sandbox = sandbox.excusing_refusals();
    let guild = sandbox.guild_id();
    let asked = || sandbox.stats().requests_by_route.get(POST).copied().unwrap_or_default();
    let gone = posts(&rest, ChannelId::new(5), 20).await;
    assert!(matches!(gone, Err(RestError::NotFound { code: 10003, .. })) && asked() == 1, "R10: {gone:?}, {}", asked());

    for role in ["@everyone", "impresario"] {
        sandbox.set_role_permissions(guild, sandbox.role_id(guild, role).unwrap(), 0).unwrap();
    }
    let refused = posts(&rest, general(&sandbox), 20).await;
    assert!(matches!(refused, Err(RestError::Forbidden { .. })) && asked() == 2, "R9: {refused:?}, {}", asked());

    fault(&sandbox, Fault::Unauthorized(true));
    let before = sandbox.stats().requests;
    for _ in 0..20 {
        assert_eq!(rest.current_user().await.unwrap_err(), RestError::Unauthorized);
    }
    assert_eq!(sandbox.stats().requests - before, 1, "R8");
}

const BAN: &str = "PUT /guilds/{guild_id}/bans/{user_id}";
/// A bot's own role, which stands as high as the bot.
const OWN_ROLE: &str = "impresario";

async fn ban(rest: &Rest, guild: u64, user: u64) -> Result<(), RestError> {
    let route = Route::GuildBan { guild_id: GuildId::new(guild), user_id: UserId::new(user) };
    let send = Send::moderation().within(Duration::from_secs(100));
    rest.request(Request::new(route, LightMethod::Put).body(Some(b"{}".to_vec())), send).await
}

/// R9: a raid, and a bot that may not ban. All bans are asked for at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_raid_on_a_bot_that_may_not_ban_costs_few_403s() {
    for targets in [100, 3_000] {
        let (sandbox, rest) = start(|_| {});
        let guild = sandbox.guild_id();
        let sandbox = sandbox.excusing_refusals();
        let permissions = |bits| {
            for role in ["@everyone", OWN_ROLE] {
                sandbox.set_role_permissions(guild, sandbox.role_id(guild, role).unwrap(), bits).unwrap();
            }
        };
        permissions(0);
        let begun = Instant::now();
        let done = join_all((1..=targets).map(|user| ban(&rest, guild, user))).await;
        let asked = sandbox.stats().requests_by_route[BAN];
        println!(
            "R9 sandbox: targets={targets} 403s={asked} took_ms={} believed={}",
            begun.elapsed().as_millis(),
            rest.status().permissions_missing
        );
        assert!(done.iter().all(|done| matches!(done, Err(RestError::Forbidden { code: 50013, .. }))));
        // Beside what was under way at the fifth, what went until all of that was answered: 2 s of it at most.
        assert!((5..=155).contains(&asked), "{asked}");
        assert!(begun.elapsed() < Duration::from_secs(20), "the refused use up the budget: {:?}", begun.elapsed());
        assert_eq!(rest.status().permissions_missing, 1);

        permissions(8);
        rest.permissions_changed(GuildId::new(guild), []);
        let raider = sandbox.join(guild, "raider").unwrap();
        assert_eq!(ban(&rest, guild, raider).await, Ok(()));
    }
}

/// R9: what stands above the bot is refused with the same code, and says nothing about the others.
#[tokio::test(flavor = "multi_thread")]
async fn targets_above_the_bot_stop_no_ban_of_those_below_it() {
    let (sandbox, rest) = start(|_| {});
    let guild = sandbox.guild_id();
    let sandbox = sandbox.excusing_refusals();
    let (everyone, own) = ("@everyone", sandbox.role_id(guild, OWN_ROLE).unwrap());
    let may = [(sandbox.role_id(guild, everyone).unwrap(), 0), (own, 8)];
    may.iter().for_each(|&(role, bits)| sandbox.set_role_permissions(guild, role, bits).unwrap());
    let (mut banned, mut refused) = (0, 0);
    for number in 0..60 {
        let name = format!("member-{number}");
        let user = sandbox.join(guild, &name).unwrap();
        let above = number % 4 > 0;
        if above {
            sandbox.set_roles(guild, &name, &[own]).unwrap();
        }
        match ban(&rest, guild, user).await {
            Ok(()) if !above => banned += 1,
            Err(RestError::Forbidden { .. }) if above => refused += 1,
            done => panic!("{name}: {done:?}"),
        }
    }
    let asked = sandbox.stats().requests_by_route[BAN];
    println!("R9 sandbox: below={banned} banned={banned} above={refused} asked={asked}");
    assert_eq!((banned, refused, asked), (15, 45, 60));
}

/// R13: answers that never end, or not in time, hold nothing.
#[tokio::test(flavor = "multi_thread")]
async fn its_endless_and_slow_answers_are_cut_off() {
    let (sandbox, rest) = start(|_| {});
    let channel = general(&sandbox);
    fault(&sandbox, Fault::RestEndlessBody { route: POST.to_owned(), times: 1 });
    let endless = posts(&rest, channel, 1).await;
    assert!(matches!(&endless, Err(RestError::Malformed(reason)) if reason.contains("8 MiB")), "{endless:?}");
    fault(&sandbox, Fault::RestSlowBody { route: POST.to_owned(), millis: 200, times: u32::MAX });
    let send = Send::default().within(Duration::from_secs(1));
    let slow = rest.create_message(channel, CreateMessage::new().content("x"), send).await;
    assert!(matches!(slow, Err(RestError::Deadline)), "{slow:?}");
    fault(&sandbox, Fault::Clear);
    assert_eq!(posts(&rest, channel, 1).await, Ok(()));
    assert_eq!((rest.status().in_flight, rest.status().waiting), (0, [0; 4]));
}
