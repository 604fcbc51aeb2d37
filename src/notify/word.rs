//! What can be told, and how it is written.

use std::{fmt, time::Duration};

/// Longest STATUS, in characters: `systemctl status` shows it on one line.
const STATUS_MAX: usize = 200;

/// One assignment of sd_notify(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// The bot is ready, or done with reloading.
    Ready,
    /// The configuration is being read again, since this reading of the monotonic clock.
    Reloading(Duration),
    /// The way down has begun.
    Stopping,
    /// One line for people.
    Status(&'a str),
    /// The start or the stop may take this much longer from now on.
    Extend(Duration),
    /// A sign of life.
    Watchdog,
}

impl Word<'_> {
    /// Whether it is as true when it is told later.
    pub(super) fn lasts(&self) -> bool {
        !matches!(self, Self::Extend(_) | Self::Watchdog)
    }
}

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("READY=1"),
            Self::Reloading(since) => write!(f, "RELOADING=1\nMONOTONIC_USEC={}", since.as_micros()),
            Self::Stopping => f.write_str("STOPPING=1"),
            Self::Status(text) => {
                let line: String =
                    text.chars().take(STATUS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
                write!(f, "STATUS={line}")
            }
            Self::Extend(by) => write!(f, "EXTEND_TIMEOUT_USEC={}", by.as_micros()),
            Self::Watchdog => f.write_str("WATCHDOG=1"),
        }
    }
}

/// The monotonic clock as the service manager reads it.
pub(crate) fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_microseconds_and_a_status_is_one_bounded_line() {
        assert_eq!(Word::Extend(Duration::from_millis(1500)).to_string(), "EXTEND_TIMEOUT_USEC=1500000");
        assert_eq!(Word::Reloading(Duration::from_secs(2)).to_string(), "RELOADING=1\nMONOTONIC_USEC=2000000");
        let long = format!("x\nREADY=1{}", "é".repeat(1000));
        let told = Word::Status(&long).to_string();
        assert_eq!((told.lines().count(), told.chars().count()), (1, "STATUS=".len() + STATUS_MAX));
        assert!(monotonic() <= monotonic());
    }
}
