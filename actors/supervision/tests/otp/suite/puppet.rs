//! The workers of the suite: what they do in each start and stop, and the record of what they did.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What a start comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Up,
    /// Returns an error.
    Fail,
    /// Crashes.
    Crash,
    /// Says that it is not needed.
    Ignore,
    /// Returns an error after this long.
    FailLater(Duration),
}

/// What a polite stop comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Cleans up for this long.
    Take(Duration),
    /// Crashes while cleaning up.
    Crash,
}

/// How a worker behaves, shared by all its incarnations.
#[derive(Clone)]
pub(crate) struct Manners {
    inner: Arc<Inner>,
}

struct Inner {
    start: Box<dyn Fn(u64) -> Start + Send + Sync>,
    stop: Stop,
    may_ignore: bool,
    starts: AtomicU64,
}

impl Default for Manners {
    fn default() -> Self {
        Self::starting(|_| Start::Up)
    }
}

impl fmt::Debug for Manners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manners(started {} times)", self.starts())
    }
}

impl Manners {
    /// `start` says what each start comes to, counted from 1.
    pub(crate) fn starting(start: impl Fn(u64) -> Start + Send + Sync + 'static) -> Self {
        Self::new(start, Stop::Take(Duration::ZERO), false)
    }

    /// Says that it is not needed from its start number `nth` on.
    pub(crate) fn ignoring_from(nth: u64) -> Self {
        let start = move |now| if now >= nth { Start::Ignore } else { Start::Up };
        Self::new(start, Stop::Take(Duration::ZERO), true)
    }

    /// Comes up at once, stops like `stop`.
    pub(crate) fn stopping(stop: Stop) -> Self {
        Self::new(|_| Start::Up, stop, false)
    }

    fn new(start: impl Fn(u64) -> Start + Send + Sync + 'static, stop: Stop, may_ignore: bool) -> Self {
        let starts = AtomicU64::new(0);
        Self { inner: Arc::new(Inner { start: Box::new(start), stop, may_ignore, starts }) }
    }

    /// Whether it may say that it is not needed, for libraries that have no notion of it.
    pub(crate) fn may_ignore(&self) -> bool {
        self.inner.may_ignore
    }

    /// How often it has been started, whatever came of it.
    pub(crate) fn starts(&self) -> u64 {
        self.inner.starts.load(Ordering::SeqCst)
    }

    /// Whether anybody still holds it tells whether what a child was made from has been forgotten.
    pub(crate) fn trace(&self) -> Trace {
        Trace(Arc::downgrade(&self.inner))
    }
}

/// Tells whether [`Manners`] have been forgotten by everybody.
pub(crate) struct Trace(Weak<Inner>);

impl Trace {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// What a worker did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Came up.
    Up,
    /// Was asked to stop and cleaned up.
    Stopped,
    /// Is no more.
    Gone,
}

/// All workers of a case: what they did, in order.
#[derive(Clone, Default)]
pub(crate) struct Puppets {
    record: Arc<Mutex<Vec<(What, String, u64)>>>,
    serial: Arc<AtomicU64>,
}

impl Puppets {
    /// One incarnation of the worker at `path`.
    pub(crate) fn make(&self, path: &str, manners: &Manners) -> Puppet {
        let serial = self.serial.fetch_add(1, Ordering::SeqCst) + 1;
        Puppet { path: path.to_owned(), serial, manners: manners.clone(), puppets: self.clone(), up: false }
    }

    fn note(&self, what: What, path: &str, serial: u64) {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).push((what, path.to_owned(), serial));
    }

    fn read<T>(&self, read: impl FnOnce(&[(What, String, u64)]) -> T) -> T {
        read(&self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who is there at `path`: a number that no other incarnation has.
    pub(crate) fn pid(&self, path: &str) -> Option<u64> {
        self.read(|record| {
            let last = record.iter().rev().find(|(what, of, _)| of == path && *what != What::Stopped)?;
            (last.0 == What::Up).then_some(last.2)
        })
    }

    /// The paths of those who did `what`, in order.
    pub(crate) fn paths(&self, what: What) -> Vec<String> {
        self.read(|record| record.iter().filter(|entry| entry.0 == what).map(|entry| entry.1.clone()).collect())
    }

    /// Whether the incarnation `pid` did `what`.
    pub(crate) fn did(&self, what: What, pid: u64) -> bool {
        self.read(|record| record.iter().any(|entry| entry.0 == what && entry.2 == pid))
    }

    /// Whether at any time two incarnations of one path were up.
    pub(crate) fn have_overlapped(&self) -> bool {
        self.read(|record| {
            let mut up = std::collections::HashMap::new();
            for (what, path, serial) in record {
                match what {
                    What::Up if up.insert(path, serial).is_some() => return true,
                    What::Gone if up.get(path) == Some(&serial) => drop(up.remove(path)),
                    What::Up | What::Gone | What::Stopped => {}
                }
            }
            false
        })
    }

    /// How many are up.
    pub(crate) fn alive(&self) -> usize {
        self.read(|record| {
            let count = |wanted| record.iter().filter(|(what, ..)| *what == wanted).count();
            count(What::Up) - count(What::Gone)
        })
    }

    /// Forgets what has been done; who is up stays known.
    pub(crate) fn forget(&self) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<u64> = record.iter().filter(|(what, ..)| *what == What::Gone).map(|entry| entry.2).collect();
        record.retain(|(what, _, serial)| *what == What::Up && !gone.contains(serial));
    }
}

/// One incarnation of a worker.
pub(crate) struct Puppet {
    path: String,
    serial: u64,
    manners: Manners,
    puppets: Puppets,
    up: bool,
}

impl Puppet {
    /// Does what this start is to be; [`Start::Up`] or what the library has to be told.
    pub(crate) async fn start(&mut self) -> Start {
        let nth = self.manners.inner.starts.fetch_add(1, Ordering::SeqCst) + 1;
        let start = (self.manners.inner.start)(nth);
        assert!(start != Start::Ignore || self.manners.may_ignore(), "a library has to know beforehand");
        match start {
            Start::Fail | Start::Ignore => return start,
            Start::Crash => panic!("told to crash while starting"),
            Start::FailLater(time) => {
                tokio::time::sleep(time).await;
                return Start::Fail;
            }
            Start::Up => {}
        }
        self.up = true;
        self.puppets.note(What::Up, &self.path, self.serial);
        Start::Up
    }

    /// Cleans up.
    pub(crate) async fn stop(&mut self) {
        match self.manners.inner.stop {
            Stop::Take(time) if time.is_zero() => {}
            Stop::Take(time) => tokio::time::sleep(time).await,
            Stop::Crash => panic!("told to crash while stopping"),
        }
        self.puppets.note(What::Stopped, &self.path, self.serial);
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        if self.up {
            self.puppets.note(What::Gone, &self.path, self.serial);
        }
    }
}
