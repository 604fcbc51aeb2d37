//! Who is started again after which end.

use super::{
    puppet::{Manners, Start, What},
    rig::{Rig, quiet, until},
    system::{Exit, Flags, How, Restart, Spec, State, Strategy, System},
};

/// A supervisor with one child, `a`, and room for what is to come.
async fn one<S: System>(restart: Restart) -> Rig<S> {
    let flags = Flags::new(Strategy::OneForOne).intensity(10);
    Rig::up(flags, vec![Spec::worker("a").restart(restart)]).await
}

async fn always_back<S: System>(hows: &[How]) {
    let rig = one::<S>(Restart::Permanent).await;
    for how in hows {
        let old = rig.pid("a");
        assert_ne!(rig.comes_back("a", *how).await, old, "{how:?}");
    }
    rig.shows("", &[("a", State::Up)]).await;
    rig.goes_on();
}

/// Stays down after each of `hows`, and its specification is kept, or not.
async fn never_back<S: System>(restart: Restart, hows: &[How]) {
    for how in hows {
        let rig = one::<S>(restart).await;
        rig.stays_down("a", *how).await;
        let kept: &[_] = if restart == Restart::Temporary { &[] } else { &[("a", State::Down)] };
        rig.shows("", kept).await;
        assert_eq!(rig.count_children("").await.specs, kept.len(), "{how:?}");
    }
}

const SHUTDOWN: [How; 2] = [How::Shutdown, How::ShutdownInfo];
const ABNORMAL: [How; 2] = [How::Error, How::Panic];

/// Restarted.
pub(crate) async fn permanent_normal<S: System>() {
    always_back::<S>(&[How::Normal]).await;
}

/// Down, its specification kept.
pub(crate) async fn transient_normal<S: System>() {
    never_back::<S>(Restart::Transient, &[How::Normal]).await;
}

/// Forgotten.
pub(crate) async fn temporary_normal<S: System>() {
    never_back::<S>(Restart::Temporary, &[How::Normal]).await;
}

/// Restarted, with and without something to say about it.
pub(crate) async fn permanent_shutdown<S: System>() {
    always_back::<S>(&SHUTDOWN).await;
}

/// Down, its specification kept.
pub(crate) async fn transient_shutdown<S: System>() {
    never_back::<S>(Restart::Transient, &SHUTDOWN).await;
}

/// Forgotten.
pub(crate) async fn temporary_shutdown<S: System>() {
    never_back::<S>(Restart::Temporary, &SHUTDOWN).await;
}

/// Restarted, killed or not.
pub(crate) async fn permanent_abnormal<S: System>() {
    always_back::<S>(&ABNORMAL).await;
    killed_and_back::<S>(Restart::Permanent).await;
}

/// Restarted, killed or not: a kill is no way to end normally.
pub(crate) async fn transient_abnormal<S: System>() {
    let rig = one::<S>(Restart::Transient).await;
    for how in ABNORMAL {
        rig.comes_back("a", how).await;
    }
    killed_and_back::<S>(Restart::Transient).await;
}

async fn killed_and_back<S: System>(restart: Restart) {
    let rig = one::<S>(restart).await;
    let old = rig.pid("a");
    rig.kill("a").await;
    until("a is killed", || rig.puppets.did(What::Gone, old)).await;
    assert!(!rig.puppets.did(What::Stopped, old), "a kill asks nobody");
    assert_ne!(rig.returns("a").await, old);
}

/// Forgotten, killed or not.
pub(crate) async fn temporary_abnormal<S: System>() {
    never_back::<S>(Restart::Temporary, &ABNORMAL).await;
    let rig = one::<S>(Restart::Temporary).await;
    rig.kill("a").await;
    quiet().await;
    assert_eq!(rig.puppets.pid("a"), None);
    rig.shows("", &[]).await;
}

/// A temporary sibling that a strategy takes along does not come back.
pub(crate) async fn temporary_bystander<S: System>() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let children = vec![Spec::worker("a"), Spec::worker("b").restart(Restart::Temporary)];
        let rig = Rig::<S>::up(Flags::new(strategy), children).await;
        rig.comes_back("a", How::Panic).await;
        quiet().await;
        assert_eq!(rig.puppets.pid("b"), None, "{strategy:?}");
        rig.shows("", &[("a", State::Up)]).await;
    }
}

/// A start that fails two levels down says so at the top: by its cause and its place.
pub(crate) async fn faulty_application_shutdown<S: System>() {
    let flags = Flags::new(Strategy::OneForOne);
    let faulty = Spec::worker("faulty").manners(Manners::starting(|_| Start::Fail));
    let inner = Spec::supervisor("inner", flags, vec![Spec::worker("a"), faulty]);
    let outer = Spec::supervisor("outer", flags, vec![Spec::worker("b"), inner]);
    let (exit, puppets) = Rig::<S>::refused(flags, vec![Spec::worker("c"), outer]).await;
    let Exit::Abnormal(text) = &exit else { panic!("{exit:?}") };
    for part in ["outer", "inner", "faulty", "told to fail"] {
        assert!(text.contains(part), "{text} does not say {part}");
    }
    assert_eq!(puppets.paths(What::Stopped), ["outer/inner/a", "outer/b", "c"]);
}
