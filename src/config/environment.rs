//! The environment as a layer: our own names, and the names that other bots' deployments already set.

use super::{
    key::Key,
    known::Known,
    problem::Problem,
    values::{Origin, Setting},
};
use std::collections::BTreeMap;
use toml::Value;

const OURS: &str = "IMPRESARIO_";

type Env = BTreeMap<String, String>;
type Layer = Vec<(Key, Setting)>;

fn origin(name: &str) -> Origin {
    Origin::Environment { name: name.to_owned() }
}

/// `IMPRESARIO_SECTION__KEY`; two underscores where TOML has a dot.
pub(super) fn settings(env: &Env, known: &Known, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) -> Layer {
    let mut layer = Vec::new();
    for (name, text) in env {
        let Some(rest) = name.strip_prefix(OURS) else { continue };
        if !rest.contains("__") {
            warnings.push(format!("environment {name} is not used: it would be {OURS}SECTION__KEY"));
            continue;
        }
        let key = Key::of(rest.split("__").map(str::to_lowercase));
        if key == Key::of(["discord", "token"]) {
            let reason = "the token is no configuration value: set DISCORD_TOKEN instead";
            problems.push(Problem::new(&origin(name), &key, reason));
            continue;
        }
        let value = match known.default_of(&key) {
            Some(default) => parse(&key, default, text),
            None => Ok(guess(text)),
        };
        match value {
            Ok(value) => layer.push((key, Setting { value, origin: origin(name) })),
            Err(reason) => problems.push(Problem::new(&origin(name), &key, reason)),
        }
    }
    layer
}

/// Reads `text` as what the key's default is.
fn parse(key: &Key, default: &Value, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    let free = matches!(key.to_string().as_str(), "discord.shards" | "discord.intents");
    match default {
        _ if free && trimmed.starts_with(['[', '{']) => toml_value(trimmed).ok_or_else(|| "not TOML".to_owned()),
        _ if free => Ok(trimmed.parse::<i64>().map_or_else(|_| Value::from(trimmed), Value::from)),
        Value::String(_) => Ok(Value::from(text)),
        Value::Integer(_) => trimmed.parse::<i64>().map(Value::from).map_err(|_| "takes a whole number".to_owned()),
        Value::Float(_) => trimmed.parse::<f64>().map(Value::from).map_err(|_| "takes a number".to_owned()),
        Value::Boolean(_) => match trimmed.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(Value::from(true)),
            "false" | "0" | "no" | "off" => Ok(Value::from(false)),
            _ => Err("takes true or false".to_owned()),
        },
        Value::Array(_) if trimmed.starts_with('[') => toml_value(trimmed).ok_or_else(|| "not a TOML list".to_owned()),
        Value::Array(_) => {
            let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(
                items.map(|item| item.parse::<i64>().map_or_else(|_| Value::from(item), Value::from)).collect(),
            ))
        }
        Value::Table(_) | Value::Datetime(_) => toml_value(trimmed).ok_or_else(|| "not TOML".to_owned()),
    }
}

/// A value of a free-form table: TOML where it is TOML, text otherwise.
fn guess(text: &str) -> Value {
    toml_value(text.trim()).unwrap_or_else(|| Value::from(text))
}

fn toml_value(text: &str) -> Option<Value> {
    format!("value = {text}").parse::<toml::Table>().ok()?.remove("value")
}

/// Names from other bots' deployments. Our own names win over them.
pub(super) fn aliases(env: &Env, problems: &mut Vec<Problem>, warnings: &mut Vec<String>) -> Layer {
    let get = |name: &str| env.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let mut layer = Vec::new();
    let mut put = |key: &str, name: &str, value: Value| {
        layer.push((Key::dotted(key), Setting { value, origin: origin(name) }));
    };
    match (get("DATABASE_URL"), postgres(&get, warnings)) {
        (Some(url), _) => put("database.url", "DATABASE_URL", Value::from(url)),
        (None, Some(url)) => put("database.url", "POSTGRES_HOST, POSTGRES_DB, …", Value::from(url)),
        (None, None) => {}
    }
    if let Some(level) = get("LOG_LEVEL") {
        put("telemetry.log", "LOG_LEVEL", Value::from(level_of(level)));
    }
    if let Some(dsn) = get("SENTRY_DSN") {
        put("telemetry.sentry_dsn", "SENTRY_DSN", Value::from(dsn));
    }
    if let Some(guild) = get("GUILD_ID") {
        match guild.parse::<i64>() {
            Ok(guild) => put("discord.guild", "GUILD_ID", Value::from(guild)),
            Err(_) => {
                let reason = "takes a guild id: digits only";
                problems.push(Problem::new(&origin("GUILD_ID"), &Key::dotted("discord.guild"), reason));
            }
        }
    }
    if get("REDIS_URL").is_some() {
        warnings.push("environment REDIS_URL is not used: there is no external cache".to_owned());
    }
    layer
}

/// Python's level names are other bots' habit.
fn level_of(level: &str) -> String {
    match level.to_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        lower @ ("error" | "warn" | "info" | "debug" | "trace" | "off") => lower.to_owned(),
        _ => level.to_owned(),
    }
}

fn postgres<'e>(get: &impl Fn(&str) -> Option<&'e str>, warnings: &mut Vec<String>) -> Option<String> {
    let (host, name) = (get("POSTGRES_HOST"), get("POSTGRES_DB"));
    if host.is_none() && name.is_none() {
        for ignored in ["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_PORT"] {
            if get(ignored).is_some() {
                warnings.push(format!("environment {ignored} is not used without POSTGRES_HOST or POSTGRES_DB"));
            }
        }
        return None;
    }
    let user = get("POSTGRES_USER").unwrap_or("postgres");
    let secret = get("POSTGRES_PASSWORD").map(|password| format!(":{}", percent(password))).unwrap_or_default();
    let (host, port) = (host.unwrap_or("localhost"), get("POSTGRES_PORT").unwrap_or("5432"));
    Some(format!("postgres://{}{secret}@{host}:{port}/{}", percent(user), percent(name.unwrap_or(user))))
}

/// What stands in a URL for `text` (RFC 3986: all but unreserved characters).
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
