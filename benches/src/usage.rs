//! What the kernel says of a process: processor time, memory; and where it may run.

use crate::Failure;
use std::{fs, time::Duration};

/// Clock ticks per second in /proc on every Linux that Rust supports (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// Processor time of process `pid` so far, user and system, all of its threads; in steps of 10 ms.
///
/// # Errors
/// When the process is gone.
pub fn cpu(pid: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; utime and stime are the 12th and 13th fields after it.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).ok_or("/proc/PID/stat has no name")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Busy time of all cores so far, whoever used them.
///
/// # Errors
/// When /proc cannot be read.
pub fn machine() -> Result<Duration, Failure> {
    let stat = fs::read_to_string("/proc/stat")?;
    let all: Vec<u64> =
        stat.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let ticks: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|at| all.get(*at)).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Resident memory of process `pid`, in kilobytes (1,024 bytes).
///
/// # Errors
/// When the process is gone.
pub fn rss_kb(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().next().unwrap_or("").parse()?)
}

/// Keeps this thread, and threads and processes that it starts from now on, on one core. Best effort: a machine with a
/// single core has no other.
pub fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).ok(); // it then runs wherever it may
}

/// Processor time of this thread so far, in nanoseconds.
///
/// # Errors
/// When the kernel keeps no such account.
pub fn thread_nanos() -> Result<u64, Failure> {
    let account = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(account.split_whitespace().next().ok_or("/proc/thread-self/schedstat is empty")?.parse()?)
}
