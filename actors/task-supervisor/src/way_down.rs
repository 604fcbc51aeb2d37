//! The end of all tasks as one operation: which were told to end, by category, and how long it took.

use protocol::task::{Category, TaskSpec};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;
use tracing::{Span, field};

/// Names that are written out for one category; further ones are counted.
const NAMES_MAX: usize = 20;

#[derive(Default)]
pub(crate) struct WayDown {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    draining: bool,
    began: Option<Instant>,
    span: Option<Span>,
    stopped: Vec<(Category, String)>,
}

impl WayDown {
    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Schedulers stop making work: the way down has begun.
    pub(crate) fn drain(&self, tasks: usize) {
        let span = tracing::info_span!("bot.stop_task_loops", tasks);
        span.in_scope(|| {
            tracing::info!(
                operation = "stop_task_loops",
                operations_completed = tasks,
                "no task begins a run any more"
            );
        });
        self.with(|inner| inner.draining = true);
    }

    /// A task is asked to stop.
    pub(crate) fn stopping(&self, spec: &TaskSpec) {
        self.with(|inner| {
            if !inner.draining {
                return;
            }
            if inner.span.is_none() {
                inner.began = Some(Instant::now());
                inner.span = Some(tracing::info_span!(
                    "bot.cancel_tasks",
                    tasks.command = field::Empty,
                    tasks.system = field::Empty,
                    tasks.scheduled = field::Empty,
                    tasks.gateway = field::Empty,
                ));
            }
            inner.stopped.push((spec.category, spec.name.clone()));
        });
    }

    /// The last task has stopped.
    pub(crate) fn over(&self) {
        let inner = self.with(std::mem::take);
        let Some(span) = inner.span else { return };
        let names = |category: Category| {
            let all: Vec<&str> =
                inner.stopped.iter().filter(|(of, _)| *of == category).map(|(_, name)| name.as_str()).collect();
            let more = all.len().saturating_sub(NAMES_MAX);
            let shown = all[..all.len() - more].join(", ");
            if more > 0 { format!("{shown} and {more} more") } else { shown }
        };
        let [command, system, scheduled, gateway] = Category::ALL.map(names);
        span.record("tasks.command", &command);
        span.record("tasks.system", &system);
        span.record("tasks.scheduled", &scheduled);
        span.record("tasks.gateway", &gateway);
        let duration_seconds = inner.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        span.in_scope(|| {
            tracing::info!(
                operation = "cancel_tasks",
                duration_seconds,
                operations_completed = inner.stopped.len(),
                tasks.command = command,
                tasks.system = system,
                tasks.scheduled = scheduled,
                tasks.gateway = gateway,
                "the tasks have stopped"
            );
        });
    }
}
