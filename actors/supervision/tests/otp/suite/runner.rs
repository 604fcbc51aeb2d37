//! Runs a case on a runtime of its own, with a limit to the virtual and to the real time it may take.

use std::{any::Any, future::Future, pin::Pin, sync::mpsc, time::Duration};

/// A case takes no longer, by its own clock: what waits for ever is a failure. Nothing in the suite needs an hour.
const VIRTUAL_MAX: Duration = Duration::from_secs(10 * 3600);
/// Nor longer by the wall: what spins is a failure too. Cases take milliseconds, the two of scale some seconds.
const REAL_MAX: Duration = Duration::from_secs(60);
/// Cases that measure, or that block a thread: in real time, on threads enough.
const REAL: [&str; 3] =
    ["one_for_all", "simple_one_for_one_scale_many_temporary_children", "scale_start_stop_many_children"];

/// A case, ready to run.
pub(crate) type Case = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// What a case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As OTP behaves.
    Pass,
    /// Otherwise, and how.
    Fail(String),
    /// The library has no notion of what it needs.
    NotOffered(&'static str),
}

/// What [`super::system::not_offered`] ends a case with.
pub(crate) struct NotOffered(pub(crate) &'static str);

/// Runs the case called `name` on a thread of its own. One that hangs keeps its thread.
pub(crate) fn run(name: &str, case: Case) -> Outcome {
    let real = REAL.contains(&name);
    let (tell, told) = mpsc::sync_channel(1);
    let ran = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let outcome = std::panic::catch_unwind(|| judge(real, case));
        tell.send(outcome.unwrap_or_else(|panic| verdict(panic.as_ref()))).ok(); // nobody waits any longer
    });
    if let Err(error) = ran {
        return Outcome::Fail(format!("no thread to run on: {error}"));
    }
    told.recv_timeout(REAL_MAX).unwrap_or_else(|_| Outcome::Fail(format!("hung: no end in {REAL_MAX:?}")))
}

fn judge(real: bool, case: Case) -> Outcome {
    let runtime = if real {
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()
    };
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let done = runtime.block_on(async { tokio::time::timeout(VIRTUAL_MAX, case()).await });
    runtime.shutdown_background();
    match done {
        Ok(()) => Outcome::Pass,
        Err(_) => Outcome::Fail(format!("hung: no end in {VIRTUAL_MAX:?} of its own time")),
    }
}

fn verdict(panic: &(dyn Any + Send)) -> Outcome {
    if let Some(NotOffered(what)) = panic.downcast_ref() {
        return Outcome::NotOffered(what);
    }
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    Outcome::Fail(text.unwrap_or("it panicked").to_owned())
}
