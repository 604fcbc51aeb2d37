//! Rate limits: fixed windows by bucket, and one over all. Pure.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::config::Rate;

/// Windows remembered; expired ones are dropped when there are more.
const WINDOWS_MAX: usize = 10_000;
const SECOND_MS: u64 = 1_000;

/// Counts requests by bucket and major parameter.
#[derive(Debug)]
pub(crate) struct Limits {
    usual: Rate,
    messages: Rate,
    global: Option<Rate>,
    windows: HashMap<(String, String), Window>,
    whole: Window,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    started_ms: u64,
    used: u32,
}

/// What the headers of an answer say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Budget {
    pub limit: u32,
    pub remaining: u32,
    /// Milliseconds until the window ends.
    pub reset_after_ms: u64,
    /// When it ends, in Unix milliseconds.
    pub reset_ms: u64,
    pub bucket: String,
}

/// Whether a request may pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Pass(Budget),
    /// Bucket exhausted.
    Limited(Budget),
    /// Too many requests over all routes; milliseconds to wait.
    Global(u64),
}

impl Limits {
    pub(crate) fn new(usual: Rate, messages: Rate, global_per_second: u32) -> Limits {
        let global = (global_per_second > 0).then_some(Rate { requests: global_per_second, window_ms: SECOND_MS });
        Limits { usual, messages, global, windows: HashMap::new(), whole: Window::default() }
    }

    /// Counts one request of a route; `major` is its channel, guild or webhook.
    pub(crate) fn check(&mut self, method: &str, template: &str, major: &str, exempt: bool, now_ms: u64) -> Verdict {
        if let Some(global) = self.global.filter(|_| !exempt)
            && !self.whole.count(global, now_ms)
        {
            return Verdict::Global((self.whole.started_ms + global.window_ms).saturating_sub(now_ms));
        }
        let creates = (method, template) == ("POST", "/channels/{channel_id}/messages");
        let rate = if creates { self.messages } else { self.usual };
        if self.windows.len() > WINDOWS_MAX {
            self.windows.retain(|_, window| now_ms < window.started_ms + rate.window_ms);
        }
        let bucket = bucket(method, template);
        let window = self.windows.entry((bucket.clone(), major.to_owned())).or_default();
        let passed = window.count(rate, now_ms);
        let reset_ms = window.started_ms + rate.window_ms;
        let budget = Budget {
            limit: rate.requests,
            remaining: rate.requests.saturating_sub(window.used),
            reset_after_ms: reset_ms.saturating_sub(now_ms),
            reset_ms,
            bucket,
        };
        if passed { Verdict::Pass(budget) } else { Verdict::Limited(budget) }
    }
}

impl Window {
    fn count(&mut self, rate: Rate, now_ms: u64) -> bool {
        if self.used == 0 || now_ms >= self.started_ms + rate.window_ms {
            *self = Window { started_ms: now_ms, used: 0 };
        }
        let passed = self.used < rate.requests;
        self.used += u32::from(passed);
        passed
    }
}

/// An opaque name, as Discord's are.
fn bucket(method: &str, template: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (method, template).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { requests: 2, window_ms: 1_000 };

    #[test]
    fn the_third_request_of_a_window_waits_and_other_channels_do_not() {
        let mut limits = Limits::new(RATE, RATE, 0);
        let mut check = |major: &str, now_ms| limits.check("GET", "/channels/{channel_id}", major, false, now_ms);
        assert!(matches!(check("1", 100), Verdict::Pass(Budget { remaining: 1, reset_after_ms: 1_000, .. })));
        assert!(matches!(check("1", 200), Verdict::Pass(Budget { remaining: 0, .. })));
        assert!(matches!(check("1", 300), Verdict::Limited(Budget { reset_after_ms: 800, .. })));
        assert!(matches!(check("2", 300), Verdict::Pass(_)));
        assert!(matches!(check("1", 1_100), Verdict::Pass(_)));
    }

    #[test]
    fn interactions_pass_when_the_global_limit_is_reached() {
        let mut limits = Limits::new(Rate { requests: 9, ..RATE }, RATE, 1);
        assert!(matches!(limits.check("GET", "/a", "", false, 5_000), Verdict::Pass(_)));
        assert_eq!(limits.check("GET", "/b", "", false, 5_400), Verdict::Global(600));
        assert!(matches!(limits.check("POST", "/c", "", true, 5_400), Verdict::Pass(_)));
    }
}
