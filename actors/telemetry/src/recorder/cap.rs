//! Bounds the label sets of each metric: what is over the bound is counted in one series, `other`.

use dashmap::{DashMap, DashSet, Entry};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit};
use serde::Serialize;
use std::collections::HashMap;

/// Label sets of a metric that the catalogue does not know (a library's own).
pub const SERIES_DEFAULT: usize = 100;
/// Metrics that the catalogue does not know; further ones are not recorded.
pub const FOREIGN_METRICS_MAX: usize = 200;
const OTHER: &str = "other";

/// A recorder that folds what is over a metric's bound.
pub(crate) struct Capped<R> {
    inner: R,
    bounds: HashMap<&'static str, usize>,
    /// Hashes of the keys that are within their bound: the common case is one look-up.
    admitted: DashSet<u64>,
    used: DashMap<String, Used>,
}

#[derive(Default)]
struct Used {
    series: usize,
    capped: bool,
}

/// A metric that reached its bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CappedMetric {
    /// Its name.
    pub metric: String,
    /// Its bound.
    pub series: usize,
}

enum Admission {
    Within,
    Over { first: bool },
    Refused,
}

impl<R: Recorder> Capped<R> {
    pub(crate) fn new(inner: R) -> Self {
        let bounds = metering::catalogue().map(|metric| (metric.name, metric.series)).collect();
        Self { inner, bounds, admitted: DashSet::new(), used: DashMap::new() }
    }

    /// Metrics that reached their bound, by name.
    pub(crate) fn capped(&self) -> Vec<CappedMetric> {
        let reached = self.used.iter().filter(|used| used.capped);
        let mut capped: Vec<_> =
            reached.map(|used| CappedMetric { metric: used.key().clone(), series: used.series }).collect();
        capped.sort_by(|a, b| a.metric.cmp(&b.metric));
        capped
    }

    /// The key to record under; none: the metric is one too many.
    fn admit(&self, key: &Key) -> Option<Option<Key>> {
        if self.admitted.contains(&key.get_hash()) {
            return Some(None);
        }
        match self.decide(key) {
            Admission::Within => {
                self.admitted.insert(key.get_hash());
                Some(None)
            }
            Admission::Over { first } => {
                // No guard of a map is held here: both calls come back to this recorder.
                metering::instrumentation::series_capped(key.name());
                if first {
                    tracing::warn!(
                        metric = key.name(),
                        "a metric reached its bound of label sets; new ones count as `other`"
                    );
                }
                let folded = key.labels().map(|label| Label::new(SharedString::from(label.key().to_owned()), OTHER));
                Some(Some(Key::from_parts(key.name().to_owned(), folded.collect::<Vec<_>>())))
            }
            Admission::Refused => None,
        }
    }

    fn decide(&self, key: &Key) -> Admission {
        let bound = self.bounds.get(key.name()).copied();
        if bound.is_none()
            && self.used.len() >= self.bounds.len() + FOREIGN_METRICS_MAX
            && !self.used.contains_key(key.name())
        {
            return Admission::Refused;
        }
        let mut used = match self.used.entry(key.name().to_owned()) {
            Entry::Occupied(used) => used.into_ref(),
            Entry::Vacant(none) => none.insert(Used::default()),
        };
        if used.series < bound.unwrap_or(SERIES_DEFAULT) {
            used.series += 1;
            return Admission::Within;
        }
        let first = !used.capped;
        used.capped = true;
        Admission::Over { first }
    }
}

impl<R: Recorder> Recorder for Capped<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.inner.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        match self.admit(key) {
            Some(folded) => self.inner.register_counter(folded.as_ref().unwrap_or(key), metadata),
            None => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        match self.admit(key) {
            Some(folded) => self.inner.register_gauge(folded.as_ref().unwrap_or(key), metadata),
            None => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        match self.admit(key) {
            Some(folded) => self.inner.register_histogram(folded.as_ref().unwrap_or(key), metadata),
            None => Histogram::noop(),
        }
    }
}
