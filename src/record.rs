//! How a process ended, for the next one and for whoever asks while none runs: two small files in the data folder.
//!
//! `running.json` is there while a process runs, and its time of change is when that process was last alive. An orderly
//! end writes `last-shutdown.json` whole or not at all and removes it. Who finds it holds the folder's lock, so whoever
//! wrote it is dead, and did not end in order.

use crate::{VERSION, folder::bounded, shutdown::EndReport, wire::stamp};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const RUNNING: &str = "running.json";
const LAST: &str = "last-shutdown.json";
/// More bytes than this are not ours.
const BYTES_MAX: u64 = 256 << 10;
/// How often a running process notes that it is alive.
pub const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// How long reading or noting may take; what takes longer goes on behind, and nobody waits for it.
const LIMIT: Duration = Duration::from_secs(2);

/// Which process it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// The program's version.
    pub version: String,
    /// When it began, RFC 3339.
    pub started_at: String,
}

/// A process's own record while it runs.
#[derive(Debug, Clone)]
pub struct Record {
    folder: PathBuf,
    process: Process,
}

/// How the process before ended: a stable schema, `{"clean": true, "process", "report"}` or
/// `{"clean": false, "process", "last_alive_at"}`.
pub async fn read(folder: &Path) -> Option<Value> {
    let place = folder.to_owned();
    bounded(LIMIT, move || Ok(look(&place))).await.unwrap_or_else(|error: io::Error| {
        tracing::warn!(%error, "how the process before ended could not be read");
        None
    })
}

/// The same at once, for a program that waits for nothing else.
pub fn look(folder: &Path) -> Option<Value> {
    let running = folder.join(RUNNING);
    if let Ok(meta) = fs::metadata(&running) {
        // A machine that lost power may have left the file empty: its time still tells.
        let process = parse(&running).unwrap_or(Value::Null);
        let alive = meta.modified().ok().map(|at| stamp(DateTime::<Utc>::from(at)));
        return Some(json!({ "clean": false, "process": process, "last_alive_at": alive }));
    }
    parse(&folder.join(LAST)).filter(|last| last["clean"].is_boolean())
}

/// Whether a process works on `folder` at this moment: then what is there is not about a process that has ended.
pub fn is_held(folder: &Path) -> bool {
    File::open(folder.join(crate::folder::LOCK)).is_ok_and(|lock| lock.try_lock_shared().is_err())
}

/// What [`read`] found, as one sentence.
pub fn sentence(last: &Value) -> String {
    let pid = last["process"]["pid"].as_u64().map_or(String::new(), |pid| format!(" (pid {pid})"));
    if last["clean"] == true {
        let report = &last["report"];
        let (reason, code) = (report["reason"].as_str().unwrap_or("?"), &report["code"]);
        let took = report["took_ms"].as_u64().unwrap_or_default();
        format!("the process before{pid} ended in order: stopped by {reason} in {took} ms, exit {code}")
    } else {
        let at = last["last_alive_at"].as_str().unwrap_or("an unknown time");
        format!("the process before{pid} did not end in order: last alive at {at}")
    }
}

impl Record {
    /// Begins the record in `folder`. An unclean end that is found there becomes the last one.
    ///
    /// # Errors
    /// The files could not be written in time: the end of this process will not be told.
    pub async fn begin(folder: &Path, started: DateTime<Utc>) -> io::Result<Self> {
        let process = Process { pid: std::process::id(), version: VERSION.to_owned(), started_at: stamp(started) };
        let record = Self { folder: folder.to_owned(), process };
        let this = record.clone();
        bounded(LIMIT, move || {
            if let Some(unclean) = look(&this.folder).filter(|last| last["clean"] == false) {
                write(&this.folder, LAST, &unclean)?;
            }
            write(&this.folder, RUNNING, &json!(this.process))
        })
        .await?;
        Ok(record)
    }

    /// Notes again and again that the process is alive, until it is dropped.
    pub async fn stay_alive(self) {
        let mut looks = tokio::time::interval(ALIVE_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay); // a process that was stopped is alive once
        let mut well = true;
        loop {
            looks.tick().await;
            let file = self.folder.join(RUNNING);
            let noted = bounded(LIMIT, move || File::open(file)?.set_modified(SystemTime::now())).await;
            if let Err(error) = &noted {
                if error.kind() == io::ErrorKind::NotFound {
                    return; // the record has ended
                }
                if !std::mem::replace(&mut well, false) {
                    continue;
                }
                tracing::warn!(%error, "that the process is alive cannot be noted in the data folder");
            }
            well |= noted.is_ok();
        }
    }

    /// Ends the record with `report`, within `limit`.
    ///
    /// # Errors
    /// It could not be written in time: the next process will take this end for an unclean one.
    pub async fn end(&self, report: &EndReport, limit: Duration) -> io::Result<()> {
        let this = self.clone();
        let last = json!({ "clean": true, "process": self.process, "report": report });
        bounded(limit, move || {
            write(&this.folder, LAST, &last)?;
            fs::remove_file(this.folder.join(RUNNING))
        })
        .await
    }
}

/// What stands in a small file of ours; nothing when it cannot be read or is none.
pub(crate) fn parse(path: &Path) -> Option<Value> {
    let mut text = String::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Writes a file whole or not at all, and on the disk before it returns.
pub(crate) fn write(folder: &Path, name: &str, value: &Value) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let wrote = writeln!(file, "{value}").and_then(|()| file.sync_all());
    wrote.and_then(|()| fs::rename(&new, folder.join(name))).inspect_err(|_| {
        fs::remove_file(&new).ok(); // half a file is nobody's
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Code;

    fn report() -> EndReport {
        EndReport { reason: "SIGTERM".into(), took_ms: 14, ..EndReport::empty(Code::Stopped) }
    }

    #[tokio::test]
    async fn an_orderly_end_is_told_to_the_next_process() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read(home.path()).await, None);
        let record = Record::begin(home.path(), Utc::now()).await.unwrap();
        record.end(&report(), LIMIT).await.unwrap();
        let last = read(home.path()).await.unwrap();
        assert_eq!((&last["clean"], &last["report"]["reason"]), (&json!(true), &json!("SIGTERM")));
        let told = sentence(&last);
        assert!(told.contains("ended in order: stopped by SIGTERM in 14 ms, exit 0"), "{told}");
        // It stays the last one while the next one runs.
        let next = Record::begin(home.path(), Utc::now()).await.unwrap();
        drop(next);
        let kept = parse(&home.path().join(LAST)).unwrap();
        assert_eq!(kept, last);
    }

    #[tokio::test]
    async fn a_process_that_is_gone_without_a_word_was_last_alive_when_it_noted_so() {
        let home = tempfile::tempdir().unwrap();
        drop(Record::begin(home.path(), Utc::now()).await.unwrap());
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        File::open(home.path().join(RUNNING)).unwrap().set_modified(then).unwrap();
        let last = read(home.path()).await.unwrap();
        let told = sentence(&last);
        let words =
            format!("(pid {}) did not end in order: last alive at 2023-11-14T22:13:20.000Z", std::process::id());
        assert!(told.contains(&words), "{told}");
        // The next process keeps it until its own end.
        let next = Record::begin(home.path(), Utc::now()).await.unwrap();
        assert_eq!(parse(&home.path().join(LAST)).unwrap(), last);
        next.end(&report(), LIMIT).await.unwrap();
        assert_eq!(read(home.path()).await.unwrap()["clean"], true);
    }

    #[tokio::test]
    async fn files_that_are_not_ours_tell_nothing_and_hurt_nobody() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "{", "[]", "\u{0}\u{0}"] {
            fs::write(home.path().join(LAST), text).unwrap();
            assert_eq!(read(home.path()).await, None, "{text:?}");
        }
        fs::write(home.path().join(RUNNING), "").unwrap();
        let last = read(home.path()).await.unwrap();
        assert!(sentence(&last).starts_with("the process before did not end in order: last alive at 2"), "{last}");
    }
}
