//! X8: nothing on the data plane can run, and the machine's cores are busy besides. Heartbeats go out all the same.

#![expect(clippy::disallowed_methods, reason = "it stands outside both runtimes, and to block one is what it is about")]

use super::bot::*;
use crate::Phase;
use sandbox::{SandboxConfig, SandboxEvent};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use supervision::{Flags, NoObserver, Planes, Strategy, Tree};
use tokio::runtime::{Builder, Runtime};

const INTERVAL_MS: u64 = 1_000;
const WORKERS: usize = 2;
/// How long every worker of the data plane is held up.
const BLOCKED: Duration = Duration::from_secs(6);

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// Twice as many threads as there are cores that do nothing but take time, until it is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start() -> Self {
        let over = Arc::<AtomicBool>::default();
        for _ in 0..2 * thread::available_parallelism().map_or(2, usize::from) {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                while !over.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(over)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn heartbeats_go_out_in_time_while_commands_block_every_thread_and_the_cores_are_busy() {
    supervision::install_panic_hook();
    let config = SandboxConfig { heartbeat_interval_ms: INTERVAL_MS, ..SandboxConfig::default() };
    let sandbox = stand_in(config);
    let (control, data) = (runtime(1), runtime(WORKERS));
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    let setup =
        Setup { token: sandbox.token(), control: Some(planes.control.clone()), ..Setup::at(sandbox.gateway_url()) };
    let (gateway, child, _) = setup.build();
    let flags = Flags::new(Strategy::OneForOne);
    let tree = control.block_on(Tree::start(planes, flags, vec![child], Arc::new(NoObserver))).unwrap();
    control.block_on(gateway.wait_ready());

    // When each heartbeat comes in.
    let (mut live, seen) = (sandbox.subscribe(), Arc::new(std::sync::Mutex::new(Vec::new())));
    let noted = Arc::clone(&seen);
    let watch = runtime(1);
    watch.spawn(async move {
        while let Ok(event) = live.recv().await {
            if matches!(event, SandboxEvent::Heartbeat { .. }) {
                noted.lock().unwrap().push(Instant::now());
            }
        }
    });
    let beats = || seen.lock().unwrap().clone();
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: in vain");
            thread::sleep(Duration::from_millis(5));
        }
    };
    until("it beats", &|| beats().len() >= 2);

    let busy = Busy::start();
    let begun = Instant::now();
    for _ in 0..2 * WORKERS {
        data.spawn(async { thread::sleep(BLOCKED / 2) }); // as a command that forgets where it runs
    }
    while begun.elapsed() < BLOCKED {
        thread::sleep(Duration::from_millis(10));
    }
    drop(busy);
    let before = beats().len();
    until("the shard beats again", &|| beats().len() >= before + 2);
    let during: Vec<Instant> =
        beats().into_iter().filter(|at| *at + Duration::from_millis(INTERVAL_MS) >= begun).collect();
    let interval = Duration::from_millis(INTERVAL_MS);
    let late = |pair: &[Instant]| (pair[1] - pair[0]).saturating_sub(interval);
    let worst = during.windows(2).map(late).max().unwrap();
    let status = gateway.statuses().remove(0);
    println!(
        "X8 blocked_ms={} interval_ms={INTERVAL_MS} heartbeats={} stood_in={} lateness_max_ms={} disconnects={}",
        BLOCKED.as_millis(),
        during.len(),
        status.counts.stood_in,
        worst.as_millis(),
        status.counts.disconnects
    );
    assert!(status.counts.stood_in > 0, "the plane was held up");
    assert!(worst < interval, "{worst:?} late: a heartbeat was left out");
    assert_eq!((status.counts.disconnects, status.counts.identifies, status.state), (0, 1, Phase::Online));
    tree.shutdown(Some(Duration::from_secs(5)));
    control.block_on(tree.ended());
}
