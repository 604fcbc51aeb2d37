//! Poison messages on live actors: admin messages, and messages of their own that say what tells them apart.

use super::probe::{tree, until, until_incarnation};
use crate::{
    Actor, Addr, AdminCall, AdminError, AdminSpec, CallError, ChildSpec, Ctx, Failure, Fingerprint, Flags, Message,
    OrderError, POISON_MAX, Poison, Reply, Role, SendError, Strategy, Tree, core::Rule,
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// Work that may come again; number 13 is deadly while `deadly` says so.
#[derive(Debug)]
struct Work(u64, Reply<u64>);

impl Message for Work {
    fn name(&self) -> &'static str {
        "work"
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        Some(Fingerprint::of(self.0))
    }

    fn shown(&self) -> Vec<u8> {
        format!("work {} {}", self.0, "x".repeat(100_000)).into()
    }
}

#[derive(Clone, Default)]
struct Shop {
    deadly: Arc<AtomicBool>,
    handled: Arc<AtomicUsize>,
}

impl Shop {
    fn serve(&self, number: u64) {
        self.handled.fetch_add(1, SeqCst);
        assert!(number < 13 || !self.deadly.load(SeqCst), "told to die of {number}");
    }
}

impl Actor for Shop {
    type Msg = Work;

    async fn handle(&mut self, Work(number, reply): Work, _: &Ctx<Self>) -> Result<(), Failure> {
        self.serve(number);
        reply.send(number);
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::with::<Value>("serve", Role::Operate, "Serves a number.")]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        self.serve(call.params["number"].as_u64().unwrap_or_default());
        Ok(json!("served"))
    }
}

async fn shop() -> (Shop, Addr<Work>, Tree) {
    shop_that(true).await
}

async fn shop_that(keeps_records: bool) -> (Shop, Addr<Work>, Tree) {
    let shop = Shop::default();
    shop.deadly.store(true, SeqCst);
    let addr = Addr::new("shop", 8);
    let made = shop.clone();
    let spec = ChildSpec::worker(&addr, move || made.clone()).poison(Poison::default());
    let spec = spec.with(|policy| policy.crash_records = keeps_records);
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 10_000;
    let tree = tree(flags, vec![spec]).await;
    tree.started().await.expect("it starts");
    (shop, addr, tree)
}

async fn tell(tree: &Tree, number: u64) -> Result<Value, AdminError> {
    tree.tell(&"shop".into(), "serve", json!({ "number": number }), SECOND, None).await
}

/// Tells it what it dies of, and waits until it is back.
async fn dies(tree: &Tree, number: u64) {
    let before = tree.node(&"shop".into()).unwrap().incarnation;
    tell(tree, number).await.expect_err("it dies of it");
    until_incarnation(tree, "shop", before + 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_admin_message_that_ended_two_incarnations_is_refused_shown_and_released_for_one_more_try() {
    let (shop, _addr, tree) = shop().await;
    dies(&tree, 13).await;
    assert!(tree.poisons().is_empty());
    dies(&tree, 13).await;
    let handled = shop.handled.load(SeqCst);
    let refused = tell(&tree, 13).await.expect_err("refused");
    assert!(matches!(refused, AdminError::Poisoned { .. }), "{refused}");
    assert_eq!(shop.handled.load(SeqCst), handled, "its handler has not seen it");
    assert_eq!(tell(&tree, 12).await, Ok(json!("served")), "others pass");
    let parked = tree.poisons().pop().expect("it is parked");
    assert_eq!((parked.number, parked.deaths(), parked.refused()), (1, 2, 1));
    assert_eq!((parked.name.as_str(), parked.shown.as_str()), ("serve", "serve {\"number\":13}"));
    assert!(tree.explain(&"shop".into(), 100).iter().any(|entry| entry.decision.rule == Rule::Poisoned));

    tree.pardon(1, false).await.expect("released");
    dies(&tree, 13).await;
    assert!(matches!(tell(&tree, 13).await, Err(AdminError::Poisoned { .. })), "one more try, and no second");

    shop.deadly.store(false, SeqCst);
    tree.pardon(1, false).await.expect("released again");
    assert_eq!(tell(&tree, 13).await, Ok(json!("served")));
    assert!(tree.poisons().is_empty(), "what does no harm is no poison");
    assert_eq!(tree.pardon(1, false).await.map(|_| ()), Err(OrderError::NotParked { number: 1 }));
}

#[tokio::test(start_paused = true)]
async fn a_sender_is_told_that_its_message_is_poison_and_one_that_waits_for_an_answer_too() {
    let (_shop, addr, tree) = shop().await;
    let fingerprint = Fingerprint::of(13_u64);
    assert_eq!(addr.call(SECOND, |reply| Work(13, reply)).await, Err(CallError::Lost { incarnation: 1 }));
    until_incarnation(&tree, "shop", 2).await;
    addr.call(SECOND, |reply| Work(13, reply)).await.expect_err("it dies of it");
    until_incarnation(&tree, "shop", 3).await;
    until("it is parked", || !tree.poisons().is_empty()).await;
    assert_eq!(addr.call(SECOND, |reply| Work(13, reply)).await, Err(CallError::Poisoned { fingerprint }));
    let sent = addr.try_send(Work(13, Reply::channel().0));
    assert!(matches!(sent, Err(SendError::Poisoned { fingerprint: told }) if told == fingerprint), "{sent:?}");
    assert_eq!(addr.call(SECOND, |reply| Work(5, reply)).await, Ok(5));
    let parked = tree.poisons().pop().expect("parked");
    assert_eq!((parked.refused(), parked.shown.len()), (2, 16 * 1024), "counted, and shown within bounds");

    tree.pardon(parked.number, true).await.expect("forgotten");
    assert!(tree.poisons().is_empty());
    assert_eq!(addr.call(SECOND, |reply| Work(13, reply)).await, Err(CallError::Lost { incarnation: 3 }));
}

#[tokio::test(start_paused = true)]
async fn a_kill_by_an_operator_is_not_the_messages_fault_and_the_store_has_a_bound() {
    let (_shop, _addr, tree) = shop().await;
    for number in 0..POISON_MAX as u64 + 3 {
        dies(&tree, 100 + number).await;
        dies(&tree, 100 + number).await;
    }
    let parked = tree.poisons();
    assert_eq!((parked.len(), parked[0].number), (POISON_MAX, 4), "the oldest were let go");
    assert!(!matches!(tell(&tree, 100).await, Err(AdminError::Poisoned { .. })), "what was let go may pass again");
    assert!(matches!(tell(&tree, 100 + POISON_MAX as u64).await, Err(AdminError::Poisoned { .. })));
}

#[tokio::test(start_paused = true)]
async fn without_records_a_deadly_message_is_refused_all_the_same_and_nothing_of_what_it_held_is_kept() {
    let (_shop, _addr, tree) = shop_that(false).await;
    dies(&tree, 13).await;
    dies(&tree, 13).await;
    assert!(matches!(tell(&tree, 13).await, Err(AdminError::Poisoned { .. })));
    let parked = tree.poisons().pop().expect("it is parked");
    assert_eq!((parked.name.as_str(), parked.deaths(), parked.shown.as_str()), ("serve", 2, ""));
    assert_eq!(tree.crashes(&"shop".into()).len(), 0);
}
