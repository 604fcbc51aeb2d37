//! The kernel with live actors under paused time. Each file tests one promise.

mod address;
mod administration;
mod order;
mod probe;
mod restart;
mod shutdown;
mod suspension;
