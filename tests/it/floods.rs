//! Row G23: 20,000 events a second, of every class, for seconds. Commands are answered, moderation is never dropped, the
//! cheapest goes first, all that is dropped is counted by class, and memory stays where it was.

use crate::{
    bursts::{TALK, peak_kb},
    gateway::assert_once_each,
    harness::{Home, PATIENCE, PLAYS_THE_BOT, answers, ask, assert_answers, discord_with, full_tier, until},
    probes::{address, get},
};
use cog_host::{Cog, Command, Ctx, Outcome, Reply};
use impresario::{config::Sources, process};
use protocol::{Event, EventKind};
use sandbox::{Fault, MessageId, Sandbox};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// Events a second, as the row has it.
const RATE: u64 = 20_000;
/// Commands a second: below Discord's 50 requests, so that their latency is the bot's and not that limit's.
const COMMANDS: u32 = 40;
/// What the flood may take beyond what was there before.
const GROWTH: f64 = 1.25;
/// How long the slow cog looks at an event; ten at once, so it takes 200 a second.
const HOLD: Duration = Duration::from_millis(50);

/// What a large guild sends in a thousand events: name, class of what a full lane drops (none: nothing), how many, data.
const MIX: [(EventKind, Option<&str>, usize, &str); 8] = [
    (
        EventKind::PresenceUpdate,
        Some("presence"),
        560,
        r#"{"user": {"id": "7"}, "guild_id": "GUILD", "status": "online", "activities": [], "client_status": {}}"#,
    ),
    (
        EventKind::TypingStart,
        Some("typing"),
        200,
        r#"{"channel_id": "CHANNEL", "guild_id": "GUILD", "user_id": "7", "timestamp": 1700000000}"#,
    ),
    (EventKind::MessageCreate, Some("message"), 160, TALK),
    (
        EventKind::MessageReactionAdd,
        Some("reaction"),
        60,
        r#"{"user_id": "7", "channel_id": "CHANNEL", "message_id": "1180000000", "guild_id": "GUILD", "burst": false,
            "type": 0, "emoji": {"id": null, "name": "x"}}"#,
    ),
    (
        EventKind::VoiceStateUpdate,
        Some("voice"),
        17,
        r#"{"guild_id": "GUILD", "channel_id": null, "user_id": "7", "session_id": "x", "deaf": false, "mute": false,
            "self_deaf": false, "self_mute": false, "self_video": false, "suppress": false,
            "request_to_speak_timestamp": null}"#,
    ),
    (
        EventKind::GuildBanAdd,
        None,
        1,
        r#"{"guild_id": "GUILD", "user": {"id": "7", "username": "seven", "discriminator": "0", "avatar": null}}"#,
    ),
    (EventKind::MessageDelete, None, 1, r#"{"id": "1180000000{n}", "channel_id": "CHANNEL", "guild_id": "GUILD"}"#),
    (
        EventKind::GuildAuditLogEntryCreate,
        None,
        1,
        r#"{"guild_id": "GUILD", "id": "1190000000{n}", "user_id": "7", "target_id": "8", "action_type": 22}"#,
    ),
];

/// The mix in turns that are spread evenly: each kind comes up as often as it should in any stretch.
fn mix(discord: &Sandbox) -> Vec<(String, String)> {
    let guild = discord.guild_id();
    let channel = discord.channel_id(guild, "general").unwrap();
    let fill = |data: &str| data.replace("GUILD", &guild.to_string()).replace("CHANNEL", &channel.to_string());
    let mut turns: Vec<(usize, &str, &str)> = Vec::new();
    for (kind, _, share, data) in MIX {
        turns.extend((0..share).map(|nth| ((2 * nth + 1) * 1_000_000 / (2 * share), kind.name(), data)));
    }
    turns.sort_unstable();
    turns.into_iter().map(|(_, name, data)| (name.to_owned(), fill(data))).collect()
}

/// How a flood went.
struct Flooded {
    /// Commands, each answered once.
    asked: BTreeSet<MessageId>,
    /// From the word to the reply in hand, ascending.
    latencies: Vec<Duration>,
    /// Events of all kinds that the sandbox says it sent, by name.
    sent: BTreeMap<String, u64>,
    /// How long it took until the last was written.
    took: Duration,
}

impl Flooded {
    fn quantile(&self, share: f64) -> f64 {
        let at = ((self.latencies.len() as f64 * share).ceil() as usize).clamp(1, self.latencies.len());
        self.latencies[at - 1].as_secs_f64() * 1e3
    }
}

/// Floods the default guild for `seconds`, while people call the bot in another at an even pace, whether it answers or not.
/// Each second's calls come in as many channels: posts to one channel go one after another.
fn flood(discord: &Sandbox, seconds: u64) -> Flooded {
    let guild = discord.guild_ids().into_iter().find(|id| *id != discord.guild_id()).unwrap();
    let channel = |nth: u32| discord.channel_id(guild, &format!("channel{:03}", nth % COMMANDS)).unwrap();
    let events = RATE * seconds;
    let calls = COMMANDS * seconds as u32;
    let before = discord.stats();
    let answered = discord.bot_messages().len();
    discord.fault(Fault::Traffic { mix: mix(discord), per_second: RATE, events });
    let begun = Instant::now();
    let (asked, seen, took) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut seen: BTreeMap<MessageId, Instant> = BTreeMap::new();
            let mut looked = answered;
            discord.wait_until(4 * PATIENCE, |_, messages| {
                seen.extend(messages[looked..].iter().filter_map(|message| Some((answers(message)?, Instant::now()))));
                looked = messages.len();
                looked >= answered + calls as usize
            });
            seen
        });
        let streaming = scope.spawn(|| {
            let all = |stats: &sandbox::SandboxStats| stats.streamed.values().sum::<u64>();
            let wanted = all(&before) + events;
            assert!(discord.wait_until(4 * PATIENCE, |stats, _| all(stats) >= wanted), "{:?}", discord.stats());
            begun.elapsed()
        });
        let mut asked = BTreeMap::new();
        for nth in 0..calls {
            let due = Duration::from_secs(1) / COMMANDS * nth;
            thread::sleep(due.saturating_sub(begun.elapsed())); // the pace itself; nothing is waited for
            let at = Instant::now();
            asked.insert(discord.say_in(guild, channel(nth), &format!("user{}", nth % 7), "!ping").unwrap(), at);
        }
        (asked, watching.join().unwrap(), streaming.join().unwrap())
    });
    let mut latencies: Vec<Duration> =
        asked.iter().filter_map(|(id, at)| Some(seen.get(id)?.duration_since(*at))).collect();
    latencies.sort_unstable();
    assert_eq!(latencies.len(), asked.len(), "a command was not answered");
    let now = discord.stats().streamed;
    let sent = now.into_iter().map(|(name, n)| (name.clone(), n - before.streamed.get(&name).unwrap_or(&0))).collect();
    Flooded { asked: asked.into_keys().collect(), latencies, sent, took }
}

/// The values of a counter by one of its labels.
fn by_label(metrics: &str, counter: &str, label: &str) -> BTreeMap<String, u64> {
    let lines = metrics.lines().filter(|line| line.starts_with(&format!("{counter}{{")));
    let read = |line: &str| {
        let (_, rest) = line.split_once(&format!("{label}=\""))?;
        let (value, _) = rest.split_once('"')?;
        Some((value.to_owned(), line.rsplit_once(' ')?.1.parse::<f64>().ok()? as u64))
    };
    let mut all = BTreeMap::new();
    for (value, n) in lines.filter_map(read) {
        *all.entry(value).or_default() += n;
    }
    all
}

/// From reading a command to its end, as the bot itself has it: without what waited in the socket, which is most of the
/// rest where the machine is too slow for the flood.
fn own_mean_ms(metrics: &str) -> f64 {
    let of = |part: &str| {
        let wanted = format!("discord_command_duration_seconds_{part}{{");
        let lines = metrics.lines().filter(|line| line.starts_with(&wanted) && line.contains("command=\"ping\""));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>()
    };
    of("sum") * 1e3 / of("count")
}

/// Events that wait in all lanes at this moment.
fn waiting(metrics: &str) -> u64 {
    let line = metrics.lines().find(|line| line.starts_with("impresario_lane_events_waiting"));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).unwrap_or_default() as u64
}

/// One is flooded, in the other people call the bot.
fn two_guilds() -> sandbox::Strict {
    discord_with(|config| (config.guilds, config.channels_per_guild) = (1, COMMANDS))
}

fn seconds() -> u64 {
    if full_tier() { 10 } else { 2 }
}

/// The shipped bot: nobody in it listens to what floods in, so that it is counted by type and never decoded.
#[test]
fn a_flood_of_what_nobody_listens_to_delays_no_command() {
    let discord = two_guilds();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"");
    let bot = home.start();
    let address = address(&bot);
    flood(&discord, 1); // buffers have their size after it
    peak_kb(&bot);
    assert_answers(&discord);
    let before_kb = peak_kb(&bot);
    let flooded = flood(&discord, seconds());
    let received = |metrics: &str| by_label(metrics, "discord_gateway_events_total", "event");
    let dropped = |metrics: &str| by_label(metrics, "impresario_gateway_events_dropped_total", "event");
    let sent = discord.stats().streamed;
    let now = until("all is read", || {
        let metrics = get(&address, "/metrics").1;
        let received = received(&metrics);
        sent.iter().all(|(name, sent)| received.get(name) >= Some(sent)).then_some(metrics)
    });
    let after_kb = peak_kb(&bot);
    for (kind, class, ..) in MIX.iter().filter(|(_, class, ..)| class.is_some()) {
        let (gone, sent) = (dropped(&now).get(kind.name()).copied().unwrap_or_default(), sent[kind.name()]);
        assert!(gone >= sent, "{class:?}: {gone} of {sent} were not decoded");
    }
    assert!(by_label(&now, "impresario_lane_events_shed_total", "class").is_empty(), "no lane was full");
    assert_once_each(&discord, &all_asked(&discord, &flooded));
    println!(
        "G23 unheard: events={} per_second={:.0} commands={} lost=0 p50_ms={:.1} p99_ms={:.1} own_mean_ms={:.1} \
         before_kb={before_kb} after_kb={after_kb} undecoded={:?}",
        RATE * seconds(),
        (RATE * seconds()) as f64 / flooded.took.as_secs_f64(),
        flooded.asked.len(),
        flooded.quantile(0.5),
        flooded.quantile(0.99),
        own_mean_ms(&now),
        flooded.sent,
    );
    assert!(after_kb <= before_kb * GROWTH, "{after_kb} kB after the flood, {before_kb} before");
    assert_eq!(bot.terminate(), 0);
}

/// A bot with a cog that looks at every event of the mix, slowly, and small lanes: what cannot be looked at is dropped by
/// class. The other guild's commands go on.
#[test]
fn a_slow_listener_loses_the_cheapest_first_and_moderation_never() {
    let discord = two_guilds();
    let home = Home::new(&discord)
        .set("telemetry.listen = \"127.0.0.1:0\"")
        .set("cog_host.waiting = 64")
        .set("cog_host.lane_capacity = 1000");
    let bot = home.run_as("floods::the_bot_with_a_slow_listener");
    bot.wait_ready();
    let address = address(&bot);
    assert_answers(&discord);
    let before_kb = peak_kb(&bot);
    let (most, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let flooded = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                most.fetch_max(waiting(&get(&address, "/metrics").1), Relaxed);
            }
        });
        let flooded = flood(&discord, seconds());
        done.store(true, Relaxed);
        flooded
    });
    let after_kb = peak_kb(&bot);
    let (mut looked_at, mut shed) = (BTreeMap::new(), BTreeMap::new());
    let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or_default();
    until("every event is looked at or dropped", || {
        looked_at = seen_so_far(&discord);
        shed = by_label(&get(&address, "/metrics").1, "impresario_lane_events_shed_total", "class");
        let gone = |class: &Option<&str>| class.map_or(0, |class| of(&shed, class));
        let all = |(kind, class, ..): &(EventKind, Option<&str>, usize, &str)| {
            of(&looked_at, kind.name()) + gone(class) >= flooded.sent[kind.name()]
        };
        MIX.iter().all(all).then_some(())
    });
    let mut lost = BTreeMap::new();
    for (kind, class, ..) in MIX {
        let (sent, looked) = (flooded.sent[kind.name()], of(&looked_at, kind.name()));
        let gone = class.map_or(0, |class| of(&shed, class));
        // The only other messages that a lane may drop are the bot's own.
        let own = if kind == EventKind::MessageCreate { discord.bot_messages().len() as u64 } else { 0 };
        let total = looked + gone;
        assert!((sent..=sent + own).contains(&total), "{}: {looked} looked at, {gone} dropped of {sent}", kind.name());
        lost.insert(class.unwrap_or(kind.name()), gone as f64 / sent as f64);
    }
    let known: BTreeSet<&str> = MIX.iter().filter_map(|(_, class, ..)| *class).collect();
    assert!(shed.keys().all(|class| known.contains(class.as_str())), "{shed:?}");
    println!(
        "G23 slow listener: events={} per_second={:.0} commands={} lost=0 p50_ms={:.1} p99_ms={:.1} own_mean_ms={:.1} \
         before_kb={before_kb} after_kb={after_kb} waiting_most={} dropped={shed:?} sent={:?}",
        RATE * seconds(),
        (RATE * seconds()) as f64 / flooded.took.as_secs_f64(),
        flooded.asked.len(),
        flooded.quantile(0.5),
        flooded.quantile(0.99),
        own_mean_ms(&get(&address, "/metrics").1),
        most.load(Relaxed),
        flooded.sent,
    );
    for fleeting in ["presence", "typing"] {
        for ordinary in ["message", "reaction", "voice"] {
            assert!(lost[ordinary] > 0.0, "{ordinary} was never dropped: nothing was seen here");
            assert!(lost[fleeting] > lost[ordinary], "{fleeting} goes before {ordinary}: {lost:?}");
        }
    }
    assert!(most.load(Relaxed) <= 64 + 2, "{} waited", most.load(Relaxed)); // and those that are being offered
    assert!(after_kb <= before_kb * GROWTH, "{after_kb} kB after the flood, {before_kb} before");
    assert_once_each(&discord, &all_asked(&discord, &flooded));
    assert_eq!(bot.terminate(), 0);
}

/// Everything that was asked so far: what went before the flood, and its commands.
fn all_asked(discord: &Sandbox, flooded: &Flooded) -> BTreeSet<MessageId> {
    let asked: BTreeSet<MessageId> = discord.bot_messages().iter().filter_map(answers).collect();
    assert!(flooded.asked.is_subset(&asked));
    asked
}

/// What the slow cog has looked at so far, by the event's name.
fn seen_so_far(discord: &Sandbox) -> BTreeMap<String, u64> {
    let told = ask(discord, "bob", "!seen");
    let pairs = told.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, n)| (name.to_owned(), n.parse().unwrap())).collect()
}

/// The bot of the test above, in a process of its own; otherwise it has nothing to do.
#[test]
fn the_bot_with_a_slow_listener() -> ExitCode {
    if std::env::var_os(PLAYS_THE_BOT).is_none() {
        return ExitCode::SUCCESS;
    }
    let how = process::Start { cogs: vec![slow_listener()], ..process::Start::default() };
    process::run(Sources::of_process(None), how)
}

#[derive(Default)]
struct Seen([AtomicU64; MIX.len()]);

fn slow_listener() -> Cog {
    Cog::new("slow", "Looks at everything, slowly")
        .state(Seen::default)
        .command(Command::new("seen", "What it has looked at", seen))
        .on_events(&MIX.map(|(kind, ..)| kind), |ctx, dispatch| {
            Box::pin(async move {
                tokio::time::sleep(HOLD).await;
                // It hears commands and the bot's own replies as well: those are not of the flood.
                let of_flood = match &*dispatch.event {
                    Event::MessageCreate(created) => created.message.content.starts_with("said "),
                    _ => true,
                };
                let nth = MIX.iter().position(|(kind, ..)| *kind == dispatch.kind).filter(|_| of_flood);
                if let (Some(seen), Some(nth)) = (ctx.state::<Seen>(), nth) {
                    seen.0[nth].fetch_add(1, Relaxed);
                }
                Ok(())
            })
        })
}

async fn seen(ctx: &Ctx, (): ()) -> Outcome {
    let seen = ctx.state::<Seen>().unwrap_or_default();
    let said = MIX.iter().zip(&seen.0).map(|((kind, ..), n)| format!("{}={}", kind.name(), n.load(Relaxed)));
    Ok(Reply::text(said.collect::<Vec<_>>().join(" ")))
}
