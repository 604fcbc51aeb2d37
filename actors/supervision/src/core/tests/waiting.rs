//! Backoff, cooldown, parking, needs.

use super::script::*;
use crate::{
    core::{
        Action, Event, Life, Order, Refusal, Rule, Wanted,
        carried::Carried,
        policy::{Backoff, Intensity, Policy, Strategy},
    },
    exit::Exit,
};

fn delay(life: &Life, now: std::time::Duration) -> std::time::Duration {
    let Life::Waiting { until, .. } = life else { panic!("it waits: {life:?}") };
    *until - now
}

#[test]
fn a_start_that_takes_long_and_fails_is_no_time_of_health() {
    let mut slow = worker("a");
    slow.backoff = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(1), S(60)) });
    slow.start_timeout = S(600);
    let mut script = Script::up(Strategy::OneForOne, vec![slow]);
    script.exited("a", boom());
    for expected in [S(2), S(4), S(8)] {
        script.pass(S(60)); // the delay, at most
        script.pass(S(120)); // a start that takes longer than `reset_after` and fails all the same
        script.exited("a", boom());
        assert_eq!(delay(&script.life("a"), script.now), expected);
    }
}

#[test]
fn a_long_time_of_health_makes_the_tries_while_parked_begin_anew() {
    let mut policy = optional("a");
    policy.budget = Some(Intensity::new(0, S(10)));
    policy.retry_parked = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(30), S(300)) });
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    for _ in 0..3 {
        script.exited("a", boom());
        let Life::Parked { retry_at: Some(at), .. } = script.life("a") else { panic!("parked: {:?}", script.state) };
        assert_eq!(at - script.now, S(30));
        script.pass(S(31));
        script.started("a");
        script.pass(S(3600));
    }
}

#[test]
fn of_two_needs_the_one_that_comes_back_is_not_called_gone() {
    let mut policy = worker("a");
    policy.needs = vec!["db".into(), "net".into()];
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    let tell = |script: &mut Script, path: &str, up| {
        script.actions.clear();
        script.decisions.clear();
        script.feed(Event::Dependency { path: path.into(), up });
        (script.actions.clone(), script.decisions.pop().map(|(_, rule, text)| (rule, text)))
    };
    let suspend = |missing: &[&str]| Action::Suspend {
        id: "a".into(),
        missing: missing.iter().map(|need| (*need).to_owned()).collect(),
    };
    assert_eq!(tell(&mut script, "db", false).0, [suspend(&["db"])]);
    assert_eq!(tell(&mut script, "net", false).0, [suspend(&["db", "net"])]);
    let (actions, said) = tell(&mut script, "db", true);
    assert_eq!(actions, [suspend(&["net"])]);
    let (rule, text) = said.unwrap();
    assert!(rule == Rule::Suspended && !text.contains("gone"), "{text}");
    assert_eq!(tell(&mut script, "net", true).0, [Action::Resume { id: "a".into() }]);
}

#[test]
fn a_need_that_restarts_while_its_dependent_starts_is_told_when_the_dependent_is_up() {
    let mut policy = worker("a");
    policy.needs = vec!["db".into()];
    let mut script = Script::begun(Strategy::OneForOne, vec![policy]);
    script.feed(Event::Dependency { path: "db".into(), up: false });
    script.started("a");
    assert!(script.actions.contains(&Action::Suspend { id: "a".into(), missing: vec!["db".into()] }));
    script.feed(Event::Dependency { path: "db".into(), up: true });
    assert_eq!(script.actions.last(), Some(&Action::Resume { id: "a".into() }));
}

fn boom_at_start() -> Exit {
    Exit::StartFailed { child: None, cause: Box::new(boom()) }
}

fn need(script: &mut Script, up: bool) {
    script.feed(Event::Dependency { path: "db".into(), up });
}

#[test]
fn who_fails_while_something_it_needs_is_gone_waits_for_it_and_spends_nothing() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic] {
        let mut policy = optional("a");
        policy.needs = vec!["db".into()];
        policy.budget = Some(Intensity::new(1, S(60)));
        let mut script = Script::up(strategy, vec![policy, optional("b")]);
        for life in 1..=5 {
            need(&mut script, false);
            script.exited("a", boom());
            assert_eq!((script.life("a"), script.child("a").incarnation), (Life::Held, life), "{strategy:?}");
            let decision = script.last("a", Rule::Suspended);
            assert!(
                decision.text.contains("db") && decision.budget.is_some_and(|budget| budget.used == 0),
                "{decision:?}"
            );
            if script.life("b") != Life::Running {
                script.exited("b", Exit::shutdown());
                script.started("b"); // its siblings do not wait for it
            }
            script.pass(S(3600));
            assert_eq!(script.life("a"), Life::Held, "{strategy:?}");
            need(&mut script, true);
            assert_eq!(script.last("a", Rule::Resumed).text, "db is back: starts");
            script.started("a");
        }
        assert_eq!(script.child("a").restarts_total, 5);
    }
}

#[test]
fn a_start_that_fails_without_what_it_needs_is_tried_again_when_that_comes() {
    let mut policy = optional("a");
    policy.needs = vec!["db".into()];
    let mut script = Script::begun(Strategy::OneForOne, vec![policy, optional("b")]);
    need(&mut script, false);
    script.exited("a", boom());
    script.started("b");
    assert!(script.is_ready(), "the boot goes on without it");
    assert_eq!(script.life("a"), Life::Held);
    need(&mut script, true);
    script.started("a");
    assert_eq!(script.life("a"), Life::Running);
}

#[test]
fn a_try_while_parked_that_waits_for_a_need_is_parked_in_the_next_process() {
    let mut policy = optional("a");
    policy.needs = vec!["db".into()];
    policy.budget = Some(Intensity::new(0, S(10)));
    policy.retry_parked = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(30), S(300)) });
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    script.exited("a", boom());
    script.pass(S(31)); // its try begins
    need(&mut script, false);
    script.exited("a", boom());
    assert_eq!(script.life("a"), Life::Held);
    assert!(Carried::of(script.child("a")).parked.is_some(), "a kill now must not free it");
}

#[test]
fn a_need_that_goes_during_the_delay_of_a_restart_is_waited_for_and_a_cooldown_holds_when_it_is_back() {
    let mut policy = optional("a");
    policy.needs = vec!["db".into()];
    policy.cooldown = Some(S(10));
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    script.exited("a", boom());
    need(&mut script, false);
    script.pass(S(10));
    assert_eq!(script.life("a"), Life::Held);
    need(&mut script, true);
    script.started("a");
    need(&mut script, false);
    script.exited("a", boom());
    need(&mut script, true);
    assert_eq!(delay(&script.life("a"), script.now), S(10));
    script.pass(S(10));
    assert_eq!(script.life("a"), Life::Starting);
}

#[test]
fn one_that_is_held_obeys_orders_and_a_new_list_that_needs_nothing_frees_it() {
    let mut policy = optional("a");
    policy.needs = vec!["db".into()];
    let held = |policy: &Policy| {
        let mut script = Script::up(Strategy::OneForOne, vec![policy.clone()]);
        need(&mut script, false);
        script.exited("a", boom());
        script
    };
    let mut script = held(&policy);
    script.order(Order::RestartChild { id: "a".into() });
    assert_eq!(script.life("a"), Life::Starting, "an operator may try");
    script.exited("a", boom());
    assert_eq!(script.life("a"), Life::Held, "and makes nothing worse by it");
    need(&mut script, true);
    script.started("a");
    script = held(&policy);
    script.terminate("a");
    need(&mut script, true);
    assert_eq!(script.life("a"), Life::Down);
    script = held(&policy);
    let kill = script.order(Order::Kill { id: "a".into() });
    assert_eq!(script.answers(kill), [Err(Refusal::NotRunning)]);
    let (flags, free) = (script.state.flags, optional("a"));
    script.order(Order::Amend { flags, children: vec![Wanted { policy: free, missing: Vec::new(), restart: false }] });
    assert_eq!(script.life("a"), Life::Starting);
    script = held(&policy);
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    assert!(script.exit().is_some());
}

#[test]
fn a_stale_timer_of_an_older_incarnation_means_nothing() {
    let mut policy = worker("a");
    policy.backoff = Some(Backoff::doubling(S(5), S(5)));
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    script.exited("a", boom());
    script.terminate("a");
    script.pass(S(60));
    assert_eq!((script.life("a"), script.spawned().len()), (Life::Down, 0));
}

#[test]
fn an_ordered_start_that_fails_while_all_drains_does_not_wait_for_what_it_needs() {
    let mut policy = optional("a");
    policy.needs = vec!["db".into()];
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    need(&mut script, false);
    script.exited("a", boom());
    script.order(Order::RestartChild { id: "a".into() });
    script.feed(Event::Drain { id: None });
    script.exited("a", boom());
    script.spawned();
    need(&mut script, true);
    assert_eq!((script.life("a"), script.spawned().len()), (Life::Down, 0));
}

#[test]
fn a_try_while_parked_that_lacks_what_it_needs_leaves_its_siblings_alone() {
    let mut policy = optional("a");
    policy.needs = vec!["db".into()];
    policy.budget = Some(Intensity::new(0, S(10)));
    policy.retry_parked = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(30), S(300)) });
    let mut script = Script::up(Strategy::OneForAll, vec![policy, optional("b")]);
    script.exited("a", boom());
    script.pass(S(31));
    need(&mut script, false);
    script.exited("a", boom());
    assert_eq!((script.life("a"), script.life("b")), (Life::Held, Life::Running));
}

#[test]
fn whoever_comes_during_a_round_takes_its_turn_in_it() {
    let mut policy = optional("b");
    policy.needs = vec!["db".into()];
    let mut script = Script::up(Strategy::RestForOne, vec![optional("a"), policy, optional("c")]);
    need(&mut script, false);
    script.exited("b", boom());
    script.exited("c", Exit::shutdown());
    script.started("c");
    script.exited("a", boom()); // a round begins without b, which is held
    need(&mut script, true);
    assert_ne!(script.life("b"), Life::Starting, "its elder is not up, and its junior not down");
    script.exited("c", Exit::shutdown());
    script.started("a");
    assert_eq!((script.life("b"), script.life("c")), (Life::Starting, Life::Down));
    script.started("b");
    script.started("c");
}

#[test]
fn an_ordered_start_of_a_held_child_that_fails_although_its_need_came_back_meanwhile_goes_on_by_rule() {
    let mut policy = optional("a");
    policy.needs = vec!["db".into()];
    policy.budget = Some(Intensity::new(1, S(60)));
    let mut script = Script::up(Strategy::OneForOne, vec![policy]);
    need(&mut script, false);
    script.exited("a", boom());
    script.order(Order::RestartChild { id: "a".into() });
    need(&mut script, true);
    script.exited("a", boom()); // it had begun without what it needs
    assert_eq!(script.life("a"), Life::Starting, "as it would have been without the order");
    assert_eq!(script.last("a", Rule::Resumed).cause, Some(boom_at_start()));
    script.exited("a", boom());
    script.exited("a", boom());
    assert!(
        matches!(script.life("a"), Life::Parked { .. }),
        "the rule's own tries are counted: {:?}",
        script.life("a")
    );
}

#[test]
fn an_elder_does_not_wait_for_a_round_of_its_juniors() {
    let mut elder = optional("b");
    elder.needs = vec!["db".into()];
    let mut junior = optional("c");
    junior.backoff = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(600), S(600)) });
    let mut script = Script::up(Strategy::RestForOne, vec![optional("a"), elder, junior]);
    need(&mut script, false);
    script.exited("b", boom());
    script.exited("c", Exit::shutdown());
    script.started("c");
    script.exited("c", boom());
    assert!(matches!(script.life("c"), Life::Waiting { .. }));
    need(&mut script, true);
    assert_eq!(script.life("b"), Life::Starting, "the round is none of its");
}
