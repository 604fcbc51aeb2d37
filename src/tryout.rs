//! `try`: a stand-in for Discord, the whole bot against it, and a prompt to talk to both.
//!
//! The prompt reads a terminal or a script on standard input alike; after each line of a script it waits until what the
//! line caused has settled, so that a transcript reads in order.

mod line;
mod settle;
mod show;

use crate::{
    config::{Flag, Sources, TokenRule},
    exit::{Code, Fatal},
    process::{self, Companion, Running},
};
use line::{Line, parse};
use protocol::Secret;
use sandbox::{Fault, Sandbox, SandboxConfig};
use serde_json::Value;
use settle::Settled;
use show::Show;
use std::{
    fs::DirBuilder,
    io::{BufRead, IsTerminal, Write},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use supervision::{ADMIN_DEADLINE, ActorPath, OrderError};
use tokio::sync::mpsc;

/// The first lines on the prompt.
const WELCOME: &str = "\
A stand-in for Discord runs on this machine, and the bot with it. alice owns the bot; bob and carol are there too.
  alice: !ping       say something          alice: /ping       use a slash command
  !help              the same as alice: !help
  tree | status | events | explain PATH | tell PATH MESSAGE [JSON] | kill PATH | restart PATH | stop PATH | start PATH
  cut | reconnect    trouble on the gateway               quit | Ctrl-C | end of input: an ordered shutdown";

/// Runs the stand-in, the bot and the prompt.
pub fn run(sources: Sources) -> ExitCode {
    match prepare(sources) {
        Ok((sources, companion, folder)) => {
            let code = process::run(sources, true, Some(companion));
            if let Err(error) = std::fs::remove_dir_all(&folder) {
                eprintln!("impresario: the folder {} could not be removed: {error}", folder.display());
            }
            code
        }
        Err(fatal) => {
            eprintln!("impresario: {fatal}");
            fatal.code.into()
        }
    }
}

fn prepare(mut sources: Sources) -> Result<(Sources, Companion, PathBuf), Fatal> {
    let sandbox = Sandbox::start(SandboxConfig::default()).map_err(|error| Fatal::new(Code::Unavailable, error))?;
    let folder = std::env::temp_dir().join(format!("impresario-try-{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
        Fatal::new(Code::Unavailable, format!("the folder {} cannot be made: {error}", folder.display()))
    })?;
    let text = |key, value: &str| Flag { key, value: toml::Value::from(value), flag: "try" };
    sources.flags.extend([
        text("discord.api_base", &sandbox.api_base()),
        text("discord.gateway_url", &sandbox.gateway_url()),
        text("data.dir", &folder.to_string_lossy()),
        text("database.url", "sqlite://impresario.db"),
        Flag { key: "discord.allow_hosts", value: toml::Value::from(vec!["127.0.0.1"]), flag: "try" },
        Flag { key: "discord.guild", value: toml::Value::from(0), flag: "try" },
    ]);
    if sources.flags.iter().all(|flag| flag.key != "control.socket") {
        sources.flags.push(text("control.socket", &folder.join("control.sock").to_string_lossy()));
    }
    // The prompt shows what happens; the log only what goes wrong, unless somebody asks for more.
    let asked = ["LOG_LEVEL", "IMPRESARIO_TELEMETRY__LOG"].iter().any(|name| sources.env.contains_key(*name));
    if !asked {
        sources.flags.push(text("telemetry.log", "off"));
    }
    sources.token = TokenRule::Given(Secret::new(sandbox.token()));
    let socket = sources.flags.iter().rev().find(|flag| flag.key == "control.socket");
    let socket = socket.and_then(|flag| flag.value.as_str()).unwrap_or_default().to_owned();
    let companion: Companion = Box::new(move |running| Box::pin(prompt(Arc::new(sandbox), running, socket)));
    Ok((sources, companion, folder))
}

async fn prompt(sandbox: Arc<Sandbox>, running: Running, socket: String) {
    let interactive = std::io::stdin().is_terminal();
    let show = Show::default();
    let mut ready = running.status.flags.ready();
    if ready.wait_for(|ready| *ready).await.is_err() {
        return;
    }
    tokio::spawn(show.clone().follow_discord(Arc::clone(&sandbox)));
    tokio::spawn(show.clone().follow_tree(running.tree.clone()));
    show.line(&banner(&running, &socket));
    let settled = Settled { sandbox: Arc::clone(&sandbox), tree: running.tree.clone(), show: show.clone() };
    settled.wait().await;
    let mut lines = read_lines();
    loop {
        if interactive {
            show.prompt();
        }
        let Some(text) = lines.recv().await else { break };
        if !interactive {
            show.line(&format!("> {text}"));
        }
        let line = match parse(&text) {
            Ok(None) => continue,
            Ok(Some(Line::Quit)) => break,
            Ok(Some(line)) => line,
            Err(sentence) => {
                show.line(&sentence);
                continue;
            }
        };
        if let Some(answer) = obey(&sandbox, &running, line).await {
            show.line(&answer);
        }
        settled.wait().await;
    }
    settled.wait().await;
    running.stop.send("end of input".to_owned()).await.ok(); // it is ending already
    // The stand-in stays until the bot has gone: its last frames want a reader.
    running.tree.ended().await;
}

fn banner(running: &Running, socket: &str) -> String {
    let took: Duration = running.status.phases().iter().map(|(_, took)| *took).sum();
    format!(
        "Impresario {} is up in {} ms. From another terminal: impresario --socket {socket} tree\n{WELCOME}",
        crate::VERSION,
        took.as_millis()
    )
}

/// Lines of standard input, read on a thread of their own: reading cannot be cancelled.
fn read_lines() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

async fn obey(sandbox: &Arc<Sandbox>, running: &Running, line: Line) -> Option<String> {
    let tree = &running.tree;
    match line {
        Line::Say { user, text } => {
            sandbox.say(&user, &text);
            None
        }
        Line::Slash { user, command, options } => {
            sandbox.slash(&user, &command, &options).err().map(|error| error.to_string())
        }
        Line::Order { path, verb } => {
            let path = ActorPath::from(path);
            tree.order(&path, verb, None, false).await.err().map(|error: OrderError| error.to_string())
        }
        Line::Tell { path, message, params } => {
            let path = ActorPath::from(path);
            let answer = tree.tell(&path, &message, params, ADMIN_DEADLINE, None).await;
            Some(match answer {
                Ok(Value::Null) => "done".to_owned(),
                Ok(answer) => answer.to_string(),
                Err(error) => error.to_string(),
            })
        }
        Line::Tree => Some(crate::cli::draw_tree(&crate::boot::snapshot(tree)).trim_end().to_owned()),
        Line::Status => Some(serde_json::to_string_pretty(&running.status.json()).unwrap_or_default()),
        Line::Events => Some(show::decisions(&tree.decisions(0, 20))),
        Line::Explain { path } => Some(show::decisions(&tree.explain(&ActorPath::from(path), 50))),
        Line::Cut => {
            sandbox.fault(Fault::CutConnection { shard: None });
            None
        }
        Line::Reconnect => {
            sandbox.fault(Fault::Reconnect);
            None
        }
        Line::Help => Some(WELCOME.to_owned()),
        Line::Quit => None,
    }
}

/// Writes at once; a closed pipe ends nothing.
fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).ok(); // nobody reads any more
}
