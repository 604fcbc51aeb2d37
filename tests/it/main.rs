//! Black box: the real process against the stand-in for Discord, over real sockets. A module for each promise.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test is a thread of its own: what it waits for is another process")]

mod architecture;
mod boot;
mod bursts;
mod cancellation;
mod commands;
mod crashes;
mod deploy;
mod descriptors;
mod disks;
mod emoji;
mod fault_table;
mod faulty;
mod floods;
mod foreign;
mod gateway;
mod harness;
mod kills;
mod logs;
mod malformed;
mod memory;
mod notify;
mod outages;
mod persistence;
mod ping;
mod pipes;
mod probes;
mod refusals;
mod reload;
mod reports;
mod restarts;
mod sharding;
mod signals;
mod silence;
mod standing;
mod stopped;
mod suspension;
mod sync;
mod tasks;
mod tryout;
mod unsaved;
