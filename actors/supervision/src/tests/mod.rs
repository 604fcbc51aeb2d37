//! The kernel with live actors under paused time. Each file tests one promise.

mod address;
mod administration;
mod crash;
mod faults;
mod journal;
mod left_behind;
mod order;
mod poison;
mod probe;
mod races;
mod record;
mod respec;
mod restart;
mod rules;
mod scale;
mod shutdown;
mod significant;
mod simulation;
mod stalled;
mod stop;
mod suspension;
mod traps;

/// Whether the long campaigns are asked for (`scripts/test --full`).
pub(crate) fn full_tier() -> bool {
    std::env::var("IMPRESARIO_TIER").is_ok_and(|tier| tier == "full")
}
