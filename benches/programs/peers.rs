//! The whole bot and the least `!ping` bots of other libraries at the same work in the same run: the goals' rows, with the
//! ratio to the best of the others.
//!
//! The others are built first, with the same profile, beside this program's own folder:
//!
//! ```text
//! cargo build --profile bench --locked --manifest-path benches/peers/Cargo.toml --target-dir target/peers
//! cargo bench -p benches --bench peers -- [--runs N] [--guilds N] [--events N] [--seconds N] [--rate N] [--only NAME]
//! ```
//!
//! (With `CARGO_TARGET_DIR` set, `--target-dir $CARGO_TARGET_DIR/peers`.) `--rate` adds a rate of events per second to
//! 2,000 and 20,000.

use benches::{
    Failure,
    consumer::Consumer,
    discord::Flood,
    events::{Event, pings, stream},
    figures::{median, quantile, spread},
    option,
    peer::Peer,
    run::{Run, guild_frames},
    scale, smoke,
    trial::take_the_other_core,
};
use std::{process::ExitCode, time::Duration};

/// Different events; they are sent over and over.
const DISTINCT: u64 = 20_000;
const SEED: u64 = 1;
/// Of a thousand messages in a burst.
const COMMANDS: u64 = 10;
const WITHOUT_MEMBERS: &str = "memory per guild without members, KB";
/// The other libraries keep them unless they are told not to.
const WITH_MEMBERS: &str = "memory per guild of 50 members, KB";
/// While latency is measured. Discord allows 50 requests a second, and the whole bot keeps to that: at just 50 commands it
/// would be that limit which is measured.
const COMMANDS_PER_SECOND: u64 = 40;

fn main() -> ExitCode {
    if let Some(code) = Consumer::from_command_line() {
        return code;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The scale of one comparison.
struct Work {
    guilds: u64,
    events: u64,
    rates: Vec<u64>,
    time: Duration,
    frames: Flood,
    none: Flood,
    stream: Vec<Event>,
    flood: Flood,
    pings: Vec<Event>,
}

impl Work {
    fn from_command_line() -> Result<Self, Failure> {
        let number = |name: &str, full: u64, small: u64| {
            option(name).and_then(|value| u64::try_from(value).ok()).unwrap_or_else(|| scale(full, small))
        };
        let (guilds, events) = (number("--guilds", 1_000, 20), number("--events", 200_000, 500));
        let seconds = number("--seconds", 10, 0).min(guilds / COMMANDS_PER_SECOND); // each command its own channel
        let time = if seconds == 0 { Duration::from_millis(200) } else { Duration::from_secs(seconds) };
        let mut rates = scale(vec![2_000, 20_000], vec![1_000]);
        rates.extend(option("--rate").and_then(|rate| u64::try_from(rate).ok()));
        let stream = stream(SEED, scale(DISTINCT, 500), guilds, COMMANDS);
        let talk = benches::events::stream(SEED, scale(DISTINCT, 500), guilds, 0);
        let count = (time.as_secs_f64() * COMMANDS_PER_SECOND as f64) as u64;
        Ok(Self {
            guilds,
            events,
            rates,
            time,
            frames: guild_frames(guilds)?,
            none: guild_frames(0)?,
            flood: Flood::new(&talk)?,
            stream,
            pings: pings(SEED, count, guilds),
        })
    }

    fn commands(&self) -> u64 {
        let events = self.stream.iter().cycle().take(usize::try_from(self.events).unwrap_or(0));
        events.filter(|event| event.data.contains(r#""content":"!ping""#)).count() as u64
    }
}

/// A row of the table: the goal and what each bot came to, run by run. `factor` is what the best of the others is compared
/// with: smaller is better in all rows.
struct Row {
    what: String,
    goal: &'static str,
    digits: usize,
    values: Vec<Vec<f64>>,
}

/// The table, filled row by row in the order in which rows first come up.
#[derive(Default)]
struct Table {
    rows: Vec<Row>,
}

impl Table {
    fn add(&mut self, bot: usize, what: &str, goal: &'static str, digits: usize, value: f64) {
        let at = self.rows.iter().position(|row| row.what == what).unwrap_or_else(|| {
            self.rows.push(Row { what: what.to_owned(), goal, digits, values: Vec::new() });
            self.rows.len() - 1
        });
        let values = &mut self.rows[at].values;
        values.resize_with(values.len().max(bot + 1), Vec::new);
        values[bot].push(value);
    }

    fn print(&self, bots: &[Peer]) {
        print!("{:<44} {:>22}", "", "goal");
        bots.iter().for_each(|bot| print!(" {:>24}", bot.name()));
        println!(" {:>16}", "best other/ours");
        for row in &self.rows {
            print!("{:<44} {:>22}", row.what, row.goal);
            for at in 0..bots.len() {
                let values = row.values.get(at).map_or(&[][..], Vec::as_slice);
                print!(" {:>24}", if values.is_empty() { "-".to_owned() } else { spread(values, row.digits) });
            }
            let of = |at: usize| row.values.get(at).filter(|values| !values.is_empty()).map(|values| median(values));
            let own = bots.iter().position(|bot| matches!(bot, Peer::Own)).and_then(of);
            let best = (0..bots.len()).filter(|at| !matches!(bots[*at], Peer::Own)).filter_map(of).reduce(f64::min);
            match (own, best) {
                // Where Discord asks for a time within bounds, less is not better.
                (Some(own), Some(best)) if own > 0.0 && !row.goal.contains(" to ") => println!(" {:>16.2}", best / own),
                _ => println!(" {:>16}", "-"),
            }
        }
    }
}

fn measure() -> Result<(), Failure> {
    take_the_other_core();
    let (work, runs) = (Work::from_command_line()?, option("--runs").unwrap_or_else(|| scale(3, 1)));
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    let bots: Vec<Peer> =
        Peer::all()?.into_iter().filter(|bot| only.as_ref().is_none_or(|only| bot.name() == only)).collect();
    if bots.len() < 4 && !smoke() && only.is_none() {
        return Err("the other libraries' bots are not built: see the head of benches/programs/peers.rs".into());
    }
    println!(
        "seed {SEED}, {} guilds, bursts of {} events with {} commands, median of {runs} runs (least-greatest)",
        work.guilds,
        work.events,
        work.commands()
    );
    let (mut table, mut remarks) = (Table::default(), Vec::new());
    let mut least = vec![Vec::new(); work.rates.len()];
    for _ in 0..runs {
        for (at, bot) in bots.iter().enumerate() {
            compare(&work, at, bot, &mut table, &mut remarks)?;
        }
        let mut run = Run::start(&Peer::Least, work.guilds, &work.frames)?;
        for (rate, least) in work.rates.iter().zip(&mut least) {
            let took = run.latencies(&work.flood, *rate, &work.pings, work.time)?;
            least.push([quantile(&took, 0.5), quantile(&took, 0.99)]);
        }
    }
    table.print(&bots);
    for (rate, least) in work.rates.iter().zip(&least) {
        let [p50, p99] = [0, 1].map(|at| spread(&least.iter().map(|took| took[at]).collect::<Vec<f64>>(), 0));
        println!(
            "the least that a reply takes here at {rate} events/s (machine, loopback, stand-in): p50 {p50}, p99 {p99} us"
        );
    }
    remarks.sort();
    remarks.dedup();
    remarks.iter().for_each(|remark| println!("{remark}"));
    Ok(())
}

/// One run of one bot: three processes, so that no figure is about what an earlier one left behind.
fn compare(work: &Work, at: usize, bot: &Peer, table: &mut Table, remarks: &mut Vec<String>) -> Result<(), Failure> {
    let (mb, name) = (|kb: u64| kb as f64 / 1024.0, bot.name());
    let empty = Run::start(bot, 0, &work.none)?.loaded_kb;
    let per_guild = |loaded: u64| loaded.saturating_sub(empty) as f64 / work.guilds as f64;

    let mut run = Run::start(bot, work.guilds, &work.frames)?;
    let first = format!("{} guilds to first answer, s", work.guilds);
    table.add(at, &first, "0.12 at 1,000", 2, run.first_answer.as_secs_f64());
    if matches!(bot, Peer::Own) {
        table.add(at, WITHOUT_MEMBERS, "10", 1, per_guild(run.loaded_kb));
        let with = Run::start(&Peer::OwnMembers, work.guilds, &work.frames)?;
        table.add(at, WITH_MEMBERS, "25", 1, per_guild(with.loaded_kb));
    } else {
        table.add(at, WITH_MEMBERS, "25", 1, per_guild(run.loaded_kb));
    }
    let burst = run.burst(&Flood::new(&work.stream)?, work.events, work.commands())?;
    table.add(at, "CPU per event of the burst, us", "3.0, then 2.0", 2, burst.event_us);
    table.add(at, "memory loaded, MB", "", 0, mb(run.loaded_kb));
    table.add(at, "memory after the burst, MB", "loaded + 10 %", 0, mb(burst.rss_kb));
    let again = run.burst(&Flood::new(&work.stream)?, work.events, work.commands())?;
    table.add(at, "memory after a second burst, MB", "as after the first", 0, mb(again.rss_kb));
    if again.answered != again.commands {
        remarks.push(format!("{name}: {} of {} commands of the second burst", again.answered, again.commands));
    }
    if burst.answered != burst.commands {
        remarks.push(format!("{name}: {} of {} commands of the burst answered", burst.answered, burst.commands));
    }
    drop(run);

    let mut run = Run::start(bot, work.guilds, &work.frames)?;
    table.add(at, &first, "", 2, run.first_answer.as_secs_f64());
    for rate in &work.rates {
        let took = run.latencies(&work.flood, *rate, &work.pings, work.time)?;
        let (p50, p99) = match rate {
            2_000 => ("100", "300"),
            20_000 => ("", "1,000"),
            80_000 => ("", "10,000"),
            _ => ("", ""),
        };
        table.add(at, &format!("reply p50 at {rate} events/s, us"), p50, 0, quantile(&took, 0.5));
        table.add(at, &format!("reply p99 at {rate} events/s, us"), p99, 0, quantile(&took, 0.99));
        if took.len() != work.pings.len() {
            remarks.push(format!("{name}: {} of {} commands at {rate}/s answered", took.len(), work.pings.len()));
        }
    }
    table.add(at, "INVALID_SESSION to IDENTIFY, ms", "1,000 to 5,000", 0, run.invalidate()?.as_secs_f64() * 1e3);
    let end = run.terminate()?;
    table.add(at, "SIGTERM to exit, ms", "50", 1, end.after.as_secs_f64() * 1e3);
    let code = end.code.map_or("killed by the signal".to_owned(), |code| format!("exit code {code}"));
    let close = end.close.map_or("no close frame".to_owned(), |code| format!("close frame {code}"));
    remarks.push(format!("{name} after SIGTERM: {code}, {close}"));
    Ok(())
}
