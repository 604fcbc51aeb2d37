//! `system`: upkeep without commands.

use chrono::TimeDelta;
use cog_host::{
    Capability, Class, Cog, CogCtx, Priority,
    task::{Category, Run, RunError, RunOutcome, Schedule, TaskSpec},
};
use std::time::Duration;

/// How often the database's health is reported.
const HEALTH_EVERY: Duration = Duration::from_secs(300);
/// How often old IDENTIFYs are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// IDENTIFYs count for 24 hours; an hour more leaves room for a clock that was set back.
const IDENTIFIES_KEPT: TimeDelta = TimeDelta::hours(25);

/// The cog.
pub fn system() -> Cog {
    Cog::new("system", "Upkeep without commands")
        .priority(Priority::Low)
        .capabilities(&[Capability::Database, Capability::Tasks])
        .tasks(|ctx| vec![health_task(ctx), prune_task(ctx)])
}

/// It does not need the database: that it is away is worth a report as well.
fn health_task(ctx: &CogCtx) -> TaskSpec {
    let ctx = ctx.clone();
    let every = Schedule::Every(HEALTH_EVERY);
    let mut task = TaskSpec::new("system", "database-health", every, move |_: Run| report_health(ctx.clone()));
    task.category = Category::System;
    task.run_at_start = true;
    task
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

fn prune_task(ctx: &CogCtx) -> TaskSpec {
    let ctx = ctx.clone();
    let every = Schedule::Every(PRUNE_EVERY);
    let mut task = TaskSpec::new("system", "identify-prune", every, move |_: Run| prune(ctx.clone()));
    task.category = Category::System;
    task.run_at_start = true;
    task.needs = vec!["database".to_owned()];
    task
}

async fn prune(ctx: CogCtx) -> Result<RunOutcome, RunError> {
    let before = ctx.clock.now() - IDENTIFIES_KEPT;
    match ctx.db.prune_identifies(before).await {
        Ok(deleted) => Ok(RunOutcome::Done { operations: deleted }),
        // Away for a moment: the next run is soon enough, and no failure of the task's.
        Err(error) if error.class() == Class::Retry => Ok(RunOutcome::Skipped { reason: error.to_string() }),
        Err(error) => Err(RunError(error.to_string())),
    }
}
