//! One lane as its work sees it, and the places that its jobs take.

use super::{Books, Counted};
use futures_util::FutureExt as _;
use protocol::BoxFuture;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    task::{Context, Waker},
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// The places of all lanes together. Interactions have their own: Discord gives up on one within seconds, and messages
/// that wait for its limit on requests, which interactions are exempt from, must not hold them up.
pub(super) struct Places {
    messages: Arc<Semaphore>,
    interactions: Arc<Semaphore>,
}

impl Places {
    /// As many `places` for each.
    pub(super) fn new(places: usize) -> Self {
        let new = || Arc::new(Semaphore::new(places.max(1)));
        Self { messages: new(), interactions: new() }
    }

    pub(super) fn of(&self, urgency: Urgency) -> &Arc<Semaphore> {
        match urgency {
            Urgency::Message => &self.messages,
            Urgency::Interaction => &self.interactions,
        }
    }
}

/// Whose places a job takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A message's, or an event's.
    Message,
    /// An interaction's.
    Interaction,
}

/// A job's place, of its lane and of all lanes.
type Place = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// One lane, as its work sees it.
#[derive(Clone)]
pub(crate) struct Lane {
    pub(super) permits: Arc<Semaphore>,
    pub(super) places: Arc<Places>,
    pub(super) urgency: Urgency,
    /// When the event whose jobs it starts came in.
    pub(super) since: Instant,
    pub(super) serial: Arc<std::sync::Mutex<HashMap<String, Arc<Mutex<()>>>>>,
    /// Ends once the newest job has begun. Only the next one waits for it: a lane that has nothing else to do is not woken
    /// for it, which on one core would make a second thread of the runtime compete with the job.
    pub(super) begun: Arc<std::sync::Mutex<Option<oneshot::Receiver<()>>>>,
    pub(super) books: Arc<Books>,
    pub(super) data: Handle,
    /// Who waits for a serial turn waits in vain.
    pub(super) frozen: CancellationToken,
    pub(super) over: CancellationToken,
}

impl Lane {
    /// Starts the job that `make` makes, as a task, once the one before it has begun: it has been polled, or, with `serial`,
    /// stands in the queue of its name. Waits for a free place as well, of the lane and then of all lanes; the job is not
    /// made before, since in a burst one waits for each guild. A job that waits for its serial turn holds its place.
    pub(crate) async fn start(&self, serial: Option<&str>, make: impl FnOnce() -> BoxFuture<'static, ()>) {
        let Some(place) = self.place().await else { return };
        let turn = serial.map(|name| (self.turn(name), self.frozen.clone()));
        let running = Counted::new(&self.books, |books| &books.running);
        let (begun, has_begun) = oneshot::channel();
        // In a box: each wrapper below would hold it twice, a command's 1.2 KB as 11 in the end.
        let job = Self::job(turn, begun, place, running, make());
        self.data.spawn(self.over.clone().run_until_cancelled_owned(job));
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).replace(has_begun);
    }

    /// As [`Lane::start`], for a job that mostly has nothing to wait for: the lane polls it once itself, and makes a task of
    /// it only if it is not over then. Either way it has begun when this ends.
    pub(crate) async fn start_here(&self, make: impl FnOnce() -> BoxFuture<'static, ()>) {
        let Some(place) = self.place().await else { return };
        if self.frozen.is_cancelled() {
            // A lane whose jobs are over at once need not have been polled anew since.
            std::future::pending::<()>().await;
        }
        // Nobody is woken by this poll: the task polls it again at once.
        let mut nobody = Context::from_waker(Waker::noop());
        let polled = supervision::guarded_sync(|| {
            let mut job = make();
            job.as_mut().poll(&mut nobody).is_pending().then_some(job)
        });
        match polled {
            Ok(None) => {}
            Ok(Some(job)) => {
                let running = Counted::new(&self.books, |books| &books.running);
                let job = async move {
                    let _held = (place, running);
                    job.await;
                };
                self.data.spawn(self.over.clone().run_until_cancelled_owned(job));
            }
            Err(exit) => tracing::error!(%exit, "a job panicked outside the code that it is there for"),
        }
    }

    /// Waits until the job before has begun and there is room for another.
    async fn place(&self) -> Option<Place> {
        let before = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            before.await.ok(); // cancelled together with the lane
        }
        let of_lane = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let of_all = Arc::clone(self.places.of(self.urgency)).acquire_owned().await.ok()?;
        metering::lanes::waited(self.since.elapsed().as_secs_f64());
        Some((of_lane, of_all))
    }

    async fn job(
        turn: Option<(Arc<Mutex<()>>, CancellationToken)>,
        begun: oneshot::Sender<()>,
        _place: Place,
        _running: Counted,
        mut job: BoxFuture<'static, ()>,
    ) {
        let mut begun = Some(begun);
        let mut say = move || {
            if let Some(begun) = begun.take() {
                begun.send(()).ok(); // the lane may be gone
            }
        };
        let _turn = match turn {
            None => None,
            Some((turn, frozen)) => {
                let mut lock = Box::pin(turn.lock_owned());
                match lock.as_mut().now_or_never() {
                    Some(held) => Some(held),
                    None => {
                        say(); // the lock is first come, first served: the place in its queue is taken
                        let Some(held) = frozen.run_until_cancelled(lock).await else { return };
                        Some(held)
                    }
                }
            }
        };
        std::future::poll_fn(|cx| {
            let polled = job.as_mut().poll(cx);
            say();
            polled
        })
        .await;
    }

    fn turn(&self, name: &str) -> Arc<Mutex<()>> {
        let mut serial = self.serial.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(serial.entry(name.to_owned()).or_default())
    }
}
