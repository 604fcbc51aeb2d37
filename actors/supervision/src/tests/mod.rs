//! The kernel with live actors under paused time. Each file tests one promise.

mod address;
mod administration;
mod crash;
mod faults;
mod journal;
mod left_behind;
mod meanwhile;
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

/// Processor time of this thread so far, in seconds: what it was given, whatever else the machine does.
fn busy() -> f64 {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux keeps it");
    let nanos: u64 = account.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).expect("a number");
    nanos as f64 / 1e9
}
