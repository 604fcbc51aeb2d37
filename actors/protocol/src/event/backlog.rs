//! Events of one session that somebody has taken and not begun: the next process has to be sent them again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

/// The books of one session. An event that nobody holds is done once it is delivered; one that is held is *waiting* until
/// it begins, *running* until it is finished, and done then. What has begun is never handed on, even if it is cut off in the
/// middle: it may have had its effect, and nothing is done twice.
///
/// As many wait as the queues of those who hold them have room for.
#[derive(Debug, Default)]
pub struct Backlog(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    waiting: BTreeSet<u64>,
    running: usize,
    sealed: bool,
}

/// What a process that ends leaves of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Sequence numbers of what has not begun, in order.
    pub waiting: Vec<u64>,
    /// How many have begun and are not done: they run, or were cut off.
    pub running: usize,
}

impl Backlog {
    /// Takes charge of the event `seq`.
    pub fn hold(self: &Arc<Self>, seq: u64) -> Held {
        self.book().waiting.insert(seq);
        Held { backlog: Arc::clone(self), seq, begun: AtomicBool::new(false), open: AtomicUsize::new(1) }
    }

    /// What is not done at this moment.
    pub fn unfinished(&self) -> Unfinished {
        let book = self.book();
        Unfinished { waiting: book.waiting.iter().copied().collect(), running: book.running }
    }

    /// The same, and from now on nothing begins any more: what is told here is another process's.
    pub fn seal(&self) -> Unfinished {
        self.book().sealed = true;
        self.unfinished()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event that waits or runs. It has one job from the start, which is to plan what else there is to do with it; it is
/// done once that and all jobs that were planned are over.
#[derive(Debug)]
#[must_use = "dropping it before it has begun leaves the event to the next process"]
pub struct Held {
    backlog: Arc<Backlog>,
    seq: u64,
    // Both are written under the lock of the books alone.
    begun: AtomicBool,
    /// Jobs that are not over.
    open: AtomicUsize,
}

impl Held {
    /// Notes that handling begins. False: the process ends and this event is left to the
    /// next one, so it must be let alone.
    pub fn begin(&self) -> bool {
        let mut book = self.backlog.book();
        if !self.has_begun() && !book.sealed {
            book.waiting.remove(&self.seq);
            book.running += 1;
            self.begun.store(true, Relaxed);
        }
        self.has_begun()
    }

    /// Notes that there is one more job to be done for it.
    pub fn plan(&self) {
        let _book = self.backlog.book();
        self.open.store(self.open.load(Relaxed) + 1, Relaxed);
    }

    /// Notes that nothing more is planned for it. If nothing was, nothing has to be done.
    pub fn planned(&self) {
        if self.open.load(Relaxed) == 1 {
            self.begin();
        }
        self.finish();
    }

    /// Notes that one of its jobs has come to its end, if it has begun.
    pub fn finish(&self) {
        self.close(1);
    }

    /// Notes that nothing more has to be done, or that nothing can be.
    pub fn settle(&self) {
        self.begin();
        self.close(usize::MAX);
    }

    fn close(&self, jobs: usize) {
        let mut book = self.backlog.book();
        let before = self.open.load(Relaxed);
        let open = before.saturating_sub(jobs);
        if before > 0 && (self.has_begun() || open > 0) {
            self.open.store(open, Relaxed);
            book.running -= usize::from(open == 0);
        }
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(waiting: &[u64], running: usize) -> Unfinished {
        Unfinished { waiting: waiting.to_vec(), running }
    }

    #[test]
    fn what_has_not_begun_is_left_and_what_has_is_not() {
        let backlog = Arc::<Backlog>::default();
        let [first, second, third] = [7, 5, 6].map(|seq| backlog.hold(seq));
        assert!(first.begin() && first.begin(), "several jobs of one event begin");
        assert_eq!(backlog.unfinished(), left(&[5, 6], 1));
        drop(second);
        assert_eq!(backlog.unfinished(), left(&[5, 6], 1), "dropped before it began");
        third.settle();
        first.finish();
        first.finish();
        drop((first, third));
        assert_eq!(backlog.unfinished(), left(&[5], 0));
        assert!(backlog.hold(8).begin());
        assert_eq!(backlog.unfinished(), left(&[5], 1), "cut off in the middle");
    }

    #[test]
    fn an_event_is_done_once_all_that_was_planned_for_it_is_over() {
        let backlog = Arc::<Backlog>::default();
        let event = backlog.hold(1);
        event.plan(); // a hook, over before the next job is planned
        assert!(event.begin());
        event.finish();
        assert_eq!(backlog.unfinished(), left(&[], 1));
        event.plan();
        event.planned();
        assert_eq!(backlog.unfinished(), left(&[], 1), "the second has not begun");
        event.finish();
        assert_eq!(backlog.unfinished(), left(&[], 0));

        let later = backlog.hold(2);
        later.plan();
        later.planned();
        assert_eq!(backlog.unfinished(), left(&[2], 0), "its job has not begun");
        assert!(later.begin());
        later.finish();
        assert_eq!(backlog.unfinished(), left(&[], 0));

        backlog.hold(3).planned();
        assert_eq!(backlog.unfinished(), left(&[], 0), "there was nothing to do");
    }

    #[test]
    fn nothing_begins_once_it_is_left_to_another_process() {
        let backlog = Arc::<Backlog>::default();
        let [begun, waits] = [1, 2].map(|seq| backlog.hold(seq));
        assert!(begun.begin());
        assert_eq!(backlog.seal(), left(&[2], 1));
        assert!(!waits.begin() && begun.begin());
        waits.finish();
        begun.finish();
        assert_eq!(backlog.unfinished(), left(&[2], 0));
    }
}
