//! A supervisor's side of the record: what it takes down of each event, without waiting for anything.

use super::{
    format::{Change, News, Times, Written},
    kept::{GaveUp, millis},
    queue::{Item, Recorder, Taken},
    wall_ms,
};
use crate::{
    core::{
        Event, Rule, State, Time,
        carried::{Carried, FATAL_AGAIN},
    },
    exit::Exit,
    journal::Entry,
    path::ActorPath,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Restarts against a supervisor's own intensity that outlive the process, the newest ones.
const OWN_KEPT: usize = 1_024;

/// One life of a supervisor, written down.
pub(crate) struct Tape {
    recorder: Recorder,
    sup: u64,
    path: ActorPath,
    incarnation: u64,
    /// The segment that its state stands in.
    generation: Option<u64>,
    gap: bool,
    /// What the record says is carried over of its children.
    told: HashMap<String, Carried>,
    own: VecDeque<Time>,
}

/// What is taken down before an event is decided.
pub(crate) struct Before {
    event: Event,
    /// The state, where it does not stand in this segment yet.
    state: Option<State>,
    generation: u64,
}

/// What is taken down after it.
pub(crate) struct Seen<'d> {
    /// Positions of children that changed.
    pub(crate) changed: &'d [usize],
    /// Children that were forgotten.
    pub(crate) gone: &'d [String],
    /// The decisions.
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) now: Time,
}

/// The tree's time and the wall clock's, read together.
#[derive(Clone, Copy)]
struct Clocks {
    now: Time,
    wall: u64,
}

impl Clocks {
    fn wall(self, at: Time) -> u64 {
        match at.checked_sub(self.now) {
            Some(ahead) => self.wall.saturating_add(millis(ahead)),
            None => self.wall.saturating_sub(millis(self.now - at)),
        }
    }
}

impl Tape {
    pub(crate) fn new(recorder: Recorder, path: ActorPath, incarnation: u64) -> Self {
        let sup = recorder.shared.number();
        Self {
            recorder,
            sup,
            path,
            incarnation,
            generation: None,
            gap: false,
            told: HashMap::new(),
            own: VecDeque::new(),
        }
    }

    /// None when this event is not recorded, for want of room. Only the whole state closes that gap.
    pub(crate) fn before(&mut self, state: &State, event: &Event) -> Option<Before> {
        let Some(generation) = self.recorder.shared.generation() else {
            self.gap |= self.generation.take().is_some();
            return None;
        };
        let state = (self.generation != Some(generation)).then(|| state.clone());
        Some(Before { event: event.clone(), state, generation })
    }

    pub(crate) fn after(&mut self, before: Before, state: &State, seen: Seen<'_>) {
        let clocks = Clocks { now: seen.now, wall: wall_ms(SystemTime::now()) };
        let free = self.gap || self.incarnation == 1 || self.generation.is_some();
        self.gap = false;
        let written = before.state.map(|before| self.write(before, free, clocks));
        let (change, matters) = self.change(&before.event, state, &seen, clocks);
        let step = Item::Step(Box::new(Taken {
            sup: self.sup,
            path: self.path.clone(),
            at: seen.now,
            wall: clocks.wall,
            event: before.event,
            entries: seen.entries,
            change,
            matters,
        }));
        self.recorder.shared.put(written.into_iter().chain([step]));
        self.generation = Some(before.generation);
    }

    /// The state as it was before the event.
    fn write(&mut self, state: State, free: bool, clocks: Clocks) -> Item {
        if !state.is_stopping() {
            let children = state.children.iter().map(|child| (child.id().to_owned(), Carried::of(child)));
            let waiting = state.carried.iter().map(|(id, carried)| (id.clone(), carried.clone()));
            self.told = children.chain(waiting).filter(|(_, carried)| !carried.is_plain()).collect();
        } else {
            for child in state.children.iter() {
                let told = self.told.get(child.id());
                let (parked, tries) = told.map_or((None, 0), |told| (told.parked.clone(), told.tries));
                let carried = Carried { parked, tries, ..Carried::of(child) };
                if !carried.is_plain() {
                    self.told.insert(child.id().to_owned(), carried);
                }
            }
        }
        self.own = newest(&state.restarts);
        let mut kept: Vec<_> =
            self.told.iter().map(|(id, it)| (id.clone(), it.clone().map(|at| clocks.wall(at)))).collect();
        kept.sort_by(|(one, _), (other, _)| one.cmp(other));
        let own = self.own.iter().map(|at| clocks.wall(*at)).collect();
        let (path, incarnation) = (self.path.clone(), self.incarnation);
        Item::State { written: Box::new(Written { sup: self.sup, path, incarnation, kept, own, state }), free }
    }

    /// What of all that is carried over this step has changed, and whether it is more than the time of a child's last
    /// change.
    fn change(&mut self, event: &Event, state: &State, seen: &Seen<'_>, clocks: Clocks) -> (Change, bool) {
        let (mut change, mut matters) = (Change::default(), false);
        for at in seen.changed {
            let child = &state.children[*at];
            let told = self.told.get(child.id());
            let mut carried = Carried::of(child);
            if state.is_stopping() || state.draining || child.draining {
                // On the way down nobody stays parked; that is no news for the next process, which hears of an end in
                // order from its last record.
                carried.parked = told.and_then(|told| told.parked.clone());
                carried.tries = told.map_or(0, |told| told.tries);
            }
            if carried.is_plain() {
                if let Some((id, _)) = self.told.remove_entry(child.id()) {
                    change.kept.push((id, None));
                    matters = true;
                }
            } else if told != Some(&carried) {
                matters |= told.is_none_or(|told| Carried { since: carried.since, ..told.clone() } != carried);
                let id = child.id().to_owned();
                let known = self.told.get(&id).map_or(&[][..], |told| &told.restarts);
                let (past, new) = went_on(known, &carried.restarts);
                let news =
                    Carried { restarts: carried.restarts[new..].to_vec(), parked: carried.parked.clone(), ..carried };
                change.kept.push((id.clone(), Some(News { past, carried: news.map(|at| clocks.wall(at)) })));
                self.told.insert(id, carried);
            }
        }
        for id in seen.gone {
            let waits = state.carried.contains_key(id); // its start failed: what it had stays for the next one
            if !state.is_stopping() && !waits && self.told.remove(id).is_some() {
                change.kept.push((id.clone(), None));
                matters = true;
            }
        }
        let unseen = state.restarts.len().saturating_sub(OWN_KEPT);
        if !state.restarts.range(unseen..).eq(&self.own) {
            let own = newest(&state.restarts);
            let (past, new) = went_on(self.own.make_contiguous(), Vec::from(own.clone()).as_slice());
            change.own = Some(Times { past, new: own.range(new..).map(|at| clocks.wall(*at)).collect() });
            self.own = own;
        }
        if self.path.is_root() {
            change.gave_up = gave_up(event, state, seen, clocks);
        }
        matters |= change.own.is_some() || change.gave_up.is_some();
        (change, matters)
    }
}

/// How `known` times became those that are there `now`, where old ones go at the front and new ones come at the end: how
/// many went, and where the new ones begin.
fn went_on(known: &[Time], now: &[Time]) -> (usize, usize) {
    let past = now.first().map_or(known.len(), |first| known.partition_point(|at| at < first));
    match now.starts_with(&known[past..]) {
        true => (past, known.len() - past),
        false => (known.len(), 0),
    }
}

fn newest(restarts: &VecDeque<Time>) -> VecDeque<Time> {
    restarts.iter().skip(restarts.len().saturating_sub(OWN_KEPT)).copied().collect()
}

/// The root gave up, and the budget that it gave up over has no room for another failure until it says. Giving up for
/// another reason leaves room: each time counts as a failure until there is none.
fn gave_up(event: &Event, state: &State, seen: &Seen<'_>, clocks: Clocks) -> Option<GaveUp> {
    let escalated =
        |entry: &&Arc<Entry>| entry.path.is_root() && matches!(entry.decision.rule, Rule::Escalate | Rule::Overrun);
    let decision = &seen.entries.iter().find(escalated)?.decision;
    let fatal = decision.cause.as_ref().is_some_and(Exit::is_fatal);
    let budget = decision.budget.filter(|budget| fatal || budget.used >= budget.allowed)?;
    let child = match event {
        Event::Exited { id, .. } | Event::Elapsed { id, .. } => id.clone(),
        _ => String::new(),
    };
    // One whose budget ends with the process keeps no process from being started. One without a budget spends the root's
    // intensity, and that outlives the process.
    if state.child(&child).is_some_and(|it| !it.policy.carry && (fatal || it.policy.budget.is_some())) {
        return None;
    }
    let own = state.child(&child).filter(|child| child.policy.budget.is_some());
    // Under a budget that was made smaller more are remembered than it allows: room comes when so many have left.
    let restarts = own.map_or(&state.restarts, |child| &child.restarts);
    let at = restarts.len().saturating_sub((budget.allowed as usize).max(1));
    let oldest = restarts.get(at).copied().unwrap_or(seen.now);
    let said = match decision.why() {
        Some(why) => format!("{}: {why}", decision.text),
        None => decision.text.clone(),
    };
    // A restart exactly as old as the window still counts. What said that a restart cannot help is left alone for as long
    // as a parked child that said so.
    let full = (budget.used >= budget.allowed).then(|| oldest + budget.window + Duration::from_millis(1));
    let hold = fatal.then(|| seen.now + FATAL_AGAIN);
    let until = clocks.wall(full.max(hold)?);
    let longest = if fatal { budget.window.max(FATAL_AGAIN) } else { budget.window };
    let shared = !fatal && own.is_none();
    Some(GaveUp { child, said, until, window: millis(longest).saturating_add(1), shared })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_times_is_told_by_what_went_and_what_came() {
        let times = |at: &[u64]| at.iter().copied().map(Duration::from_secs).collect::<Vec<_>>();
        for (known, now, expected) in [
            (&[][..], &[5][..], (0, 0)),
            (&[1, 2, 3], &[1, 2, 3, 4], (0, 3)),
            (&[1, 2, 3], &[3, 9], (2, 1)),
            (&[1, 2, 3], &[7], (3, 0)),
            (&[1, 2, 3], &[], (3, 0)),
            (&[5, 5, 9], &[5, 9, 12], (3, 0)),
            (&[3, 1], &[2, 2], (2, 0)),
        ] {
            let (past, new) = went_on(&times(known), &times(now));
            assert_eq!((past, new), expected, "{known:?} became {now:?}");
            let told = Times { past, new: now[new..].to_vec() };
            assert_eq!(told.follow(known), now, "{known:?}");
        }
    }
}
