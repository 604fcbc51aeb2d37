//! Children that do not obey, restarts that do not end, counting, and what must not be remembered.

use super::{
    puppet::{Manners, Start, Stop},
    rig::{Rig, quiet, until},
    system::{Body, Counts, Exit, Flags, How, Refusal, Restart, Shutdown, Spec, Started, State, Strategy, System},
};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A child that says nothing about its end, here because it does not end when it is asked, cannot hold up the order to
/// terminate it.
pub(crate) async fn child_unlink<S: System>() {
    let deaf = Spec::worker("a").manners(Manners::stopping(Stop::Take(3600 * SECOND)));
    let rig = Rig::<S>::up(Flags::new(Strategy::OneForOne), vec![deaf.shutdown(Shutdown::Within(SECOND))]).await;
    let begun = Instant::now();
    assert_eq!(rig.terminate_child("a").await, Ok(()));
    assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
    rig.shows("", &[("a", State::Down)]).await;
    rig.goes_on();
}

/// Comes up once, and from then on fails to start after 10 ms, for ever.
fn hanging(id: &str) -> Spec {
    let later = Start::FailLater(Duration::from_millis(10));
    Spec::worker(id).manners(Manners::starting(move |nth| if nth == 1 { Start::Up } else { later }))
}

/// A supervisor with an elder sibling and with one that is being restarted for ever.
async fn hung<S: System>(strategy: Strategy, spec: &Spec) -> Rig<S> {
    let rig = Rig::<S>::up(Flags::new(strategy).intensity(1_000_000), Vec::new()).await;
    for spec in [Spec::worker("elder"), spec.clone()] {
        assert_eq!(rig.start_child("", spec).await, Ok(Started::Up));
    }
    rig.ends(&spec.id, How::Panic).await;
    tokio::time::sleep(SECOND).await;
    rig
}

/// While a child is restarted again and again its supervisor answers: an order to terminate it is obeyed, and then it
/// stays down; nothing that would start or forget it is; and it can be shut down itself.
async fn hanging_restarts<S: System>(strategy: Strategy) {
    let spec = hanging("a");
    let Body::Worker(manners) = &spec.body else { return };
    let rig = hung::<S>(strategy, &spec).await;
    assert!(manners.starts() > 5, "it is being restarted");
    assert_eq!(rig.terminate_child("a").await, Ok(()));
    quiet().await;
    let starts = manners.starts();
    quiet().await;
    assert_eq!(manners.starts(), starts, "terminated, it is not started again");
    rig.goes_on();

    let rig = hung::<S>(strategy, &hanging("a")).await;
    let begun = Instant::now();
    rig.stops().await;
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());

    let rig = hung::<S>(strategy, &hanging("a")).await;
    let refused = rig.start_child("", Spec::worker("a")).await;
    assert!(matches!(refused, Err(Refusal::AlreadyPresent | Refusal::AlreadyStarted)), "{refused:?}");
    let busy = |refused: &Refusal| matches!(refused, Refusal::Restarting | Refusal::Running);
    let refused = rig.restart_child("a").await;
    assert!(refused.as_ref().is_err_and(busy), "{refused:?}");
    let refused = rig.delete_child("a").await;
    assert!(refused.as_ref().is_err_and(busy), "{refused:?}");
    rig.shows("", &[("elder", State::Up), ("a", State::Restarting)]).await;
    assert_eq!(rig.terminate_child("a").await, Ok(()));
    rig.shows("", &[("elder", State::Up), ("a", State::Down)]).await;
    rig.goes_on();
}

/// Under one_for_one.
pub(crate) async fn hanging_restart_loop<S: System>() {
    hanging_restarts::<S>(Strategy::OneForOne).await;
}

/// Under rest_for_one.
pub(crate) async fn hanging_restart_loop_rest_for_one<S: System>() {
    hanging_restarts::<S>(Strategy::RestForOne).await;
}

/// Under a dynamic supervisor.
pub(crate) async fn hanging_restart_loop_simple<S: System>() {
    hanging_restarts::<S>(Strategy::Dynamic).await;
}

/// Two thousand dynamic children are counted, and less as they go.
pub(crate) async fn count_children<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    let counted = |active| Counts { specs: active, active, supervisors: 0, workers: active };
    for n in 0..2_000 {
        let spec = Spec::worker(&format!("c{n}")).restart(Restart::Temporary);
        assert_eq!(rig.start_child("", spec).await, Ok(Started::Up));
        if n == 999 {
            assert_eq!(rig.count_children("").await, counted(1_000));
        }
    }
    assert_eq!(rig.count_children("").await, counted(2_000));
    for n in 0..1_000 {
        assert_eq!(rig.terminate_child(&format!("c{n}")).await, Ok(()));
    }
    assert_eq!(rig.count_children("").await, counted(1_000));
    rig.stops().await;
}

/// Supervisors count as such, up or down.
pub(crate) async fn count_children_supervisor<S: System>() {
    let flags = Flags::new(Strategy::OneForOne);
    let below = |n: usize| Spec::supervisor(&format!("s{n}"), flags, Vec::new());
    let children = vec![below(1), Spec::worker("a"), below(2), Spec::worker("b")];
    let rig = Rig::<S>::up(flags, children).await;
    assert_eq!(rig.count_children("").await, Counts { specs: 4, active: 4, supervisors: 2, workers: 2 });
    assert_eq!(rig.terminate_child("s1").await, Ok(()));
    assert_eq!(rig.count_children("").await, Counts { specs: 4, active: 3, supervisors: 2, workers: 2 });
    assert_eq!(rig.delete_child("s1").await, Ok(()));
    assert_eq!(rig.count_children("").await, Counts { specs: 3, active: 3, supervisors: 1, workers: 2 });
}

/// Who is being restarted is there to be counted, and not active.
pub(crate) async fn count_restarting_children<S: System>() {
    let flags = Flags::new(Strategy::OneForOne).intensity(1_000_000);
    let rig = Rig::<S>::up(flags, vec![hanging("a"), Spec::worker("b"), hanging("c")]).await;
    rig.shows_restarts();
    assert_eq!(rig.count_children("").await, Counts { specs: 3, active: 3, supervisors: 0, workers: 3 });
    rig.ends("a", How::Panic).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(rig.count_children("").await, Counts { specs: 3, active: 2, supervisors: 0, workers: 3 });
    rig.ends("c", How::Panic).await;
    tokio::time::sleep(SECOND).await;
    rig.shows("", &[("a", State::Restarting), ("b", State::Up), ("c", State::Restarting)]).await;
    assert_eq!(rig.terminate_child("c").await, Ok(()));
    assert_eq!(rig.count_children("").await, Counts { specs: 3, active: 1, supervisors: 0, workers: 3 });
}

/// What a temporary child is made from is kept no longer than it.
pub(crate) async fn do_not_save_start_parameters_for_temporary_children<S: System>() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic] {
        let rig = Rig::<S>::up(Flags::new(strategy), Vec::new()).await;
        let manners = Manners::default();
        let trace = manners.trace();
        let spec = Spec::worker("a").restart(Restart::Temporary).manners(manners);
        assert_eq!(rig.start_child("", spec).await, Ok(Started::Up));
        assert!(!trace.is_gone());
        rig.ends("a", How::Normal).await;
        until("it is forgotten", || trace.is_gone()).await;
    }
}

/// Nor is its specification, however it ends and whatever the strategy; it can be added again under its name.
pub(crate) async fn do_not_save_child_specs_for_temporary_children<S: System>() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic] {
        for how in [How::Normal, How::Shutdown, How::Error] {
            let rig = Rig::<S>::up(Flags::new(strategy), Vec::new()).await;
            for _ in 0..2 {
                let spec = Spec::worker("a").restart(Restart::Temporary);
                assert_eq!(rig.start_child("", spec).await, Ok(Started::Up), "{strategy:?} {how:?}");
                rig.ends("a", how).await;
                quiet().await;
                rig.shows("", &[]).await;
            }
            rig.stop();
            assert_eq!(rig.ended().await, Exit::Shutdown);
        }
    }
}
