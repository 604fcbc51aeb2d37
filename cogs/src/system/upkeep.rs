//! What is looked after without being asked.

use chrono::TimeDelta;
use cog_host::{
    AUDIT_PRUNED_MAX, Class, CogCtx, DbError,
    task::{Category, Run, RunError, RunOutcome, Schedule, TaskSpec},
};
use serde_json::Value;
use std::time::Duration;

/// How often the database's health is reported.
const HEALTH_EVERY: Duration = Duration::from_secs(300);
/// How often old IDENTIFYs are deleted.
const IDENTIFIES_EVERY: Duration = Duration::from_secs(3600);
/// IDENTIFYs count for 24 hours; an hour more leaves room for a clock that was set back.
const IDENTIFIES_KEPT: TimeDelta = TimeDelta::hours(25);
/// The setting for how long audit rows are kept.
pub(super) const KEEP_DAYS: &str = "audit_keep_days";
/// A year, where nothing is set.
const KEEP_DAYS_DEFAULT: i64 = 365;
/// Old audit rows are deleted at half past four, when few are awake to wait for the one connection that writes;
/// `[tasks.audit-prune]` sets another time, and its zone.
const AUDIT_AT: (u8, u8) = (4, 30);

/// It does not need the database: that it is away is worth a report as well.
pub(super) fn health_task() -> TaskSpec {
    let mut task = TaskSpec::declared("system", "database-health", Schedule::Every(HEALTH_EVERY));
    task.category = Category::System;
    task.run_at_start = true;
    task
}

pub(super) fn report(ctx: &CogCtx, task: TaskSpec) -> TaskSpec {
    let ctx = ctx.clone();
    task.doing(move |_: Run| report_health(ctx.clone()))
}

async fn report_health(ctx: CogCtx) -> Result<RunOutcome, RunError> {
    match ctx.db.health().await {
        Ok(health) => {
            tracing::info!(
                engine = ?health.engine,
                version = health.version,
                schema = health.schema_version,
                latency_ms = health.latency_ms,
                pool.size = health.pool.size,
                pool.waiting = health.pool.waiting,
                file_bytes = health.file_bytes,
                "the database is healthy"
            );
            Ok(RunOutcome::Done { operations: 1 })
        }
        Err(error) => Ok(RunOutcome::Skipped { reason: error.to_string() }),
    }
}

pub(super) fn identify_task() -> TaskSpec {
    let mut task = TaskSpec::declared("system", "identify-prune", Schedule::Every(IDENTIFIES_EVERY));
    task.category = Category::System;
    task.run_at_start = true;
    task.needs = vec!["database".to_owned()];
    task
}

pub(super) fn prune(ctx: &CogCtx, task: TaskSpec) -> TaskSpec {
    let ctx = ctx.clone();
    task.doing(move |_: Run| prune_identifies(ctx.clone()))
}

async fn prune_identifies(ctx: CogCtx) -> Result<RunOutcome, RunError> {
    let before = ctx.clock.now() - IDENTIFIES_KEPT;
    outcome(ctx.db.prune_identifies(before).await)
}

/// Retention of audit rows.
pub(super) fn audit_task() -> TaskSpec {
    let mut task = TaskSpec::declared("system", "audit-prune", Schedule::daily(AUDIT_AT.0, AUDIT_AT.1, "UTC"));
    task.category = Category::System;
    task.jitter = Duration::from_secs(600); // many bots on one server need not all begin at once
    task.needs = vec!["database".to_owned()];
    task.wait_until_ready = false; // it has nothing to do with Discord
    task.timeout = Duration::from_secs(300);
    task
}

/// None when audit rows are kept for ever.
pub(super) fn prune_as_set(ctx: &CogCtx, task: TaskSpec) -> Option<TaskSpec> {
    let (days, ctx) = (keep_days(ctx.setting(KEEP_DAYS))?, ctx.clone());
    Some(task.doing(move |run: Run| prune_audit(ctx.clone(), days, run)))
}

/// Days as configured; what is no number of days is the default, and said so. More than a calendar holds is for ever.
fn keep_days(said: Option<&Value>) -> Option<TimeDelta> {
    let days = said.map_or(Some(KEEP_DAYS_DEFAULT), Value::as_i64).filter(|days| *days >= 0).unwrap_or_else(|| {
        tracing::warn!("[cogs.system] {KEEP_DAYS} takes a number of days: {KEEP_DAYS_DEFAULT} stands in");
        KEEP_DAYS_DEFAULT
    });
    (days > 0).then(|| TimeDelta::try_days(days)).flatten()
}

/// A bounded number at a time until none is left, or until it is told to end: the next day goes on.
async fn prune_audit(ctx: CogCtx, keep: TimeDelta, run: Run) -> Result<RunOutcome, RunError> {
    let Some(before) = ctx.clock.now().checked_sub_signed(keep) else {
        return Ok(RunOutcome::Done { operations: 0 });
    };
    let mut operations = 0;
    while !run.cancel.is_cancelled() {
        match ctx.db.prune_audit(before).await {
            Ok(deleted) => operations += deleted,
            Err(error) if operations == 0 => return outcome(Err(error)),
            Err(error) => {
                tracing::warn!(%error, "not all old audit rows were deleted: tomorrow is soon enough");
                break;
            }
        }
        if operations % u64::from(AUDIT_PRUNED_MAX) != 0 || operations == 0 {
            break;
        }
    }
    Ok(RunOutcome::Done { operations })
}

fn outcome(pruned: Result<u64, DbError>) -> Result<RunOutcome, RunError> {
    match pruned {
        Ok(operations) => Ok(RunOutcome::Done { operations }),
        // Away for a moment: the next run is soon enough, and no failure of the task's.
        Err(error) if error.class() == Class::Retry => Ok(RunOutcome::Skipped { reason: error.to_string() }),
        Err(error) => Err(RunError(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn audit_rows_are_kept_as_long_as_is_said_a_year_where_nothing_is_and_for_ever_with_0() {
        assert_eq!(keep_days(None), Some(TimeDelta::days(365)));
        assert_eq!(keep_days(Some(&json!(30))), Some(TimeDelta::days(30)));
        assert_eq!(keep_days(Some(&json!(0))), None);
        assert_eq!(keep_days(Some(&json!(i64::MAX))), None);
        for nonsense in [json!(-1), json!("long"), json!(1.5)] {
            assert_eq!(keep_days(Some(&nonsense)), Some(TimeDelta::days(365)), "{nonsense}");
        }
    }
}
