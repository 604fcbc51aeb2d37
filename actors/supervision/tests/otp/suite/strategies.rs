//! Who goes down and up again with whom, and when the supervisor gives up.

use super::{
    puppet::{Manners, Start, Stop, What},
    rig::{Rig, quiet, until},
    system::{Exit, Flags, How, Restart, Shutdown, Spec, Started, State, Strategy, System},
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn flags(strategy: Strategy) -> Flags {
    Flags::new(strategy)
}

/// Comes up `good` times and never again.
fn doomed(id: &str, good: u64) -> Spec {
    Spec::worker(id).manners(Manners::starting(move |nth| if nth <= good { Start::Up } else { Start::Fail }))
}

fn workers(ids: &[&str]) -> Vec<Spec> {
    ids.iter().map(|id| Spec::worker(id)).collect()
}

async fn dynamic<S: System>(flags: Flags, children: Vec<Spec>) -> Rig<S> {
    let rig = Rig::<S>::up(flags, Vec::new()).await;
    for child in children {
        assert_eq!(rig.start_child("", child).await, Ok(Started::Up));
    }
    rig
}

/// Fewer restarts than the intensity in each period are fine for ever.
pub(crate) async fn multiple_restarts<S: System>() {
    let mut flags = flags(Strategy::OneForOne).intensity(1);
    flags.period = SECOND;
    let rig = Rig::<S>::up(flags, workers(&["a"])).await;
    for _ in 0..10 {
        rig.comes_back("a", How::Panic).await;
        tokio::time::sleep(SECOND + SECOND / 2).await;
    }
    rig.goes_on();
    rig.comes_back("a", How::Panic).await;
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown, "two within a period are one too many");
}

/// Only the one that failed; the third failure ends the supervisor, with `shutdown`.
pub(crate) async fn one_for_one<S: System>() {
    let rig = Rig::<S>::up(flags(Strategy::OneForOne), workers(&["a", "b"])).await;
    let (a, b) = (rig.pid("a"), rig.pid("b"));
    assert_ne!(rig.comes_back("a", How::Panic).await, a);
    assert_eq!(rig.pid("b"), b, "its sibling is left alone");
    rig.comes_back("b", How::Error).await;
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
}

/// A restart that fails again and again ends the supervisor and with it the sibling.
pub(crate) async fn one_for_one_escalation<S: System>() {
    let rig = Rig::<S>::up(flags(Strategy::OneForOne), vec![doomed("a", 1), Spec::worker("b")]).await;
    let b = rig.pid("b");
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
    assert!(rig.puppets.did(What::Gone, b));
}

/// All of them, also one that needs a while to go: nobody of the old ones is left when the new ones begin. The third
/// failure ends the supervisor.
pub(crate) async fn one_for_all<S: System>() {
    let rig = Rig::<S>::up(flags(Strategy::OneForAll), workers(&["a", "b", "c"])).await;
    let old = [rig.pid("a"), rig.pid("b"), rig.pid("c")];
    rig.block("b", Duration::from_millis(200)).await;
    rig.comes_back("a", How::Error).await;
    let new = [rig.pid("a"), rig.returns("b").await, rig.returns("c").await];
    assert!(new.iter().all(|pid| !old.contains(pid)), "no old pid survives: {old:?} {new:?}");
    assert!(!rig.puppets.have_overlapped());
    assert_eq!(rig.puppets.paths(What::Up)[3..], ["a", "b", "c"], "one round is one restart, in start order");
    rig.comes_back("c", How::Error).await;
    rig.ends("a", How::Error).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
}

/// A restart that fails again and again ends all of them.
pub(crate) async fn one_for_all_escalation<S: System>() {
    let rig = Rig::<S>::up(flags(Strategy::OneForAll), vec![doomed("a", 1), Spec::worker("b")]).await;
    let b = rig.pid("b");
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
    assert!(rig.puppets.did(What::Gone, b));
    assert_eq!(rig.puppets.paths(What::Up), ["a", "b"], "the second is not started without the first");
}

/// A sibling that does not start in the middle of a round: who is up again is stopped again, and the round repeated.
pub(crate) async fn one_for_all_other_child_fails_restart<S: System>() {
    let second = Spec::worker("b").manners(Manners::starting(|nth| if nth == 2 { Start::Fail } else { Start::Up }));
    let rig = Rig::<S>::up(flags(Strategy::OneForAll), vec![Spec::worker("a"), second]).await;
    rig.puppets.forget();
    rig.ends("a", How::Panic).await;
    rig.returns("b").await;
    let ups: Vec<_> = rig.puppets.paths(What::Up).into_iter().skip(2).collect();
    assert_eq!(ups, ["a", "a", "b"]);
    assert_eq!(rig.puppets.paths(What::Stopped), ["b", "a"], "the old b; the new a");
    rig.goes_on();
}

/// Dynamic children are restarted one by one; the third failure ends the supervisor.
pub(crate) async fn simple_one_for_one<S: System>() {
    let rig = dynamic::<S>(flags(Strategy::Dynamic), workers(&["a", "b"])).await;
    let b = rig.pid("b");
    rig.comes_back("a", How::Panic).await;
    assert_eq!(rig.pid("b"), b);
    rig.comes_back("b", How::Panic).await;
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
}

/// They stop at the same time: as long as the slowest takes, or as long as it may take.
pub(crate) async fn simple_one_for_one_shutdown<S: System>() {
    let slow = |n: u64, takes: Duration| {
        let manners = Manners::stopping(Stop::Take(takes));
        Spec::worker(&format!("c{n}")).manners(manners).shutdown(Shutdown::Within(5 * SECOND))
    };
    for (takes, least, most) in [(2 * SECOND, 2 * SECOND, 3 * SECOND), (60 * SECOND, 5 * SECOND, 6 * SECOND)] {
        let rig = dynamic::<S>(flags(Strategy::Dynamic), (0..10).map(|n| slow(n, takes)).collect()).await;
        let begun = tokio::time::Instant::now();
        rig.stops().await;
        let took = begun.elapsed();
        assert!((least..most).contains(&took), "{took:?}");
    }
}

/// A dynamic child whose restart fails again and again ends the supervisor and its siblings.
pub(crate) async fn simple_one_for_one_escalation<S: System>() {
    let rig = dynamic::<S>(flags(Strategy::Dynamic), vec![doomed("a", 1), Spec::worker("b")]).await;
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
}

/// What a temporary child was started with is gone with it, and a later failure of another is answered as ever.
pub(crate) async fn simple_one_for_one_corruption<S: System>() {
    let manners = Manners::default();
    let trace = manners.trace();
    let temporary = Spec::worker("a").restart(Restart::Temporary).manners(manners);
    let rig = dynamic::<S>(flags(Strategy::Dynamic), vec![temporary, Spec::worker("b")]).await;
    rig.ends("a", How::Panic).await;
    rig.comes_back("b", How::Panic).await;
    quiet().await;
    assert!(trace.is_gone(), "what it was made from is forgotten");
    rig.shows("", &[("b", State::Up)]).await;
}

/// A dynamic child that is not needed any more when it is restarted is forgotten.
pub(crate) async fn simple_one_for_one_restart_ignore<S: System>() {
    let ignoring = Spec::worker("a").manners(Manners::ignoring_from(2));
    let rig = dynamic::<S>(flags(Strategy::Dynamic), vec![ignoring]).await;
    rig.ends("a", How::Panic).await;
    quiet().await;
    rig.goes_on();
    rig.shows("", &[]).await;
}

/// The one that failed and those after it; the elder is left alone. The third failure ends the supervisor.
pub(crate) async fn rest_for_one<S: System>() {
    let rig = Rig::<S>::up(flags(Strategy::RestForOne), workers(&["a", "b", "c"])).await;
    let (a, c) = (rig.pid("a"), rig.pid("c"));
    rig.comes_back("b", How::Panic).await;
    assert_ne!(rig.returns("c").await, c);
    assert_eq!(rig.pid("a"), a);
    rig.comes_back("c", How::Panic).await;
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
}

/// A restart that fails again and again ends the elder too.
pub(crate) async fn rest_for_one_escalation<S: System>() {
    let rig = Rig::<S>::up(flags(Strategy::RestForOne), vec![Spec::worker("a"), doomed("b", 1)]).await;
    let a = rig.pid("a");
    rig.ends("b", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown);
    assert!(rig.puppets.did(What::Gone, a));
}

/// A younger one that does not start in the middle of a round is tried again alone.
pub(crate) async fn rest_for_one_other_child_fails_restart<S: System>() {
    let third = Spec::worker("c").manners(Manners::starting(|nth| if nth == 2 { Start::Fail } else { Start::Up }));
    let rig = Rig::<S>::up(flags(Strategy::RestForOne), vec![Spec::worker("a"), Spec::worker("b"), third]).await;
    let a = rig.pid("a");
    rig.puppets.forget();
    rig.ends("b", How::Panic).await;
    rig.returns("c").await;
    assert_eq!(rig.puppets.paths(What::Up)[3..], ["b", "c"], "b once");
    assert_eq!(rig.pid("a"), a);
    rig.goes_on();
}

/// Three levels: whose intensity is spent ends with its children, and its parent makes it anew, with the children of
/// its list and without those that came later.
pub(crate) async fn tree<S: System>() {
    let below = |id: &str, intensity, children: &[&str]| {
        Spec::supervisor(id, flags(Strategy::OneForOne).intensity(intensity), workers(children))
    };
    let children = vec![below("s1", 0, &["a", "b"]), below("s2", 1, &["c"])];
    let rig = Rig::<S>::up(flags(Strategy::OneForAll).intensity(1), children).await;
    assert_eq!(rig.start_child("s1", Spec::worker("late")).await, Ok(Started::Up));
    let c = rig.pid("s2/c");
    rig.comes_back("s2/c", How::Panic).await;
    assert_ne!(rig.pid("s2/c"), c, "a child alone");
    let old = [rig.pid("s1/a"), rig.pid("s1/b"), rig.pid("s2/c")];
    rig.ends("s1/a", How::Panic).await;
    let new = [rig.returns("s1/a").await, rig.returns("s1/b").await, rig.returns("s2/c").await];
    assert!(new.iter().all(|pid| !old.contains(pid)), "s1 gave up, and one_for_all took s2 along");
    rig.shows("s1", &[("a", State::Up), ("b", State::Up)]).await;
    rig.shows("", &[("s1", State::Up), ("s2", State::Up)]).await;
    assert_eq!(rig.puppets.pid("s1/late"), None);
    rig.ends("s1/b", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown, "the second time is one too many for the root");
}

/// A supervisor in the middle, or a worker below it, that is killed comes back and is found under its name.
pub(crate) async fn simple_global_supervisor<S: System>() {
    let middle = Spec::supervisor("middle", flags(Strategy::OneForOne), workers(&["a"]));
    let rig = Rig::<S>::up(flags(Strategy::OneForOne), vec![middle]).await;
    let old = rig.pid("middle/a");
    rig.kill("middle").await;
    until("the worker went with it", || rig.puppets.did(What::Gone, old)).await;
    let next = rig.returns("middle/a").await;
    rig.kill("middle/a").await;
    until("the worker is killed", || rig.puppets.did(What::Gone, next)).await;
    let last = rig.returns("middle/a").await;
    rig.exit("middle/a", How::Normal).await;
    until("it hears what is said to its name", || rig.puppets.did(What::Gone, last)).await;
    rig.goes_on();
}
