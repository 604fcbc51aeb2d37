//! Whether a message could speak to the bot, asked of its payload's text before anybody decodes it. Of a hundred messages
//! ninety-nine end here, so the answer comes from three searches for bytes.
//!
//! A message that speaks to the bot is never turned away. A few that do not are let through: a quoted command, a program's
//! own words, odd text (escapes where the decision falls, a value of another type, text that is no JSON). They are decoded,
//! and the decision falls then: to read these few members first would cost every command as much again.

use crate::{prefix::addressed, prefixes::Prefixes};
use memchr::memmem::Finder;
use serenity::model::id::{GuildId, UserId};
use std::sync::{Arc, LazyLock};

/// A key written with escapes for its letters would hide from a search: `\u00` begins every escape of an ASCII character
/// that has no shorter one. No encoder writes letters so.
static ESCAPED_LETTER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r"\u00"));
static CONTENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""content""#));
static GUILD_ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""guild_id""#));

/// A mention's id has at most 20 digits; what is longer is left to the decision itself.
const MENTION_MAX: usize = 24;

/// What a message is judged by.
pub(crate) struct Said<'a> {
    pub(crate) content: &'a str,
    /// Whether a bot or a webhook wrote it: those are not answered.
    pub(crate) by_program: bool,
    pub(crate) guild: Option<GuildId>,
}

/// Whether `said` could be a command, as far as memory knows; most messages end here. An unknown prefix is looked up in
/// the lane.
pub(crate) fn may_be_command(said: &Said<'_>, prefixes: &Prefixes, own: Option<UserId>) -> bool {
    if said.by_program || said.content.is_empty() {
        return false;
    }
    let known = known_prefix(said.guild, prefixes);
    known.is_none_or(|prefix| addressed(said.content, &prefix, own).is_some())
}

fn known_prefix(guild: Option<GuildId>, prefixes: &Prefixes) -> Option<Arc<str>> {
    match guild {
        None => Some(Arc::clone(prefixes.default_prefix())),
        Some(guild) => prefixes.peek(guild),
    }
}

/// Whether the MESSAGE_CREATE with this payload could be a command: whether any `content` in the text, the message's own or
/// that of something inside it, begins as if it spoke to the bot in any guild that the text names.
pub(crate) fn may_concern(payload: &str, prefixes: &Prefixes, own: Option<UserId>) -> bool {
    let bytes = payload.as_bytes();
    let mut contents = CONTENT.find_iter(bytes).peekable();
    if contents.peek().is_none() || ESCAPED_LETTER.find(bytes).is_some() {
        return true;
    }
    // A message outside guilds may quote one of a guild: the default prefix counts in any case.
    let mut possible = Possible { default: prefixes.default_prefix(), first: None, more: Vec::new() };
    for at in GUILD_ID.find_iter(bytes) {
        match guild_id(&payload[at + GUILD_ID.needle().len()..]) {
            Named::Guild(guild) => match prefixes.peek(guild) {
                Some(prefix) => possible.add(prefix),
                None => return true,
            },
            Named::None => {}
            Named::Odd => return true,
        }
    }
    contents.any(|at| match value(&payload[at + CONTENT.needle().len()..]) {
        Some(value) => value.strip_prefix('"').is_none_or(|text| begins(text, &possible, own)),
        None => false, // a text that reads `content`, not a key
    })
}

/// The prefixes that could hold for a message; nearly always the default and perhaps one more.
struct Possible<'a> {
    default: &'a Arc<str>,
    first: Option<Arc<str>>,
    more: Vec<Arc<str>>,
}

impl Possible<'_> {
    fn add(&mut self, prefix: Arc<str>) {
        if Arc::ptr_eq(&prefix, self.default) || self.first.as_ref().is_some_and(|first| *first == prefix) {
            return;
        }
        match self.first {
            None => self.first = Some(prefix),
            Some(_) => self.more.push(prefix),
        }
    }

    fn any(&self, test: impl Fn(&str) -> bool) -> bool {
        test(self.default) || self.first.iter().chain(&self.more).any(|prefix| test(prefix))
    }
}

enum Named {
    Guild(GuildId),
    None,
    Odd,
}

/// The guild named after a key `guild_id`.
fn guild_id(after_key: &str) -> Named {
    let Some(value) = value(after_key) else { return Named::None };
    if value.starts_with("null") {
        return Named::None;
    }
    let digits = value.strip_prefix('"').and_then(|text| text.split_once('"'));
    match digits.and_then(|(digits, _)| digits.parse().ok()).filter(|id| *id > 0) {
        Some(id) => Named::Guild(GuildId::new(id)),
        None => Named::Odd,
    }
}

/// What follows the colon after a key; none when there is no colon.
fn value(after_key: &str) -> Option<&str> {
    Some(after_key.trim_ascii_start().strip_prefix(':')?.trim_ascii_start())
}

/// Whether a string whose JSON text, opening quote apart, is `text` may speak to the bot.
fn begins(text: &str, possible: &Possible<'_>, own: Option<UserId>) -> bool {
    let text = text.trim_start();
    match text.as_bytes().first() {
        Some(b'\\') | None => true, // an escape, white space perhaps
        Some(b'<') if may_mention(&text[1..], own) => true,
        Some(_) => possible.any(|prefix| may_begin_with(text, prefix)),
    }
}

/// Whether the string may begin with `prefix`, letters in either case.
fn may_begin_with(text: &str, prefix: &str) -> bool {
    let differs = text.bytes().zip(prefix.bytes()).find(|(have, want)| !have.eq_ignore_ascii_case(want));
    match differs {
        Some((have, _)) => have == b'\\', // an escape may stand for what is wanted
        None => !prefix.is_empty(),
    }
}

/// Whether a mention of the bot may follow a `<`.
fn may_mention(text: &str, own: Option<UserId>) -> bool {
    let Some(own) = own else { return true };
    let inner = match text.as_bytes().first() {
        Some(b'@') => &text[1..],
        Some(b'\\') | None => return true,
        Some(_) => return false,
    };
    let inner = inner.strip_prefix('!').unwrap_or(inner);
    match inner.bytes().take(MENTION_MAX).position(|byte| matches!(byte, b'>' | b'"' | b'\\')) {
        Some(at) if inner.as_bytes()[at] == b'>' => inner[..at].parse() == Ok(own.get()),
        Some(at) => inner.as_bytes()[at] == b'\\',
        None => true,
    }
}

#[cfg(test)]
mod tests;
