//! The line with its callers: who waits is woken when its turn comes.

use crate::{
    call::LaneKey,
    line::{Line, Ticket},
    send::Priority,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

/// When to try again after the line was full.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// Hands out turns. It outlives the actor; the actor's task gives the turns that time alone brings.
pub(crate) struct Gate {
    inner: Mutex<Inner>,
    nudge: Notify,
}

struct Inner {
    line: Line<LaneKey>,
    callers: HashMap<Ticket, oneshot::Sender<()>>,
}

impl Gate {
    pub(crate) fn new(per_second: u16) -> Self {
        let inner = Inner { line: Line::new(per_second.into()), callers: HashMap::new() };
        Self { inner: Mutex::new(inner), nudge: Notify::new() }
    }

    /// Waits for a turn. Dropping the future leaves the line.
    ///
    /// # Errors
    /// At once, with the least wait: too many wait already, or those ahead take the budget beyond `deadline`.
    pub(crate) async fn turn(
        self: &Arc<Self>,
        priority: Priority,
        key: LaneKey,
        exempt: bool,
        deadline: Instant,
    ) -> Result<Turn, Duration> {
        let (waker, mut woken) = oneshot::channel();
        let turn = {
            let mut inner = self.lock();
            let ticket = inner.line.join(priority, key.clone(), exempt).ok_or(WHEN_FULL)?;
            let least = inner.line.least_wait(ticket);
            if Instant::now() + least > deadline {
                inner.line.leave(ticket, &key, None);
                return Err(least);
            }
            inner.callers.insert(ticket, waker);
            Turn { gate: Arc::clone(self), key, ticket, closed_until: None }
        };
        self.pass();
        if woken.try_recv().is_err() {
            self.nudge.notify_one();
            woken.await.ok(); // the sender lives as long as this ticket waits
        }
        Ok(turn)
    }

    /// Gives the turns that time brings, until it is dropped.
    pub(crate) async fn drive(self: Arc<Self>) {
        loop {
            let wake = self.pass();
            let time = async {
                match wake {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                () = self.nudge.notified() => {}
            }
        }
    }

    /// How many wait with `priority`.
    pub(crate) fn waiting_at(&self, priority: Priority) -> usize {
        self.lock().line.waiting_at(priority)
    }

    fn pass(&self) -> Option<Instant> {
        let mut inner = self.lock();
        let (granted, wake) = inner.line.turns(Instant::now());
        for ticket in granted {
            if let Some(caller) = inner.callers.remove(&ticket) {
                caller.send(()).ok(); // a caller that gave up frees its lane when its turn is dropped
            }
        }
        wake
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line, then a lane of its own, until it is dropped.
pub(crate) struct Turn {
    gate: Arc<Gate>,
    key: LaneKey,
    ticket: Ticket,
    closed_until: Option<Instant>,
}

impl Turn {
    /// Keeps the lane closed until then, once this turn is over.
    pub(crate) fn close_until(&mut self, until: Option<Instant>) {
        self.closed_until = until;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut inner = self.gate.lock();
            inner.line.leave(self.ticket, &self.key, self.closed_until);
            inner.callers.remove(&self.ticket);
        }
        if self.gate.pass().is_some() {
            self.gate.nudge.notify_one();
        }
    }
}
