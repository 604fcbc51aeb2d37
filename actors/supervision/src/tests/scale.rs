//! Ten thousand children: no step looks at all of them.

use super::probe::*;
use crate::{Actor, Addr, ChildSpec, Ctx, Exit, Failure, Flags, NoObserver, Planes, Strategy, Tree};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

struct Idle;

impl Actor for Idle {
    type Msg = ();
    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

fn idle(n: usize) -> ChildSpec {
    ChildSpec::worker(&Addr::new(format!("c{n}"), 4), || Idle)
}

/// Seconds to start and to stop `count` children in order.
async fn start_and_stop(count: usize) -> (f64, f64) {
    let children = (0..count).map(idle).collect();
    let begun = Instant::now();
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(Planes::single(), flags, children, Arc::new(NoObserver)).await.expect("the root is made");
    tree.started().await.expect("it starts");
    let started = begun.elapsed().as_secs_f64();
    assert_eq!(tree.nodes().len(), count + 1);
    let begun = Instant::now();
    tree.shutdown(Some(Duration::from_secs(60)));
    assert_eq!(tree.ended().await, Exit::shutdown());
    (started, begun.elapsed().as_secs_f64())
}

/// The goal, in release on an idle machine, is 1 s for both together.
#[tokio::test]
async fn ten_thousand_children_start_and_stop_in_order_in_time_that_grows_with_their_number_only() {
    let (start, stop) = start_and_stop(10_000).await;
    println!("10,000 children: started in {start:.2} s, stopped in {stop:.2} s");
    assert!(start < 20.0 && stop < 20.0, "started in {start:.2} s, stopped in {stop:.2} s");
}

#[tokio::test]
async fn two_thousand_children_come_and_go_one_by_one() {
    let tree = up(Vec::new()).await;
    let begun = Instant::now();
    let root = crate::ActorPath::root();
    for n in 0..2_000 {
        tree.start_child(&root, idle(n)).await.expect("it starts");
    }
    for n in 0..2_000 {
        tree.remove_child(&root.child(&format!("c{n}"))).await.expect("it goes");
    }
    println!("2,000 children: came and went in {:.2} s", begun.elapsed().as_secs_f64());
    assert_eq!(tree.nodes().len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
