//! G17: a guild as large as they come, and payloads of every kind that are not as Discord documents them. What a whole
//! shard does with such frames is in `flow` and `campaign`.

use super::fake::*;
use crate::fuzz::{self, Read};
use protocol::{cache::CacheView, id::GuildId};
use serde_json::{Value, json};

/// Pages in memory, in MiB.
pub(super) fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}

#[tokio::test]
async fn a_guild_of_twenty_megabytes_is_read_and_only_its_core_is_kept() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(600_000).await;
    let member = |id: u64| {
        let user = json!({
            "id": id.to_string(), "username": format!("member {id}"), "global_name": "somebody \u{1F600}",
            "avatar": "0123456789abcdef0123456789abcdef", "discriminator": "0",
        });
        let joined = "2026-01-01T00:00:00Z";
        json!({"user": user, "roles": ["1", "2", "3"], "joined_at": joined, "deaf": false, "mute": false, "nick": null})
    };
    let members: Vec<Value> = (1_000..86_000).map(member).collect();
    let guild = json!({
        "id": "100", "name": "large", "owner_id": "7", "member_count": 85_000, "members": members, "roles": [],
        "channels": [],
    });
    let frame = format!(r#"{{"t":"GUILD_CREATE","s":2,"op":0,"d":{guild}}}"#);
    drop((guild, members));
    let before = resident_mib();
    let bytes = frame.len();
    peer.raw(&frame).await;
    drop(frame);
    peer.message(3).await;
    bot.sink.has(1).await;
    let held = resident_mib() - before;
    println!("G17 guild_mb={:.1} seq=3 rss_growth_mib={held:.1}", f64::from(u32::try_from(bytes).unwrap()) / 1e6);
    assert!(bytes > 19_000_000, "{bytes}");
    assert_eq!(bot.gateway.cache().guild(GuildId::new(100)).unwrap().member_count, 85_000);
    let counts = bot.gateway.statuses()[0].counts;
    assert_eq!((counts.malformed, counts.disconnects), (0, 0));
    bot.stop().await;
}

/// A cache is filled by so many frames: what one of them broke shows within as many.
const CACHE_FRAMES: usize = 1_000;

fn frames() -> usize {
    if std::env::var("IMPRESARIO_TIER").is_ok_and(|tier| tier == "full") { 1_000_000 } else { 20_000 }
}

#[test]
fn no_changed_frame_makes_scan_cache_or_decoder_panic() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let (mut cache, mut known) = (fuzz::cache(), 0);
    let (mut unread, mut unknown, mut odd, mut decoded) = (0_u64, 0_u64, 0_u64, 0_u64);
    for (at, frame) in sandbox::mutate(seed).take(frames()).enumerate() {
        if at % CACHE_FRAMES == 0 {
            cache = fuzz::cache();
        }
        match supervision::guarded_sync(|| fuzz::read(&cache, &frame)) {
            Ok(Read::Unreadable) => unread += 1,
            Ok(Read::Unknown) => unknown += 1,
            Ok(Read::Refused) => odd += 1,
            Ok(Read::Decoded) => decoded += 1,
            Err(panic) => panic!("seed {seed}, frame {at}: {panic}\n{frame:.2000}"),
        }
        known = known.max(cache.counts().known_members);
    }
    println!(
        "G17 frames={} unreadable={unread} unknown={unknown} refused={odd} decoded={decoded} members={known}",
        frames()
    );
    assert!(known > 0, "some of them tell of members");
    assert!(unread > 0 && unknown > 0 && odd > 0 && decoded > 0, "the source covers every case");
}
