//! Starting: an empty supervisor, children that are not needed, starts that fail, what specifications default to.

use super::{
    puppet::{Manners, Puppets, Start, What},
    rig::{Rig, quiet},
    system::{Counts, Exit, Flags, Refusal, Restart, Rules, Shutdown, Spec, Started, State, Strategy, System},
};
use std::time::Duration;

fn flags() -> Flags {
    Flags::new(Strategy::OneForOne)
}

fn ignoring(id: &str) -> Spec {
    Spec::worker(id).manners(Manners::ignoring_from(1))
}

fn failing(id: &str) -> Spec {
    Spec::worker(id).manners(Manners::starting(|_| Start::Fail))
}

/// Starts empty, ends with its order to stop.
pub(crate) async fn sup_start_normal<S: System>() {
    let rig = Rig::<S>::up(flags(), Vec::new()).await;
    rig.shows("", &[]).await;
    rig.stops().await;
}

/// A child that is not needed keeps its specification and is not there; the others start.
pub(crate) async fn sup_start_ignore_child<S: System>() {
    let rig = Rig::<S>::up(flags(), vec![ignoring("a"), Spec::worker("b")]).await;
    rig.shows("", &[("a", State::Down), ("b", State::Up)]).await;
    assert_eq!(rig.count_children("").await, Counts { specs: 2, active: 1, supervisors: 0, workers: 2 });
    rig.stops().await;
}

/// A temporary one that is not needed is forgotten.
pub(crate) async fn sup_start_ignore_temporary_child<S: System>() {
    let rig = Rig::<S>::up(flags(), vec![ignoring("a").restart(Restart::Temporary), Spec::worker("b")]).await;
    rig.shows("", &[("b", State::Up)]).await;
    assert_eq!(rig.count_children("").await, Counts { specs: 1, active: 1, supervisors: 0, workers: 1 });
}

/// The same with children that come at run time: it is no error, and a permanent one's specification stays.
pub(crate) async fn sup_start_ignore_temporary_child_start_child<S: System>() {
    let rig = Rig::<S>::up(flags(), Vec::new()).await;
    assert_eq!(rig.start_child("", ignoring("a").restart(Restart::Temporary)).await, Ok(Started::Ignored));
    assert_eq!(rig.start_child("", Spec::worker("b")).await, Ok(Started::Up));
    rig.shows("", &[("b", State::Up)]).await;
    assert_eq!(rig.start_child("", ignoring("c")).await, Ok(Started::Ignored));
    rig.shows("", &[("b", State::Up), ("c", State::Down)]).await;
    assert_eq!(rig.delete_child("c").await, Ok(()));
    rig.goes_on();
}

/// A dynamic supervisor forgets a temporary child that is not needed.
pub(crate) async fn sup_start_ignore_temporary_child_start_child_simple<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    assert_eq!(rig.start_child("", ignoring("a").restart(Restart::Temporary)).await, Ok(Started::Ignored));
    assert_eq!(rig.start_child("", Spec::worker("b").restart(Restart::Temporary)).await, Ok(Started::Up));
    rig.shows("", &[("b", State::Up)]).await;
    assert_eq!(rig.count_children("").await.active, 1);
}

/// And a permanent one: nothing is stored, and the supervisor still stops as it should.
pub(crate) async fn sup_start_ignore_permanent_child_start_child_simple<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    assert_eq!(rig.start_child("", ignoring("a")).await, Ok(Started::Ignored));
    rig.shows("", &[]).await;
    rig.stops().await;
}

/// A supervisor that is told what cannot be is an error to whoever starts it; nothing has been started.
pub(crate) async fn sup_start_error_return<S: System>() {
    let mut impossible = flags();
    impossible.period = Duration::ZERO;
    let (exit, puppets) = Rig::<S>::refused(impossible, vec![Spec::worker("a")]).await;
    assert!(matches!(exit, Exit::Abnormal(_)), "{exit:?}");
    assert_eq!(puppets.paths(What::Up), Vec::<String>::new());
}

/// A crash while the supervisor starts is an error to whoever starts it, and what ran is stopped.
pub(crate) async fn sup_start_fail<S: System>() {
    let crashing = Spec::worker("b").manners(Manners::starting(|_| Start::Crash));
    let (exit, puppets) = Rig::<S>::refused(flags(), vec![Spec::worker("a"), crashing]).await;
    let Exit::Abnormal(text) = &exit else { panic!("{exit:?}") };
    assert!(text.contains("told to crash while starting"), "{text}");
    assert_eq!(puppets.alive(), 0);
}

async fn failing_start_is_refused<S: System>(rig: &Rig<S>) {
    let refused = rig.start_child("", failing("a")).await;
    assert!(matches!(refused, Err(Refusal::StartFailed(_))), "{refused:?}");
    quiet().await;
    rig.goes_on();
    rig.shows("", &[]).await;
    assert_eq!(rig.start_child("", Spec::worker("a")).await, Ok(Started::Up), "its specification was forgotten");
}

/// A child that does not start at run time is an error to whoever adds it, and is forgotten.
pub(crate) async fn sup_start_child_returns_error<S: System>() {
    failing_start_is_refused(&Rig::<S>::up(flags(), Vec::new()).await).await;
}

/// The same under a dynamic supervisor.
pub(crate) async fn sup_start_child_returns_error_simple<S: System>() {
    failing_start_is_refused(&Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await).await;
}

/// A child that is ordered up again and does not start is an error; its specification stays, it stays down.
pub(crate) async fn sup_start_restart_child_returns_error<S: System>() {
    let manners = Manners::starting(|nth| if nth == 2 { Start::Fail } else { Start::Up });
    let rig = Rig::<S>::up(flags(), vec![Spec::worker("a").manners(manners)]).await;
    assert_eq!(rig.terminate_child("a").await, Ok(()));
    let refused = rig.restart_child("a").await;
    assert!(matches!(refused, Err(Refusal::StartFailed(_))), "{refused:?}");
    quiet().await;
    rig.shows("", &[("a", State::Down)]).await;
    assert_eq!(rig.restart_child("a").await, Ok(Started::Up));
    rig.goes_on();
}

const WORKER: Rules = Rules {
    restart: Restart::Permanent,
    shutdown: Shutdown::Within(Duration::from_secs(5)),
    significant: false,
    is_supervisor: false,
};

/// A worker that says no more than who it is is permanent and has 5 s to stop; a supervisor has any time.
pub(crate) async fn sup_start_map<S: System>() {
    let children = vec![Spec::worker("a"), Spec::supervisor("b", flags(), Vec::new())];
    let rig = Rig::<S>::up(flags(), children).await;
    assert_eq!(rig.get_childspec("a").await, Some(WORKER));
    let supervisor = Rules { shutdown: Shutdown::Infinity, is_supervisor: true, ..WORKER };
    assert_eq!(rig.get_childspec("b").await, Some(supervisor));
    assert_eq!(rig.get_childspec("c").await, None);
    let explicit = Spec::worker("c").restart(Restart::Transient).shutdown(Shutdown::Brutal);
    assert_eq!(rig.start_child("", explicit).await, Ok(Started::Up));
    let rules = Rules { restart: Restart::Transient, shutdown: Shutdown::Brutal, ..WORKER };
    assert_eq!(rig.get_childspec("c").await, Some(rules));
}

/// The same of a dynamic child.
pub(crate) async fn sup_start_map_simple<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    assert_eq!(rig.start_child("", Spec::worker("a")).await, Ok(Started::Up));
    assert_eq!(rig.get_childspec("a").await, Some(WORKER));
}

/// A child without a name is refused, in the supervisor's own list as at run time.
pub(crate) async fn sup_start_map_faulty_specs<S: System>() {
    let (exit, puppets) = Rig::<S>::refused(flags(), vec![Spec::worker("a"), Spec::worker("")]).await;
    assert!(matches!(exit, Exit::Abnormal(_)), "{exit:?}");
    assert_eq!(puppets.paths(What::Up), Vec::<String>::new(), "refused before anything starts");
    let rig = Rig::<S>::up(flags(), Vec::new()).await;
    let refused = rig.start_child("", Spec::worker("")).await;
    assert!(matches!(refused, Err(Refusal::BadSpec(_))), "{refused:?}");
    rig.goes_on();
    let puppets = Puppets::default();
    assert!(S::start(flags(), vec![Spec::worker("a")], &puppets).await.is_ok(), "no more than a name and a start");
}
