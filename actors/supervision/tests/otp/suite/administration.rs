//! Children that come, go and are asked about at run time, and the exact refusals.

use super::{
    puppet::What,
    rig::{Rig, quiet},
    system::{
        AutoShutdown, Body, Counts, Exit, Flags, How, Refusal, Restart, Shutdown, Spec, Started, State, Strategy,
        System,
    },
};
use std::time::Duration;

fn flags() -> Flags {
    Flags::new(Strategy::OneForOne)
}

/// Start, terminate, restart and delete, in and out of turn.
pub(crate) async fn child_adm<S: System>() {
    let rig = Rig::<S>::up(flags(), vec![Spec::worker("a")]).await;
    assert_eq!(rig.start_child("", Spec::worker("a")).await, Err(Refusal::AlreadyStarted));
    quiet().await;
    rig.goes_on();
    assert_eq!(rig.restart_child("a").await, Err(Refusal::Running));
    assert_eq!(rig.delete_child("a").await, Err(Refusal::Running));
    for nobody in [rig.terminate_child("x").await, rig.delete_child("x").await] {
        assert_eq!(nobody, Err(Refusal::NotFound));
    }
    assert_eq!(rig.restart_child("x").await, Err(Refusal::NotFound));

    assert_eq!(rig.terminate_child("a").await, Ok(()));
    rig.shows("", &[("a", State::Down)]).await;
    assert_eq!(rig.terminate_child("a").await, Ok(()), "who is down is terminated already");
    assert_eq!(rig.start_child("", Spec::worker("a")).await, Err(Refusal::AlreadyPresent));
    assert_eq!(rig.restart_child("a").await, Ok(Started::Up));
    rig.shows("", &[("a", State::Up)]).await;

    assert_eq!(rig.terminate_child("a").await, Ok(()));
    assert_eq!(rig.delete_child("a").await, Ok(()));
    assert_eq!(rig.restart_child("a").await, Err(Refusal::NotFound));
    assert_eq!(rig.delete_child("a").await, Err(Refusal::NotFound));
    rig.shows("", &[]).await;
    assert_eq!(rig.count_children("").await, Counts { specs: 0, active: 0, supervisors: 0, workers: 0 });

    assert_eq!(rig.start_child("", Spec::worker("a")).await, Ok(Started::Up));
    assert_eq!(rig.start_child("", Spec::worker("b").restart(Restart::Temporary)).await, Ok(Started::Up));
    assert_eq!(rig.terminate_child("b").await, Ok(()));
    assert_eq!(rig.restart_child("b").await, Err(Refusal::NotFound), "a temporary child is forgotten");
    rig.stops().await;
}

/// Dynamic children have names, so every call about them works; OTP, which has pids for them only, refuses some.
pub(crate) async fn child_adm_simple<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    for id in ["a", "b"] {
        assert_eq!(rig.start_child("", Spec::worker(id)).await, Ok(Started::Up));
    }
    assert_eq!(rig.start_child("", Spec::worker("a")).await, Err(Refusal::AlreadyStarted));
    assert_eq!(rig.terminate_child("x").await, Err(Refusal::NotFound));
    let b = rig.pid("b");
    assert_eq!(rig.terminate_child("a").await, Ok(()));
    assert_eq!((rig.puppets.pid("a"), rig.pid("b")), (None, b), "only the one");
    assert_eq!(rig.restart_child("a").await, Ok(Started::Up));
    assert_eq!(rig.terminate_child("a").await, Ok(()));
    assert_eq!(rig.delete_child("a").await, Ok(()));
    rig.shows("", &[("b", State::Up)]).await;
    rig.stops().await;
}

/// Specifications that cannot hold are refused, and so are two children of one name, before anything starts.
pub(crate) async fn child_specs<S: System>() {
    let rig = Rig::<S>::up(flags(), Vec::new()).await;
    let mut impatient = Spec::worker("a");
    impatient.start_timeout = Some(Duration::ZERO);
    let bad = [
        Spec::worker("a/b"),
        Spec::worker("a b"),
        impatient,
        Spec::worker("a").significant(),
        Spec::worker("a").restart(Restart::Transient).significant(),
    ];
    for spec in bad {
        let what = format!("{:?} {:?} {:?}", spec.id, spec.restart, spec.start_timeout);
        let refused = rig.start_child("", spec).await;
        assert!(matches!(refused, Err(Refusal::BadSpec(_))), "{what}: {refused:?}");
    }
    rig.shows("", &[]).await;
    let (exit, puppets) =
        Rig::<S>::refused(flags(), vec![Spec::worker("a"), Spec::worker("b"), Spec::worker("a")]).await;
    assert!(matches!(exit, Exit::Abnormal(_)), "{exit:?}");
    assert_eq!(puppets.paths(What::Up), Vec::<String>::new());
}

/// Every combination of strategy, auto_shutdown, restart, significance, shutdown, kind and start timeout, at run time:
/// the good ones start and the bad ones are refused.
pub(crate) async fn child_specs_map<S: System>() {
    let shutdowns = [
        None,
        Some(Shutdown::Brutal),
        Some(Shutdown::Infinity),
        Some(Shutdown::Within(Duration::from_millis(1))),
        Some(Shutdown::Within(Duration::from_secs(60))),
        Some(Shutdown::Within(Duration::ZERO)),
    ];
    let timeouts = [None, Some(Duration::from_secs(1)), Some(Duration::MAX), Some(Duration::ZERO)];
    let (mut tried, mut refused) = (0, 0);
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic] {
        for auto_shutdown in [AutoShutdown::Never, AutoShutdown::Any, AutoShutdown::All] {
            let rig = Rig::<S>::up(Flags::new(strategy).auto_shutdown(auto_shutdown), Vec::new()).await;
            for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
                for (significant, shutdown, start_timeout, is_supervisor) in combinations(&shutdowns, &timeouts) {
                    let mut spec = Spec::worker("x");
                    if is_supervisor {
                        spec.body = Body::Supervisor(flags(), Vec::new());
                    }
                    (spec.restart, spec.significant) = (restart, significant);
                    (spec.shutdown, spec.start_timeout) = (shutdown, start_timeout);
                    let what = format!("{strategy:?} {auto_shutdown:?} {restart:?} {significant} {start_timeout:?}");
                    let never = restart == Restart::Permanent || auto_shutdown == AutoShutdown::Never;
                    let meaningless = significant && (never || strategy == Strategy::Dynamic);
                    tried += 1;
                    match rig.start_child("", spec).await {
                        Ok(started) => {
                            assert_eq!(started, Started::Up);
                            assert!(!meaningless && start_timeout != Some(Duration::ZERO), "{what}: taken");
                            assert_eq!(rig.terminate_child("x").await, Ok(()));
                            if restart != Restart::Temporary {
                                assert_eq!(rig.delete_child("x").await, Ok(()));
                            }
                        }
                        Err(Refusal::BadSpec(_)) => {
                            assert!(meaningless || start_timeout == Some(Duration::ZERO), "{what}: refused");
                            refused += 1;
                        }
                        Err(other) => panic!("{what}: {other:?}"),
                    }
                }
            }
            rig.shows("", &[]).await;
            rig.goes_on();
        }
    }
    assert!(tried == 3_456 && refused > 1_000, "{refused} of {tried} were refused");
}

type Combination = (bool, Option<Shutdown>, Option<Duration>, bool);

fn combinations(shutdowns: &[Option<Shutdown>], timeouts: &[Option<Duration>]) -> Vec<Combination> {
    let mut all = Vec::new();
    for significant in [false, true] {
        for shutdown in shutdowns {
            for timeout in timeouts {
                all.extend([false, true].map(|is_supervisor| (significant, *shutdown, *timeout, is_supervisor)));
            }
        }
    }
    all
}

/// A period of nothing is refused, for the root and below it; no restart at all and a very long period are fine.
pub(crate) async fn sup_flags<S: System>() {
    let mut zero = flags();
    zero.period = Duration::ZERO;
    let (exit, _) = Rig::<S>::refused(zero, Vec::new()).await;
    assert!(matches!(exit, Exit::Abnormal(_)), "{exit:?}");
    let below = Spec::supervisor("a", zero, Vec::new());
    let (exit, _) = Rig::<S>::refused(flags(), vec![below.clone()]).await;
    assert!(matches!(exit, Exit::Abnormal(_)), "{exit:?}");
    let mut long = flags().intensity(0);
    long.period = Duration::MAX;
    let rig = Rig::<S>::up(long, Vec::new()).await;
    assert!(rig.start_child("", below).await.is_err());
    rig.goes_on();
}

/// The children are shown as they come and go.
pub(crate) async fn which_children<S: System>() {
    let rig = Rig::<S>::up(flags(), Vec::new()).await;
    rig.shows("", &[]).await;
    assert_eq!(rig.start_child("", Spec::worker("a")).await, Ok(Started::Up));
    assert_eq!(rig.start_child("", Spec::supervisor("b", flags(), Vec::new())).await, Ok(Started::Up));
    rig.shows("", &[("a", State::Up), ("b", State::Up)]).await;
    rig.shows("b", &[]).await;
    assert_eq!(rig.terminate_child("a").await, Ok(()));
    rig.shows("", &[("a", State::Down), ("b", State::Up)]).await;
    assert_eq!(rig.delete_child("a").await, Ok(()));
    rig.shows("", &[("b", State::Up)]).await;
}

/// The same of dynamic children; a temporary one that ended is no longer shown.
pub(crate) async fn which_children_simple_one_for_one<S: System>() {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic), Vec::new()).await;
    rig.shows("", &[]).await;
    for id in ["a", "b"] {
        assert_eq!(rig.start_child("", Spec::worker(id).restart(Restart::Temporary)).await, Ok(Started::Up));
    }
    rig.shows("", &[("a", State::Up), ("b", State::Up)]).await;
    rig.ends("a", How::Normal).await;
    quiet().await;
    rig.shows("", &[("b", State::Up)]).await;
}

/// What is taken by somebody else is an error to whoever asks for it, and hurts nobody: here a worker whose address
/// belongs to another place in the tree.
pub(crate) async fn already_started_outside_supervisor<S: System>() {
    let below = Spec::supervisor("b", flags(), vec![Spec::worker("x")]);
    let rig = Rig::<S>::up(flags(), vec![below]).await;
    let pid = rig.pid("b/x");
    let refused = rig.start_elsewhere("", "y", "b/x").await;
    assert!(refused.is_err(), "{refused:?}");
    quiet().await;
    rig.goes_on();
    rig.shows("", &[("b", State::Up)]).await;
    assert_eq!(rig.pid("b/x"), pid, "whose it is is not disturbed");
}

/// Five children start in order; the third fails under rest_for_one and takes 5 and 4 along, in this order; the end of
/// the supervisor takes all, 5 to 1.
pub(crate) async fn order_of_children<S: System>() {
    let ids = ["c1", "c2", "c3", "c4", "c5"];
    let rig = Rig::<S>::up(Flags::new(Strategy::RestForOne), ids.map(Spec::worker).to_vec()).await;
    assert_eq!(rig.puppets.paths(What::Up), ids);
    rig.puppets.forget();
    rig.comes_back("c3", How::Panic).await;
    rig.returns("c5").await;
    assert_eq!(rig.puppets.paths(What::Stopped), ["c5", "c4"]);
    assert_eq!(rig.puppets.paths(What::Up)[5..], ["c3", "c4", "c5"]);
    rig.puppets.forget();
    rig.stops().await;
    assert_eq!(rig.puppets.paths(What::Stopped), ["c5", "c4", "c3", "c2", "c1"]);
    assert!(!rig.puppets.have_overlapped());
}
