//! Whether a dispatch can have the sequence number that it has.

use super::Books;
use std::{
    collections::VecDeque,
    sync::{MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

/// A number may lie so far beyond the one before it as events come. Discord numbers the dispatches of a session one by one
/// and a connection keeps their order, so the next is one more; a frame that could not be read hides one. But Discord
/// documents no more of the number than that it is there to be given back, so that a small leap is taken.
const LEAP_MAX: u64 = 1_024;
/// Likewise while a RESUME is answered: what Discord has not kept, or does not send again (presences, who is typing), is
/// left out at once. That is some thousand events a second at most, for the minutes that a session is kept.
const REPLAY_LEAP_MAX: u64 = 1 << 20;
/// So many numbers that leap on from the end of a leap confirm it, as one does that is just one more.
const FOLLOWERS: usize = 3;
/// No more leaps are kept in mind: with the last ones of this connection those that a replay has not come to again.
const OPEN_MAX: usize = 16;
/// Nor more events that may come again under their own numbers.
const STRAYS_MAX: usize = 16;

/// How a number stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It can be: the next one, one that is sent again, or the last one twice.
    Fits,
    /// It is not above all before it, although nothing is sent again.
    Back,
    /// It leaves some out, and what came just before under a number that cannot be may have been one of those.
    Gap,
    /// It is too far beyond them to be true.
    TooFar,
}

/// What is not certain of the numbers that were taken.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Leaps that nothing has confirmed yet, in the order in which they were taken.
    leaps: VecDeque<Leap>,
    /// Whether the dispatch before had a number that cannot be: the one that it should have had is missing then.
    misnumbered: bool,
    /// Events that were handed over under numbers that were taken back. They may come again under those that are theirs, as
    /// long as anything from before may be sent again.
    strays: Vec<u64>,
}

/// A number that is more than one above the last one, and how the books stood before it.
#[derive(Debug)]
struct Leap {
    received: u64,
    accepted: u64,
    applied: u64,
    to: u64,
    /// Whether the process before had left `to` to be done.
    due: bool,
    /// The event that was handed over as number `to`, if one was.
    event: Option<u64>,
}

/// How numbers are judged. An honest stream rises, mostly by one, and what leaves some out (a frame that nobody could read,
/// numbers that are not for us) goes on from where it leapt to. A number that is false stands alone: the next one lies
/// before it again. So a leap is taken, and stays *open* until something above its end has come: one number that is just
/// one more, or, in a stream that leaves out many, three that leap on. While it is open a RESUME begins before it, and a
/// number from within it, or its end a second time, shows that it was false: the books are put back to what they were.
/// Three, since of two sources that both number wrongly one could seem to confirm the other; more would only make a
/// RESUME longer.
///
/// A dispatch under a number that cannot be is let alone. If the next one leaves some out, it was one of those, and a
/// RESUME asks for it; if it does not, nothing is missing.
///
/// What was handed over at the end of a false leap comes again under its own number. It is known then by its text, so that it
/// does not run twice. Numbers alone tell no more, and so there are limits:
///
/// - A process that ends while a leap is open leaves `accepted` beyond it, for what a true one led to must not be done again.
///   If it was false, what was sent within it until the RESUME of the next process is answered is lost, and what was handed over
///   at its end may run again; where nothing waited before it, Discord refuses that RESUME, and the session is gone.
/// - What was handed over at the end of a false leap and still waits when the process ends is left under that number: lost, or
///   in its place the event whose number it is runs again, or, where that one waits too, is lost with it.
/// - What was done, and comes again in a replay under a number beyond all others, is taken for new. So is what Discord words
///   anew when it sends it again under its own number.
impl Books {
    /// How `seq` stands to all before it; `replay`: while a RESUME is answered, where what came before may come again.
    /// The next number in a stream without doubts costs no lock: it is what nearly all are.
    pub(crate) fn step(&self, seq: u64, replay: bool) -> Step {
        if !self.is_in_doubt() && seq.checked_sub(self.received()) == Some(1) {
            return Step::Fits;
        }
        let mut doubts = self.doubts();
        let step = self.judge(seq, replay, &mut doubts);
        self.note_doubts(&doubts);
        step
    }

    fn judge(&self, seq: u64, replay: bool, doubts: &mut Doubts) -> Step {
        if self.take_back(seq, doubts) && !replay {
            return Step::Back;
        }
        let received = self.received();
        let misnumbered = std::mem::take(&mut doubts.misnumbered);
        match seq.checked_sub(received) {
            Some(1) => {
                doubts.leaps.retain(|leap| leap.to > received); // those that a replay has not come to are as open as before
                if !replay && doubts.leaps.is_empty() {
                    doubts.strays.clear(); // nothing from before is sent again
                }
                Step::Fits
            }
            None if !replay => Step::Back,
            None => Step::Fits,
            Some(0) => {
                doubts.misnumbered = !replay;
                Step::Fits
            }
            Some(_) if doubts.leaps.iter().any(|leap| leap.to == seq) => Step::Fits, // sent again
            Some(leaps) if leaps > if replay { REPLAY_LEAP_MAX } else { LEAP_MAX } => {
                doubts.misnumbered = !replay;
                Step::TooFar
            }
            Some(_) if misnumbered && !replay => Step::Gap,
            Some(_) => {
                doubts.confirm(received);
                // When nothing is sent again, what lies above the last that came is no more than said to be done.
                let most = if replay { u64::MAX } else { received };
                let (accepted, applied) = (self.accepted().min(most), self.applied.load(Relaxed).min(most));
                let due = self.due().contains(&seq);
                doubts.leaps.push_back(Leap { received, accepted, applied, to: seq, due, event: None });
                Step::Fits
            }
        }
    }

    /// Takes back what `seq` shows to be false, and all that was built on it. Returns whether there was any.
    fn take_back(&self, seq: u64, doubts: &mut Doubts) -> bool {
        let received = self.received();
        let (mut gone, mut kept) = (Vec::<Leap>::new(), VecDeque::new());
        let mut from = None;
        for leap in doubts.leaps.drain(..) {
            let refuted = leap.is_refuted_by(seq, received);
            if refuted {
                from = Some(from.map_or(leap.received, |from: u64| from.min(leap.received)));
            }
            match refuted || gone.iter().any(|before| leap.received >= before.to) {
                true => gone.push(leap),
                false => kept.push_back(leap),
            }
        }
        doubts.leaps = kept;
        let Some(from) = from else { return false };
        self.received.store(from, Relaxed);
        for leap in &gone {
            self.accepted.fetch_min(leap.accepted, Relaxed);
            self.applied.fetch_min(leap.applied, Relaxed);
        }
        self.due().extend(gone.iter().filter(|leap| leap.due).map(|leap| leap.to));
        doubts.strays.extend(gone.iter().filter_map(|leap| leap.event));
        let many = doubts.strays.len().saturating_sub(STRAYS_MAX);
        doubts.strays.drain(..many);
        true
    }

    /// A RESUME is answered over a new connection: its numbers begin where it was asked to.
    pub(crate) fn rewind(&self) {
        let mut doubts = self.doubts();
        doubts.misnumbered = false;
        self.note_doubts(&doubts);
        drop(doubts);
        self.received.store(self.resume_after(), Relaxed);
    }

    /// Whether something is not certain of the numbers that were taken. Only then it is asked which event has come.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Relaxed)
    }

    /// Notes that `event` has been handed over as number `seq`, in case that number is taken back.
    pub(crate) fn sign(&self, seq: u64, event: u64) {
        for leap in self.doubts().leaps.iter_mut().filter(|leap| leap.to == seq) {
            leap.event = Some(event);
        }
    }

    /// Whether `event` has been handed over already, under a number that was taken back. Asked once: the next is another.
    pub(crate) fn is_stray(&self, event: u64) -> bool {
        let mut doubts = self.doubts();
        let found = doubts.strays.iter().position(|stray| *stray == event);
        if let Some(at) = found {
            doubts.strays.swap_remove(at);
            self.note_doubts(&doubts);
        }
        found.is_some()
    }

    /// `accepted`, or where the first leap begins that nothing has confirmed: what lies behind it may be missing.
    pub(super) fn before_leap(&self, accepted: u64) -> u64 {
        self.doubts().leaps.iter().map(|leap| leap.received).fold(accepted, u64::min)
    }

    fn note_doubts(&self, doubts: &Doubts) {
        let Doubts { leaps, misnumbered, strays } = doubts;
        self.in_doubt.store(*misnumbered || !leaps.is_empty() || !strays.is_empty(), Relaxed);
    }

    fn doubts(&self) -> MutexGuard<'_, Doubts> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doubts {
    /// Another leap begins at `received`: of those that led there only the last ones stay open.
    fn confirm(&mut self, received: u64) {
        let passed = self.leaps.iter().filter(|leap| leap.to <= received).count();
        let first = self.leaps.iter().position(|leap| leap.to <= received).filter(|_| passed >= FOLLOWERS);
        if let Some(first) = first.or((self.leaps.len() >= OPEN_MAX).then_some(0)) {
            self.leaps.remove(first);
        }
    }
}

impl Leap {
    /// Whether `seq`, which comes after `received`, shows that it was none.
    fn is_refuted_by(&self, seq: u64, received: u64) -> bool {
        self.received < seq && (seq < self.to || seq == self.to && received >= self.to)
    }
}

#[cfg(test)]
mod tests;
