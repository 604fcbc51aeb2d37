//! Whatever supervisors decide about is decided again from the record: new lists, children that come and go, orders,
//! probes, poison; and trees that are others than those of the process before.

use super::*;
use crate::{
    Actor, Addr, AdminCall, AdminError, AdminSpec, Ctx, Failure, Poison, Probe, Respec, Role, Shutdown, core::Removed,
};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// Dies of 13; never answers 14.
struct Shop;

impl Actor for Shop {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::with::<Value>("serve", Role::Operate, "Serves a number.")]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.params["number"].as_u64() {
            Some(13) => panic!("told to die"),
            Some(14) => std::future::pending().await,
            _ => Ok(json!("served")),
        }
    }
}

fn rules_of(tree: &Tree) -> std::collections::BTreeSet<&'static str> {
    tree.decisions(0, usize::MAX).iter().map(|entry| entry.decision.rule.name()).collect()
}

#[tokio::test(start_paused = true)]
async fn new_lists_orders_probes_and_poison_are_decided_again() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let shop = Addr::new("shop", 8);
    let shop = ChildSpec::worker(&shop, || Shop)
        .criticality(Criticality::Important)
        .shutdown(Shutdown::Within(SECOND))
        .budget(50, SECOND * 60)
        .poison(Poison::default())
        .probe(Probe { kill_awaiting: true, ..Probe::new(SECOND, SECOND * 5) });
    let pool = |paths: &[&str]| paths.iter().map(|path| probe(path, &log, Plan::default()).1).collect::<Vec<_>>();
    let rest = Flags::new(Strategy::RestForOne);
    let room = ChildSpec::supervisor("pool", rest, pool(&["pool/a", "pool/b"])).budget(9, SECOND);
    let many = ChildSpec::supervisor("many", Flags::new(Strategy::Dynamic), Vec::new());
    let tree = next_process(folder.path(), vec![shop, room, many]).await;

    let shop = ActorPath::from("shop");
    let tell = |number: u64| tree.tell(&shop, "serve", json!({ "number": number }), SECOND * 60, None);
    for incarnation in 2..4 {
        tell(13).await.expect_err("it dies of it");
        until_incarnation(&tree, "shop", incarnation).await;
    }
    tell(13).await.expect_err("refused");
    tree.pardon(1, false).await.expect("released");
    tell(13).await.expect_err("it dies of it");
    until_incarnation(&tree, "shop", 4).await;
    tree.pardon(1, true).await.expect("forgotten");
    tell(14).await.expect_err("it does not get on and is restarted");
    until_incarnation(&tree, "shop", 5).await;

    let many = ActorPath::from("many");
    for n in 0..5 {
        let (_, spec) = probe(&format!("many/n{n}"), &log, Plan::default());
        tree.start_child(&many, spec).await.expect("it starts");
    }
    tree.remove_child(&many.child("n3")).await.expect("it goes");
    let pool_path = ActorPath::from("pool");
    let mut list = Respec::new(Flags { ..Flags::new(Strategy::OneForAll) }, pool(&["pool/c", "pool/a", "pool/d"]));
    (list.removed, list.restart) = (Removed::Stop, vec!["a".to_owned()]);
    tree.respecify(&pool_path, list, false).await.expect("it holds");
    for verb in [Verb::Restart { force: true }, Verb::Stop, Verb::Start, Verb::Kill] {
        tree.order(&"pool/c".into(), verb, None, false).await.expect("it is obeyed");
        until("it has settled", || true).await;
    }
    until_incarnation(&tree, "pool/d", 2).await;
    tree.order(&pool_path, Verb::Restart { force: true }, None, false).await.expect("it is obeyed");
    let mut wider = flags();
    wider.intensity.restarts = 7;
    let (_, spec) = probe("new", &log, Plan::default());
    tree.respecify(&ActorPath::root(), Respec::new(wider, vec![spec]), false).await.expect("it holds");

    let rules = rules_of(&tree);
    for rule in ["poisoned", "pardoned", "slow", "stalled", "respec", "operator", "strategy"] {
        assert!(rules.contains(rule), "{rule} is among {rules:?}");
    }
    let made = tree.decisions(0, usize::MAX).len() as u64;
    end(tree, true).await;
    let compared = replay(&folder.path().join(FILE)).unwrap();
    assert_eq!((compared.difference.clone(), compared.lost, compared.unchecked), (None, 0, 0));
    assert!(compared.decisions > made, "{compared:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_is_another_than_before_takes_over_what_fits_and_keeps_the_rest_for_later() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let worker = |path: &str| {
        let (addr, spec) = probe(path, &log, Plan::default());
        (addr, frail(spec))
    };
    let (a, first) = worker("a");
    let (b, second) = worker("b");
    let (x, inner) = worker("room/x");
    let room = |children| ChildSpec::supervisor("room", Flags::new(Strategy::OneForOne), children);
    let tree = next_process(folder.path(), vec![first.clone(), second, room(vec![inner])]).await;
    for addr in [&a, &b, &x] {
        addr.send(Say::Fail).await.unwrap();
        until_incarnation(&tree, addr.path().as_str(), 2).await;
    }
    for n in 3..5 {
        a.send(Say::Fail).await.unwrap();
        until("a goes on or is parked", || {
            tree.node(&"a".into()).is_some_and(|a| a.incarnation == n || a.status == Status::Parked)
        })
        .await;
    }
    assert_eq!(tree.node(&"a".into()).unwrap().status, Status::Parked);
    end(tree, false).await;

    // `a` is vital now and so never parked, `b` is a supervisor, the room is a worker, and `x` stands elsewhere.
    let (_, moved) = worker("x");
    let (_, child) = probe("b/c", &log, Plan::default());
    let b = ChildSpec::supervisor("b", Flags::new(Strategy::OneForAll), vec![child]);
    let (_, bare) = probe("room", &log, Plan::default());
    let vital = first.clone().criticality(Criticality::Vital).budget(2, SECOND * 3_600);
    let tree = next_process(folder.path(), vec![vital, b, bare, moved]).await;
    let used = |tree: &Tree, path: &str| {
        let node = tree.node(&path.into()).unwrap();
        (node.status, node.budget.map(|budget| budget.used), node.restarts_total)
    };
    assert_eq!(used(&tree, "a"), (Status::Running, Some(2), 2));
    assert_eq!(used(&tree, "x"), (Status::Running, Some(0), 0));
    assert_eq!(tree.node(&"b".into()).unwrap().restarts_total, 1, "whatever bears the name has its past");
    end(tree, false).await;

    // The old tree again: what the one between did not know is known still.
    let (_, inner) = worker("room/x");
    let (_, second) = worker("b");
    let tree = next_process(folder.path(), vec![first, second, room(vec![inner])]).await;
    assert_eq!(used(&tree, "room/x"), (Status::Running, Some(1), 1));
    end(tree, true).await;
    assert_eq!(replay(&folder.path().join(FILE)).unwrap().difference, None);
}

/// A budget that the wall clock has let expire is none.
#[tokio::test(start_paused = true)]
async fn a_budget_and_a_parking_that_are_past_by_the_wall_clock_do_not_count() {
    let folder = TempDir::new().unwrap();
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = || vec![frail(spec.clone())];
    let tree = next_process(folder.path(), spec()).await;
    for n in 2..4 {
        a.send(Say::Fail).await.unwrap();
        until_incarnation(&tree, "a", n).await;
    }
    a.send(Say::Fail).await.unwrap();
    until("a is parked", || tree.node(&"a".into()).unwrap().status == Status::Parked).await;
    end(tree, false).await;

    // Two hours later: the window has passed, and its try has been due for long.
    let past = Past::read(folder.path(), SystemTime::now() + SECOND * 7_200);
    let recorder = Recorder::begin(&past).unwrap();
    let tree = recorded(past, recorder, flags(), spec()).await;
    until("its try is made at once", || tree.node(&"a".into()).unwrap().status == Status::Running).await;
    let node = tree.node(&"a".into()).unwrap();
    assert_eq!((node.budget.unwrap().used, node.restarts_total), (0, 2));
    assert!(rules_of(&tree).is_superset(&["carried", "half_open", "up"].into()), "{:?}", rules_of(&tree));
    end(tree, true).await;
    assert_eq!(replay(&folder.path().join(FILE)).unwrap().difference, None);
}
