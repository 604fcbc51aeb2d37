//! Children that say in their start that they are not needed.

use super::script::*;
use crate::{
    core::{
        Action, Life, Order, Outcome, Rule,
        policy::{Criticality, Restart, Strategy},
        state::{Goal, Phase},
    },
    exit::Exit,
};

fn not_needed() -> Exit {
    Exit::Ignored { why: "nothing to do".to_owned() }
}

fn of(id: &str, restart: Restart) -> crate::core::policy::Policy {
    let mut policy = worker(id);
    policy.restart = restart;
    policy
}

#[test]
fn the_first_start_goes_on_and_the_spec_of_all_but_a_temporary_child_is_kept() {
    let children = vec![of("a", Restart::Permanent), of("b", Restart::Temporary), of("c", Restart::Permanent)];
    let mut script = Script::begun(Strategy::OneForAll, children);
    script.exited("a", not_needed());
    script.exited("b", not_needed());
    script.started("c");
    assert!(script.is_ready() && script.state.phase == Phase::Running);
    assert_eq!((script.life("a"), script.child("a").goal), (Life::Down, Goal::Down));
    assert!(script.state.child("b").is_none());
    assert_eq!(script.child("a").restarts_total, 0);
    assert_eq!(script.last("a", Rule::Ignored).cause, Some(not_needed()));
}

#[test]
fn whoever_asked_for_it_is_told_and_nothing_is_charged() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a")]);
    let asked = script.start_child(worker("b"));
    script.exited("b", not_needed());
    assert_eq!(script.answers(asked), [Ok(Outcome::Ignored { incarnation: 1 })]);
    let again = script.order(Order::RestartChild { id: "b".to_owned() });
    script.exited("b", not_needed());
    assert_eq!(script.answers(again), [Ok(Outcome::Ignored { incarnation: 2 })]);
    let up = script.order(Order::RestartChild { id: "b".to_owned() });
    script.started("b");
    assert_eq!(script.answers(up), [Ok(Outcome::Done { incarnation: 3 })]);
    assert!(script.state.restarts.is_empty());
}

#[test]
fn a_restart_that_is_not_needed_is_no_failure_and_the_next_round_asks_again() {
    let mut policy = worker("a");
    policy.criticality = Criticality::Vital;
    let mut script = Script::up(Strategy::OneForAll, vec![policy, worker("b")]);
    script.exited("a", boom());
    script.exited("b", Exit::shutdown());
    script.exited("a", not_needed());
    script.started("b");
    assert_eq!((script.life("a"), script.life("b")), (Life::Down, Life::Running));
    script.exited("b", boom());
    script.started("a");
    script.started("b");
    assert_eq!((script.life("a"), script.life("b")), (Life::Running, Life::Running));
}

#[test]
fn a_dynamic_child_is_forgotten_whatever_it_is() {
    let mut script = Script::up(Strategy::Dynamic, Vec::new());
    let asked = script.start_child(worker("a"));
    script.exited("a", not_needed());
    assert_eq!(script.answers(asked), [Ok(Outcome::Ignored { incarnation: 1 })]);
    assert!(script.state.child("a").is_none());
    assert!(script.actions.contains(&Action::Forget { id: "a".to_owned() }));
}

#[test]
fn said_later_it_is_a_normal_end() {
    let mut script = Script::up(Strategy::OneForOne, vec![of("a", Restart::Transient), worker("b")]);
    script.exited("a", not_needed());
    assert_eq!(script.life("a"), Life::Down);
    script.exited("b", not_needed());
    assert_eq!(script.life("b"), Life::Starting, "a permanent one is restarted after any end");
}
