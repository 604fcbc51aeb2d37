//! The data folder: made at boot, and gone again when boot comes to nothing.

use crate::exit::{Code, Fatal};
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The folders that this process has made, outermost first. Dropped before [`DataFolder::keep`], it removes those of
/// them that are still empty: what fails at boot leaves nothing behind. It must outlive the control socket, which
/// may stand inside.
#[derive(Debug, Default)]
pub struct DataFolder(Mutex<Vec<PathBuf>>);

impl DataFolder {
    /// Makes the folder where there is none, for its owner alone, and tries whether it can be written.
    ///
    /// # Errors
    /// Exit 69 with the folder and what to do.
    pub fn open(&self, path: &Path) -> Result<(), Fatal> {
        let unusable = |error: std::io::Error| {
            let (path, remedy) = (path.display(), "make it writable or set data.dir to another folder");
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
        std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(unusable)
    }

    /// Something that stays has been put there.
    pub fn keep(&self) {
        self.made().clear();
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty()
        && path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        while let Some(folder) = { self.made().pop() } {
            if std::fs::remove_dir(&folder).is_err() {
                return; // something is in it after all: it stays, and so does what it stands in
            }
        }
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
