//! `try`: a stand-in for Discord, the whole bot against it, and a prompt to talk to both.
//!
//! The prompt reads a terminal or a script on standard input alike; after each line of a script it waits until what the
//! line caused has settled, so that a transcript reads in order.

mod folder;
mod input;
mod line;
mod screen;
mod settle;
mod show;

use crate::{
    admin::{self, Ordered},
    config::{Flag, Sources, TokenRule},
    console,
    exit::{Code, Fatal},
    kept::Kept,
    life::{Companion, Running},
    process::{self, Start},
};
use folder::Folder;
use line::{Line, parse};
use protocol::Secret;
use sandbox::{Fault, Sandbox, SandboxConfig};
use screen::Screen;
use serde_json::Value;
use settle::Settled;
use std::{io::IsTerminal, process::ExitCode, sync::Arc, time::Duration};
use supervision::{ActorPath, Tree, guarded};
use tokio::{runtime::Handle, time::timeout};

/// How long the prompt waits for the bot to be ready before it is there all the same.
const READY: Duration = Duration::from_secs(10);

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
        Ok((sources, companion, _folder)) => {
            process::run(sources, Start { sandbox: true, companion: Some(companion), ..Start::default() })
        }
        Err(fatal) => {
            console::problem(&fatal.message);
            fatal.code.into()
        }
    }
}

fn prepare(mut sources: Sources) -> Result<(Sources, Companion, Folder), Fatal> {
    let unavailable = |error: &dyn std::fmt::Display| Fatal::new(Code::Unavailable, error);
    let sandbox = Sandbox::start(SandboxConfig::default()).map_err(|error| unavailable(&error))?;
    let dumb = sources.env.get("TERM").is_some_and(|term| term == "dumb");
    let screen = Screen::stdout(dumb).map_err(|error| unavailable(&error))?;
    let folder = Folder::make(&std::env::temp_dir())?;
    let path = folder.path();
    let text = |key, value: &str| Flag { key, value: toml::Value::from(value), flag: "try" };
    sources.flags.extend([
        text("discord.api_base", &sandbox.api_base()),
        text("discord.gateway_url", &sandbox.gateway_url()),
        text("data.dir", &path.to_string_lossy()),
        text("database.url", "sqlite://impresario.db"),
        Flag { key: "discord.allow_hosts", value: toml::Value::from(vec!["127.0.0.1"]), flag: "try" },
        // A real bot's configuration may stand in the working directory: its owners are nobody here, and alice is.
        Flag { key: "discord.owners", value: toml::Value::Array(Vec::new()), flag: "try" },
        Flag { key: "discord.operators", value: toml::Value::Array(Vec::new()), flag: "try" },
        Flag { key: "discord.guild", value: toml::Value::from(0), flag: "try" },
    ]);
    if sources.flags.iter().all(|flag| flag.key != "control.socket") {
        sources.flags.push(text("control.socket", &path.join("control.sock").to_string_lossy()));
    }
    // The prompt shows what happens; there is a log when somebody asks for it.
    let asked = ["LOG_LEVEL", "IMPRESARIO_TELEMETRY__LOG"].iter().any(|name| sources.env.contains_key(*name));
    if !asked {
        sources.flags.push(text("telemetry.log", "off"));
    }
    sources.token = TokenRule::Given(Secret::new(sandbox.token()));
    let socket = sources.flags.iter().rev().find(|flag| flag.key == "control.socket");
    let socket = socket.and_then(|flag| flag.value.as_str()).unwrap_or_default().to_owned();
    let last = screen.clone();
    let companion = Companion {
        live: Box::new(move |running| Box::pin(live(Arc::new(sandbox), running, screen, socket))),
        told: Box::new(move |report| last.end(&report.lines())),
    };
    Ok((sources, companion, folder))
}

/// The prompt from its first line on. Whatever becomes of it, the bot ends with it.
async fn live(sandbox: Arc<Sandbox>, running: Running, screen: Screen, socket: String) {
    let (stop, tree) = (running.stop.clone(), running.tree.clone());
    let why = match guarded(prompt(&sandbox, &running, &screen, &socket)).await {
        Ok(()) => "end of input".to_owned(),
        Err(exit) => format!("a failure of the prompt ({exit})"),
    };
    stop.send(why).await.ok(); // it is ending already
    // The stand-in stays until the bot has gone: its last frames want a reader.
    tree.ended().await;
}

async fn prompt(sandbox: &Arc<Sandbox>, running: &Running, screen: &Screen, socket: &str) {
    let interactive = std::io::stdin().is_terminal();
    let mut ready = running.status.flags.ready();
    let late = timeout(READY, ready.wait_for(|ready| *ready)).await.is_err();
    let here = Handle::current();
    let _shown = [
        Kept::run(&here, "show-discord", show::follow_discord(screen.clone(), Arc::clone(sandbox))),
        Kept::run(&here, "show-tree", show::follow_tree(screen.clone(), running.tree.subscribe())),
    ];
    screen.line(banner(running, socket)).await;
    if late {
        screen.line(format!("The bot is not ready yet: {}", running.status.degraded().join("; "))).await;
    }
    let settled = Settled {
        sandbox: Arc::clone(sandbox),
        tree: running.tree.clone(),
        status: Arc::clone(&running.status),
        screen: screen.clone(),
    };
    settled.wait().await;
    let mut lines = input::lines();
    loop {
        if interactive {
            screen.prompt().await;
        }
        let Some(text) = lines.recv().await else { break };
        if interactive {
            screen.typed().await;
        } else {
            screen.line(format!("> {text}")).await;
        }
        let line = match parse(&text) {
            Ok(None) => continue,
            Ok(Some(Line::Quit)) => break,
            Ok(Some(line)) => line,
            Err(sentence) => {
                screen.line(sentence).await;
                continue;
            }
        };
        if let Some(answer) = obey(sandbox, running, line).await {
            screen.line(answer).await;
        }
        settled.wait().await;
    }
    settled.wait().await;
}

fn banner(running: &Running, socket: &str) -> String {
    let took: Duration = running.status.phases().iter().map(|(_, took)| *took).sum();
    format!(
        "Impresario {} is up in {} ms. From another terminal: impresario --socket {socket} tree\n{WELCOME}",
        crate::VERSION,
        took.as_millis()
    )
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
        Line::Order { path, verb, force } => {
            let order = Ordered { path: path.into(), verb, force };
            order.carry_out(tree, None, false).await.err().map(|error| error.to_string())
        }
        Line::Tell { path, message, params } => {
            let path = ActorPath::from(path);
            let answer = admin::tell(tree, &path, &message, params).await;
            Some(match answer {
                Ok(Value::Null) => "done".to_owned(),
                Ok(answer) => answer.to_string(),
                Err(error) => error.to_string(),
            })
        }
        Line::Tree => Some(crate::cli::draw_tree(&crate::boot::snapshot(tree)).trim_end().to_owned()),
        Line::Status => Some(crate::cli::draw_status(&running.status.json())),
        Line::Events => Some(show::decisions(&tree.decisions(0, 20))),
        Line::Explain { path } => Some(explain(tree, &ActorPath::from(path))),
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

fn explain(tree: &Tree, path: &ActorPath) -> String {
    let entries = tree.explain(path, 50);
    match tree.node(path) {
        None if entries.is_empty() => {
            let near = tree.nearest(path).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            format!("there is no actor {:?}{near}", path.as_str())
        }
        node => {
            let state = node.as_ref().map_or("gone", |node| node.status.name());
            let why = node.and_then(|node| node.reason).map_or(String::new(), |reason| format!(": {reason}"));
            format!("{path} is {state}{why}\n{}", show::explained(&entries))
        }
    }
}
