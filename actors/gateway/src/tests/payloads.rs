//! G17: a guild as large as they come, and payloads of every kind that are not as Discord documents them. What a whole
//! shard does with such frames is in `flow` and `campaign`.

use super::fake::*;
use crate::fuzz::{self, Read};
use protocol::{cache::CacheView, id::GuildId};
use serde_json::json;
use std::fmt::Write as _;

/// What a process takes is known of it as a whole: a test that measures memory runs in a process of its own. Whether it does;
/// otherwise it has been run there by now, and passed.
pub(super) fn runs_alone(module: &str, name: &str) -> bool {
    const ALONE: &str = "RUNS_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let (_, module) = module.split_once("::").unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let ran = command.args(["--exact", &format!("{module}::{name}"), "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    print!("{said}");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("1 passed"), "there is no test {module}::{name}");
    false
}

/// Memory from a moment on.
pub(super) struct Memory {
    before_mib: f64,
}

impl Memory {
    /// From now on.
    pub(super) fn mark() -> Self {
        std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak counts anew
        Self { before_mib: status_mib("VmRSS:") }
    }

    /// How much more there was at most, and is now, in MiB.
    pub(super) fn grew(&self) -> (f64, f64) {
        (status_mib("VmHWM:") - self.before_mib, status_mib("VmRSS:") - self.before_mib)
    }
}

fn status_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// What reading a frame may take, in sizes of that frame: 2.0 when this was written (what the server, in the same process,
/// writes from, and what the reader reads into), and half as much for the margin.
const FRAME_TIMES: f64 = 3.0;

#[tokio::test]
async fn a_guild_of_twenty_megabytes_is_read_and_only_its_core_is_kept() {
    if !runs_alone(module_path!(), "a_guild_of_twenty_megabytes_is_read_and_only_its_core_is_kept") {
        return;
    }
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
    let mut frame = String::from(
        r#"{"t":"GUILD_CREATE","s":2,"op":0,"d":{"id":"100","name":"large","owner_id":"7","member_count":85000,"members":["#,
    );
    for id in 1_000..86_000 {
        let comma = if id == 1_000 { "" } else { "," };
        write!(frame, "{comma}{}", member(id)).unwrap();
    }
    frame.push_str(r#"],"roles":[],"channels":[]}}"#);
    let memory = Memory::mark();
    let bytes = frame.len();
    peer.raw(&frame).await;
    drop(frame);
    peer.message(3).await;
    bot.sink.has(1).await;
    let (most, left) = memory.grew();
    let size = f64::from(u32::try_from(bytes).unwrap()) / f64::from(1 << 20);
    println!("G17 guild_mib={size:.1} seq=3 grew_mib_at_most={most:.1} left={left:.1}");
    assert!(bytes > 19_000_000, "{bytes}");
    assert!(most < FRAME_TIMES * size, "{most:.1} MiB for a frame of {size:.1}");
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
