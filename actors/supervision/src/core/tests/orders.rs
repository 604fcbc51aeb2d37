//! What is asked of a supervisor is answered, once, and truly.

use super::script::*;
use crate::{
    core::{
        Action, Event, Life, Order, Outcome, Refusal, Wanted,
        policy::{Flags, Intensity, Policy, Shutdown, Strategy},
    },
    exit::Exit,
};
use std::time::Duration;

#[test]
fn who_waits_for_a_start_is_told_when_it_is_ordered_down_meanwhile() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a")]);
    let start = script.start_child(worker("b"));
    let stop = script.terminate("b");
    script.exited("b", Exit::shutdown());
    assert!(matches!(script.answers(start)[..], [Err(_)]), "{:?}", script.answers(start));
    assert_eq!(script.answers(stop), [Ok(Outcome::Done { incarnation: 1 })]);
}

#[test]
fn who_waits_for_a_child_whose_turn_has_not_come_is_told_when_it_is_forgotten() {
    let mut waits = worker("a");
    waits.backoff = Some(crate::Backoff::doubling(S(5), S(5)));
    let mut script = Script::up(Strategy::RestForOne, vec![waits, worker("b")]);
    script.exited("a", boom()); // it waits out its backoff, and b is on its way down
    let cycle = script.order(Order::Cycle { id: "a".into(), force: true });
    assert_eq!(script.life("a"), Life::Down, "its turn comes when b is down");
    script.terminate("a");
    script.order(Order::DeleteChild { id: "a".into() });
    assert_eq!(script.answers(cycle).len(), 1, "{:?}", script.state);
}

#[test]
fn a_restart_that_is_overtaken_by_a_stop_is_not_called_done() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a")]);
    let cycle = script.order(Order::Cycle { id: "a".into(), force: true });
    let stop = script.terminate("a");
    script.exited("a", Exit::shutdown());
    assert_eq!(script.answers(cycle), [Err(Refusal::Stopping)]);
    assert_eq!(script.answers(stop), [Ok(Outcome::Done { incarnation: 1 })]);
    assert_eq!((script.life("a"), script.spawned().len()), (Life::Down, 0));
}

#[test]
fn removing_stops_and_forgets_in_one_order() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    let remove = script.order(Order::RemoveChild { id: "b".into() });
    let revive = script.order(Order::RestartChild { id: "b".into() });
    assert_eq!(script.answers(revive), [Err(Refusal::Stopping)]);
    script.exited("b", boom());
    assert_eq!(script.answers(remove), [Ok(Outcome::Done { incarnation: 1 })]);
    assert!(script.state.child("b").is_none());
    script.terminate("a");
    script.exited("a", Exit::shutdown());
    let down = script.order(Order::RemoveChild { id: "a".into() });
    assert_eq!(script.answers(down), [Ok(Outcome::Done { incarnation: 1 })]);
    assert!(script.state.children.is_empty());
}

#[test]
fn a_quarantined_child_cannot_be_ordered_down_and_comes_back_only_by_order() {
    let mut blocked = optional("a");
    blocked.shutdown = Shutdown::Within(MS(100));
    let mut script = Script::up(Strategy::OneForOne, vec![blocked, worker("b")]);
    let cycle = script.order(Order::Cycle { id: "a".into(), force: true });
    script.pass(S(5));
    assert_eq!(script.life("a"), Life::Quarantined);
    assert_eq!(script.answers(cycle), [Err(Refusal::Quarantined)]);
    let stop = script.terminate("a");
    assert_eq!(script.answers(stop), [Err(Refusal::Quarantined)]);
    script.exited("a", Exit::Aborted); // its thread came back after all
    assert_eq!((script.life("a"), script.spawned().len()), (Life::Down, 0));
    script.order(Order::RestartChild { id: "a".into() });
    assert_eq!(script.spawned(), ["a"]);
}

#[test]
fn a_vital_child_that_cannot_be_ended_ends_its_supervisor_unless_it_was_to_be_down_anyway() {
    let ends = |order: Order| {
        let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
        script.order(order);
        script.pass(S(10));
        assert_eq!(script.life("a"), Life::Quarantined);
        script.state.is_stopping()
    };
    assert!(ends(Order::Cycle { id: "a".into(), force: true }));
    assert!(ends(Order::Kill { id: "a".into() }));
    assert!(!ends(Order::TerminateChild { id: "a".into() }));
}

#[test]
fn a_kill_reaches_a_child_that_is_stopping_for_ever() {
    let mut patient = worker("a");
    patient.shutdown = Shutdown::Infinity;
    let mut script = Script::up(Strategy::OneForOne, vec![patient]);
    let stop = script.terminate("a");
    let kill = script.order(Order::Kill { id: "a".into() });
    assert_eq!(script.answers(kill), [Ok(Outcome::Done { incarnation: 1 })]);
    assert!(script.actions.contains(&Action::Kill { id: "a".into(), by: "operator".into() }));
    script.exited("a", Exit::Killed { by: "operator".into() });
    assert_eq!(script.answers(stop), [Ok(Outcome::Done { incarnation: 1 })]);
    assert_eq!(script.life("a"), Life::Down, "it was to be down");
}

#[test]
fn hanging_restart_loop() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a")]);
    script.exited("a", boom());
    let start = script.start_child(worker("a"));
    assert_eq!(script.answers(start), [Err(Refusal::AlreadyStarted)]);
    let restart = script.order(Order::RestartChild { id: "a".into() });
    assert!(matches!(script.answers(restart)[..], [Err(Refusal::Running)]));
    script.terminate("a");
    script.exited("a", boom());
    assert_eq!(script.life("a"), Life::Down);
}

#[test]
fn absurd_times_do_not_overflow() {
    let mut absurd = worker("a");
    absurd.start_timeout = Duration::MAX;
    absurd.cooldown = Some(Duration::MAX);
    absurd.shutdown = Shutdown::Within(Duration::MAX);
    let mut script = Script::up(Strategy::OneForOne, vec![absurd.clone()]);
    script.exited("a", boom());
    let mut other = absurd;
    other.id = "b".into();
    script.start_child(other);
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: Some(Duration::MAX) });
    script.pass(S(1));
}

#[test]
fn a_task_may_need_an_actor_of_the_same_name_elsewhere() {
    let mut task: Policy = worker("database");
    task.needs = vec!["database".into(), "other/database".into()];
    assert_eq!(crate::core::check(None, &task), Ok(()));
}

#[test]
fn a_backoff_that_is_no_number_is_refused() {
    let mut policy = worker("a");
    let mut backoff = crate::Backoff::doubling(S(1), S(2));
    backoff.jitter = f64::NAN;
    policy.backoff = Some(backoff);
    assert!(crate::core::check(None, &policy).is_err());
    policy.backoff = None;
    backoff.jitter = 0.1;
    backoff.factor = f64::INFINITY;
    policy.retry_parked = Some(backoff);
    assert!(crate::core::check(None, &policy).is_err());
}

#[test]
fn a_budget_that_a_loop_of_failures_would_never_spend_is_refused() {
    let with = |restarts, window, cooldown: Option<u64>, backoff: Option<u64>| {
        let mut policy = worker("a");
        policy.budget = Some(crate::Intensity::new(restarts, S(window)));
        policy.cooldown = cooldown.map(S);
        policy.backoff = backoff.map(|min| crate::Backoff::doubling(S(min), S(60)));
        crate::core::check(None, &policy)
    };
    let words = "2 restarts, each 3.0 s after the last, do not fit into 2.0 s: its budget would never be spent";
    let said = with(2, 2, Some(3), None).unwrap_err();
    assert_eq!((said.rule, said.to_string().as_str()), (crate::core::PolicyRule::Budget, words));
    assert_eq!(with(2, 6, Some(3), None), Ok(()), "one exactly as old as the window still counts");
    assert!(with(2, 5, Some(3), Some(1)).is_err() && with(2, 5, Some(1), Some(3)).is_err());
    assert_eq!(with(0, 1, Some(60), None), Ok(()), "nothing to wait for");
}

#[test]
fn a_longest_delay_below_the_first_is_refused_with_both() {
    let mut policy = worker("a");
    policy.retry_parked = Some(crate::Backoff::doubling(S(30), S(2)));
    let words = "its tries while parked: the longest delay of 2.0 s is less than the first, which is 30.0 s";
    let said = crate::core::check(None, &policy).unwrap_err();
    assert_eq!((said.rule, said.reason.as_str()), (crate::core::PolicyRule::RetryParked, words));
}

#[test]
fn nobody_needs_the_root() {
    for need in ["root", "/", "/root/"] {
        let mut policy = worker("a");
        policy.needs = vec![need.into()];
        let refused = crate::core::check(None, &policy);
        assert!(refused.as_ref().is_err_and(|said| said.reason.contains("it needs root")), "{need}: {refused:?}");
    }
}

/// A supervisor is found in the tree a moment before its first event.
#[test]
fn new_rules_that_reach_a_supervisor_before_it_begins_are_the_ones_it_begins_by() {
    let flags = Flags::new(Strategy::OneForOne);
    let mut script = Script::new(flags, vec![worker("a")]);
    let policy = Policy { budget: Some(Intensity::new(9, S(60))), ..worker("a") };
    let children = vec![Wanted { policy: policy.clone(), missing: Vec::new(), restart: false }];
    let ruled = script.order(Order::Amend { flags, children });
    assert!(matches!(script.answers(ruled)[..], [Ok(Outcome::Respecified { .. })]), "{:?}", script.answers(ruled));
    let early = script.start_child(worker("b"));
    assert_eq!(script.answers(early), [Err(Refusal::NotReady)]);
    script.feed(Event::Begin);
    script.started("a");
    assert_eq!((script.is_ready(), &script.child("a").policy), (true, &policy));
}

#[test]
fn a_restart_of_what_is_about_to_go_or_to_come_again_is_refused_and_charged_once() {
    let mut policy = optional("a");
    policy.budget = Some(Intensity::new(5, S(60)));
    let mut script = Script::up(Strategy::OneForAll, vec![policy.clone(), optional("b")]);
    let restart = |script: &mut Script, force| {
        let ticket = script.order(Order::Cycle { id: "a".into(), force });
        script.answers(ticket)
    };
    script.exited("b", boom()); // a is stopped first, then both come again
    let used = script.child("a").restarts.len();
    assert_eq!(restart(&mut script, false), [Err(Refusal::Stopping)], "it is being asked to stop");
    let mut script = Script::up(Strategy::OneForAll, vec![policy, optional("b"), optional("c")]);
    script.exited("b", boom()); // c is stopped first; a waits for its turn
    assert_eq!(script.life("a"), Life::Running);
    assert_eq!(restart(&mut script, true), [Err(Refusal::Restarting)], "it will be");
    assert_eq!(script.child("a").restarts.len(), used);
    script.order(Order::RemoveChild { id: "a".into() });
    assert_eq!(restart(&mut script, true), [Err(Refusal::Stopping)], "it is to be forgotten");
}
