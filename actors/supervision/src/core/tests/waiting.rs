//! Backoff, cooldown, parking, needs.

use super::script::*;
use crate::core::{
    Action, Event, Life, Rule,
    policy::{Backoff, Intensity, Strategy},
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
