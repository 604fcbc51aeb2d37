//! One incarnation: its exit slot, its stop token and the tasks it owns.

use crate::{crash::Crashes, exit::Exit, mailbox::Mailbox, panics::guarded, pulse::Pulse};
use std::{
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What an incarnation tells its supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `start` returned.
    Started,
    /// The incarnation is gone: its state dropped, its tasks ended.
    Exited(Exit),
    /// It said that it cannot (false) or can (true) do its work.
    Available(bool),
}

/// The way of a [`Signal`] to the supervisor.
pub(crate) type Notify = Arc<dyn Fn(Signal) + Send + Sync>;

pub(crate) struct Life {
    incarnation: u64,
    pulse: Arc<Pulse>,
    /// Where a failure is written down; a supervisor has none, as no code but the kernel's runs in it.
    record: Option<Record>,
    exit: Mutex<Option<Exit>>,
    stopping: CancellationToken,
    over: CancellationToken,
    tasks: TaskTracker,
    data: Handle,
    notify: Notify,
    cell: OnceLock<ractor::ActorCell>,
}

/// What a crash record is made of.
pub(crate) struct Record {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) crashes: Arc<Crashes>,
}

impl Life {
    pub(crate) fn new(incarnation: u64, data: Handle, notify: Notify, record: Option<Record>) -> Self {
        Self {
            incarnation,
            pulse: Arc::new(Pulse::new()),
            record,
            exit: Mutex::new(None),
            stopping: CancellationToken::new(),
            over: CancellationToken::new(),
            tasks: TaskTracker::new(),
            data,
            notify,
            cell: OnceLock::new(),
        }
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// What it is doing.
    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    pub(crate) fn attach(&self, cell: ractor::ActorCell) {
        self.cell.set(cell).ok(); // attached once, by the adapter
    }

    /// Notes why the incarnation ends. The first reason stands: what follows from it is not the cause. A failure is
    /// written down at once, before anything of the incarnation is cleaned up.
    pub(crate) fn note_exit(&self, exit: Exit) {
        let failure = exit.is_abnormal().then(|| exit.clone());
        {
            let mut noted = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.is_some() {
                return;
            }
            *noted = Some(exit);
        }
        if let (Some(exit), Some(record)) = (failure, &self.record) {
            record.crashes.freeze(&record.mailbox, &self.pulse, self.incarnation, &exit);
        }
    }

    /// Whether the end has been decided on already.
    pub(crate) fn has_exit(&self) -> bool {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether what it ends with is a failure.
    pub(crate) fn has_failed(&self) -> bool {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Exit::is_abnormal)
    }

    pub(crate) fn take_exit(&self) -> Option<Exit> {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks for a graceful stop: the token fires, and the actor stops after its current handler.
    pub(crate) fn ask_stop(&self) {
        self.stopping.cancel();
        if let Some(cell) = self.cell.get() {
            cell.stop(None);
        }
    }

    /// Ends the incarnation from inside, with `exit`.
    pub(crate) fn end(&self, exit: Exit) {
        self.note_exit(exit);
        self.ask_stop();
    }

    /// Kills: the handler is cancelled at its next await point.
    pub(crate) fn kill(&self, by: &str) {
        self.note_exit(Exit::Killed { by: by.to_owned() });
        self.stopping.cancel();
        self.over.cancel();
        if let Some(cell) = self.cell.get() {
            cell.kill();
        }
    }

    /// Ends the tasks the incarnation owns.
    pub(crate) fn close(&self) {
        self.stopping.cancel();
        self.over.cancel();
        self.tasks.close();
    }

    /// Waits until the owned tasks have ended; [`Life::close`] must have been called.
    pub(crate) async fn tasks_ended(&self) {
        self.tasks.wait().await;
    }

    /// Owned tasks that have not ended.
    pub(crate) fn tasks_alive(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        let life = Arc::downgrade(self);
        self.tasks.spawn_on(
            async move {
                tokio::select! {
                    biased;
                    () = over.cancelled() => {}
                    done = guarded(work) => if let (Err(panic), Some(life)) = (done, life.upgrade()) { life.end(panic) },
                }
            },
            &self.data,
        );
    }

    pub(crate) fn announce_availability(&self, available: bool) {
        (self.notify)(Signal::Available(available));
    }

    pub(crate) fn notify(&self, signal: Signal) {
        (self.notify)(signal);
    }
}
