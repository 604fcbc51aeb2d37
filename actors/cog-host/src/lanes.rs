//! Lanes: one bounded queue per guild, made on demand. Within a lane jobs start in order; then they run concurrently.

mod shed;

pub(crate) use shed::Class;

use futures_util::FutureExt as _;
use protocol::{
    BoxFuture, Delivery,
    id::{ChannelId, GuildId},
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Lanes that may exist at once. Past it a new guild's event waits until an idle lane has gone.
pub const LANES_MAX: usize = 4096;
/// A lane with nothing to do is removed after this time; at once when new ones are waiting.
const IDLE: Duration = Duration::from_secs(30);

/// How often an event that waits for a lane asks the idle ones to go.
const KNOCK: Duration = Duration::from_millis(50);

/// What a lane stands for: events of one key start in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LaneKey {
    Guild(GuildId),
    /// Direct messages, by channel.
    Channel(ChannelId),
    /// Events of the whole account.
    Account,
}

/// Something that waits in a lane. [`Work::begin`] runs in lane order, one at a time; it starts jobs on the lane.
pub(crate) trait Work: Send + 'static {
    fn begin(self, lane: Lane) -> BoxFuture<'static, ()>;
}

/// The bounds of lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Events that may wait in one lane.
    pub(crate) capacity: usize,
    /// Jobs of one lane that may run at once.
    pub(crate) jobs: usize,
    /// Lanes at once.
    pub(crate) lanes: usize,
}

/// The lanes of one incarnation of the dispatcher.
pub(crate) struct Lanes<W> {
    bounds: Bounds,
    data: Handle,
    queues: dashmap::DashMap<LaneKey, mpsc::Sender<Waiting<W>>>,
    count: AtomicUsize,
    crowded: Notify,
    freed: Notify,
    stuck: shed::Stuck,
    books: Arc<Books>,
    over: CancellationToken,
}

/// What is waiting and running, over all lanes.
#[derive(Default)]
struct Books {
    waiting: AtomicUsize,
    running: AtomicUsize,
    closed: AtomicBool,
    settled: Notify,
}

impl Books {
    fn settle(&self) {
        if self.unfinished() == 0 {
            self.settled.notify_waiters();
        }
    }

    fn unfinished(&self) -> usize {
        self.waiting.load(SeqCst) + self.running.load(SeqCst)
    }
}

struct Queued<W> {
    work: W,
    since: Instant,
    _waiting: Counted,
}

/// In a box: a channel has room for 32 from the start, and there is one for each guild that anybody spoke in.
type Waiting<W> = Box<Queued<W>>;

/// What did not get in, and the full lane to wait at; none when there may be no further lane.
type Refused<W> = (Waiting<W>, Option<mpsc::Sender<Waiting<W>>>);

/// Counts one in the books until it is dropped.
struct Counted(Arc<Books>, fn(&Books) -> &AtomicUsize);

impl Counted {
    fn new(books: &Arc<Books>, what: fn(&Books) -> &AtomicUsize) -> Self {
        what(books).fetch_add(1, SeqCst);
        Self(Arc::clone(books), what)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, SeqCst);
        self.0.settle();
    }
}

impl<W: Work> Lanes<W> {
    pub(crate) fn new(bounds: Bounds, data: Handle) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            data,
            queues: dashmap::DashMap::new(),
            count: AtomicUsize::new(0),
            crowded: Notify::new(),
            freed: Notify::new(),
            stuck: shed::Stuck::default(),
            books: Arc::default(),
            over: CancellationToken::new(),
        })
    }

    /// Puts `work` into the lane of `key` if there is room; false: it was dropped.
    pub(crate) fn offer_or_drop(self: &Arc<Self>, key: LaneKey, work: W) -> bool {
        !self.is_closed() && self.try_offer(key, self.queued(work)).is_ok()
    }

    /// Puts `work` into the lane of `key`. A future means that there was no room: it ends once there was. Whether the
    /// lanes are closed is for the caller to ask; what comes in while they close is finished with the rest.
    pub(crate) fn offer(self: &Arc<Self>, key: LaneKey, work: W) -> Delivery<'static> {
        let Err((queued, sender)) = self.try_offer(key, self.queued(work)) else { return None };
        metering::lanes::full();
        let this = Arc::clone(self);
        Some(Box::pin(async move { this.wait(key, queued, sender).await }))
    }

    fn queued(&self, work: W) -> Waiting<W> {
        let waiting = Counted::new(&self.books, |books| &books.waiting);
        Box::new(Queued { work, since: Instant::now(), _waiting: waiting })
    }

    fn try_offer(self: &Arc<Self>, key: LaneKey, queued: Waiting<W>) -> Result<(), Refused<W>> {
        // Sending happens under the map's lock: a lane cannot be taken for idle in between.
        if let Some(sender) = self.queues.get(&key) {
            return sender.try_send(queued).map_err(|error| (error.into_inner(), Some(sender.clone())));
        }
        if self.count.fetch_add(1, SeqCst) >= self.bounds.lanes {
            self.count.fetch_sub(1, SeqCst);
            return Err((queued, None));
        }
        match self.queues.entry(key) {
            dashmap::Entry::Occupied(there) => {
                self.count.fetch_sub(1, SeqCst); // another shard task was faster
                there.get().try_send(queued).map_err(|error| (error.into_inner(), Some(there.get().clone())))
            }
            dashmap::Entry::Vacant(free) => {
                let (sender, receiver) = mpsc::channel(self.bounds.capacity.max(1));
                let sent = sender.try_send(queued).map_err(|error| (error.into_inner(), Some(sender.clone())));
                free.insert(sender);
                let lane = Arc::clone(self).run(key, receiver);
                self.data.spawn(self.over.clone().run_until_cancelled_owned(lane));
                sent
            }
        }
    }

    async fn wait(self: Arc<Self>, key: LaneKey, mut queued: Waiting<W>, mut sender: Option<mpsc::Sender<Waiting<W>>>) {
        let over = self.over.clone();
        let work = async {
            loop {
                if let Some(sender) = sender {
                    sender.send(queued).await.ok(); // closed: the lanes are over, and the books count it as lost
                    return;
                }
                let mut freed = std::pin::pin!(self.freed.notified());
                freed.as_mut().enable();
                self.crowded.notify_waiters();
                match self.try_offer(key, queued) {
                    Ok(()) => return,
                    Err((back, full)) => (queued, sender) = (back, full),
                }
                if sender.is_none() {
                    // A lane that became idle after the knock heard nothing of it: knock again.
                    tokio::time::timeout(KNOCK, freed).await.ok(); // either way it is tried again
                }
            }
        };
        over.run_until_cancelled(work).await;
    }

    async fn run(self: Arc<Self>, key: LaneKey, mut queue: mpsc::Receiver<Waiting<W>>) {
        let lane = Lane {
            permits: Arc::new(Semaphore::new(self.bounds.jobs.max(1))),
            serial: Arc::default(),
            books: Arc::clone(&self.books),
            data: self.data.clone(),
            over: self.over.clone(),
        };
        loop {
            let next = tokio::select! {
                biased;
                next = queue.recv() => next,
                () = self.idle() => None,
            };
            match next {
                Some(queued) => {
                    let Queued { work, since, _waiting } = *queued;
                    metering::lanes::waited(since.elapsed().as_secs_f64());
                    // A panic in front of a job costs that event, not the lane.
                    if let Err(exit) = supervision::guarded(work.begin(lane.clone())).await {
                        tracing::error!(%exit, "an event could not be handed to its commands");
                    }
                }
                None if self.remove_idle(key, &queue, &lane) => return,
                None => {}
            }
        }
    }

    async fn idle(&self) {
        tokio::select! {
            () = tokio::time::sleep(IDLE) => {}
            () = self.crowded.notified() => {}
        }
    }

    fn remove_idle(&self, key: LaneKey, queue: &mpsc::Receiver<Waiting<W>>, lane: &Lane) -> bool {
        let idle = |sender: &mpsc::Sender<Waiting<W>>| {
            queue.is_empty()
                && sender.strong_count() == 1
                && lane.permits.available_permits() >= self.bounds.jobs.max(1)
        };
        let removed = self.queues.remove_if(&key, |_, sender| idle(sender)).is_some();
        if removed {
            self.count.fetch_sub(1, SeqCst);
            self.freed.notify_waiters();
        }
        removed
    }
}

impl<W> Lanes<W> {
    /// Whether it takes nothing more.
    pub(crate) fn is_closed(&self) -> bool {
        self.books.closed.load(SeqCst)
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        self.books.closed.store(true, SeqCst);
    }

    /// Ends once nothing waits and nothing runs.
    pub(crate) async fn settled(&self) {
        loop {
            let mut settled = std::pin::pin!(self.books.settled.notified());
            settled.as_mut().enable();
            if self.books.unfinished() == 0 {
                return;
            }
            settled.await;
        }
    }

    /// Ends everything at once; gives what was cut off.
    pub(crate) fn cancel(&self) -> usize {
        self.close();
        let unfinished = self.books.unfinished();
        self.over.cancel();
        self.queues.clear();
        unfinished
    }

    /// Lanes, events that wait, jobs that run.
    pub(crate) fn depth(&self) -> (usize, usize, usize) {
        (self.count.load(SeqCst), self.books.waiting.load(SeqCst), self.books.running.load(SeqCst))
    }

    /// Runs `work` beside the lanes, until they are over.
    pub(crate) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let guarded = async {
            if let Err(exit) = supervision::guarded(work).await {
                tracing::error!(%exit, "a task beside the lanes panicked");
            }
        };
        self.data.spawn(self.over.clone().run_until_cancelled_owned(guarded));
    }
}

/// One lane, as its work sees it.
#[derive(Clone)]
pub(crate) struct Lane {
    permits: Arc<Semaphore>,
    serial: Arc<std::sync::Mutex<HashMap<String, Arc<Mutex<()>>>>>,
    books: Arc<Books>,
    data: Handle,
    over: CancellationToken,
}

impl Lane {
    /// Starts `job` and returns once it has begun: it has been polled, or, with `serial`, stands in the queue of its
    /// name. Waits for a free place first. A job that waits for its serial turn holds its place.
    pub(crate) async fn start(&self, serial: Option<&str>, job: impl Future<Output = ()> + Send + 'static) {
        let Ok(place) = Arc::clone(&self.permits).acquire_owned().await else { return };
        let turn = serial.map(|name| self.turn(name));
        let running = Counted::new(&self.books, |books| &books.running);
        let (begun, has_begun) = oneshot::channel();
        let job = Self::job(turn, begun, place, running, job);
        self.data.spawn(self.over.clone().run_until_cancelled_owned(job));
        has_begun.await.ok(); // cancelled together with the lane
    }

    async fn job(
        turn: Option<Arc<Mutex<()>>>,
        begun: oneshot::Sender<()>,
        _place: OwnedSemaphorePermit,
        _running: Counted,
        job: impl Future<Output = ()> + Send,
    ) {
        let mut begun = Some(begun);
        let mut say = move || {
            if let Some(begun) = begun.take() {
                begun.send(()).ok(); // the lane may be gone
            }
        };
        let _turn = match turn {
            None => None,
            Some(turn) => {
                let mut lock = Box::pin(turn.lock_owned());
                match lock.as_mut().now_or_never() {
                    Some(held) => Some(held),
                    None => {
                        say(); // the lock is first come, first served: the place in its queue is taken
                        Some(lock.await)
                    }
                }
            }
        };
        let mut job = std::pin::pin!(job);
        std::future::poll_fn(|cx| {
            let polled = job.as_mut().poll(cx);
            say();
            polled
        })
        .await;
    }

    fn turn(&self, name: &str) -> Arc<Mutex<()>> {
        let mut serial = self.serial.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(serial.entry(name.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests;
