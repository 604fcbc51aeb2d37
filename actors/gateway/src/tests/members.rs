//! G20: members asked for over the gateway. Chunks out of order, doubled, missing; Discord's limit and our own.

use super::{
    fake::*,
    payloads::{Memory, runs_alone},
};
use crate::{
    Intents,
    members::{Members, MembersError, Want},
};
use protocol::{
    cache::CacheView,
    id::{GuildId, UserId},
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use sandbox::{ChunkTrouble, Fault, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use serenity::model::gateway::GatewayIntents;
use std::time::{Duration, Instant};

const GUILD: GuildId = GuildId::new(100);
/// What the answer with 200,000 members may take, at most: 41 MiB when this was written, and half as much for the margin.
const ANSWER_MIB: f64 = 62.0;
/// What a cache of 50,000 members may take while 200,000 come in: 7 MiB when this was written, and half as much for the
/// margin; all of them would take four times as much.
const CACHE_MIB: f64 = 10.5;

async fn online(fake: &Fake) -> (Bot, Peer) {
    let intents = Intents::Exactly(GatewayIntents::GUILD_MEMBERS | GatewayIntents::GUILD_MESSAGES);
    let bot = Bot::start(Setup { intents, ..Setup::of(fake) }).await;
    let peer = fake.begin(600_000).await;
    bot.gateway.wait_ready().await;
    (bot, peer)
}

fn ask(bot: &Bot, want: Want, within: Duration) -> tokio::task::JoinHandle<Result<Members, MembersError>> {
    let gateway = bot.gateway.clone();
    tokio::spawn(async move { gateway.request_members(GUILD, &want, within).await })
}

fn chunk(seq: u64, nonce: &Value, index: u64, of: u64, size: u64) -> String {
    let member = |nth: u64| {
        let id = index * size + nth + 1;
        json!({"user": {"id": id.to_string(), "username": format!("m{id}")}, "roles": ["1"], "nick": null})
    };
    let members: Vec<Value> = (0..size).map(member).collect();
    let data = json!({"guild_id": "100", "chunk_index": index, "chunk_count": of, "members": members, "nonce": nonce});
    format!(r#"{{"t":"GUILD_MEMBERS_CHUNK","s":{seq},"op":0,"d":{data}}}"#)
}

fn limited(seq: u64, nonce: &Value, seconds: f64) -> String {
    let data = json!({"opcode": 8, "retry_after": seconds, "meta": {"guild_id": "100", "nonce": nonce}});
    format!(r#"{{"t":"RATE_LIMITED","s":{seq},"op":0,"d":{data}}}"#)
}

#[tokio::test]
async fn two_hundred_thousand_members_in_any_order_come_once_each() {
    const CHUNKS: u64 = 200;
    if !runs_alone(module_path!(), "two_hundred_thousand_members_in_any_order_come_once_each") {
        return;
    }
    let seed = 5;
    let fake = Fake::bind().await;
    let (bot, mut peer) = online(&fake).await;
    let memory = Memory::mark();
    let asked = ask(&bot, Want::All, Duration::from_secs(60));
    let request = peer.expect(8).await;
    let nonce = &request["d"]["nonce"];
    assert!(nonce.as_str().is_some_and(|nonce| nonce.len() <= 32));
    assert_eq!((&request["d"]["query"], &request["d"]["limit"]), (&json!(""), &json!(0)));
    // Discord would answer the next one with RATE_LIMITED: it is not even sent.
    let again = ask(&bot, Want::All, Duration::from_secs(5)).await.unwrap();
    assert!(
        matches!(again, Err(MembersError::TooSoon { retry_after }) if retry_after > Duration::from_secs(1)),
        "{again:?}"
    );
    let mut order: Vec<u64> = (0..CHUNKS).chain(0..10).collect(); // some come twice
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    for (nth, index) in order.into_iter().enumerate() {
        peer.raw(&chunk(2 + u64::try_from(nth).unwrap(), nonce, index, CHUNKS, 1_000)).await;
    }
    let members = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap().unwrap().unwrap();
    let (most, _) = memory.grew();
    println!("G20 members={} requests=1 grew_mib_at_most={most:.0} seed={seed}", members.members.len());
    assert!(most < ANSWER_MIB, "{most:.1} MiB");
    assert!(members.complete);
    assert!(members.members.iter().map(|member| member.id.get()).eq(1..=200_000), "all, once, in order");
    bot.stop().await;
}

#[tokio::test]
async fn missing_chunks_end_the_wait_and_what_came_is_given_as_incomplete() {
    let fake = Fake::bind().await;
    let (bot, mut peer) = online(&fake).await;
    let start = Instant::now();
    let asked = ask(&bot, Want::Named { prefix: "m".into(), limit: 100 }, Duration::from_secs(3));
    let request = peer.expect(8).await;
    let nonce = &request["d"]["nonce"];
    peer.raw(&chunk(2, nonce, 2, 3, 10)).await;
    peer.raw(&chunk(3, nonce, 0, 3, 10)).await;
    peer.raw(&chunk(4, &json!("somebody else's"), 1, 3, 10)).await;
    peer.raw(r#"{"t":"GUILD_MEMBERS_CHUNK","s":5,"op":0,"d":{"guild_id":"100","members":"none"}}"#).await;
    let members = asked.await.unwrap().unwrap();
    println!("G20 chunks=2/3 waited_ms={}", start.elapsed().as_millis());
    assert!(!members.complete && members.members.len() == 20);
    assert_eq!((members.members[0].id, members.members[10].id), (UserId::new(1), UserId::new(21)), "in order");
    let nothing = ask(&bot, Want::Ids(vec![UserId::new(7)]), Duration::from_millis(50)).await.unwrap();
    assert_eq!(nothing, Err(MembersError::Timeout(Duration::from_millis(50))));
    assert_eq!(bot.gateway.statuses()[0].counts.disconnects, 0);
    bot.stop().await;
}

#[tokio::test]
async fn rate_limited_is_honoured_with_one_retry() {
    let fake = Fake::bind().await;
    let (bot, mut peer) = online(&fake).await;
    let asked = ask(&bot, Want::All, Duration::from_secs(10));
    let nonce = peer.expect(8).await["d"]["nonce"].clone();
    let told = Instant::now();
    peer.raw(&limited(2, &nonce, 0.25)).await;
    let again = peer.expect(8).await;
    let waited = told.elapsed();
    assert_eq!(again["d"]["nonce"], nonce);
    peer.raw(&chunk(3, &nonce, 0, 1, 3)).await;
    assert_eq!(asked.await.unwrap().unwrap().members.len(), 3);
    println!("G20 retry_after_ms=250 waited_ms={} requests=2", waited.as_millis());
    assert!(waited >= Duration::from_millis(250), "{waited:?}");

    let asked = ask(&bot, Want::Ids(vec![UserId::new(7)]), Duration::from_secs(10));
    for seq in [4, 5] {
        let nonce = peer.expect(8).await["d"]["nonce"].clone();
        peer.raw(&limited(seq, &nonce, 0.01)).await;
    }
    assert!(matches!(asked.await.unwrap(), Err(MembersError::TooSoon { .. })), "not a third time");
    let soon = ask(&bot, Want::Ids(vec![UserId::new(7)]), Duration::from_secs(2));
    let nonce = peer.expect(8).await["d"]["nonce"].clone();
    peer.raw(&limited(6, &nonce, 600.0)).await;
    let told = soon.await.unwrap();
    assert_eq!(told, Err(MembersError::TooSoon { retry_after: Duration::from_secs(600) }), "nobody waits in vain");
    bot.stop().await;
}

#[tokio::test]
async fn what_discord_would_refuse_is_refused_here() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let _peer = fake.begin(600_000).await;
    bot.gateway.wait_ready().await;
    let within = Duration::from_secs(1);
    for want in [
        Want::Named { prefix: String::new(), limit: 5 },
        Want::Named { prefix: "a".into(), limit: 0 },
        Want::Named { prefix: "a".into(), limit: 101 },
        Want::Ids(Vec::new()),
        Want::Ids(vec![UserId::new(1); 101]),
    ] {
        let asked = bot.gateway.request_members(GUILD, &want, within).await;
        assert!(matches!(asked, Err(MembersError::Refused(_))), "{want:?}: {asked:?}");
    }
    bot.stop().await;
    // Without the privileged intent Discord would close the connection for good.
    let intents = Intents::Exactly(GatewayIntents::GUILD_MESSAGES);
    let bot = Bot::start(Setup { intents, ..Setup::of(&fake) }).await;
    let _peer = fake.begin(600_000).await;
    bot.gateway.wait_ready().await;
    let asked = bot.gateway.request_members(GUILD, &Want::All, within).await;
    assert!(matches!(asked, Err(MembersError::Refused(_))), "{asked:?}");
    bot.stop().await;
}

/// A request that many make at once is bounded, and one that is given up leaves room.
#[tokio::test]
async fn sixteen_requests_may_be_under_way() {
    let fake = Fake::bind().await;
    let (bot, _peer) = online(&fake).await;
    let want = Want::Ids(vec![UserId::new(7)]);
    let many = (0..20).map(|_| bot.gateway.request_members(GUILD, &want, Duration::from_millis(200)));
    let answers = futures_util::future::join_all(many).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(MembersError::TooSoon { .. }))).count();
    assert_eq!(refused, 4);
    let one = bot.gateway.request_members(GUILD, &want, Duration::from_millis(10)).await;
    assert_eq!(one, Err(MembersError::Timeout(Duration::from_millis(10))), "there is room again");
    bot.stop().await;
}

fn keeping(fake: &Fake, members_max: u32) -> Setup {
    let setup = Setup::of(fake);
    let sink = std::sync::Arc::new(Sink { members: true, ..Sink::default() });
    Setup { config: crate::GatewayConfig { members_max, ..setup.config.clone() }, sink, ..setup }
}

fn created(seq: u64, members: &Value) -> String {
    let guild = json!({"id": "100", "name": "g", "owner_id": "7", "member_count": 2, "members": members, "roles": []});
    format!(r#"{{"t":"GUILD_CREATE","s":{seq},"op":0,"d":{guild}}}"#)
}

/// The cache in a flood of chunks, more than it keeps: bounded, and what was asked about is still there.
#[tokio::test]
async fn two_hundred_thousand_members_fill_the_cache_to_its_bound() {
    const CHUNKS: u64 = 200;
    if !runs_alone(module_path!(), "two_hundred_thousand_members_fill_the_cache_to_its_bound") {
        return;
    }
    let fake = Fake::bind().await;
    let bot = Bot::start(keeping(&fake, 50_000)).await;
    let mut peer = fake.begin(600_000).await;
    peer.raw(&created(2, &json!([{"user": {"id": "7", "username": "ann"}, "roles": []}]))).await;
    peer.message(3).await;
    bot.sink.has(1).await;
    let (cache, known) = (bot.gateway.cache(), || bot.gateway.counts().known_members);
    let memory = Memory::mark();
    for index in 0..CHUNKS {
        peer.raw(&chunk(4 + index, &Value::Null, index + 1, CHUNKS, 1_000)).await;
        if index % 20 == 0 {
            assert!(cache.member(GUILD, UserId::new(7)).is_some(), "at chunk {index}");
        }
    }
    peer.message(4 + CHUNKS).await;
    bot.sink.has(2).await;
    let (most, _) = memory.grew();
    println!("G20 cache: members=200000 known={} grew_mib_at_most={most:.1}", known());
    assert!(most < CACHE_MIB, "{most:.1} MiB");
    assert_eq!(known(), 50_000);
    assert!(cache.member(GUILD, UserId::new(200_500)).is_some_and(|member| *member.name == *"m200500"));
    assert!(cache.member(GUILD, UserId::new(1_001)).is_none(), "the first ones made room");
    assert_eq!(bot.gateway.statuses()[0].counts.malformed, 0);
    bot.stop().await;
}

/// X5: what is kept shrinks, its memory is free for others, and members are not asked for until there is some.
#[tokio::test]
async fn x5_when_memory_is_short_the_cache_shrinks_and_members_are_not_asked_for() {
    const CHUNKS: u64 = 100;
    if !runs_alone(module_path!(), "x5_when_memory_is_short_the_cache_shrinks_and_members_are_not_asked_for") {
        return;
    }
    let fake = Fake::bind().await;
    let bot = Bot::start(keeping(&fake, 200_000)).await;
    let mut peer = fake.begin(600_000).await;
    let mut seq = 1;
    let mut next = || {
        seq += 1;
        seq
    };
    peer.raw(&created(next(), &json!([]))).await;
    let (known, memory) = (|| bot.gateway.counts().known_members, Memory::mark());
    let mut chunks = Vec::new();
    for index in 0..CHUNKS {
        chunks.push(chunk(next(), &Value::Null, index + 1, CHUNKS, 1_000));
        peer.raw(&chunks[index as usize]).await;
    }
    peer.message(next()).await;
    bot.sink.has(1).await;
    drop(chunks);
    let (_, full) = memory.grew();
    assert_eq!(known(), 100_000);
    assert_eq!([bot.gateway.relieve(), bot.gateway.relieve()], [Some(50_000), Some(25_000)]);
    let (_, after) = memory.grew();
    // Whether the allocator gives it back to the kernel is its own matter; it is there for whoever wants it next.
    let taken: Vec<_> = (0..192).map(|_| vec![1_u8; 16 << 10]).collect();
    let (_, again) = memory.grew();
    println!("X5 members: known 100000 at {full:.1} MiB, 25000 at {after:.1} MiB, and with 3 MiB taken {again:.1} MiB");
    assert!(after <= full + 0.5 && again <= full + 1.0, "{full:.1} MiB, {after:.1}, {again:.1}");
    drop(taken);
    let want = Want::Ids(vec![UserId::new(7)]);
    let asked = bot.gateway.request_members(GUILD, &want, Duration::from_secs(5)).await;
    assert_eq!(asked, Err(MembersError::Short));
    // What comes meanwhile is taken, and makes no more of them.
    peer.raw(&chunk(next(), &Value::Null, 1, 1, 1_000)).await;
    peer.message(next()).await;
    bot.sink.has(2).await;
    assert_eq!(known(), 25_000);
    assert_eq!([bot.gateway.relieve(), bot.gateway.relieve()], [Some(12_500), Some(12_500)], "no less, a sixteenth");
    bot.gateway.ease();
    let asked = bot.gateway.request_members(GUILD, &want, Duration::from_millis(10)).await;
    assert_eq!(asked, Err(MembersError::Timeout(Duration::from_millis(10))), "Discord was asked");
    bot.stop().await;
}

#[tokio::test]
async fn members_are_known_through_a_resume_and_not_into_another_session() {
    let fake = Fake::bind().await;
    let bot = Bot::start(keeping(&fake, 100)).await;
    let mut peer = fake.accept(600_000).await;
    let intents = peer.expect(2).await["d"]["intents"].as_u64().unwrap();
    assert!(GatewayIntents::from_bits_retain(intents).contains(GatewayIntents::GUILD_MEMBERS));
    peer.ready(&fake.url).await;
    peer.raw(&created(2, &json!([{"user": {"id": "7", "username": "ann"}, "roles": ["1"]}]))).await;
    peer.message(3).await;
    bot.sink.has(1).await;
    let cache = bot.gateway.cache();
    let roles = |user| cache.member(GUILD, UserId::new(user)).map(|member| member.roles.len());
    assert_eq!(roles(7), Some(1));
    drop(peer);
    let mut peer = fake.accept(600_000).await;
    peer.expect(6).await;
    // What was missed is replayed before anything new comes.
    let update = json!({"guild_id": "100", "user": {"id": "7", "username": "ann"}, "roles": ["1", "2"]});
    peer.raw(&format!(r#"{{"t":"GUILD_MEMBER_UPDATE","s":4,"op":0,"d":{update}}}"#)).await;
    peer.resumed(5).await;
    eventually("the replay", || roles(7) == Some(2)).await;
    peer.send(json!({"op": 9, "d": false})).await;
    let mut peer = fake.accept(600_000).await;
    peer.expect(2).await;
    peer.ready(&fake.url).await;
    eventually("a new session", || roles(7).is_none()).await;
    bot.stop().await;
}

#[tokio::test]
async fn without_every_event_about_members_none_is_kept() {
    let fake = Fake::bind().await;
    for (intents, max) in [(Intents::Exactly(GatewayIntents::GUILD_MESSAGES), 100), (Intents::Auto, 0)] {
        let bot = Bot::start(Setup { intents, ..keeping(&fake, max) }).await;
        let mut peer = fake.begin(600_000).await;
        peer.raw(&created(2, &json!([{"user": {"id": "7", "username": "ann"}, "roles": ["1"]}]))).await;
        peer.message(3).await;
        bot.sink.has(1).await;
        assert_eq!(bot.gateway.counts().guilds, 1);
        assert_eq!(bot.gateway.counts().known_members, 0, "{intents:?} {max}");
        bot.stop().await;
    }
}

/// Against the stand-in for Discord, which knows nothing of this code: chunks of its making, its limit, its troubles.
#[tokio::test]
async fn the_sandbox_gives_what_is_asked_for() {
    let guild = |sandbox: &Sandbox| {
        let ids = sandbox.guild_ids();
        GuildId::new(ids.into_iter().find(|id| *id != sandbox.guild_id()).unwrap())
    };
    let config = SandboxConfig {
        guilds: 1,
        members_per_guild: 2_500,
        member_request_interval_ms: 0,
        ..SandboxConfig::default()
    };
    let sandbox = stand_in(config);
    let intents = Intents::Exactly(GatewayIntents::GUILD_MEMBERS);
    let sink = std::sync::Arc::new(Sink { members: true, ..Sink::default() });
    let setup = Setup { token: sandbox.token(), intents, sink, ..Setup::at(sandbox.gateway_url()) };
    let bot = Bot::start(setup).await;
    soon("ready", bot.gateway.wait_ready()).await;
    let (guild, within) = (guild(&sandbox), Duration::from_secs(10));
    let ids = |members: &Members| members.members.iter().map(|member| member.id).collect::<Vec<_>>();
    sandbox.fault(Fault::MemberChunks { trouble: ChunkTrouble::Reversed, times: 1 });
    let all = bot.gateway.request_members(guild, &Want::All, within).await.unwrap();
    let distinct: std::collections::HashSet<_> = ids(&all).into_iter().collect();
    println!("G20 sandbox: members={} chunks_reversed=1", all.members.len());
    assert!(all.complete && all.members.len() >= 2_500 && distinct.len() == all.members.len());

    let (cache, count) = (bot.gateway.cache(), u64::try_from(all.members.len()).unwrap());
    eventually("all in the cache", || bot.gateway.counts().known_members >= count).await;
    for member in &all.members {
        let known = cache.member(guild, member.id).unwrap();
        assert_eq!((&known.name, &known.nick, &known.roles), (&member.name, &member.nick, &member.roles));
    }

    let some = vec![all.members[7].id, UserId::new(1), all.members[2_000].id];
    let few = bot.gateway.request_members(guild, &Want::Ids(some.clone()), within).await.unwrap();
    let mut found = ids(&few);
    found.sort_unstable();
    let mut wanted = vec![some[0], some[2]];
    wanted.sort_unstable();
    assert_eq!((found, few.not_found, few.complete), (wanted, vec![UserId::new(1)], true));
    let prefix = all.members[9].name.to_string();
    let named = bot.gateway.request_members(guild, &Want::Named { prefix, limit: 5 }, within).await.unwrap();
    assert!(ids(&named).contains(&all.members[9].id) && named.members.len() <= 5);
    bot.stop().await;
}
