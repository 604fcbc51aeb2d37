//! What `start` and `restart` do about a child that is not there, and what they would do.

use super::script::*;
use crate::{
    core::{
        Event, Life, Order, Outcome, Refusal, Wanted,
        policy::{Backoff, Intensity, Policy, Strategy},
        rehearse,
    },
    exit::Exit,
};

/// One restart a minute, then parked.
fn frail(id: &str) -> Policy {
    let mut policy = optional(id);
    policy.budget = Some(Intensity::new(1, S(60)));
    policy
}

/// A supervisor whose child `a` has spent its budget and is parked.
fn parked() -> Script {
    let mut script = Script::up(Strategy::OneForOne, vec![frail("a")]);
    script.exited("a", boom());
    script.started("a");
    script.exited("a", boom());
    assert!(matches!(script.life("a"), Life::Parked { .. }));
    script.actions.clear();
    script
}

fn restart(force: bool) -> Order {
    Order::Cycle { id: "a".into(), force }
}

fn start() -> Order {
    Order::RestartChild { id: "a".into() }
}

#[test]
fn a_restart_of_a_parked_child_whose_budget_is_spent_is_refused_with_the_remedy() {
    let mut script = parked();
    let ticket = script.order(restart(false));
    let refusal = Refusal::Budget { used: 1, allowed: 1, parked: true };
    assert_eq!(script.answers(ticket), [Err(refusal.clone())]);
    assert!(matches!(script.life("a"), Life::Parked { .. }) && script.spawned().is_empty());
    let said = refusal.to_string();
    assert!(said.contains("(1 of 1)") && said.contains("start it") && said.contains("--force"), "{said}");
    let runs = Refusal::Budget { used: 1, allowed: 1, parked: false }.to_string();
    assert!(runs.contains("--force") && !runs.contains("start it"), "a start of what runs is refused: {runs}");
}

#[test]
fn a_restart_of_a_parked_child_counts_once_its_window_has_passed() {
    let mut script = parked();
    script.now += S(61);
    script.order(restart(false));
    assert_eq!(script.spawned(), ["a"]);
    script.started("a");
    script.exited("a", boom());
    assert!(matches!(script.life("a"), Life::Parked { .. }), "the order was the one restart that it had");
}

#[test]
fn force_goes_over_a_spent_budget_once_and_leaves_it_spent() {
    let mut script = parked();
    let ticket = script.order(restart(true));
    script.started("a");
    assert_eq!(script.answers(ticket), [Ok(Outcome::Done { incarnation: 3 })]);
    script.exited("a", boom());
    assert!(matches!(script.life("a"), Life::Parked { .. }));
}

#[test]
fn a_start_of_a_parked_child_begins_its_budget_anew_once_it_is_up() {
    let mut script = parked();
    script.order(start());
    assert_eq!(script.child("a").restarts.len(), 1, "not before it is up");
    script.started("a");
    assert_eq!((script.life("a"), script.child("a").restarts.len()), (Life::Running, 0));
    script.exited("a", boom());
    assert_eq!(script.life("a"), Life::Starting, "it may be restarted again");
}

#[test]
fn an_order_that_fails_leaves_a_child_parked_with_its_next_try_and_its_budget_spent() {
    for (order, tries) in [(start(), true), (restart(true), true), (start(), false)] {
        let mut script = parked();
        if tries {
            let mut policy = frail("a");
            policy.retry_parked = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(30), S(300)) });
            let wanted = Wanted { policy, missing: Vec::new(), restart: false };
            let flags = script.state.flags;
            script.order(Order::Amend { flags, children: vec![wanted] });
        }
        let ticket = script.order(order.clone());
        script.exited("a", boom());
        assert!(matches!(script.answers(ticket)[..], [Err(Refusal::StartFailed { .. })]));
        let Life::Parked { retry_at, reason } = script.life("a") else { panic!("{order:?}: {:?}", script.life("a")) };
        assert_eq!(retry_at, tries.then_some(script.now + S(30)));
        assert!(reason.contains("the try that was ordered failed"), "{reason}");
        let again = script.order(restart(false));
        assert!(matches!(script.answers(again)[..], [Err(Refusal::Budget { .. })]), "{:?}", script.answers(again));
        script.spawned();
        script.pass(S(31));
        assert_eq!(script.spawned().len(), usize::from(tries));
    }
}

#[test]
fn an_order_that_fails_for_good_leaves_a_parked_child_to_its_operator_and_one_that_drains_down() {
    let mut script = parked();
    script.order(start());
    script.exited("a", Exit::Fatal { message: "4014".into() });
    assert!(matches!(script.life("a"), Life::Parked { retry_at: None, .. }), "{:?}", script.life("a"));
    script.order(start());
    script.feed(Event::Drain { id: None });
    script.exited("a", boom());
    assert_eq!(script.life("a"), Life::Down);
}

#[test]
fn a_stop_and_a_start_do_not_give_a_budget_back() {
    let mut script = Script::up(Strategy::OneForOne, vec![frail("a")]);
    script.exited("a", boom());
    script.started("a");
    script.terminate("a");
    script.exited("a", crate::Exit::shutdown());
    script.order(start());
    script.started("a");
    script.exited("a", boom());
    assert!(matches!(script.life("a"), Life::Parked { .. }), "{:?}", script.life("a"));
}

#[test]
fn a_restart_of_what_is_down_obeys_the_cooldown_unless_forced() {
    let mut policy = worker("a");
    policy.cooldown = Some(S(30));
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    script.terminate("a");
    script.exited("a", crate::Exit::shutdown());
    let refused = script.order(restart(false));
    assert_eq!(script.answers(refused), [Err(Refusal::Cooldown { remaining: S(30) })]);
    script.order(restart(true));
    assert_eq!(script.spawned(), ["a"]);
}

#[test]
fn a_rehearsal_says_what_the_order_would_be_told_and_changes_nothing() {
    let script = parked();
    let before = script.state.clone();
    let would_be = |incarnation| Ok(Outcome::WouldBe { incarnation });
    let spent = Refusal::Budget { used: 1, allowed: 1, parked: true };
    assert_eq!(rehearse(&script.state, restart(false), script.now), Err(spent));
    assert_eq!(rehearse(&script.state, restart(true), script.now), would_be(2));
    assert_eq!(rehearse(&script.state, start(), script.now), would_be(2));
    assert_eq!(rehearse(&script.state, Order::Kill { id: "a".into() }, script.now), Err(Refusal::NotRunning));
    assert_eq!(rehearse(&script.state, Order::Kill { id: "b".into() }, script.now), Err(Refusal::NotFound));
    assert_eq!(script.state, before);
    let script = Script::up(Strategy::OneForOne, vec![frail("a")]);
    assert_eq!(rehearse(&script.state, start(), script.now), Err(Refusal::Running));
    let stop = Order::TerminateChild { id: "a".into() };
    assert_eq!(rehearse(&script.state, stop, script.now), would_be(1));
}
