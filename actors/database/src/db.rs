//! The handle that everybody holds. It outlives the actor's incarnations; the pools behind it do not.

use crate::{
    actor::{DatabaseMsg, PATH},
    audit::AuditQueue,
    config::DatabaseConfig,
    error::{DbError, Trouble},
    live::Live,
    location::Location,
    observe,
    sqlite::Plan,
};
use arc_swap::ArcSwapOption;
use protocol::{
    Class, Clock, Secret,
    ports::{Capture, Report},
};
use std::{
    fmt,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};
use supervision::Addr;
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};

/// Calls that may be under way or wait for a connection; more are turned away at once.
pub const CALLS_MAX: usize = 1024;
/// The database actor's mailbox: only what its own calls report.
const MAILBOX: usize = 64;

/// The database. Clone it freely.
///
/// Each call runs as a task of its own on the data plane: a caller that stops waiting (a deadline, a kill) cancels
/// nothing, so a write is never cut off halfway. It may be committed after its caller has given up; repeat it only if
/// doing it twice is the same as doing it once.
#[derive(Clone)]
pub struct Db {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: DatabaseConfig,
    pub(crate) location: Location,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) addr: Addr<DatabaseMsg>,
    pub(crate) audit: AuditQueue,
    counts: Counts,
    /// Held while the database is opened: a killed start finishes before the next begins.
    pub(crate) opening: Mutex<()>,
    /// Whether this process has had it open: from then on a missing file has been lost.
    was_open: AtomicBool,
    /// Whether this process has read the whole file for damage.
    checked: AtomicBool,
    live: ArcSwapOption<Live>,
    admission: Arc<Semaphore>,
    reports: OnceLock<Arc<dyn Capture>>,
}

/// Calls since the process began.
#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
}

/// What a call is, for metrics and for what its failure means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    pub(crate) name: &'static str,
    writes: bool,
    /// Goes through although the last health check failed, or writes are turned away.
    probe: bool,
}

impl Op {
    pub(crate) const fn read(name: &'static str) -> Self {
        Self { name, writes: false, probe: false }
    }

    pub(crate) const fn write(name: &'static str) -> Self {
        Self { name, writes: true, probe: false }
    }

    pub(crate) const fn probe(name: &'static str) -> Self {
        Self { name, writes: false, probe: true }
    }

    /// A write that finds out whether writes are kept.
    pub(crate) const fn trial(name: &'static str) -> Self {
        Self { name, writes: true, probe: true }
    }
}

impl Db {
    /// A handle to the database that `config` names; a relative SQLite path is below `data_dir`. Opens nothing: that is
    /// the actor's start ([`crate::child`]). Until then every call answers [`DbError::Unavailable`].
    ///
    /// # Errors
    /// [`DbError::Config`], as [`DatabaseConfig::validate`].
    pub fn new(config: DatabaseConfig, data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, DbError> {
        config.validate()?;
        let location = Location::parse(&config.url, data_dir)?;
        let inner = Inner {
            location,
            config: DatabaseConfig { url: Secret::new(""), ..config }, // the location has what is needed of it
            clock,
            addr: Addr::new(PATH, MAILBOX),
            audit: AuditQueue::default(),
            counts: Counts::default(),
            opening: Mutex::new(()),
            was_open: AtomicBool::new(false),
            checked: AtomicBool::new(false),
            live: ArcSwapOption::empty(),
            admission: Arc::new(Semaphore::new(CALLS_MAX)),
            reports: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where the database is, for people: the file, or the URL without its password.
    pub fn location(&self) -> String {
        self.inner.location.to_string()
    }

    /// From now on an operator is told by a report when the database takes no more writes; the first caller decides where.
    pub fn report_to(&self, reports: Arc<dyn Capture>) {
        self.inner.reports.set(reports).ok(); // as documented
    }

    pub(crate) fn report(&self, report: Report) {
        if let Some(reports) = self.inner.reports.get() {
            reports.capture(report);
        }
    }

    /// The pools, if they are open.
    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.inner.live.load_full()
    }

    pub(crate) fn publish(&self, live: Arc<Live>) {
        self.inner.live.store(Some(live));
    }

    /// Takes `live` away from callers, unless a newer opening has replaced it.
    pub(crate) fn unpublish(&self, live: &Arc<Live>) {
        self.inner.live.rcu(|now| now.as_ref().filter(|now| !Arc::ptr_eq(now, live)).cloned());
    }

    /// What the next opening may do and has to check.
    pub(crate) fn opening_plan(&self) -> Plan {
        Plan { create: !self.inner.was_open.load(Relaxed), check: !self.inner.checked.load(Relaxed) }
    }

    /// Notes a successful opening: the file was there, whole.
    pub(crate) fn has_opened(&self) {
        self.inner.was_open.store(true, Relaxed);
        self.inner.checked.store(true, Relaxed);
    }

    /// Calls that succeeded and that failed since the process began.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.inner.counts.done.load(Relaxed), self.inner.counts.failed.load(Relaxed))
    }

    /// Runs `work` as a task that its caller cannot cancel, and says what came of it.
    pub(crate) async fn call<T, F, Fut>(&self, op: Op, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Live>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let Some(live) = self.live() else {
            observe::refused();
            return Err(DbError::away("the database is not open"));
        };
        self.call_on(live, op, work).await
    }

    /// As [`Db::call`], on pools that need not be published.
    pub(crate) async fn call_on<T, F, Fut>(&self, live: Arc<Live>, op: Op, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Live>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        if let (false, Some(reason)) = (op.probe, live.turns_away(op.writes)) {
            observe::refused();
            return Err(DbError::Unavailable { reason: (*reason).clone(), retry_after: self.inner.config.health() });
        }
        let Ok(permit) = Arc::clone(&self.inner.admission).try_acquire_owned() else {
            return Err(DbError::Timeout { what: format!("{CALLS_MAX} calls are waiting already") });
        };
        let (db, calls, runtime) = (self.clone(), live.calls.clone(), live.runtime.clone());
        let task = calls.spawn_on(
            async move {
                let (_permit, begun) = (permit, Instant::now());
                let result = work(Arc::clone(&live)).await.map_err(|trouble| db.explain(trouble, op));
                db.observe(op, begun, &live, result.as_ref().err());
                result
            },
            &runtime,
        );
        task.await.unwrap_or_else(|ended| {
            let what = if ended.is_panic() { "panicked" } else { "was cut off with the runtime" };
            tracing::error!(db.call = op.name, "a database call {what}");
            Err(DbError::Unknown { reason: format!("the call {} {what}", op.name) })
        })
    }

    fn explain(&self, trouble: Trouble, op: Op) -> DbError {
        match trouble.explain(&self.inner.location, self.inner.config.acquire()) {
            DbError::Unknown { reason } if !op.writes => DbError::away(reason),
            other => other,
        }
    }

    /// Counts, and tells the actor what its callers found.
    fn observe(&self, op: Op, begun: Instant, live: &Live, error: Option<&DbError>) {
        let Inner { counts, addr, .. } = &*self.inner;
        observe::call(op.name, begun.elapsed(), error);
        let Some(error) = error else {
            counts.done.fetch_add(1, Relaxed);
            return;
        };
        counts.failed.fetch_add(1, Relaxed);
        match error {
            // It is open and can be read: whether it takes writes is for the next look to find out.
            DbError::Unavailable { .. } | DbError::Unknown { .. } | DbError::ReadOnly(_)
                if op.writes && self.is_sqlite() =>
            {
                live.writes.doubt();
                if !op.probe {
                    live.look_again.notify_one(); // a trial is a look
                }
            }
            _ if error.class() == Class::Fatal => {
                self.inner.checked.store(false, Relaxed); // whoever opens it next looks at all of it
                // Full or gone, it knows already: one such report ends it.
                addr.try_send(DatabaseMsg::Sick(error.clone())).ok();
            }
            DbError::Unavailable { .. } | DbError::Unknown { .. } => live.look_again.notify_one(),
            _ => {}
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::write!(f, "Db({})", self.inner.location)
    }
}
