//! One member in 64 bytes, a line of the processor's cache: what moderation asks of a member, and what a log calls it.
//!
//! Four roles and 21 bytes of names fit in; more of either is an allocation of its own.

use super::Told;
use chrono::{DateTime, Utc};
use protocol::{
    cache::CachedMember,
    id::{RoleId, UserId},
};
use serenity::model::guild::GuildMemberFlags;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// 2015-01-01, before which nobody joined anything: times are seconds since then.
const EPOCH: i64 = 1_420_070_400;
/// Names that are longer, in bytes, are not kept; Discord's limit is 32 characters.
const NAME_MAX: usize = 255;
const SHORT: usize = 21;
const BOT: u8 = 1;
const PENDING: u8 = 2;
const FLAGS: u8 = 4;

/// A member of the guild whose block it names.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) user: UserId,
    roles: Roles,
    names: Names,
    /// Which block of the table.
    pub(super) block: u32,
    /// 0: not known.
    joined: u32,
    /// The end of a timeout; 0: none.
    timeout: u32,
    flags: u16,
    marks: u8,
    /// Whether somebody has read it since the hand of the clock came by.
    used: AtomicBool,
}

const _: () = assert!(size_of::<Option<Row>>() == 64);

/// Roles as places in the block's list, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roles {
    /// As many as are not 0.
    Few([u16; 4]),
    Many(Box<[u16]>),
}

impl Roles {
    pub(super) fn of(places: &[u16]) -> Self {
        let mut few = [0; 4];
        match few.get_mut(..places.len()) {
            Some(room) => {
                room.copy_from_slice(places);
                Self::Few(few)
            }
            None => Self::Many(places.into()),
        }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let all: &[u16] = match self {
            Self::Few(few) => few,
            Self::Many(many) => many,
        };
        all.iter().filter(|place| **place != 0).map(|place| usize::from(*place) - 1)
    }
}

/// The user's name and, behind it, the nickname; `name` is the length of the first.
#[derive(Debug)]
enum Names {
    Short { name: u8, all: u8, bytes: [u8; SHORT] },
    Long { name: u8, text: Box<str> },
}

impl Names {
    /// None when a name is longer than any can be.
    fn of(name: &str, nick: Option<&str>) -> Option<Self> {
        let nick = nick.unwrap_or("");
        let (at, behind) = (u8::try_from(name.len()).ok()?, u8::try_from(nick.len()).ok()?);
        let mut bytes = [0; SHORT];
        Some(match at.checked_add(behind) {
            Some(all) if usize::from(all) <= SHORT => {
                bytes[..name.len()].copy_from_slice(name.as_bytes());
                bytes[name.len()..usize::from(all)].copy_from_slice(nick.as_bytes());
                Self::Short { name: at, all, bytes }
            }
            _ => Self::Long { name: at, text: [name, nick].concat().into() },
        })
    }

    /// Name and nickname.
    fn split(&self) -> (&str, Option<&str>) {
        let (name, text) = match self {
            // It was made from two strings, cut where one ends.
            Self::Short { name, all, bytes } => (*name, std::str::from_utf8(&bytes[..usize::from(*all)]).unwrap_or("")),
            Self::Long { name, text } => (*name, &**text),
        };
        let (name, nick) = text.split_at_checked(usize::from(name)).unwrap_or((text, ""));
        (name, (!nick.is_empty()).then_some(nick))
    }
}

impl Row {
    /// A member that was not known. None when it cannot be kept.
    pub(super) fn new(block: u32, told: &Told<'_>, roles: Roles) -> Option<Self> {
        let mut row = Self {
            user: told.user,
            roles,
            names: Names::of(told.name, told.nick.flatten())?,
            block,
            joined: 0,
            timeout: 0,
            flags: 0,
            marks: 0,
            used: AtomicBool::new(false),
        };
        row.note(told);
        Some(row)
    }

    /// Takes what is told of a known member; what is not told stays. False when it cannot be kept.
    #[must_use]
    pub(super) fn update(&mut self, told: &Told<'_>, roles: Roles) -> bool {
        let (name, known) = self.names.split();
        let nick = told.nick.unwrap_or(known);
        if (name, known) != (told.name, nick) {
            let Some(names) = Names::of(told.name, nick) else { return false };
            self.names = names;
        }
        self.roles = roles;
        self.note(told);
        true
    }

    fn note(&mut self, told: &Told<'_>) {
        self.joined = told.joined_at.map_or(self.joined, |at| seconds(at.timestamp()));
        if let Some(until) = told.timeout_until {
            // Never earlier than it is.
            let end = |at: DateTime<Utc>| at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0);
            self.timeout = until.map_or(0, |at| seconds(end(at)));
        }
        self.mark(BOT, Some(told.bot));
        self.mark(PENDING, told.pending);
        self.mark(FLAGS, told.flags.map(|_| true));
        self.flags = told.flags.unwrap_or(self.flags);
    }

    fn mark(&mut self, mark: u8, set: Option<bool>) {
        if let Some(set) = set {
            self.marks = (self.marks & !mark) | (u8::from(set) * mark);
        }
    }

    fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    pub(super) fn is(&self, block: u32, user: UserId) -> bool {
        self.user == user && self.block == block
    }

    /// As readers see it; `held` are the roles of its block, without those that are gone.
    pub(super) fn read(&self, held: &[Option<RoleId>]) -> CachedMember {
        let (name, nick) = self.names.split();
        CachedMember {
            user: self.user,
            name: name.into(),
            nick: nick.map(Into::into),
            bot: self.has(BOT),
            roles: self.roles.places().filter_map(|place| held.get(place).copied().flatten()).collect(),
            joined_at: moment(self.joined),
            timeout_until: moment(self.timeout),
            pending: self.has(PENDING),
            flags: self.has(FLAGS).then(|| GuildMemberFlags::from_bits_retain(u32::from(self.flags))),
        }
    }

    /// It is of use to somebody.
    pub(super) fn touch(&self) {
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed); // written only when it changes: readers share the line
        }
    }

    /// Whether it was of use since the last call.
    pub(super) fn was_used(&mut self) -> bool {
        std::mem::take(self.used.get_mut())
    }
}

fn seconds(timestamp: i64) -> u32 {
    u32::try_from((timestamp - EPOCH).max(1)).unwrap_or(u32::MAX)
}

fn moment(seconds: u32) -> Option<DateTime<Utc>> {
    (seconds != 0).then(|| DateTime::from_timestamp(EPOCH + i64::from(seconds), 0)).flatten()
}

const _: () = assert!(NAME_MAX == u8::MAX as usize);
