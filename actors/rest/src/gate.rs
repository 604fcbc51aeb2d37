//! The line with its callers: who waits is woken when its turn comes.

use crate::{
    buckets::{Share, Told},
    line::{Line, Outcome, Place, Ticket},
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

/// Brings a share of the bucket, or the least wait when that is beyond the deadline.
type Woken = oneshot::Receiver<Result<Share, Duration>>;

/// Why there is no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// Too many wait already.
    Full,
    /// Budget or bucket will let it go only after so much time, beyond its deadline.
    TooLate(Duration),
}

/// Hands out turns. It outlives the actor; the actor's task gives the turns that time alone brings.
pub(crate) struct Gate {
    inner: Mutex<Inner>,
    nudge: Notify,
}

struct Inner {
    line: Line,
    callers: HashMap<Ticket, oneshot::Sender<Result<Share, Duration>>>,
    /// When the driver will look again by itself.
    wake: Option<Instant>,
}

impl Gate {
    pub(crate) fn new(per_second: u16) -> Self {
        let inner = Inner { line: Line::new(per_second.into()), callers: HashMap::new(), wake: None };
        Self { inner: Mutex::new(inner), nudge: Notify::new() }
    }

    /// Waits for a turn. Dropping the future leaves the line.
    ///
    /// # Errors
    /// See [`NoTurn`]; at once, or as soon as it is known.
    pub(crate) async fn turn(self: &Arc<Self>, place: Place) -> Result<Turn, NoTurn> {
        let (turn, woken) = {
            let mut inner = self.lock();
            let now = Instant::now();
            let nobody_is_due = inner.wake.is_none_or(|at| at > now);
            if nobody_is_due && let Some((ticket, share)) = inner.line.go_at_once(now, &place) {
                drop(inner);
                return Ok(Turn { gate: Arc::clone(self), place, ticket, share: Some(share), woken: None });
            }
            let ticket = inner.line.join(place.clone()).ok_or(NoTurn::Full)?;
            let least = inner.line.least_wait(&place);
            if now + least > place.deadline {
                inner.line.leave(ticket, place.order.as_deref());
                return Err(NoTurn::TooLate(least));
            }
            let (waker, woken) = oneshot::channel();
            inner.callers.insert(ticket, waker);
            self.look(&mut inner, ticket);
            (Turn { gate: Arc::clone(self), place, ticket, share: None, woken: None }, woken)
        };
        turn.wait(woken).await
    }

    /// Gives the turns that time brings, until it is dropped.
    pub(crate) async fn drive(self: Arc<Self>) {
        loop {
            let wake = {
                let mut inner = self.lock();
                inner.pass();
                inner.wake
            };
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

    /// Routes and buckets that are remembered.
    pub(crate) fn kept(&self) -> (usize, usize) {
        self.lock().line.kept()
    }

    /// Looks whether `ticket`, who has just joined, may go; all others only when it is time for them too.
    fn look(&self, inner: &mut Inner, ticket: Ticket) {
        let now = Instant::now();
        if inner.wake.is_some_and(|at| at <= now) {
            self.pass(inner);
            return;
        }
        let (outcome, wake) = inner.line.turn_of(now, ticket);
        if let Some(outcome) = outcome {
            inner.tell(ticket, outcome);
        }
        if let Some(wake) = wake
            && inner.wake.is_none_or(|at| wake < at)
        {
            inner.wake = Some(wake);
            self.nudge.notify_one();
        }
    }

    fn pass(&self, inner: &mut Inner) {
        let before = inner.wake;
        inner.pass();
        if inner.wake != before {
            self.nudge.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn pass(&mut self) {
        let (done, wake) = self.line.turns(Instant::now());
        self.wake = wake;
        for (ticket, outcome) in done {
            self.tell(ticket, outcome);
        }
    }

    fn tell(&mut self, ticket: Ticket, outcome: Outcome) {
        let told = match outcome {
            Outcome::Go(share) => Ok(share),
            Outcome::TooLate(wait) => Err(wait),
        };
        // A caller that gave up takes itself out of here first, so that nothing is told to nobody.
        if let Some(caller) = self.callers.remove(&ticket)
            && let Err(Ok(share)) = caller.send(told)
        {
            self.line.unused(&share);
        }
    }
}

/// A place in the line, then a turn, until it is dropped.
pub(crate) struct Turn {
    gate: Arc<Gate>,
    place: Place,
    ticket: Ticket,
    share: Option<Share>,
    woken: Option<Woken>,
}

impl Turn {
    /// Takes the answer to what was sent in this turn.
    pub(crate) fn settle(&mut self, told: Told) {
        let Some(share) = self.share.take() else { return };
        let mut inner = self.gate.lock();
        inner.line.settle(Instant::now(), &self.place.route, &share, told);
        self.gate.pass(&mut inner);
    }

    /// Nothing was sent in this turn.
    pub(crate) fn unused(&mut self) {
        let Some(share) = self.share.take() else { return };
        let mut inner = self.gate.lock();
        inner.line.unused(&share);
        self.gate.pass(&mut inner);
    }

    /// Nothing was sent in this turn, and nothing will be.
    pub(crate) fn give_back(&mut self) {
        let Some(share) = self.share.take() else { return };
        let mut inner = self.gate.lock();
        inner.line.given_back(&share);
        self.gate.pass(&mut inner);
    }

    /// Waits for another turn, ahead of all that came later and with its order still held.
    ///
    /// # Errors
    /// The bucket opens only after the deadline.
    pub(crate) async fn again(self) -> Result<Self, NoTurn> {
        let (waker, woken) = oneshot::channel();
        {
            let mut inner = self.gate.lock();
            inner.callers.insert(self.ticket, waker);
            inner.line.rejoin(self.ticket, self.place.clone());
            self.gate.look(&mut inner, self.ticket);
        }
        self.wait(woken).await
    }

    async fn wait(mut self, woken: Woken) -> Result<Self, NoTurn> {
        match self.woken.insert(woken).await {
            Ok(Ok(share)) => {
                (self.share, self.woken) = (Some(share), None);
                Ok(self)
            }
            Ok(Err(wait)) => Err(NoTurn::TooLate(wait)),
            Err(_never) => Err(NoTurn::Full), // the sender lives as long as this ticket waits
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        // A turn that came after the caller had stopped looking.
        let missed = self.woken.take().and_then(|mut woken| woken.try_recv().ok());
        if let Some(Ok(share)) = missed {
            inner.line.unused(&share);
        }
        if let Some(share) = self.share.take() {
            inner.line.settle(Instant::now(), &self.place.route, &share, Told::Nothing);
        }
        inner.line.leave(self.ticket, self.place.order.as_deref());
        inner.callers.remove(&self.ticket);
        self.gate.pass(&mut inner);
    }
}
