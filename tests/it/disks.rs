//! X3: a data folder without room, without writes, or with files that may not grow. What the bot can do without it, it goes
//! on doing; what it cannot keep, it says so; and when there is room again it is as before.
//!
//! The disk is a small tmpfs in a mount namespace of the bot's own. Who may not mount one sees a test skipped, loudly.

use crate::harness::{BINARY, Bot, Home, PATIENCE, ask, assert_answers, discord, finish, skipped, until};
use rustix::process::Signal;
use sandbox::Fault;
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

/// What the bot needs and some: the database takes a tenth of it.
const DISK: &str = "size=4m,nr_inodes=200";
const ALERT: &str = "the database takes no writes";

/// Whether this user may mount a disk.
fn may_mount() -> bool {
    let tried =
        Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).stderr(Stdio::null()).status();
    let may = tried.is_ok_and(|status| status.success());
    if !may {
        skipped("X3: no disk can be mounted here (unshare -m; mount -t tmpfs): run it as root");
    }
    may
}

/// `run` with the data folder on a small disk, after `before` has been done to it in a shell.
fn on_disk(home: &Home, before: &str) -> Command {
    let data = home.path("data");
    fs::create_dir_all(&data).unwrap();
    let (data, socket) = (data.display(), home.socket());
    let script = format!(
        "set -e; mount -t tmpfs -o {DISK} tmpfs {data}; cd {data}; {before}\ncd {}; exec {BINARY} run --socket {}",
        home.path(".").display(),
        socket.display()
    );
    let like = home.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &script]).env_clear();
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(home.path("."));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The data folder as the bot sees it.
fn seen_by(bot: &Bot<'_>, home: &Home) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", bot.id(), home.path("data").display()))
}

/// Takes all the room there is, and gives it back when dropped.
struct Ballast(PathBuf);

impl Ballast {
    fn load(folder: &std::path::Path) -> Self {
        let path = folder.join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [64 << 10, 4 << 10, 1] {
            let bytes = vec![0; size];
            let error = loop {
                if let Err(error) = file.write_all(&bytes) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok(); // the disk may have gone with its bot
    }
}

#[test]
fn x3_a_start_without_room_is_69_and_says_what_to_do() {
    if !may_mount() {
        return;
    }
    let discord = discord();
    let home = Home::new(&discord);
    let full = "head -c 100m /dev/zero > ballast 2>/dev/null || true";
    finish(on_disk(&home, full), "").exits(69).says(&["data", "No space left", "free some", "data.dir"]);
    // Room for the lock's few bytes and none for a database.
    let nearly = format!("{full}; truncate -s -8k ballast");
    finish(on_disk(&home, &nearly), "").exits(69).says(&["no space is left", "free some", "data.dir"]);
    finish(on_disk(&home, "mount -o remount,ro ."), "").exits(69).says(&["data", "Read-only", "data.dir"]);
    assert_eq!(discord.stats().identifies, 0);
}

#[test]
fn x3_a_disk_that_fills_up_costs_writes_alone_until_there_is_room_again() {
    if !may_mount() {
        return;
    }
    let discord = discord();
    let home = Home::new(&discord).set("database.health_ms = 500").set("telemetry.listen = \"127.0.0.1:0\"");
    let mut bot = Bot::spawn(&home, on_disk(&home, ""));
    bot.wait_ready();
    let probes = crate::probes::address(&bot);
    assert_eq!(ask(&discord, "alice", "!prefix set ?"), "My prefix here is now `?`.");
    let ballast = Ballast::load(&seen_by(&bot, &home));

    // The first write that fails, and those after it: refused for now, each in time.
    let answer = ask(&discord, "alice", "?prefix set $");
    assert!(answer.contains("not available. Try again in"), "{answer}");
    let begun = Instant::now();
    bot.log.wait_message(ALERT);
    let (noticed, mark) = (begun.elapsed(), bot.log.mark());
    bot.cli(&["status"]).exits(1).shows(&["database", "takes no writes", "no space is left", "free some"]);
    let (code, body) = crate::probes::get(&probes, "/readyz");
    assert!(code == 503 && body.contains("takes no writes"), "{code} {body}");
    assert_eq!(crate::probes::get(&probes, "/livez").0, 200);
    assert_eq!(bot.json(&["db", "status"])["state"], "read_only");
    let begun = Instant::now();
    bot.cli(&["db", "migrate"]).exits(1).says(&["no space is left"]);
    let refused = begun.elapsed();

    // What only reads goes on, the prefix from the database included; so does the session, which RESUMEs.
    assert_eq!(ask(&discord, "bob", "?prefix"), "My prefix here is `?`; a mention works as well.");
    discord.fault(Fault::CutConnection { shard: None });
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes >= 1), "{:?}", discord.stats());
    assert!(ask(&discord, "bob", "?ping").starts_with("Pong!"));
    // A session that is lost is not begun anew: no IDENTIFY that is not counted.
    discord.fault(Fault::InvalidSession { resumable: false });
    until("the shard is away", || (bot.home_json(&["status"])?["shards"][0]["state"] != "online").then_some(()));
    // Orders are carried out, and what is to be kept of them waits.
    bot.cli(&["tell", "emoji-cache", "refresh"]).exits(0);
    until("an audit row waits", || bot.json(&["db", "status"])["audit_waiting"].as_u64().filter(|rows| *rows > 0));
    assert!(bot.is_running());
    assert_eq!(discord.stats().identifies, 1);
    let said = bot
        .log
        .records()
        .iter()
        .filter(|line| line["message"].as_str().is_some_and(|text| text.contains(ALERT)))
        .count();
    assert_eq!(said, 1, "one alert");

    // Room again.
    let begun = Instant::now();
    drop(ballast);
    bot.log.wait_after(mark, "that it takes writes", |line| line["message"] == "the database takes writes again");
    let recovered = begun.elapsed();
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.identifies == 2), "{:?}", discord.stats());
    bot.wait_well();
    assert_eq!(crate::probes::get(&probes, "/readyz").0, 200);
    assert_eq!(ask(&discord, "alice", "?prefix set $"), "My prefix here is now `$`.");
    until("the audit rows are kept", || (bot.json(&["db", "status"])["audit_waiting"] == 0).then_some(()));
    assert_eq!(bot.json(&["db", "status"])["audit_lost"], 0);
    println!(
        "X3 ENOSPC: noticed_ms={} refused_ms={} recovered_ms={} alerts=1 identifies_while_full=0 audit_lost=0",
        noticed.as_millis(),
        refused.as_millis(),
        recovered.as_millis()
    );
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn x3_an_end_without_room_is_in_order() {
    if !may_mount() {
        return;
    }
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.total_ms = 60000");
    let mut bot = Bot::spawn(&home, on_disk(&home, ""));
    bot.wait_ready();
    let _ballast = Ballast::load(&seen_by(&bot, &home));
    let begun = Instant::now();
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    println!("X3 ENOSPC at the end: exit_ms={}", begun.elapsed().as_millis());
}

/// What is opened by its path from now on stands on a disk that takes no writes; what is open goes on.
#[test]
fn x3_a_folder_that_becomes_read_only_is_no_reason_to_end() {
    if !may_mount() {
        return;
    }
    let discord = discord();
    let home = Home::new(&discord).set("database.health_ms = 500").set("shutdown.total_ms = 60000");
    let mut bot = Bot::spawn(&home, on_disk(&home, ""));
    bot.wait_ready();
    let data = home.path("data").display().to_string();
    let within = |script: &str| {
        let pid = bot.id().to_string();
        let done = Command::new("nsenter").args(["-t", &pid, "-m", "sh", "-c", script]).output().unwrap();
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    };
    within(&format!("mount --bind {data} {data} && mount -o remount,bind,ro {data}"));
    assert_answers(&discord);
    bot.cli(&["kill", "gateway/shard-0"]).exits(0);
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes >= 1), "{:?}", discord.stats());
    assert_answers(&discord);
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    bot.log.wait_message("the next process identifies anew");
}

/// A file that may not grow (`LimitFSIZE=` of a unit) is refused by the system with EFBIG, and by a signal that kills.
#[test]
fn x3_files_that_may_not_grow_cost_writes_alone() {
    let discord = discord();
    let home = Home::new(&discord).set("database.health_ms = 500");
    let mut bot = home.start();
    assert_eq!(ask(&discord, "alice", "!prefix set ?"), "My prefix here is now `?`.");
    let pid = bot.id().to_string();
    let limit = |bytes: &str| {
        let done = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}")]).status().unwrap();
        assert!(done.success());
    };
    limit("4096:unlimited");
    assert!(ask(&discord, "alice", "?prefix set $").contains("Try again in"));
    bot.log.wait_message(ALERT);
    bot.cli(&["status"]).exits(1).shows(&["takes no writes"]);
    assert!(ask(&discord, "bob", "?ping").starts_with("Pong!"));
    limit("unlimited:unlimited");
    bot.log.wait_message("the database takes writes again");
    assert_eq!(ask(&discord, "alice", "?prefix set $"), "My prefix here is now `$`.");
    assert!(bot.is_running());
    // An end that can write nothing down is in order all the same; the next process begins without what it could not keep.
    limit("0:unlimited");
    let begun = Instant::now();
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    println!("X3 EFBIG at the end: exit_ms={}", begun.elapsed().as_millis());
    bot.log.wait_message("the next process identifies anew");
    bot.log.wait_message("the account of this end could not be written");
    drop(bot);
    let bot = home.start();
    assert_eq!(ask(&discord, "bob", "$prefix"), "My prefix here is `$`; a mention works as well.");
    assert_eq!(discord.stats().identifies, 2);
    assert_eq!(bot.terminate(), 0);
}
