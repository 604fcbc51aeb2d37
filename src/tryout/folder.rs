//! The folder of one `try`: made for it alone, gone with it.

use crate::{
    console,
    exit::{Code, Fatal},
};
use std::{
    fs::DirBuilder,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// Names that are tried: a `try` that was killed leaves its folder, and process ids come again.
const NAMES: u32 = 100;

/// Removes the folder with what is in it when dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder below `parent`.
    pub(super) fn make(parent: &Path) -> Result<Self, Fatal> {
        let pid = std::process::id();
        let fatal = |path: &Path, error: std::io::Error| {
            let path = path.display();
            let text = format!("the folder {path} cannot be made: {error}; set TMPDIR to a folder that can be written");
            Fatal::new(Code::Unavailable, text)
        };
        let mut path = parent.join(format!("impresario-try-{pid}"));
        for nth in 1..=NAMES {
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && nth < NAMES => {
                    path = parent.join(format!("impresario-try-{pid}-{nth}"));
                }
                Err(error) => return Err(fatal(&path, error)),
            }
        }
        Err(fatal(&path, ErrorKind::AlreadyExists.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            console::problem(&format!("the folder {} could not be removed: {error}", self.0.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_a_killed_try_left_is_in_nobodys_way() {
        let home = tempfile::tempdir().unwrap();
        let first = Folder::make(home.path()).unwrap();
        let second = Folder::make(home.path()).unwrap();
        assert_ne!(first.path(), second.path());
        drop((first, second));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
