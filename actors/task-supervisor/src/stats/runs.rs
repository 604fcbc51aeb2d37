//! The last runs of a task, and how long runs take.

use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::VecDeque;

/// Runs that are remembered.
const RUNS_KEPT: usize = 100;

/// One run that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRecord {
    /// Its number, from 1.
    pub number: u64,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// `done`, `skipped`, `failed`, `panicked`, `timeout` or `cancelled`.
    pub outcome: &'static str,
    /// Why, where the outcome alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How long runs took, in milliseconds. Skipped runs do not count: they took no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// Runs that this is about.
    pub count: u64,
    /// The last one.
    pub last_ms: Option<u64>,
    /// The mean of all.
    pub mean_ms: Option<u64>,
    /// 95 of 100 took no longer, of the last 100.
    pub p95_ms: Option<u64>,
    /// The longest of all.
    pub max_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Runs {
    recent: VecDeque<RunRecord>,
    count: u64,
    sum_ms: u64,
    max_ms: Option<u64>,
    last_ms: Option<u64>,
}

impl Runs {
    pub(super) fn push(&mut self, run: RunRecord) {
        if run.outcome != "skipped" {
            self.count += 1;
            self.sum_ms = self.sum_ms.saturating_add(run.took_ms);
            self.max_ms = self.max_ms.max(Some(run.took_ms));
            self.last_ms = Some(run.took_ms);
        }
        if self.recent.len() == RUNS_KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(run);
    }

    pub(super) fn recent(&self) -> Vec<RunRecord> {
        self.recent.iter().cloned().collect()
    }

    pub(super) fn timing(&self) -> Timing {
        Timing {
            count: self.count,
            last_ms: self.last_ms,
            mean_ms: self.sum_ms.checked_div(self.count),
            p95_ms: self.p95(),
            max_ms: self.max_ms,
        }
    }

    /// The smallest time that at least 95 of 100 runs did not exceed (nearest rank).
    fn p95(&self) -> Option<u64> {
        let mut times: Vec<u64> =
            self.recent.iter().filter(|run| run.outcome != "skipped").map(|run| run.took_ms).collect();
        times.sort_unstable();
        let rank = (times.len() * 95).div_ceil(100);
        times.get(rank.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(took_ms: u64, outcome: &'static str) -> RunRecord {
        RunRecord { number: 1, at: DateTime::UNIX_EPOCH, took_ms, outcome, why: None }
    }

    #[test]
    fn times_are_of_runs_that_ran_and_only_the_last_hundred_are_kept() {
        let mut runs = Runs::default();
        assert_eq!(runs.timing(), Timing::default());
        runs.push(run(0, "skipped"));
        assert_eq!(runs.timing(), Timing::default());
        runs.push(run(1_000, "done"));
        (1..=100).for_each(|took| runs.push(run(took, "done")));
        let timing = runs.timing();
        assert_eq!(
            (timing.count, timing.last_ms, timing.p95_ms, timing.max_ms),
            (101, Some(100), Some(95), Some(1_000))
        );
        assert_eq!(timing.mean_ms, Some((1_000 + 5_050) / 101));
        assert_eq!(runs.recent().len(), RUNS_KEPT);
        assert_eq!(runs.recent()[0].took_ms, 1, "the oldest are forgotten");
    }

    #[test]
    fn one_run_is_its_own_mean_and_p95() {
        let mut runs = Runs::default();
        runs.push(run(7, "failed"));
        let all = Some(7);
        assert_eq!(runs.timing(), Timing { count: 1, last_ms: all, mean_ms: all, p95_ms: all, max_ms: all });
    }
}
