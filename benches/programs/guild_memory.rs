//! Memory of a guild: resident memory of the whole bot with 0, 1,000 and 5,000 guilds of 49 KB of JSON, and the slope.
//!
//! `cargo bench -p benches --bench guild_memory -- [--runs N]`

use benches::{
    Failure,
    consumer::Consumer,
    figures::{median, spread},
    option, scale,
    trial::{Trial, take_the_other_core},
};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = Consumer::from_command_line() {
        return code;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guild_memory: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Failure> {
    take_the_other_core();
    let sizes = scale([0, 1000, 5000], [0, 2, 4]);
    let runs = option("--runs").unwrap_or_else(|| scale(3, 1));
    println!("{:<17} {:>7} {:>20} {:>20} {:>16}", "consumer", "guilds", "RSS MB", "CPU us/guild", "KB/guild");
    for consumer in scale(
        [Consumer::GatewayCommands, Consumer::GatewayMembers, Consumer::Bot, Consumer::BotMembers].as_slice(),
        &[Consumer::Bot],
    ) {
        let mut seen: Vec<(f64, f64)> = Vec::new();
        for guilds in sizes {
            let mut rss = Vec::new();
            let mut cpu = Vec::new();
            for _ in 0..runs {
                let trial = Trial::start(*consumer, guilds)?;
                rss.push(trial.loaded_kb as f64);
                cpu.push(trial.guild_us);
            }
            let guilds = guilds as f64;
            let slope = seen.last().map(|(count, kb)| (median(&rss) - kb) / (guilds - count));
            let mb: Vec<f64> = rss.iter().map(|kb| kb / 1024.0).collect();
            let slope = slope.map_or_else(String::new, |slope| format!("{slope:.2}"));
            println!("{:<17} {guilds:>7} {:>20} {:>20} {slope:>16}", consumer.name(), spread(&mb, 1), spread(&cpu, 0));
            seen.push((guilds, median(&rss)));
        }
        if let (Some(first), Some(last)) = (seen.first(), seen.last()) {
            println!("{:<17} {:.2} KB per guild over all", consumer.name(), (last.1 - first.1) / (last.0 - first.0));
        }
    }
    Ok(())
}
