//! Signals, from before anything else starts.

use std::io;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

/// What somebody outside wants of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGINT or SIGTERM: stop. Again: faster. A third time: at once.
    Stop(&'static str),
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Wishes that wait; more than a few mean the same.
const WAITING: usize = 8;

/// Listens from now on. SIGPIPE is left ignored, as Rust's runtime has it: a closed pipe is an error value.
///
/// # Errors
/// The system refused a handler.
pub fn listen() -> io::Result<mpsc::Receiver<Wish>> {
    // Once listened to it no longer kills: a file that may not grow (LimitFSIZE= of a unit) is an error value as well.
    drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
    let (wishes, wished) = mpsc::channel(WAITING);
    for (kind, wish) in [
        (SignalKind::interrupt(), Wish::Stop("SIGINT")),
        (SignalKind::terminate(), Wish::Stop("SIGTERM")),
        (SignalKind::hangup(), Wish::Reload),
    ] {
        tokio::spawn(pass_on(signal(kind)?, wish, wishes.clone()));
    }
    Ok(wished)
}

async fn pass_on(mut signal: Signal, wish: Wish, wishes: mpsc::Sender<Wish>) {
    while signal.recv().await.is_some() {
        if wishes.send(wish).await.is_err() {
            return; // the process is past listening
        }
    }
}
