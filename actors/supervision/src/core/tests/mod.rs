//! The core alone: hand-made situations, and a simulation that makes up its own.

mod carried;
mod causes;
mod draining;
mod explore;
mod ignoring;
mod model;
mod needs;
mod orders;
mod parked;
mod poison;
mod probe;
mod respec;
mod rounds;
mod script;
mod simulation;
mod stopping;
mod waiting;
mod written;

use super::{
    Event, Step, Time, decide,
    policy::Shutdown,
    state::{Child, Life, State},
};

/// Decides as the journal's reader does: from the texts of state and event. It must come to the same, to the last bit.
fn decide_twice(state: &mut State, event: Event, now: Time) -> Step {
    if state.children.len() > 20 {
        return decide(state, event, now); // the text of thousands at each step takes minutes
    }
    let mut twin: State = read(&text(state));
    let again = decide(&mut twin, read(&text(&event)), read(&text(&now)));
    let (said, shown) = (text(&event), text(state));
    let step = decide(state, event, now);
    assert_eq!(again.decisions, step.decisions, "{said} at {now:?} in {shown}");
    assert_eq!(again.actions, step.actions, "{said} at {now:?} in {shown}");
    assert_eq!(text(&twin), text(state), "{said} at {now:?} in {shown}");
    step
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it has a text")
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Whether something will still happen to `child`, which has a timer or has none, unless it need not.
fn goes_on(child: &Child, timed: bool) -> bool {
    match &child.life {
        Life::Starting | Life::Waiting { .. } => timed,
        Life::Stopping { .. } => timed || child.policy.shutdown == Shutdown::Infinity,
        Life::Parked { retry_at, .. } => retry_at.is_none() || timed,
        Life::Held => !child.missing.is_empty(),
        Life::Down | Life::Running | Life::Quarantined => true,
    }
}
