//! What every test needs: a home of its own, the real binary in it, and patience with a limit.

mod answer;
mod bot;
mod home;
mod log;
mod rows;

pub(crate) use answer::Answer;
pub(crate) use bot::Bot;
pub(crate) use home::{Home, PLAYS_THE_BOT, finish, signal, wait};
pub(crate) use log::Log;
pub(crate) use rows::{audited, set_by};

use sandbox::{BotMessage, MessageId, Sandbox, SandboxConfig, SandboxEvent, Strict, description_at};
use serde_json::Value;
use std::{
    io::Write as _,
    thread::sleep,
    time::{Duration, Instant},
};

/// Longest wait for anything. A loaded machine may need it; a sound one needs a hundredth.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

/// The built binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_impresario");

/// Looks until there is something to see; panics when the time is over.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        sleep(LOOK);
    }
}

/// A stand-in for Discord. When the test ends, every gateway payload has to fit serenity's types, and where Discord's own
/// OpenAPI description is at hand every request of the bot and every answer has to fit that.
pub(crate) fn discord() -> Strict {
    discord_with(|_| {})
}

/// The same with other settings.
pub(crate) fn discord_with(change: impl FnOnce(&mut SandboxConfig)) -> Strict {
    let description = description_at(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/discord-openapi.json"));
    let mut config = SandboxConfig {
        description: Some(description),
        judge_payloads: true,
        identify_interval_ms: 5_000, // as Discord's
        ..SandboxConfig::default()
    };
    change(&mut config);
    Strict::start(config).unwrap()
}

/// An address at which nobody listens, and that nobody else gets while the socket is held.
pub(crate) fn nobody() -> (tokio::net::TcpSocket, std::net::SocketAddr) {
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    (held, address)
}

/// Says that a test did not run, past the test harness, which keeps the output of passing tests to itself.
pub(crate) fn skipped(why: &str) {
    let mut past = std::io::stderr();
    past.write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// Whether the long campaigns are asked for (`scripts/test --full`).
pub(crate) fn full_tier() -> bool {
    std::env::var("IMPRESARIO_TIER").is_ok_and(|tier| tier == "full")
}

/// Says `text` and waits for the reply to just that message.
pub(crate) fn ask(discord: &Sandbox, user: &str, text: &str) -> String {
    let asked = discord.say(user, text);
    reply_to(discord, asked).unwrap_or_else(|| panic!("{text:?} got no reply"))
}

/// Waits for the reply to a message; nothing when the time is over.
pub(crate) fn reply_to(discord: &Sandbox, asked: MessageId) -> Option<String> {
    let mut reply = None;
    discord.wait_until(PATIENCE, |_, messages| {
        reply = messages.iter().find(|message| answers(message) == Some(asked)).map(|found| found.content.clone());
        reply.is_some()
    });
    reply
}

/// Which message a message of the bot answers: its nonce begins with that message's id.
pub(crate) fn answers(message: &BotMessage) -> Option<MessageId> {
    let nonce = message.nonce.as_deref()?;
    nonce.split('-').next()?.parse().ok().map(MessageId)
}

/// Uses a slash command and waits for the text of its answer.
pub(crate) fn ask_by_slash(discord: &Sandbox, user: &str, command: &str, options: &[(String, Value)]) -> String {
    let asked = discord.slash(user, command, options).unwrap();
    let answered = |event: &SandboxEvent| match event {
        SandboxEvent::InteractionReply { interaction, content, .. } => *interaction == asked && !content.is_empty(),
        _ => false,
    };
    match discord.wait_for(PATIENCE, answered) {
        Some(SandboxEvent::InteractionReply { content, .. }) => content,
        _ => panic!("/{command} got no answer"),
    }
}

/// Asserts that the bot answers.
pub(crate) fn assert_answers(discord: &Sandbox) {
    let answer = ask(discord, "bob", "!ping");
    assert!(answer.starts_with("Pong!"), "{answer}");
}
