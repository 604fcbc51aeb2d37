//! Commands that are one call of a method.

use super::{
    Exit, Output,
    args::{ActorOrder, CogsCommand, Command, DbCommand, EmojiCommand, PoisonCommand, ShardsCommand, TasksCommand},
    render,
};
use control::{Client, ClientError};
use serde_json::{Value, json};
use std::path::Path;

/// How an answer is shown to people.
type Show = fn(&Value, &Output) -> String;

/// A call: method, parameters, and how its answer is shown.
struct Call {
    method: String,
    params: Value,
    show: Show,
}

/// Runs `command`.
pub(super) async fn run(command: &Command, socket: &Path, output: &mut Output) -> Exit {
    let call = match call(command) {
        Ok(call) => call,
        Err(sentence) => {
            output.problem(&sentence);
            return Exit::Usage;
        }
    };
    let answer = match ask(socket, &call.method, call.params).await {
        Ok(answer) => answer,
        Err(error) => return failed(&error, output),
    };
    if output.json {
        output.value(&answer);
    } else {
        let text = (call.show)(&answer, output);
        output.text(&text);
    }
    match command {
        Command::Status { last_shutdown: false, .. } if !is_well(&answer) => Exit::Failed,
        Command::Shards(ShardsCommand::Reconnect { .. }) if !answer["not_reached"].is_null() => Exit::Failed,
        _ => Exit::Done,
    }
}

/// Ready, and nothing degraded: what a script may take for "all is well".
fn is_well(status: &Value) -> bool {
    status["ready"] == true && status["degraded"].as_array().is_none_or(Vec::is_empty)
}

/// One call on a connection of its own.
pub(super) async fn ask(socket: &Path, method: &str, params: Value) -> Result<Value, ClientError> {
    Client::connect(socket).await?.call(method, params).await
}

/// Says what went wrong and maps it to an exit code.
pub(super) fn failed(error: &ClientError, output: &mut Output) -> Exit {
    let sentence = error.to_string();
    match error {
        ClientError::Refused { code, message, data } => {
            output.error(&sentence, json!({"code": code, "message": message, "data": data}));
            Exit::Failed
        }
        ClientError::NotRunning { .. } => {
            output.error(&sentence, json!({"code": "not_running", "message": sentence}));
            Exit::NotRunning
        }
        ClientError::TooLong { .. } => {
            output.problem(&sentence);
            Exit::Usage
        }
        ClientError::Deaf { .. } => {
            output.error(&sentence, json!({"code": "not_listening", "message": sentence}));
            Exit::Failed
        }
        ClientError::Denied { .. } | ClientError::Lost(_) | ClientError::Malformed(_) | ClientError::Deadline => {
            output.problem(&sentence);
            Exit::Failed
        }
    }
}

fn call(command: &Command) -> Result<Call, String> {
    let plain = |method: &str| Call { method: method.to_owned(), params: Value::Null, show: render::answer };
    let with = |method: &str, params: Value| Call { method: method.to_owned(), params, show: render::answer };
    let named = |method: &str, name: &str| with(method, json!({"name": name}));
    Ok(match command {
        Command::Status { last_shutdown: true, .. } => {
            Call { show: render::last_shutdown, ..plain("status.last_shutdown") }
        }
        Command::Status { boot: false, .. } => Call { show: render::status, ..plain("status.get") },
        Command::Status { boot: true, .. } => Call { show: render::boot, ..plain("status.get") },
        Command::Tree(tree) if tree.log => plain("tree.log"),
        Command::Tree(_) => Call { show: render::tree, ..plain("tree.get") },
        Command::Explain { path, crash: None } => {
            Call { show: render::explain, ..with("tree.explain", json!({"path": path})) }
        }
        Command::Explain { path, crash: Some(number) } => {
            let mut params = json!({"path": path});
            put(&mut params, "number", *number);
            Call { show: render::crash, ..with("tree.crash", params) }
        }
        Command::Poison(PoisonCommand::List) => Call { show: render::poison, ..plain("poison.list") },
        Command::Poison(PoisonCommand::Show { number }) => with("poison.show", json!({"number": number})),
        Command::Poison(PoisonCommand::Release { number }) => {
            Call { show: render::released, ..with("poison.release", json!({"number": number})) }
        }
        Command::Poison(PoisonCommand::Drop { number }) => {
            Call { show: render::dropped, ..with("poison.drop", json!({"number": number})) }
        }
        Command::Messages { path } => Call { show: render::messages, ..with("actor.messages", json!({"path": path})) },
        Command::Tell(tell) => {
            let mut params = json!({"path": tell.path, "message": tell.message});
            if let Some(text) = &tell.params {
                params["params"] = parse(text)?;
            }
            put(&mut params, "deadline_ms", tell.deadline_ms);
            put(&mut params, "if_incarnation", tell.if_incarnation);
            Call { show: render::told, ..with("actor.send", params) }
        }
        Command::Restart(order) => ordered("actor.restart", order),
        Command::Stop(order) => ordered("actor.stop", order),
        Command::Start(order) => ordered("actor.start", order),
        Command::Kill(order) => ordered("actor.kill", order),
        Command::Log { directive } => with("log.set", json!({"filter": directive})),
        Command::Shutdown { plan } => {
            let params = if *plan { json!({"plan": true}) } else { json!({}) };
            Call { show: render::shutdown, ..with("system.shutdown", params) }
        }
        Command::Reload { dry_run } => {
            let params = if *dry_run { json!({"dry_run": true}) } else { json!({}) };
            Call { show: render::reloaded, ..with("config.reload", params) }
        }
        Command::Sync { dry_run } => {
            let params = if *dry_run { json!({"dry_run": true}) } else { json!({}) };
            Call { show: render::synced, ..with("commands.sync", params) }
        }
        Command::Ctl { method, params } => {
            let params = params.as_deref().map_or(Ok(Value::Null), parse)?;
            Call { show: |value, _| format!("{value:#}"), ..with(method, params) }
        }
        Command::Cogs(cogs) => match cogs {
            CogsCommand::List => Call { show: render::cogs, ..plain("cogs.list") },
            CogsCommand::Show { name } => named("cogs.show", name),
            CogsCommand::Load { name } => named("cogs.load", name),
            CogsCommand::Unload { name } => named("cogs.unload", name),
            CogsCommand::Reload { name } => named("cogs.reload", name),
            CogsCommand::Enable { name } => named("cogs.enable", name),
            CogsCommand::Disable { name } => named("cogs.disable", name),
        },
        Command::Shards(ShardsCommand::List) => Call { show: render::shards, ..plain("shards.list") },
        Command::Shards(ShardsCommand::Reconnect { shard }) => {
            let mut params = json!({});
            put(&mut params, "shard", shard.map(u64::from));
            Call { show: render::reconnected, ..with("shards.reconnect", params) }
        }
        Command::Tasks(tasks) => match tasks {
            TasksCommand::List => Call { show: render::tasks, ..plain("tasks.list") },
            TasksCommand::Show { name } => Call { show: render::task, ..named("tasks.show", name) },
            TasksCommand::Run { name } => named("tasks.run", name),
            TasksCommand::Pause { name } => named("tasks.pause", name),
            TasksCommand::Resume { name } => named("tasks.resume", name),
            TasksCommand::Restart { name, force: true } => with("tasks.restart", json!({"name": name, "force": true})),
            TasksCommand::Restart { name, force: false } => named("tasks.restart", name),
        },
        Command::Emoji(EmojiCommand::List { guild, application }) => {
            let mut params = json!({});
            if let Some(guild) = guild {
                params["guild"] = guild.to_string().into(); // ids are too long for JSON's numbers
            }
            if *application {
                params["application"] = true.into();
            }
            with("emoji.list", params)
        }
        Command::Emoji(EmojiCommand::Refresh) => plain("emoji.refresh"),
        Command::Db(DbCommand::Health) => plain("db.health"),
        Command::Db(DbCommand::Status) => plain("db.status"),
        Command::Db(DbCommand::Migrate) => plain("db.migrate"),
        Command::Db(DbCommand::History) => plain("db.history"),
        Command::Try
        | Command::Run { .. }
        | Command::Replay { .. }
        | Command::Init
        | Command::Check
        | Command::Events(_)
        | Command::Ping
        | Command::Completions { .. }
        | Command::Man => return Err("this command calls no method".to_owned()),
    })
}

fn ordered(method: &str, order: &ActorOrder) -> Call {
    let mut params = json!({"path": order.path});
    if order.force {
        params["force"] = true.into();
    }
    if order.dry_run {
        params["dry_run"] = true.into();
    }
    put(&mut params, "if_incarnation", order.if_incarnation);
    Call { method: method.to_owned(), params, show: render::ordered }
}

fn put(params: &mut Value, key: &str, value: Option<u64>) {
    if let Some(value) = value {
        params[key] = value.into();
    }
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("the argument {text:?} is no JSON: {error}"))
}
