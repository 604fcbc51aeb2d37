//! Crash records: what is known of an incarnation at the moment it failed, kept for whoever asks later.
//!
//! A record is frozen where the failure is noted, before anything is cleaned up: the message in hand, the ones before,
//! the panic's frames, the actor's last log lines, how full its mailbox was. The rule that followed is added when the
//! supervisor has decided.

use crate::{
    core::{Decision, Rule},
    exit::Exit,
    journal::Observer,
    mailbox::Mailbox,
    message::Fingerprint,
    panics::{self, Frames, guarded_sync},
    path::ActorPath,
    pulse::{Pulse, SHOWN_MAX},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

/// Messages that a record tells of, the one in hand included.
pub const MESSAGES_KEPT: usize = 16;
/// Records kept of one path; the oldest are forgotten.
pub const CRASHES_PER_PATH: usize = 8;
/// Records kept of all paths together.
pub const CRASHES_MAX: usize = 256;
/// Log lines in one record.
pub const CRASH_LOG_LINES: usize = 20;
/// Longest text in a record (an exit's message, a log line), in bytes; a message is shown by four times as much.
pub const CRASH_TEXT_MAX: usize = 4_096;

/// A message whose handler began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// Its name.
    pub name: &'static str,
    /// Its size in bytes, where it knows it.
    pub size: Option<usize>,
    /// What tells it from others, where it has one.
    pub fingerprint: Option<Fingerprint>,
    /// How long before the failure its handler began.
    pub ago: Duration,
}

/// The message whose handler was running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InHand {
    /// The message.
    pub message: Handled,
    /// How it is shown, without secrets and bounded; only of a message with a fingerprint.
    pub shown: Option<String>,
}

/// What the supervisor decided about the failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The decision's number in the journal.
    pub seq: u64,
    /// The rule that fired.
    pub rule: Rule,
    /// The decision as a sentence.
    pub text: String,
}

/// One failure of one incarnation.
#[derive(Debug)]
pub struct Crash {
    /// Its number in this tree, from 1.
    pub number: u64,
    /// When, by the wall clock.
    pub wall: SystemTime,
    /// Whose.
    pub path: ActorPath,
    /// Which incarnation.
    pub incarnation: u64,
    /// What it ended with, without secrets.
    pub exit: Exit,
    /// How long it had existed.
    pub uptime: Duration,
    /// The message in hand; none when it failed between messages, while starting, or in a task of its own.
    pub in_hand: Option<InHand>,
    /// The last messages, the oldest first.
    pub messages: Vec<Handled>,
    /// Messages in its mailbox, the one in hand included.
    pub depth: usize,
    /// Messages its mailbox admits.
    pub capacity: usize,
    /// Its last log lines, the oldest first.
    pub log: Vec<String>,
    /// It says only which message was in hand, for who counts what is poison: nobody wants to look at it.
    bare: bool,
    frames: Option<Frames>,
    backtrace: OnceLock<Vec<String>>,
    followed: OnceLock<Followed>,
}

impl Crash {
    /// What was decided about it; none until that has happened.
    pub fn followed(&self) -> Option<&Followed> {
        self.followed.get()
    }

    /// The frames of the panic between the handler and the place where it panicked, innermost first, one line each. Empty
    /// for a failure that is no panic. The first call looks the names up, which reads the program's debug information:
    /// not for a thread that others wait for.
    pub fn backtrace(&self) -> &[String] {
        self.backtrace.get_or_init(|| self.frames.as_ref().map(Frames::lines).unwrap_or_default())
    }
}

/// The records of one tree.
pub(crate) struct Crashes {
    observer: Arc<dyn Observer>,
    kept: Mutex<(u64, VecDeque<Arc<Crash>>)>,
}

impl Crashes {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { observer, kept: Mutex::new((0, VecDeque::new())) }
    }

    /// Freezes what is known of the incarnation whose `pulse` and `mailbox` these are, which fails with `exit`. Called
    /// where it fails: a panic's frames are still this thread's.
    pub(crate) fn freeze(&self, mailbox: &Mailbox, pulse: &Pulse, incarnation: u64, exit: &Exit) {
        let path = mailbox.path();
        let frames = match exit {
            Exit::Panic { location, .. } => panics::take_frames(location.as_deref()),
            _ => None,
        };
        let bare = !mailbox.leaves_records();
        let shown = |bytes: &[u8]| self.clean(&String::from_utf8_lossy(bytes), SHOWN_MAX);
        let in_hand = pulse.in_hand().map(|(label, ago)| InHand {
            message: Handled { name: label.name, size: label.size, fingerprint: label.fingerprint, ago },
            shown: label.shown.filter(|_| !bare).map(|bytes| shown(&bytes)),
        });
        if bare && in_hand.as_ref().is_none_or(|hand| hand.message.fingerprint.is_none()) {
            return; // of no use to anybody
        }
        // Built before the lock is taken: the observer is foreign code.
        let mut crash = Crash {
            number: 0,
            wall: SystemTime::now(),
            path: path.clone(),
            incarnation,
            exit: self.cleaned(exit),
            uptime: pulse.age(),
            in_hand,
            messages: if bare { Vec::new() } else { pulse.messages() },
            depth: mailbox.depth(),
            capacity: mailbox.capacity(),
            log: if bare { Vec::new() } else { self.tail(path) },
            bare,
            frames: frames.filter(|_| !bare),
            backtrace: OnceLock::new(),
            followed: OnceLock::new(),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !bare {
            kept.0 += 1;
            crash.number = kept.0;
        }
        let of_path = kept.1.iter().filter(|kept| kept.path == *path).count();
        let surplus = match (of_path >= CRASHES_PER_PATH, kept.1.len() >= CRASHES_MAX) {
            (true, _) => kept.1.iter().position(|kept| kept.path == *path),
            (false, true) => Some(0),
            (false, false) => None,
        };
        surplus.map(|at| kept.1.remove(at));
        kept.1.push_back(Arc::new(crash));
    }

    /// The supervisor has decided about the end of the incarnation: the first decision counts.
    pub(crate) fn follow(&self, path: &ActorPath, incarnation: u64, seq: u64, decision: &Decision) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = |crash: &&Arc<Crash>| crash.incarnation == incarnation && crash.path == *path;
        if let Some(crash) = kept.1.iter().rev().find(meant) {
            let followed = Followed { seq, rule: decision.rule, text: decision.text.clone() };
            crash.followed.get_or_init(|| followed);
        }
    }

    /// The records of `path` that somebody may look at, the oldest first.
    pub(crate) fn to_show(&self, path: &ActorPath) -> Vec<Arc<Crash>> {
        self.of(path).into_iter().filter(|crash| !crash.bare).collect()
    }

    /// The records of `path`, the oldest first.
    pub(crate) fn of(&self, path: &ActorPath) -> Vec<Arc<Crash>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().filter(|crash| crash.path == *path).cloned().collect()
    }

    /// The newest record of the incarnation.
    pub(crate) fn last(&self, path: &ActorPath, incarnation: u64) -> Option<Arc<Crash>> {
        self.of(path).into_iter().rev().find(|crash| crash.incarnation == incarnation)
    }

    fn tail(&self, path: &ActorPath) -> Vec<String> {
        // Foreign code where an actor fails: its panic must not hide the first one.
        let lines = guarded_sync(|| self.observer.log_tail(path)).unwrap_or_default();
        let skip = lines.len().saturating_sub(CRASH_LOG_LINES);
        lines.iter().skip(skip).map(|line| cut(line, CRASH_TEXT_MAX)).collect()
    }

    /// `text` without secrets, bounded.
    fn clean(&self, text: &str, max: usize) -> String {
        match guarded_sync(|| self.observer.redact(text)) {
            Ok(clean) => cut(&clean, max),
            Err(_) => "(could not be cleaned of secrets)".to_owned(),
        }
    }

    fn cleaned(&self, exit: &Exit) -> Exit {
        let mut exit = exit.clone();
        exit.with_text(&|text| *text = self.clean(text, CRASH_TEXT_MAX));
        exit
    }

    /// `exit` without secrets, as long as an exit may be: what is decided by, remembered and written down.
    pub(crate) fn kept(&self, exit: Exit) -> Exit {
        let mut exit = exit.bounded();
        exit.with_text(&|text| *text = self.clean(text, usize::MAX));
        exit
    }
}

fn cut(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max.min(text.len()))].to_owned()
}
