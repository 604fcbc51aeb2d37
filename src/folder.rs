//! The data folder: made at boot, and gone again when boot comes to nothing.

use crate::exit::{Code, Fatal};
use control::{FileLock, LockError};
use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The folders that this process has made, outermost first. Dropped before [`DataFolder::keep`], it removes those of
/// them that are still empty: what fails at boot leaves nothing behind. It must outlive the control socket, which
/// may stand inside.
///
/// It also holds the folder's lock: two bots on one folder would answer everything twice and write over each other's
/// files, and a control socket of its own does not keep them apart.
#[derive(Debug, Default)]
pub struct DataFolder {
    made: Mutex<Vec<PathBuf>>,
    lock: Mutex<Option<FileLock>>,
}

/// The lock's file in the data folder. The kernel lets go of it when the process dies; an orderly end removes it.
pub(crate) const LOCK: &str = "impresario.lock";

impl DataFolder {
    /// Makes the folder where there is none, for its owner alone, tries whether it can be written, and locks it.
    ///
    /// # Errors
    /// Exit 69 with the folder and what to do; also when another instance works on it.
    pub fn open(&self, path: &Path) -> Result<(), Fatal> {
        let unusable = |error: std::io::Error| {
            let remedy = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space there or set data.dir to a folder on another disk"
                }
                _ => "make it writable or set data.dir to another folder",
            };
            let path = path.display();
            Fatal::new(Code::Unavailable, format!("the data folder {path} cannot be written: {error}; {remedy}"))
        };
        let mut missing: Vec<PathBuf> = path.ancestors().take_while(|at| is_missing(at)).map(Path::to_owned).collect();
        missing.reverse();
        for folder in missing {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => self.made().push(folder),
                Err(_) if folder.is_dir() => {} // made meanwhile, or it goes up again: `a/..`
                Err(error) => return Err(unusable(error)),
            }
        }
        // Whether files can be made there: asked of the system, since modes do not bind everybody.
        let probe = path.join(format!(".probe-{}", std::process::id()));
        std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(unusable)?;
        let lock = FileLock::take(&path.join(LOCK)).map_err(|error| match error {
            LockError::Io { error, .. } => unusable(error),
            LockError::Held { pid, .. } => {
                let who = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
                let path = path.display();
                let text = format!(
                    "another instance{who} works on the data folder {path}: stop it, or set data.dir to a folder of this \
                     one's own"
                );
                Fatal::new(Code::Unavailable, text)
            }
        })?;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
        Ok(())
    }

    /// Something that stays has been put there.
    pub fn keep(&self) {
        self.made().clear();
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty()
        && path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        self.lock.get_mut().unwrap_or_else(PoisonError::into_inner).take(); // its file goes before the folder can
        while let Some(folder) = { self.made().pop() } {
            if std::fs::remove_dir(&folder).is_err() {
                return; // something is in it after all: it stays, and so does what it stands in
            }
        }
    }
}

/// File work beside the runtime. What takes longer than `limit` goes on behind, and nobody waits for it.
///
/// # Errors
/// What the work failed with; timed out.
pub(crate) async fn bounded<T: Send + 'static, E: From<io::Error> + Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) => Err(io::Error::other(panic).into()),
        Err(_elapsed) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_for_a_boot_that_fails_goes_again_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("a/b/c");
        let folder = DataFolder::default();
        folder.open(&deep).unwrap();
        assert!(deep.is_dir());
        drop(folder);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);

        std::fs::create_dir(home.path().join("a")).unwrap();
        let folder = DataFolder::default();
        folder.open(&deep).unwrap();
        std::fs::write(home.path().join("a/b/mine"), "x").unwrap();
        drop(folder);
        assert!(home.path().join("a/b/mine").exists() && !deep.exists());
    }

    #[test]
    fn a_folder_serves_one_instance_and_the_next_one_once_it_has_ended() {
        let home = tempfile::tempdir().unwrap();
        let first = DataFolder::default();
        first.open(home.path()).unwrap();
        let error = DataFolder::default().open(home.path()).unwrap_err();
        assert_eq!(error.code, Code::Unavailable);
        let pid = format!("(pid {})", std::process::id());
        assert!(error.message.contains("data.dir") && error.message.contains(&pid), "{error}");
        drop(first);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing stays behind");
        DataFolder::default().open(home.path()).unwrap();
    }

    #[test]
    fn what_is_kept_stays() {
        let home = tempfile::tempdir().unwrap();
        let folder = DataFolder::default();
        folder.open(&home.path().join("data")).unwrap();
        folder.keep();
        drop(folder);
        assert!(home.path().join("data").is_dir());
    }

    #[test]
    fn a_file_in_the_way_is_named_with_the_key() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        std::fs::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = DataFolder::default().open(&path).unwrap_err();
            assert_eq!(error.code, Code::Unavailable);
            assert!(error.message.contains("data.dir") && error.message.contains("file"), "{error}");
        }
    }
}
