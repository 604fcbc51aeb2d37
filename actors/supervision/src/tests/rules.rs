//! Rules from outside: what is there adopts them as it runs, what comes later is born under them, and one that does not
//! hold refuses all.

use super::probe::*;
use crate::{
    ActorPath, ChildSpec, Flags, Intensity, OrderError, Policy, Respec, Rules, Shutdown, Status, Strategy, Tree, Verb,
    core::Refusal,
};
use std::{sync::Arc, time::Duration};

const S: fn(u64) -> Duration = Duration::from_secs;

struct Said<P, F>(P, F);

impl<P, F> Rules for Said<P, F>
where
    P: Fn(&ActorPath, &mut Policy) + Send + Sync + 'static,
    F: Fn(&ActorPath, &mut Flags) + Send + Sync + 'static,
{
    fn policy(&self, path: &ActorPath, policy: &mut Policy) {
        (self.0)(path, policy);
    }

    fn flags(&self, path: &ActorPath, flags: &mut Flags) {
        (self.1)(path, flags);
    }
}

fn rules(policy: impl Fn(&ActorPath, &mut Policy) + Send + Sync + 'static) -> Arc<dyn Rules> {
    Arc::new(Said(policy, |_: &ActorPath, _: &mut Flags| {}))
}

fn budget(restarts: u32) -> Option<Intensity> {
    Some(Intensity::new(restarts, S(60)))
}

fn budget_of(tree: &Tree, path: &str) -> Option<u32> {
    tree.get_childspec(&path.into()).and_then(|policy| policy.budget).map(|budget| budget.restarts)
}

/// `a` and the supervisor `pool` with `pool/b`; the log is empty.
async fn some(log: &Log) -> Tree {
    let inner = vec![probe("pool/b", log, Plan::default()).1];
    let pool = ChildSpec::supervisor("pool", Flags::new(Strategy::OneForOne), inner);
    let tree = up(vec![probe("a", log, Plan::default()).1, pool]).await;
    log.take();
    tree
}

#[tokio::test(start_paused = true)]
async fn what_is_there_adopts_new_rules_as_it_runs_and_what_comes_later_is_born_under_them() {
    let log = Log::default();
    let tree = some(&log).await;
    let nine = rules(|_, policy| policy.budget = budget(9));
    let paths = |amended: &[crate::Amendment]| amended.iter().map(|it| it.path.to_string()).collect::<Vec<_>>();
    let planned = tree.set_rules(Arc::clone(&nine), true).await.expect("they hold");
    assert_eq!(paths(&planned), ["a", "pool", "pool/b"]);
    assert_eq!(budget_of(&tree, "a"), None, "a dry run does nothing");

    assert_eq!(tree.set_rules(Arc::clone(&nine), false).await, Ok(planned));
    for path in ["a", "pool", "pool/b"] {
        assert_eq!(budget_of(&tree, path), Some(9), "{path}");
    }
    assert_eq!(log.take(), [""; 0], "nobody was touched");
    let said = tree.explain(&"pool/b".into(), 9).pop().expect("a decision");
    assert_eq!(
        (said.decision.rule.name(), said.decision.text.as_str()),
        ("respec", "adopts new rules; it is not touched")
    );

    tree.start_child(&"pool".into(), probe("pool/c", &log, Plan::default()).1).await.expect("it starts");
    assert_eq!(budget_of(&tree, "pool/c"), Some(9), "added later");
    tree.order(&"pool".into(), Verb::Restart { force: true }, None, false).await.expect("it restarts");
    assert_eq!(budget_of(&tree, "pool/b"), Some(9), "in the next life of its supervisor");
    assert_eq!(tree.set_rules(nine, false).await, Ok(Vec::new()), "nothing is new");

    tree.set_rules(rules(|_, _| {}), false).await.expect("they hold");
    assert_eq!((budget_of(&tree, "a"), budget_of(&tree, "pool/b")), (None, None), "as they were declared");
}

#[tokio::test(start_paused = true)]
async fn a_list_given_later_stands_under_the_rules_too() {
    let log = Log::default();
    let tree = some(&log).await;
    tree.set_rules(rules(|_, policy| policy.budget = budget(9)), false).await.expect("they hold");
    let children = vec![probe("pool/b", &log, Plan::default()).1, probe("pool/d", &log, Plan::default()).1];
    let new = Respec::new(Flags::new(Strategy::OneForOne), children);
    tree.respecify(&"pool".into(), new, false).await.expect("it holds");
    assert_eq!((budget_of(&tree, "pool/b"), budget_of(&tree, "pool/d")), (Some(9), Some(9)));
}

#[tokio::test(start_paused = true)]
async fn a_supervisors_own_rules_change_as_it_runs_and_hold_in_its_next_life() {
    let log = Log::default();
    let tree = some(&log).await;
    let said = Said(
        |_: &ActorPath, _: &mut Policy| {},
        |path: &ActorPath, flags: &mut Flags| {
            if path.as_str() == "pool" {
                flags.intensity = Intensity::new(7, S(30));
            }
        },
    );
    let amended = tree.set_rules(Arc::new(said), false).await.expect("they hold");
    assert_eq!(amended.iter().map(|it| (it.path.as_str(), it.flags.is_some())).collect::<Vec<_>>(), [("pool", true)]);
    let intensity = || tree.node(&"pool".into()).and_then(|node| node.flags).map(|flags| flags.intensity.restarts);
    assert_eq!(intensity(), Some(7));
    tree.order(&"pool".into(), Verb::Restart { force: true }, None, false).await.expect("it restarts");
    assert_eq!(intensity(), Some(7));
}

#[tokio::test(start_paused = true)]
async fn new_rules_are_lived_by() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan { stop_takes: S(3), ..Plan::default() });
    let tree = up(vec![spec.budget(0, S(60)).criticality(crate::Criticality::Optional)]).await;
    tree.set_rules(rules(|_, policy| (policy.budget, policy.shutdown) = (budget(1), Shutdown::Within(S(1)))), false)
        .await
        .expect("they hold");
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await; // it would have been parked
    log.take();
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("it stops");
    assert_eq!(log.take(), ["~a#2"], "killed after a second: its stop takes three");
}

#[tokio::test(start_paused = true)]
async fn rules_of_which_one_does_not_hold_change_nothing_anywhere() {
    let log = Log::default();
    let tree = some(&log).await;
    let bad = |at: &'static str, change: fn(&mut Policy)| {
        rules(move |path, policy| {
            policy.cooldown = Some(S(5));
            if path.as_str() == at {
                change(policy);
            }
        })
    };
    for (set, at, words) in [
        (
            bad("pool/b", |policy| policy.budget = Some(Intensity::new(1, S(0)))),
            "pool",
            "b: the window of its budget is zero",
        ),
        (bad("pool/b", |policy| policy.start_timeout = S(0)), "pool", "b: its start timeout is zero"),
        (bad("a", |policy| policy.needs = vec!["a".into()]), "a", "it needs itself"),
        (
            rules(|path, policy| {
                policy.needs = match path.as_str() {
                    "a" => vec!["pool/b".into()],
                    "pool/b" => vec!["a".into()],
                    _ => Vec::new(),
                }
            }),
            "a",
            "its needs go in a circle: a needs pool/b, that needs a",
        ),
    ] {
        for dry_run in [true, false] {
            let refused = tree.set_rules(Arc::clone(&set), dry_run).await;
            let Err(OrderError::Refused { path, refusal: Refusal::BadSpec { reason } }) = refused else {
                panic!("{words}: {refused:?}")
            };
            assert_eq!((path.as_str(), reason.as_str()), (at, words));
        }
    }
    for path in ["a", "pool", "pool/b"] {
        assert_eq!(tree.get_childspec(&path.into()).and_then(|policy| policy.cooldown), None, "{path}");
    }
    tree.start_child(&"pool".into(), probe("pool/c", &log, Plan::default()).1).await.expect("it starts");
    assert_eq!(tree.get_childspec(&"pool/c".into()).and_then(|policy| policy.cooldown), None, "nor what comes later");
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_needs_would_go_in_a_circle_is_refused_and_nothing_is_added() {
    let log = Log::default();
    let tree = up(vec![probe("a", &log, Plan::default()).1.needs(["b"])]).await;
    let refused = tree.start_child(&ActorPath::root(), probe("b", &log, Plan::default()).1.needs(["a"])).await;
    let Err(OrderError::Refused { refusal: Refusal::BadSpec { reason }, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, "its needs go in a circle: b needs a, that needs b");
    assert!(tree.node(&"b".into()).is_none());
    let two = [("pool/x", "pool/y"), ("pool/y", "pool/x")]
        .map(|(path, need)| probe(path, &log, Plan::default()).1.needs([need]));
    let pool = ChildSpec::supervisor("pool", Flags::new(Strategy::OneForOne), two.into());
    let failed = tree.start_child(&ActorPath::root(), pool).await.map(drop).map_err(|error| error.to_string());
    assert!(failed.as_ref().is_err_and(|said| said.contains("x: its needs go in a circle")), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_need_that_rules_add_suspends_and_one_that_they_take_away_resumes() {
    let log = Log::default();
    let tree = some(&log).await;
    tree.set_rules(
        rules(|path, policy| {
            if path.as_str() == "pool/b" {
                policy.needs = vec!["nowhere".into()];
            }
        }),
        false,
    )
    .await
    .expect("they hold");
    until("b is suspended", || tree.node(&"pool/b".into()).is_some_and(|node| node.status == Status::Suspended)).await;
    tree.set_rules(rules(|_, _| {}), false).await.expect("they hold");
    until("b runs", || tree.node(&"pool/b".into()).is_some_and(|node| node.status == Status::Running)).await;
    assert_eq!(log.take(), ["b#1 suspended by [nowhere]", "b#1 resumed"]);
}
