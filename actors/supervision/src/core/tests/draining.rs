//! Once a supervisor drains, nothing of it starts any more: what fails or would have been restarted stays down.

use super::script::*;
use crate::{
    core::{
        Event, Life, Order, Refusal, Rule,
        policy::{Backoff, Intensity, Policy, Strategy},
    },
    exit::Exit,
};

fn drain(script: &mut Script, id: Option<&str>) {
    script.feed(Event::Drain { id: id.map(str::to_owned) });
    script.spawned();
}

fn waits(id: &str) -> Policy {
    let mut policy = worker(id);
    policy.backoff = Some(Backoff::doubling(S(5), S(5)));
    policy
}

#[test]
fn what_fails_while_it_drains_stays_down_and_says_so() {
    let mut script = Script::up(Strategy::OneForAll, vec![worker("a"), worker("b")]);
    drain(&mut script, None);
    script.exited("a", boom());
    assert_eq!((script.life("a"), script.life("b")), (Life::Down, Life::Running));
    assert_eq!(script.last("a", Rule::Ended).cause, Some(boom()));
    assert!(script.spawned().is_empty() && script.state.restarts.is_empty());
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    script.exited("b", Exit::shutdown());
    assert_eq!(script.exit(), Some(Exit::shutdown()));
}

#[test]
fn a_delay_a_try_while_parked_and_a_round_under_way_end_with_the_drain() {
    let mut parked = optional("b");
    parked.budget = Some(Intensity::new(0, S(60)));
    parked.retry_parked = Some(Backoff::doubling(S(5), S(5)));
    let mut script = Script::up(Strategy::OneForOne, vec![waits("a"), parked, worker("c")]);
    script.exited("a", boom());
    script.exited("b", boom());
    let cycle = script.order(Order::Cycle { id: "c".into(), force: true });
    drain(&mut script, None);
    assert_eq!(script.answers(cycle), [Err(Refusal::ShuttingDown)]);
    script.exited("c", Exit::shutdown());
    script.pass(S(600));
    assert!(script.spawned().is_empty(), "{:?}", script.state);
    assert_eq!(["a", "b", "c"].map(|id| script.life(id)), [Life::Down, Life::Down, Life::Down]);
}

#[test]
fn orders_that_start_something_are_refused_and_those_that_stop_it_are_not() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    script.terminate("b");
    script.exited("b", Exit::shutdown());
    drain(&mut script, None);
    let restarts = [
        Order::RestartChild { id: "b".into() },
        Order::Cycle { id: "a".into(), force: true },
        Order::StartChild { policy: Box::new(worker("c")), missing: Vec::new() },
    ];
    for order in restarts {
        let ticket = script.order(order);
        assert_eq!(script.answers(ticket), [Err(Refusal::ShuttingDown)]);
    }
    script.order(Order::Kill { id: "a".into() });
    script.exited("a", Exit::Killed { by: "operator".into() });
    assert_eq!(script.life("a"), Life::Down);
}

#[test]
fn one_child_that_drains_leaves_its_siblings_alone() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    drain(&mut script, Some("a"));
    script.exited("a", boom());
    script.exited("b", boom());
    assert_eq!(script.spawned(), ["b"]);
    assert_eq!(script.life("a"), Life::Down);
}

#[test]
fn what_an_earlier_life_left_behind_is_not_started_when_it_ends_after_a_drain() {
    let mut before = Script::up(Strategy::OneForOne, vec![optional("a")]);
    before.state.children[0].life = Life::Quarantined;
    let mut script = Script::new(before.state.flags, vec![optional("a")]);
    script.state.inherit(before.state.legacy());
    script.feed(Event::Begin);
    assert_eq!(script.life("a"), Life::Quarantined);
    drain(&mut script, None);
    script.exited("a", boom());
    assert_eq!((script.life("a"), script.spawned().len()), (Life::Down, 0));
}
