//! A file that one process at a time holds: the kernel lets go of it when the process dies, however it dies.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

/// Times that the file may vanish between opening and locking it, or be held by somebody who only looks.
const ATTEMPTS: usize = 8;
/// How long to wait for one who only looks.
const LOOKING: Duration = Duration::from_millis(10);
/// Digits of a process id, and some.
const PID_MAX: u64 = 20;

/// A held lock. Dropping it removes the file and lets go.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    file: File,
}

/// Why a lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{} is held by another process{}", path.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Held {
        /// The file.
        path: PathBuf,
        /// Whose process id stands in it.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("{} cannot be locked: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl FileLock {
    /// Makes the file at `path` if there is none, locks it, and writes this process's id into it. Blocks for 80 ms at most,
    /// when somebody else has it.
    ///
    /// # Errors
    /// [`LockError`]; what the holder wrote is left as it is.
    #[expect(clippy::disallowed_methods, reason = "a few instants at the start, before anything else could run")]
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let io = |error| LockError::Io { path: path.to_owned(), error };
        for _ in 0..ATTEMPTS {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(nofollow())
                .open(path)
                .map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => {
                    std::thread::sleep(LOOKING);
                    continue;
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
            }
            // Its last holder removes the file: a lock on a removed file keeps nobody away.
            if is_at(&file, path) {
                // Ours from here on: it goes again if even the few digits find no room.
                let mut lock = Self { path: path.to_owned(), file };
                lock.sign().map_err(io)?;
                return Ok(lock);
            }
        }
        Err(LockError::Held { path: path.to_owned(), pid: pid(path) })
    }

    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{}", std::process::id())
    }

    /// Whether somebody holds the lock at `path`, and the process id that stands in it. Looking takes a shared lock for
    /// an instant: [`FileLock::take`] waits that out.
    pub fn holder(path: &Path) -> Option<Option<u32>> {
        let file = OpenOptions::new().read(true).custom_flags(nofollow()).open(path).ok()?;
        let held = matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock));
        held.then(|| pid(path))
    }

    /// Whether the file at its path is still the one that is locked.
    pub(crate) fn is_in_place(&self) -> bool {
        is_at(&self.file, &self.path)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.is_in_place() {
            std::fs::remove_file(&self.path).ok(); // the lock itself goes with its file handle
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let place = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    let (ours, there) = (file.metadata().map(place), std::fs::symlink_metadata(path).map(place));
    matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
}

fn pid(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).ok()?.take(PID_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// `O_NOFOLLOW`: a planted symbolic link must not make us create a file elsewhere.
fn nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_names_its_holder() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        assert_eq!(FileLock::holder(&path), None);
        let held = FileLock::take(&path).unwrap();
        assert_eq!(FileLock::holder(&path), Some(Some(std::process::id())));
        let text = FileLock::take(&path).unwrap_err().to_string();
        assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
        drop(held);
        assert!(!path.exists());
        assert_eq!(FileLock::holder(&path), None);
    }

    #[test]
    fn a_file_left_by_a_dead_process_is_taken_over() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        std::fs::write(&path, "4194304999\n").unwrap();
        assert_eq!(FileLock::holder(&path), None);
        let _held = FileLock::take(&path).unwrap();
        assert_eq!(FileLock::holder(&path), Some(Some(std::process::id())));
    }

    #[test]
    fn a_removed_file_of_a_holder_is_seen_and_its_successor_is_not_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let first = FileLock::take(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = FileLock::take(&path).unwrap();
        assert!(!first.is_in_place() && second.is_in_place());
        drop(first);
        assert!(path.exists());
    }
}
