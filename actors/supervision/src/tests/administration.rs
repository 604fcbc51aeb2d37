use super::probe::*;
use crate::{
    Actor, Addr, AdminCall, AdminError, AdminSpec, ChildSpec, Ctx, Failure, Flags, OrderError, Role, Status, Strategy,
    Verb,
    core::{Outcome, Refusal},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn tell_reaches_an_actor_through_its_mailbox_and_refusals_name_the_remedy() {
    let log = Log::default();
    let (_a, spec) = probe("alpha", &log, Plan::default());
    let tree = up(vec![spec]).await;
    let told = tree.tell(&"alpha".into(), "echo", json!({"x": 1}), SECOND, None).await;
    assert_eq!(told, Ok(json!({"x": 1})));
    let unknown = tree.tell(&"alpha".into(), "ecko", json!(null), SECOND, None).await;
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "it understands no message \"ecko\"; it understands: echo, bare, wanted"
    );
    let nobody = tree.tell(&"alhpa".into(), "echo", json!(null), SECOND, None).await;
    assert_eq!(nobody.unwrap_err().to_string(), "there is no actor \"alhpa\"; did you mean \"alpha\"?");
    let stale = tree.tell(&"alpha".into(), "echo", json!(null), SECOND, Some(7)).await;
    assert!(matches!(stale, Err(AdminError::StaleIncarnation { wanted: 7, actual: 1, .. })), "{stale:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wedged_actor_costs_its_teller_the_deadline_and_tree_still_answers() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::Sleep(Duration::from_secs(3600))).await.expect("delivered");
    let told = tree.tell(&"a".into(), "echo", json!(null), SECOND, None).await;
    assert_eq!(told, Err(AdminError::Deadline { millis: 1000 }));
    let mailbox = tree.node(&"a".into()).and_then(|node| node.mailbox).expect("a worker has a mailbox");
    assert_eq!(mailbox.handling.as_deref(), Some("say"));
}

#[tokio::test(start_paused = true)]
async fn stopped_stays_down_until_it_is_started() {
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("stopped");
    assert_eq!(tree.node(&"a".into()).map(|node| node.status), Some(Status::Down));
    let told = tree.tell(&"a".into(), "echo", json!(null), SECOND, None).await;
    assert_eq!(told, Err(AdminError::NotRunning { path: "a".into(), state: "down".into() }));
    tree.order(&"a".into(), Verb::Start, None, false).await.expect("started");
    assert_eq!(tree.node(&"a".into()).map(|node| node.incarnation), Some(2));
}

#[tokio::test(start_paused = true)]
async fn an_operators_restart_obeys_the_budget_unless_forced() {
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec.budget(1, Duration::from_secs(60))]).await;
    let gentle = Verb::Restart { force: false };
    tree.order(&"a".into(), gentle, None, false).await.expect("within budget");
    until_incarnation(&tree, "a", 2).await;
    let refused = tree.order(&"a".into(), gentle, None, false).await;
    let budget = Refusal::Budget { used: 1, allowed: 1, parked: false };
    assert_eq!(refused, Err(OrderError::Refused { path: "a".into(), refusal: budget }));
    tree.order(&"a".into(), Verb::Restart { force: true }, None, false).await.expect("forced");
    until_incarnation(&tree, "a", 3).await;
}

#[tokio::test(start_paused = true)]
async fn orders_about_nobody_and_stale_incarnations_change_nothing() {
    let log = Log::default();
    let (_a, spec) = probe("alpha", &log, Plan::default());
    let tree = up(vec![spec]).await;
    let unknown = tree.order(&"alpah".into(), Verb::Kill, None, false).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no actor \"alpah\"; did you mean \"alpha\"?");
    let stale = tree.order(&"alpha".into(), Verb::Kill, Some(9), false).await.unwrap_err();
    assert_eq!(stale.to_string(), "alpha is incarnation 1, not 9");
    tree.order(&"alpha".into(), Verb::Kill, Some(1), true).await.expect("a dry run");
    assert_eq!(tree.node(&"alpha".into()).map(|node| node.incarnation), Some(1));
    assert_eq!(tree.order(&"root".into(), Verb::Kill, None, false).await, Err(OrderError::Root));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_refuses_what_the_order_would_be_refused_for_and_never_says_done() {
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec.budget(1, Duration::from_secs(60))]).await;
    let path = crate::ActorPath::from("a");
    let would_be = |incarnation| Ok(Outcome::WouldBe { incarnation });
    let refused = |refusal| Err(OrderError::Refused { path: "a".into(), refusal });
    assert_eq!(tree.order(&path, Verb::Start, None, true).await, refused(Refusal::Running));
    let gentle = Verb::Restart { force: false };
    assert_eq!(tree.order(&path, gentle, None, true).await, would_be(1));
    assert_eq!(tree.order(&path, gentle, None, true).await, would_be(1), "a rehearsal costs no restart");
    tree.order(&path, gentle, None, false).await.expect("within budget");
    let spent = || refused(Refusal::Budget { used: 1, allowed: 1, parked: false });
    assert_eq!(tree.order(&path, gentle, None, true).await, spent());
    assert_eq!(tree.order(&path, gentle, None, false).await, spent());
    assert_eq!(tree.order(&path, Verb::Stop, Some(2), true).await, would_be(2));
    assert_eq!(tree.node(&path).map(|node| (node.status, node.incarnation)), Some((Status::Running, 2)));
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_a_parked_actor_obeys_the_budget_that_parked_it_and_a_start_does_not() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = spec.criticality(crate::Criticality::Important).budget(1, Duration::from_secs(60));
    let tree = up(vec![spec]).await;
    let path = crate::ActorPath::from("a");
    for _ in 0..2 {
        a.send(Say::Fail).await.expect("delivered");
        until("it has failed", || tree.node(&path).is_some_and(|node| node.last_exit.is_some())).await;
        until("it is up or parked", || {
            tree.node(&path).is_some_and(|node| matches!(node.status, Status::Running | Status::Parked))
        })
        .await;
    }
    until("it is parked", || tree.node(&path).is_some_and(|node| node.status == Status::Parked)).await;
    let refused = tree.order(&path, Verb::Restart { force: false }, None, false).await.unwrap_err().to_string();
    assert!(refused.contains("(1 of 1)") && refused.contains("start it"), "{refused}");
    tree.order(&path, Verb::Start, None, false).await.expect("started");
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "a", 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_supervisor_takes_its_children_along_and_comes_back_with_them() {
    let log = Log::default();
    let inner = ["inner/x", "inner/y"].map(|path| probe(path, &log, Plan::default()).1);
    let sup = ChildSpec::supervisor("inner", Flags::new(Strategy::OneForOne), inner.to_vec());
    let tree = up(vec![sup]).await;
    log.take();
    tree.order(&"inner".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "inner", 2).await;
    until_incarnation(&tree, "inner/y", 2).await;
    let mut seen = log.take();
    seen[..2].sort();
    assert_eq!(seen, ["~x#1", "~y#1", "+x#2", "+y#2"]);
    for path in ["inner/x", "inner/y"] {
        let explained = tree.explain(&path.into(), 100);
        let rules: Vec<_> = explained.iter().map(|entry| entry.decision.rule.name()).collect();
        assert_eq!(rules, ["up", "killed", "down", "up"]);
    }
}

#[tokio::test(start_paused = true)]
async fn children_come_and_go_at_run_time_with_otps_refusals() {
    let log = Log::default();
    let sup = ChildSpec::supervisor("pool", Flags::new(Strategy::OneForOne), Vec::new());
    let tree = up(vec![sup]).await;
    let pool = crate::ActorPath::from("pool");
    let child = || probe("pool/x", &log, Plan::default()).1;
    tree.start_child(&pool, child()).await.expect("it starts");
    let again = tree.start_child(&pool, child()).await.unwrap_err();
    assert_eq!(again, OrderError::Refused { path: "pool/x".into(), refusal: Refusal::AlreadyStarted });
    tree.remove_child(&"pool/x".into()).await.expect("removed");
    assert!(tree.node(&"pool/x".into()).is_none());
    let fails = probe("pool/x", &log, Plan { fail_start: vec![2], ..Plan::default() }).1;
    let failed = tree.start_child(&pool, fails).await.unwrap_err();
    assert!(failed.to_string().ends_with("it did not start: start failed: error: told to fail"), "{failed}");
    assert!(tree.node(&"pool/x".into()).is_none(), "its spec is forgotten");
    let misplaced = tree.start_child(&pool, probe("elsewhere/x", &log, Plan::default()).1).await.unwrap_err();
    assert!(misplaced.to_string().contains("its address says elsewhere/x"), "{misplaced}");
}

/// Messages, arguments and what is answered: the parameters that reach the actor, or one sentence.
#[tokio::test(start_paused = true)]
async fn unknown_parameters_are_refused_by_name_whatever_the_actor_makes_of_them() {
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    let tell = async |message: &str, params| {
        let told = tree.tell(&"a".into(), message, params, SECOND, None).await;
        told.map_err(|error| error.to_string())
    };
    assert_eq!(tell("bare", json!(null)).await, Ok(json!(null)));
    assert_eq!(tell("bare", json!({})).await, Ok(json!(null)), "no parameters, in other words");
    for (message, params, said) in [
        ("bare", json!({"a": 1}), "\"bare\" has no parameter \"a\"; it takes none"),
        ("bare", json!([1]), "\"bare\" takes no parameters; an array was given"),
        ("bare", json!(7), "\"bare\" takes no parameters; a number was given"),
        ("wanted", json!({"guild": 1, "gild": 2}), "\"wanted\" has no parameter \"gild\"; it takes: guild, limit"),
        ("wanted", json!("guild"), "\"wanted\" takes an object with: guild, limit; a string was given"),
        ("wanted", json!(null), "missing field `guild`"),
        ("wanted", json!({}), "missing field `guild`"),
    ] {
        let told = tell(message, params.clone()).await;
        assert_eq!(told, Err(format!("the argument does not fit: {said}")), "{message} {params}");
    }
    assert_eq!(tell("wanted", json!({"guild": 1})).await, Ok(json!([1, null])));
    assert_eq!(tell("echo", json!({"any": "thing"})).await, Ok(json!({"any": "thing"})), "its schema accepts anything");
    assert_eq!(tell("echo", json!({})).await, Ok(json!({})));
}

#[tokio::test(start_paused = true)]
async fn who_understands_no_messages_says_so() {
    let tree = up(vec![ChildSpec::supervisor("pool", Flags::new(Strategy::OneForOne), Vec::new())]).await;
    let told = tree.tell(&"pool".into(), "sing", json!(null), SECOND, None).await;
    assert_eq!(told.unwrap_err().to_string(), "it understands no message \"sing\": it understands none at all");
}

/// Counts the orders that it carries out, each in a second.
struct Slow(Arc<AtomicU32>);

impl Actor for Slow {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::new("do", Role::Operate, "Counts.")]
    }

    async fn admin(&mut self, _: AdminCall, _: &Ctx<Self>) -> Result<serde_json::Value, AdminError> {
        self.0.fetch_add(1, Relaxed);
        tokio::time::sleep(SECOND).await;
        Ok(json!(null))
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_gave_up_waiting_for_is_not_begun_afterwards() {
    let done = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&done);
    let tree = up(vec![ChildSpec::worker(&Addr::new("a", 8), move || Slow(Arc::clone(&count)))]).await;
    let path = "a".into();
    let order = |within| tree.tell(&path, "do", json!(null), within, None);
    let short = SECOND / 4;
    let answers = tokio::join!(order(short), order(short), order(short), order(SECOND * 5));
    assert!(answers.0.is_err() && answers.1.is_err() && answers.2.is_err() && answers.3.is_ok(), "{answers:?}");
    assert_eq!(done.load(Relaxed), 2, "the one that had begun, and the one that was waited for");
}
