//! Rate limits: fixed windows by bucket and major parameter, one over all, and the count of invalid requests. Pure.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::config::{Limit, Rate};
use crate::faults::matches;

/// Windows remembered; expired ones are dropped when there are more.
const WINDOWS_MAX: usize = 10_000;
const SECOND_MS: u64 = 1_000;
/// Invalid requests are counted over ten minutes (Discord documentation, "Invalid Request Limit").
const INVALID_SPAN_S: u64 = 600;

/// Counts requests by bucket and major parameter.
#[derive(Debug)]
pub(crate) struct Limits {
    usual: Rate,
    messages: Rate,
    /// Limits of single routes, the first that fits before the usual ones.
    pub routes: Vec<Limit>,
    global: Option<Rate>,
    windows: HashMap<(String, String), Window>,
    whole: Window,
    invalid: Invalid,
}

/// What is set of the limits.
#[derive(Debug)]
pub(crate) struct Sizes {
    pub usual: Rate,
    pub messages: Rate,
    pub routes: Vec<Limit>,
    pub global_per_second: u32,
    /// 0: no end.
    pub invalid_max: u32,
}

/// A request as the limits see it; `major` is its channel, guild or webhook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub method: &'a str,
    pub template: &'a str,
    pub major: &'a str,
    /// Whether it is an interaction's own, which the global limit does not count.
    pub exempt: bool,
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
    /// Whether the bucket is filled by others as well.
    pub shared: bool,
}

/// Whether a request may pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Pass(Budget),
    /// Bucket exhausted.
    Limited(Budget),
    /// Too many requests over all routes; milliseconds to wait.
    Global(u64),
    /// So many invalid requests that the proxy in front of the API answers.
    Banned,
}

impl Limits {
    pub(crate) fn new(sizes: Sizes) -> Limits {
        let Sizes { usual, messages, routes, global_per_second, invalid_max } = sizes;
        let global = (global_per_second > 0).then_some(Rate { requests: global_per_second, window_ms: SECOND_MS });
        let invalid = Invalid { max: invalid_max, by_second: VecDeque::new() };
        Limits { usual, messages, routes, global, windows: HashMap::new(), whole: Window::default(), invalid }
    }

    /// Counts one request of a route.
    pub(crate) fn check(&mut self, asked: Asked<'_>, now_ms: u64) -> Verdict {
        if self.invalid.max > 0 && self.invalid.count(now_ms) >= self.invalid.max {
            return Verdict::Banned;
        }
        if let Some(global) = self.global.filter(|_| !asked.exempt)
            && !self.whole.count(global, now_ms)
        {
            return Verdict::Global((self.whole.started_ms + global.window_ms).saturating_sub(now_ms));
        }
        let (rate, bucket, shared) = self.bucket(asked.method, asked.template);
        if self.windows.len() > WINDOWS_MAX {
            self.windows.retain(|_, window| now_ms < window.started_ms + rate.window_ms);
        }
        let window = self.windows.entry((bucket.clone(), asked.major.to_owned())).or_default();
        let passed = window.count(rate, now_ms);
        let reset_ms = window.started_ms + rate.window_ms;
        let budget = Budget {
            limit: rate.requests,
            remaining: rate.requests.saturating_sub(window.used),
            reset_after_ms: reset_ms.saturating_sub(now_ms),
            reset_ms,
            bucket,
            shared,
        };
        if passed { Verdict::Pass(budget) } else { Verdict::Limited(budget) }
    }

    /// Notes an answer: 401, 403 and 429 are invalid requests, except a 429 that is not the bot's fault.
    pub(crate) fn answered(&mut self, status: u16, excused: bool, now_ms: u64) {
        if matches!(status, 401 | 403) || status == 429 && !excused {
            self.invalid.note(now_ms);
        }
    }

    /// Invalid requests of the last ten minutes.
    pub(crate) fn invalid(&mut self, now_ms: u64) -> u32 {
        self.invalid.count(now_ms)
    }

    fn bucket(&self, method: &str, template: &str) -> (Rate, String, bool) {
        if let Some(limit) = self.routes.iter().find(|limit| matches(&limit.route, method, template)) {
            let name = limit.bucket.clone().unwrap_or_else(|| opaque(method, template));
            return (limit.rate, name, limit.shared);
        }
        let creates = (method, template) == ("POST", "/channels/{channel_id}/messages");
        (if creates { self.messages } else { self.usual }, opaque(method, template), false)
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

/// Invalid requests by the second they came in.
#[derive(Debug)]
struct Invalid {
    max: u32,
    by_second: VecDeque<(u64, u32)>,
}

impl Invalid {
    fn note(&mut self, now_ms: u64) {
        let now_s = now_ms / SECOND_MS;
        self.forget(now_s);
        match self.by_second.back_mut().filter(|(second, _)| *second == now_s) {
            Some((_, count)) => *count += 1,
            None => self.by_second.push_back((now_s, 1)),
        }
    }

    fn count(&mut self, now_ms: u64) -> u32 {
        self.forget(now_ms / SECOND_MS);
        self.by_second.iter().map(|(_, count)| count).sum()
    }

    fn forget(&mut self, now_s: u64) {
        while self.by_second.front().is_some_and(|(second, _)| second + INVALID_SPAN_S <= now_s) {
            self.by_second.pop_front();
        }
    }
}

/// An opaque name, as Discord's are.
fn opaque(method: &str, template: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (method, template).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { requests: 2, window_ms: 1_000 };

    fn limits(change: impl FnOnce(&mut Sizes)) -> Limits {
        let mut sizes = Sizes { usual: RATE, messages: RATE, routes: Vec::new(), global_per_second: 0, invalid_max: 0 };
        change(&mut sizes);
        Limits::new(sizes)
    }

    fn get<'a>(template: &'a str, major: &'a str) -> Asked<'a> {
        Asked { method: "GET", template, major, exempt: false }
    }

    #[test]
    fn the_third_request_of_a_window_waits_and_other_channels_do_not() {
        let mut limits = limits(|_| {});
        let mut check = |major: &str, now_ms| limits.check(get("/channels/{channel_id}", major), now_ms);
        assert!(matches!(check("1", 100), Verdict::Pass(Budget { remaining: 1, reset_after_ms: 1_000, .. })));
        assert!(matches!(check("1", 200), Verdict::Pass(Budget { remaining: 0, .. })));
        assert!(matches!(check("1", 300), Verdict::Limited(Budget { reset_after_ms: 800, .. })));
        assert!(matches!(check("2", 300), Verdict::Pass(_)));
        assert!(matches!(check("1", 1_100), Verdict::Pass(_)));
    }

    #[test]
    fn interactions_pass_when_the_global_limit_is_reached() {
        let mut limits = limits(|sizes| {
            sizes.usual.requests = 9;
            sizes.global_per_second = 1;
        });
        assert!(matches!(limits.check(get("/a", ""), 5_000), Verdict::Pass(_)));
        assert_eq!(limits.check(get("/b", ""), 5_400), Verdict::Global(600));
        let exempt = Asked { exempt: true, ..get("/c", "") };
        assert!(matches!(limits.check(exempt, 5_400), Verdict::Pass(_)));
    }

    #[test]
    fn routes_of_one_bucket_use_it_up_together() {
        let mut limits = limits(|sizes| {
            sizes.routes = vec![Limit::new("/a*", RATE).in_bucket("both").shared()];
        });
        assert!(matches!(limits.check(get("/a/1", ""), 0), Verdict::Pass(_)));
        assert!(matches!(limits.check(get("/a/2", ""), 0), Verdict::Pass(_)));
        let Verdict::Limited(budget) = limits.check(get("/a/3", ""), 0) else { panic!("it passed") };
        assert_eq!((budget.bucket.as_str(), budget.shared), ("both", true));
        assert!(matches!(limits.check(get("/b", ""), 0), Verdict::Pass(Budget { shared: false, .. })));
    }

    #[test]
    fn invalid_requests_are_forgotten_after_ten_minutes() {
        let mut limits = limits(|sizes| sizes.invalid_max = 2);
        limits.answered(403, false, 1_000);
        limits.answered(429, true, 1_000);
        limits.answered(404, false, 1_000);
        assert_eq!(limits.invalid(1_000), 1);
        limits.answered(401, false, 2_000);
        assert_eq!(limits.check(get("/a", ""), 2_000), Verdict::Banned);
        assert!(matches!(limits.check(get("/a", ""), 601_000), Verdict::Pass(_)), "the first is ten minutes old");
        assert_eq!(limits.invalid(602_000), 0);
    }
}
