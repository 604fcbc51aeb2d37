//! A process that is killed at any instant has kept what it said it kept, and the next one starts.

use super::world::{handle, open};
use protocol::id::GuildId;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// Set for the copy of this test binary that is to be killed: its folder.
const VICTIM: &str = "IMPRESARIO_TEST_VICTIM_FOLDER";
const ROUNDS: u64 = 96;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_acknowledged_is_there_and_the_next_one_starts() {
    if let Some(folder) = std::env::var_os(VICTIM) {
        return victim(Path::new(&folder)).await;
    }
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        // Half the rounds die while the database is being made, half while it is written to.
        let (after, lines) =
            if round % 2 == 0 { ((seed + round * 7919) % 12_000, 0) } else { (0, (seed + round) % 30) };
        let kept = kill_after(folder.path(), Duration::from_micros(after), lines);
        println!("round {round}: {} kept, left {:?}", kept.len(), names(folder.path()));
        let db = handle(folder.path());
        open(&db).await.unwrap_or_else(|error| panic!("round {round}: bricked: {error}; {:?}", names(folder.path())));
        for guild in &kept {
            let config = db.guild_config(GuildId::new(*guild)).await.unwrap();
            assert!(config.is_some(), "round {round}: {guild} of {} was acknowledged and is gone", kept.len());
        }
        acknowledged += kept.len();
    }
    assert!(acknowledged > 0, "no victim came as far as an acknowledgement");
}

/// Writes for ever, one line per acknowledged write.
async fn victim(folder: &Path) {
    let db = handle(folder);
    open(&db).await.unwrap();
    for guild in 1.. {
        db.set_prefix(GuildId::new(guild), Some("?")).await.unwrap();
        println!("\nkept {guild}");
    }
}

/// Starts a victim, kills it `after` its start and at least `lines` acknowledgements, and tells what it acknowledged.
#[expect(
    clippy::disallowed_methods,
    reason = "no runtime: the instant of the kill varies, nothing is synchronised by it"
)]
fn kill_after(folder: &Path, after: Duration, lines: u64) -> Vec<u64> {
    let name = "tests::crash::what_a_killed_process_acknowledged_is_there_and_the_next_one_starts";
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim.args(["--exact", name, "--nocapture"]).env(VICTIM, folder).stdout(Stdio::piped());
    let mut victim = victim.spawn().unwrap();
    let mut output = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut kept = Vec::new();
    let mut read = |kept: &mut Vec<u64>| match output.next() {
        Some(Ok(line)) => {
            kept.extend(line.strip_prefix("kept ").and_then(|guild| guild.parse::<u64>().ok()));
            true
        }
        _ => false,
    };
    while (kept.len() as u64) < lines && read(&mut kept) {}
    std::thread::sleep(after);
    victim.kill().unwrap();
    while read(&mut kept) {}
    victim.wait().unwrap();
    kept
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| format!("{:?}", entry.unwrap().file_name())).collect()
}
