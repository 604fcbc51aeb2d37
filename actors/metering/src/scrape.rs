//! Gauges are read when somebody looks, never by a poller.

/// A scrape under way: whoever holds it may set gauges.
#[derive(Debug)]
pub struct Scrape(());

impl Scrape {
    /// Begins a scrape; for the exporter.
    pub fn begin() -> Self {
        Self(())
    }
}

/// Sets gauges when a scrape asks for them: reads snapshots, never waits.
pub trait Collector: Send + Sync + 'static {
    /// Its name, for the count of failures (`scrape:<name>`).
    fn name(&self) -> &'static str;
    /// Sets the gauges. A panic is caught and counted; the other collectors are read all the same.
    fn collect(&self, scrape: &Scrape);
}
