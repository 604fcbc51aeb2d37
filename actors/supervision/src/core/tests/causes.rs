//! Every decision says what it answers, and what is left of the budget.

use super::script::*;
use crate::{
    core::{
        Action, Budget, Decision, Event, Life, Order, Rule,
        policy::{Intensity, Policy, Shutdown, Strategy},
    },
    exit::Exit,
};

/// Two restarts a minute of its own.
fn own(id: &str) -> Policy {
    let mut policy = optional(id);
    policy.budget = Some(Intensity::new(2, S(60)));
    policy
}

fn left(decision: &Decision) -> Option<u32> {
    decision.budget_left().map(|Budget { used, allowed, .. }| allowed - used)
}

fn said(decision: &Decision) -> (Option<String>, Option<u32>) {
    (decision.why(), left(decision))
}

fn is(why: &str, left: u32) -> (Option<String>, Option<u32>) {
    (Some(why.to_owned()), Some(left))
}

#[test]
fn an_operators_orders_are_the_cause_of_what_follows_from_them() {
    let mut script = Script::up(Strategy::OneForOne, vec![own("a")]);
    script.order(Order::Kill { id: "a".into() });
    assert_eq!(said(script.last("a", Rule::Operator)), is("an operator's order", 2));
    script.exited("a", Exit::Killed { by: "operator".into() });
    assert_eq!(said(script.last("a", Rule::Restart)), is("killed by operator", 1));
    script.started("a");
    assert_eq!(left(script.last("a", Rule::Up)), Some(1));
    script.terminate("a");
    assert_eq!(said(script.last("a", Rule::Operator)), is("an operator's order", 1));
    assert_eq!(said(script.last("a", Rule::Stop)), is("an operator's order", 1));
    script.pass(S(60));
    assert_eq!(said(script.last("a", Rule::StopDeadline)), is("an operator's order", 1));
    assert_eq!(said(script.last("a", Rule::KillDeadline)), is("an operator's order", 1));
    script.exited("a", Exit::Aborted);
    assert_eq!(left(script.last("a", Rule::Quarantine)), Some(1));
}

#[test]
fn a_child_that_went_down_says_how_and_what_for() {
    let mut script = Script::up(Strategy::OneForAll, vec![own("a"), own("b")]);
    script.exited("a", boom());
    assert_eq!(said(script.last("b", Rule::Strategy)), is("a: panic: boom", 2));
    script.exited("b", Exit::shutdown());
    assert_eq!(said(script.last("b", Rule::Down)), is("shut down (a: panic: boom)", 2));
    script.started("a");
    script.started("b");
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    assert_eq!(said(script.last("b", Rule::Stop)), is("its supervisor shuts down", 2));
    script.exited("b", Exit::shutdown());
    assert_eq!(said(script.last("b", Rule::Down)), is("shut down (its supervisor shuts down)", 2));
}

#[test]
fn a_missing_need_is_the_cause_of_a_suspension_and_its_return_of_the_end_of_it() {
    let mut needs = own("a");
    needs.needs = vec!["db".into()];
    let mut script = Script::up(Strategy::OneForOne, vec![needs]);
    script.feed(Event::Dependency { path: "db".into(), up: false });
    assert_eq!(said(script.last("a", Rule::Suspended)), is("db is gone", 2));
    script.feed(Event::Dependency { path: "db".into(), up: true });
    assert_eq!(said(script.last("a", Rule::Resumed)), is("db is back", 2));
}

#[test]
fn parking_and_giving_up_say_which_exit_was_one_too_many_and_that_nothing_is_left() {
    let mut spent = own("a");
    spent.budget = Some(Intensity::new(0, S(60)));
    let mut script = Script::up(Strategy::OneForOne, vec![spent.clone()]);
    script.exited("a", boom());
    assert_eq!(said(script.last("a", Rule::Parked)), is("panic: boom", 0));
    let Life::Parked { reason, .. } = script.life("a") else { panic!("{:?}", script.life("a")) };
    assert!(reason.contains("budget spent") && reason.ends_with("panic: boom"), "the tree shows it whole: {reason}");

    spent.criticality = crate::Criticality::Vital;
    let mut script = Script::up(Strategy::OneForOne, vec![spent]);
    script.exited("a", boom());
    assert_eq!(said(script.last("", Rule::Escalate)), is("panic: boom", 0));
    assert!(script.exit().is_some_and(|exit| exit.to_string().ends_with("panic: boom")), "{:?}", script.exit());
}

#[test]
fn a_child_without_a_budget_of_its_own_shows_what_it_shares() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    script.exited("a", boom());
    script.terminate("b");
    assert_eq!(left(script.last("b", Rule::Operator)), Some(99));
}

#[test]
fn children_of_a_killed_supervisor_were_given_no_time_and_say_so() {
    let mut script = Script::up(Strategy::OneForOne, vec![own("a"), own("b")]);
    script.feed(Event::KillAll { by: "operator".into() });
    script.pass(MS(50));
    for id in ["a", "b"] {
        assert_eq!(said(script.last(id, Rule::Killed)), is("its supervisor was killed by operator", 2));
        assert!(script.actions.contains(&Action::Kill { id: id.into(), by: "operator".into() }));
        script.exited(id, Exit::Killed { by: "operator".into() });
    }
    let never = [Rule::Stop, Rule::StopDeadline];
    assert!(script.explained.iter().all(|decision| !never.contains(&decision.rule)), "{:?}", script.decisions);
    assert_eq!(script.exit(), Some(Exit::Killed { by: "operator".into() }));
}

#[test]
fn a_supervisor_that_is_killed_on_its_way_down_kills_whoever_is_left() {
    let mut script = Script::up(Strategy::OneForOne, vec![own("a"), own("b")]);
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    script.feed(Event::KillAll { by: "stop deadline".into() });
    for id in ["b", "a"] {
        assert_eq!(script.last(id, Rule::Killed).text, "killed with its supervisor");
        script.exited(id, Exit::Killed { by: "stop deadline".into() });
    }
    assert_eq!(script.exit(), Some(Exit::Killed { by: "stop deadline".into() }));
}

/// A supervisor that its strategy stops has all the time it likes, until its own supervisor has less.
#[test]
fn what_a_strategy_stops_without_a_limit_gets_one_from_a_shutdown_that_has_one() {
    let mut slow = worker("a");
    slow.shutdown = Shutdown::Infinity;
    let mut script = Script::up(Strategy::OneForAll, vec![slow, worker("b")]);
    script.exited("b", boom());
    assert!(script.actions.contains(&Action::AskStop { id: "a".into(), within: None }));
    script.actions.clear();
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: Some(S(2)) });
    let limited = |action: &Action| matches!(action, Action::AskStop { within: Some(within), .. } if *within <= S(2));
    assert!(script.actions.iter().any(limited), "{:?}", script.actions);
}
