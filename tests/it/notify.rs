//! What a service manager hears, on a real datagram socket.

use crate::harness::{Bot, Home, PATIENCE, assert_answers, discord, discord_with};
use rustix::process::Signal;
use sandbox::Fault;
use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// A service manager that listens.
pub(crate) struct Manager {
    heard: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Manager {
    fn listen(socket: UnixDatagram) -> Self {
        let heard = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes) {
                let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
                shared.0.lock().unwrap().push(text);
                shared.1.notify_all();
            }
        });
        Self { heard }
    }

    /// One at a path in `home`, and the home that knows it, with a watchdog of so many milliseconds.
    pub(crate) fn of(home: Home, watchdog_ms: u64) -> (Self, Home) {
        let path = home.path("notify.sock");
        let manager = Self::listen(UnixDatagram::bind(&path).unwrap());
        let home = home.with_env("NOTIFY_SOCKET", path.to_str().unwrap());
        (manager, home.with_env("WATCHDOG_USEC", &(watchdog_ms * 1000).to_string()))
    }

    fn all(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().clone()
    }

    pub(crate) fn mark(&self) -> usize {
        self.heard.0.lock().unwrap().len()
    }

    /// Waits for a datagram with `part` after a mark; where it is.
    #[track_caller]
    pub(crate) fn wait_after(&self, mark: usize, part: &str) -> usize {
        let found = self.look(mark, part, PATIENCE);
        found.unwrap_or_else(|| panic!("{part:?} was never told:\n{}", self.all().join("\n--\n")))
    }

    /// Asserts that no datagram with `part` comes for `long`.
    #[track_caller]
    pub(crate) fn silent(&self, part: &str, long: Duration) {
        let found = self.look(self.mark(), part, long);
        assert!(found.is_none(), "{part:?} was told:\n{}", self.all().join("\n--\n"));
    }

    pub(crate) fn look(&self, mark: usize, part: &str, long: Duration) -> Option<usize> {
        let begun = Instant::now();
        let mut heard = self.heard.0.lock().unwrap();
        loop {
            let found = heard.iter().skip(mark).position(|text| text.contains(part));
            let left = long.saturating_sub(begun.elapsed());
            if found.is_some() || left.is_zero() {
                return found.map(|at| mark + at);
            }
            heard = self.heard.1.wait_timeout(heard, left).unwrap().0;
        }
    }
}

pub(crate) const FED: &str = "WATCHDOG=1";
const STARVED: &str = "no sign of life for the service manager";

/// Waits until the log tells that nothing is fed, and why; a slow boot may have been another reason before.
fn starved(bot: &Bot<'_>, why: &str) {
    bot.log.wait(why, |line| line["message"].as_str().is_some_and(|text| text.contains(STARVED) && text.contains(why)));
}

#[test]
fn boot_ready_reload_and_the_end_are_told_in_order() {
    let discord = discord();
    let (manager, home) = Manager::of(Home::new(&discord), 60_000);
    let bot = home.start();
    let mut at = 0;
    for phase in ["data-folder", "control-socket", "token", "telemetry", "rest", "database", "cogs", "gateway", "tasks"]
    {
        at = manager.wait_after(at, &format!("STATUS=booting: {phase}"));
    }
    let ready = manager.wait_after(at, "READY=1");
    manager.wait_after(ready, "STATUS=ready: 1 of 1 shard(s)");
    let early = &manager.all()[..ready];
    assert!(early.iter().all(|text| !text.contains("READY=1")), "{early:?}");
    // A start that shows signs of life may take longer.
    assert!(early.iter().any(|text| text.contains(FED) && text.contains("EXTEND_TIMEOUT_USEC=")), "{early:?}");

    let mark = manager.mark();
    bot.signal(Signal::HUP);
    let reloading = manager.wait_after(mark, "RELOADING=1\nMONOTONIC_USEC=");
    manager.wait_after(reloading, "READY=1");
    assert_eq!(bot.terminate(), 0);
    let stopping = manager.wait_after(mark, "STOPPING=1");
    manager.wait_after(stopping, "STATUS=draining task-supervisor, gateway, cog-host");
    manager.wait_after(stopping, "EXTEND_TIMEOUT_USEC=");
}

#[test]
fn an_abstract_name_does_as_well() {
    let discord = discord();
    let name = format!("impresario-it-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::listen(UnixDatagram::bind_addr(&address).unwrap());
    let home = Home::new(&discord).with_env("NOTIFY_SOCKET", &format!("@{name}"));
    let bot = home.start();
    manager.wait_after(0, "READY=1");
    assert_eq!(bot.terminate(), 0);
    let told = manager.all();
    assert!(told.iter().all(|text| !text.contains(FED)), "nobody asked for signs of life: {told:?}");
}

#[test]
fn the_watchdog_is_fed_until_the_database_does_not_answer_and_again_when_it_does() {
    let discord = discord();
    let (manager, home) = Manager::of(Home::new(&discord), 1_000);
    let bot = home.start();
    let mark = manager.mark();
    manager.wait_after(mark, FED);
    bot.cli(&["stop", "database"]).exits(0);
    starved(&bot, "the database does not answer");
    manager.silent(FED, Duration::from_millis(1_500));
    manager.wait_after(mark, "STATUS=degraded: 1 of 1 shard(s)");
    let mark = manager.mark();
    bot.cli(&["start", "database"]).exits(0);
    manager.wait_after(mark, FED);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn the_watchdog_is_not_fed_while_no_heartbeat_is_answered() {
    let discord = discord_with(|config| config.heartbeat_interval_ms = 1_000);
    let (manager, home) = Manager::of(Home::new(&discord), 3_000);
    let bot = home.start();
    let mark = manager.mark();
    manager.wait_after(mark, FED);
    discord.fault(Fault::StopAcks);
    starved(&bot, "no shard's heartbeat is answered");
    manager.silent(FED, Duration::from_millis(2_000));
    let mark = manager.mark();
    discord.fault(Fault::ResumeAcks);
    manager.wait_after(mark, FED);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn the_watchdog_is_fed_while_discord_is_away_at_the_start_and_not_while_boot_hangs() {
    let discord = discord();
    discord.fault(Fault::RestDelay { route: "*".into(), millis: 120_000, times: 1 });
    let (manager, home) = Manager::of(Home::new(&discord), 2_000);
    let bot = home.run();
    // Checking the token takes five seconds without an answer: longer than the service manager waits.
    let line = bot.log.wait_message(STARVED);
    assert!(line["message"].as_str().unwrap().contains("boot has been in its phase token"), "{line}");
    discord.fault(Fault::HoldHello);
    let over = manager.wait_after(0, "STATUS=not ready yet: 0 of 1 shard(s)");
    manager.wait_after(over, FED);
    manager.silent("READY=1", Duration::from_millis(500));
    discord.fault(Fault::ReleaseHello);
    manager.wait_after(over, "READY=1");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_stop_under_load_asks_for_time_until_it_is_over() {
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.drain_ms = 4000").set("shutdown.total_ms = 8000");
    let home = home.set("cog_host.deadline_ms = 100000").set("rest.deadline_ms = 100000");
    let (manager, home) = Manager::of(home, 60_000);
    let bot = home.start();
    crate::signals::slow_command(&discord);
    let mark = manager.mark();
    assert_eq!(bot.terminate(), 0);
    let told = manager.all().split_off(mark);
    let times: Vec<u64> = told
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("EXTEND_TIMEOUT_USEC=")?.parse().ok())
        .collect();
    assert!(times.len() >= 3, "again and again while it drains: {told:?}");
    assert!(times.is_sorted_by(|a, b| a >= b), "always until the same deadline: {times:?}");
    assert!(told.iter().all(|text| !text.contains(FED)), "{told:?}");
}

#[test]
fn why_it_does_not_start_is_its_last_word() {
    let discord = discord();
    let (manager, home) = Manager::of(Home::new(&discord).set("discord.prefx = \"?\""), 60_000);
    home.run_to_end().exits(78);
    manager.wait_after(0, "STATUS=config.toml");
    assert!(manager.all().last().unwrap().contains("discord.prefx"), "{:?}", manager.all());
    let (manager, home) = Manager::of(Home::new(&discord), 60_000);
    discord.fault(Fault::Unauthorized(true));
    home.run_to_end().exits(77);
    manager.wait_after(0, "STATUS=Discord refuses the token (401)");
}
