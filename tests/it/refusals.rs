//! What cannot be run is refused with one clear sentence and the contract's exit code; nothing is created or lost.

use crate::harness::{BINARY, Home, assert_answers, discord, finish};
use rustix::process::geteuid;
use sandbox::{Fault, Sandbox};
use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
};

/// An unprivileged user; it needs no entry anywhere.
const NOBODY: u32 = 65_534;

#[track_caller]
fn refused(home: &Home, code: i32, says: &[&str]) {
    let before = home.contents();
    home.run_to_end().exits(code).says(says);
    let after = home.contents();
    let changed: Vec<_> =
        after.iter().filter(|(path, bytes)| before.get(*path) != Some(*bytes)).map(|(p, _)| p).collect();
    let lost: Vec<_> = before.keys().filter(|path| !after.contains_key(*path)).collect();
    assert!(changed.is_empty() && lost.is_empty(), "{says:?}: changed {changed:?}, lost {lost:?}");
}

fn home(discord: &Sandbox) -> Home {
    Home::new(discord)
}

#[test]
fn a_wrong_configuration_is_78_and_names_file_key_and_remedy() {
    let discord = discord();
    let with = |line: &str| home(&discord).set(line);
    refused(&with("discord.prefx = \"?\""), 78, &["config.toml", "discord.prefx", "did you mean \"prefix\""]);
    refused(&with("discrod.prefix = \"?\""), 78, &["config.toml", "discrod", "did you mean \"discord\""]);
    refused(&with("discord.prefix = 5"), 78, &["config.toml", "discord.prefix"]);
    refused(&with("shutdown.total_ms = \"long\""), 78, &["config.toml", "shutdown.total_ms", "whole number"]);
    refused(&with("telemetry.log = \"loud=deafening\""), 78, &["telemetry.log"]);
    refused(&with("discord.shards = 0"), 78, &["config.toml", "discord.shards", "auto"]);
    refused(&with("database.url = \"mysql://here\""), 78, &["database.url"]);
    refused(&with("discord.token = \"not.to.be\""), 78, &["config.toml", "discord.token", "DISCORD_TOKEN"]);
    refused(&with("this is no TOML ="), 78, &["config.toml"]);
    refused(
        &home(&discord).with_env("IMPRESARIO_SHUTDOWN__TOTAL_MS", "soon"),
        78,
        &["IMPRESARIO_SHUTDOWN__TOTAL_MS", "shutdown.total_ms", "whole number"],
    );
    assert_eq!(discord.stats().requests, 0, "nobody was asked anything");
}

#[test]
fn rules_that_no_tree_could_live_by_are_78_before_anybody_is_asked_and_check_says_the_same() {
    let discord = discord();
    let with = |lines: &[&str]| lines.iter().fold(home(&discord), |home, line| home.set(line));
    for (lines, says) in [
        (
            &["supervision.database.needs = [\"gateway\"]", "supervision.gateway.needs = [\"database\"]"][..],
            &["config.toml:6: supervision.database.needs: ", "config.toml:7: supervision.gateway.needs: ", "circle"][..],
        ),
        (
            &[
                "supervision.emoji-cache.needs = [\"task-supervisor\"]",
                "supervision.task-supervisor.needs = [\"emoji-cache\"]",
            ],
            &["config.toml:6: supervision.emoji-cache.needs: ", "circle"],
        ),
        (&["supervision.database.needs = [\"rest\"]", "supervision.rest.needs = [\"database\"]"], &["circle"]),
        (&["supervision.emoji-cache.needs = [\"root\"]"], &["config.toml:6: supervision.emoji-cache.needs: "]),
        (&["supervision.gatway.restarts = 3"], &["config.toml:6: supervision.gatway.restarts: ", "\"gateway\""]),
        (&["supervision.rest.intensity = 3"], &["config.toml:6: supervision.rest.intensity: rest is a worker"]),
        (
            &["tasks.presence.cooldown_s = 3000"],
            &["config.toml:6: tasks.presence.cooldown_s: 5 restarts with a cooldown of 3000 s do not fit into 3600 s"],
        ),
    ] {
        let home = with(lines);
        refused(&home, 78, says);
        home.plain(&["check"], "").exits(78).says(says);
    }
    assert_eq!(discord.stats().requests, 0, "nobody was asked anything");
}

#[test]
fn a_missing_or_malformed_token_is_78_and_never_repeated() {
    let discord = discord();
    refused(&home(&discord).without_env("DISCORD_TOKEN"), 78, &["DISCORD_TOKEN"]);
    let home = home(&discord).with_env("DISCORD_TOKEN", "SomethingPastedByMistake");
    refused(&home, 78, &["DISCORD_TOKEN", "malformed"]);
    let said = home.run_to_end().err;
    assert!(!said.contains("PastedByMistake"), "{said}");
}

#[test]
fn an_explicit_file_that_is_missing_is_78_and_an_implicit_one_means_defaults() {
    let discord = discord();
    let home = home(&discord);
    let before = home.contents();
    home.plain(&["--config", "nowhere.toml", "run"], "").exits(78).says(&["nowhere.toml"]);
    assert_eq!(home.contents(), before);
    fs::remove_file(home.path("config.toml")).unwrap();
    home.plain(&["check"], "").exits(0);
}

#[test]
fn a_refused_token_is_77() {
    let discord = discord();
    discord.fault(Fault::Unauthorized(true));
    let home = home(&discord);
    fs::create_dir(home.path("data")).unwrap();
    refused(&home, 77, &["401", "DISCORD_TOKEN"]);
}

#[test]
fn a_corrupt_database_is_69_and_left_as_it_is() {
    let discord = discord();
    let home = home(&discord);
    fs::create_dir(home.path("data")).unwrap();
    fs::write(home.path("data/impresario.db"), "this is no database ".repeat(1000)).unwrap();
    refused(&home, 69, &["impresario.db"]);
    assert_eq!(discord.stats().identifies, 0);
}

#[test]
fn a_damaged_page_of_the_database_is_69_and_left_as_it_is() {
    let discord = discord();
    let home = home(&discord);
    assert_eq!(home.start().terminate(), 0);
    let file = home.path("data/impresario.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xAA);
    fs::write(&file, &bytes).unwrap();
    refused(&home, 69, &["impresario.db"]);
}

#[test]
fn a_second_instance_is_69_and_the_first_goes_on() {
    let discord = discord();
    let home = home(&discord);
    let bot = home.start();
    home.run_to_end().exits(69).says(&["another instance (pid ", "data.dir"]);
    bot.cli(&["status"]).exits(0);
    assert_answers(&discord);
    assert_eq!(discord.stats().identifies, 1);
    assert_eq!(bot.terminate(), 0);
    assert!(!home.socket().exists(), "the socket goes with its owner");
}

#[test]
fn what_is_refused_at_boot_leaves_no_data_folder_behind() {
    let discord = discord();
    let home = home(&discord);
    let bot = home.start();
    let other = home.path("other/data");
    refused_beside(&home, &other);
    assert!(!home.path("other").exists());
    assert_eq!(bot.terminate(), 0);

    discord.fault(Fault::Unauthorized(true));
    refused(&Home::new(&discord), 77, &["401"]);
}

/// A second instance with a data folder of its own, which is not there yet, and the first one's socket.
fn refused_beside(home: &Home, data: &std::path::Path) {
    let socket = home.socket();
    let mut command = home.command(&["run", "--socket", socket.to_str().unwrap()]);
    command.env("IMPRESARIO_DATA__DIR", data);
    finish(command, "").exits(69).says(&["another instance"]);
}

#[test]
fn a_socket_left_by_a_dead_process_is_no_hindrance() {
    let discord = discord();
    let home = home(&discord);
    drop(home.start()); // SIGKILL
    assert!(home.socket().exists());
    assert_eq!(home.start().terminate(), 0);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_69() {
    let discord = discord();
    let home = home(&discord);
    let data = home.path("data");
    fs::create_dir(&data).unwrap();
    let root = geteuid().is_root();
    // Modes do not bind root: it becomes somebody else, who may look at everything here and change nothing.
    fs::set_permissions(&data, Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(home.path("."), Permissions::from_mode(0o755)).unwrap();
    let before = home.contents();
    let socket = home.socket();
    let mut command = home.command(&["--socket", socket.to_str().unwrap(), "run"]);
    if root {
        let copy = tempfile::tempdir().unwrap();
        fs::set_permissions(copy.path(), Permissions::from_mode(0o755)).unwrap();
        let binary = copy.path().join("impresario");
        fs::copy(BINARY, &binary).unwrap(); // the folder it was built in may be closed to others
        fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
        command = as_nobody(&home, &binary);
        finish(command, "").exits(69).says(&["data", "writ", "data.dir"]);
    } else {
        finish(command, "").exits(69).says(&["data", "writ", "data.dir"]);
    }
    assert_eq!(home.contents(), before);
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
}

fn as_nobody(home: &Home, binary: &std::path::Path) -> std::process::Command {
    let like = home.command(&[]);
    let mut command = std::process::Command::new(binary);
    command.args(["--socket", home.socket().to_str().unwrap(), "run"]).env_clear();
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(home.path(".")).uid(NOBODY).gid(NOBODY);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

#[test]
fn a_wrong_command_line_is_2() {
    let discord = discord();
    let home = home(&discord);
    for wrong in [&["dance"][..], &["run", "--fast"], &["tell"], &["kill"], &["tree", "--watch", "--log"], &[]] {
        home.plain(wrong, "").exits(2);
    }
}

#[test]
fn a_vital_actor_that_cannot_be_kept_up_ends_the_process_with_70() {
    let discord = discord();
    let home = home(&discord).set("supervision.database.restarts = 0");
    let mut bot = home.start();
    bot.cli(&["kill", "database"]);
    assert_eq!(bot.ended(), 70);
    let said = bot.log.lines().join("\n");
    assert!(said.contains("the actor tree gave up") && said.contains("database"), "{said}");
    // In order all the same: the session is closed, the socket is gone.
    assert!(discord.connected_shards().is_empty());
    assert!(!home.socket().exists());
}
