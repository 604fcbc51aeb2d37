//! Where lines go: a thread of its own writes them, so that a stuck or closed standard error holds nobody up.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

/// Lines that wait to be written; further ones are dropped and counted.
pub const LINES_WAITING_MAX: usize = 8192;
/// Lines written with one system call, at most.
const BATCH_MAX: usize = 256;

enum Job {
    Line(String),
    Flush(SyncSender<()>),
}

/// Takes lines without ever waiting.
#[derive(Clone)]
pub(crate) struct Sink {
    jobs: SyncSender<Job>,
    dropped: Arc<AtomicU64>,
}

impl Sink {
    /// Starts the thread that writes to `out`. `notice` makes the line that tells of dropped ones.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(crate) fn start(
        out: Box<dyn Write + Send>,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(LINES_WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let sink = Self { jobs, dropped: Arc::clone(&dropped) };
        let run = move || write_lines(&waiting, out, &dropped, notice);
        std::thread::Builder::new().name("log".to_owned()).spawn(run)?;
        Ok(sink)
    }

    /// Hands over a line; it ends with a newline.
    pub(crate) fn line(&self, line: String) {
        if self.jobs.try_send(Job::Line(line)).is_err() {
            self.drop_one();
        }
    }

    /// Waits until everything handed over so far is written, at most `timeout`; false: it was not.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let (written, done) = sync_channel(1);
        match self.jobs.try_send(Job::Flush(written)) {
            Ok(()) => done.recv_timeout(timeout).is_ok(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Lines dropped since the process began.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        metering::logs::line_dropped();
    }
}

fn write_lines(
    waiting: &Receiver<Job>,
    mut out: Box<dyn Write + Send>,
    dropped: &AtomicU64,
    notice: impl Fn(u64) -> String,
) {
    let mut told = 0;
    while let Ok(first) = waiting.recv() {
        let (mut batch, mut lines, mut flushes) = (String::new(), 0, Vec::new());
        for job in std::iter::once(first).chain(waiting.try_iter().take(BATCH_MAX)) {
            match job {
                Job::Line(line) => {
                    batch.push_str(&line);
                    lines += 1;
                }
                Job::Flush(written) => flushes.push(written),
            }
        }
        let lost = dropped.load(Ordering::Relaxed);
        if lost > told {
            batch.push_str(&notice(lost - told));
            told = lost;
        }
        if out.write_all(batch.as_bytes()).and_then(|()| out.flush()).is_err() {
            // Standard error is closed or full: nothing can be said about it there. The counter says it.
            told += lines;
            dropped.fetch_add(lines, Ordering::Relaxed);
            (0..lines).for_each(|_| metering::logs::line_dropped());
        }
        flushes.into_iter().for_each(|written| {
            written.try_send(()).ok(); // whoever flushed has stopped waiting
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(Error::from(ErrorKind::BrokenPipe))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Accepts nothing until it is released.
    struct Stuck(Receiver<()>);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.recv().ok();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_standard_error_costs_lines_and_nothing_else() {
        let sink = Sink::start(Box::new(Closed), |n| format!("{n} dropped\n")).unwrap();
        sink.line("one\n".into());
        sink.line("two\n".into());
        assert!(sink.flush(Duration::from_secs(10)));
        assert_eq!(sink.dropped(), 2);
    }

    #[test]
    fn a_stuck_standard_error_holds_nobody_up() {
        let (release, held) = sync_channel(1);
        let sink = Sink::start(Box::new(Stuck(held)), |n| format!("{n} dropped\n")).unwrap();
        for n in 0..LINES_WAITING_MAX + BATCH_MAX + 100 {
            sink.line(format!("{n}\n"));
        }
        assert!(sink.dropped() > 0, "the queue is bounded");
        assert!(!sink.flush(Duration::from_millis(1)), "flush gives up in time");
        drop(release);
    }
}
