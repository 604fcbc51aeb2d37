//! Who makes no progress: what a reading means, and the way from a warning to the restart rule.

use super::script::*;
use crate::{
    core::{
        Action, Event, Life, Order, Rule, check,
        policy::{Backoff, Intensity, Policy, Probe, Restart, Shutdown, Strategy},
        probe::{Activity, Finding, Reading, activity},
        respec::{Removed, Wanted},
        state::Stage,
    },
    exit::Exit,
};
use std::time::Duration;

const STALL: Duration = Duration::from_secs(10);

fn watched(id: &str) -> Policy {
    let mut policy = optional(id);
    policy.probe = Some(Probe::new(S(1), STALL));
    policy.budget = Some(Intensity::new(5, S(600)));
    policy
}

fn up(policy: Policy) -> Script {
    Script::up(Strategy::OneForOne, vec![policy])
}

impl Script {
    fn probed(&mut self, activity: Activity, lasted: Duration) {
        let incarnation = self.child("a").incarnation;
        let finding = Finding { activity, lasted, message: Some("say".into()) };
        self.feed(Event::Probed { id: "a".into(), incarnation, finding });
    }

    fn rules(&self) -> Vec<Rule> {
        self.decisions.iter().map(|(_, rule, _)| *rule).collect()
    }
}

#[test]
fn a_reading_tells_idle_busy_awaiting_stuck_and_starved_apart() {
    let idle = Reading::default();
    let (brief, long, patience) = (Some(MS(10)), Some(S(7)), S(5));
    let busy = Reading { handling: long, polled: brief, ..idle };
    let table = [
        (idle, Activity::Idle),
        (Reading { waiting: 3, polled: long, ..idle }, Activity::Idle),
        (Reading { waiting: 3, late: S(6), ..idle }, Activity::Starved),
        (Reading { late: S(6), ..idle }, Activity::Idle),
        (busy, Activity::Busy),
        (Reading { polling: brief, ..busy }, Activity::Busy),
        (Reading { polled: long, ..busy }, Activity::Awaiting),
        (Reading { polled: long, late: S(6), ..busy }, Activity::Starved),
        (Reading { polled: long, polling: long, ..busy }, Activity::Stuck),
        // The one that is stuck is what makes its runtime late: it is the culprit, not a victim.
        (Reading { polled: long, polling: long, late: S(6), ..busy }, Activity::Stuck),
    ];
    for (reading, expected) in table {
        assert_eq!(activity(&reading, patience).0, expected, "{reading:?}");
    }
    assert_eq!(activity(&Reading { polled: long, polling: long, ..busy }, patience).1, S(7));
}

#[test]
fn a_running_child_is_looked_at_once_a_period_and_one_that_is_down_is_not() {
    let mut script = up(watched("a"));
    script.pass(S(5));
    let looks = |script: &Script| script.actions.iter().filter(|action| matches!(action, Action::Probe { .. })).count();
    assert!((4..=5).contains(&looks(&script)), "{:?}", script.actions);
    script.terminate("a");
    script.exited("a", Exit::shutdown());
    script.actions.clear();
    script.pass(S(5));
    assert_eq!(looks(&script), 0);
    assert!(script.decisions.iter().all(|(_, rule, _)| !matches!(rule, Rule::Slow | Rule::Stalled)));
}

/// X6: the process was stopped for five minutes, and what was in the middle of something looks stuck for as long.
#[test]
fn a_look_that_overslept_itself_says_nothing_and_the_next_one_does() {
    let mut script = up(watched("a"));
    script.pass(S(3));
    script.actions.clear();
    script.now += S(300);
    let looks = |script: &Script| script.actions.iter().filter(|action| matches!(action, Action::Probe { .. })).count();
    script.pass(S(0));
    assert_eq!(looks(&script), 0, "one timer is due, and it is the late one");
    script.pass(S(1));
    assert_eq!(looks(&script), 1, "it is looked at a period later, when it has had time to go on");
    for late in 1..=4 {
        script.actions.clear();
        script.now += S(300);
        script.pass(S(0));
        assert_eq!(looks(&script), usize::from(late % 2 == 0), "at most one in a row is left out");
    }
}

/// That the last look of one life overslept says nothing about the next life.
#[test]
fn a_look_that_one_life_left_out_is_not_counted_against_the_next() {
    let overslept = |script: &mut Script| {
        script.actions.clear();
        script.now += S(300);
        script.pass(S(0));
        script.actions.iter().filter(|action| matches!(action, Action::Probe { .. })).count()
    };
    let mut script = up(watched("a"));
    assert_eq!(overslept(&mut script), 0);
    script.exited("a", boom());
    script.started("a");
    assert_eq!(overslept(&mut script), 0, "its first look is the first that it leaves out");
    assert_eq!(overslept(&mut script), 1);

    // So it is with one that is watched anew.
    assert_eq!(overslept(&mut script), 0);
    let flags = script.state.flags;
    for policy in [optional("a"), watched("a")] {
        let children = vec![Wanted { policy, missing: Vec::new(), restart: false }];
        script.order(Order::Amend { flags, children });
    }
    assert_eq!(overslept(&mut script), 0);
}

/// What is left behind has ended as far as its path is concerned: for its restart rule, it was up until it got stuck.
#[test]
fn the_time_up_of_what_was_left_behind_counts_for_it_and_not_for_its_successor() {
    let mut policy = watched("a");
    policy.overlap_ok = true;
    policy.backoff = Some(Backoff { reset_after: S(60), jitter: 0.0, ..Backoff::doubling(S(1), S(1_000)) });
    let mut script = up(policy);
    let waits = |script: &Script| match script.life("a") {
        Life::Waiting { until, .. } => until - script.now,
        other => panic!("{other:?}"),
    };
    for seconds in [1, 2] {
        script.exited("a", boom());
        assert_eq!(waits(&script), S(seconds));
        script.pass(S(seconds));
        script.started("a");
    }
    script.pass(S(100));
    let (before, since) = (script.child("a").incarnation, script.now);
    script.probed(Activity::Stuck, STALL);
    while !matches!(script.life("a"), Life::Waiting { .. }) && script.now < since + S(20) {
        script.pass(MS(100));
    }
    assert_eq!(script.child("a").failures, 1, "it was up for longer than it takes to begin anew");
    script.pass(S(1));
    assert_eq!((script.child("a").incarnation, script.life("a")), (before + 1, Life::Starting));
    script.pass(S(20));
    script.exited("a", Exit::StartFailed { child: None, cause: Box::new(boom()) });
    assert_eq!(waits(&script), S(2), "this one was never up");
}

#[test]
fn what_is_stuck_is_warned_about_once_then_stopped_and_restarted_with_the_stall_as_the_cause() {
    let mut script = up(watched("a"));
    script.probed(Activity::Stuck, S(5));
    script.probed(Activity::Stuck, S(6));
    assert_eq!(script.rules(), [Rule::Slow]);
    assert!(script.last("a", Rule::Slow).text.contains("stuck in synchronous code for 5.0 s in \"say\""));
    script.probed(Activity::Stuck, S(10));
    assert_eq!(script.rules(), [Rule::Slow, Rule::Stalled, Rule::Stop]);
    assert_eq!(script.last("a", Rule::Stalled).cause, Some(Exit::Stalled));
    let blamed = script.actions.iter().position(|it| matches!(it, Action::Blame { exit: Exit::Stalled, .. }));
    let asked = script.actions.iter().position(|it| matches!(it, Action::AskStop { .. }));
    assert!(blamed.is_some() && blamed < asked, "{:?}", script.actions);
    script.probed(Activity::Stuck, S(11));
    assert_eq!(script.rules().len(), 3, "one that is being stopped is left to the ladder");
    script.pass(MS(5_600));
    assert_eq!(script.life("a"), Life::Stopping { stage: Stage::Aborted });
    script.exited("a", Exit::Killed { by: "stop deadline".into() });
    assert_eq!(script.last("a", Rule::Restart).cause, Some(Exit::Stalled));
    assert_eq!((script.child("a").last_exit.clone(), script.spawned()), (Some(Exit::Stalled), vec!["a".to_owned()]));
}

#[test]
fn a_transient_child_that_obeys_the_stop_of_a_stall_is_restarted_all_the_same() {
    let mut policy = watched("a");
    policy.restart = Restart::Transient;
    let mut script = up(policy);
    script.probed(Activity::Stuck, STALL);
    script.exited("a", Exit::shutdown());
    assert_eq!(script.spawned(), ["a"]);
    script.started("a");
    script.terminate("a");
    script.exited("a", Exit::shutdown());
    assert_eq!(script.child("a").last_exit, Some(Exit::shutdown()), "the stall is the first one's, not the next one's");
}

#[test]
fn what_awaits_is_only_warned_about_unless_its_policy_says_otherwise() {
    let mut script = up(watched("a"));
    script.probed(Activity::Awaiting, S(3600));
    script.probed(Activity::Awaiting, S(3601));
    assert_eq!((script.rules(), script.life("a")), (vec![Rule::Slow], Life::Running));
    let mut policy = watched("a");
    policy.probe = Some(Probe { kill_awaiting: true, ..Probe::new(S(1), STALL) });
    let mut script = up(policy);
    script.probed(Activity::Awaiting, STALL);
    assert_eq!(script.life("a"), Life::Stopping { stage: Stage::Asked });
}

#[test]
fn who_is_starved_is_never_ended_for_it_and_progress_is_noted() {
    let mut script = up(watched("a"));
    script.probed(Activity::Starved, S(3600));
    assert_eq!((script.rules(), script.life("a")), (vec![Rule::Slow], Life::Running));
    script.probed(Activity::Busy, Duration::ZERO);
    script.probed(Activity::Idle, Duration::ZERO);
    assert_eq!(script.rules(), [Rule::Slow, Rule::Progress]);
    script.probed(Activity::Stuck, S(6));
    assert_eq!(script.rules(), [Rule::Slow, Rule::Progress, Rule::Slow], "the next time it is said again");
}

#[test]
fn a_stalled_worker_that_may_take_any_time_to_stop_is_killed_all_the_same() {
    let mut policy = watched("a");
    policy.shutdown = Shutdown::Infinity;
    let mut script = up(policy);
    script.probed(Activity::Stuck, STALL);
    script.pass(S(10));
    assert_eq!(script.life("a"), Life::Quarantined);
    assert_eq!(script.last("a", Rule::Quarantine).cause, Some(Exit::Stalled));
}

#[test]
fn what_is_left_behind_is_counted_and_its_path_used_again_only_where_that_is_allowed() {
    let left = |script: &Script| {
        script.actions.iter().filter(|it| matches!(it, Action::LeaveBehind { id, incarnation: 1 } if id == "a")).count()
    };
    let mut script = up(watched("a"));
    script.probed(Activity::Stuck, STALL);
    script.pass(S(60));
    assert_eq!((left(&script), script.life("a"), script.spawned().len()), (1, Life::Quarantined, 0));

    let mut policy = watched("a");
    policy.overlap_ok = true;
    let mut script = up(policy);
    script.probed(Activity::Stuck, STALL);
    script.pass(S(7));
    assert_eq!((left(&script), script.life("a")), (1, Life::Starting));
    assert_eq!((script.child("a").incarnation, script.spawned()), (2, vec!["a".to_owned()]));
    assert_eq!(script.last("a", Rule::Restart).cause, Some(Exit::Stalled));
    script.started("a");
    script.feed(Event::Exited { id: "a".into(), incarnation: 1, exit: Exit::Stalled });
    assert_eq!(script.life("a"), Life::Running, "the late end of the first is not the second's");
}

#[test]
fn too_many_left_behind_end_the_tree_in_order_by_name() {
    let mut script = Script::up(Strategy::OneForOne, vec![worker("a"), worker("b")]);
    script.feed(Event::Overrun { left: vec!["x#1".into(), "y#3".into()], max: 1 });
    let text = &script.last("", Rule::Overrun).text;
    assert!(text.contains("x#1, y#3") && text.contains("at most 1"), "{text}");
    script.exited("b", Exit::shutdown());
    script.exited("a", Exit::shutdown());
    let Some(Exit::Shutdown { info: Some(info) }) = script.exit() else { panic!("{:?}", script.exit()) };
    assert!(info.contains("x#1, y#3"), "{info}");
}

#[test]
fn new_rules_take_hold_while_it_runs_and_while_it_stops() {
    let respecify = |script: &mut Script, policy: Policy| {
        let children = vec![Wanted { policy, missing: Vec::new(), restart: false }];
        let flags = script.state.flags;
        script.order(Order::Respecify { flags, children, removed: Removed::Keep });
    };
    let mut script = up(optional("a"));
    respecify(&mut script, watched("a"));
    script.pass(S(2));
    assert!(script.actions.iter().any(|action| matches!(action, Action::Probe { .. })), "it is looked at from now on");

    let mut patient = optional("a");
    patient.shutdown = Shutdown::Infinity;
    let mut script = up(patient);
    script.terminate("a");
    script.pass(S(3600));
    assert_eq!(script.life("a"), Life::Stopping { stage: Stage::Asked });
    respecify(&mut script, optional("a"));
    script.pass(S(6));
    assert!(script.life("a") != Life::Stopping { stage: Stage::Asked }, "it has a deadline now");
}

#[test]
fn a_probe_without_a_period_or_a_limit_and_one_that_looks_too_seldom_are_refused() {
    let with = |every, stall| {
        let mut policy = worker("a");
        policy.probe = Some(Probe::new(every, stall));
        check(None, &policy)
    };
    assert!(with(S(1), S(10)).is_ok());
    for (every, stall) in [(S(0), S(10)), (S(1), S(0)), (S(11), S(10))] {
        assert!(with(every, stall).is_err_and(|said| said.reason.contains("probe")), "{every:?} {stall:?}");
    }
}

#[test]
fn time_spent_stuck_is_no_time_of_health() {
    let mut policy = watched("a");
    policy.budget = Some(Intensity::new(100, S(10_000)));
    policy.backoff = Some(Backoff { jitter: 0.0, ..Backoff::doubling(S(1), S(600)) });
    let reset_after = policy.backoff.map(|rule| rule.reset_after).unwrap();
    let mut script = up(policy);
    for expected in [S(1), S(2), S(4)] {
        script.now += reset_after + S(1);
        script.probed(Activity::Stuck, reset_after); // healthy for a second, then stuck
        script.exited("a", Exit::shutdown());
        let Life::Waiting { until, .. } = script.life("a") else { panic!("{:?}", script.life("a")) };
        assert_eq!(until - script.now, expected);
        script.pass(expected);
        script.started("a");
    }
}
