//! What the types cannot say: ranges, addresses, and values that contradict each other.

use super::{
    key::Key,
    known::nearest,
    problem::Problem,
    sections::{Config, Intents, Shards},
    values::{Origin, Values},
};
use serenity::model::gateway::GatewayIntents;
use std::{fmt, net::IpAddr};
use toml::Value;

/// Longest prefix, in characters.
const PREFIX_MAX: usize = 16;
/// Longest time, in seconds: ten years. Added to a clock's reading, much longer ones overflow it.
const TIME_MAX_S: i64 = 10 * 365 * 24 * 60 * 60;
/// Most shards of one process: each is a connection and a share of the cache. Beyond it the work is spread.
pub(crate) const SHARDS_MAX: u32 = 512;

struct Check<'v> {
    values: &'v Values,
    problems: &'v mut Vec<Problem>,
}

impl Check<'_> {
    fn refuse(&mut self, key: &Key, reason: impl fmt::Display) {
        let origin = self.values.get(key).map_or(Origin::Default, |setting| setting.origin.clone());
        self.problems.push(Problem::new(&origin, key, reason));
    }

    /// Refuses `low` and `high`, which do not fit together, at the one that somebody chose.
    fn at_odds(&mut self, low: &str, high: &str) {
        let chosen = |key: &str| self.values.get(&Key::dotted(key)).is_some_and(|set| set.origin != Origin::Default);
        if chosen(low) {
            self.must(false, low, format_args!("is above {high}"));
        } else {
            self.must(false, high, format_args!("is below {low}: set that one too"));
        }
    }

    fn must(&mut self, holds: bool, key: &str, reason: impl fmt::Display) {
        if !holds {
            self.refuse(&Key::dotted(key), reason);
        }
    }
}

/// Checks `config`; what is wrong goes to `problems`.
pub(super) fn check(config: &Config, values: &Values, problems: &mut Vec<Problem>) {
    let mut check = Check { values, problems };
    times(values, &mut check);
    discord(config, &mut check);
    rooms(config, &mut check);
    free_form(config, &mut check);
}

/// Every time in milliseconds or seconds is above 0 and within what a clock can add.
fn times(values: &Values, check: &mut Check<'_>) {
    for (key, setting) in values.iter().filter(|(key, _)| key.section() != "cogs") {
        let most = match key.name() {
            name if name.ends_with("_ms") => TIME_MAX_S * 1000,
            name if name.ends_with("_s") => TIME_MAX_S,
            _ => continue,
        };
        let least = i64::from(!matches!(key.name(), "shutdown_ms" | "cooldown_ms" | "cooldown_s" | "jitter_s"));
        match setting.value {
            Value::Integer(value) if value < least => check.refuse(key, format_args!("must be at least {least}")),
            Value::Integer(value) if value > most => {
                check.refuse(key, format_args!("takes at most {most} (ten years)"))
            }
            _ => {}
        }
    }
}

fn discord(config: &Config, check: &mut Check<'_>) {
    let discord = &config.discord;
    check.must(!discord.allow_hosts.is_empty(), "discord.allow_hosts", "must name at least one host");
    for host in &discord.allow_hosts {
        let name = host.strip_prefix('.').unwrap_or(host);
        let fits = !name.is_empty()
            && (name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
                || name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'));
        check.must(fits, "discord.allow_hosts", format_args!("{host:?} is no host name: no scheme, port or path"));
    }
    address(check, "discord.api_base", &discord.api_base, ["https", "http"], &discord.allow_hosts);
    if !discord.gateway_url.is_empty() {
        address(check, "discord.gateway_url", &discord.gateway_url, ["wss", "ws"], &discord.allow_hosts);
    }
    if let Intents::List(names) = &discord.intents {
        for name in names {
            if GatewayIntents::from_name(name).is_none() {
                let near = nearest(&name.to_lowercase(), INTENTS.iter().copied());
                let near = near.map(|near| near.to_uppercase());
                let key = Key::dotted("discord.intents");
                let origin = check.values.get(&key).map_or(Origin::Default, |setting| setting.origin.clone());
                let problem = Problem::new(&origin, &key, format_args!("{name:?} is no intent"));
                check.problems.push(problem.meaning(near));
            }
        }
    }
    let here = match discord.shards {
        Shards::Auto => 1,
        Shards::Count(count) => count,
        Shards::Share { first, last, .. } => last - first + 1,
    };
    check.must(
        here <= SHARDS_MAX,
        "discord.shards",
        format_args!("takes at most {SHARDS_MAX} in one process: give each its share with {{ total, first, last }}"),
    );
    let prefix = &discord.prefix;
    let fits = (1..=PREFIX_MAX).contains(&prefix.chars().count()) && !prefix.contains(char::is_whitespace);
    check.must(fits, "discord.prefix", format_args!("takes 1 to {PREFIX_MAX} characters without a blank"));
    if let (true, Err(error)) = (fits, cog_host::checked(prefix)) {
        check.must(false, "discord.prefix", error); // e.g. a mention, or characters that look like nothing
    }
    check.must(!config.data.dir.as_os_str().is_empty(), "data.dir", "must name a folder");
}

/// Discord's names of intents, lower case, for suggestions.
const INTENTS: [&str; 20] = [
    "guilds",
    "guild_members",
    "guild_moderation",
    "guild_emojis_and_stickers",
    "guild_integrations",
    "guild_webhooks",
    "guild_invites",
    "guild_voice_states",
    "guild_presences",
    "guild_messages",
    "guild_message_reactions",
    "guild_message_typing",
    "direct_messages",
    "direct_message_reactions",
    "direct_message_typing",
    "message_content",
    "guild_scheduled_events",
    "auto_moderation_configuration",
    "auto_moderation_execution",
    "guild_message_polls",
];

/// An address with one of the schemes (the second one in the clear: loopback only) and a host that is allowed.
fn address(check: &mut Check<'_>, key: &str, text: &str, schemes: [&str; 2], allowed: &[String]) {
    let [safe, clear] = schemes;
    let Some((scheme, rest)) = text.split_once("://") else {
        return check.must(false, key, format_args!("is no address: it begins with {safe}://"));
    };
    let host_port = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match host_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host_port.rsplit_once(':').map_or(host_port, |(host, _)| host),
    };
    let port_fits = match host_port.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok(),
        _ => true,
    };
    check.must(scheme == safe || scheme == clear, key, format_args!("is no address: it begins with {safe}://"));
    check.must(!host.is_empty() && !host.contains('@') && port_fits, key, "is no address: host and port do not fit");
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    check.must(
        scheme != clear || loopback,
        key,
        format_args!("would send the token in the clear: {clear}:// is for this machine only"),
    );
    check.must(
        protocol::hosts::is_allowed(host, allowed),
        key,
        format_args!("its host {host:?} is not in discord.allow_hosts"),
    );
}

fn rooms(config: &Config, check: &mut Check<'_>) {
    if let Err(error) = config.database.validate() {
        let text = error.to_string();
        let named = ["pool_size", "acquire_ms", "health_ms", "connect_ms"].into_iter().find(|key| text.contains(key));
        let key = format!("database.{}", named.unwrap_or("url"));
        let already = check.problems.iter().any(|problem| problem.key == Key::dotted(&key));
        check.must(already, &key, text);
    }
    let rest = &config.rest;
    let rate = (1..=50).contains(&rest.global_per_second);
    check.must(rate, "rest.global_per_second", "takes 1 to 50: Discord allows 50");
    check.must((1..=10).contains(&rest.attempts), "rest.attempts", "takes 1 to 10");
    let invalid = (1..10_000).contains(&rest.invalid_limit);
    check.must(invalid, "rest.invalid_limit", "takes 1 to 9999: at 10,000 Discord bans the address");
    let gateway = &config.gateway;
    let identifies = (1..=900).contains(&gateway.identify_limit);
    check.must(identifies, "gateway.identify_limit", "takes 1 to 900: at 1,000 in 24 hours Discord resets the token");
    if gateway.reconnect_min_ms > gateway.reconnect_max_ms {
        check.at_odds("gateway.reconnect_min_ms", "gateway.reconnect_max_ms");
    }
    let host = &config.cog_host;
    check.must(host.lane_capacity > 0, "cog_host.lane_capacity", "must be at least 1");
    check.must(host.lane_commands > 0, "cog_host.lane_commands", "must be at least 1");
    check.must(host.waiting > 0, "cog_host.waiting", "must be at least 1");
    check.must(host.commands > 0, "cog_host.commands", "must be at least 1");
    check.must(host.prefix_cache > 0, "cog_host.prefix_cache", "must be at least 1");
    for bad in config.telemetry.validate().err().unwrap_or_default() {
        check.must(false, &format!("telemetry.{}", bad.key), bad.reason);
    }
    let control = &config.control;
    check.must((1024..=16 << 20).contains(&control.line_max), "control.line_max", "takes 1024 to 16777216 bytes");
    check.must((1..=1024).contains(&control.connections_max), "control.connections_max", "takes 1 to 1024");
    let length = control.socket.len();
    let most = control::PATH_MAX;
    check.must(
        length <= most,
        "control.socket",
        format_args!("has {length} bytes, a socket's path takes at most {most}"),
    );
    let shutdown = &config.shutdown;
    // The drain is part of the total: whoever shortens the total alone shortens the drain with it.
    let drain = check.values.get(&Key::dotted("shutdown.drain_ms"));
    if shutdown.drain_ms > shutdown.total_ms && drain.is_some_and(|drain| drain.origin != Origin::Default) {
        check.at_odds("shutdown.drain_ms", "shutdown.total_ms");
    }
}

/// Deaths that make poison: as many as are remembered of an actor.
const POISON_DEATHS: std::ops::RangeInclusive<u32> = 1..=16;

fn free_form(config: &Config, check: &mut Check<'_>) {
    cogs(check);
    let watch = &config.watch;
    if watch.probe_ms > watch.stall_ms && watch.stall_ms > 0 {
        check.at_odds("supervision.probe_ms", "supervision.stall_ms");
    }
    let left = (1..=64).contains(&watch.quarantine_max);
    check.must(left, "supervision.quarantine_max", "takes 1 to 64: each holds a thread");
    check.must(POISON_DEATHS.contains(&watch.poison_deaths), "supervision.poison_deaths", "takes 1 to 16");
    for (key, reason) in config.tasks.problems() {
        check.must(false, &format!("tasks.{key}"), reason);
    }
    for (name, rules) in &config.task_rules {
        for (rule, reason) in rules.problems(&config.tasks.zone) {
            check.refuse(&Key::of(["tasks", name, rule]), reason);
        }
    }
    for (path, rules) in &config.supervision {
        let key = |rule: &str| Key::of(["supervision", path, rule]);
        if let (Some(min), Some(max)) = (rules.backoff_min_ms, rules.backoff_max_ms)
            && min > max
        {
            check.refuse(&key("backoff_min_ms"), "is above backoff_max_ms");
        }
        if let (Some(min), Some(max)) = (rules.retry_parked_min_ms, rules.retry_parked_max_ms)
            && min > max
        {
            check.refuse(&key("retry_parked_min_ms"), "is above retry_parked_max_ms");
        }
        if rules.poison_deaths.is_some_and(|deaths| !POISON_DEATHS.contains(&deaths)) {
            check.refuse(&key("poison_deaths"), "takes 1 to 16");
        }
        let period = rules.probe_ms.unwrap_or(config.watch.probe_ms);
        let stall = rules.stall_ms.unwrap_or(config.watch.stall_ms);
        if rules.probe != Some(false) && period > stall && stall > 0 {
            let rule = if rules.probe_ms.is_some() { "probe_ms" } else { "stall_ms" };
            let reason = format_args!("looking every {period} ms does not see a stall of {stall} ms in time");
            check.refuse(&key(rule), reason);
        }
        for need in rules.needs.iter().flatten().filter(|need| *need == path || need.is_empty()) {
            check.refuse(&key("needs"), format_args!("{need:?} is no other actor's path"));
        }
    }
}

/// The keys of a built-in cog's section are those that its manifest names. (A script cog's are known when it is loaded.)
fn cogs(check: &mut Check<'_>) {
    let builtin = cogs::builtin();
    for (key, setting) in check.values.iter().filter(|(key, _)| key.section() == "cogs") {
        let [_, name, named, ..] = key.parts() else { continue };
        let Some(cog) = builtin.iter().find(|cog| cog.name() == name) else { continue };
        let known: Vec<&str> = std::iter::once("enabled").chain(cog.settings().iter().map(|it| it.key)).collect();
        if !known.contains(&named.as_str()) {
            let reason = format!("unknown key; the cog {name} takes {}", known.join(", "));
            let near = nearest(named, known.iter().copied());
            check.problems.push(Problem::new(&setting.origin, key, reason).meaning(near));
        }
    }
}
