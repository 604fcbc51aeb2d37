use super::*;
use crate::keeper::Keeper;
use protocol::{Held, ShardId};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;

fn point() -> ResumePoint {
    ResumePoint { session_id: "s".into(), url: "wss://r".into() }
}

/// What one process writes down and the next one reads.
fn passed_on(books: &Books) -> SavedSession {
    let Left { seq, accepted, applied, waiting, .. } = books.left();
    let (session_id, resume_url) = (books.point.session_id.clone(), books.point.url.clone());
    let saved = SavedSession {
        shard: ShardId(0),
        total: 1,
        session_id,
        resume_url,
        seq,
        accepted,
        waiting,
        applied,
        intents: 0,
        since: None,
    };
    serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap()
}

#[test]
fn the_next_process_is_sent_what_has_not_begun_and_what_is_new() {
    let books = Books::begin(point(), 1);
    let held: Vec<Held> = (2..=6).map(|seq| books.backlog().hold(seq)).collect();
    (2..=6).for_each(|seq| books.accept(seq));
    assert_eq!(books.resume_after(), 6, "within a process the sink has them");
    assert!(held[0].begin() && held[2].begin() && held[4].begin());
    assert_eq!(books.seal().running, 3);
    let saved = passed_on(&books);
    assert_eq!((saved.seq, saved.accepted, saved.waiting.as_slice()), (2, 6, &[3, 5][..]));

    let next = Books::restored(&saved);
    assert_eq!((next.resume_after(), next.received(), next.accepted()), (2, 2, 6));
    let wanted: Vec<u64> = (2..=8).filter(|seq| !next.is_done(*seq)).collect();
    assert_eq!(wanted, [3, 5, 7, 8], "what had begun is not done twice");
    assert!((3..=6).all(|seq| !next.apply(seq)) && next.apply(7), "the cache has seen them");
    next.accept(3);
    assert_eq!((next.resume_after(), next.is_done(3)), (4, true), "a cut in the middle of it resumes before the next");
    next.accept(5);
    assert_eq!((next.resume_after(), next.give_up_due()), (6, 0));
}

#[test]
fn what_was_never_handed_over_is_new_to_the_next_process() {
    let books = Books::begin(point(), 1);
    let _full = books.backlog().hold(2); // waits for room, and is not accepted
    books.seal();
    let saved = passed_on(&books);
    assert_eq!((saved.seq, saved.accepted, saved.waiting.len()), (1, 1, 0));
    assert!(!Books::restored(&saved).is_done(2));
}

#[test]
fn what_does_not_come_again_is_counted_as_lost() {
    let books = Books::begin(point(), 1);
    let _held: Vec<Held> = [2, 3].map(|seq| books.backlog().hold(seq)).into();
    (2..=4).for_each(|seq| books.accept(seq));
    books.seal();
    let saved = passed_on(&books);
    let next = Books::restored(&saved);
    next.accept(3);
    assert_eq!(next.give_up_due(), 1);
    assert_eq!((next.resume_after(), next.is_done(2)), (4, true), "nobody waits for it any more");
    let keeper = Keeper::new(ShardId(0), 1);
    assert!(keeper.restore(&saved));
    assert_eq!(keeper.forget().lost, 2, "Discord has forgotten the session");
    assert_eq!(keeper.status().counts.lost, 2);
}

#[test]
fn a_resume_reaches_back_so_far_and_the_older_are_counted_as_lost() {
    let books = Books::begin(point(), 0);
    let last = REACH_MAX + 10;
    let held: Vec<Held> = (1..=last).map(|seq| books.backlog().hold(seq)).collect();
    (1..=last).for_each(|seq| books.accept(seq));
    books.seal();
    let left = books.left();
    assert_eq!((left.seq, left.waiting.len() as u64, left.accepted, left.lost), (10, REACH_MAX, last, 10));
    drop(held);

    let books = Books::begin(point(), 0);
    let old = books.backlog().hold(1);
    (1..=last).for_each(|seq| books.accept(seq));
    books.seal();
    let left = books.left();
    assert_eq!((left.seq, left.waiting.len(), left.lost), (last, 0, 1), "one old event does not drag all back");
    drop(old);
}

/// Books that have received and accepted up to `seq`.
fn at(seq: u64) -> Books {
    Books::begin(point(), seq)
}

fn take(books: &Books, seq: u64) {
    books.receive(seq);
    books.accept(seq);
}

#[test]
fn a_number_far_beyond_all_others_is_not_believed() {
    let books = at(10);
    assert_eq!(books.step(11, false), Step::Fits);
    assert_eq!(books.step(10 + 1_024, false), Step::Fits, "Discord does not promise that none is left out");
    assert_eq!(books.step(10 + 1_025, false), Step::TooFar);
    assert_eq!(books.step(10 + 1_025, true), Step::Fits, "a replay leaves out more");
    assert_eq!(books.step(u64::MAX, true), Step::TooFar);
    assert_eq!(books.received(), 10, "asking books nothing");
}

#[test]
fn a_number_that_came_before_is_a_fault_unless_a_resume_is_answered() {
    let books = at(10);
    for seq in [1, 9] {
        assert_eq!((books.step(seq, false), books.step(seq, true)), (Step::Back, Step::Fits), "{seq}");
    }
    assert_eq!((books.step(10, false), books.step(10, true)), (Step::Fits, Step::Fits), "the last one twice");
}

#[test]
fn a_false_leap_is_taken_back_and_a_true_one_is_not_asked_for_again() {
    let false_one = at(10);
    assert_eq!(false_one.step(500, false), Step::Fits);
    take(&false_one, 500);
    assert_eq!(false_one.resume_after(), 10, "nothing has confirmed it yet");
    assert_eq!(false_one.step(11, false), Step::Back);
    assert_eq!((false_one.received(), false_one.accepted(), false_one.resume_after()), (10, 10, 10));
    assert!(!false_one.is_done(11) && !false_one.is_done(500), "both may still come");

    let true_one = at(10);
    assert_eq!(true_one.step(500, false), Step::Fits);
    take(&true_one, 500);
    assert!(true_one.is_done(500), "sent again it is not done again");
    assert_eq!(true_one.step(501, false), Step::Fits);
    take(&true_one, 501);
    assert_eq!(true_one.resume_after(), 501);
    assert_eq!((true_one.step(11, false), true_one.accepted()), (Step::Back, 501));
}

/// Every fifth event concerns nobody.
fn concerns(seq: u64) -> bool {
    !seq.is_multiple_of(5)
}

/// Discord, the connection and the sink, driven by chance through cuts and processes.
struct World {
    rng: StdRng,
    sent: u64,
    /// The last event that came over this connection.
    cursor: u64,
    books: Books,
    waiting: Vec<(u64, Held)>,
    running: Vec<Held>,
    /// How often each event has begun, over all processes.
    begun: BTreeMap<u64, u32>,
    /// Where the replay ends, while it lasts.
    replay: Option<u64>,
    lost: usize,
    handed_on: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            sent: 1,
            cursor: 1,
            books: Books::begin(point(), 1),
            waiting: Vec::new(),
            running: Vec::new(),
            begun: BTreeMap::new(),
            replay: None,
            lost: 0,
            handed_on: 0,
        }
    }

    fn receive(&mut self) {
        if self.cursor < self.sent {
            self.cursor += 1;
            let seq = self.cursor;
            self.books.receive(seq);
            // Some find the sink full just when the connection goes.
            let full = self.rng.random_ratio(1, 20);
            if !self.books.is_done(seq) {
                if concerns(seq) {
                    self.waiting.push((seq, self.books.backlog().hold(seq)));
                }
                match full && concerns(seq) {
                    true => return self.restart(),
                    false => self.books.accept(seq),
                }
            }
        }
        if self.replay.is_some_and(|end| self.cursor >= end) {
            self.replay = None;
            self.lost += self.books.give_up_due();
        }
    }

    fn begin(&mut self) {
        if !self.waiting.is_empty() {
            let at = self.rng.random_range(0..self.waiting.len());
            let (seq, held) = self.waiting.swap_remove(at);
            assert!(held.begin());
            *self.begun.entry(seq).or_default() += 1;
            self.running.push(held);
        }
    }

    fn cut(&mut self) {
        self.cursor = self.books.resume_after();
        self.replay = Some(self.sent);
    }

    fn restart(&mut self) {
        let left = self.books.seal();
        assert_eq!(left.running, self.running.len());
        assert!(self.waiting.iter().all(|(_, held)| !held.begin()), "it is another process's now");
        let saved = passed_on(&self.books);
        self.handed_on += saved.waiting.len();
        self.waiting.clear();
        self.running.clear(); // cut off in the middle
        self.books = Books::restored(&saved);
        self.cut();
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..30 => self.sent += self.rng.random_range(1..4),
            30..65 => self.receive(),
            65..85 => self.begin(),
            85..95 => self.running.pop().iter().for_each(Held::finish),
            95..98 => self.cut(),
            _ => self.restart(),
        }
    }
}

#[test]
fn whatever_happens_each_event_begins_once_in_one_process() {
    let (mut events, mut handed_on) = (0, 0);
    for seed in 0..300 {
        let mut world = World::new(seed);
        for _ in 0..600 {
            world.step();
        }
        world.restart();
        while world.cursor < world.sent || !world.waiting.is_empty() || world.replay.is_some() {
            world.receive();
            world.begin();
        }
        for seq in (2..=world.sent).filter(|seq| concerns(*seq)) {
            assert_eq!(world.begun.get(&seq), Some(&1), "seed {seed}: event {seq}");
        }
        assert_eq!(world.lost, 0, "seed {seed}");
        events += world.begun.len();
        handed_on += world.handed_on;
    }
    println!("300 seeds: events={events} handed_on={handed_on} lost=0 doubled=0");
    assert!(handed_on > 1_000, "the hand-over was exercised");
}
