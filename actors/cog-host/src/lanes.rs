//! Lanes: one bounded queue per guild, made on demand. Within a lane jobs start in order; then they run concurrently.

mod lane;
mod shed;

pub(crate) use lane::{Lane, Urgency};
pub(crate) use shed::Class;

use lane::Places;

use protocol::{
    BoxFuture, Delivery,
    id::{ChannelId, GuildId},
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
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

    /// Whose places its jobs take.
    fn urgency(&self) -> Urgency;
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
    /// Events that may wait in all lanes together.
    pub(crate) waiting: usize,
    /// Jobs of all lanes together that may run at once; as many again for interactions.
    pub(crate) running: usize,
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
    /// What may wait.
    room: Places,
    /// What may run.
    places: Arc<Places>,
    /// Nothing more begins.
    frozen: CancellationToken,
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
    /// Its share of what may wait in all; none yet when there was no more.
    room: Option<OwnedSemaphorePermit>,
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
        let over = CancellationToken::new();
        Arc::new(Self {
            bounds,
            data,
            queues: dashmap::DashMap::new(),
            count: AtomicUsize::new(0),
            crowded: Notify::new(),
            freed: Notify::new(),
            stuck: shed::Stuck::default(),
            books: Arc::default(),
            room: Places::new(bounds.waiting),
            places: Arc::new(Places::new(bounds.running)),
            frozen: over.child_token(),
            over,
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

    /// Whether more than one part in `parts` of all that may wait is still free. The last of it is for commands and moderation.
    fn has_spare(&self, parts: usize) -> bool {
        self.room.of(Urgency::Message).available_permits() > self.bounds.waiting / parts
    }

    fn queued(&self, work: W) -> Waiting<W> {
        let waiting = Counted::new(&self.books, |books| &books.waiting);
        let room = Arc::clone(self.room.of(work.urgency())).try_acquire_owned().ok();
        Box::new(Queued { work, since: Instant::now(), room, _waiting: waiting })
    }

    fn try_offer(self: &Arc<Self>, key: LaneKey, queued: Waiting<W>) -> Result<(), Refused<W>> {
        if queued.room.is_none() {
            return Err((queued, None));
        }
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
                // In a box: each wrapper would hold it twice, and there is one for each guild that somebody spoke in.
                let lane = Box::pin(Arc::clone(self).run(key, receiver));
                self.data.spawn(self.frozen.clone().run_until_cancelled_owned(lane));
                sent
            }
        }
    }

    async fn wait(self: Arc<Self>, key: LaneKey, mut queued: Waiting<W>, mut sender: Option<mpsc::Sender<Waiting<W>>>) {
        let frozen = self.frozen.clone();
        let work = async {
            if queued.room.is_none() {
                let room = Arc::clone(self.room.of(queued.work.urgency()));
                queued.room = room.acquire_owned().await.ok(); // it is never closed
            }
            loop {
                if let Some(sender) = sender {
                    sender.send(queued).await.ok(); // closed: the lanes are over, and the books count it as lost
                    return;
                }
                let mut freed = std::pin::pin!(self.freed.notified());
                freed.as_mut().enable();
                match self.try_offer(key, queued) {
                    Ok(()) => return,
                    Err((back, full)) => (queued, sender) = (back, full),
                }
                if sender.is_none() {
                    self.crowded.notify_waiters();
                    // A lane that became idle after the knock heard nothing of it: knock again.
                    tokio::time::timeout(KNOCK, freed).await.ok(); // either way it is tried again
                }
            }
        };
        frozen.run_until_cancelled(work).await;
    }

    async fn run(self: Arc<Self>, key: LaneKey, mut queue: mpsc::Receiver<Waiting<W>>) {
        let lane = Lane {
            permits: Arc::new(Semaphore::new(self.bounds.jobs.max(1))),
            places: Arc::clone(&self.places),
            urgency: Urgency::Message,
            since: Instant::now(),
            serial: Arc::default(),
            begun: Arc::default(),
            books: Arc::clone(&self.books),
            data: self.data.clone(),
            frozen: self.frozen.clone(),
            over: self.over.clone(),
        };
        loop {
            let next = tokio::select! {
                biased;
                next = queue.recv() => next,
                () = self.idle() => {
                    if self.remove_idle(key, &queue, &lane) {
                        return;
                    }
                    continue;
                }
            };
            let Some(queued) = next else { return }; // all lanes are over
            let Queued { work, since, room, _waiting } = *queued;
            // A panic in front of a job costs that event, not the lane.
            let lane = Lane { urgency: work.urgency(), since, ..lane.clone() };
            if let Err(exit) = supervision::guarded(async { work.begin(lane).await }).await {
                tracing::error!(%exit, "an event could not be handed to its commands");
            }
            drop(room);
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

    /// Takes nothing more, and nothing that waits begins any more: it is dropped. What runs goes on.
    pub(crate) fn freeze(&self) {
        self.close();
        self.frozen.cancel();
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

    /// Runs `work` beside the lanes as one of their jobs: [`Lanes::settled`] waits for it.
    pub(crate) fn last_word(&self, work: impl Future<Output = ()> + Send + 'static) {
        let running = Counted::new(&self.books, |books| &books.running);
        self.beside(async move {
            let _running = running;
            work.await;
        });
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

#[cfg(test)]
mod tests;
