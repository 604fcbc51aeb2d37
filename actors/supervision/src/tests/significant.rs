//! Significant children and `auto_shutdown`, with live actors: who ends with whom, and what the parent makes of it.

use super::probe::*;
use crate::{
    ActorPath, Addr, AutoShutdown, ChildSpec, Exit, Flags, NoObserver, OrderError, Planes, Restart, Status, Strategy,
    Tree, Verb,
    core::{Refusal, Rule},
};
use std::{sync::Arc, time::Duration};

/// A root with `inner`, which is transient as a supervisor that may end by itself should be: two significant children,
/// `x` and `y`, and an insignificant `z`.
async fn inner(auto_shutdown: AutoShutdown, strategy: Strategy, restart: Restart, log: &Log) -> (Tree, [Addr<Say>; 3]) {
    let children = ["inner/x", "inner/y", "inner/z"].map(|path| probe(path, log, Plan::default()));
    let addrs = [0, 1, 2].map(|at| children[at].0.clone());
    let [(_, x), (_, y), (_, z)] = children;
    let significant = |spec: ChildSpec| spec.restart(restart).significant();
    let specs = vec![significant(x), significant(y), z];
    let spec = ChildSpec::supervisor("inner", flags(auto_shutdown, strategy), specs).restart(Restart::Transient);
    let tree = up(vec![spec]).await;
    log.take();
    (tree, addrs)
}

fn flags(auto_shutdown: AutoShutdown, strategy: Strategy) -> Flags {
    let mut flags = Flags::new(strategy);
    flags.auto_shutdown = auto_shutdown;
    flags.intensity.restarts = 5;
    flags
}

fn status(tree: &Tree, path: &str) -> Option<Status> {
    tree.node(&path.into()).map(|node| node.status)
}

async fn until_down(tree: &Tree, path: &str) {
    until(&format!("{path} is down"), || status(tree, path) == Some(Status::Down)).await;
}

/// Lets everything happen that was going to.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn with_any_significant_the_first_normal_end_stops_the_siblings_in_reverse_order_and_then_the_supervisor() {
    let log = Log::default();
    let (tree, [x, ..]) = inner(AutoShutdown::AnySignificant, Strategy::OneForOne, Restart::Transient, &log).await;
    x.send(Say::Finish).await.expect("delivered");
    until_down(&tree, "inner").await;
    let stopped: Vec<_> = log.take().into_iter().filter(|line| line.starts_with('-')).collect();
    assert_eq!(stopped, ["-x#1", "-z#1", "-y#1"]);
    assert_eq!(last_exit(&tree, "inner"), Some(Exit::shutdown()));
    let told = tree.explain(&ActorPath::from("inner"), 100);
    assert_eq!(told.iter().filter(|entry| entry.decision.rule == Rule::AutoShutdown).count(), 1);
    settle().await;
    assert_eq!(status(&tree, "inner"), Some(Status::Down), "it ended as in order: a transient one stays down");
    assert_eq!(status(&tree, "root"), Some(Status::Running));
}

#[tokio::test(start_paused = true)]
async fn with_all_significant_the_supervisor_ends_with_the_last_of_them() {
    let log = Log::default();
    let (tree, [x, y, _]) = inner(AutoShutdown::AllSignificant, Strategy::OneForOne, Restart::Transient, &log).await;
    x.send(Say::Finish).await.expect("delivered");
    until_down(&tree, "inner/x").await;
    settle().await;
    assert_eq!(status(&tree, "inner"), Some(Status::Running), "y is left");
    y.send(Say::Finish).await.expect("delivered");
    until_down(&tree, "inner").await;
    assert_eq!(last_exit(&tree, "inner"), Some(Exit::shutdown()));
    let stopped: Vec<_> = log.take().into_iter().filter(|line| line.starts_with('-')).collect();
    assert_eq!(stopped, ["-x#1", "-y#1", "-z#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_significant_transient_child_that_fails_is_restarted_and_ends_nobody() {
    let log = Log::default();
    let (tree, [x, ..]) = inner(AutoShutdown::AnySignificant, Strategy::OneForOne, Restart::Transient, &log).await;
    x.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "inner/x", 2).await;
    settle().await;
    assert_eq!(tree.node(&"inner".into()).map(|node| (node.status, node.incarnation)), Some((Status::Running, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_significant_temporary_child_counts_however_it_ends() {
    for ends in [Say::Finish, Say::Fail, Say::Panic] {
        let what = format!("{ends:?}");
        let log = Log::default();
        let (tree, [x, ..]) = inner(AutoShutdown::AnySignificant, Strategy::OneForOne, Restart::Temporary, &log).await;
        x.send(ends).await.expect("delivered");
        until_down(&tree, "inner").await;
        assert_eq!(last_exit(&tree, "inner"), Some(Exit::shutdown()), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_temporary_significant_children_have_to_end_although_each_is_forgotten() {
    let log = Log::default();
    let (tree, [x, y, _]) = inner(AutoShutdown::AllSignificant, Strategy::OneForOne, Restart::Temporary, &log).await;
    x.send(Say::Fail).await.expect("delivered");
    until("x is forgotten", || status(&tree, "inner/x").is_none()).await;
    settle().await;
    assert_eq!(status(&tree, "inner"), Some(Status::Running), "y is left");
    y.send(Say::Finish).await.expect("delivered");
    until_down(&tree, "inner").await;
}

#[tokio::test(start_paused = true)]
async fn an_insignificant_child_ends_alone() {
    let log = Log::default();
    let children = ["inner/x", "inner/y"].map(|path| probe(path, &log, Plan::default()));
    let [(_, x), (y, other)] = children;
    let specs = vec![x.restart(Restart::Transient).significant(), other.restart(Restart::Transient)];
    let rules = flags(AutoShutdown::AnySignificant, Strategy::OneForOne);
    let tree = up(vec![ChildSpec::supervisor("inner", rules, specs)]).await;
    y.send(Say::Finish).await.expect("delivered");
    until_down(&tree, "inner/y").await;
    settle().await;
    assert_eq!(status(&tree, "inner"), Some(Status::Running));
}

#[tokio::test(start_paused = true)]
async fn never_means_that_all_children_may_end_and_the_supervisor_goes_on() {
    let log = Log::default();
    let children = ["inner/x", "inner/y"].map(|path| probe(path, &log, Plan::default()));
    let [(x, one), (y, other)] = children;
    let specs = vec![one.restart(Restart::Transient), other.restart(Restart::Transient)];
    let rules = flags(AutoShutdown::Never, Strategy::OneForOne);
    let tree = up(vec![ChildSpec::supervisor("inner", rules, specs)]).await;
    for addr in [x, y] {
        addr.send(Say::Finish).await.expect("delivered");
        until_down(&tree, addr.path().as_str()).await;
    }
    settle().await;
    assert_eq!(status(&tree, "inner"), Some(Status::Running));
}

/// As in OTP: only ends by themselves count, not an operator's stop, nor a stop for a sibling's sake.
#[tokio::test(start_paused = true)]
async fn a_stop_by_order_and_a_stop_for_a_siblings_sake_trigger_nothing() {
    let log = Log::default();
    let (tree, [_, y, z]) = inner(AutoShutdown::AnySignificant, Strategy::OneForAll, Restart::Transient, &log).await;
    z.send(Say::Fail).await.expect("delivered");
    for path in ["inner/x", "inner/y", "inner/z"] {
        until_incarnation(&tree, path, 2).await;
    }
    tree.order(&"inner/x".into(), Verb::Stop, None, false).await.expect("stopped");
    settle().await;
    assert_eq!(tree.node(&"inner".into()).map(|node| (node.status, node.incarnation)), Some((Status::Running, 1)));
    y.send(Say::Finish).await.expect("delivered");
    until_down(&tree, "inner").await;
}

#[tokio::test(start_paused = true)]
async fn one_ordered_down_is_not_waited_for_by_all_significant() {
    let log = Log::default();
    let (tree, [_, y, _]) = inner(AutoShutdown::AllSignificant, Strategy::OneForOne, Restart::Transient, &log).await;
    tree.order(&"inner/x".into(), Verb::Stop, None, false).await.expect("stopped");
    settle().await;
    assert_eq!(status(&tree, "inner"), Some(Status::Running));
    y.send(Say::Finish).await.expect("delivered");
    until_down(&tree, "inner").await;
}

#[tokio::test(start_paused = true)]
async fn a_permanent_supervisor_that_ends_with_its_child_is_brought_back_by_its_parent() {
    let log = Log::default();
    let (x, spec) = probe("inner/x", &log, Plan::default());
    let rules = flags(AutoShutdown::AnySignificant, Strategy::OneForOne);
    let inner = ChildSpec::supervisor("inner", rules, vec![spec.restart(Restart::Transient).significant()]);
    let tree = up(vec![inner]).await;
    x.send(Say::Finish).await.expect("delivered");
    until_incarnation(&tree, "inner", 2).await;
    until_incarnation(&tree, "inner/x", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_significant_supervisor_passes_its_end_on_up_to_the_root() {
    let log = Log::default();
    let (x, spec) = probe("inner/x", &log, Plan::default());
    let rules = flags(AutoShutdown::AllSignificant, Strategy::OneForOne);
    let inner = ChildSpec::supervisor("inner", rules, vec![spec.restart(Restart::Transient).significant()]);
    let (_elder, elder) = probe("elder", &log, Plan::default());
    let tree = tree(rules, vec![elder, inner.restart(Restart::Transient).significant()]).await;
    tree.started().await.expect("it starts");
    x.send(Say::Finish).await.expect("delivered");
    assert_eq!(tree.ended().await, Exit::shutdown());
    assert_eq!(log.take(), ["+elder#1", "+x#1", "-x#1", "~x#1", "-elder#1", "~elder#1"]);
}

/// In a list of children and at run time; and nothing of the tree is changed.
#[tokio::test(start_paused = true)]
async fn significance_that_could_not_mean_anything_is_refused() {
    let log = Log::default();
    let significant = |restart| probe("x", &log, Plan::default()).1.restart(restart).significant();
    for (auto_shutdown, strategy, restart, said) in [
        (AutoShutdown::AnySignificant, Strategy::OneForOne, Restart::Permanent, "a permanent child"),
        (AutoShutdown::AllSignificant, Strategy::OneForOne, Restart::Permanent, "a permanent child"),
        (AutoShutdown::Never, Strategy::OneForOne, Restart::Transient, "a supervisor with auto_shutdown"),
        (AutoShutdown::AnySignificant, Strategy::Dynamic, Restart::Temporary, "dynamic supervisors"),
    ] {
        let rules = flags(auto_shutdown, strategy);
        let exit = Tree::start(Planes::single(), rules, vec![significant(restart)], Arc::new(NoObserver)).await.err();
        let Some(Exit::Fatal { message }) = exit else { panic!("{said}: {exit:?}") };
        assert!(message.starts_with("x: ") && message.contains(said), "{message}");

        let tree = tree(rules, Vec::new()).await;
        tree.started().await.expect("it starts");
        let refused = tree.start_child(&ActorPath::root(), significant(restart)).await;
        let Err(OrderError::Refused { refusal: Refusal::BadSpec { reason }, .. }) = refused else {
            panic!("{said}: {refused:?}")
        };
        assert!(reason.contains(said), "{reason}");
        assert!(tree.node(&"x".into()).is_none());
    }
    assert!(log.take().iter().all(|line| !line.starts_with('+')), "nobody was started");
}
