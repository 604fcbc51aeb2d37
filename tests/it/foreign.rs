//! Libraries that nobody here wrote log in to the stand-in for Discord, talk, and resume: what they trip over would be a
//! deviation from Discord. Their bots are in `tests/foreign`; `scripts/test --full` installs what they run on and says
//! where in `FOREIGN_HOME` (discord.py, discord.js) and `FOREIGN_TWILIGHT` (its bot's program).

use crate::harness::{Log, PATIENCE, discord, full_tier, until, wait};
use sandbox::{Fault, ReplyKind, Sandbox, SandboxEvent, Side};
use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign");

#[test]
fn discord_py_logs_in_talks_and_resumes() {
    if let Some(home) = home() {
        let mut command = Command::new(home.join("python/bin/python"));
        command.arg("-u").arg(Path::new(SCRIPTS).join("client.py"));
        logs_in_talks_and_resumes(command, &home);
    }
}

#[test]
fn discord_js_logs_in_talks_and_resumes() {
    if let Some(home) = home() {
        let mut command = Command::new("node");
        command.arg(Path::new(SCRIPTS).join("client.mjs"));
        logs_in_talks_and_resumes(command, &home);
    }
}

#[test]
fn twilight_logs_in_talks_and_resumes() {
    if let Some(home) = home() {
        let program = std::env::var_os("FOREIGN_TWILIGHT").unwrap();
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(program); // it may be relative to the repository
        logs_in_talks_and_resumes(Command::new(program), &home);
    }
}

/// Where the libraries are installed; nothing outside the tier that has them.
fn home() -> Option<PathBuf> {
    let home = std::env::var_os("FOREIGN_HOME").map(PathBuf::from);
    if home.is_none() {
        assert!(!full_tier(), "skipped, although this tier installs the libraries: FOREIGN_HOME is not set");
        // Past the test harness, which keeps the output of passing tests to itself.
        let mut past = std::io::stderr();
        past.write_all(b"SKIPPED: no FOREIGN_HOME; scripts/test --full installs other libraries\n").unwrap();
    }
    home
}

fn logs_in_talks_and_resumes(command: Command, home: &Path) {
    let discord = discord().excusing_requests();
    let client = Client::start(command, home, &discord);
    let ready = client.wait("ready");
    assert_eq!(ready["user"], discord.bot_user_id().to_string());
    // Some tell of the guild when they are ready, others when it comes.
    let guild = if ready["guild"].is_null() { client.wait("guild") } else { ready };
    assert_eq!(guild["guild"], discord.guild_id().to_string());
    assert_eq!((&guild["name"], &guild["members"]), (&"Sandbox".into(), &4.into()));

    client.echoes("bob", "good morning");
    assert_eq!(client.wait("heard")["author"], "bob");
    let asked = discord.say("carol", "!tour");
    client.replies(asked.0, "toured");
    slash_commands(&client);

    // Said after the connection is gone: only the replay can bring it.
    let missed = discord.cut_and_say("bob", "!echo while you were away");
    client.replies(missed.0, "while you were away");
    client.wait("resumed");
    let resumed = discord.wait_for(PATIENCE, |event| matches!(event, SandboxEvent::Resume { .. }));
    assert!(matches!(resumed, Some(SandboxEvent::Resume { replayed: 1.., .. })), "{resumed:?}");
    let stats = discord.stats();
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (1, 1, 0), "{stats:?}");

    discord.fault(Fault::Reconnect);
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes == 2), "opcode 7: {:?}", discord.stats());
    client.echoes("carol", "good evening");
    let mark = discord.mark();
    discord.fault(Fault::InvalidSession { resumable: false });
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.identifies == 2), "opcode 9: {:?}", discord.stats());
    discord.wait_after(mark, PATIENCE, |event| matches!(event, SandboxEvent::Identify { .. }));
    client.echoes("bob", "good night");
    client.leaves();
}

fn slash_commands(client: &Client<'_>) {
    let discord = client.discord;
    let answers = |asked, wanted: ReplyKind, text: &str| {
        let fits = |event: &SandboxEvent| match event {
            SandboxEvent::InteractionReply { interaction, kind, content, .. } => {
                *interaction == asked && *kind == wanted && content == text
            }
            _ => false,
        };
        let found = discord.wait_for(PATIENCE, fits);
        found.unwrap_or_else(|| panic!("no {wanted:?} {text:?}: {:?}\n{}", discord.log(), client.said()))
    };
    let greet = discord.slash("carol", "greet", &[("name".to_owned(), "Carol".into())]).unwrap();
    answers(greet, ReplyKind::Message, "Hello, Carol!");
    let later = discord.slash("bob", "later", &[]).unwrap();
    answers(later, ReplyKind::Deferred, "");
    answers(later, ReplyKind::Edit, "It is later.");
    let further = answers(later, ReplyKind::Followup, "And later still.");
    assert!(matches!(further, SandboxEvent::InteractionReply { ephemeral: true, .. }), "{further:?}");
}

/// A foreign bot's process; killed when dropped.
struct Client<'d> {
    discord: &'d Sandbox,
    child: Child,
    told: Log,
    log: Log,
}

impl<'d> Client<'d> {
    /// Starts it with two addresses of loopback and a token that is worth nothing elsewhere.
    fn start(mut command: Command, home: &Path, discord: &'d Sandbox) -> Self {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("FOREIGN_HOME", home);
        command.env("API_BASE", discord.api_base()).env("GATEWAY_URL", discord.gateway_url());
        command.env("TOKEN", discord.token());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let told = Log::follow(child.stdout.take().unwrap());
        let log = Log::follow(child.stderr.take().unwrap());
        Self { discord, child, told, log }
    }

    /// Waits for what it tells on its output.
    #[track_caller]
    fn wait(&self, what: &str) -> Value {
        self.told.wait(what, |record| record["tell"] == what)
    }

    /// Asks for an echo and waits for the reply to just that message.
    #[track_caller]
    fn echoes(&self, user: &str, text: &str) {
        let asked = self.discord.say(user, &format!("!echo {text}"));
        self.replies(asked.0, text);
    }

    #[track_caller]
    fn replies(&self, asked: u64, text: &str) {
        let replied = self.discord.wait_until(PATIENCE, |_, messages| {
            messages.iter().any(|message| message.reply_to == Some(asked) && message.content == text)
        });
        assert!(replied, "no reply {text:?} to {asked}: {:?}\n{}", self.discord.log(), self.said());
    }

    fn said(&self) -> String {
        format!("--- told\n{}\n--- log\n{}", self.told.tail(), self.log.tail())
    }

    /// Lets it log out, and looks whether anything was amiss all the time.
    fn leaves(mut self) {
        drop(self.child.stdin.take());
        assert_eq!(wait(&mut self.child), Some(0), "{}", self.said());
        until("its connection is closed", || self.discord.connected_shards().is_empty().then_some(()));
        let failed: Vec<_> = self.told.records().into_iter().filter(|record| record["tell"] == "failed").collect();
        assert!(failed.is_empty(), "{failed:#?}");
        let stats = self.discord.stats();
        assert_eq!(stats.unimplemented, 0, "{:?}", self.discord.log());
        let refused: Vec<_> = stats.statuses.iter().filter(|(status, _)| **status >= 400).collect();
        assert!(refused.is_empty(), "{refused:?} of {:?}", self.discord.log());
        assert!(stats.disconnects.contains_key(&(Some(1000), Side::Peer)), "{:?}", stats.disconnects);
        let by_us = stats.disconnects.iter().filter(|((code, by), _)| code.is_some() && *by == Side::Sandbox);
        assert_eq!(by_us.count(), 0, "{:?}", stats.disconnects);
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said());
        }
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}
