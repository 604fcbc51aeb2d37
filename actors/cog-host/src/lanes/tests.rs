use super::*;
use crate::testing::Seeded;
use std::sync::Mutex as Sync;
use tokio::sync::Semaphore as Gate;

/// Work that starts one job, which notes its beginning and its end and waits at a gate in between.
struct Job {
    name: u32,
    serial: bool,
    /// Whether the lane polls it first itself.
    here: bool,
    urgency: Urgency,
    log: Arc<Log>,
}

struct Log {
    gate: Gate,
    began: Sync<Vec<u32>>,
    ended: Sync<Vec<u32>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Log {
    fn new(open: usize) -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(open),
            began: Sync::default(),
            ended: Sync::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    fn job(self: &Arc<Self>, name: u32) -> Job {
        Job { name, serial: false, here: false, urgency: Urgency::Message, log: Arc::clone(self) }
    }

    fn began(&self) -> Vec<u32> {
        self.began.lock().unwrap().clone()
    }

    fn ended(&self) -> Vec<u32> {
        self.ended.lock().unwrap().clone()
    }
}

impl Work for Job {
    fn begin(self, lane: Lane) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let serial = self.serial.then_some("serial");
            let log = self.log;
            let work = async move {
                log.began.lock().unwrap().push(self.name);
                let running = log.running.fetch_add(1, SeqCst) + 1;
                log.most.fetch_max(running, SeqCst);
                log.gate.acquire().await.unwrap().forget();
                log.running.fetch_sub(1, SeqCst);
                log.ended.lock().unwrap().push(self.name);
            };
            match self.here {
                true => lane.start_here(|| Box::pin(work)).await,
                false => lane.start(serial, || Box::pin(work)).await,
            }
        })
    }

    fn urgency(&self) -> Urgency {
        self.urgency
    }
}

fn lanes(capacity: usize, jobs: usize, lanes: usize) -> Arc<Lanes<Job>> {
    Lanes::new(Bounds { capacity, jobs, lanes, waiting: 1_000_000, running: 1_000 }, Handle::current())
}

fn guild(id: u64) -> LaneKey {
    LaneKey::Guild(GuildId::new(id))
}

/// Lets every task that can go on do so.
async fn quiet() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// On real threads: within each guild jobs begin in the order in which their events came, whatever runs beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_of_a_guild_begin_in_the_order_of_its_events() {
    const GUILDS: u64 = 8;
    const EVENTS: u32 = 2_000;
    println!("seed {}", Seeded::SEED);
    let mut random = Seeded::new(Seeded::SEED);
    let lanes = lanes(16, 4, 100);
    let logs: Vec<Arc<Log>> = (0..GUILDS).map(|_| Log::new(EVENTS as usize)).collect();
    let mut next = vec![0; GUILDS as usize];
    while next.iter().any(|next| *next < EVENTS) {
        let at = random.below(GUILDS as usize);
        if next[at] == EVENTS {
            continue;
        }
        let job = Job { here: random.below(2) == 0, ..logs[at].job(next[at]) };
        if let Some(wait) = lanes.offer(guild(1 + at as u64), job) {
            wait.await;
        }
        next[at] += 1;
    }
    lanes.settled().await;
    for log in &logs {
        assert_eq!(log.began(), (0..EVENTS).collect::<Vec<_>>());
        assert_eq!(log.ended().len(), EVENTS as usize);
        assert!(log.most.load(SeqCst) <= 4, "no more than the bound ran at once");
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_run_concurrently_up_to_the_bound_and_a_full_lane_makes_its_sender_wait() {
    let lanes = lanes(2, 3, 10);
    let log = Log::new(0);
    let mut wait = None;
    let mut taken = 0;
    for name in 0..20 {
        wait = lanes.offer(guild(1), log.job(name));
        if wait.is_some() {
            break;
        }
        taken += 1;
        quiet().await;
    }
    assert_eq!(log.began(), [0, 1, 2], "three places");
    assert_eq!(taken, 6, "three running, one at the head waiting for a place, two queued");
    let mut wait = wait.unwrap();
    assert!(futures_util::poll!(&mut wait).is_pending());
    let other = Log::new(1);
    assert!(lanes.offer(guild(2), other.job(0)).is_none(), "another guild is not held up");
    log.gate.add_permits(1);
    wait.await;
    log.gate.add_permits(20);
    lanes.settled().await;
    assert_eq!(log.began(), (0..7).collect::<Vec<_>>());
    assert_eq!(other.ended(), [0]);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_dropped_is_dropped_by_a_full_lane_and_holds_nobody_up() {
    let lanes = lanes(1, 1, 10);
    let log = Log::new(0);
    let mut taken = Vec::new();
    for name in 0..6 {
        if lanes.offer_or_drop(guild(1), log.job(name)) {
            taken.push(name);
        }
        quiet().await;
    }
    assert_eq!(taken, [0, 1, 2], "running, next in line, waiting");
    log.gate.add_permits(9);
    lanes.settled().await;
    assert_eq!(log.ended(), taken);
}

#[tokio::test(start_paused = true)]
async fn serial_jobs_take_turns_in_order_and_others_pass_them() {
    let lanes = lanes(10, 4, 10);
    let log = Log::new(0);
    for name in 0..3 {
        assert!(lanes.offer(guild(1), Job { serial: true, ..log.job(name) }).is_none());
    }
    assert!(lanes.offer(guild(1), log.job(9)).is_none());
    quiet().await;
    assert_eq!(log.began(), [0, 9]);
    log.gate.add_permits(2);
    quiet().await;
    assert_eq!(log.began(), [0, 9, 1]);
    log.gate.add_permits(9);
    lanes.settled().await;
    assert_eq!(log.began(), [0, 9, 1, 2]);
}

/// What a job of [`Plain`] is.
type Make = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Work that starts one job on the lane itself.
struct Plain(Make);

impl Work for Plain {
    fn begin(self, lane: Lane) -> BoxFuture<'static, ()> {
        Box::pin(async move { lane.start_here(self.0).await })
    }

    fn urgency(&self) -> Urgency {
        Urgency::Message
    }
}

fn plain(job: impl Future<Output = ()> + Send + 'static) -> Plain {
    Plain(Box::new(move || Box::pin(job)))
}

fn plain_lanes() -> Arc<Lanes<Plain>> {
    Lanes::new(Bounds { capacity: 100, jobs: 4, lanes: 4, waiting: 1_000, running: 1_000 }, Handle::current())
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_over_at_once_makes_no_task_and_one_that_waits_makes_one() {
    let lanes = plain_lanes();
    let (ids, gate) = (Arc::<Sync<Vec<tokio::task::Id>>>::default(), Arc::new(Gate::new(0)));
    let note = |ids: &Arc<Sync<Vec<_>>>| {
        let ids = Arc::clone(ids);
        move || ids.lock().unwrap().push(tokio::task::id())
    };
    for _ in 0..50 {
        let note = note(&ids);
        assert!(lanes.offer(guild(1), plain(async move { note() })).is_none());
    }
    quiet().await;
    let lane = ids.lock().unwrap()[0];
    assert_eq!(*ids.lock().unwrap(), vec![lane; 50], "all of them in the lane's own task");
    assert_eq!((lanes.depth(), Handle::current().metrics().num_alive_tasks()), ((1, 0, 0), 1));
    let (note, waits) = (note(&ids), Arc::clone(&gate));
    let waiting = async move {
        note();
        waits.acquire().await.unwrap().forget();
        note();
    };
    assert!(lanes.offer(guild(1), plain(waiting)).is_none());
    quiet().await;
    assert_eq!(lanes.depth(), (1, 0, 1), "it runs, and the lane takes the next one");
    gate.add_permits(1);
    lanes.settled().await;
    let ids = ids.lock().unwrap();
    assert!(ids[50] == lane && ids[51] != lane && ids.len() == 52, "begun by the lane, ended in a task of its own");
}

/// A panic inside a job that the lane polls, or while the job is dropped, costs that job.
#[tokio::test(start_paused = true)]
async fn a_job_that_panics_in_the_lane_costs_itself() {
    struct Breaks;
    impl Drop for Breaks {
        fn drop(&mut self) {
            panic!("while it is dropped");
        }
    }
    supervision::install_panic_hook();
    let (lanes, log) = (plain_lanes(), Log::new(0));
    assert!(lanes.offer(guild(1), plain(async { panic!("at once") })).is_none());
    assert!(lanes.offer(guild(1), plain(async { drop(Breaks) })).is_none());
    assert!(lanes.offer(guild(1), Plain(Box::new(|| panic!("while it is made")))).is_none());
    let ended = Arc::clone(&log);
    assert!(lanes.offer(guild(1), plain(async move { ended.ended.lock().unwrap().push(1) })).is_none());
    lanes.settled().await;
    assert_eq!((log.ended(), lanes.depth()), (vec![1], (1, 0, 0)));
}

/// Nothing begins in frozen lanes, also in one that has not been polled anew since.
#[tokio::test(start_paused = true)]
async fn a_job_that_freezes_its_lane_is_its_last() {
    let (lanes, log) = (plain_lanes(), Log::new(0));
    for name in 0..5 {
        let (freezes, began) = (Arc::clone(&lanes), Arc::clone(&log));
        let job = async move {
            began.began.lock().unwrap().push(name);
            if name == 2 {
                freezes.freeze();
            }
        };
        assert!(lanes.offer(guild(1), plain(job)).is_none());
    }
    lanes.settled().await;
    assert_eq!((log.began(), lanes.depth().1), (vec![0, 1, 2], 0));
}

/// What the lane has begun counts as running once it waits, and is cut off with the lanes.
#[tokio::test(start_paused = true)]
async fn jobs_that_the_lane_began_take_places_and_are_cancelled_with_it() {
    let (lanes, log) = (lanes(9, 2, 10), Log::new(0));
    for name in 0..4 {
        assert!(lanes.offer(guild(1), Job { here: true, ..log.job(name) }).is_none());
    }
    quiet().await;
    assert_eq!((log.began(), lanes.depth()), (vec![0, 1], (1, 2, 2)), "two places");
    log.gate.add_permits(1);
    quiet().await;
    assert_eq!((log.began(), log.ended()), (vec![0, 1, 2], vec![0]));
    assert_eq!(lanes.cancel(), 3);
    quiet().await;
    log.gate.add_permits(9);
    quiet().await;
    assert_eq!((log.ended(), lanes.depth().2), (vec![0], 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_lane_goes_and_a_busy_one_stays() {
    let lanes = lanes(4, 2, 10);
    let log = Log::new(0);
    lanes.offer(guild(1), log.job(1));
    lanes.offer(guild(2), log.job(2));
    quiet().await;
    tokio::time::sleep(IDLE * 2).await;
    assert_eq!(lanes.depth(), (2, 0, 2), "what runs keeps its lane");
    log.gate.add_permits(1);
    tokio::time::sleep(IDLE * 2).await;
    assert_eq!(lanes.depth(), (1, 0, 1));
    log.gate.add_permits(9);
    tokio::time::sleep(IDLE * 2).await;
    assert_eq!(lanes.depth(), (0, 0, 0));
    assert!(lanes.queues.is_empty());
}

#[tokio::test(start_paused = true)]
async fn past_the_last_lane_an_event_waits_until_an_idle_one_has_gone() {
    let lanes = lanes(4, 2, 2);
    let (busy, late) = (Log::new(0), Log::new(9));
    for id in [1, 2] {
        assert!(lanes.offer(guild(id), busy.job(id as u32)).is_none());
    }
    quiet().await;
    let wait = lanes.offer(guild(3), late.job(3)).unwrap();
    let began = Instant::now();
    let (_, ()) = tokio::join!(wait, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(late.began().is_empty());
        busy.gate.add_permits(2);
    });
    lanes.settled().await;
    assert_eq!(late.ended(), [3]);
    assert!(began.elapsed() < Duration::from_secs(2), "an idle lane goes at once when another is wanted");
    assert!(lanes.depth().0 <= 2);
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_what_runs_and_says_how_much_was_cut_off() {
    let lanes = lanes(4, 1, 10);
    let log = Log::new(0);
    for name in 0..3 {
        lanes.offer(guild(1), log.job(name));
    }
    quiet().await;
    assert_eq!(lanes.cancel(), 3);
    quiet().await;
    assert_eq!(lanes.depth().2, 0);
    log.gate.add_permits(9);
    quiet().await;
    assert!(log.ended().is_empty());
    assert!(lanes.offer(guild(1), log.job(7)).is_none(), "closed lanes take nothing and hold nobody up");
}

enum Shaky {
    Broken,
    Sound(Job),
}

impl Work for Shaky {
    fn begin(self, lane: Lane) -> BoxFuture<'static, ()> {
        match self {
            Self::Broken => panic!("before any job"),
            Self::Sound(job) => job.begin(lane),
        }
    }

    fn urgency(&self) -> Urgency {
        Urgency::Message
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_a_job_costs_that_event_only() {
    supervision::install_panic_hook();
    let log = Log::new(1);
    let bounds = Bounds { capacity: 4, jobs: 1, lanes: 4, waiting: 1_000, running: 1_000 };
    let lanes = Lanes::new(bounds, Handle::current());
    assert!(lanes.offer(guild(1), Shaky::Broken).is_none());
    assert!(lanes.offer(guild(1), Shaky::Sound(log.job(1))).is_none());
    lanes.settled().await;
    assert_eq!(log.ended(), [1]);
}

/// Guilds whose own places are taken hold up nobody else, neither messages nor interactions.
#[tokio::test(start_paused = true)]
async fn guilds_that_are_full_hold_up_no_other_guild() {
    let lanes = Lanes::new(Bounds { capacity: 9, jobs: 1, lanes: 100, waiting: 1_000, running: 60 }, Handle::current());
    let (stuck, free) = (Log::new(0), Log::new(9));
    for name in 0..50 {
        let job = || Job { urgency: Urgency::Interaction, ..stuck.job(name) };
        assert!(lanes.offer(guild(u64::from(name) + 1), stuck.job(name)).is_none());
        assert!(lanes.offer(guild(u64::from(name) + 1), job()).is_none(), "it waits for its guild's place");
    }
    quiet().await;
    assert!(lanes.offer(guild(99), free.job(1)).is_none());
    assert!(lanes.offer(guild(98), Job { urgency: Urgency::Interaction, ..free.job(2) }).is_none());
    quiet().await;
    assert_eq!(free.ended(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_last_of_the_room_is_for_commands_and_interactions_have_their_own() {
    let lanes = Lanes::new(Bounds { capacity: 99, jobs: 1, lanes: 100, waiting: 8, running: 1 }, Handle::current());
    let log = Log::new(0);
    let offer = |key, class, urgency| {
        let before = lanes.depth().1;
        let waits = lanes.offer_as(class, guild(key), Job { urgency, ..log.job(0) }).is_some();
        (waits, lanes.depth().1 - before)
    };
    assert_eq!(offer(1, Class::Lasting, Urgency::Message), (false, 1));
    quiet().await;
    let fleeting: usize = (0..9).map(|_| offer(2, Class::Fleeting("typing"), Urgency::Message).1).sum();
    let ordinary: usize = (0..9).map(|_| offer(2, Class::Ordinary("message"), Urgency::Message).1).sum();
    let lasting: usize = (0..2).map(|_| offer(2, Class::Lasting, Urgency::Message).1).sum();
    assert_eq!((fleeting, ordinary, lasting), (4, 2, 2), "half, three quarters, all of eight");
    assert!(offer(3, Class::Lasting, Urgency::Message).0, "a command waits for room");
    assert_eq!(offer(3, Class::Lasting, Urgency::Interaction), (false, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stuck_lane_gives_up_ordinary_events_after_a_second_and_commands_never() {
    let (lanes, log) = (lanes(2, 1, 10), Log::new(0));
    let mut name = 0;
    let mut offer = |class| {
        name += 1;
        lanes.offer_as(class, guild(1), log.job(name))
    };
    for _ in 0..4 {
        assert!(offer(Class::Lasting).is_none()); // one runs, one waits for its place, two wait in the lane
        quiet().await;
    }
    assert!(offer(Class::Fleeting("presence")).is_none(), "dropped at once");
    let begun = Instant::now();
    offer(Class::Ordinary("message")).expect("a full lane").await;
    assert_eq!(begun.elapsed(), shed::PATIENCE, "given up after its patience");
    assert!(offer(Class::Ordinary("message")).is_none(), "the next one at once: the shard is not held up again");
    let command = offer(Class::Lasting).expect("a command waits");
    assert!(tokio::time::timeout(shed::PATIENCE * 10, command).await.is_err(), "and goes on waiting");
    log.gate.add_permits(1);
    quiet().await;
    assert!(offer(Class::Ordinary("message")).is_none());
    quiet().await;
    let waits = offer(Class::Ordinary("message"));
    assert!(waits.is_some(), "there was room meanwhile: it is given a second again");
    drop(waits);
    log.gate.add_permits(100);
    quiet().await;
    assert_eq!(log.ended(), [1, 2, 3, 4, 9]);
    let elsewhere = lanes.offer_as(Class::Ordinary("message"), guild(2), log.job(99));
    assert!(elsewhere.is_none());
}

#[tokio::test(start_paused = true)]
async fn all_guilds_together_run_no_more_than_the_bound_and_none_is_lost() {
    let lanes = Lanes::new(Bounds { capacity: 4, jobs: 2, lanes: 100, waiting: 1_000, running: 3 }, Handle::current());
    let log = Log::new(0);
    for name in 0..20 {
        assert!(lanes.offer(guild(u64::from(name % 10) + 1), log.job(name)).is_none());
    }
    quiet().await;
    assert_eq!(log.began().len(), 3);
    let urgent = Log::new(1);
    lanes.offer(guild(11), Job { urgency: Urgency::Interaction, ..urgent.job(0) });
    quiet().await;
    assert_eq!(urgent.ended(), [0], "an interaction is not held up by messages");
    log.gate.add_permits(20);
    lanes.settled().await;
    assert_eq!((log.ended().len(), log.most.load(SeqCst)), (20, 3));
}

#[tokio::test(start_paused = true)]
async fn when_all_that_may_wait_waits_commands_push_back_and_the_rest_is_dropped() {
    let lanes = Lanes::new(Bounds { capacity: 9, jobs: 1, lanes: 100, waiting: 2, running: 1 }, Handle::current());
    let log = Log::new(0);
    assert!(lanes.offer(guild(1), log.job(1)).is_none());
    quiet().await;
    assert!(lanes.offer(guild(2), log.job(2)).is_none() && lanes.offer(guild(3), log.job(3)).is_none());
    quiet().await;
    assert_eq!((lanes.depth().1, lanes.depth().2), (2, 1));
    assert!(!lanes.offer_or_drop(guild(4), log.job(4)));
    assert!(lanes.offer_as(Class::Ordinary("message"), guild(5), log.job(5)).is_none());
    let mut waits = lanes.offer_as(Class::Lasting, guild(6), log.job(6)).unwrap();
    assert!(futures_util::poll!(&mut waits).is_pending());
    log.gate.add_permits(1);
    waits.await;
    log.gate.add_permits(9);
    lanes.settled().await;
    let mut ended = log.ended();
    ended.sort_unstable();
    assert_eq!(ended, [1, 2, 3, 6]);
}

#[tokio::test(start_paused = true)]
async fn frozen_lanes_finish_what_runs_and_begin_nothing_more() {
    let lanes = lanes(10, 3, 10);
    let log = Log::new(0);
    for name in 0..6 {
        assert!(lanes.offer(guild(1), log.job(name)).is_none());
    }
    // Another lane whose second job has a place and waits for its turn, and a third job that has no place.
    let serial = Log::new(0);
    for name in 0..4 {
        assert!(lanes.offer(guild(2), Job { serial: true, ..serial.job(name) }).is_none());
    }
    quiet().await;
    lanes.freeze();
    let told = Log::new(0);
    lanes.last_word({
        let told = Arc::clone(&told);
        async move { told.ended.lock().unwrap().push(0) }
    });
    log.gate.add_permits(10);
    serial.gate.add_permits(10);
    tokio::time::timeout(Duration::from_secs(1), lanes.settled()).await.expect("nothing is waited for in vain");
    assert_eq!((log.ended(), serial.ended(), told.ended()), (vec![0, 1, 2], vec![0], vec![0]));
    assert_eq!(lanes.depth().1, 0);
    if let Some(wait) = lanes.offer(guild(1), log.job(9)) {
        wait.await; // dropped
    }
    lanes.settled().await;
    assert_eq!(log.began(), [0, 1, 2]);
}
