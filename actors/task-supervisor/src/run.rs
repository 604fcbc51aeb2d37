//! One run: its span, its deadline, its account.

use crate::{end::End, registry::Registered, surroundings::Surroundings};
use metering::tasks as meter;
use protocol::{
    ports::{CheckIn, CheckInSchedule, CheckInStatus},
    task::{Run, Schedule, TaskSpec},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Monitors of schedules know nothing shorter than this.
const CHECK_IN_PERIOD_MIN: Duration = Duration::from_secs(60);
/// Makes the check-ins of two runs of two processes differ.
static CHECK_INS: AtomicU64 = AtomicU64::new(0);

/// A run under way, as its task's actor sees it.
pub(crate) struct Underway {
    pub(crate) number: u64,
    /// Tells it to end.
    pub(crate) cancel: CancellationToken,
    /// Ends it.
    pub(crate) cut: CancellationToken,
    /// Closes when it is over.
    pub(crate) over: watch::Receiver<()>,
    /// The next one is due already and begins when this one is over.
    pub(crate) superseded: bool,
}

/// Keeps the figures of one run, however it ends: also when it panics, or is dropped with its actor.
struct Account {
    task: Registered,
    around: Arc<Surroundings>,
    number: u64,
    began: Instant,
    check_in: Option<CheckIn>,
    open: bool,
}

/// Begins a run: how to speak to it, and the run itself, which ends with how it ended.
pub(crate) fn begin(
    task: &Registered,
    around: &Arc<Surroundings>,
    stopping: &CancellationToken,
) -> (Underway, impl Future<Output = End> + Send + use<>) {
    let number = task.stats.begin(around.now());
    let (cancel, cut) = (stopping.child_token(), CancellationToken::new());
    let (closes, over) = watch::channel(());
    let underway = Underway { number, cancel: cancel.clone(), cut: cut.clone(), over, superseded: false };
    let account = Account::open(task, around, number);
    let spec = Arc::clone(&task.spec);
    let span = tracing::info_span!(
        "task.run",
        sentry.op = "task.run",
        sentry.name = format!("task.{}", spec.name),
        task = spec.name,
        run = number,
        guild_id = spec.guild.map(|id| id.get()),
        user_id = spec.user.map(|id| id.get()),
    );
    let run = async move {
        let _closes = closes;
        let _ends = cancel.clone().drop_guard(); // what the run began elsewhere is told to end with it
        let mut account = account;
        let work = async { (spec.run)(Run { number, cancel: cancel.clone() }).await };
        let end = tokio::select! {
            biased;
            () = cut.cancelled() => End::Cancelled { reason: "told to end, and cut off when it did not".to_owned() },
            answer = tokio::time::timeout(spec.timeout, work) => match answer {
                Ok(answer) => End::of(answer),
                Err(_) => {
                    let limit = spec.timeout.as_millis();
                    End::TimedOut { error: format!("the run took longer than {limit} ms and was cut off") }
                }
            },
        };
        let end = match end {
            End::Failed { error } if cancel.is_cancelled() => {
                End::Cancelled { reason: format!("told to end, and answered: {error}") }
            }
            end => end,
        };
        account.close(&end);
        end
    };
    (underway, run.instrument(span))
}

/// A run that is due and cannot begin: counted as skipped, with the reason.
pub(crate) fn skip(task: &Registered, around: &Arc<Surroundings>, reason: String) {
    let number = task.stats.begin(around.now());
    Account::open(task, around, number).close(&End::Skipped { reason });
}

impl Account {
    fn open(task: &Registered, around: &Arc<Surroundings>, number: u64) -> Self {
        let check_in = check_in(task, around);
        if let Some(check_in) = &check_in {
            around.capture.check_in(check_in.clone());
        }
        let (task, around) = (task.clone(), Arc::clone(around));
        Self { task, around, number, began: Instant::now(), check_in, open: true }
    }

    fn close(&mut self, end: &End) {
        self.open = false;
        let took = self.began.elapsed();
        let spec = &self.task.spec;
        self.task.stats.end(self.number, took, end, self.around.clock.now());
        meter::run(spec.name.as_str(), spec.category.name(), end.label(), took.as_secs_f64());
        tell(spec, end, took);
        if let Some(mut check_in) = self.check_in.take() {
            check_in.status = if end.error().is_some() { CheckInStatus::Error } else { CheckInStatus::Ok };
            check_in.took = Some(took);
            self.around.capture.check_in(check_in);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        if std::thread::panicking() {
            self.task.stats.charge();
            return self.close(&End::Panicked { error: "the run panicked".to_owned() });
        }
        self.close(&End::Failed { error: "its actor ended during the run".to_owned() });
    }
}

fn tell(spec: &TaskSpec, end: &End, took: Duration) {
    let duration_seconds = took.as_secs_f64();
    let (guild_id, user_id) = (spec.guild.map(|id| id.get()), spec.user.map(|id| id.get()));
    let task = spec.name.as_str();
    match end {
        End::Done { operations } => tracing::debug!(
            task,
            operation = "run",
            duration_seconds,
            operations_completed = operations,
            guild_id,
            user_id,
            "the task ran"
        ),
        End::Skipped { reason } | End::Cancelled { reason } => {
            tracing::debug!(
                task,
                operation = "run",
                duration_seconds,
                reason,
                guild_id,
                user_id,
                "the run was {}",
                end.name()
            )
        }
        End::Failed { error } | End::Panicked { error } | End::TimedOut { error } => {
            tracing::warn!(
                task,
                operation = "run",
                duration_seconds,
                error,
                guild_id,
                user_id,
                "the run failed: {error}"
            )
        }
    }
}

/// The check-in of a run that begins; none where nobody monitors, or the schedule is not one that a monitor knows.
fn check_in(task: &Registered, around: &Surroundings) -> Option<CheckIn> {
    if !around.check_ins {
        return None;
    }
    let schedule = match &task.spec.schedule {
        Schedule::Every(period) if *period >= CHECK_IN_PERIOD_MIN => {
            CheckInSchedule::Minutes((period.as_secs_f64() / 60.0).round() as u64)
        }
        Schedule::Cron { expression, zone } if expression.split_whitespace().count() == 5 => {
            CheckInSchedule::Crontab { expression: expression.clone(), zone: zone.clone() }
        }
        Schedule::Daily { hour, minute, zone } => {
            CheckInSchedule::Crontab { expression: format!("{minute} {hour} * * *"), zone: zone.clone() }
        }
        Schedule::Every(_) | Schedule::Once(_) | Schedule::Cron { .. } => return None,
    };
    let unique = u128::from(rand::random::<u64>()) << 64 | u128::from(CHECK_INS.fetch_add(1, Relaxed));
    Some(CheckIn {
        id: unique,
        monitor: slug(&task.spec),
        status: CheckInStatus::InProgress,
        took: None,
        schedule,
        timeout: task.spec.timeout,
    })
}

/// `cog-task`, of what a monitor's name may hold.
fn slug(spec: &TaskSpec) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let text = format!("{}-{}", spec.cog, spec.name).to_ascii_lowercase();
    text.chars().map(|c| if fits(c) { c } else { '-' }).take(50).collect()
}
