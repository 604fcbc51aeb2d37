//! `try`: a prompt, or a script on standard input.

use crate::harness::{Answer, Home, Log, discord, signal, until, wait};
use rustix::process::Signal;
use std::{fs, io::Write, path::Path, process::Stdio};

/// Plays a script.
fn play(script: &str) -> Answer {
    let discord = discord(); // not spoken to: `try` brings its own
    let home = Home::new(&discord).without_env("DISCORD_TOKEN").set("telemetry.listen = \"\"");
    let answer = home.plain(&["try"], script);
    assert_eq!(discord.stats().requests, 0);
    answer
}

#[test]
fn a_script_gives_a_transcript_and_its_end_exits_with_0() {
    let played = play("# a comment\n\nalice: !ping\nbob: /ping\nfoo bar\ntell nowhere x\nkill nowhere\n").exits(0);
    let played = played.shows(&[
        "> alice: !ping\n  Impresario: Pong!",
        "> bob: /ping\n  Impresario: Pong!",
        "> foo bar\n\"foo\" is no command here",
        "> tell nowhere x\nthere is no actor \"nowhere\"",
        "> kill nowhere\nthere is no actor \"nowhere\"",
        "stopped by end of input",
    ]);
    assert!(played.err.is_empty(), "{}", played.err);
}

#[test]
fn the_prompt_obeys_the_rules_of_the_command_line() {
    let played = play("stop control\ntell gateway reconnect\ntree\nstop control --force\nalice: !ping\n").exits(0);
    let played = played.shows(&[
        "> stop control\nstopping control locks every operator out until the process ends; use --force",
        "> tell gateway reconnect\ngateway is a supervisor and takes no messages itself",
        "Pong!",
    ]);
    let after = played.out.split("> stop control --force").nth(1).unwrap();
    assert!(after.contains("control#1"), "{}", played.out);
}

#[test]
fn quit_ends_it_before_the_end_of_input() {
    let played = play("quit\nalice: !ping\n").exits(0);
    assert!(!played.out.contains("Pong"), "{}", played.out);
}

#[test]
fn no_token_and_no_configuration_are_needed() {
    let discord = discord();
    let home = Home::new(&discord).without_env("DISCORD_TOKEN");
    fs::remove_file(home.path("config.toml")).unwrap();
    // The port of the defaults may be taken; that is a warning, and warnings are not shown here.
    home.plain(&["try"], "alice: !ping\n").exits(0).shows(&["Pong!"]);
    assert!(!home.path("data").exists(), "it leaves nothing behind");
}

#[test]
fn a_panic_costs_one_invocation_and_a_crash_one_cog() {
    let script = "!crash info command\nbob: !ping\n!crash settings\ncarol: /ping\nbob: !prefix\ntree\nstatus\n";
    let played = play(script).exits(0).shows(&[
        "> !crash info command\n  Impresario: Something went wrong; the incident is",
        "`settings` crashes; its supervisor brings it back.",
        "cog-host/settings#1",
        "cog-host/settings#2 came up",
        "My prefix here is `!`",
        ": ready, up",
    ]);
    assert_eq!(played.out.matches("Pong!").count(), 2, "{}", played.out);
    // Nobody else was restarted.
    for line in played.out.lines().filter(|line| line.contains("came up")) {
        assert!(line.contains("cog-host/settings"), "{line}");
    }
}

#[test]
fn a_crash_by_somebody_else_is_refused() {
    play("bob: !crash info\n").exits(0).shows(&["Only the bot's owners may use this command."]);
}

#[test]
fn the_prompt_cuts_and_reconnects() {
    let played = play("cut\nreconnect\nalice: !ping\n").exits(0);
    assert!(played.out.matches("[gateway] resumed").count() >= 2, "{}", played.out);
    assert!(played.out.contains("Pong!") && !played.out.contains("identified anew"), "{}", played.out);
}

/// What README's first screen shows; then Ctrl-C.
const SCRIPT: &str = "alice: !ping\nbob: /ping\ntell emoji-cache refresh\nkill database\n!ping\n";
const BEGIN: &str = "<!-- transcript -->";
const END: &str = "<!-- /transcript -->";

/// README's transcript is what really happens; `BLESS=1` writes it anew.
#[test]
fn readme_shows_a_real_transcript() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme).unwrap();
    let begin = text.find(BEGIN).expect("README.md has a transcript") + BEGIN.len();
    let end = text.find(END).expect("the transcript ends");
    let real = format!("\n```text\n$ cargo run -- try\n{}\n```\n", until_ctrl_c());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&readme, format!("{}{real}{}", &text[..begin], &text[end..])).unwrap();
        return;
    }
    // The figures in README are those of the run that wrote them; all else must be the same.
    assert_eq!(steady(&text[begin..end]), steady(&real), "BLESS=1 writes it anew");
}

/// Plays the script, leaves standard input open, and ends it as Ctrl-C does.
fn until_ctrl_c() -> String {
    let discord = discord(); // not spoken to
    let home = Home::new(&discord).without_env("DISCORD_TOKEN");
    let mut command = home.command(&["try"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let out = Log::follow(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(SCRIPT.as_bytes()).unwrap();
    until("the last command is answered", || {
        let lines = out.lines();
        let asked = lines.iter().position(|line| line == "> !ping")?;
        lines[asked..].iter().any(|line| line.contains("Pong!")).then_some(())
    });
    signal(&child, Signal::INT);
    assert_eq!(wait(&mut child), Some(0));
    out.wait_end();
    let mut lines = out.lines();
    // A task that comes up as late as this on a busy machine belongs to boot.
    let first = lines.iter().position(|line| line.starts_with("> ")).unwrap();
    let boot = lines.drain(..first).filter(|line| !line.starts_with("  [tree]")).collect::<Vec<_>>();
    lines.splice(..0, boot);
    let stopped = lines.iter().position(|line| line.starts_with("stopped by SIGINT")).unwrap();
    lines.insert(stopped, "^C".to_owned()); // what a terminal shows
    for line in &mut lines {
        // The folder is named after the process.
        if let Some((before, after)) = line.split_once("impresario-try-") {
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            *line = format!("{before}impresario-try-1{after}");
        }
    }
    lines.join("\n")
}

/// The transcript with the times of one run made those of any.
fn steady(text: &str) -> String {
    let line = |line: &str| {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        for at in 0..words.len() {
            let unit = words.get(at + 1).is_some_and(|next| next.trim_end_matches([',', '.', ')']) == "ms");
            if unit || words[at].contains("_ms\":") {
                words[at].retain(|c| !c.is_ascii_digit());
            }
        }
        words.join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_is_answered_although_they_come_in_a_row() {
    play("!tell nosuch x\n!crash nosuch\nbob: !tree\nbob: !crash info\n").exits(0).shows(&[
        "> !tell nosuch x\n  Impresario: ",
        "> !crash nosuch\n  Impresario: ",
        "> bob: !tree\n  Impresario: ",
        "> bob: !crash info\n  Impresario: ",
    ]);
}
