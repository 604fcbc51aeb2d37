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

/// Runs the command. A running instance measures with its own token: the one in this environment may be another bot's.
pub(super) async fn run(socket: &Path, sources: Sources, output: &mut Output) -> Exit {
    let answer = match remote::ask(socket, "system.ping", Value::Null).await {
        Ok(answer) => answer,
        Err(ClientError::NotRunning { .. }) => match config::load(&sources.with_token(TokenRule::Required)) {
            Ok(loaded) => measure(&loaded).await,
            Err(problems) => {
                for problem in &problems.list {
                    output.problem(&problem.to_string());
                }
                return Exit::Config;
            }
        },
        Err(error) => return remote::failed(&error, output),
    };
    if output.json {
        output.value(&answer);
    } else {
        let text = render::ping(&answer, output);
        output.text(&text);
    }
    let failed = ["token", "rest", "gateway"].iter().any(|step| answer[step]["ok"] == false);
    if failed { Exit::Failed } else { Exit::Done }
}

async fn measure(loaded: &Loaded) -> Value {
    // Neither a proxy of the environment nor whoever a redirect names is given the token.
    let client =
        reqwest::Client::builder().timeout(STEP).no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            let (unknown, failed) = (step(None, Some("not asked")), step_ms(false, None, Some(&error.to_string())));
            return json!({"running": false, "token": unknown, "rest": failed, "gateway": failed});
        }
    };
    let get = |route: &str| {
        let token = loaded.token.as_ref().map(|token| format!("Bot {}", token.expose())).unwrap_or_default();
        client.get(format!("{}{route}", loaded.config.discord.api_base)).header("authorization", token).send()
    };
    let began = Instant::now();
    let answered = get("/users/@me").await;
    let took = millis(began);
    let (token, rest) = match answered {
        Ok(answer) => {
            let status = answer.status();
            let token = match status.as_u16() {
                200 => step(Some(true), None),
                401 => step(Some(false), Some("Discord refuses it: reset it in the developer portal")),
                other => step(None, Some(&format!("Discord answered {other}"))),
            };
            let broken = status.is_server_error().then(|| format!("Discord answered {}", status.as_u16()));
            (token, step_ms(broken.is_none(), Some(took), broken.as_deref()))
        }
        Err(error) => {
            let reason = error.without_url().to_string();
            (step(None, Some("not asked")), step_ms(false, None, Some(&reason)))
        }
    };
    let gateway = match get("/gateway").await {
        Ok(answer) => connect(loaded, &answer.json::<Value>().await.unwrap_or_default()).await,
        Err(error) => step_ms(false, None, Some(&error.without_url().to_string())),
    };
    json!({"running": false, "token": token, "rest": rest, "gateway": gateway})
}

/// What a step came to; null where it could not be found out.
fn step(ok: Option<bool>, reason: Option<&str>) -> Value {
    json!({"ok": ok, "reason": reason})
}

/// The same of a step that takes time.
fn step_ms(ok: bool, ms: Option<u64>, reason: Option<&str>) -> Value {
    json!({"ok": ok, "ms": ms, "reason": reason})
}

/// How long it takes until the gateway has said HELLO; nothing is sent over it, so no session is spent.
async fn connect(loaded: &Loaded, answer: &Value) -> Value {
    let configured = loaded.config.discord.gateway_url.as_str();
    let url = if configured.is_empty() { answer["url"].as_str().unwrap_or_default() } else { configured };
    if url.is_empty() {
        return step_ms(false, None, Some("Discord named no gateway"));
    }
    let allowed = gateway::AllowHosts::new(loaded.config.discord.allow_hosts.iter().cloned());
    match gateway::greeting(url, &allowed, STEP).await {
        Ok(took) => step_ms(true, Some(protocol::millis(took)), None),
        Err(error) => step_ms(false, None, Some(&error.to_string())),
    }
}

fn millis(since: Instant) -> u64 {
    protocol::millis(since.elapsed())
}
