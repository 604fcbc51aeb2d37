//! Boot and shutdown.

use crate::{Label::Subsystem, Metric};

static BOOT: Metric =
    Metric::histogram("impresario_boot_phase_duration_seconds", &[Subsystem], 32, "Time of a boot phase");
static SHUTDOWN: Metric =
    Metric::histogram("impresario_shutdown_step_duration_seconds", &[Subsystem], 32, "Time of a shutdown step");

pub(crate) static METRICS: &[&Metric] = &[&BOOT, &SHUTDOWN];

/// The boot phase `name` (a fixed word) ended after `seconds`.
pub fn phase(name: &'static str, seconds: f64) {
    BOOT.observe([name.into()], seconds);
}

/// The shutdown step `name` (a fixed word) ended after `seconds`.
pub fn shutdown_step(name: &'static str, seconds: f64) {
    SHUTDOWN.observe([name.into()], seconds);
}
