//! The Prometheus recorder behind `metering`'s hooks, and the page that a scrape gets.

mod cap;
#[cfg(test)]
mod tests;

pub use cap::{CappedMetric, FOREIGN_METRICS_MAX, SERIES_DEFAULT};

use cap::Capped;
use metering::{Collector, Scrape, instrumentation};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// Upper bounds of command durations, in seconds: Argus' own, which its boards expect.
const COMMAND_BUCKETS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of all other durations, in seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// A gauge that no scrape has set for so long belongs to something that is gone.
const GAUGE_IDLE: Duration = Duration::from_secs(600);

/// The recorder and what a scrape renders. Clones share it.
#[derive(Clone)]
pub struct Exporter {
    recorder: Arc<Capped<PrometheusRecorder>>,
    page: PrometheusHandle,
    collectors: Arc<[Arc<dyn Collector>]>,
}

/// The recorder was installed twice, or its buckets are wrong.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The buckets or the quantiles are wrong.
    #[error("the metrics recorder cannot be built: {0}")]
    Build(#[from] BuildError),
    /// Another recorder is installed in this process.
    #[error("a metrics recorder is installed already")]
    Twice,
}

impl Exporter {
    /// A recorder of its own, not yet installed; every series gets the label `cluster`.
    ///
    /// # Errors
    /// [`ExporterError::Build`].
    pub fn new(cluster: &str, collectors: Vec<Arc<dyn Collector>>) -> Result<Self, ExporterError> {
        let command = |name: &str| Matcher::Full(name.to_owned());
        let inner = PrometheusBuilder::new()
            .add_global_label("cluster", cluster)
            .set_buckets_for_metric(command("discord_app_command_duration_seconds"), &COMMAND_BUCKETS)?
            .set_buckets_for_metric(command("discord_command_duration_seconds"), &COMMAND_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
            .idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_IDLE))
            .build_recorder();
        let page = inner.handle();
        let exporter = Self { recorder: Arc::new(Capped::new(inner)), page, collectors: collectors.into() };
        exporter.local(metering::describe_all);
        Ok(exporter)
    }

    /// Makes it the recorder of the whole process.
    ///
    /// # Errors
    /// [`ExporterError::Twice`].
    pub fn install(&self) -> Result<(), ExporterError> {
        metrics::set_global_recorder(Arc::clone(&self.recorder)).map_err(|_| ExporterError::Twice)?;
        metering::recorder_installed();
        Ok(())
    }

    /// Runs `work` with this recorder in place of the installed one, on this thread: for tests.
    pub fn local<T>(&self, work: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, work)
    }

    /// Reads every collector and renders the page. A collector that panics costs its own gauges only.
    pub fn render(&self) -> String {
        let scrape = Scrape::begin();
        self.local(|| {
            for collector in self.collectors.iter() {
                if catch_unwind(AssertUnwindSafe(|| collector.collect(&scrape))).is_err() {
                    instrumentation::swallowed(format!("scrape:{}", collector.name()).as_str());
                }
            }
        });
        self.page.render()
    }

    /// Folds what histograms have gathered; without it they grow. Called every few seconds.
    pub fn upkeep(&self) {
        self.page.run_upkeep();
    }

    /// Metrics that reached their bound of label sets.
    pub fn capped(&self) -> Vec<CappedMetric> {
        self.recorder.capped()
    }

    /// This exporter with `more` collectors.
    #[must_use]
    pub fn with(&self, more: impl IntoIterator<Item = Arc<dyn Collector>>) -> Self {
        let collectors = self.collectors.iter().cloned().chain(more).collect();
        Self { collectors, ..self.clone() }
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exporter({} collectors)", self.collectors.len())
    }
}
