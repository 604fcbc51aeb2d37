//! A metric's definition, and the only code that reaches the recorder.

use crate::{Scrape, instrumentation, label::Label};
use metrics::{Counter, Key, KeyName, Level, Metadata, SharedString, with_recorder};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// How often a recorder has been installed in this process: once, or never.
static INSTALLED: AtomicU32 = AtomicU32::new(0);

/// Says that the recorder of the whole process is in its place: counters that are held are looked up in it from now on.
pub(crate) fn installed() {
    INSTALLED.fetch_add(1, Relaxed);
}

/// What kind of series a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Read at scrape time.
    Gauge,
    /// Durations in seconds, in buckets.
    Histogram,
}

/// A metric's definition.
#[derive(Debug)]
pub struct Metric {
    /// Its name on the scrape page.
    pub name: &'static str,
    /// What kind of series it is.
    pub kind: Kind,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [Label],
    /// Label sets it may have; the recorder folds further ones into `other`.
    pub series: usize,
    /// One sentence: what it counts.
    pub about: &'static str,
}

const META: Metadata<'static> = Metadata::new("metering", Level::INFO, None);

impl Metric {
    pub(crate) const fn counter(
        name: &'static str,
        labels: &'static [Label],
        series: usize,
        about: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Counter, labels, series, about }
    }

    pub(crate) const fn gauge(
        name: &'static str,
        labels: &'static [Label],
        series: usize,
        about: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Gauge, labels, series, about }
    }

    pub(crate) const fn histogram(
        name: &'static str,
        labels: &'static [Label],
        series: usize,
        about: &'static str,
    ) -> Self {
        Self { name, kind: Kind::Histogram, labels, series, about }
    }

    /// Adds `n` to the counter with these label values.
    pub(crate) fn count<const N: usize>(&self, values: [Value; N], n: u64) {
        debug_assert_eq!((self.kind, N), (Kind::Counter, self.labels.len()), "{}", self.name);
        open(self.name, || {
            let key = self.key(values);
            with_recorder(|recorder| recorder.register_counter(&key, &META).increment(n));
        });
    }

    /// Adds 1 to the counter with these label values, which `held` keeps from the first time on: no lookup then. Until a
    /// recorder is installed there is nothing to keep, and each count finds whichever recorder there is.
    pub(crate) fn count_held<const N: usize>(&self, held: &mut Held, values: [&'static str; N]) {
        open(self.name, || {
            let installed = INSTALLED.load(Relaxed);
            if held.from != installed || installed == 0 {
                debug_assert_eq!((self.kind, N), (Kind::Counter, self.labels.len()), "{}", self.name);
                let key = self.key(values.map(Value::from));
                held.counter = with_recorder(|recorder| recorder.register_counter(&key, &META));
                held.from = installed;
            }
            held.counter.increment(1);
        });
    }

    /// Records `seconds`. What is negative or not a number is no duration and is left out.
    pub(crate) fn observe<const N: usize>(&self, values: [Value; N], seconds: f64) {
        debug_assert_eq!((self.kind, N), (Kind::Histogram, self.labels.len()), "{}", self.name);
        if !(seconds.is_finite() && seconds >= 0.0) {
            return;
        }
        open(self.name, || {
            let key = self.key(values);
            with_recorder(|recorder| recorder.register_histogram(&key, &META).record(seconds));
        });
    }

    /// Sets the gauge for the scrape under way. What is not a number is left out.
    pub(crate) fn set<const N: usize>(&self, _: &Scrape, values: [Value; N], reading: f64) {
        debug_assert_eq!((self.kind, N), (Kind::Gauge, self.labels.len()), "{}", self.name);
        if reading.is_nan() {
            return;
        }
        open(self.name, || {
            let key = self.key(values);
            with_recorder(|recorder| recorder.register_gauge(&key, &META).set(reading));
        });
    }

    pub(crate) fn describe(&self) {
        open(self.name, || {
            let (name, about) = (KeyName::from_const_str(self.name), SharedString::const_str(self.about));
            with_recorder(|recorder| match self.kind {
                Kind::Counter => recorder.describe_counter(name, None, about),
                Kind::Gauge => recorder.describe_gauge(name, None, about),
                Kind::Histogram => recorder.describe_histogram(name, None, about),
            });
        });
        if self.kind == Kind::Counter && self.labels.is_empty() {
            self.count([], 0);
        }
    }

    fn key<const N: usize>(&self, values: [Value; N]) -> Key {
        if N == 0 {
            return Key::from_static_name(self.name);
        }
        let mut labels = Vec::with_capacity(N);
        labels.extend(
            self.labels.iter().zip(values).map(|(label, Value(value))| metrics::Label::new(label.name(), value)),
        );
        Key::from_parts(self.name, labels)
    }
}

/// A counter that its owner keeps.
pub(crate) struct Held {
    counter: Counter,
    /// The installation that it is from; 0: from none.
    from: u32,
}

impl Default for Held {
    fn default() -> Self {
        Self { counter: Counter::noop(), from: 0 }
    }
}

/// A checked label value: only this crate can make one.
pub(crate) struct Value(pub(crate) SharedString);

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self(SharedString::const_str(word))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        const SMALL: [&str; 16] =
            ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"];
        match SMALL.get(number as usize) {
            Some(word) => Self(SharedString::const_str(word)),
            None => Self(SharedString::from(number.to_string())),
        }
    }
}

/// A size as a gauge's reading.
#[expect(clippy::cast_precision_loss, reason = "a size beyond 2^52 is no size of ours")]
pub(crate) fn count(size: usize) -> f64 {
    size as f64
}

/// Runs a hook's work; a panic in a recorder is counted and goes no further.
fn open(hook: &'static str, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        instrumentation::swallowed(hook);
    }
}
