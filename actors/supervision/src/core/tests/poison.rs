//! A message that has ended two incarnations is not given to a third.

use super::script::*;
use crate::{
    Fingerprint,
    core::{
        Action, Event, Rule, check,
        policy::{Poison, Policy, Strategy},
    },
};

fn careful() -> Policy {
    let mut policy = optional("a");
    policy.poison = Some(Poison { deaths: 2, window: S(60) });
    policy
}

impl Script {
    /// `a` dies with this message in hand and comes up again.
    fn dies_of(&mut self, fingerprint: u64) {
        let (id, incarnation) = ("a".to_owned(), self.child("a").incarnation);
        let (fingerprint, name) = (Fingerprint(fingerprint), "say".to_owned());
        self.feed(Event::InHand { id, incarnation, fingerprint, name });
        self.exited("a", boom());
        self.started("a");
    }

    fn parked(&mut self) -> Vec<(u64, u32)> {
        let parked = self.actions.iter().filter_map(|action| match action {
            Action::Poison { fingerprint, deaths, .. } => Some((fingerprint.0, *deaths)),
            _ => None,
        });
        let parked = parked.collect();
        self.actions.clear();
        parked
    }
}

#[test]
fn the_second_death_parks_and_other_messages_between_do_not_matter() {
    let mut script = Script::up(Strategy::OneForOne, vec![careful()]);
    script.dies_of(7);
    script.dies_of(8);
    assert_eq!(script.parked(), []);
    script.dies_of(7);
    assert_eq!(script.parked(), [(7, 2)]);
    let decision = script.last("a", Rule::Poisoned);
    assert!(decision.text.contains("0000000000000007") && decision.text.contains("2 times"), "{}", decision.text);
}

#[test]
fn deaths_that_lie_further_apart_than_the_window_and_two_reports_of_one_death_do_not_park() {
    let mut script = Script::up(Strategy::OneForOne, vec![careful()]);
    script.dies_of(7);
    script.pass(S(61));
    script.dies_of(7);
    assert_eq!(script.parked(), []);
    let incarnation = script.child("a").incarnation;
    for _ in 0..3 {
        let (id, name) = ("a".to_owned(), "say".to_owned());
        script.pass(S(61));
        script.feed(Event::InHand { id, incarnation, fingerprint: Fingerprint(9), name });
    }
    assert_eq!(script.parked(), []);
}

#[test]
fn a_released_message_is_parked_again_after_one_death_and_a_forgotten_one_after_two() {
    let mut script = Script::up(Strategy::OneForOne, vec![careful()]);
    let pardon = |forget| Event::Pardoned { id: "a".into(), fingerprint: Fingerprint(7), forget };
    script.dies_of(7);
    script.dies_of(7);
    script.feed(pardon(false));
    script.parked();
    script.dies_of(7);
    assert_eq!(script.parked(), [(7, 2)]);
    script.feed(pardon(true));
    script.dies_of(7);
    assert_eq!(script.parked(), []);
    script.dies_of(7);
    assert_eq!(script.parked(), [(7, 2)]);
}

#[test]
fn without_the_rule_nothing_is_parked_and_a_rule_that_says_nothing_is_refused() {
    let mut script = Script::up(Strategy::OneForOne, vec![optional("a")]);
    for _ in 0..5 {
        script.dies_of(7);
    }
    assert_eq!(script.parked(), []);
    for poison in [Poison { deaths: 0, window: S(1) }, Poison { deaths: 1, window: S(0) }] {
        let mut policy = careful();
        policy.poison = Some(poison);
        assert!(check(None, &policy).is_err());
    }
}
