//! A bot from its start to its end, with a stopwatch beside it.

use crate::{
    Failure,
    api::Api,
    discord::{Connection, Flood, Server},
    events::{self, Event},
    peer::Peer,
    scale,
    trial::pause,
    usage,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::Shutdown,
    process::Child,
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite::{Error, Message};

/// What has not happened by then never will: commands are answered at Discord's 50 a second, and a burst holds 1,100.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(1);
/// Events are written this often, so many that the rate comes out.
const TICK: Duration = Duration::from_millis(1);
/// A write that takes longer waited for room in the socket.
const STALL: Duration = Duration::from_millis(5);
/// Longest pause of a socket's read while both ends of a new connection are watched.
const GLANCE: Duration = Duration::from_millis(2);

/// A bot with its guilds loaded.
pub struct Run {
    child: Child,
    connection: Connection,
    api: Api,
    server: Server,
    folder: tempfile::TempDir,
    guilds: u64,
    /// From the start of its process until the first command was answered; guilds come before it.
    pub first_answer: Duration,
    /// Resident memory with the guilds loaded, in kilobytes.
    pub loaded_kb: u64,
}

/// What a burst cost.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    /// Processor time of each event, answers and what is done afterwards included, in microseconds.
    pub event_us: f64,
    /// Resident memory when all is done, in kilobytes.
    pub rss_kb: u64,
    /// Commands sent.
    pub commands: u64,
    /// Commands answered.
    pub answered: u64,
}

/// How it ended after SIGTERM.
#[derive(Debug, Clone)]
pub struct End {
    /// From the signal until the process was gone.
    pub after: Duration,
    /// Exit code; `None` when the signal killed it.
    pub code: Option<i32>,
    /// Code of its close frame; `None` without one.
    pub close: Option<u16>,
}

/// GUILD_CREATE of that many guilds, made beforehand.
///
/// # Errors
/// When one does not fit a frame.
pub fn guild_frames(guilds: u64) -> Result<Flood, Failure> {
    let event = |n| Event { kind: "GUILD_CREATE", data: events::guild(n) };
    Flood::new(&(0..guilds).map(event).collect::<Vec<_>>())
}

impl Run {
    /// Starts `peer`, loads it with `guilds` guilds (`frames`) and asks the first command.
    ///
    /// # Errors
    /// When it does not come up or does not answer.
    pub fn start(peer: &Peer, guilds: u64, frames: &Flood) -> Result<Self, Failure> {
        let (server, api, folder) = (Server::bind()?, Api::start()?, tempfile::tempdir()?);
        api.set_gateway(&server.url()?);
        let begun = Instant::now();
        let mut child = Ended(Some(peer.spawn(&server.url()?, &api.base, folder.path())?));
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let mut connection =
            server.accept(guilds, || child.lives()).map_err(|error| format!("{}: {error}\n{}", peer.name(), log()))?;
        connection.flood(frames, guilds)?;
        connection.flood(&Flood::new(&events::pings(0, 1, guilds))?, 1)?;
        let wait = Instant::now();
        while api.messages() == 0 {
            if wait.elapsed() > PATIENCE {
                return Err(format!("{} does not answer: {}", peer.name(), log()).into());
            }
            pause(LOOK);
        }
        let answered = api.arrivals().first().map_or_else(Instant::now, |(_, at)| *at);
        let child = child.0.take().ok_or("no child")?;
        let first_answer = answered.saturating_duration_since(begun);
        let mut run = Self { child, connection, api, server, folder, guilds, first_answer, loaded_kb: 0 };
        run.settle()?;
        run.loaded_kb = usage::rss_kb(run.child.id())?;
        Ok(run)
    }

    /// `count` events of `stream` as fast as the socket takes them, `commands` of them commands; until nothing is left to
    /// do.
    ///
    /// # Errors
    /// When the bot fails.
    pub fn burst(&mut self, stream: &Flood, count: u64, commands: u64) -> Result<Burst, Failure> {
        let pid = self.child.id();
        let (before, answered) = (usage::cpu(pid)?, self.api.messages());
        self.connection.flood(stream, count)?;
        self.await_answers(answered + commands);
        self.settle()?;
        self.api.arrivals();
        Ok(Burst {
            event_us: usage::cpu(pid)?.saturating_sub(before).as_secs_f64() * 1e6 / count as f64,
            rss_kb: usage::rss_kb(pid)?,
            commands,
            answered: self.api.messages() - answered,
        })
    }

    /// `rate` events of `stream` a second, and the commands `pings` at even intervals, for `time`: microseconds from the
    /// writing of each command to the arrival of its answer. Commands without an answer are left out.
    ///
    /// # Errors
    /// When the bot fails, or two commands stand in one channel.
    pub fn latencies(
        &mut self,
        stream: &Flood,
        rate: u64,
        pings: &[Event],
        time: Duration,
    ) -> Result<Vec<f64>, Failure> {
        let channels = pings.iter().map(channel).collect::<Result<Vec<u64>, Failure>>()?;
        let commands = Flood::new(pings)?;
        let mut asked = BTreeMap::new();
        let (events, commands) = (stream.frames(), commands.frames());
        let mut events = events.iter().cycle();
        let answered = self.api.messages();
        let (begun, mut sent, mut stalled) = (Instant::now(), 0_u64, false);
        loop {
            let share = begun.elapsed().as_secs_f64() / time.as_secs_f64();
            let due = (share.min(1.0) * time.as_secs_f64() * rate as f64) as u64;
            for frame in events.by_ref().take(usize::try_from(due.saturating_sub(sent))?) {
                self.connection.queue(*frame)?;
            }
            sent = sent.max(due);
            let due = ((share * commands.len() as f64) as usize).min(commands.len());
            let now = Instant::now();
            for at in asked.len()..due {
                self.connection.queue(commands[at])?;
                // Where the bot let the socket fill up, its commands had to wait for that too.
                let from = if stalled { begun + time.mul_f64(at as f64 / commands.len() as f64) } else { now };
                if asked.insert(channels[at], from).is_some() {
                    return Err("two commands in one channel".into());
                }
            }
            self.connection.write_out()?;
            stalled = now.elapsed() > STALL;
            if share >= 1.0 {
                break;
            }
            pause(TICK);
        }
        self.await_answers(answered + pings.len() as u64);
        self.settle()?;
        let arrivals = self.api.arrivals();
        let took = |(channel, at): &(u64, Instant)| {
            asked.get(channel).map(|asked| at.saturating_duration_since(*asked).as_secs_f64() * 1e6)
        };
        Ok(arrivals.iter().filter_map(took).collect())
    }

    /// Says that the session is invalid and cannot be resumed: time until a new IDENTIFY, on this connection or another.
    ///
    /// # Errors
    /// When none comes.
    pub fn invalidate(&mut self) -> Result<Duration, Failure> {
        self.connection.send(&json!({"op": 9, "d": false, "s": null, "t": null}))?;
        let begun = Instant::now();
        self.server.listener.set_nonblocking(true)?;
        let mut old_lives = true;
        while begun.elapsed() < PATIENCE {
            if old_lives {
                match glance(&mut self.connection) {
                    Ok(false) => {}
                    Ok(true) => return self.welcomed(begun.elapsed()),
                    Err(_) => {
                        // It goes on with a new connection, perhaps not before this one has ended on this side too.
                        old_lives = false;
                        self.connection.socket.get_ref().shutdown(Shutdown::Both).ok(); // it may have ended
                    }
                }
            }
            match self.server.listener.accept() {
                Ok((stream, _)) => {
                    self.connection = self.server.greet(stream)?;
                    old_lives = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !old_lives {
                        pause(LOOK);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err("no IDENTIFY came after INVALID_SESSION".into())
    }

    fn welcomed(&mut self, after: Duration) -> Result<Duration, Failure> {
        self.server.ready(&mut self.connection, self.guilds)?;
        self.settle()?;
        Ok(after)
    }

    /// Sends SIGTERM to the idle bot and waits until it is gone.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(mut self) -> Result<End, Failure> {
        let begun = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let mut close = None;
        // A close frame waits for its answer, and the process perhaps too.
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                let after = begun.elapsed();
                return Ok(End { after, code: status.code(), close: close.or_else(|| closed(&mut self.connection)) });
            }
            self.connection.socket.get_ref().set_read_timeout(Some(LOOK))?;
            match self.connection.socket.read() {
                Ok(Message::Close(frame)) => close = close.or(frame.map(|frame| frame.code.into())),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {
                    // Its close frame has been answered: a server then ends the connection.
                    self.connection.socket.get_ref().shutdown(Shutdown::Both).ok(); // it may have ended
                    pause(LOOK);
                }
                Ok(_) => {}
            }
        }
        Err("it did not end".into())
    }

    /// What it wrote to its standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn await_answers(&self, messages: u64) {
        let begun = Instant::now();
        while self.api.messages() < messages && begun.elapsed() < PATIENCE {
            pause(LOOK);
        }
    }

    /// Waits until it has read everything and uses its core no more: some libraries leave work to tasks of their own.
    fn settle(&mut self) -> Result<(), Failure> {
        self.connection.socket.get_ref().set_read_timeout(Some(PATIENCE))?;
        self.connection.barrier()?;
        let (begun, moment) = (Instant::now(), Duration::from_millis(scale(300, 50)));
        let idle = Duration::from_millis(10); // the step of the kernel's account
        while begun.elapsed() < PATIENCE {
            let before = usage::cpu(self.child.id())?;
            pause(moment);
            if usage::cpu(self.child.id())?.saturating_sub(before) <= idle {
                return Ok(());
            }
        }
        Err("it never comes to rest".into())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok(); // nothing to do about it
    }
}

struct Ended(Option<Child>);

impl Ended {
    fn lives(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().ok(); // it may have ended
            child.wait().ok(); // nothing to do about it
        }
    }
}

fn channel(ping: &Event) -> Result<u64, Failure> {
    let data: Value = serde_json::from_str(&ping.data)?;
    Ok(data["channel_id"].as_str().ok_or("a message without a channel")?.parse()?)
}

/// Whether an IDENTIFY came in within a moment; an error when the connection is over.
fn glance(connection: &mut Connection) -> Result<bool, Error> {
    connection.socket.get_ref().set_read_timeout(Some(GLANCE))?;
    match connection.socket.read() {
        Ok(Message::Text(text)) => Ok(text.contains(r#""op":2,"#) || text.contains(r#""op":2}"#)),
        Ok(Message::Close(_)) => {
            connection.socket.flush().ok(); // the answer to its close frame; then it is gone
            Err(Error::ConnectionClosed)
        }
        Ok(_) => Ok(false),
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// The close frame among what is still to be read.
fn closed(connection: &mut Connection) -> Option<u16> {
    loop {
        match connection.socket.read() {
            Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}
