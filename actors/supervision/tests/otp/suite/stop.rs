//! Stopping: who is waited for, who is killed, and children that end by themselves meanwhile.

use super::{
    puppet::{Manners, Stop, What},
    rig::{Rig, quiet},
    system::{Exit, Flags, How, Restart, Shutdown, Spec, Started, Strategy, System},
};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A worker whose cleaning up takes `time`.
fn slow(id: &str, time: Duration) -> Spec {
    Spec::worker(id).manners(Manners::stopping(Stop::Take(time)))
}

fn flags() -> Flags {
    Flags::new(Strategy::OneForOne)
}

/// Children with any time are waited for, workers and supervisors, however long they take.
pub(crate) async fn sup_stop_infinity<S: System>() {
    let below = Spec::supervisor("b", flags(), vec![slow("c", 600 * SECOND).shutdown(Shutdown::Infinity)]);
    let children = vec![slow("a", 600 * SECOND).shutdown(Shutdown::Infinity), below.shutdown(Shutdown::Infinity)];
    let rig = Rig::<S>::up(flags(), children).await;
    let begun = Instant::now();
    rig.stops().await;
    assert!(begun.elapsed() >= 1200 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(rig.puppets.paths(What::Stopped), ["b/c", "a"]);
}

/// Who sleeps longer than allowed is killed then; the others are asked and obey.
pub(crate) async fn sup_stop_timeout<S: System>() {
    let children =
        vec![Spec::worker("a"), slow("b", 600 * SECOND).shutdown(Shutdown::Within(SECOND)), Spec::worker("c")];
    let rig = Rig::<S>::up(flags(), children).await;
    let begun = Instant::now();
    rig.stops().await;
    let took = begun.elapsed();
    assert!((SECOND..2 * SECOND).contains(&took), "{took:?}");
    assert_eq!(rig.puppets.paths(What::Stopped), ["c", "a"], "b is killed");
}

async fn dynamic<S: System>(children: Vec<Spec>) -> Rig<S> {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    for child in children {
        assert_eq!(rig.start_child("", child).await, Ok(Started::Up));
    }
    rig
}

/// Dynamic children have the same limits, and they run at the same time.
pub(crate) async fn sup_stop_timeout_dynamic<S: System>() {
    let sleeper = |id: &str| slow(id, 600 * SECOND).shutdown(Shutdown::Within(SECOND));
    let rig = dynamic::<S>(vec![sleeper("a"), Spec::worker("b"), sleeper("c"), sleeper("d")]).await;
    let begun = Instant::now();
    rig.stops().await;
    let took = begun.elapsed();
    assert!((SECOND..2 * SECOND).contains(&took), "{took:?}");
    assert_eq!(rig.puppets.paths(What::Stopped), ["b"]);
}

/// Only the one with a brutal end is killed unasked.
pub(crate) async fn sup_stop_brutal_kill<S: System>() {
    let children = vec![Spec::worker("a").shutdown(Shutdown::Brutal), Spec::worker("b")];
    let rig = Rig::<S>::up(flags(), children).await;
    rig.stops().await;
    assert_eq!(rig.puppets.paths(What::Stopped), ["b"]);
    assert_eq!(rig.puppets.paths(What::Gone), ["b", "a"]);
}

/// Ten dynamic children with a brutal end: killed, none of them asked, at once.
pub(crate) async fn sup_stop_brutal_kill_dynamic<S: System>() {
    let brutal = |n: usize| slow(&format!("c{n}"), 600 * SECOND).shutdown(Shutdown::Brutal);
    let rig = dynamic::<S>((0..10).map(brutal).collect()).await;
    let begun = Instant::now();
    rig.stops().await;
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert_eq!(rig.puppets.paths(What::Stopped), Vec::<String>::new());
    assert_eq!(rig.puppets.paths(What::Gone).len(), 10);
}

/// A child that ends by itself while the supervisor stops changes nothing, however it ends and whatever it is.
pub(crate) async fn sup_stop_race<S: System>() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        for how in [How::Normal, How::Shutdown, How::ShutdownInfo, How::Error, How::Panic] {
            let younger = slow("b", 3 * SECOND).shutdown(Shutdown::Within(5 * SECOND));
            let rig = Rig::<S>::up(flags(), vec![Spec::worker("a").restart(restart), younger]).await;
            rig.stop();
            tokio::time::sleep(SECOND).await;
            rig.ends("a", how).await;
            assert_eq!(rig.ended().await, Exit::Shutdown, "{restart:?} {how:?}");
            let (up, gone) = (rig.puppets.paths(What::Up), rig.puppets.paths(What::Gone));
            assert_eq!((up.len(), gone.len()), (2, 2), "nobody is started again: {restart:?} {how:?}");
        }
    }
}

/// Dynamic children that crash while they are stopped do not keep the supervisor from stopping in order.
pub(crate) async fn sup_stop_non_shutdown_exit_dynamic<S: System>() {
    let crashing = |id: &str| Spec::worker(id).manners(Manners::stopping(Stop::Crash));
    let rig = dynamic::<S>(vec![crashing("a"), Spec::worker("b"), crashing("c")]).await;
    quiet().await;
    rig.stops().await;
    assert_eq!(rig.puppets.paths(What::Gone).len(), 3);
    assert_eq!(rig.puppets.paths(What::Up).len(), 3);
}
