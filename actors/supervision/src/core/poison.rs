//! Poison: a message that has ended two incarnations is not given to a third.

use super::{
    Action, Step, Time,
    explain::{Rule, seconds},
    state::State,
};
use crate::message::Fingerprint;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a message counts as poison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poison {
    /// So many incarnations must have ended with it in hand.
    pub deaths: u32,
    /// Within this time.
    pub window: Duration,
}

impl Default for Poison {
    /// Two deaths within an hour.
    fn default() -> Self {
        Self { deaths: 2, window: Duration::from_secs(3_600) }
    }
}

/// An incarnation that ended with a message in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The message.
    pub fingerprint: Fingerprint,
    /// The incarnation; 0 for one that stands for those before a release.
    pub incarnation: u64,
    /// When.
    pub at: Time,
}

/// Deaths remembered of one child; the oldest are forgotten.
const DEATHS_MAX: usize = 16;

/// An incarnation failed with a message in hand.
pub(super) fn in_hand(
    state: &mut State,
    id: &str,
    incarnation: u64,
    (fingerprint, name): (Fingerprint, &str),
    now: Time,
    step: &mut Step,
) {
    let Some(at) = state.find(id) else { return };
    let child = &mut state.children[at];
    let Some(rule) = child.policy.poison else { return };
    child.deaths.retain(|death| now.saturating_sub(death.at) <= rule.window && death.incarnation != incarnation);
    if child.deaths.len() == DEATHS_MAX {
        child.deaths.pop_front();
    }
    child.deaths.push_back(Death { fingerprint, incarnation, at: now });
    let deaths = child.deaths.iter().filter(|death| death.fingerprint == fingerprint).count();
    let deaths = u32::try_from(deaths).unwrap_or(u32::MAX);
    if deaths < rule.deaths {
        return;
    }
    step.actions.push(Action::Poison { id: id.to_owned(), fingerprint, deaths });
    let times = if deaths == 1 { "once".to_owned() } else { format!("{deaths} times") };
    let text = format!("{name:?} {fingerprint} was in hand {times} when it failed: parked as poison");
    let decision = step.note(&state.children[at], now, Rule::Poisoned, &text);
    decision.reason = Some(format!("{} deaths within {} make poison", rule.deaths, seconds(rule.window)));
    decision.rejected.push("handle it again: not until an operator releases it".to_owned());
}

/// An operator lets a parked message pass: once (`forget` is false), or as if it had never done harm.
pub(super) fn pardoned(
    state: &mut State,
    id: &str,
    fingerprint: Fingerprint,
    forget: bool,
    now: Time,
    step: &mut Step,
) {
    let Some(at) = state.find(id) else { return };
    let child = &mut state.children[at];
    child.deaths.retain(|death| death.fingerprint != fingerprint);
    if !forget {
        let spared = child.policy.poison.map_or(0, |rule| rule.deaths.saturating_sub(1));
        // One more death, and it is parked again.
        let before = Death { fingerprint, incarnation: 0, at: now };
        child.deaths.extend(std::iter::repeat_n(before, spared as usize));
    }
    let text = if forget {
        format!("poison {fingerprint} is forgotten")
    } else {
        format!("poison {fingerprint} is released: one more try")
    };
    step.note(&state.children[at], now, Rule::Pardoned, &text).because("an operator's order");
}
