//! What the configuration takes actors to be declared with, before any of them is made, is what they are declared with.

use crate::harness::{Home, PLAYS_THE_BOT, discord, until};
use impresario::{
    config::{self, Sources, Standing, standing},
    life::{Companion, Running},
    process::{self, Start},
};
use std::{fmt::Write, fs, process::ExitCode, time::Duration};
use supervision::{ActorPath, Backoff, Policy};

/// Where the bot below writes what it has found.
const FOUND: &str = "found";

/// The bot that compares; otherwise it has nothing to do.
#[test]
fn the_bot_that_compares() -> ExitCode {
    if std::env::var_os(PLAYS_THE_BOT).is_none() {
        return ExitCode::SUCCESS;
    }
    let companion = Companion { live: Box::new(|running| Box::pin(compare(running))), told: Box::new(|_| {}) };
    process::run(Sources::of_process(None), Start { companion: Some(companion), ..Start::default() })
}

async fn compare(running: Running) {
    let tree = running.tree.clone();
    let tasks = ["audit-prune", "daily-report", "database-health", "identify-prune", "presence"];
    let is_there = |task: &&str| tree.node(&ActorPath::from("task-supervisor").child(task)).is_some();
    while !tasks.iter().all(is_there) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let config = config::load(&Sources::of_process(None)).unwrap().config;
    let mut found = String::new();
    for path in tree.nodes().into_iter().map(|node| node.path).filter(|path| !path.is_root()) {
        let declared = judged(&tree.get_childspec(&path).unwrap());
        let known = match standing(&path, &config, &[]) {
            Standing::Known(policy) => judged(&policy),
            other => format!("{other:?}"),
        };
        let verdict = if declared == known { "same" } else { "not the same" };
        writeln!(found, "{path}: {verdict}: declared {declared}, known {known}").unwrap();
    }
    fs::write("found.part", found).unwrap();
    fs::rename("found.part", FOUND).unwrap();
}

/// The rules that are judged.
fn judged(policy: &Policy) -> String {
    let delays = |backoff: Option<Backoff>| backoff.map(|it| (it.min, it.max));
    let Policy { kind, budget, backoff, cooldown, retry_parked, needs, .. } = policy;
    format!("{kind:?} {budget:?} {:?} {cooldown:?} {:?} {needs:?}", delays(*backoff), delays(*retry_parked))
}

#[test]
fn what_is_judged_before_anything_starts_is_what_the_tree_is_declared_with() {
    let discord = discord();
    let home = Home::new(&discord).set("cogs.system.report_guild = \"1\"").set("cogs.system.report_channel = \"2\"");
    let bot = home.run_as("standing::the_bot_that_compares");
    let found = until("they are compared", || fs::read_to_string(home.path(FOUND)).ok());
    for path in ["telemetry", "cog-host/dispatch", "gateway/shard-0", "task-supervisor/audit-prune"] {
        assert!(ActorPath::from(path).depth() > 0 && found.contains(&format!("{path}: same")), "{path}: {found}");
    }
    assert!(!found.contains("not the same"), "{found}");
    assert_eq!(found.lines().count(), bot.nodes().len() - 1, "{found}");
    assert_eq!(bot.terminate(), 0);
}
