//! A supervisor that takes over what an earlier process left. The script's time is 100 s when it begins.

use super::script::*;
use crate::{
    core::{
        Event, Life, Order, Refusal, Rule,
        carried::{Carried, Parking},
        policy::{Backoff, Flags, Intensity, Policy, Strategy},
    },
    exit::Exit,
};
use std::{collections::BTreeMap, time::Duration};

/// Three restarts a minute; parked, one try after 60 s, doubling to 240 s.
fn frail(id: &str) -> Policy {
    let mut policy = optional(id);
    policy.budget = Some(Intensity::new(3, S(60)));
    policy.retry_parked = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(60), S(240)) });
    policy
}

fn with(policy: Policy, carried: Carried) -> Script {
    let mut script = Script::new(Flags::new(Strategy::OneForOne), vec![policy.clone()]);
    script.state.carry(Vec::new(), BTreeMap::from([(policy.id, carried)]));
    script.feed(Event::Begin);
    script
}

fn restarts(at: &[u64]) -> Carried {
    Carried { restarts: at.iter().copied().map(S).collect(), total: 9, since: S(95), ..Carried::default() }
}

fn parked(retry_at: Option<Duration>, exit: Exit, since: Duration) -> Carried {
    let parked = Parking { reason: "budget spent".into(), retry_at, exit: Some(exit) };
    Carried { parked: Some(parked), total: 4, tries: 1, since, ..restarts(&[70, 80, 90]) }
}

fn retry_at(script: &Script, id: &str) -> Option<Duration> {
    match script.life(id) {
        Life::Parked { retry_at, .. } => retry_at,
        other => panic!("{id} is {other:?}"),
    }
}

#[test]
fn a_restart_of_half_a_minute_before_still_counts_and_an_older_one_than_the_window_does_not() {
    let mut script = with(frail("a"), restarts(&[10, 70, 80]));
    assert_eq!(script.spawned(), ["a"]);
    assert_eq!((script.child("a").restarts.len(), script.child("a").restarts_total), (2, 9));
    let said = script.last("a", Rule::Carried);
    assert_eq!(said.budget.map(|budget| (budget.used, budget.allowed)), Some((2, 3)));
    assert!(said.rejected[0].contains("fresh budget"), "{said:?}");
    script.started("a");
    script.exited("a", boom());
    assert_eq!(script.spawned(), ["a"], "the third restart is allowed");
    script.started("a");
    script.exited("a", boom());
    assert!(matches!(script.life("a"), Life::Parked { .. }), "a fourth is not");
}

#[test]
fn a_budget_that_was_made_smaller_begins_spent_and_no_more_than_that() {
    let mut policy = frail("a");
    policy.budget = Some(Intensity::new(1, S(60)));
    let script = with(policy, restarts(&[70, 80, 90]));
    assert_eq!(script.child("a").restarts, [S(90)]);
}

#[test]
fn a_clock_that_went_back_forgets_nothing_and_blocks_for_one_window_at_most() {
    // By then the times are brought forward to now, here 100 s, or lie in the future.
    let mut script = with(frail("a"), restarts(&[100, 5_000, 9_000]));
    script.started("a");
    assert_eq!(script.child("a").restarts, [S(100), S(100), S(100)]);
    script.now += S(61);
    script.exited("a", boom());
    assert_eq!(script.child("a").restarts, [S(161)]);
    // Nor is a try put off by more than its rule could.
    let script = with(frail("a"), parked(Some(S(1_000_000)), boom(), S(90)));
    assert_eq!(retry_at(&script, "a"), Some(S(100 + 240)));
}

#[test]
fn failures_in_a_row_go_on_unless_it_has_been_quiet_since() {
    let mut policy = frail("a");
    policy.backoff = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(1), S(60)) });
    let failing = |since| Carried { failures: 3, total: 3, since, ..Carried::default() };
    let mut script = with(policy.clone(), failing(S(70)));
    script.started("a");
    script.exited("a", boom());
    assert!(script.last("a", Rule::Backoff).text.starts_with("restarts in 8.0 s (failure 4)"));
    let mut script = with(policy, failing(S(30)));
    script.started("a");
    script.exited("a", boom());
    assert!(script.last("a", Rule::Backoff).text.starts_with("restarts in 1.0 s (failure 1)"));
}

#[test]
fn a_parked_child_stays_parked_until_its_try_and_the_others_start_without_it() {
    let mut script = Script::new(Flags::new(Strategy::OneForOne), vec![frail("a"), worker("b")]);
    script.state.carry(Vec::new(), BTreeMap::from([("a".to_owned(), parked(Some(S(130)), boom(), S(90)))]));
    script.feed(Event::Begin);
    assert_eq!(script.spawned(), ["b"]);
    script.started("b");
    assert!(script.is_ready(), "the supervisor is up without it");
    let said = script.last("a", Rule::Carried);
    assert_eq!(said.text, "still parked from the process before, one try in 30.0 s");
    assert_eq!(said.why().as_deref(), Some("panic: boom (budget spent)"));
    let repeated = Carried {
        parked: Some(Parking { reason: "spent: panic: boom".into(), retry_at: None, exit: Some(boom()) }),
        ..restarts(&[])
    };
    let repeats = with(frail("a"), repeated);
    assert_eq!(repeats.last("a", Rule::Carried).why().as_deref(), Some("spent: panic: boom"), "said once");
    assert_eq!(script.child("a").since, S(90), "it has been parked since then");
    script.pass(S(30));
    assert_eq!(script.spawned(), ["a"]);
    script.exited("a", boom());
    assert_eq!(retry_at(&script, "a"), Some(S(130 + 120)), "its next try waits twice as long: the second in a row");
    assert!(script.exit().is_none());
}

#[test]
fn a_required_child_that_was_parked_is_tried_by_its_rule_and_fails_no_boot() {
    let mut policy = frail("a");
    policy.required = true;
    let mut script = with(policy, parked(Some(S(50)), boom(), S(40)));
    assert!(script.spawned().is_empty() && script.is_ready());
    script.pass(S(0));
    assert_eq!(script.spawned(), ["a"], "its try was overdue");
    script.exited("a", boom());
    assert!(matches!(script.life("a"), Life::Parked { .. }) && script.exit().is_none());
}

#[test]
fn one_that_said_that_no_restart_helps_is_tried_once_unless_it_was_a_moment_ago() {
    let fatal = || Exit::Fatal { message: "wrong intents".into() };
    let mut script = with(frail("a"), parked(None, fatal(), S(90)));
    assert_eq!(retry_at(&script, "a"), None);
    script.pass(S(3_600));
    assert!(script.spawned().is_empty(), "a process that is restarted in a loop would try it each time");

    let mut script = Script::new(Flags::new(Strategy::OneForOne), vec![frail("a")]);
    script.now = S(1_000);
    script.state.carry(Vec::new(), BTreeMap::from([("a".to_owned(), parked(None, fatal(), S(600)))]));
    script.feed(Event::Begin);
    script.pass(S(0));
    assert_eq!(script.spawned(), ["a"]);
    script.exited("a", fatal());
    assert_eq!(retry_at(&script, "a"), None);
}

#[test]
fn without_a_rule_for_tries_an_operator_alone_brings_a_parked_one_back() {
    let fatal = Exit::Fatal { message: "wrong intents".into() };
    for (exit, retry_at_before) in [(boom(), Some(S(130))), (boom(), Some(S(20))), (fatal, None)] {
        let policy = Policy { retry_parked: None, ..frail("a") };
        let mut script = Script::new(Flags::new(Strategy::OneForOne), vec![policy]);
        script.now = S(1_000);
        script.state.carry(Vec::new(), BTreeMap::from([("a".to_owned(), parked(retry_at_before, exit, S(90)))]));
        script.feed(Event::Begin);
        assert_eq!(retry_at(&script, "a"), None, "{:?}", script.last("a", Rule::Carried));
        script.pass(S(3_600));
        assert!(script.spawned().is_empty());
        script.order(Order::RestartChild { id: "a".into() });
        assert_eq!(script.spawned(), ["a"]);
    }
}

#[test]
fn an_operator_starts_what_stays_parked_and_one_that_is_added_says_so() {
    let mut script = Script::new(Flags::new(Strategy::OneForOne), Vec::new());
    script.state.carry(Vec::new(), BTreeMap::from([("a".to_owned(), parked(None, boom(), S(90)))]));
    script.feed(Event::Begin);
    let ticket = script.start_child(frail("a"));
    assert_eq!(script.answers(ticket), [Err(Refusal::Parked { reason: "budget spent".into() })]);
    assert!(script.spawned().is_empty());
    assert_eq!(script.last("a", Rule::Operator).text, "added", "and not started");
    script.order(Order::RestartChild { id: "a".into() });
    assert_eq!(script.spawned(), ["a"]);
    script.started("a");
    assert!(script.child("a").restarts.is_empty(), "once it is up its budget begins anew");
}

#[test]
fn a_vital_child_is_never_parked_and_a_fatal_end_of_it_counts_for_the_next_process() {
    let mut policy = worker("a");
    policy.budget = Some(Intensity::new(3, S(60)));
    let mut script = with(policy, parked(None, boom(), S(90)));
    assert_eq!(script.spawned(), ["a"]);
    assert_eq!(script.child("a").restarts.len(), 3);
    script.started("a");
    script.exited("a", Exit::Fatal { message: "no schema".into() });
    assert_eq!(script.child("a").restarts, [S(80), S(90), S(100)]);
    assert!(script.exit().is_some_and(|exit| exit.to_string().contains("vital and lost")));
}

#[test]
fn restarts_against_the_supervisors_own_intensity_are_taken_over_too() {
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity = Intensity::new(2, S(60));
    let mut script = Script::new(flags, vec![worker("a")]);
    script.state.carry(vec![S(80), S(90)], BTreeMap::new());
    script.feed(Event::Begin);
    script.started("a");
    script.exited("a", boom());
    assert!(script.exit().is_some_and(|exit| exit.to_string().contains("reached_max_restart_intensity")));
}

#[test]
fn what_a_child_leaves_is_what_its_next_process_takes_over() {
    let mut script = Script::up(Strategy::OneForOne, vec![frail("a")]);
    for _ in 0..3 {
        script.exited("a", boom());
        script.started("a");
    }
    script.exited("a", boom());
    let left = Carried::of(script.child("a"));
    assert_eq!((left.restarts.len(), left.total, left.tries), (3, 3, 1));
    let next = with(frail("a"), left.clone());
    let mut again = Carried::of(next.child("a"));
    assert!(again.parked.as_ref().is_some_and(|parked| parked.exit == Some(boom())));
    again.parked.clone_from(&left.parked); // its words are those of the first process
    assert_eq!(again, left);
    // A try that was under way is one that is still due.
    script.pass(S(60));
    assert_eq!(script.life("a"), Life::Starting);
    assert!(Carried::of(script.child("a")).parked.is_some());
}

#[test]
fn one_that_carries_nothing_begins_anew_with_each_process() {
    let fresh = || Policy { carry: false, backoff: Some(Backoff::doubling(S(1), S(60))), ..frail("a") };
    let failed = Carried { failures: 3, ..restarts(&[70, 80, 90]) };
    let mut script = with(fresh(), failed);
    assert_eq!(script.spawned(), ["a"]);
    let child = script.child("a");
    assert_eq!((child.restarts.len(), child.failures, child.restarts_total), (0, 0, 9), "how often is only looked at");
    let mut script = with(fresh(), parked(Some(S(130)), boom(), S(90)));
    assert_eq!((script.spawned(), script.child("a").half_open_tries), (vec!["a".to_owned()], 0));
    // One that is added later too, and it is started.
    script = Script::new(Flags::new(Strategy::OneForOne), Vec::new());
    script.state.carry(Vec::new(), BTreeMap::from([("a".to_owned(), parked(None, boom(), S(90)))]));
    script.feed(Event::Begin);
    script.start_child(fresh());
    assert_eq!(
        (script.spawned(), script.last("a", Rule::Operator).text.as_str()),
        (vec!["a".to_owned()], "added and started")
    );
}

#[test]
fn a_supervisor_that_carries_nothing_has_its_whole_intensity() {
    let flags = Flags { intensity: Intensity::new(2, S(60)), carry: false, ..Flags::new(Strategy::OneForOne) };
    let mut script = Script::new(flags, vec![worker("a")]);
    script.state.carry(vec![S(80), S(90)], BTreeMap::new());
    script.feed(Event::Begin);
    script.started("a");
    script.exited("a", boom());
    assert!(script.exit().is_none() && script.state.restarts.len() == 1);
}
