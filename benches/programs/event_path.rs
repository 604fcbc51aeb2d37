//! Processor time of an event: the whole bot, its gateway alone, and two baselines, on the same stream.
//!
//! `cargo bench -p benches --bench event_path -- [--runs N] [--events N] [--guilds N] [--commands PER-THOUSAND]
//! [--pings N] [--only CONSUMER,…] [--profile] [--under 'PROGRAM ARGUMENT …']`
//!
//! What an answered command costs in instructions, which no other work on the machine can change: with `--only whole-bot
//! --runs 1 --profile --under 'valgrind --tool=callgrind'`, say `callgrind_control -z PID` as soon as the commands are
//! announced; what is counted from then on is theirs, and the end's (`--pings 0` tells how much that is).

use benches::{
    Failure,
    consumer::Consumer,
    discord::Flood,
    events::{pings, stream},
    figures::{median, spread},
    option, scale,
    trial::{Cost, Trial, pause, take_the_other_core},
};
use std::{process::ExitCode, time::Duration};

/// Different events; they are sent over and over.
const DISTINCT: u64 = 20_000;
const SEED: u64 = 1;
/// Commands that are answered one after the other: Discord allows 50 a second, so in a flood they would only wait.
const PINGS: u64 = 400;
/// So long `--profile` waits before what is to be measured, for a profiler to take hold.
const HOLD: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    if let Some(code) = Consumer::from_command_line() {
        return code;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("event_path: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(name: &str, full: u64, small: u64) -> u64 {
    option(name).and_then(|value| u64::try_from(value).ok()).unwrap_or_else(|| scale(full, small))
}

fn measure() -> Result<(), Failure> {
    take_the_other_core();
    let (runs, events, guilds) =
        (number("--runs", 5, 1), number("--events", 300_000, 500), number("--guilds", 1000, 3));
    let commands = number("--commands", 0, 0);
    let flood = Flood::new(&stream(SEED, scale(DISTINCT, 500), guilds, commands))?;
    println!(
        "seed {SEED}, {guilds} guilds, {events} events of {} bytes on average, {commands} in 1,000 messages are commands",
        flood.mean_bytes()
    );
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    let consumers: Vec<Consumer> = Consumer::ALL
        .into_iter()
        .filter(|one| only.as_ref().is_none_or(|only| only.split(',').any(|only| one.name() == only)))
        .collect();
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); consumers.len()];
    let mut loads: Vec<Vec<(f64, f64)>> = vec![Vec::new(); consumers.len()];
    let command_count = number("--pings", PINGS, 5);
    let command_flood = Flood::new(&pings(SEED, command_count, guilds))?;
    let (mut command_us, mut answered) = (Vec::new(), 0);
    for _ in 0..runs {
        for (at, consumer) in consumers.iter().enumerate() {
            let mut trial = Trial::start(*consumer, guilds)?;
            loads[at].push((trial.guild_us, trial.loaded_kb as f64 / 1024.0));
            trial.flood(&flood, events / 10)?; // warms the caches: prefixes, lanes, allocator
            let hold = |trial: &Trial, what: &str| {
                if std::env::args().any(|argument| argument == "--profile") {
                    eprintln!("pid {}: {what} in {} s", trial.pid(), HOLD.as_secs());
                    pause(HOLD);
                }
            };
            hold(&trial, "events");
            costs[at].push(trial.flood(&flood, events)?);
            if *consumer == Consumer::Hooked {
                println!("{}: {} messages heard", consumer.name(), trial.heard());
            }
            if *consumer == Consumer::Bot {
                hold(&trial, "commands");
                let cost = trial.commands(&command_flood, command_count)?;
                command_us.push(cost.event_us);
                answered += cost.answered;
            }
        }
    }
    let us = |at: usize| costs[at].iter().map(|cost| cost.event_us).collect::<Vec<_>>();
    let base = |wanted| consumers.iter().position(|one| *one == wanted).map(|at| median(&us(at)));
    let (frames, serenity) = (base(Consumer::Frames), base(Consumer::Serenity));
    println!(
        "{:<17} {:>22} {:>9} {:>11} {:>10} {:>13} {:>12} {:>7}",
        "consumer", "CPU us/event", "/frames", "/serenity", "events/s", "CPU us/guild", "RSS MB", "others"
    );
    for (at, consumer) in consumers.iter().enumerate() {
        let of = |value: fn(&Cost) -> f64| median(&costs[at].iter().map(value).collect::<Vec<_>>());
        let ratio = |to: Option<f64>| to.map_or_else(String::new, |to| format!("{:.2}", median(&us(at)) / to));
        let (guild_us, loaded): (Vec<f64>, Vec<f64>) = loads[at].iter().copied().unzip();
        println!(
            "{:<17} {:>22} {:>9} {:>11} {:>10.0} {:>13.0} {:>5.0} ->{:>4.0} {:>7.2}",
            consumer.name(),
            spread(&us(at), 2),
            ratio(frames),
            ratio(serenity),
            of(|cost| cost.per_second),
            median(&guild_us),
            median(&loaded),
            of(|cost| cost.rss_kb as f64 / 1024.0),
            of(|cost| cost.others),
        );
    }
    if !command_us.is_empty() {
        let sent = command_count * runs;
        println!(
            "an answered !ping costs {} us of CPU, REST and all; at 50 a second; {answered} of {sent} answered",
            spread(&command_us, 0)
        );
        if answered != sent {
            return Err("not every command was answered".into());
        }
    }
    Ok(())
}
