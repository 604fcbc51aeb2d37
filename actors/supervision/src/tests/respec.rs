//! A new list of children for a supervisor that runs, as a reload of the configuration wants it.

use super::probe::*;
use crate::{
    ActorPath, AutoShutdown, ChildSpec, Flags, OrderError, Respec, Restart, Strategy, Tree, Verb,
    core::{Change, Outcome, Refusal, Removed},
};

fn flags(strategy: Strategy) -> Flags {
    let mut flags = Flags::new(strategy);
    flags.intensity.restarts = 5;
    flags
}

fn specs(paths: &[&str], log: &Log) -> Vec<ChildSpec> {
    paths.iter().map(|path| probe(path, log, Plan::default()).1).collect()
}

fn lines(log: &Log) -> Vec<String> {
    log.take().into_iter().filter(|line| !line.starts_with('~')).collect()
}

fn reload(flags: Flags, children: Vec<ChildSpec>) -> Respec {
    Respec { removed: Removed::Stop, ..Respec::new(flags, children) }
}

/// `pool` with `a`, `b`, `c`, `d`; the log is empty.
async fn pool(log: &Log) -> (Tree, ActorPath) {
    let children = specs(&["pool/a", "pool/b", "pool/c", "pool/d"], log);
    let tree = up(vec![ChildSpec::supervisor("pool", flags(Strategy::OneForOne), children)]).await;
    log.take();
    (tree, ActorPath::from("pool"))
}

#[tokio::test(start_paused = true)]
async fn those_that_go_stop_in_reverse_order_then_those_that_come_start_in_order_and_the_rest_runs_on() {
    let log = Log::default();
    let (tree, pool) = pool(&log).await;
    let mut new = reload(flags(Strategy::OneForOne), specs(&["pool/x", "pool/c", "pool/a", "pool/y"], &log));
    new.restart = vec!["a".to_owned()];
    let Ok(Outcome::Planned { plan }) = tree.respecify(&pool, new.clone(), true).await else { panic!("it is planned") };
    let planned: Vec<_> = plan.children.iter().map(|(id, change)| (id.as_str(), *change)).collect();
    let expected =
        [("x", Change::Start), ("c", Change::Keep), ("a", Change::Restart), ("y", Change::Start)].into_iter();
    assert_eq!(planned, expected.chain([("b", Change::Stop), ("d", Change::Stop)]).collect::<Vec<_>>());
    assert_eq!(lines(&log), [""; 0], "a dry run does nothing");

    let Ok(Outcome::Respecified { plan: done, down }) = tree.respecify(&pool, new, false).await else {
        panic!("it is carried out")
    };
    assert_eq!((done, down), (plan, Vec::new()));
    assert_eq!(lines(&log), ["-d#1", "-b#1", "-a#1", "+x#1", "+a#2", "+y#1"]);
    let shown: Vec<_> = tree.which_children(&pool).unwrap().iter().map(|node| node.path.id().to_owned()).collect();
    assert_eq!(shown, ["x", "c", "a", "y"]);
    tree.shutdown(None);
    tree.ended().await;
    assert_eq!(lines(&log), ["-y#1", "-a#2", "-c#1", "-x#1"]);
}

#[tokio::test(start_paused = true)]
async fn the_next_life_of_the_supervisor_begins_with_the_new_list_and_the_tree_shows_its_new_rules() {
    let log = Log::default();
    let (tree, pool) = pool(&log).await;
    let mut rules = flags(Strategy::RestForOne);
    rules.auto_shutdown = AutoShutdown::AnySignificant;
    tree.respecify(&pool, reload(rules, specs(&["pool/b", "pool/new"], &log)), false).await.expect("it holds");
    assert_eq!(tree.node(&pool).and_then(|node| node.flags), Some(rules));
    log.take();
    tree.order(&pool, Verb::Restart { force: false }, None, false).await.expect("within budget");
    until_incarnation(&tree, "pool/new", 2).await;
    assert_eq!(lines(&log), ["-new#1", "-b#1", "+b#2", "+new#2"]);
    assert_eq!(tree.node(&pool).and_then(|node| node.flags), Some(rules));
    assert_eq!(tree.count_children(&pool).map(|counts| counts.specs), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_hold_changes_nothing() {
    let log = Log::default();
    let (tree, pool) = pool(&log).await;
    let good = || probe("pool/x", &log, Plan::default()).1;
    let misplaced = probe("elsewhere/y", &log, Plan::default()).1;
    let selfish = probe("pool/y", &log, Plan::default()).1.needs(["pool/y"]);
    let mut zero = flags(Strategy::OneForOne);
    zero.intensity.window = std::time::Duration::ZERO;
    let one = flags(Strategy::OneForOne);
    for (rules, children, said) in [
        (one, vec![good(), misplaced], "y: its address says elsewhere/y, but it stands at pool/y"),
        (one, vec![good(), selfish], "y: it needs itself"),
        (one, vec![good(), good()], "two children are called \"x\""),
        (one, vec![good(), ChildSpec::supervisor("z z", one, Vec::new())], "z z: \"z z\" is no name"),
        (one, vec![good().restart(Restart::Temporary).significant()], "x: significant children need"),
        (zero, vec![good()], "the window of its intensity is zero"),
        (flags(Strategy::Dynamic), vec![good()], "a supervisor does not become dynamic"),
    ] {
        let refused = tree.respecify(&pool, reload(rules, children), false).await;
        let Err(OrderError::Refused { refusal: Refusal::BadSpec { reason }, .. }) = refused else {
            panic!("{said}: {refused:?}")
        };
        assert!(reason.starts_with(said), "{reason}");
    }
    assert_eq!(lines(&log), [""; 0]);
    assert_eq!(tree.count_children(&pool).map(|counts| (counts.specs, counts.active)), Some((4, 4)));
    let nobody = tree.respecify(&"nobody".into(), reload(one, Vec::new()), false).await;
    assert_eq!(nobody, Err(OrderError::NoSupervisor { path: "nobody".to_owned() }));
}

#[tokio::test(start_paused = true)]
async fn a_new_child_that_does_not_start_is_told_stays_down_and_hurts_nobody() {
    let log = Log::default();
    let (tree, pool) = pool(&log).await;
    let fails = probe("pool/x", &log, Plan { fail_start: vec![1], ..Plan::default() }).1;
    let mut children = specs(&["pool/a", "pool/b", "pool/c", "pool/d"], &log);
    children.push(fails);
    children.extend(specs(&["pool/y"], &log));
    let done = tree.respecify(&pool, reload(flags(Strategy::OneForAll), children), false).await;
    let Ok(Outcome::Respecified { down, .. }) = done else { panic!("{done:?}") };
    assert_eq!(down, ["x"]);
    assert_eq!(lines(&log), ["+y#1"]);
    tree.order(&"pool/x".into(), Verb::Start, None, false).await.expect("its spec is kept");
    assert_eq!(lines(&log), ["+x#2"]);
}
