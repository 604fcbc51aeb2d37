//! one_for_all and rest_for_one: who goes along, in which order, and what it costs.

use super::script::*;
use crate::{
    core::{
        Event, Life, Order, Refusal,
        policy::{AutoShutdown, Backoff, Flags, Restart, Strategy},
    },
    exit::Exit,
};

#[test]
fn one_round_costs_one_restart_also_when_a_member_crashes_while_it_waits_to_be_stopped() {
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), worker("b"), worker("c")]);
    script.exited("a", boom());
    assert_eq!((script.life("b"), script.state.restarts.len()), (Life::Running, 1), "c is asked first");
    script.exited("b", boom());
    script.exited("c", Exit::shutdown());
    assert_eq!(script.state.restarts.len(), 1);
    assert_eq!(script.spawned(), ["a"]);
    for id in ["a", "b", "c"] {
        script.started(id);
    }
    assert_eq!(script.spawned(), ["b", "c"]);
}

#[test]
fn one_for_all_other_child_fails_restart() {
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), worker("b")]);
    script.exited("a", boom());
    script.exited("b", Exit::shutdown());
    script.started("a");
    script.exited("b", boom());
    assert_eq!(script.spawned(), ["a", "b"]);
    script.exited("a", Exit::shutdown());
    assert_eq!(script.state.restarts.len(), 2, "the round and the failed restart");
    script.started("a");
    script.started("b");
    assert_eq!(script.spawned(), ["a", "b"]);
}

#[test]
fn rest_for_one_other_child_fails_restart() {
    let mut script = Script::up(Strategy::RestForOne, vec![worker("a"), worker("b"), worker("c")]);
    script.exited("b", boom());
    script.exited("c", Exit::shutdown());
    script.started("b");
    script.exited("c", boom());
    script.started("c");
    assert_eq!(script.spawned(), ["b", "c", "c"], "only the failing younger one is tried again");
}

#[test]
fn temporary_bystander() {
    let mut temporary = worker("b");
    temporary.restart = Restart::Temporary;
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), temporary]);
    script.exited("a", boom());
    script.exited("b", Exit::shutdown());
    assert!(script.state.child("b").is_none());
    assert_eq!(script.spawned(), ["a"]);
}

#[test]
fn a_transient_child_that_ended_is_revived_by_a_later_round() {
    let mut transient = worker("b");
    transient.restart = Restart::Transient;
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), transient]);
    script.exited("b", Exit::Normal);
    script.exited("a", boom());
    script.started("a");
    assert_eq!(script.spawned(), ["a", "b"]);
}

#[test]
fn what_an_operator_stops_during_a_round_stays_down_and_the_operator_is_told_when_it_is() {
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), worker("b")]);
    let ticket = script.terminate("b");
    script.exited("a", boom());
    script.exited("b", Exit::shutdown());
    assert!(script.answers(ticket).iter().all(Result::is_ok) && script.answers(ticket).len() == 1);
    script.started("a");
    assert_eq!((script.spawned(), script.life("b")), (vec!["a".to_owned()], Life::Down));
}

#[test]
fn an_operators_stop_holds_although_the_child_crashes_before_its_turn_to_stop() {
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), worker("b"), worker("c")]);
    script.exited("a", boom());
    let ticket = script.terminate("b"); // c is still on its way down: b waits for its turn
    script.exited("b", boom());
    script.exited("c", Exit::shutdown());
    assert_eq!(script.answers(ticket).len(), 1);
    script.started("a");
    assert_eq!(script.spawned(), ["a", "c"]);
}

#[test]
fn a_child_that_joins_during_a_round_waits_for_its_elders() {
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), worker("b")]);
    script.exited("a", boom());
    let ticket = script.start_child(worker("c"));
    assert_eq!(script.spawned(), Vec::<String>::new(), "b is on its way down");
    script.exited("b", Exit::shutdown());
    for id in ["a", "b", "c"] {
        script.started(id);
    }
    assert_eq!(script.spawned(), ["a", "b", "c"]);
    assert_eq!(script.answers(ticket).len(), 1);
}

#[test]
fn a_required_child_that_a_round_takes_along_before_its_first_start_still_fails_the_boot() {
    let mut script = Script::begun(Strategy::RestForOne, vec![optional("a"), worker("b")]);
    script.exited("a", boom());
    script.started("a");
    script.exited("b", boom());
    script.exited("a", Exit::shutdown());
    assert!(
        matches!(script.exit(), Some(Exit::StartFailed { child: Some(id), .. }) if id == "b"),
        "{:?}",
        script.exit()
    );
}

#[test]
fn a_child_that_was_ordered_down_during_the_boot_fails_by_rule_once_the_boot_is_over() {
    let mut script = Script::begun(Strategy::OneForAll, vec![worker("a"), worker("b")]);
    script.terminate("a");
    script.exited("a", Exit::shutdown());
    script.started("b");
    assert!(script.is_ready());
    script.exited("b", boom());
    script.exited("a", boom()); // the round brought it back, and it does not start
    assert!(!script.state.is_stopping(), "no boot is left that could fail: {:?}", script.exit());
    assert_eq!(script.state.restarts.len(), 2, "it counts as any other failure");
}

#[test]
fn boot_does_not_wait_for_the_backoff_of_a_child_that_is_not_required() {
    let mut slow = optional("a");
    slow.backoff = Some(Backoff::doubling(S(30), S(30)));
    let mut script = Script::begun(Strategy::OneForOne, vec![slow, worker("b"), worker("c")]);
    script.started("a");
    script.exited("a", boom());
    script.started("b");
    script.started("c");
    assert!(script.is_ready(), "{:?}", script.state);
}

#[test]
fn a_temporary_child_that_does_not_start_at_boot_is_forgotten_never_restarted() {
    let mut temporary = optional("a");
    temporary.restart = Restart::Temporary;
    let mut script = Script::begun(Strategy::OneForOne, vec![temporary.clone(), worker("b")]);
    script.exited("a", boom());
    assert!(script.state.child("a").is_none());
    let ticket = script.start_child(temporary);
    script.exited("a", boom());
    assert!(matches!(script.answers(ticket)[..], [Err(Refusal::StartFailed { .. })]));
    assert!(script.state.child("a").is_none());
}

fn significant(id: &str) -> crate::core::policy::Policy {
    let mut policy = worker(id);
    policy.significant = true;
    policy.restart = Restart::Transient;
    policy
}

#[test]
fn all_significant_counts_one_that_is_being_restarted() {
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.auto_shutdown = AutoShutdown::AllSignificant;
    let mut waits = significant("a");
    waits.backoff = Some(Backoff::doubling(S(5), S(5)));
    let mut script = Script::new(flags, vec![waits, significant("b")]);
    script.feed(Event::Begin);
    script.started("a");
    script.started("b");
    script.exited("a", boom());
    script.exited("b", Exit::Normal);
    assert!(!script.state.is_stopping(), "a comes back");
    script.pass(S(6));
    script.started("a");
    script.exited("a", Exit::Normal);
    assert_eq!(script.exit(), Some(Exit::shutdown()));
}

#[test]
fn significant_bystanders_of_a_round_and_those_ordered_down_trigger_nothing() {
    let mut flags = Flags::new(Strategy::OneForAll);
    flags.auto_shutdown = AutoShutdown::AnySignificant;
    flags.intensity.restarts = 9;
    let mut script = Script::new(flags, vec![worker("a"), significant("b"), significant("c")]);
    script.feed(Event::Begin);
    for id in ["a", "b", "c"] {
        script.started(id);
    }
    script.exited("a", boom());
    script.exited("b", Exit::Normal); // by itself, while it waits for its turn to stop
    script.exited("c", Exit::shutdown());
    for id in ["a", "b", "c"] {
        script.started(id);
    }
    script.terminate("b");
    script.exited("b", Exit::shutdown());
    assert!(!script.state.is_stopping());
    assert_eq!(script.life("b"), Life::Down);
    script.order(Order::Kill { id: "c".into() });
    script.exited("c", Exit::Killed { by: "operator".into() });
    assert!(!script.state.is_stopping(), "a kill is abnormal: a transient child comes back");
}
