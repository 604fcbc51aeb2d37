//! X4: no descriptors left. Accepting and connecting rest between their tries, nothing spins, and the bot goes on as soon as
//! there are some again.

use crate::{
    harness::{Bot, Home, PATIENCE, assert_answers, discord, until},
    probes,
};
use rustix::process::Signal;
use sandbox::Fault;
use std::{
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long is looked at what it does without.
const LOOK: Duration = Duration::from_secs(3);
/// What it may take of a processor meanwhile.
const CPU_MAX: f64 = 0.15;
/// Lines that it may log meanwhile: it says that something is wrong, not how often it has tried.
const LINES_MAX: usize = 40;

fn limit(bot: &Bot<'_>, files: &str) {
    let done = Command::new("prlimit").args(["--pid", &bot.id().to_string(), &format!("--nofile={files}")]).status();
    assert!(done.unwrap().success());
}

/// Processor time that it has used.
fn cpu(bot: &Bot<'_>) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", bot.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10) // a hundred ticks a second (proc(5), sysconf(_SC_CLK_TCK) on Linux)
}

/// Share of a processor and lines of log of the next [`LOOK`].
fn rests(bot: &Bot<'_>) -> (f64, usize) {
    let (before, mark) = (cpu(bot), bot.log.mark());
    sleep(LOOK); // what is used meanwhile is what is measured
    let used = (cpu(bot) - before).as_secs_f64() / LOOK.as_secs_f64();
    let lines = bot.log.mark() - mark;
    assert!(used < CPU_MAX, "{:.0} % of a processor", used * 100.0);
    assert!(lines < LINES_MAX, "{lines} lines:\n{}", bot.log.tail());
    (used, lines)
}

#[test]
fn x4_without_descriptors_it_rests_and_goes_on_once_there_are_some() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"").set("gateway.reconnect_max_ms = 2000");
    let mut bot = home.start();
    let address = probes::address(&bot);
    assert_answers(&discord);
    limit(&bot, "4:4096");
    // Each of them waits in its listener's queue, the shard for a socket of its own.
    let waiting: Vec<_> =
        (0..3).map(|_| (TcpStream::connect(&address).unwrap(), UnixStream::connect(home.socket()).unwrap())).collect();
    discord.fault(Fault::CutConnection { shard: None });
    let (used, lines) = rests(&bot);
    assert!(bot.is_running());
    assert_eq!(discord.stats().resumes, 0);
    drop(waiting);

    limit(&bot, "1024:4096");
    let begun = Instant::now();
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes >= 1), "{:?}", discord.stats());
    let resumed = begun.elapsed();
    until("the probes answer", || (probes::get(&address, "/livez").0 == 200).then_some(()));
    bot.wait_well();
    let recovered = begun.elapsed();
    assert_answers(&discord);
    assert_eq!(discord.stats().identifies, 1);
    println!(
        "X4 EMFILE: cpu={:.3} log_lines={lines} resumed_ms={} recovered_ms={}",
        used,
        resumed.as_millis(),
        recovered.as_millis()
    );
    // An end without descriptors is in order as well.
    limit(&bot, "4:4096");
    let begun = Instant::now();
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    println!("X4 EMFILE at the end: exit_ms={}", begun.elapsed().as_millis());
}

#[test]
fn x4_somebody_who_takes_all_connections_does_not_take_the_bot() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"").set("gateway.reconnect_max_ms = 2000");
    let socket = home.socket();
    let like = home.command(&["run", "--socket", socket.to_str().unwrap()]);
    let mut command = Command::new("prlimit");
    command.arg("--nofile=64:64").arg(like.get_program()).args(like.get_args()).env_clear();
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(home.path("."));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut bot = Bot::spawn(&home, command);
    bot.wait_ready();
    let address = probes::address(&bot);
    let taken: Vec<_> = (0..100).map(|_| TcpStream::connect(&address).unwrap()).collect();
    until("all are taken", || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", bot.id())).unwrap().count();
        (open >= 63).then_some(())
    });
    assert_answers(&discord); // what is connected stays so
    discord.fault(Fault::CutConnection { shard: None });
    let (used, lines) = rests(&bot);
    let begun = Instant::now();
    drop(taken);
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes >= 1), "{:?}", discord.stats());
    bot.wait_well();
    println!(
        "X4 64 descriptors, 100 connections: cpu={used:.3} log_lines={lines} recovered_ms={}",
        begun.elapsed().as_millis()
    );
    assert_answers(&discord);
    assert!(bot.is_running());
    assert_eq!(bot.terminate(), 0);
}
