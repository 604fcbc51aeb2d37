//! A process's standard error, read as it comes.

use super::PATIENCE;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Instant,
};

#[derive(Default)]
struct Kept {
    lines: Vec<String>,
    ended: bool,
}

/// Lines so far. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Kept>, Condvar)>);

impl Log {
    /// Reads `from` to its end on a thread of its own.
    pub(crate) fn follow(from: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let Self(shared) = log.clone();
        thread::spawn(move || {
            let (kept, changed) = &*shared;
            for line in BufReader::new(from).split(b'\n') {
                let Ok(line) = line else { break };
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .lines
                    .push(String::from_utf8_lossy(&line).into_owned());
                changed.notify_all();
            }
            kept.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
            changed.notify_all();
        });
        log
    }

    /// Every line so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).lines.clone()
    }

    /// Every line so far that is a JSON object.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How many lines there are: what comes later comes after this.
    pub(crate) fn mark(&self) -> usize {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).lines.len()
    }

    /// Waits for a record.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, fits: impl FnMut(&Value) -> bool) -> Value {
        self.wait_after(0, what, fits)
    }

    /// Waits for a record after a mark.
    #[track_caller]
    pub(crate) fn wait_after(&self, mark: usize, what: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
        let (kept, changed) = &*self.0;
        let (begun, mut at) = (Instant::now(), mark);
        let mut held = kept.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while let Some(line) = held.lines.get(at) {
                at += 1;
                if let Ok(record) = serde_json::from_str(line)
                    && fits(&record)
                {
                    return record;
                }
            }
            assert!(!held.ended, "the log ended without {what}:\n{}", tail(&held.lines));
            let left = PATIENCE.saturating_sub(begun.elapsed());
            assert!(!left.is_zero(), "the log never showed {what}:\n{}", tail(&held.lines));
            held = changed.wait_timeout(held, left).unwrap().0;
        }
    }

    /// Waits for a message that holds `part`.
    #[track_caller]
    pub(crate) fn wait_message(&self, part: &str) -> Value {
        self.wait(part, |record| message(record).contains(part))
    }

    /// Waits until the process has closed it.
    pub(crate) fn wait_end(&self) {
        let (kept, changed) = &*self.0;
        let held = kept.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_timeout_while(held, PATIENCE, |kept| !kept.ended).unwrap());
    }

    /// The last lines, for messages.
    pub(crate) fn tail(&self) -> String {
        tail(&self.0.0.lock().unwrap_or_else(PoisonError::into_inner).lines)
    }
}

/// A record's message.
pub(crate) fn message(record: &Value) -> &str {
    record["message"].as_str().unwrap_or_default()
}

fn tail(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(60)..].join("\n")
}
