//! Tasks as the control channel and the metrics page show them.

use crate::{
    health::{Health, Verdict},
    registry::{Registered, TaskRegistry},
    schedule::words,
    stats::{LastRun, TaskFigures},
    unowned::Work,
};
use chrono::{DateTime, Utc};
use metering::{Collector, Scrape};
use protocol::task::{Category, Priority, Schedule};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use supervision::{Node, Status};

/// All tasks together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Registered tasks.
    pub total: usize,
    /// Of which healthy or recovering.
    pub healthy: usize,
    /// Of which failing, stalled or parked.
    pub unhealthy: usize,
    /// By category.
    pub categories: BTreeMap<&'static str, usize>,
    /// By priority.
    pub priorities: BTreeMap<&'static str, usize>,
    /// By health.
    pub health: BTreeMap<&'static str, usize>,
    /// Restarts of all, ever.
    pub restarts: u64,
    /// Errors of all, ever.
    pub errors: u64,
}

impl TaskRegistry {
    /// All tasks together.
    pub fn statistics(&self) -> Statistics {
        let mut sum = Statistics {
            categories: Category::ALL.iter().map(|category| (category.name(), 0)).collect(),
            priorities: Priority::ALL.iter().map(|priority| (priority.name(), 0)).collect(),
            health: Health::ALL.iter().map(|health| (health.name(), 0)).collect(),
            ..Statistics::default()
        };
        for task in self.all() {
            let figures = task.stats.read();
            let health = task.verdict(self.node(&task.spec.name).as_ref(), self).health;
            sum.total += 1;
            *(if health.is_unhealthy() { &mut sum.unhealthy } else { &mut sum.healthy }) += 1;
            *sum.categories.entry(task.spec.category.name()).or_default() += 1;
            *sum.priorities.entry(task.spec.priority.name()).or_default() += 1;
            *sum.health.entry(health.name()).or_default() += 1;
            sum.restarts += figures.restarts;
            sum.errors += figures.errors;
        }
        sum
    }

    /// Tokio tasks of the process and whose they are, as the monitor counted them last; none before its first look.
    pub fn work(&self) -> Option<Work> {
        self.unowned.last()
    }

    /// One task with its state, health and figures.
    pub(crate) fn row(&self, task: &Registered) -> Value {
        let spec = &task.spec;
        let mut figures = task.stats.read();
        let node = self.node(&spec.name);
        let verdict = task.verdict(node.as_ref(), self);
        let state = state(node.as_ref(), &verdict);
        if state != Status::Running {
            figures.next_in_ms = None; // a time that nobody will keep
        }
        let reason = reason(node.as_ref(), &figures, &verdict);
        json!({
            "name": spec.name,
            "cog": spec.cog,
            "generation": task.generation,
            "category": spec.category,
            "priority": spec.priority,
            "schedule": schedule(&spec.schedule),
            "overlap": spec.overlap,
            "timeout_ms": protocol::millis(spec.timeout),
            "needs": spec.needs,
            "path": TaskRegistry::path(&spec.name),
            "state": state.name(),
            "reason": reason,
            "health": verdict,
            "incarnation": node.as_ref().map_or(0, |node| node.incarnation),
            "restarts": node.as_ref().and_then(|node| node.budget).map(|budget| {
                json!({ "used": budget.used, "allowed": budget.allowed, "window_ms": protocol::millis(budget.window) })
            }),
            "figures": figures,
        })
    }

    /// The same with its rules and its last runs.
    pub(crate) fn full_row(&self, task: &Registered) -> Value {
        let (spec, mut row) = (&task.spec, self.row(task));
        row["rules"] = json!({
            "jitter_ms": protocol::millis(spec.jitter),
            "run_at_start": spec.run_at_start,
            "wait_until_ready": spec.wait_until_ready,
            "requires": spec.requires.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>(),
            "cooldown_ms": protocol::millis(spec.cooldown),
            "health_check_ms": protocol::millis(spec.health_check),
            "stall_after_ms": protocol::millis(task.table.period(self.around.clock.now()).saturating_mul(spec.stall_periods)),
        });
        row["recent"] = json!(task.stats.recent());
        row
    }
}

fn schedule(schedule: &Schedule) -> Value {
    let mut shown = match schedule {
        Schedule::Every(period) => json!({ "every_ms": protocol::millis(*period) }),
        Schedule::Once(delay) => json!({ "once_after_ms": protocol::millis(*delay) }),
        Schedule::Cron { expression, zone } => json!({ "cron": expression, "zone": zone }),
        Schedule::Daily { hour, minute, zone } => json!({ "daily_at": format!("{hour:02}:{minute:02}"), "zone": zone }),
    };
    shown["text"] = words(schedule).into();
    shown
}

/// What it is doing. One that is not there waits for its supervisor, unless it will not come by itself.
fn state(node: Option<&Node>, verdict: &Verdict) -> Status {
    let absent = if verdict.health.is_unhealthy() { Status::Down } else { Status::Waiting };
    node.map_or(absent, |node| node.status)
}

/// Why it is not at work, in words; none while it is, or while its next run only waits for its time.
fn reason(node: Option<&Node>, figures: &TaskFigures, verdict: &Verdict) -> Option<String> {
    let Some(node) = node else { return Some(verdict.reason.clone()) };
    if node.status == Status::Suspended {
        return Some(format!("waits for what it needs: {}", node.missing.join(", ")));
    }
    let own = match &figures.last {
        _ if figures.running || node.status != Status::Running => None,
        _ if figures.paused => Some("paused: no run is planned until it is resumed".to_owned()),
        _ if figures.waits.is_some() => figures.waits.clone(),
        Some(LastRun::Skipped { reason }) => Some(format!("had nothing to do the last time: {reason}")),
        _ => None,
    };
    own.or_else(|| node.reason.clone())
}

impl Collector for TaskRegistry {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn collect(&self, scrape: &Scrape) {
        // Every state is set, those that nobody is in with 0: a gauge keeps what it was told last.
        let mut states: BTreeMap<&'static str, usize> = Status::ALL.iter().map(|state| (state.name(), 0)).collect();
        for task in self.all() {
            let node = self.node(&task.spec.name);
            let state = state(node.as_ref(), &task.verdict(node.as_ref(), self));
            *states.entry(state.name()).or_default() += 1;
            let (name, figures) = (task.spec.name.as_str(), task.stats.read());
            if let Some(at) = figures.last_at {
                metering::tasks::last_run(scrape, name, seconds(at));
            }
            if let Some(error) = figures.last_error {
                metering::tasks::last_error(scrape, name, seconds(error.at));
            }
        }
        for (state, tasks) in states {
            metering::tasks::in_state(scrape, state, tasks);
        }
        let all = self.statistics();
        for (category, tasks) in all.categories {
            metering::tasks::in_category(scrape, category, tasks);
        }
        for (priority, tasks) in all.priorities {
            metering::tasks::in_priority(scrape, priority, tasks);
        }
        for (health, tasks) in all.health {
            metering::tasks::in_health(scrape, health, tasks);
        }
        if let Some(work) = self.work() {
            metering::tasks::unowned(scrape, work.unowned);
        }
    }
}

/// Seconds since 1970, to the millisecond.
fn seconds(at: DateTime<Utc>) -> f64 {
    Duration::from_millis(u64::try_from(at.timestamp_millis()).unwrap_or(0)).as_secs_f64()
}
