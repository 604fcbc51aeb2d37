//! `ping`: asks the running instance, or measures by itself when there is none.

use super::{Exit, Output, remote, render};
use crate::config::{self, Loaded, Sources, TokenRule};
use control::ClientError;
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long each step may take.
const STEP: Duration = Duration::from_secs(10);

/// Runs the command. The running instance knows its gateway's round trip; token and REST are measured from here.
pub(super) async fn run(socket: &Path, sources: Sources, output: &mut Output) -> Exit {
    let running = match remote::ask(socket, "system.ping", Value::Null).await {
        Ok(answer) => Some(answer),
        Err(ClientError::NotRunning { .. }) => None,
        Err(error) => return remote::failed(&error, output),
    };
    let measured = match config::load(&sources.with_token(TokenRule::Required)) {
        Ok(loaded) => measure(&loaded, running.is_none()).await,
        // The instance may have its token from where this command cannot see it: what it says is worth showing.
        Err(_) if running.is_some() => json!({}),
        Err(problems) => {
            for problem in &problems.list {
                output.problem(&problem.to_string());
            }
            return Exit::Config;
        }
    };
    let mut answer = json!({"running": running.is_some()});
    for (key, value) in running.iter().chain([&measured]).filter_map(Value::as_object).flatten() {
        answer[key] = value.clone();
    }
    if output.json {
        output.value(&answer);
    } else {
        let text = render::ping(&answer, output);
        output.text(&text);
    }
    let failed = ["token", "rest", "gateway"].iter().any(|step| answer[step]["ok"] == false);
    if failed { Exit::Failed } else { Exit::Done }
}

async fn measure(loaded: &Loaded, with_gateway: bool) -> Value {
    let client = reqwest::Client::builder().timeout(STEP).redirect(reqwest::redirect::Policy::none()).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return json!({"rest": {"ok": false, "reason": error.to_string()}}),
    };
    let get = |route: &str| {
        let token = loaded.token.as_ref().map(|token| format!("Bot {}", token.expose())).unwrap_or_default();
        client.get(format!("{}{route}", loaded.config.discord.api_base)).header("authorization", token).send()
    };
    let began = Instant::now();
    let answered = get("/users/@me").await;
    let took = millis(began);
    let mut measured = match answered {
        Ok(answer) => {
            let status = answer.status();
            let token = match status.as_u16() {
                200 => json!({"ok": true}),
                401 => json!({"ok": false, "reason": "Discord refuses it: reset it in the developer portal"}),
                other => json!({"ok": null, "reason": format!("Discord answered {other}")}),
            };
            json!({"token": token, "rest": {"ok": !status.is_server_error(), "ms": took}})
        }
        Err(error) => {
            let reason = error.without_url().to_string();
            json!({"token": {"ok": null, "reason": "not asked"}, "rest": {"ok": false, "reason": reason}})
        }
    };
    if with_gateway {
        measured["gateway"] = match get("/gateway").await {
            Ok(answer) => connect(loaded, &answer.json::<Value>().await.unwrap_or_default()).await,
            Err(error) => json!({"ok": false, "reason": error.without_url().to_string()}),
        };
    }
    measured
}

/// How long a connection to the gateway takes; nothing is sent over it, so no session is spent.
async fn connect(loaded: &Loaded, answer: &Value) -> Value {
    let configured = loaded.config.discord.gateway_url.as_str();
    let url = if configured.is_empty() { answer["url"].as_str().unwrap_or_default() } else { configured };
    let Some((host, port)) = host_port(url) else {
        return json!({"ok": false, "reason": "Discord named no gateway"});
    };
    let allowed = loaded.config.discord.allow_hosts.iter().any(|entry| match entry.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.')),
        None => entry.trim_matches(['[', ']']).eq_ignore_ascii_case(host),
    });
    if !allowed {
        return json!({"ok": false, "reason": format!("its host {host:?} is not in discord.allow_hosts")});
    }
    let began = Instant::now();
    match tokio::time::timeout(STEP, tokio::net::TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => json!({"ok": true, "connect_ms": millis(began)}),
        Ok(Err(error)) => json!({"ok": false, "reason": error.to_string()}),
        Err(_) => json!({"ok": false, "reason": format!("no answer within {} s", STEP.as_secs())}),
    }
}

fn host_port(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next().filter(|authority| !authority.is_empty())?;
    let default = if scheme == "ws" { 80 } else { 443 };
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((host.trim_matches(['[', ']']), port.parse().ok()?)),
        _ => Some((authority.trim_matches(['[', ']']), default)),
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
