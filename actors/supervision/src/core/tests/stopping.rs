//! The ladder and the total deadline.

use super::script::*;
use crate::{
    core::{
        Action, Event, Life,
        policy::{Shutdown, Strategy},
    },
    exit::Exit,
};

#[test]
fn a_start_that_blocks_its_thread_is_left_behind_and_the_others_go_on() {
    let mut blocked = optional("a");
    blocked.start_timeout = S(3);
    let mut script = Script::begun(Strategy::OneForOne, vec![blocked, worker("b")]);
    script.pass(S(3));
    assert!(script.actions.contains(&Action::Kill { id: "a".into(), by: "start timeout".into() }));
    script.pass(S(2));
    assert_eq!(script.life("a"), Life::Quarantined);
    assert_eq!(script.spawned(), ["a", "b"]);
    script.started("b");
    assert!(script.is_ready());
}

#[test]
fn a_required_start_that_blocks_its_thread_fails_the_boot() {
    let mut script = Script::begun(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    script.pass(S(60));
    assert!(
        matches!(script.exit(), Some(Exit::StartFailed { child: Some(id), .. }) if id == "a"),
        "{:?}",
        script.exit()
    );
}

#[test]
fn a_shutdown_with_nobody_obeying_keeps_its_deadline_however_many_there_are() {
    for (count, deadline) in [(1, MS(300)), (8, MS(200)), (40, S(1)), (100, MS(100)), (3, MS(0))] {
        for shutdown in [Shutdown::Brutal, Shutdown::Infinity, Shutdown::Within(S(5))] {
            let children = (0..count).map(|n| {
                let mut policy = worker(&format!("c{n}"));
                policy.shutdown = shutdown;
                policy
            });
            let mut script = Script::up(Strategy::OneForOne, children.collect());
            let begun = script.now;
            script.feed(Event::Shutdown { exit: Exit::shutdown(), within: Some(deadline) });
            while script.exit().is_none() {
                script.pass(MS(1));
                assert!(script.now - begun < S(60), "it ends");
            }
            let took = script.now - begun;
            // Three rungs of 20 ms each (100 ms when there never was any time) are the least that anybody gets.
            let least = if deadline.is_zero() {
                MS(200)
            } else if deadline < S(1) {
                MS(100)
            } else {
                MS(0)
            };
            assert!(took <= deadline + least, "{count} children, {deadline:?}, {shutdown:?}: {took:?}");
        }
    }
}

#[test]
fn a_hurry_reaches_a_child_that_is_being_killed_already() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    script.pass(S(5)); // b is killed now, and has 500 ms for it
    let begun = script.now;
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: Some(MS(100)) });
    while script.exit().is_none() {
        script.pass(MS(1));
    }
    assert!(script.now - begun <= MS(150), "{:?}", script.now - begun);
}

#[test]
fn a_shutdown_while_children_wait_are_parked_and_start_ends_at_once() {
    let mut waits = worker("w");
    waits.backoff = Some(crate::Backoff::doubling(S(60), S(60)));
    let mut parks = optional("p");
    parks.budget = Some(crate::Intensity::new(0, S(60)));
    let mut script = Script::up(Strategy::OneForOne, vec![waits, parks]);
    script.exited("w", boom());
    script.exited("p", boom());
    let ticket = script.start_child(worker("s"));
    assert!(matches!(script.life("p"), Life::Parked { .. }));
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    script.exited("s", Exit::shutdown());
    assert_eq!(script.exit(), Some(Exit::shutdown()));
    assert_eq!(script.answers(ticket).len(), 1);
}
