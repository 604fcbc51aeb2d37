//! The one place where time comes from, so that tests can move it.

use chrono::{DateTime, Utc};
use std::{
    fs,
    hash::{BuildHasher, RandomState},
    sync::OnceLock,
    time::Duration,
};
use tokio::time::Instant;

/// Wall time for what people see and for due dates; monotonic time for waiting.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, UTC.
    fn now(&self) -> DateTime<Utc>;
    /// Monotonic time; tokio's, so that paused tests move it.
    fn monotonic(&self) -> Instant;
    /// How long the machine has run. It does not jump, and counts on from process to process.
    fn uptime(&self) -> Uptime {
        Uptime::of_process()
    }
}

/// Time that nobody sets: two readings with the same `boot` can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uptime {
    /// Which start of the machine (or of the process, where the machine does not tell).
    pub boot: String,
    /// Since then, sleep included.
    pub since: Duration,
}

impl Uptime {
    /// The machine's, as Linux tells it.
    fn of_machine() -> Option<Self> {
        // Two lines of the kernel's own memory: reading them never waits.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let seconds: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        Some(Self { boot: boot.trim().to_owned(), since: Duration::try_from_secs_f64(seconds).ok()? })
    }

    fn of_process() -> Self {
        static BEGUN: OnceLock<(String, std::time::Instant)> = OnceLock::new();
        let (boot, begun) = BEGUN
            .get_or_init(|| (format!("process-{:016x}", RandomState::new().hash_one(0)), std::time::Instant::now()));
        Self { boot: boot.clone(), since: begun.elapsed() }
    }
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn uptime(&self) -> Uptime {
        Uptime::of_machine().unwrap_or_else(Uptime::of_process)
    }
}

/// Whole milliseconds, as a number that log fields and JSON keep a number: `u128` becomes text there.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_readings_of_one_boot_can_be_compared() {
        for read in [|| SystemClock.uptime(), Uptime::of_process] {
            let (first, second) = (read(), read());
            assert_eq!(first.boot, second.boot);
            assert!(!first.boot.is_empty() && first.since <= second.since);
        }
    }
}
