//! From one process to the next: what a graceful stop leaves is resumed, with the cache that belongs to it.

use super::fake::*;
use crate::{Phase, ShardPlan, Snapshot};
use protocol::{cache::CacheView, id::GuildId};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sandbox::{Fault, SandboxConfig};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// Writes down what `gateway` left, as a process does that ends, and reads it as the next one does.
async fn pass_on(gateway: crate::Gateway, folder: &std::path::Path) -> Snapshot {
    gateway.snapshot().await.write(folder).unwrap();
    Snapshot::consume(folder).unwrap().unwrap()
}

/// A thousand messages and more through ninety cuts and ten graceful restarts.
#[tokio::test]
async fn a_hundred_cuts_with_ten_restarts_lose_and_double_nothing_and_cost_one_identify() {
    let seed = 77;
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let sandbox = stand_in(SandboxConfig::default());
    let setup = || Setup { token: sandbox.token(), ..Setup::at(sandbox.gateway_url()) };
    let mut bot = Bot::start(setup()).await;
    let sink = Arc::clone(&bot.sink);
    soon("ready", bot.gateway.wait_ready()).await;
    let guild = GuildId::new(sandbox.guild_id());
    eventually("the guild", || bot.gateway.cache().guild(guild).is_some()).await;
    let since = bot.gateway.statuses()[0].session_since;
    let (mut said, mut resumes) = (Vec::new(), 0);
    for _ in 0..10 {
        for _ in 0..9 {
            said.extend((0..10).map(|_| sandbox.say("alice", "hello").0));
            if rng.random() {
                sandbox.fault(Fault::ReplayOverlap { events: rng.random_range(1..20), times: 1 });
            }
            sandbox.fault(Fault::CutConnection { shard: None });
            if rng.random() {
                sink.has(said.len()).await;
            }
            resumes += 1;
            eventually("resumed", || sandbox.stats().resumes == resumes).await;
        }
        said.extend((0..10).map(|_| sandbox.say("alice", "hello").0));
        // Some stops drain first, while Discord goes on sending.
        if rng.random() {
            assert!(bot.tree.drain(&["gateway".into()], Duration::from_secs(5)).await.is_empty());
            said.push(sandbox.say("alice", "during the drain").0);
        }
        let (gateway, meanwhile) = tokio::join!(bot.stop(), async { sandbox.say("alice", "during the stop").0 });
        said.extend([meanwhile, sandbox.say("alice", "while it is away").0]);
        let snapshot = Some(pass_on(gateway, folder.path()).await);
        bot = Bot::start(Setup { sink: Arc::clone(&sink), snapshot, ledger: Ledger::down(), ..setup() }).await;
        assert!(bot.gateway.cache().guild(guild).is_some(), "the cache is there from the start");
        soon("resumed", bot.gateway.wait_ready()).await;
        resumes += 1;
        assert_eq!(sandbox.stats().resumes, resumes);
    }
    let taken = sink.has(said.len()).await;
    let once: std::collections::HashSet<_> = taken.iter().collect();
    let lost = said.iter().filter(|id| !once.contains(id)).count();
    let (doubled, stats) = (taken.len() - once.len(), sandbox.stats());
    println!(
        "seed {seed}: messages={} cuts=100 of which restarts=10 lost={lost} doubled={doubled} identifies={}",
        said.len(),
        stats.identifies
    );
    assert_eq!(taken, said, "seed {seed}: in order");
    assert_eq!((stats.identifies, stats.resumes_refused), (1, 0));
    let status = bot.gateway.statuses().remove(0);
    assert_eq!((status.session_since, status.counts.identifies), (since, 0), "it is still the first session");
    bot.stop().await;
}

#[tokio::test]
async fn all_that_ready_sets_is_right_after_a_resume_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    let us = json!({"user": {"id": "900"}, "roles": ["5"]});
    let guild = json!({"id": "101", "name": "g", "owner_id": "7", "member_count": 2, "members": [us]});
    peer.raw(&format!(r#"{{"t":"GUILD_CREATE","s":2,"op":0,"d":{guild}}}"#)).await;
    peer.message(3).await;
    bot.sink.has(1).await;
    let snapshot = pass_on(bot.stop().await, folder.path()).await;
    drop(peer);

    let next = Bot::start(Setup { snapshot: Some(snapshot), ledger: Ledger::down(), ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(40_000).await;
    let (status, cache) = (next.gateway.statuses().remove(0), next.gateway.cache());
    assert_eq!((status.session_since, status.seq_accepted), (None, Some(3)), "not up before RESUMED");
    assert_eq!(peer.expect(6).await["d"]["seq"], 3);
    let update = json!({"guild_id": "101", "user": {"id": "900", "username": "bot"}, "roles": ["5", "6"]});
    peer.raw(&format!(r#"{{"t":"GUILD_MEMBER_UPDATE","s":4,"op":0,"d":{update}}}"#)).await;
    peer.resumed(5).await;
    soon("resumed", next.gateway.wait_ready()).await;
    let status = next.gateway.statuses().remove(0);
    assert_eq!((status.state, status.session_since.is_some()), (Phase::Online, true));
    assert_eq!(cache.own_id().map(|id| id.get()), Some(900));
    assert_eq!(cache.guild(GuildId::new(101)).unwrap().own_roles.len(), 2, "who we are is known to what is replayed");
    assert_eq!((cache.counts().guilds, cache.counts().unavailable_guilds), (1, 1), "guild 100 is still awaited");
    next.stop().await;
}

#[tokio::test]
async fn a_restored_session_that_discord_refuses_takes_its_cache_with_it() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.raw(r#"{"t":"GUILD_CREATE","s":2,"op":0,"d":{"id":"101","name":"g","owner_id":"7","member_count":2}}"#).await;
    eventually("the guild", || bot.gateway.cache().guild(GuildId::new(101)).is_some()).await;
    let snapshot = bot.stop().await.snapshot().await;

    let next = Bot::start(Setup { snapshot: Some(snapshot), ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(6).await;
    let cache = next.gateway.cache();
    assert!(cache.guild(GuildId::new(101)).is_some());
    peer.send(json!({"op": 9, "d": false})).await;
    let mut peer = fake.accept(40_000).await;
    assert!(cache.guild(GuildId::new(101)).is_none(), "what belonged to no session any more");
    peer.expect(2).await;
    peer.ready(&fake.url).await;
    soon("ready", next.gateway.wait_ready()).await;
    assert_eq!((cache.counts().guilds, cache.counts().unavailable_guilds), (0, 1), "what the new READY says");
    assert_eq!((*next.ledger.taken.lock().unwrap(), next.gateway.statuses()[0].counts.identifies), (1, 1));
    next.stop().await;
}

/// Sixteen shards that share one session store, and one whose session Discord does not know any more.
#[tokio::test]
async fn sixteen_shards_resume_with_their_guilds_and_one_that_cannot_begins_anew_alone() {
    let config = SandboxConfig {
        shards: 16,
        max_concurrency: 16,
        identify_interval_ms: 300,
        guilds: 40,
        members_per_guild: 2,
        ..SandboxConfig::default()
    };
    let sandbox = stand_in(config);
    let setup = || Setup {
        token: sandbox.token(),
        plan: ShardPlan::all(16),
        max_concurrency: 16,
        ..Setup::at(sandbox.gateway_url())
    };
    let bot = Bot::start(setup()).await;
    soon("ready", bot.gateway.wait_ready()).await;
    eventually("all guilds", || bot.gateway.counts().unavailable_guilds == 0 && bot.gateway.counts().guilds > 40).await;
    let counts = bot.gateway.counts();
    assert_eq!((sandbox.stats().identifies, *bot.ledger.taken.lock().unwrap()), (16, 16));
    let folder = tempfile::tempdir().unwrap();
    let snapshot = pass_on(bot.stop().await, folder.path()).await;
    assert_eq!(snapshot.sessions().len(), 16);

    let next = Bot::start(Setup { snapshot: Some(snapshot), ledger: Ledger::down(), ..setup() }).await;
    assert_eq!(next.gateway.counts(), counts, "before anything has come");
    soon("resumed", next.gateway.wait_ready()).await;
    assert_eq!((sandbox.stats().identifies, sandbox.stats().resumes), (16, 16));
    let snapshot = pass_on(next.stop().await, folder.path()).await;

    sandbox.fault(Fault::RefuseSessions { times: 1, resumable: false });
    let last = Bot::start(Setup { snapshot: Some(snapshot), ..setup() }).await;
    soon("ready", last.gateway.wait_ready()).await;
    eventually("all guilds", || last.gateway.counts() == counts).await;
    let identifies: u64 = last.gateway.statuses().iter().map(|status| status.counts.identifies).sum();
    println!("16 shards: resumed=15 identifies={identifies} guilds={}", counts.guilds);
    assert_eq!((identifies, sandbox.stats().identifies), (1, 17));
    last.stop().await;
}

/// A stop that is forced cuts the reader off wherever it is; what it had accepted is known all the same.
#[tokio::test]
async fn a_forced_stop_leaves_a_session_that_can_be_resumed() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.message(2).await;
    bot.sink.has(1).await;
    bot.sink.shut.send_replace(true);
    peer.message(3).await;
    eventually("the sink is waited for", || bot.gateway.statuses()[0].pushed_back).await;
    bot.tree.shutdown(Some(Duration::ZERO));
    soon("the end of the tree", bot.tree.ended()).await;
    let snapshot = bot.gateway.snapshot().await;
    assert_eq!(snapshot.sessions()[0].seq, 2);
    let next = Bot::start(Setup { snapshot: Some(snapshot), ledger: Ledger::down(), ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 2);
    peer.message(3).await;
    assert_eq!(next.sink.has(1).await, [3]);
    next.stop().await;
}

/// A member's arrival that is in the cache but not yet in the sink when the process ends.
#[tokio::test]
async fn what_waited_for_a_full_sink_is_delivered_and_counted_once_by_the_next_process() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.raw(r#"{"t":"GUILD_CREATE","s":2,"op":0,"d":{"id":"100","name":"g","owner_id":"7","member_count":2}}"#).await;
    bot.sink.shut.send_replace(true);
    let member = json!({
        "guild_id": "100", "user": {"id": "5", "username": "new", "discriminator": "0", "avatar": null}, "roles": [],
        "joined_at": "2026-01-01T00:00:00Z", "deaf": false, "mute": false, "flags": 0,
    });
    let joined = format!(r#"{{"t":"GUILD_MEMBER_ADD","s":3,"op":0,"d":{member}}}"#);
    peer.raw(&joined).await;
    eventually("the sink is waited for", || bot.gateway.statuses()[0].pushed_back).await;
    let snapshot = bot.stop().await.snapshot().await;
    assert_eq!((snapshot.sessions()[0].seq, snapshot.sessions()[0].applied), (2, 3));

    let next = Bot::start(Setup { snapshot: Some(snapshot), ledger: Ledger::down(), ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 2);
    peer.raw(&joined).await;
    assert_eq!(next.sink.has(1).await, [3]);
    assert_eq!(next.gateway.cache().guild(GuildId::new(100)).unwrap().member_count, 3);
    next.stop().await;
}

/// A slash command, made `ago` before now.
fn interaction(seq: u64, ago: Duration) -> String {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let id = ((unix - ago).as_millis() as u64 - 1_420_070_400_000) << 22;
    let user = json!({"id": "7", "username": "ann", "discriminator": "0", "avatar": null});
    let member = json!({
        "user": user, "roles": [], "joined_at": "2026-01-01T00:00:00Z", "deaf": false, "mute": false, "flags": 0,
        "permissions": "0",
    });
    let data = json!({
        "id": id.to_string(), "application_id": "1", "type": 2, "token": "t", "version": 1, "guild_id": "100",
        "channel_id": "3", "channel": {"id": "3", "type": 0, "permissions": "0"}, "member": member, "locale": "en-US",
        "data": {"id": "9", "name": "ping", "type": 1}, "entitlements": [], "authorizing_integration_owners": {},
        "attachment_size_limit": 1, "app_permissions": "0",
    });
    format!(r#"{{"t":"INTERACTION_CREATE","s":{seq},"op":0,"d":{data}}}"#)
}

/// What this process is sent again too late it lets alone, and says so; what comes as it happens is never too old.
#[tokio::test]
async fn an_interaction_that_came_again_too_late_is_let_alone_and_counted() {
    let (late, fresh) = (Duration::from_secs(60), Duration::ZERO);
    let takes = || Arc::new(Sink { interactions: true, ..Sink::default() });
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup { sink: takes(), ..Setup::of(&fake) }).await;
    let mut peer = fake.begin(40_000).await;
    peer.raw(&interaction(2, late)).await;
    assert_eq!(bot.sink.has(1).await, [2], "whatever the clocks say");
    let mut session = bot.stop().await.snapshot().await.sessions()[0].clone();
    // Four were left to the next process: 3 to 6. It is 4 and 5 that had not begun.
    (session.seq, session.accepted, session.applied, session.waiting) = (2, 6, 6, vec![4, 5]);

    let next = Setup { sink: takes(), saved: Some(session), ledger: Ledger::down(), ..Setup::of(&fake) };
    let next = Bot::start(next).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(6).await;
    for (seq, ago) in [(3, late), (4, late), (5, fresh), (6, late), (7, late), (8, fresh)] {
        peer.raw(&interaction(seq, ago)).await;
    }
    peer.resumed(9).await;
    peer.raw(&interaction(10, late)).await;
    assert_eq!(next.sink.has(3).await, [5, 8, 10]);
    let counts = next.gateway.statuses()[0].counts;
    assert_eq!((counts.lost, counts.malformed), (1, 0), "4 was left to it; 7 was nobody's yet");
    let snapshot = next.stop().await.snapshot().await;
    assert_eq!((snapshot.sessions()[0].seq, snapshot.waiting()), (10, 0), "all of them are done with");
}
