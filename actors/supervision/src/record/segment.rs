//! The file that is written to, and its place in the folder.

use super::{
    FILE, LINE_MAX, OLDER,
    format::{self, FORMAT, Head, Process, Record, WHAT},
    kept::Kept,
    past::{Past, Tail},
    wall_ms,
};
use crate::core::REVISION;
use serde::Serialize;
use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

/// Bytes that are gathered before they are written.
const LARGE: usize = 1 << 18;
/// How long a file that could not be written is left alone: every try costs the states of all supervisors, written anew.
pub(crate) const RETRY: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 1_000 });
/// States that a segment may hold on top of its bound. They do not count, since a segment that begins with more of them
/// than it may hold would give way at once; but a disk that comes and goes must not fill up with them.
const FREE_MAX: u64 = 64 << 20;

/// The segment that is written to. A failure costs the records that were being written, is said once, and is tried anew
/// after [`RETRY`]: the file is cut back to its last good record then.
pub(crate) struct Segment {
    folder: PathBuf,
    /// What is carried over, as of the last record.
    pub(super) kept: Kept,
    max: u64,
    file: Option<File>,
    /// Where the file's good records end; none: a new file begins.
    tail: Option<Tail>,
    /// Not written yet, with the records in it and the checksum of the last one.
    buffer: Vec<u8>,
    pending: u64,
    checksum: u32,
    /// Bytes of the file that do not count against its bound: what it begins with.
    free: u64,
    /// Whether this process has begun its part.
    begun: bool,
    /// Records that could not be written and are not accounted for in the file.
    lost: u64,
    /// The same since somebody asked.
    lost_lately: u64,
    /// Why it cannot be written, since the last time that it could be.
    trouble: Option<String>,
    retry_at: Option<Instant>,
    /// Records are missing: supervisors' states are to be written down anew.
    gap: bool,
    asked: bool,
    /// Bytes that a test's disk has room for.
    #[cfg(test)]
    pub(crate) room: Option<std::sync::Arc<std::sync::atomic::AtomicUsize>>,
}

impl Segment {
    /// Goes on where `past` ends; a segment is full at `max` bytes.
    pub(crate) fn new(past: &Past, max: u64) -> Self {
        Self {
            folder: past.folder.clone(),
            kept: Kept { gave_up: None, ..past.kept.clone() },
            max,
            file: None,
            tail: past.tail,
            buffer: Vec::new(),
            pending: 0,
            checksum: 0,
            free: 0,
            begun: false,
            lost: 0,
            lost_lately: 0,
            trouble: None,
            retry_at: None,
            gap: false,
            asked: false,
            #[cfg(test)]
            room: None,
        }
    }

    /// Appends a record; `free` when it does not count against the bound.
    pub(super) fn push(&mut self, record: &impl Serialize, free: bool) {
        if self.file.is_none() && !self.open() {
            self.lose(1);
            self.gap = true;
            return;
        }
        let before = self.buffer.len();
        if !self.append(record) {
            self.lose(1); // an absurdly long one, which it would be again: what follows it cannot be decided again
            return;
        }
        if free {
            self.free += (self.buffer.len() - before) as u64;
        }
        if self.buffer.len() >= LARGE {
            self.write();
        }
    }

    fn lose(&mut self, records: u64) {
        self.lost += records;
        self.lost_lately += records;
    }

    fn append(&mut self, record: &impl Serialize) -> bool {
        let (before, checksum) = (self.buffer.len(), self.checksum);
        let written = format::write(record, &mut self.buffer, &mut self.checksum);
        if written.is_err() || self.buffer.len() - before > LINE_MAX {
            self.buffer.truncate(before);
            self.checksum = checksum;
            return false;
        }
        self.pending += 1;
        true
    }

    /// Opens the file and begins this process's part of it.
    fn open(&mut self) -> bool {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        let (file, tail) = match self.opened() {
            Ok(opened) => opened,
            Err(error) => {
                self.failed(&error);
                return false;
            }
        };
        (self.file, self.tail, self.checksum) = (Some(file), Some(tail), tail.checksum);
        if tail.end == 0 {
            self.append(&Record::Head(Head { what: WHAT.to_owned(), format: FORMAT }));
        }
        let (version, wall) = (env!("CARGO_PKG_VERSION").to_owned(), wall_ms(SystemTime::now()));
        let goes_on = std::mem::replace(&mut self.begun, true);
        self.append(&Record::Process(Process { pid: std::process::id(), version, rules: REVISION, wall, goes_on }));
        if self.lost > 0 {
            self.append(&Record::Lost { records: self.lost });
        }
        self.append(&Record::Kept(self.kept.clone()));
        self.pending = 0; // these can be written again
        if tail.end == 0 {
            self.free += self.buffer.len() as u64;
        }
        true
    }

    fn opened(&self) -> io::Result<(File, Tail)> {
        let path = self.folder.join(FILE);
        if let Some(tail) = self.tail {
            match OpenOptions::new().write(true).open(&path) {
                Ok(mut file) => {
                    file.set_len(tail.end)?; // what was not written to its end goes
                    file.seek(SeekFrom::End(0))?;
                    return Ok((file, tail));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // somebody removed it: a new one begins
                Err(error) => return Err(error),
            }
        }
        // What cannot be gone on with stays for one more segment.
        match std::fs::rename(&path, self.folder.join(OLDER)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        Ok((file, Tail { end: 0, checksum: 0 }))
    }

    /// Writes what has gathered.
    pub(super) fn write(&mut self) {
        let (Some(file), Some(tail)) = (&mut self.file, &mut self.tail) else { return };
        #[cfg(test)]
        let written = full_disk(self.room.as_deref(), file, &self.buffer);
        #[cfg(not(test))]
        let written = file.write_all(&self.buffer);
        match written {
            Ok(()) => {
                *tail = Tail { end: tail.end + self.buffer.len() as u64, checksum: self.checksum };
                if self.trouble.take().is_some() {
                    tracing::info!(lost = self.lost, "the journal of supervision is written again");
                }
                (self.lost, self.retry_at) = (0, None);
            }
            Err(error) => {
                self.lose(self.pending);
                self.gap = true;
                self.file = None;
                self.failed(&error);
            }
        }
        self.pending = 0;
        self.buffer.clear();
    }

    /// Writes `kept` down, what the tree gave up over included.
    pub(super) fn restate(mut self, kept: Kept) -> io::Result<()> {
        self.kept = kept;
        if self.open() {
            self.write();
        }
        self.trouble.map_or(Ok(()), |trouble| Err(io::Error::other(trouble)))
    }

    /// The last chance: a file that is left alone for a while is tried at once.
    pub(super) fn hurry(&mut self) {
        self.retry_at = None;
    }

    /// The next record begins a new segment.
    pub(super) fn rotate(&mut self) {
        self.write();
        self.sync();
        (self.file, self.tail) = (None, None);
        (self.free, self.asked) = (0, false);
    }

    /// Has the disk hold what was written.
    pub(super) fn sync(&mut self) {
        if let Some(Err(error)) = self.file.as_ref().map(File::sync_data) {
            let path = self.folder.join(FILE);
            tracing::warn!("{} may not outlive a loss of power: {error}", path.display());
        }
    }

    /// Whether records are missing since this was last asked, and could be written now.
    pub(super) fn take_gap(&mut self) -> bool {
        self.trouble.is_none() && std::mem::take(&mut self.gap)
    }

    /// Records that were lost since this was last asked, and why it cannot be written, if it cannot.
    pub(super) fn account(&mut self) -> (u64, Option<&str>) {
        (std::mem::take(&mut self.lost_lately), self.trouble.as_deref())
    }

    /// Whether it has become full; said once.
    pub(super) fn take_full(&mut self) -> bool {
        let full = self.tail.is_some_and(|tail| tail.end > self.max.saturating_add(self.free.min(FREE_MAX)));
        full && !std::mem::replace(&mut self.asked, true)
    }

    /// Leaves the file alone for a while; said once.
    fn failed(&mut self, error: &io::Error) {
        self.retry_at = Some(Instant::now() + RETRY);
        if self.trouble.is_none() {
            let path = self.folder.join(FILE);
            let path = path.display();
            tracing::warn!(
                "{path} cannot be written: {error}; what is decided meanwhile is not kept for the next process"
            );
        }
        self.trouble = Some(error.to_string());
    }
}

/// Writes as a disk does that has only so much room left: part of it, then no more.
#[cfg(test)]
fn full_disk(room: Option<&std::sync::atomic::AtomicUsize>, file: &mut File, bytes: &[u8]) -> io::Result<()> {
    use std::sync::atomic::Ordering::SeqCst;
    let Some(room) = room else { return file.write_all(bytes) };
    let fits = bytes.len().min(room.load(SeqCst));
    room.fetch_sub(fits, SeqCst);
    file.write_all(&bytes[..fits])?;
    if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}
