//! The process's own words on standard output and error. Saying them cannot fail (nobody may be listening) and waits for
//! no reader for long: a stuck pipe does not keep the process from ending.

use std::{
    io::Write,
    sync::mpsc::{Sender, channel},
    time::Duration,
};

/// How long a reader may keep the process waiting.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Writes a sentence to standard error, after the program's name.
pub fn problem(sentence: &str) {
    let text = format!("impresario: {}\n", sentence.trim_end());
    bounded(move |done| {
        std::io::stderr().write_all(text.as_bytes()).ok(); // nobody is left to tell
        done.send(()).ok(); // it was too late
    });
}

/// Runs `write` on a thread of its own and waits for its word, [`PATIENCE`] at most; false: it has not come.
pub fn bounded(write: impl FnOnce(Sender<()>) + Send + 'static) -> bool {
    let (done, waited) = channel();
    let begun = std::thread::Builder::new().name("console".to_owned()).spawn(move || write(done));
    begun.is_ok() && waited.recv_timeout(PATIENCE).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_never_reads_is_not_waited_for() {
        let (hold, held) = channel::<()>();
        assert!(!bounded(move |done| {
            held.recv().ok();
            drop(done);
        }));
        drop(hold);
        assert!(bounded(|done| done.send(()).unwrap()));
    }
}
