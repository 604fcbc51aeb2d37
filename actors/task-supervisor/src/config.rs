//! The `[tasks]` section.

use crate::schedule::Timetable;
use protocol::task::{Overlap, Schedule, TaskRule, TaskSpec};
use serde::Deserialize;
use std::time::Duration;

/// `[tasks]`, the keys of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksConfig {
    /// Time between two looks at every task, in milliseconds; a task whose health is judged more often is looked at then.
    pub monitor_ms: u64,
    /// Whether scheduled runs check in with the monitor of schedules (Sentry), when there is one.
    pub check_ins: bool,
    /// The time zone of `daily_at` and `cron` where none is said.
    pub zone: String,
}

impl TasksConfig {
    /// What its types cannot say, by key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        match Timetable::read(&Schedule::daily(0, 0, &self.zone)) {
            Err(problem) => vec![("zone", problem)],
            Ok(_) => Vec::new(),
        }
    }
}

/// `[tasks.NAME]`: what is given replaces the task's declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRules {
    /// Whether it runs at all.
    pub enabled: Option<bool>,
    /// Time between the beginnings of two runs, in seconds.
    pub every_s: Option<u64>,
    /// A cron expression instead.
    pub cron: Option<String>,
    /// A time of day instead, `HH:MM`.
    pub daily_at: Option<String>,
    /// The time zone of `cron` and `daily_at`; `[tasks].zone` where none is said.
    pub zone: Option<String>,
    /// Up to this much is added at random to each wait, in seconds.
    pub jitter_s: Option<u64>,
    /// What happens when a run is due while another is under way: `skip`, `queue` or `cancel_old`.
    pub overlap: Option<Overlap>,
    /// How long a run may take, in seconds.
    pub timeout_s: Option<u64>,
    /// Restarts within the window.
    pub restarts: Option<u32>,
    /// The window, in seconds.
    pub window_s: Option<u64>,
    /// Least time between two restarts, in seconds.
    pub cooldown_s: Option<u64>,
    /// How often its health is judged, in seconds.
    pub health_s: Option<u64>,
    /// Periods without a sign of life after which it is stalled.
    pub stall_periods: Option<u32>,
}

impl TaskRules {
    /// The keys that say something of `rule`, the likeliest to be at odds first.
    pub const fn keys(rule: TaskRule) -> &'static [&'static str] {
        match rule {
            TaskRule::Schedule => &["every_s", "cron", "daily_at", "zone"],
            TaskRule::Jitter => &["jitter_s", "every_s"],
            TaskRule::Timeout => &["timeout_s", "window_s"],
            TaskRule::Window => &["window_s"],
            TaskRule::Limit => &["restarts", "window_s", "cooldown_s"],
            TaskRule::Cooldown => &["cooldown_s", "restarts", "window_s"],
            TaskRule::Health => &["health_s"],
            TaskRule::Stall => &["stall_periods"],
            TaskRule::Identity | TaskRule::Needs | TaskRule::Outside => &[],
        }
    }

    /// The schedule it gives a task; none when it says nothing about it. `zone` is the one where none is said.
    ///
    /// # Errors
    /// The key that is wrong and one sentence.
    pub fn schedule(&self, zone: &str) -> Result<Option<Schedule>, (&'static str, String)> {
        let said = [("every_s", self.every_s.is_some()), ("cron", self.cron.is_some())];
        let said = said.into_iter().chain([("daily_at", self.daily_at.is_some())]);
        let said: Vec<&'static str> = said.filter(|(_, said)| *said).map(|(key, _)| key).collect();
        if let [first, second, ..] = said[..] {
            return Err((second, format!("contradicts {first}: a task has one schedule")));
        }
        let given = self.zone.as_deref();
        let zone = given.unwrap_or(zone);
        let schedule = match (self.every_s, &self.cron, &self.daily_at) {
            (Some(every), _, _) => Some(Schedule::Every(Duration::from_secs(every))),
            (_, Some(expression), _) => Some(Schedule::cron(expression, zone)),
            (_, _, Some(time)) => {
                let (hour, minute) = time_of_day(time)
                    .ok_or_else(|| ("daily_at", format!("{time:?} is no time of day: it looks like 04:30")))?;
                Some(Schedule::daily(hour, minute, zone))
            }
            (None, None, None) => None,
        };
        if given.is_some() && matches!(schedule, None | Some(Schedule::Every(_))) {
            return Err(("zone", "goes with cron or daily_at".to_owned()));
        }
        let key = said.first().copied().unwrap_or("every_s");
        if let Some(schedule) = &schedule
            && let Err(problem) = Timetable::read(schedule)
        {
            return Err((if problem.contains("time zone") && given.is_some() { "zone" } else { key }, problem));
        }
        Ok(schedule)
    }

    /// What its types cannot say, by key. `zone` is the one where none is said.
    pub fn problems(&self, zone: &str) -> Vec<(&'static str, String)> {
        let mut problems: Vec<_> = self.schedule(zone).err().into_iter().collect();
        if self.stall_periods == Some(0) {
            problems.push(("stall_periods", "must be at least 1".to_owned()));
        }
        if let (Some(timeout), Some(window)) = (self.timeout_s, self.window_s)
            && timeout > window
        {
            problems
                .push(("timeout_s", "is above window_s: hanging runs would never use up the restart limit".to_owned()));
        }
        problems
    }

    /// Puts what is given in the place of what was declared. A schedule that makes no sense is left to whoever reads it.
    pub(crate) fn apply(&self, spec: &mut TaskSpec, zone: &str) {
        let seconds = |given: Option<u64>, declared: Duration| given.map_or(declared, Duration::from_secs);
        if let Ok(Some(schedule)) = self.schedule(zone) {
            spec.schedule = schedule;
        }
        spec.jitter = seconds(self.jitter_s, spec.jitter);
        spec.overlap = self.overlap.unwrap_or(spec.overlap);
        spec.timeout = seconds(self.timeout_s, spec.timeout);
        spec.restart_limit = self.restarts.unwrap_or(spec.restart_limit);
        spec.restart_window = seconds(self.window_s, spec.restart_window);
        spec.cooldown = seconds(self.cooldown_s, spec.cooldown);
        spec.health_check = seconds(self.health_s, spec.health_check);
        spec.stall_periods = self.stall_periods.unwrap_or(spec.stall_periods);
    }
}

fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits(hour) && digits(minute)).then(|| Some((hour.parse().ok()?, minute.parse().ok()?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_schedule_in_a_zone_that_exists() {
        let rules = |change: fn(&mut TaskRules)| {
            let mut rules = TaskRules::default();
            change(&mut rules);
            rules.schedule("Europe/Berlin")
        };
        assert_eq!(rules(|_| {}), Ok(None));
        assert_eq!(rules(|r| r.daily_at = Some("04:30".into())), Ok(Some(Schedule::daily(4, 30, "Europe/Berlin"))));
        let cron = |r: &mut TaskRules| r.cron = Some("0 4 * * *".into());
        assert_eq!(rules(cron), Ok(Some(Schedule::cron("0 4 * * *", "Europe/Berlin"))));
        for (change, key, words) in [
            ((|r| r.daily_at = Some("4:30".into())) as fn(&mut TaskRules), "daily_at", "04:30"),
            (|r| r.daily_at = Some("25:00".into()), "daily_at", "no time of day"),
            (|r| r.cron = Some("every day".into()), "cron", "cannot be read"),
            (|r| r.cron = Some("0 0 31 2 *".into()), "cron", "never fires"),
            (|r| (r.every_s, r.cron) = (Some(5), Some("0 4 * * *".into())), "cron", "contradicts every_s"),
            (|r| (r.every_s, r.zone) = (Some(5), Some("UTC".into())), "zone", "goes with"),
            (|r| (r.daily_at, r.zone) = (Some("04:30".into()), Some("Mars".into())), "zone", "no time zone"),
        ] {
            let (at, said) = rules(change).unwrap_err();
            assert!(at == key && said.contains(words), "{at}: {said}");
        }
    }
}
