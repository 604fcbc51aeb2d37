//! A new list of children: what it comes to, in which order, and what it must not change.

use super::script::*;
use crate::{
    core::{
        Action, Change, Event, Life, Order, Outcome, Refusal, Removed, Rule, Wanted,
        policy::{AutoShutdown, Flags, Intensity, Kind, Policy, Restart, Shutdown, Strategy},
        rehearse,
        state::Goal,
    },
    exit::Exit,
};

fn wanted(policy: Policy) -> Wanted {
    Wanted { policy, missing: Vec::new(), restart: false }
}

fn flags(strategy: Strategy) -> Flags {
    let mut flags = Flags::new(strategy);
    flags.intensity.restarts = 100;
    flags
}

fn order(strategy: Strategy, children: Vec<Wanted>, removed: Removed) -> Order {
    Order::Respecify { flags: flags(strategy), children, removed }
}

fn brutal(id: &str) -> Policy {
    let mut policy = worker(id);
    policy.shutdown = Shutdown::Brutal;
    policy
}

fn of(ids: &[&str]) -> Vec<Wanted> {
    ids.iter().map(|id| wanted(worker(id))).collect()
}

#[test]
fn the_plan_says_for_each_child_what_becomes_of_it_and_nothing_is_done() {
    let script = Script::up(Strategy::OneForOne, ["a", "b", "c", "d"].map(worker).to_vec());
    let again = Wanted { restart: true, ..wanted(worker("c")) };
    let children = vec![wanted(worker("new")), wanted(brutal("b")), wanted(worker("a")), again];
    let planned =
        |removed| match rehearse(&script.state, order(Strategy::OneForOne, children.clone(), removed), script.now) {
            Ok(Outcome::Planned { plan }) => plan,
            other => panic!("{other:?}"),
        };
    let plan = planned(Removed::Stop);
    let expected = [
        ("new", Change::Start),
        ("b", Change::Respec),
        ("a", Change::Keep),
        ("c", Change::Restart),
        ("d", Change::Stop),
    ];
    assert_eq!(plan.children, expected.map(|(id, change)| (id.to_owned(), change)));
    assert!(!plan.flags);
    assert_eq!(planned(Removed::Keep).children[4], ("d".to_owned(), Change::Keep));
}

#[test]
fn those_that_go_stop_in_reverse_order_then_those_that_come_start_in_order() {
    let mut script = Script::up(Strategy::OneForOne, ["a", "b", "c"].map(worker).to_vec());
    let ticket = script.order(order(Strategy::OneForOne, of(&["x", "b", "y"]), Removed::Stop));
    let asked = |script: &Script| -> Vec<String> {
        let asked = script.actions.iter().filter_map(|action| match action {
            Action::AskStop { id, .. } => Some(id.clone()),
            _ => None,
        });
        asked.collect()
    };
    assert_eq!(asked(&script), ["c"]);
    script.exited("c", Exit::shutdown());
    assert_eq!(asked(&script), ["c", "a"]);
    assert!(script.spawned().is_empty(), "nothing starts before all have gone");
    script.exited("a", Exit::shutdown());
    assert_eq!(script.spawned(), ["x"]);
    script.started("x");
    assert_eq!(script.spawned(), ["y"]);
    assert!(script.answers(ticket).is_empty(), "the answer comes when it is done");
    script.started("y");
    let [Ok(Outcome::Respecified { down, .. })] = &script.answers(ticket)[..] else { panic!("it is answered") };
    assert!(down.is_empty());
    assert_eq!(script.state.children.iter().map(|child| child.id().to_owned()).collect::<Vec<_>>(), ["x", "b", "y"]);
    assert_eq!((script.life("b"), script.child("b").incarnation), (Life::Running, 1));
}

#[test]
fn a_child_that_stays_adopts_its_rules_and_the_supervisor_its_own_at_once() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    let ticket = script.order(order(Strategy::OneForAll, vec![wanted(brutal("a"))], Removed::Keep));
    assert!(matches!(script.answers(ticket)[..], [Ok(Outcome::Respecified { .. })]));
    assert_eq!(script.actions.len(), 1, "nobody is touched: {:?}", script.actions);
    assert_eq!(script.child("a").policy.shutdown, Shutdown::Brutal);
    assert_eq!((script.state.flags.strategy, script.life("b")), (Strategy::OneForAll, Life::Running));
    assert_eq!(script.last("a", Rule::Respec).reason.as_deref(), Some("a new list of children"));
    script.exited("b", boom());
    assert_eq!(script.child("a").goal, Goal::Again, "one_for_all takes it along");
}

#[test]
fn a_list_that_does_not_hold_changes_nothing() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    let before = script.state.clone();
    let mut significant = worker("a");
    (significant.significant, significant.restart) = (true, Restart::Transient);
    let mut zero = flags(Strategy::OneForOne);
    zero.intensity.window = std::time::Duration::ZERO;
    for bad in [
        order(Strategy::OneForOne, of(&["x", "a", "a"]), Removed::Stop),
        order(Strategy::OneForOne, of(&["x", "a/b"]), Removed::Stop),
        order(Strategy::OneForOne, vec![wanted(worker("x")), wanted(significant)], Removed::Stop),
        order(Strategy::Dynamic, of(&["x"]), Removed::Stop),
        Order::Respecify { flags: zero, children: of(&["x"]), removed: Removed::Stop },
    ] {
        let ticket = script.order(bad);
        assert!(matches!(script.answers(ticket)[..], [Err(Refusal::BadSpec { .. })]), "{:?}", script.answers(ticket));
        assert_eq!(script.state, before);
    }
}

#[test]
fn children_that_are_kept_unnamed_have_to_hold_under_the_new_rules_too() {
    let mut significant = worker("a");
    (significant.significant, significant.restart) = (true, Restart::Transient);
    let mut rules = flags(Strategy::OneForOne);
    rules.auto_shutdown = AutoShutdown::AnySignificant;
    let mut script = Script::new(rules, vec![significant, worker("b")]);
    script.feed(Event::Begin);
    script.started("a");
    script.started("b");
    let ticket = script.order(order(Strategy::OneForOne, of(&["b"]), Removed::Keep));
    let [Err(Refusal::BadSpec { reason })] = &script.answers(ticket)[..] else { panic!("it is refused") };
    assert!(reason.starts_with("a, which the list leaves out"), "{reason}");
}

#[test]
fn a_new_child_that_does_not_start_stays_down_and_ends_nobody() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a")]);
    let ticket = script.order(order(Strategy::OneForOne, of(&["a", "x", "y"]), Removed::Keep));
    script.exited("x", boom());
    script.started("y");
    let [Ok(Outcome::Respecified { down, .. })] = &script.answers(ticket)[..] else { panic!("it is answered") };
    assert_eq!(down, &["x"]);
    assert_eq!((script.life("x"), script.life("a"), script.exit()), (Life::Down, Life::Running, None));
}

#[test]
fn what_cannot_change_as_it_runs_is_restarted_in_the_round() {
    let mut script = Script::up(Strategy::OneForOne, ["a", "b", "c"].map(worker).to_vec());
    let children = vec![wanted(worker("a")), wanted(Policy::new("b", Kind::Supervisor)), wanted(worker("c"))];
    script.order(order(Strategy::OneForOne, children, Removed::Stop));
    assert_eq!(script.child("b").goal, Goal::Again);
    script.exited("b", Exit::shutdown());
    assert_eq!(script.spawned(), ["b"]);
    assert_eq!((script.child("a").incarnation, script.child("c").incarnation), (1, 1));
    assert!(script.state.restarts.is_empty(), "it costs no restart");
}

#[test]
fn a_supervisor_that_ends_meanwhile_tells_whoever_waits() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a")]);
    let ticket = script.order(order(Strategy::OneForOne, of(&["a", "x"]), Removed::Keep));
    script.feed(Event::Shutdown { exit: Exit::shutdown(), within: None });
    assert_eq!(script.answers(ticket), [Err(Refusal::ShuttingDown)]);
    let late = script.order(order(Strategy::OneForOne, of(&["a"]), Removed::Keep));
    assert_eq!(script.answers(late), [Err(Refusal::ShuttingDown)]);
}

#[test]
fn needs_that_change_suspend_or_resume_a_child_that_runs() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a")]);
    let mut needy = worker("a");
    needy.needs = vec!["db".to_owned()];
    let missing = vec!["db".to_owned()];
    let needy = Wanted { policy: needy, missing: missing.clone(), restart: false };
    script.order(order(Strategy::OneForOne, vec![needy], Removed::Keep));
    assert!(script.actions.contains(&Action::Suspend { id: "a".to_owned(), missing }));
    script.order(order(Strategy::OneForOne, of(&["a"]), Removed::Keep));
    assert!(script.actions.contains(&Action::Resume { id: "a".to_owned() }));
}

#[test]
fn a_dynamic_supervisor_takes_exactly_one_template_and_its_children_adopt_it() {
    let mut script = Script::up(Strategy::Dynamic, vec![worker("a"), worker("b")]);
    for children in [of(&[]), of(&["x", "y"])] {
        let ticket = script.order(order(Strategy::Dynamic, children, Removed::Stop));
        assert!(matches!(script.answers(ticket)[..], [Err(Refusal::BadSpec { .. })]));
    }
    script.order(order(Strategy::Dynamic, vec![wanted(brutal("template"))], Removed::Stop));
    for id in ["a", "b"] {
        assert_eq!((script.life(id), script.child(id).policy.shutdown), (Life::Running, Shutdown::Brutal));
    }
    assert!(script.state.child("template").is_none());
}

#[test]
fn one_that_was_asked_to_stop_without_a_limit_has_the_new_one() {
    let mut patient = worker("a");
    patient.shutdown = Shutdown::Infinity;
    let mut script = Script::up(Strategy::OneForOne, vec![patient]);
    script.terminate("a");
    script.pass(S(600));
    assert_eq!(script.life("a").to_owned(), Life::Stopping { stage: crate::core::state::Stage::Asked });
    script.order(order(Strategy::OneForOne, of(&["a"]), Removed::Stop));
    script.pass(S(6));
    assert!(
        script.actions.contains(&Action::Kill { id: "a".into(), by: "stop deadline".into() }),
        "{:?}",
        script.state
    );
}

#[test]
fn a_child_whose_needs_are_taken_away_while_it_starts_is_told_that_nothing_is_missing() {
    let mut needy = worker("a");
    needy.needs = vec!["db".into()];
    let mut script = Script::begun(Strategy::OneForOne, vec![needy]);
    script.feed(Event::Dependency { path: "db".into(), up: false });
    script.actions.clear();
    let flags = script.state.flags;
    script.order(Order::Amend { flags, children: of(&["a"]) });
    script.started("a");
    let resume = Action::Resume { id: "a".into() };
    assert!(script.actions.contains(&resume), "{:?}", script.actions);
}

#[test]
fn restarts_that_a_smaller_budget_would_forget_still_count_when_it_is_taken_back() {
    let mut policy = optional("a");
    policy.budget = Some(Intensity::new(3, S(60)));
    let mut script = Script::up(Strategy::OneForOne, vec![policy.clone()]);
    for _ in 0..3 {
        script.exited("a", boom());
        script.started("a");
    }
    let flags = script.state.flags;
    for budget in [Some(Intensity::new(1, S(60))), None, policy.budget] {
        let policy = Policy { budget, ..policy.clone() };
        let wanted = Wanted { policy, missing: Vec::new(), restart: false };
        script.order(Order::Amend { flags, children: vec![wanted] });
    }
    script.exited("a", boom());
    assert!(matches!(script.life("a"), Life::Parked { .. }), "{:?}", script.life("a"));
}

#[test]
fn nor_is_a_child_left_suspended_whose_need_came_and_was_then_taken_away_while_it_starts() {
    let mut script = Script::up(Strategy::OneForOne, vec![optional("a")]);
    let (flags, mut policy) = (script.state.flags, optional("a"));
    policy.needs = vec!["db".into()];
    let needs = Wanted { policy, missing: vec!["db".into()], restart: false };
    script.order(Order::Amend { flags, children: vec![needs] });
    script.order(Order::Cycle { id: "a".into(), force: true });
    script.exited("a", Exit::shutdown()); // it starts, and is told that db is missing
    assert_eq!(script.life("a"), Life::Starting);
    script.feed(Event::Dependency { path: "db".into(), up: true });
    script.actions.clear();
    script.order(Order::Amend { flags, children: vec![wanted(optional("a"))] });
    script.started("a");
    assert!(script.actions.contains(&Action::Resume { id: "a".into() }), "{:?}", script.actions);
}
