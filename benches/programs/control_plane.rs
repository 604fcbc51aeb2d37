//! How fast supervisors decide, and whether they still answer while the work they supervise blocks its threads.
//!
//! `cargo bench -p benches --bench control_plane -- [--decisions N] [--children N] [--probes N] [--runs N]`

use benches::{
    Failure,
    figures::{quantile, spread},
    option, scale,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use supervision::{
    Actor, Addr, ChildSpec, Ctx, Exit, Flags, Intensity, Kind, Message, NoObserver, Planes, Policy, Reply, Strategy,
    Tree, Verb,
    core::{self, Action, Event, State},
};
use tokio::runtime::Builder;

/// How long a handler keeps its thread.
const BLOCKED: Duration = Duration::from_millis(200);
/// Between two probes, so that they fall into every part of a blocked span.
const PAUSE: Duration = Duration::from_millis(7);

enum Ask {
    Answer(Reply<()>),
    Block,
}

impl Message for Ask {
    fn name(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::Block => "block",
        }
    }
}

/// Answers, or keeps its thread as a handler with a blocking call does.
struct Worker;

impl Actor for Worker {
    type Msg = Ask;

    async fn handle(&mut self, ask: Ask, _: &Ctx<Self>) -> Result<(), supervision::Failure> {
        match ask {
            Ask::Answer(reply) => reply.send(()),
            Ask::Block => {
                let begun = Instant::now();
                while begun.elapsed() < BLOCKED {
                    std::hint::spin_loop();
                }
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let runs = option("--runs").unwrap_or_else(|| scale(5, 1));
    let (few, many) = (10, option("--children").unwrap_or_else(|| scale(10_000, 50)));
    let decisions = option("--decisions").unwrap_or_else(|| scale(200_000, 200));
    for children in [few, many] {
        let rates: Vec<f64> = (0..runs).map(|_| decide(children, decisions)).collect::<Result<_, _>>()?;
        println!("{children:>6} children: {} thousand decisions/s", spread(&rates, 0));
    }
    let control = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let data = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    control.block_on(probes(planes, option("--probes").unwrap_or_else(|| scale(1_000, 5))))
}

/// Thousands of events a second that the core answers: one child after the other fails, is started again and comes up.
fn decide(children: usize, decisions: usize) -> Result<f64, Failure> {
    let at_once = |n| Policy { backoff: None, ..Policy::new(format!("c{n}"), Kind::Worker) };
    let policies = (0..children).map(at_once).collect();
    let intensity = Intensity::new(u32::MAX, Duration::from_secs(1));
    let mut state = State::new(Flags { intensity, ..Flags::new(Strategy::OneForOne) }, policies, |_| true, 1);
    let mut now = Duration::ZERO;
    let mut spawned = spawned_by(core::decide(&mut state, Event::Begin, now).actions);
    // The first start is in order: each comes up before the next begins.
    while let Some((id, incarnation)) = spawned {
        spawned = spawned_by(core::decide(&mut state, Event::Started { id, incarnation }, now).actions);
    }
    let mut incarnations = vec![1_u64; children];
    let begun = Instant::now();
    for n in 0..decisions / 2 {
        now += Duration::from_millis(20);
        let (child, id) = (n % children, format!("c{}", n % children));
        let exit = Exit::Error { message: "told to fail".to_owned() };
        let step =
            core::decide(&mut state, Event::Exited { id: id.clone(), incarnation: incarnations[child], exit }, now);
        if spawned_by(step.actions).is_none_or(|(spawned, _)| spawned != id) {
            return Err("a child was not started again".into());
        }
        incarnations[child] += 1;
        core::decide(&mut state, Event::Started { id, incarnation: incarnations[child] }, now);
    }
    Ok(decisions as f64 / begun.elapsed().as_secs_f64() / 1e3)
}

fn spawned_by(actions: Vec<Action>) -> Option<(String, u64)> {
    actions.into_iter().find_map(|action| match action {
        Action::Spawn { id, incarnation, .. } => Some((id, incarnation)),
        _ => None,
    })
}

/// Round trips with one of two data-plane threads blocked nearly all the time: an order's rehearsal, which only the
/// supervisor answers, and a message to a worker on the data plane.
async fn probes(planes: Planes, probes: usize) -> Result<(), Failure> {
    let (quick, slow): (Addr<Ask>, Addr<Ask>) = (Addr::new("quick", 8), Addr::new("slow", 1));
    let children = vec![ChildSpec::worker(&quick, || Worker), ChildSpec::worker(&slow, || Worker)];
    let data = planes.data.clone();
    let tree = Tree::start(planes, Flags::new(Strategy::OneForOne), children, Arc::new(NoObserver)).await;
    let tree = tree.map_err(|exit| exit.to_string())?;
    tree.started().await.map_err(|exit| exit.to_string())?;
    let path = quick.path().clone();
    for blocked in [false, true] {
        let over = Arc::new(AtomicBool::new(!blocked));
        let (slow, done) = (slow.clone(), Arc::clone(&over));
        let blocker = data.spawn(async move {
            while !done.load(Relaxed) {
                slow.send(Ask::Block).await.ok(); // the tree is up
            }
        });
        let (mut orders, mut messages) = (Vec::new(), Vec::new());
        for _ in 0..probes {
            tokio::time::sleep(PAUSE).await;
            let begun = Instant::now();
            tree.order(&path, Verb::Stop, None, true).await.map_err(|error| error.to_string())?;
            orders.push(begun.elapsed().as_secs_f64() * 1e6);
            let begun = Instant::now();
            quick.call(Duration::from_secs(5), Ask::Answer).await.map_err(|error| error.to_string())?;
            messages.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        over.store(true, Relaxed);
        blocker.await?;
        let what = if blocked { "one data thread blocked" } else { "nothing blocked" };
        for (kind, took) in [("supervisor", orders), ("worker", messages)] {
            let [p50, p99, worst] = [0.5, 0.99, 1.0].map(|share| quantile(&took, share));
            println!("{what:<24} {kind:<10} round trip p50 {p50:.0} us, p99 {p99:.0} us, worst {worst:.0} us");
        }
    }
    tree.shutdown(None);
    tree.ended().await;
    Ok(())
}
