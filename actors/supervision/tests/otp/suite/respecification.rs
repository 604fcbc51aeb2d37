//! A new list of children for a supervisor that runs: OTP's `code_change`, as the reload of a configuration. Unlike OTP,
//! which leaves new children down, they are started.

use super::{
    puppet::What,
    rig::{Rig, quiet},
    system::{AutoShutdown, Exit, Flags, How, Refusal, Restart, Shutdown, Spec, Started, State, Strategy, System},
};
use std::time::Duration;

fn flags() -> Flags {
    Flags::new(Strategy::OneForOne).intensity(5)
}

fn workers(ids: &[&str]) -> Vec<Spec> {
    ids.iter().map(|id| Spec::worker(id)).collect()
}

/// New rules are adopted by children that run on; those that the new list leaves out are kept, new ones are started.
pub(crate) async fn code_change<S: System>() {
    let rig = Rig::<S>::up(flags(), workers(&["a", "b"])).await;
    let pids = [rig.pid("a"), rig.pid("b")];
    let children = vec![Spec::worker("c"), Spec::worker("a").restart(Restart::Transient).shutdown(Shutdown::Brutal)];
    assert_eq!(rig.respecify("", flags(), children).await, Ok(()));
    assert_eq!([rig.pid("a"), rig.pid("b")], pids, "nobody is touched");
    rig.shows("", &[("c", State::Up), ("a", State::Up), ("b", State::Up)]).await;
    let a = rig.get_childspec("a").await.map(|rules| (rules.restart, rules.shutdown));
    assert_eq!(a, Some((Restart::Transient, Shutdown::Brutal)));
    assert_eq!(rig.get_childspec("b").await.map(|rules| rules.restart), Some(Restart::Permanent));
    rig.stays_down("a", How::Normal).await;
    rig.comes_back("b", How::Normal).await;
    rig.puppets.forget();
    rig.stops().await;
    assert_eq!(rig.puppets.paths(What::Stopped), ["b", "c"], "the new order is the order");
}

/// The supervisor's own rules too; and one bad rule, or one bad child, changes nothing at all.
pub(crate) async fn code_change_map<S: System>() {
    let rig = Rig::<S>::up(flags(), workers(&["a", "b"])).await;
    let mut zero = flags();
    zero.period = Duration::ZERO;
    let changed = || Spec::worker("a").restart(Restart::Temporary);
    let all = Flags::new(Strategy::OneForAll).intensity(5);
    let bad = [
        (zero, vec![changed()]),
        (all, vec![changed(), changed()]),
        (all, vec![changed(), Spec::worker("")]),
        (all, vec![changed(), Spec::worker("b").restart(Restart::Transient).significant()]),
        (Flags::new(Strategy::Dynamic), vec![changed()]),
    ];
    for (flags, children) in bad {
        let what = format!("{flags:?} {}", children.len());
        let refused = rig.respecify("", flags, children).await;
        assert!(matches!(refused, Err(Refusal::BadSpec(_))), "{what}: {refused:?}");
    }
    rig.shows("", &[("a", State::Up), ("b", State::Up)]).await;
    assert_eq!(rig.get_childspec("a").await.map(|rules| rules.restart), Some(Restart::Permanent));
    let b = rig.pid("b");
    rig.comes_back("a", How::Panic).await;
    assert_eq!(rig.pid("b"), b, "still one_for_one");

    assert_eq!(rig.respecify("", all, workers(&["a", "b"])).await, Ok(()));
    assert_eq!(rig.pid("b"), b);
    rig.comes_back("a", How::Panic).await;
    assert_ne!(rig.returns("b").await, b, "now one_for_all");
    assert_eq!(rig.respecify("", all.intensity(2), workers(&["a", "b"])).await, Ok(()));
    rig.ends("a", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown, "what was restarted before counts under the new intensity");
}

async fn dynamic<S: System>(ids: &[&str]) -> Rig<S> {
    let rig = Rig::<S>::up(Flags::new(Strategy::Dynamic).intensity(5), Vec::new()).await;
    for id in ids {
        assert_eq!(rig.start_child("", Spec::worker(id)).await, Ok(Started::Up));
    }
    rig
}

/// A dynamic supervisor takes exactly one template, and its children run on.
pub(crate) async fn code_change_simple<S: System>() {
    let rig = dynamic::<S>(&["a", "b"]).await;
    let (flags, pids) = (Flags::new(Strategy::Dynamic).intensity(5), [rig.pid("a"), rig.pid("b")]);
    for children in [Vec::new(), workers(&["x", "y"])] {
        let refused = rig.respecify("", flags, children).await;
        assert!(matches!(refused, Err(Refusal::BadSpec(_))), "{refused:?}");
    }
    assert_eq!(rig.respecify("", flags, workers(&["template"])).await, Ok(()));
    assert_eq!([rig.pid("a"), rig.pid("b")], pids);
    rig.shows("", &[("a", State::Up), ("b", State::Up)]).await;
    rig.comes_back("a", How::Panic).await;
}

/// The template's rules are those of every child from then on.
pub(crate) async fn code_change_simple_map<S: System>() {
    let rig = dynamic::<S>(&["a", "b"]).await;
    let template = Spec::worker("template").restart(Restart::Transient).shutdown(Shutdown::Brutal);
    assert_eq!(rig.respecify("", Flags::new(Strategy::Dynamic).intensity(0), vec![template]).await, Ok(()));
    for id in ["a", "b"] {
        let rules = rig.get_childspec(id).await.map(|rules| (rules.restart, rules.shutdown));
        assert_eq!(rules, Some((Restart::Transient, Shutdown::Brutal)), "{id}");
    }
    rig.stays_down("a", How::Normal).await;
    rig.ends("b", How::Panic).await;
    assert_eq!(rig.gives_up().await, Exit::Shutdown, "no restart is allowed any more");
}

const NEVER: AutoShutdown = AutoShutdown::Never;
const ANY: AutoShutdown = AutoShutdown::Any;
const ALL: AutoShutdown = AutoShutdown::All;

/// Two transient children, significant where that may be, under `auto_shutdown`.
fn two(auto_shutdown: AutoShutdown) -> (Flags, Vec<Spec>) {
    let child = |id: &str| {
        let mut spec = Spec::worker(id).restart(Restart::Transient);
        spec.significant = auto_shutdown != NEVER;
        spec
    };
    (flags().auto_shutdown(auto_shutdown), vec![child("a"), child("b"), Spec::worker("c")])
}

/// Changes `from` into `to` and lets the children end one after the other: `to` decides who ends with them. Significant
/// children that `to` has no meaning for are refused.
async fn upgrade<S: System>(from: AutoShutdown, to: AutoShutdown) {
    let (flags, children) = two(from);
    let rig = Rig::<S>::up(flags, children).await;
    let pid = rig.pid("a");
    let (flags, children) = two(to);
    if to == NEVER {
        let refused = rig.respecify("", flags, two(from).1).await;
        assert!(matches!(refused, Err(Refusal::BadSpec(_))), "{refused:?}");
    }
    assert_eq!(rig.respecify("", flags, children).await, Ok(()));
    assert_eq!(rig.pid("a"), pid);
    rig.ends("a", How::Normal).await;
    if to == ANY {
        assert_eq!(rig.gives_up().await, Exit::Shutdown);
        return;
    }
    quiet().await;
    rig.goes_on();
    rig.ends("b", How::Normal).await;
    if to == ALL {
        assert_eq!(rig.gives_up().await, Exit::Shutdown);
        return;
    }
    quiet().await;
    rig.goes_on();
}

/// From never to any.
pub(crate) async fn significant_upgrade_never_any<S: System>() {
    upgrade::<S>(NEVER, ANY).await;
}

/// From any to never.
pub(crate) async fn significant_upgrade_any_never<S: System>() {
    upgrade::<S>(ANY, NEVER).await;
}

/// From never to all.
pub(crate) async fn significant_upgrade_never_all<S: System>() {
    upgrade::<S>(NEVER, ALL).await;
}

/// From all to never.
pub(crate) async fn significant_upgrade_all_never<S: System>() {
    upgrade::<S>(ALL, NEVER).await;
}

/// From any to all.
pub(crate) async fn significant_upgrade_any_all<S: System>() {
    upgrade::<S>(ANY, ALL).await;
}

/// From all to any.
pub(crate) async fn significant_upgrade_all_any<S: System>() {
    upgrade::<S>(ALL, ANY).await;
}

/// A child becomes significant, and ceases to be, as it runs.
pub(crate) async fn significant_upgrade_child<S: System>() {
    for becomes in [true, false] {
        let children = |significant: bool| {
            let mut spec = Spec::worker("a").restart(Restart::Transient);
            spec.significant = significant;
            vec![spec, Spec::worker("b")]
        };
        let flags = flags().auto_shutdown(ANY);
        let rig = Rig::<S>::up(flags, children(!becomes)).await;
        let pid = rig.pid("a");
        assert_eq!(rig.respecify("", flags, children(becomes)).await, Ok(()));
        assert_eq!(rig.pid("a"), pid);
        rig.ends("a", How::Normal).await;
        if becomes {
            assert_eq!(rig.gives_up().await, Exit::Shutdown);
        } else {
            quiet().await;
            rig.goes_on();
        }
    }
}
