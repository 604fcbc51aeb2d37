//! Siblings that stop and start by what they need of each other.

use super::script::*;
use crate::{
    core::{
        Action, Event,
        policy::{Flags, Policy, Strategy},
    },
    exit::Exit,
};

fn child(id: &str, rank: i32, needs: &[&str]) -> Policy {
    let mut policy = worker(id);
    policy.rank = rank;
    policy.needs = needs.iter().map(|need| format!("tasks/{need}")).collect();
    policy
}

/// In which order `children` start, and in which they stop.
fn orders(by_needs: bool, children: Vec<Policy>) -> (Vec<String>, Vec<String>) {
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.by_needs = by_needs;
    let mut script = Script::new(flags, children);
    script.state.under = "tasks/".to_owned();
    script.feed(Event::Begin);
    let mut started = Vec::new();
    while let [id] = script.spawned().as_slice() {
        script.started(id);
        started.push(id.clone());
    }
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    let mut stopped: Vec<String> = Vec::new();
    let asked = |script: &Script| {
        let asked = script.actions.iter().filter_map(|action| match action {
            Action::AskStop { id, .. } => Some(id.clone()),
            _ => None,
        });
        asked.collect::<Vec<_>>()
    };
    while asked(&script).len() > stopped.len() {
        stopped = asked(&script);
        script.exited(&stopped[stopped.len() - 1].clone(), Exit::shutdown());
    }
    assert_eq!(script.exit(), Some(Exit::shutdown()));
    (started, stopped)
}

#[test]
fn one_that_needs_a_sibling_stops_before_it_whoever_came_first_and_whatever_their_ranks() {
    let (up, down) = orders(true, vec![child("a", 0, &["b"]), child("b", 0, &[])]);
    assert_eq!((up, down), (vec!["b".to_owned(), "a".into()], vec!["a".to_owned(), "b".into()]));
    let (_, down) = orders(true, vec![child("a", 5, &["b"]), child("b", -5, &[])]);
    assert_eq!(down, ["a", "b"]);
}

#[test]
fn a_need_counts_over_siblings_and_what_is_needed_counts_as_much_as_what_needs_it() {
    let children = vec![
        child("high", 5, &["way"]),
        child("middle", 1, &[]),
        child("way", -1, &["low"]),
        child("low", -5, &[]),
        child("other", 0, &["elsewhere", "database"]),
    ];
    let (up, down) = orders(true, children);
    assert_eq!(up, ["low", "way", "high", "middle", "other"]);
    assert_eq!(down, ["other", "middle", "high", "way", "low"]);
}

#[test]
fn where_places_alone_decide_needs_change_nothing() {
    let (up, down) = orders(false, vec![child("a", 0, &["b"]), child("b", 0, &[])]);
    assert_eq!((up, down), (vec!["a".to_owned(), "b".into()], vec!["b".to_owned(), "a".into()]));
}

#[test]
fn needs_that_go_in_a_circle_keep_nobody_from_starting_and_stopping() {
    let (up, down) = orders(true, vec![child("a", 0, &["b"]), child("b", 0, &["a"]), child("c", 0, &[])]);
    assert_eq!((up.len(), down.len()), (3, 3));
}
