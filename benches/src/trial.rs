//! One measurement: a consumer's process from its start to its last event.

use crate::{
    Failure,
    api::Api,
    consumer::{CORE, Consumer, heard},
    discord::{Connection, Flood, Server},
    usage,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Commands that have not been answered by then never will be.
const ANSWERS_LIMIT: Duration = Duration::from_secs(30);

/// A consumer that has loaded its guilds and does nothing.
pub struct Trial {
    child: Child,
    connection: Connection,
    api: Api,
    _server: Server,
    folder: tempfile::TempDir,
    /// Processor time of each guild, connecting included, in microseconds; 0 without guilds.
    pub guild_us: f64,
    /// Resident memory with the guilds loaded, in kilobytes.
    pub loaded_kb: u64,
}

/// What a flood cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Processor time of each event, user and system, in microseconds.
    pub event_us: f64,
    /// Events per second as they went by.
    pub per_second: f64,
    /// Resident memory afterwards, in kilobytes.
    pub rss_kb: u64,
    /// Commands answered over REST.
    pub answered: u64,
    /// Cores that others used meanwhile.
    pub others: f64,
}

/// This process plays Discord away from the consumer's core.
pub fn take_the_other_core() {
    usage::pin(CORE + 1);
}

impl Trial {
    /// Starts `consumer` and loads it with `guilds` guilds.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(consumer: Consumer, guilds: u64) -> Result<Self, Failure> {
        let (server, api, folder) = (Server::bind()?, Api::start()?, tempfile::tempdir()?);
        let mut command = match crate::under().split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(std::env::current_exe()?);
                command
            }
            None => Command::new(std::env::current_exe()?),
        };
        let child = command
            .args(["--consumer", consumer.name(), &server.url()?, &api.base])
            .arg(folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log"))?)
            .spawn()?;
        let mut guard = Killed(Some(child));
        let connection = server.accept(guilds, || guard.lives());
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(error) => {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                return Err(format!("{}: {error}\n{log}", consumer.name()).into());
            }
        };
        connection.barrier()?;
        let pid = guard.id();
        let before = usage::cpu(pid)?;
        connection.guilds(guilds)?;
        connection.barrier()?;
        let loading = usage::cpu(pid)?.saturating_sub(before);
        quiet(&api);
        let guild_us = if guilds == 0 { 0.0 } else { loading.as_secs_f64() * 1e6 / guilds as f64 };
        let loaded_kb = usage::rss_kb(pid)?;
        let child = guard.0.take().ok_or("no child")?;
        Ok(Self { child, connection, api, _server: server, folder, guild_us, loaded_kb })
    }

    /// Sends `count` events and waits until they have been handled.
    ///
    /// # Errors
    /// When the consumer fails.
    pub fn flood(&mut self, stream: &Flood, count: u64) -> Result<Cost, Failure> {
        self.cost(stream, count, 0)
    }

    /// Sends `count` commands and waits until they have been answered.
    ///
    /// # Errors
    /// When the consumer fails.
    pub fn commands(&mut self, stream: &Flood, count: u64) -> Result<Cost, Failure> {
        self.cost(stream, count, count)
    }

    fn cost(&mut self, stream: &Flood, count: u64, answers: u64) -> Result<Cost, Failure> {
        let (pid, me) = (self.child.id(), std::process::id());
        let (answered, begun) = (self.api.messages(), Instant::now());
        let (own, all, ours) = (usage::cpu(pid)?, usage::machine()?, usage::cpu(me)?);
        self.connection.flood(stream, count)?;
        self.connection.barrier()?;
        let wall = begun.elapsed();
        while self.api.messages() - answered < answers && begun.elapsed() < ANSWERS_LIMIT {
            pause(Duration::from_millis(2));
        }
        let used = usage::cpu(pid)?.saturating_sub(own);
        let known = used + usage::cpu(me)?.saturating_sub(ours);
        let others = usage::machine()?.saturating_sub(all).saturating_sub(known);
        Ok(Cost {
            event_us: used.as_secs_f64() * 1e6 / count as f64,
            per_second: count as f64 / wall.as_secs_f64(),
            rss_kb: usage::rss_kb(pid)?,
            answered: self.api.messages() - answered,
            others: others.as_secs_f64() / begun.elapsed().as_secs_f64(),
        })
    }

    /// Messages that [`Consumer::Hooked`] has heard since its start, in full thousands.
    pub fn heard(&self) -> u64 {
        heard(self.folder.path())
    }

    /// The consumer's process id, for a profiler.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

struct Killed(Option<Child>);

impl Killed {
    fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    fn lives(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    // A profiler writes down what it has seen when its program ends by itself.
    let signal = if crate::under().is_empty() { Signal::KILL } else { Signal::TERM };
    kill_process(Pid::from_child(child), signal).ok(); // it may have ended
    child.wait().ok(); // nothing to do about it
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "no runtime here: this thread does nothing else")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until no request has come for a moment.
fn quiet(api: &Api) {
    let moment = Duration::from_millis(if crate::smoke() { 20 } else { 300 });
    let mut seen = api.requests();
    loop {
        pause(moment);
        match api.requests() {
            same if same == seen => return,
            more => seen = more,
        }
    }
}
